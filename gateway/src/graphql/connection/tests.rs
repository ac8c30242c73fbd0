//! A list that is not meant for a role shows it nothing, even if the table of who may do what let it in.

use super::*;
use crate::app::App;
use crate::graphql::commission_rules::CommissionRule;
use crate::graphql::commissions::Commission;
use crate::graphql::customers::Customer;
use crate::graphql::ledger::{LedgerEntry, VendorBalance};
use crate::graphql::offers::Offer;
use crate::graphql::order_lines::OrderLine;
use crate::graphql::order_parts::OrderPart;
use crate::graphql::orders::Order;
use crate::graphql::payouts::Payout;
use crate::graphql::saga_runs::{DueTimer, SagaRun};
use crate::graphql::statistics::TenantDay;
use crate::graphql::vendors::Vendor;
use crate::sample;
use crate::settings::Settings;
use cityos_domain::ids::derive;
use cityos_domain::log::Partition;
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::members::Duty;
use std::sync::Arc;

/// Whether an admin, a vendor who has nothing, and a customer who has nothing are shown rows.
async fn shown<N: Node>(app: &App) -> [bool; 3] {
    let strangers =
        [Own::Vendor(VendorId(derive(&["nobody"]))), Own::Customer(CustomerId(derive(&["nobody"])))];
    let partition = Partition::Tenant(sample::tenant());
    let mut shown = [false; 3];
    for (shown, own) in shown.iter_mut().zip([Own::All].into_iter().chain(strangers)) {
        let query = visible::<N>(Scope { partition, own }, Query::new(partition));
        *shown = query.count(&app.services().reads).await.unwrap() > 0;
    }
    shown
}

#[tokio::test]
async fn only_what_is_meant_for_a_role_is_shown_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { data_dir: directory.path().join("data"), ..Settings::default() };
    let app = App::open(settings, Arc::new(SystemClock)).await.unwrap();
    let moving = app.start(Duty::ALL).await.unwrap();
    sample::load(&app.services().executor, &app.services().sealer).await.unwrap();
    moving.stop().await;
    app.settle().await.unwrap();

    let admins = [true, false, false];
    assert_eq!(shown::<Vendor>(&app).await, admins);
    assert_eq!(shown::<Customer>(&app).await, admins);
    assert_eq!(shown::<Order>(&app).await, admins);
    assert_eq!(shown::<OrderPart>(&app).await, admins);
    assert_eq!(shown::<OrderLine>(&app).await, admins);
    assert_eq!(shown::<Commission>(&app).await, admins);
    assert_eq!(shown::<VendorBalance>(&app).await, admins);
    assert_eq!(shown::<LedgerEntry>(&app).await, admins);
    assert_eq!(shown::<Payout>(&app).await, admins);
    assert_eq!(shown::<CommissionRule>(&app).await, admins);
    assert_eq!(shown::<SagaRun>(&app).await, admins);
    assert_eq!(shown::<DueTimer>(&app).await, admins);
    assert_eq!(shown::<TenantDay>(&app).await, admins);
    // Buyers choose from everyone's offers.
    assert_eq!(shown::<Offer>(&app).await, [true, false, true]);
}
