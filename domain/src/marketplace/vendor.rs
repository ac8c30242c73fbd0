//! A seller: lifecycle `applied|invited → onboarding → ready_for_review → approved ⇄ suspended → terminated`,
//! with `rejected` able to apply again. Who they are (KYC) is a state of its own: selling and being paid are
//! two capabilities.

use crate::marketplace::customer::Contact;
use crate::sealed::Sealed;
use crate::text::{Code, LocalText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known about who the vendor is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KycStatus {
    /// Nothing was looked at.
    #[default]
    Unverified,
    /// Being looked at.
    Pending,
    /// Proven.
    Verified,
    /// Something is missing.
    ActionRequired,
    /// Refused.
    Rejected,
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
