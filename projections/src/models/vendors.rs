//! Sellers: where they stand, and whether they may sell and be paid.

use crate::fields::named;
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::{DateTime, Utc};
use cityos_domain::event::Event;
use cityos_domain::ids::VendorId;
use cityos_domain::log::Envelope;
use cityos_domain::marketplace::customer::Contact;
use cityos_domain::marketplace::vendor::{self, KycStatus};
use cityos_domain::sealed::Sealed;
use cityos_domain::text::{Code, LocalText};
use serde::{Deserialize, Serialize};

/// Where a vendor stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VendorStatus {
    /// Asked to sell.
    Applied,
    /// Was asked to sell.
    Invited,
    /// Is giving what is needed.
    Onboarding,
    /// Waits for a reviewer.
    ReadyForReview,
    /// May sell.
    Approved,
    /// May not sell for now.
    Suspended,
    /// Was refused; may apply again.
    Rejected,
    /// Will never sell again.
    Terminated,
}

named!(VendorStatus, KycStatus);

table! {
    /// A seller.
    pub struct Vendor {
        key {
            /// Its id.
            id: VendorId,
        }
        indexed {
            /// Unique in the tenant.
            handle: Code,
            /// Where it stands.
            status: VendorStatus,
            /// When it first applied or was invited.
            known_since: DateTime<Utc>,
        }
        plain {
            /// The business's name.
            name: LocalText,
            /// Whom to talk to.
            contact: Option<Sealed<Contact>>,
            /// What is known about who they are.
            kyc: KycStatus,
            /// Why the last decision about them was made.
            reason: Option<String>,
            /// Counts what they submitted for review.
            evidence: u32,
            /// The account they are paid to, as the transfer provider calls it.
            payout_account: Option<String>,
            /// The version of its stream.
            version: u64,
        }
    }
}

impl Vendor {
    /// Whether they may sell.
    pub fn can_sell(&self) -> bool {
        self.status == VendorStatus::Approved
    }

    /// Whether payouts may go to them.
    pub fn can_be_paid(&self) -> bool {
        self.status == VendorStatus::Approved
            && self.kyc == KycStatus::Verified
            && self.payout_account.is_some()
    }
}

/// The sellers.
pub struct Vendors;

impl ReadModel for Vendors {
    const NAME: &'static str = "vendors";
    const VERSION: u32 = 1;
    type Row = Vendor;

    fn keys(event: &Envelope) -> Keys<VendorId> {
        let Event::Vendor(_) = &event.event else { return Keys::None };
        Keys::One(VendorId(event.stream.id))
    }

    fn evolve(row: Option<Vendor>, id: &VendorId, event: &Envelope) -> Result<Option<Vendor>, Unfit> {
        let Event::Vendor(happened) = &event.event else { return Ok(row) };
        use vendor::Event as E;
        let mut vendor = match happened {
            E::Applied { handle, name, contact } => {
                known(row, *id, event.at, VendorStatus::Applied, (handle, name, contact))
            }
            E::Invited { handle, name, contact } => {
                known(row, *id, event.at, VendorStatus::Invited, (handle, name, contact))
            }
            E::OnboardingStarted {} => Vendor { status: VendorStatus::Onboarding, ..existing(row)? },
            E::PayoutAccountRequested {} => existing(row)?,
            E::PayoutAccountOpened { account } => {
                Vendor { payout_account: Some(account.clone()), ..existing(row)? }
            }
            E::PayoutAccountClosed {} => Vendor { payout_account: None, ..existing(row)? },
            E::SubmittedForReview { evidence } => {
                Vendor { status: VendorStatus::ReadyForReview, evidence: *evidence, ..existing(row)? }
            }
            E::Approved { .. } => Vendor { status: VendorStatus::Approved, reason: None, ..existing(row)? },
            E::Rejected { reason, .. } => decided(row, VendorStatus::Rejected, reason)?,
            E::Suspended { reason } => decided(row, VendorStatus::Suspended, reason)?,
            E::Resumed { reason } => decided(row, VendorStatus::Approved, reason)?,
            E::Terminated { reason } => decided(row, VendorStatus::Terminated, reason)?,
            E::KycChanged { status, .. } => Vendor { kyc: *status, ..existing(row)? },
        };
        vendor.version = event.version.0;
        Ok(Some(vendor))
    }
}

/// Who was rejected may apply again: then the row is there already.
fn known(
    row: Option<Vendor>,
    id: VendorId,
    at: DateTime<Utc>,
    status: VendorStatus,
    (handle, name, contact): (&Code, &LocalText, &Option<Sealed<Contact>>),
) -> Vendor {
    Vendor {
        id,
        handle: handle.clone(),
        status,
        known_since: row.as_ref().map_or(at, |row| row.known_since),
        name: name.clone(),
        contact: contact.clone(),
        kyc: row.as_ref().map_or(KycStatus::Unverified, |row| row.kyc),
        reason: None,
        evidence: row.as_ref().map_or(0, |row| row.evidence),
        payout_account: row.and_then(|row| row.payout_account),
        version: 0,
    }
}

fn decided(row: Option<Vendor>, status: VendorStatus, reason: &str) -> Result<Vendor, Unfit> {
    Ok(Vendor { status, reason: Some(reason.to_owned()), ..existing(row)? })
}
