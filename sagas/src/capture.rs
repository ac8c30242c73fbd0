//! Takes the money for a vendor's part when it ships, or at placement where the tenant says so, and writes down
//! that it was taken. Nothing is undone: a refusal is noted on the part and waits for an operator.

use crate::checkout::NOTHING_TO_PAY;
use crate::context::Context;
use crate::repair::foresight::Foresight;
use crate::saga::{Failure, NO_WAY_BACK_DELAYS_S, Policy, Progress, Saga};
use async_trait::async_trait;
use cityos_domain::event::Event;
use cityos_domain::foundation::tenant::CaptureMoment;
use cityos_domain::ids::VendorOrderId;
use cityos_domain::money::Money;
use cityos_domain::orders::capturing::{RecordCapture, RecordCaptureFailure};
use cityos_domain::orders::payment::{Method, Payment};
use cityos_domain::orders::vendor_order::{self, Part, VendorOrder};
use cityos_domain::rejection::Rejected;
use cityos_domain::saga_run::{FailureKind, Way};
use cityos_domain::workspace::Decided;
use cityos_eventstore::executor::ExecuteError;
use serde::{Deserialize, Serialize};

/// The saga.
pub struct Capture;

/// Its steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The provider takes the money.
    Capture,
    /// Part, payment and ledger say so.
    Record,
}

/// Of which part.
#[derive(Serialize, Deserialize)]
pub struct Input {
    part: VendorOrderId,
}

/// What the provider said.
#[derive(Default, Serialize, Deserialize)]
pub struct Memo {
    taken: Option<Taken>,
}

#[derive(Serialize, Deserialize)]
struct Taken {
    reference: String,
    minor: i64,
}

impl Taken {
    /// What is written of it.
    fn of(&self, part: VendorOrderId) -> RecordCapture {
        RecordCapture { part, minor: self.minor, reference: self.reference.clone() }
    }
}

#[async_trait]
impl Saga for Capture {
    const NAME: &'static str = "capture";
    type Step = Step;
    type Input = Input;
    type Memo = Memo;
    const STEPS: &'static [(&'static str, Step)] = &[("capture", Step::Capture), ("record", Step::Record)];

    fn starts_on(event: &Decided) -> Option<Input> {
        let Event::VendorOrder(happened) = &event.event else { return None };
        let moment = match happened {
            vendor_order::Event::Placed { capture, .. } => *capture == CaptureMoment::AtPlacement,
            vendor_order::Event::Shipped { capture, .. } => *capture == CaptureMoment::AtShipment,
            vendor_order::Event::UnitsCanceled { .. }
            | vendor_order::Event::Canceled { .. }
            | vendor_order::Event::Captured { .. }
            | vendor_order::Event::CaptureFailed { .. }
            | vendor_order::Event::Delivered { .. }
            | vendor_order::Event::EarningsReleased { .. } => false,
        };
        moment.then_some(Input { part: VendorOrderId(event.stream.id) })
    }

    fn policy(step: Step) -> Policy {
        match step {
            Step::Capture => Policy::REMOTE.way(Way::Onward).delays_s(NO_WAY_BACK_DELAYS_S),
            Step::Record => Policy::LOCAL.way(Way::Onward),
        }
    }

    fn never_skipped(step: Step) -> Option<&'static str> {
        match step {
            Step::Capture => None,
            Step::Record => Some("nothing else writes into the books what was taken"),
        }
    }

    async fn lacks_after(
        step: Step,
        input: &Input,
        memo: &Memo,
        log: &Foresight,
    ) -> Result<Option<String>, ExecuteError> {
        const TAKEN: &str = "`taken`, with the capture's `reference` and its amount in `minor` units";
        Ok(match (step, &memo.taken) {
            (Step::Record, _) => None,
            (Step::Capture, None) => Some(TAKEN.into()),
            (Step::Capture, Some(taken)) if taken.reference.trim().is_empty() => {
                Some(format!("{TAKEN}: the reference is blank"))
            }
            (Step::Capture, Some(taken)) => {
                let recorded = log.try_out(&taken.of(input.part)).await?;
                recorded.err().map(|rejected| format!("{TAKEN}: {}", rejected.message))
            }
        })
    }

    async fn act(step: Step, input: &Input, memo: &mut Memo, cx: &Context) -> Result<Progress, Failure> {
        let id = input.part;
        match step {
            Step::Capture => {
                let (part, _) = cx.load::<VendorOrder>(id).await?;
                let part = part.known().map_err(Rejected::from)?;
                let amount = Money { minor: part.totals.payable_minor(), currency: part.belongs.currency };
                let reference = take(id, part, amount, cx).await?;
                memo.taken = Some(Taken { reference, minor: amount.minor });
            }
            Step::Record => {
                let Some(taken) = &memo.taken else {
                    return Err(Failure::permanent("CAPTURE_UNKNOWN", "nothing is known of a capture"));
                };
                cx.tell(&taken.of(id)).await?;
            }
        }
        Ok(Progress::Done)
    }

    async fn undo(step: Step, _: &Input, _: &Memo, _: &Context) -> Result<(), Failure> {
        match step {
            Step::Capture | Step::Record => Ok(()),
        }
    }

    #[cfg(any(test, feature = "rehearsal"))]
    fn rehearsals() -> Vec<crate::rehearsal::Rehearsal> {
        crate::rehearsal::orders::captures()
    }
}

async fn take(id: VendorOrderId, part: &Part, amount: Money, cx: &Context) -> Result<String, Failure> {
    let (payments, key) = (cx.payments(), cx.key());
    // Asked before anything is judged: money that was taken is recorded, whatever became of the part since.
    if let Some(taken) = cx.done_before(payments.find(&key)).await? {
        return Ok(taken);
    }
    part.capturable().map_err(Rejected::from)?;
    let (payment, _) = cx.load::<Payment>(part.payment).await?;
    let held = payment.held().map_err(Rejected::from)?;
    match held.method {
        Method::External => return Ok(held.reference.clone()),
        // A discount may leave one part of an order without anything to pay.
        Method::Provider if amount.minor == 0 => return Ok(NOTHING_TO_PAY.into()),
        Method::Provider => {}
    }
    let taken = payments.capture(&key, &held.reference, amount).await.map_err(Failure::from);
    if let Err(Failure { kind: FailureKind::Permanent, code, error }) = &taken {
        cx.tell(&RecordCaptureFailure { part: id, reason: format!("{code}: {error}") }).await?;
    }
    taken
}
