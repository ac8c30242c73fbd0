//! Vendors being taken on, and not.

use super::market::{approval, introduction, opened, reason, tell, vendor, wish};
use super::{Act, End, Rehearsal};
use chrono::TimeDelta;
use cityos_domain::marketplace::vendor::{ApplyAsVendor, Command, InviteVendor, Vendor};

/// For the onboarding of vendors.
pub fn onboardings() -> Vec<Rehearsal> {
    let apply = || wish(ApplyAsVendor { id: vendor(), introduction: introduction("miller") });
    let invite = wish(InviteVendor { id: vendor(), introduction: introduction("miller") });
    let reject = Command::Reject { reason: reason("not for us"), evidence: 0 };
    vec![
        Rehearsal {
            name: "a vendor applies and is approved",
            setting: opened(),
            acts: [apply(), Act::Settle].into_iter().chain(approval(vendor())).collect(),
            end: End::Completed,
        },
        Rehearsal {
            name: "a vendor is invited and then rejected",
            setting: opened(),
            acts: vec![invite, Act::Settle, tell::<Vendor>(vendor(), reject), Act::Settle],
            end: End::Compensated,
        },
        Rehearsal {
            name: "nobody decides on a vendor for a month",
            setting: opened(),
            acts: vec![apply(), Act::Settle, Act::Pass(TimeDelta::days(31)), Act::Settle],
            end: End::Compensated,
        },
    ]
}
