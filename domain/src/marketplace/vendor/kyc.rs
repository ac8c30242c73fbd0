//! What is known about who a vendor is. The papers themselves are not here.

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

impl KycStatus {
    /// Whether `next` may follow: everything begins with looking, and what was looked at is never unknown again.
    pub(super) fn may_become(self, next: KycStatus) -> bool {
        match self {
            KycStatus::Unverified => next == KycStatus::Pending,
            KycStatus::Pending | KycStatus::Verified | KycStatus::ActionRequired | KycStatus::Rejected => {
                next != KycStatus::Unverified
            }
        }
    }
}
