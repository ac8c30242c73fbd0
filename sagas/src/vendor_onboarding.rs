//! Takes a seller from application or invitation to a decision: opens an account to pay them to, and waits for the
//! review. Who is rejected, or not decided on within 30 days, has the account closed again.

use crate::context::Context;
use crate::payout_account::{close, link, open};
use crate::saga::{Failure, Policy, Progress, Saga};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::event::Event;
use cityos_domain::ids::VendorId;
use cityos_domain::marketplace::vendor::{self, Command, Profile, Stage, Vendor};
use cityos_domain::rejection::{Reject, Rejected};
use cityos_domain::saga_run::{FailureKind, Way};
use cityos_domain::text::Reason;
use cityos_domain::workspace::{Decided, Intention, Stop, Tell, Workspace};
use serde::{Deserialize, Serialize};

/// How long a decision may take.
const DECIDED_WITHIN: TimeDelta = TimeDelta::days(30);

/// The code of a run whose vendor somebody rejected.
const VENDOR_REJECTED: &str = "VENDOR_REJECTED";

/// The saga.
pub struct VendorOnboarding;

/// Its steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The vendor gives what is needed; the way back rejects them.
    Begin,
    /// The transfer provider has an account for them.
    OpenAccount,
    /// The vendor knows it.
    LinkAccount,
    /// Somebody decides.
    AwaitReview,
}

/// Who, since when, and with which of their applications.
#[derive(Serialize, Deserialize)]
pub struct Input {
    vendor: VendorId,
    since: DateTime<Utc>,
    #[serde(default)]
    application: u32,
}

/// What the provider said.
#[derive(Default, Serialize, Deserialize)]
pub struct Memo {
    account: Option<String>,
}

#[async_trait]
impl Saga for VendorOnboarding {
    const NAME: &'static str = "vendor_onboarding";
    type Step = Step;
    type Input = Input;
    type Memo = Memo;
    const STEPS: &'static [(&'static str, Step)] = &[
        ("begin", Step::Begin),
        ("open_account", Step::OpenAccount),
        ("link_account", Step::LinkAccount),
        ("await_review", Step::AwaitReview),
    ];

    fn starts_on(event: &Decided) -> Option<Input> {
        let Event::Vendor(happened) = &event.event else { return None };
        let application = if let vendor::Event::Applied { application, .. } = happened {
            *application
        } else if matches!(happened, vendor::Event::Invited { .. }) {
            0
        } else {
            return None;
        };
        Some(Input { vendor: VendorId(event.stream.id), since: event.at, application })
    }

    fn policy(step: Step) -> Policy {
        match step {
            Step::Begin | Step::LinkAccount => Policy::LOCAL,
            Step::OpenAccount => Policy::REMOTE,
            // It only looks: nothing of it is to be undone, but what came before is.
            Step::AwaitReview => Policy::LOCAL.way(Way::Pivot),
        }
    }

    async fn act(step: Step, input: &Input, memo: &mut Memo, cx: &Context) -> Result<Progress, Failure> {
        let id = input.vendor;
        match step {
            Step::Begin => tell(cx, id, Command::StartOnboarding).await?,
            Step::OpenAccount => memo.account = Some(open(id, cx).await?),
            Step::LinkAccount => link(id, memo.account.as_deref(), cx).await.map_err(unless_closing)?,
            Step::AwaitReview => return review(input, cx).await,
        }
        Ok(Progress::Done)
    }

    async fn undo(step: Step, input: &Input, memo: &Memo, cx: &Context) -> Result<(), Failure> {
        let id = input.vendor;
        match step {
            Step::Begin => {
                let (code, _) = cx.turned().unwrap_or_default();
                let reason = Reason::parse("reason", &format!("the onboarding ended: {code}"))?;
                cx.tell(&RejectUndecided { vendor: id, application: input.application, reason }).await
            }
            Step::OpenAccount => close(memo.account.as_deref(), cx).await,
            Step::LinkAccount => {
                let (vendor, _) = cx.load::<Vendor>(id).await?;
                let linked = vendor.known().ok().and_then(|vendor| vendor.payout_account.as_ref());
                // Who applied again has an account of the new application by now.
                if linked.is_some() && linked == memo.account.as_ref() {
                    tell(cx, id, Command::ClosePayoutAccount).await?;
                }
                Ok(())
            }
            Step::AwaitReview => Ok(()),
        }
    }

    #[cfg(any(test, feature = "rehearsal"))]
    fn rehearsals() -> Vec<crate::rehearsal::Rehearsal> {
        crate::rehearsal::vendors::onboardings()
    }
}

async fn tell(cx: &Context, id: VendorId, command: Command) -> Result<(), Failure> {
    cx.tell(&Tell::<Vendor> { id, command }).await
}

/// The account of the application before may still be on its way out.
fn unless_closing(refused: Failure) -> Failure {
    if refused.code == vendor::Rejection::PayoutAccountOpen.code() {
        Failure { kind: FailureKind::Transient, ..refused }
    } else {
        refused
    }
}

/// The application is rejected as it is now, unless somebody has decided on it: whoever was rejected may have applied
/// again since.
struct RejectUndecided {
    vendor: VendorId,
    application: u32,
    reason: Reason,
}

impl Intention for RejectUndecided {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let vendor = city.see::<Vendor>(self.vendor)?;
        let Profile { stage, evidence, application, .. } = *vendor.known()?;
        if application != self.application {
            return Ok(());
        }
        match stage {
            Stage::Applied | Stage::Invited | Stage::Onboarding | Stage::ReadyForReview => {
                city.send::<Vendor>(self.vendor, &Command::Reject { reason: self.reason.clone(), evidence })
            }
            Stage::Approved | Stage::Suspended | Stage::Rejected | Stage::Terminated => Ok(()),
        }
    }
}

async fn review(input: &Input, cx: &Context) -> Result<Progress, Failure> {
    let (vendor, seen) = cx.load::<Vendor>(input.vendor).await?;
    let until = input.since + DECIDED_WITHIN;
    let profile = vendor.known().map_err(Rejected::from)?;
    if profile.application != input.application {
        return Err(Failure::permanent(VENDOR_REJECTED, "the vendor was rejected, and has applied again"));
    }
    match profile.stage {
        Stage::Approved | Stage::Suspended => Ok(Progress::Done),
        Stage::Rejected => Err(Failure::permanent(VENDOR_REJECTED, "the vendor was rejected")),
        Stage::Terminated => Err(Failure::permanent("VENDOR_TERMINATED", "the vendor was terminated")),
        Stage::Applied | Stage::Invited | Stage::Onboarding | Stage::ReadyForReview if cx.at() >= until => {
            Err(Failure::permanent("VENDOR_REVIEW_EXPIRED", "nobody decided in time"))
        }
        Stage::Applied | Stage::Invited | Stage::Onboarding | Stage::ReadyForReview => {
            let on = Vendor::stream(cx.partition(), input.vendor);
            Ok(Progress::Wait { on, seen, until })
        }
    }
}
