//! Orders being bought, captured and canceled.

use super::market::{order, part, reason, request, stocked, tell, tenant, vendor, wish};
use super::{Act, End, Rehearsal};
use cityos_domain::foundation::tenant::{self, CaptureMoment, Policies, Tenant};
use cityos_domain::marketplace::vendor::{self, Vendor};
use cityos_domain::orders::canceling::CancelUnits;
use cityos_domain::orders::shipping::ShipPart;
use cityos_domain::orders::vendor_order::CancelCause;

/// For the checkout.
pub fn checkouts() -> Vec<Rehearsal> {
    let suspended = tell::<Tenant>(tenant(), tenant::Command::Suspend { reason: reason("unpaid") });
    let vendor_suspended =
        tell::<Vendor>(vendor(), vendor::Command::Suspend { reason: reason("complaints") });
    vec![
        Rehearsal {
            name: "an order is bought",
            setting: stocked(Policies::default()),
            acts: vec![request(order(), 2), Act::Settle],
            end: End::Completed,
        },
        Rehearsal {
            name: "more is wanted than there is",
            setting: stocked(Policies::default()),
            acts: vec![request(order(), 6), Act::Settle],
            end: End::Compensated,
        },
        Rehearsal {
            name: "the tenant is suspended before the order is placed",
            setting: stocked(Policies::default()),
            acts: vec![request(order(), 2), suspended, Act::Settle],
            end: End::Compensated,
        },
        Rehearsal {
            name: "the vendor is suspended before the order is placed",
            setting: stocked(Policies::default()),
            acts: vec![request(order(), 2), vendor_suspended, Act::Settle],
            end: End::Compensated,
        },
    ]
}

/// For the capture.
pub fn captures() -> Vec<Rehearsal> {
    let at_placement = Policies { capture: CaptureMoment::AtPlacement, ..Policies::default() };
    vec![
        Rehearsal {
            name: "a part ships",
            setting: bought(Policies::default()),
            acts: vec![ship(), Act::Settle],
            end: End::Completed,
        },
        Rehearsal {
            name: "a part is captured when it is placed, and then ships",
            setting: stocked(at_placement),
            acts: vec![request(order(), 2), Act::Settle, ship(), Act::Settle],
            end: End::Completed,
        },
    ]
}

/// For giving held money back.
pub fn releases() -> Vec<Rehearsal> {
    let cancel =
        CancelUnits { part: part(order()), line: 1, quantity: Some(1), cause: CancelCause::Customer };
    vec![Rehearsal {
        name: "a unit is canceled",
        setting: bought(Policies::default()),
        acts: vec![wish(cancel), Act::Settle],
        end: End::Completed,
    }]
}

/// A marketplace in which two units were bought.
pub(super) fn bought(policies: Policies) -> Vec<Act> {
    let mut acts = stocked(policies);
    acts.extend([request(order(), 2), Act::Settle]);
    acts
}

pub(super) fn ship() -> Act {
    wish(ShipPart { part: part(order()), tracking: None })
}
