//! Vendors being paid.

use super::market::{currency, order, part, reason, tell, vendor, wish};
use super::orders::{bought, ship};
use super::{Act, End, Rehearsal};
use cityos_domain::foundation::tenant::Policies;
use cityos_domain::ledger::paying_out::RequestPayout;
use cityos_domain::ledger::payout::Trigger;
use cityos_domain::marketplace::vendor::{self, Vendor};
use cityos_domain::orders::shipping::DeliverPart;

/// For payouts.
pub fn payouts() -> Vec<Rehearsal> {
    let request = || wish(RequestPayout { vendor: vendor(), currency: currency(), trigger: Trigger::Manual });
    let suspended = || tell::<Vendor>(vendor(), vendor::Command::Suspend { reason: reason("complaints") });
    let resumed = tell::<Vendor>(vendor(), vendor::Command::Resume { reason: reason("settled") });
    let mut held = earned();
    held.extend([request(), suspended(), Act::Settle]);
    vec![
        Rehearsal {
            name: "a vendor is paid",
            setting: earned(),
            acts: vec![request(), Act::Settle],
            end: End::Completed,
        },
        Rehearsal {
            name: "the vendor is suspended before anything is claimed",
            setting: earned(),
            acts: vec![request(), suspended(), Act::Settle],
            end: End::Compensated,
        },
        Rehearsal {
            name: "a payout that was held is asked for again",
            setting: held,
            acts: vec![resumed, request(), Act::Settle],
            end: End::Completed,
        },
    ]
}

/// A marketplace in which two units were bought, captured and delivered.
pub fn earned() -> Vec<Act> {
    let mut acts = bought(Policies::default());
    acts.extend([ship(), Act::Settle, wish(DeliverPart { part: part(order()) }), Act::Settle]);
    acts
}
