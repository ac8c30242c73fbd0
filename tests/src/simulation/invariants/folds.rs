//! Every stream folds, event by event, into its aggregate.

use super::Invariant;
use cityos_domain::aggregate::Aggregate;
use cityos_domain::commission::{rules::CommissionRules, tier::CommissionTier};
use cityos_domain::event::Kind;
use cityos_domain::foundation::{
    place::Place, reservation::Reservation, store::Store, tenancy::Tenancy, tenant::Tenant,
};
use cityos_domain::ledger::{book::LedgerBook, month::LedgerMonth, payout::Payout};
use cityos_domain::log::{Envelope, StreamId};
use cityos_domain::marketplace::{
    customer::Customer, offer::Offer, product::Product, product_category::ProductCategory, stock::Stock,
    vendor::Vendor,
};
use cityos_domain::orders::{order::Order, payment::Payment, vendor_order::VendorOrder};
use cityos_domain::saga_run::SagaRun;
use cityos_domain::workspace::fold_events;
use std::any::Any;
use std::collections::HashMap;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};

type State = Box<dyn Any + Send>;

/// The state of every stream.
#[derive(Default)]
pub struct Folds(HashMap<StreamId, State>);

impl Invariant for Folds {
    fn see(&mut self, event: &Envelope) -> Result<(), String> {
        let state = self.0.remove(&event.stream);
        let folded = catch_unwind(AssertUnwindSafe(|| fold(state, event)));
        let folded = folded.map_err(|_| format!("the fold of {} panics", event.stream))?;
        self.0.insert(event.stream, folded);
        Ok(())
    }
}

fn fold(state: Option<State>, event: &Envelope) -> State {
    match event.stream.kind {
        Kind::Place => step::<Place>(state, event),
        Kind::Reservation => step::<Reservation>(state, event),
        Kind::Tenancy => step::<Tenancy>(state, event),
        Kind::Tenant => step::<Tenant>(state, event),
        Kind::Store => step::<Store>(state, event),
        Kind::Vendor => step::<Vendor>(state, event),
        Kind::Customer => step::<Customer>(state, event),
        Kind::ProductCategory => step::<ProductCategory>(state, event),
        Kind::Product => step::<Product>(state, event),
        Kind::Offer => step::<Offer>(state, event),
        Kind::Stock => step::<Stock>(state, event),
        Kind::CommissionRules => step::<CommissionRules>(state, event),
        Kind::CommissionTier => step::<CommissionTier>(state, event),
        Kind::Order => step::<Order>(state, event),
        Kind::VendorOrder => step::<VendorOrder>(state, event),
        Kind::Payment => step::<Payment>(state, event),
        Kind::LedgerBook => step::<LedgerBook>(state, event),
        Kind::Ledger => step::<LedgerMonth>(state, event),
        Kind::Payout => step::<Payout>(state, event),
        Kind::SagaRun => step::<SagaRun>(state, event),
    }
}

fn step<A: Aggregate>(state: Option<State>, event: &Envelope) -> State {
    let state = state.map(|state| *state.downcast::<A>().expect("a stream keeps its kind"));
    Box::new(fold_events(state.unwrap_or_default(), iter::once(&event.event)))
}
