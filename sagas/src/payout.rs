//! Pays a vendor: claims what is available, sends it, and settles the ledger. A refused transfer makes the entries
//! available again; one that may have happened is asked about, never sent anew; one that cannot be made for long
//! waits for an operator, who keeps the same entries.

use crate::context::Context;
use crate::repair::foresight::Foresight;
use crate::saga::{Failure, Policy, Progress, Saga};
use async_trait::async_trait;
use cityos_domain::event::Event;
use cityos_domain::ids::{PayoutId, VendorId};
use cityos_domain::ledger::paying_out::{ClaimEntries, FailPayout, RecordSubmitted, SettlePayout};
use cityos_domain::ledger::payout::{self, Payout};
use cityos_domain::marketplace::vendor::Vendor;
use cityos_domain::money::Money;
use cityos_domain::saga_run::Way;
use cityos_domain::workspace::Decided;
use cityos_eventstore::executor::ExecuteError;
use serde::{Deserialize, Serialize};

/// Seconds between attempts at a transfer: 1 and 5 minutes, half an hour, 2 and 12 hours. Then it waits for an
/// operator.
const TRANSFER_DELAYS_S: &[u32] = &[60, 300, 1_800, 7_200, 43_200];

/// The saga.
pub struct PayoutSaga;

/// Its steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The payout has an end whatever happens: the way back from here ends it.
    Answer,
    /// Entries are claimed.
    Claim,
    /// The money is sent.
    Transfer,
    /// The payout knows under which reference.
    Submit,
    /// The ledger is settled.
    Settle,
}

/// Which payout.
#[derive(Serialize, Deserialize)]
pub struct Input {
    payout: PayoutId,
    vendor: VendorId,
}

/// What is sent where: settled with the claim, whatever becomes of the vendor.
#[derive(Default, Serialize, Deserialize)]
pub struct Memo {
    claimed: Option<Claimed>,
    transfer: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Claimed {
    account: Option<String>,
    amount: Money,
}

#[async_trait]
impl Saga for PayoutSaga {
    const NAME: &'static str = "payout";
    type Step = Step;
    type Input = Input;
    type Memo = Memo;
    const STEPS: &'static [(&'static str, Step)] = &[
        ("answer", Step::Answer),
        ("claim", Step::Claim),
        ("transfer", Step::Transfer),
        ("submit", Step::Submit),
        ("settle", Step::Settle),
    ];

    fn starts_on(event: &Decided) -> Option<Input> {
        let Event::Payout(payout::Event::Requested { vendor, .. }) = &event.event else { return None };
        Some(Input { payout: PayoutId(event.stream.id), vendor: *vendor })
    }

    fn policy(step: Step) -> Policy {
        match step {
            Step::Answer | Step::Claim => Policy::LOCAL,
            Step::Transfer => Policy::REMOTE.way(Way::Pivot).delays_s(TRANSFER_DELAYS_S),
            Step::Submit | Step::Settle => Policy::LOCAL.way(Way::Onward),
        }
    }

    fn never_skipped(step: Step) -> Option<&'static str> {
        match step {
            Step::Answer | Step::Claim | Step::Transfer => None,
            Step::Submit | Step::Settle => Some(
                "nothing else writes into the books what was sent, and the payout would stay claimed for ever",
            ),
        }
    }

    async fn lacks_after(
        step: Step,
        _: &Input,
        memo: &Memo,
        _: &Foresight,
    ) -> Result<Option<String>, ExecuteError> {
        const TRANSFER: &str = "`transfer`, the transfer's reference";
        Ok(match (step, &memo.transfer) {
            (Step::Transfer, None) => Some(TRANSFER.into()),
            (Step::Transfer, Some(blank)) if blank.trim().is_empty() => {
                Some(format!("{TRANSFER}: it is blank"))
            }
            (Step::Answer | Step::Claim | Step::Transfer | Step::Submit | Step::Settle, _) => None,
        })
    }

    async fn act(step: Step, input: &Input, memo: &mut Memo, cx: &Context) -> Result<Progress, Failure> {
        let payout = input.payout;
        match step {
            Step::Answer => {}
            Step::Claim => {
                cx.tell(&ClaimEntries { payout }).await?;
                let (claimed, _) = cx.load::<Payout>(payout).await?;
                let Some(amount) = claimed.amount() else {
                    return Err(Failure::permanent("PAYOUT_VOIDED", "nothing could be claimed"));
                };
                let (vendor, _) = cx.load::<Vendor>(input.vendor).await?;
                let account = vendor.known().ok().and_then(|vendor| vendor.payout_account.clone());
                memo.claimed = Some(Claimed { account, amount });
            }
            Step::Transfer => {
                let Some(Claimed { account: Some(account), amount }) = &memo.claimed else {
                    return Err(Failure::permanent("VENDOR_PAYOUT_ACCOUNT_MISSING", "there is no account"));
                };
                let (transfers, key) = (cx.transfers(), cx.key());
                let transfer = transfers.transfer(&key, account, *amount);
                memo.transfer = Some(cx.once(transfers.find(&key), transfer).await?);
            }
            Step::Submit => {
                let Some(reference) = memo.transfer.clone() else {
                    return Err(Failure::permanent("TRANSFER_UNKNOWN", "nothing is known of a transfer"));
                };
                cx.tell(&RecordSubmitted { payout, reference }).await?;
            }
            Step::Settle => cx.tell(&SettlePayout { payout }).await?,
        }
        Ok(Progress::Done)
    }

    async fn undo(step: Step, input: &Input, _: &Memo, cx: &Context) -> Result<(), Failure> {
        match step {
            Step::Answer | Step::Claim => {
                let reason = cx.turned().map_or_else(String::new, |(code, why)| format!("{code}: {why}"));
                cx.tell(&FailPayout { payout: input.payout, reason }).await
            }
            Step::Transfer | Step::Submit | Step::Settle => Ok(()),
        }
    }

    #[cfg(any(test, feature = "rehearsal"))]
    fn rehearsals() -> Vec<crate::rehearsal::Rehearsal> {
        crate::rehearsal::payouts::payouts()
    }
}
