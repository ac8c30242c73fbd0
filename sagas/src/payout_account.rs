//! Opens an account to be paid to for a vendor who may sell, is proven, and has none: one who was imported, or whose
//! onboarding could not open any. Here is also how accounts are opened, linked and closed, for the onboarding too.

use crate::context::{Context, asked};
use crate::saga::{Failure, Policy, Progress, Saga};
use async_trait::async_trait;
use cityos_domain::event::Event;
use cityos_domain::ids::VendorId;
use cityos_domain::marketplace::vendor::{self, Command, Vendor};
use cityos_domain::saga_run::Way;
use cityos_domain::workspace::{Decided, Tell};
use serde::{Deserialize, Serialize};

/// The saga.
pub struct PayoutAccount;

/// Its steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The transfer provider has an account for the vendor.
    OpenAccount,
    /// The vendor knows it. Refused where another run was faster: then this one's is closed again.
    LinkAccount,
}

/// Whose account.
#[derive(Serialize, Deserialize)]
pub struct Input {
    vendor: VendorId,
}

/// What the provider said.
#[derive(Default, Serialize, Deserialize)]
pub struct Memo {
    account: Option<String>,
}

#[async_trait]
impl Saga for PayoutAccount {
    const NAME: &'static str = "payout_account";
    type Step = Step;
    type Input = Input;
    type Memo = Memo;
    const STEPS: &'static [(&'static str, Step)] =
        &[("open_account", Step::OpenAccount), ("link_account", Step::LinkAccount)];

    fn starts_on(event: &Decided) -> Option<Input> {
        let Event::Vendor(vendor::Event::PayoutAccountRequested {}) = &event.event else { return None };
        Some(Input { vendor: VendorId(event.stream.id) })
    }

    fn policy(step: Step) -> Policy {
        match step {
            Step::OpenAccount => Policy::REMOTE,
            Step::LinkAccount => Policy::LOCAL.way(Way::Pivot),
        }
    }

    fn never_skipped(step: Step) -> Option<&'static str> {
        match step {
            Step::OpenAccount => None,
            Step::LinkAccount => Some("nothing else has the vendor be paid to the account that was opened"),
        }
    }

    async fn act(step: Step, input: &Input, memo: &mut Memo, cx: &Context) -> Result<Progress, Failure> {
        match step {
            Step::OpenAccount => memo.account = Some(open(input.vendor, cx).await?),
            Step::LinkAccount => link(input.vendor, memo.account.as_deref(), cx).await?,
        }
        Ok(Progress::Done)
    }

    async fn undo(step: Step, _: &Input, memo: &Memo, cx: &Context) -> Result<(), Failure> {
        match step {
            Step::OpenAccount => close(memo.account.as_deref(), cx).await,
            Step::LinkAccount => Ok(()),
        }
    }

    #[cfg(any(test, feature = "rehearsal"))]
    fn rehearsals() -> Vec<crate::rehearsal::Rehearsal> {
        crate::rehearsal::vendors::accounts()
    }
}

/// Opens an account under the step's key and gives the provider's reference.
pub(crate) async fn open(vendor: VendorId, cx: &Context) -> Result<String, Failure> {
    let (transfers, key) = (cx.transfers(), cx.key());
    cx.once(transfers.find(&key), transfers.open_account(&key, cx.partition(), vendor)).await
}

/// Has the vendor be paid to the account. Refused where it has another.
pub(crate) async fn link(id: VendorId, account: Option<&str>, cx: &Context) -> Result<(), Failure> {
    let command = Command::OpenPayoutAccount { account: account.unwrap_or_default().into() };
    cx.tell(&Tell::<Vendor> { id, command }).await
}

/// Undoes [`open`]: closes the account, or what is found under the step's key where nobody learned of it.
pub(crate) async fn close(account: Option<&str>, cx: &Context) -> Result<(), Failure> {
    let transfers = cx.transfers();
    let account = match account {
        Some(account) => Some(account.to_owned()),
        None => asked(transfers.find(&cx.forward_key()).await)?,
    };
    if let Some(account) = account {
        let key = cx.key();
        cx.once(transfers.find(&key), transfers.close_account(&key, &account)).await?;
    }
    Ok(())
}
