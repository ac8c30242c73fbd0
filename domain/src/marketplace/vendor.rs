//! A seller: lifecycle `applied|invited → onboarding → ready_for_review → approved ⇄ suspended → terminated`,
//! with `rejected` able to apply again. Who they are (KYC) is a state of its own: selling and being paid are
//! two capabilities.

mod admission;
mod kyc;
mod stage;
mod termination;

pub use admission::{ApplyAsVendor, Introduction, InviteVendor};
pub use kyc::KycStatus;
pub use stage::Stage;
pub use termination::TerminateVendor;

use crate::aggregate::{Aggregate, unless};
use crate::ids::VendorId;
use crate::marketplace::customer::Contact;
use crate::money::Currency;
use crate::rejection::Reject;
use crate::sealed::Sealed;
use crate::text::{Code, LocalText, NAME_CHARS_MAX, Reason, line};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What may be asked of a vendor. Applying and inviting are [intentions](ApplyAsVendor): handles are unique. So is
/// [terminating](TerminateVendor): its orders and the ledger have a say.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Ask to sell, for the first time or after a refusal.
    Apply(Introduction),
    /// Be asked to sell.
    Invite(Introduction),
    /// Begin to give what is needed.
    StartOnboarding,
    /// Be paid to this account of the transfer provider.
    OpenPayoutAccount {
        /// The provider's reference.
        account: String,
    },
    /// Be paid to that account no more.
    ClosePayoutAccount,
    /// Have everything looked at.
    SubmitForReview,
    /// May sell.
    Approve {
        /// The submission the reviewer saw: refused where it is no longer the last.
        evidence: u32,
    },
    /// May not sell.
    Reject {
        /// Why.
        reason: Reason,
        /// The submission the reviewer saw; 0 where there was none.
        evidence: u32,
    },
    /// May not sell for now.
    Suspend {
        /// Why.
        reason: Reason,
    },
    /// May sell again.
    Resume {
        /// Why.
        reason: Reason,
    },
    /// Never sell again: part of [`TerminateVendor`], which asks whether all is settled.
    Terminate {
        /// Why.
        reason: Reason,
    },
    /// More, or less, is known about who they are.
    ChangeKyc {
        /// What is known.
        status: KycStatus,
        /// Why.
        reason: Reason,
    },
}

/// What can have happened to a vendor.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// They asked to sell.
    Applied {
        /// Unique in the tenant: the name by which the vendor is known to people and other systems.
        handle: Code,
        /// The business's name.
        name: LocalText,
        /// Whom to talk to.
        contact: Option<Sealed<Contact>>,
        /// How often they applied again after a refusal.
        #[serde(default)]
        application: u32,
    },
    /// They were asked to sell.
    Invited {
        /// Unique in the tenant.
        handle: Code,
        /// The business's name.
        name: LocalText,
        /// Whom to talk to.
        contact: Option<Sealed<Contact>>,
    },
    /// They are giving what is needed.
    OnboardingStarted {},
    /// They may sell, who they are is proven, and all they lack for being paid is an account.
    PayoutAccountRequested {},
    /// An account to be paid to exists at the transfer provider.
    PayoutAccountOpened {
        /// The provider's reference.
        account: String,
    },
    /// That account is closed again.
    PayoutAccountClosed {},
    /// Everything is there to be looked at.
    SubmittedForReview {
        /// Counts the submissions.
        evidence: u32,
    },
    /// They may sell.
    Approved {
        /// The submission the reviewer saw.
        evidence: u32,
    },
    /// They may not sell.
    Rejected {
        /// Why.
        reason: String,
        /// The submission the reviewer saw.
        evidence: u32,
    },
    /// They may not sell for now.
    Suspended {
        /// Why.
        reason: String,
    },
    /// They may sell again.
    Resumed {
        /// Why.
        reason: String,
    },
    /// They will never sell again.
    Terminated {
        /// Why.
        reason: String,
    },
    /// More, or less, is known about who they are.
    KycChanged {
        /// What is known.
        status: KycStatus,
        /// Why.
        reason: String,
    },
}

