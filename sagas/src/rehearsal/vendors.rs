//! Vendors being taken on, and not.

use super::market::{approval, introduction, opened, partition, proof, reason, tell, vendor, wish};
use super::{Act, End, Rehearsal};
use chrono::TimeDelta;
use cityos_domain::marketplace::vendor::{ApplyAsVendor, Command, InviteVendor, Vendor};
use cityos_domain::workspace::{Intention, Tell};

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

/// For accounts to be paid to.
pub fn accounts() -> Vec<Rehearsal> {
    let leave = [
        Command::Suspend { reason: reason("out of business") },
        Command::Terminate { reason: reason("out of business") },
    ];
    let leave = leave.map(|command| tell::<Vendor>(vendor(), command));
    vec![
        Rehearsal {
            name: "an imported vendor is proven",
            setting: imported(),
            acts: [proof(vendor()), vec![Act::Settle]].into_iter().flatten().collect(),
            end: End::Completed,
        },
        Rehearsal {
            name: "the vendor is terminated before an account is opened",
            setting: imported(),
            acts: proof(vendor()).into_iter().chain(leave).chain([Act::Settle]).collect(),
            end: End::Compensated,
        },
    ]
}

/// The tenant with a vendor who was let in elsewhere.
fn imported() -> Vec<Act> {
    let introduced = ApplyAsVendor { id: vendor(), introduction: introduction("miller") };
    let steps = [Command::StartOnboarding, Command::SubmitForReview, Command::Approve { evidence: 1 }];
    let steps = steps.map(|command| Box::new(Tell::<Vendor> { id: vendor(), command }) as Box<dyn Intention>);
    let intentions = [Box::new(introduced) as Box<dyn Intention>].into_iter().chain(steps);
    let imports = intentions.map(|intention| Act::Import { partition: partition(), intention });
    opened().into_iter().chain(imports).collect()
}
