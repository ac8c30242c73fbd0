//! The stories of an order, from asking to earning, and the sums that hold in all of them.

mod canceling;
mod earning;
mod placing;
mod sums;

use crate::commission::rules::{Command, CommissionRules, Fee};
use crate::event::Event;
use crate::ids::{OrderId, TenantId, VendorOrderId};
use crate::money::Rate;
use crate::orders::order::part_id;
use crate::orders::vendor_order::{self, VendorOrder};
use crate::rehearsal::id;
use crate::rehearsal::market::Market;
use crate::workspace::Tell;

fn order(name: &str) -> OrderId {
    id(name)
}

/// The part of the order `name` that is `vendor`'s.
fn part(name: &str, vendor: &str) -> VendorOrderId {
    part_id(order(name), id(vendor))
}

fn percent(percent: &str) -> Fee {
    Fee::percent(Rate::parse_percent("rate", percent).unwrap())
}

/// Takes `fee` of everything sold from now on.
fn charging(mut market: Market, fee: Fee) -> Market {
    let tenant: TenantId = id("tenant");
    let rule = crate::commission::rules::catch_all();
    for command in [Command::ChangeCatchAll { fee }, Command::Enable { rule }] {
        market.city.when(&Tell::<CommissionRules> { id: tenant, command }).unwrap();
    }
    market
}

fn parts(events: &[Event]) -> Vec<&vendor_order::Event> {
    events
        .iter()
        .filter_map(|event| if let Event::VendorOrder(part) = event { Some(part) } else { None })
        .collect()
}

fn state(market: &Market, name: &str, vendor: &str) -> VendorOrder {
    market.city.state::<VendorOrder>(part(name, vendor))
}