/// Why a vendor says no.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// It does not exist.
    #[error("there is no such vendor")]
    Unknown,
    /// It exists already.
    #[error("the vendor exists already")]
    Exists,
    /// Where it is in its life does not allow this.
    #[error("the vendor is {}, which does not allow this", .0.name())]
    WrongStage(Stage),
    /// It is over.
    #[error("the vendor is terminated")]
    Terminated,
    /// The reviewer saw something else than what is there now.
    #[error("the review is of submission {seen}, but the last is {last}")]
    EvidenceChanged {
        /// The submission the reviewer saw.
        seen: u32,
        /// The last one.
        last: u32,
    },
    /// What is known about who they are does not change that way.
    #[error("what is known about the vendor cannot change from {from:?} to {to:?}")]
    KycStep {
        /// What is known.
        from: KycStatus,
        /// What should be.
        to: KycStatus,
    },
    /// It has another account to be paid to.
    #[error("the vendor has another payout account, which must be closed first")]
    PayoutAccountOpen,
    /// The account's reference is none.
    #[error("an account reference is 1 to {NAME_CHARS_MAX} characters without control characters")]
    PayoutAccountInvalid,
    /// It may not sell.
    #[error("the vendor is {} and may not sell", .0.name())]
    CannotSell(Stage),
    /// It is not paid at present.
    #[error("payouts to the vendor are held: it is {}", .0.name())]
    PayoutsHeld(Stage),
    /// Who they are is not proven.
    #[error("the vendor cannot be paid before who they are is verified")]
    KycNotVerified,
    /// There is no account to pay to.
    #[error("the vendor has no payout account")]
    PayoutAccountMissing,
    /// Who sells may get an order at any moment.
    #[error("the vendor still sells: suspend it first")]
    StillSells,
    /// It has orders to fulfil.
    #[error("the vendor has {0} parts of orders to ship or deliver, or to cancel")]
    OrdersOpen(u64),
    /// Something is owed to it, or by it.
    #[error("what the vendor has earned or owes in {0} must be paid or written off first")]
    NotSettled(Currency),
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Unknown => "VENDOR_UNKNOWN",
            Rejection::Exists => "VENDOR_EXISTS",
            Rejection::WrongStage(_) => "VENDOR_WRONG_STAGE",
            Rejection::Terminated => "VENDOR_TERMINATED",
            Rejection::EvidenceChanged { .. } => "VENDOR_EVIDENCE_CHANGED",
            Rejection::KycStep { .. } => "VENDOR_KYC_STEP",
            Rejection::PayoutAccountOpen => "VENDOR_PAYOUT_ACCOUNT_OPEN",
            Rejection::PayoutAccountInvalid => "VENDOR_PAYOUT_ACCOUNT_INVALID",
            Rejection::CannotSell(_) => "VENDOR_CANNOT_SELL",
            Rejection::PayoutsHeld(_) => "VENDOR_PAYOUTS_HELD",
            Rejection::KycNotVerified => "VENDOR_KYC_NOT_VERIFIED",
            Rejection::PayoutAccountMissing => "VENDOR_PAYOUT_ACCOUNT_MISSING",
            Rejection::StillSells => "VENDOR_STILL_SELLS",
            Rejection::OrdersOpen(_) => "VENDOR_ORDERS_OPEN",
            Rejection::NotSettled(_) => "VENDOR_NOT_SETTLED",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Rejection::EvidenceChanged { .. } => Some("evidence"),
            Rejection::KycStep { .. } => Some("status"),
            Rejection::PayoutAccountInvalid => Some("account"),
            Rejection::Unknown
            | Rejection::Exists
            | Rejection::WrongStage(_)
            | Rejection::Terminated
            | Rejection::PayoutAccountOpen
            | Rejection::CannotSell(_)
            | Rejection::PayoutsHeld(_)
            | Rejection::KycNotVerified
            | Rejection::PayoutAccountMissing
            | Rejection::StillSells
            | Rejection::OrdersOpen(_)
            | Rejection::NotSettled(_) => None,
        }
    }
}

/// What other rules want to know of a vendor.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Profile {
    /// Where it is in its life.
    pub stage: Stage,
    /// Its handle.
    pub handle: Code,
    /// What is known about who they are.
    pub kyc: KycStatus,
    /// The account it is paid to, as the transfer provider calls it.
    pub payout_account: Option<String>,
    /// How often everything was submitted for review.
    pub evidence: u32,
    /// How often they applied again after a refusal.
    pub application: u32,
}

/// A vendor.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// It does not exist.
    #[default]
    Unknown,
    /// It exists.
    Known(Profile),
}

impl Vendor {
    /// The vendor, if it exists.
    pub fn known(&self) -> Result<&Profile, Rejection> {
        match self {
            Vendor::Unknown => Err(Rejection::Unknown),
            Vendor::Known(profile) => Ok(profile),
        }
    }

    /// Why it may not sell, if it may not.
    pub fn can_sell(&self) -> Result<(), Rejection> {
        self.known()?.stage.can_sell()
    }

    /// Why it cannot be paid, if it cannot.
    pub fn can_be_paid(&self) -> Result<(), Rejection> {
        let profile = self.known()?;
        profile.stage.can_be_paid(profile.kyc, profile.payout_account.as_deref())
    }

    /// `events`, and a request for an account where it is all that they leave lacking for being paid.
    fn with_account_requested(&self, mut events: Vec<Event>) -> Vec<Event> {
        let after = events.iter().fold(self.clone(), Vendor::evolve);
        let lacks_account = after.can_be_paid() == Err(Rejection::PayoutAccountMissing);
        if !events.is_empty() && after.can_sell().is_ok() && lacks_account {
            events.push(Event::PayoutAccountRequested {});
        }
        events
    }

    fn at_stage(self, stage: Stage) -> Self {
        self.with(|profile| profile.stage = stage)
    }

    fn with(mut self, change: impl FnOnce(&mut Profile)) -> Self {
        if let Vendor::Known(profile) = &mut self {
            change(profile);
        }
        self
    }

