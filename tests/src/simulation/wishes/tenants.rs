//! Tenants that come, decide, are stopped, and go.

use super::{tell, vendors, wish};
use crate::simulation::city::Process;
use crate::simulation::dice::Dice;
use crate::simulation::market::{Market, locale, reason, slug, text};
use cityos_domain::foundation::tenancy::{RegisterTenant, Registration};
use cityos_domain::foundation::tenant::{
    CaptureMoment, CloseTenant, Command, PayoutSchedule, Policies, Tenant, Tier,
};
use cityos_domain::ids::TenantId;
use cityos_domain::workspace::Intention;
use cityos_projections::Query;
use cityos_projections::models::vendor_balances::{VendorBalance, VendorBalances};
use std::sync::Arc;

pub fn suspend(market: &Market) -> Arc<dyn Intention> {
    tell::<Tenant>(market.tenant, Command::Suspend { reason: reason() })
}

pub fn resume(market: &Market) -> Arc<dyn Intention> {
    tell::<Tenant>(market.tenant, Command::Resume { reason: reason() })
}

pub fn start_closing(market: &Market) -> Arc<dyn Intention> {
    tell::<Tenant>(market.tenant, Command::StartClosing { reason: reason() })
}

/// As the API asks for it: with what read models that have come to the log's end still show.
pub async fn close(market: &Market, process: &Process) -> Option<Arc<dyn Intention>> {
    let open_parts = vendors::open_parts(market.partition(), None, process).await?;
    let mut owed = None;
    let mut balances = Query::<VendorBalances>::new(market.partition());
    loop {
        let page = balances.page(&process.reads).await.ok()?;
        let settled = |row: &VendorBalance| {
            row.pending_minor == 0 && row.available_minor == 0 && row.in_transit_minor == 0
        };
        owed = owed.or(page.rows.iter().find(|(_, row)| !settled(row)).map(|(_, row)| row.currency));
        match page.rows.last() {
            Some((last, _)) if page.more => {
                balances = Query::<VendorBalances>::new(market.partition()).after(last.clone());
            }
            Some(_) | None => return Some(wish(CloseTenant { open_parts, owed })),
        }
    }
}

pub fn change_policies(market: &Market, dice: &mut Dice) -> Arc<dyn Intention> {
    tell::<Tenant>(market.tenant, Command::ChangePolicies(policies(market, dice)))
}

/// Some policies.
pub fn policies(market: &Market, dice: &mut Dice) -> Policies {
    let minimum = |dice: &mut Dice| (market.currencies[0], dice.between(1, 4_000));
    let hour = u8::try_from(dice.below(24)).expect("a day has fewer hours");
    Policies {
        hold_days: dice.weighed(&[(4, 0), (2, 2), (2, 7), (1, 14)]),
        capture: dice.weighed(&[(3, CaptureMoment::AtShipment), (2, CaptureMoment::AtPlacement)]),
        payout_minimum_minor: if dice.falls(300) { [minimum(dice)].into() } else { Default::default() },
        payouts: dice.weighed(&[(3, PayoutSchedule::Manual), (2, PayoutSchedule::Daily { hour })]),
        authorisation_hours: dice.weighed(&[(1, 1), (2, 36), (4, 168), (1, 720)]),
        reservation_minutes: dice.weighed(&[(1, 1), (4, 15), (1, 120)]),
    }
}

pub fn register(market: &mut Market) -> Arc<dyn Intention> {
    let id: TenantId = market.new_id("tenant");
    let word = market.new_word(&format!("tenant-{}", market.currencies[0].code().to_lowercase()));
    wish(RegisterTenant { id, registration: registration(market, &word) })
}

/// How a tenant of this name with the zone and currency of `market` is registered.
pub fn registration(market: &Market, word: &str) -> Registration {
    Registration {
        slug: slug(word),
        name: text(word),
        subcategory: None,
        zone: market.zone,
        locale: locale(),
        currency: market.currencies[0],
        tier: Tier::Basic,
    }
}