    fn introduced(self, handle: &Code, stage: Stage) -> Self {
        match self {
            Vendor::Unknown => Vendor::Known(Profile {
                stage,
                handle: handle.clone(),
                kyc: KycStatus::Unverified,
                payout_account: None,
                evidence: 0,
                application: 0,
            }),
            Vendor::Known(profile) => Vendor::Known(Profile { stage, handle: handle.clone(), ..profile }),
        }
    }
}

impl Profile {
    /// Refuses a review of anything but the last submission.
    fn check_evidence(&self, seen: u32) -> Result<(), Rejection> {
        let last = self.evidence;
        if seen == last { Ok(()) } else { Err(Rejection::EvidenceChanged { seen, last }) }
    }
}

impl Aggregate for Vendor {
    type Id = VendorId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        use Stage::{
            Applied, Approved, Invited, Onboarding, ReadyForReview, Rejected, Suspended, Terminated,
        };
        let profile = match (self, command) {
            (Vendor::Unknown, Command::Apply(introduction)) => return Ok(vec![introduction.applied(0)]),
            (Vendor::Unknown, Command::Invite(introduction)) => return Ok(vec![introduction.invited()]),
            (Vendor::Unknown, _) => return Err(Rejection::Unknown),
            (Vendor::Known(profile), _) => profile,
        };
        let stage = profile.stage;
        match command {
            Command::Apply(introduction) if stage == Rejected => {
                Ok(vec![introduction.applied(profile.application + 1)])
            }
            Command::Apply(_) | Command::Invite(_) => Err(Rejection::Exists),
            Command::StartOnboarding => {
                stage.step(&[Applied, Invited], Onboarding, Event::OnboardingStarted {})
            }
            Command::OpenPayoutAccount { account } => {
                if matches!(stage, Rejected | Terminated) {
                    return Err(stage.refusal());
                }
                let account =
                    line("account", account, NAME_CHARS_MAX).map_err(|_| Rejection::PayoutAccountInvalid)?;
                match &profile.payout_account {
                    Some(open) if *open != account => Err(Rejection::PayoutAccountOpen),
                    open => Ok(unless(open.is_some(), Event::PayoutAccountOpened { account })),
                }
            }
            Command::ClosePayoutAccount => {
                Ok(unless(profile.payout_account.is_none(), Event::PayoutAccountClosed {}))
            }
            Command::SubmitForReview => {
                let event = Event::SubmittedForReview { evidence: profile.evidence + 1 };
                stage.step(&[Onboarding], ReadyForReview, event)
            }
            Command::Approve { evidence } => {
                profile.check_evidence(*evidence)?;
                let approved = Event::Approved { evidence: *evidence };
                Ok(self.with_account_requested(stage.step(&[ReadyForReview], Approved, approved)?))
            }
            Command::Reject { reason, evidence } => {
                profile.check_evidence(*evidence)?;
                let event = Event::Rejected { reason: reason.into(), evidence: *evidence };
                stage.step(&[Applied, Invited, Onboarding, ReadyForReview], Rejected, event)
            }
            Command::Suspend { reason } => {
                stage.step(&[Approved], Suspended, Event::Suspended { reason: reason.into() })
            }
            Command::Resume { reason } => {
                let resumed = Event::Resumed { reason: reason.into() };
                Ok(self.with_account_requested(stage.step(&[Suspended], Approved, resumed)?))
            }
            Command::Terminate { reason } => {
                if stage == Approved {
                    return Err(Rejection::StillSells);
                }
                let from = [Applied, Invited, Onboarding, ReadyForReview, Suspended, Rejected];
                stage.step(&from, Terminated, Event::Terminated { reason: reason.into() })
            }
            Command::ChangeKyc { status, reason } => {
                let (from, to) = (profile.kyc, *status);
                if stage == Terminated {
                    return Err(Rejection::Terminated);
                }
                if from != to && !from.may_become(to) {
                    return Err(Rejection::KycStep { from, to });
                }
                let changed = Event::KycChanged { status: to, reason: reason.into() };
                Ok(self.with_account_requested(unless(from == to, changed)))
            }
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match event {
            Event::Applied { handle, application, .. } => {
                self.introduced(handle, Stage::Applied).with(|profile| profile.application = *application)
            }
            Event::Invited { handle, .. } => self.introduced(handle, Stage::Invited),
            Event::OnboardingStarted {} => self.at_stage(Stage::Onboarding),
            Event::PayoutAccountRequested {} => self,
            Event::PayoutAccountOpened { account } => {
                self.with(|profile| profile.payout_account = Some(account.clone()))
            }
            Event::PayoutAccountClosed {} => self.with(|profile| profile.payout_account = None),
            Event::SubmittedForReview { evidence } => {
                self.at_stage(Stage::ReadyForReview).with(|profile| profile.evidence = *evidence)
            }
            Event::Approved { .. } | Event::Resumed { .. } => self.at_stage(Stage::Approved),
            Event::Rejected { .. } => self.at_stage(Stage::Rejected),
            Event::Suspended { .. } => self.at_stage(Stage::Suspended),
            Event::Terminated { .. } => self.at_stage(Stage::Terminated),
            Event::KycChanged { status, .. } => self.with(|profile| profile.kyc = *status),
        }
    }
}

#[cfg(test)]
mod tests;
