//! Sellers: where they stand, and whether they may sell and be paid.

use crate::fields::named;
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::{DateTime, Utc};
use cityos_domain::event::Event;
use cityos_domain::ids::VendorId;
use cityos_domain::log::Envelope;
use cityos_domain::marketplace::customer::Contact;
use cityos_domain::marketplace::vendor::{self, KycStatus, Stage};
use cityos_domain::sealed::Sealed;
use cityos_domain::text::{Code, LocalText};

named!(Stage, KycStatus);

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
            status: Stage,
            /// What is known about who they are.
            kyc: KycStatus,
            /// When it first applied or was invited.
            known_since: DateTime<Utc>,
        }
        plain {
            /// The business's name.
            name: LocalText,
            /// Whom to talk to.
            contact: Option<Sealed<Contact>>,
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
        self.status.can_sell().is_ok()
    }

    /// Whether payouts may go to them.
    pub fn can_be_paid(&self) -> bool {
        self.status.can_be_paid(self.kyc, self.payout_account.as_deref()).is_ok()
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
            E::Applied { handle, name, contact, .. } => {
                known(row, *id, event.at, Stage::Applied, (handle, name, contact))
            }
            E::Invited { handle, name, contact } => {
                known(row, *id, event.at, Stage::Invited, (handle, name, contact))
            }
            E::OnboardingStarted {} => Vendor { status: Stage::Onboarding, ..existing(row)? },
            E::PayoutAccountRequested {} => existing(row)?,
            E::PayoutAccountOpened { account } => {
                Vendor { payout_account: Some(account.clone()), ..existing(row)? }
            }
            E::PayoutAccountClosed {} => Vendor { payout_account: None, ..existing(row)? },
            E::SubmittedForReview { evidence } => {
                Vendor { status: Stage::ReadyForReview, evidence: *evidence, ..existing(row)? }
            }
            E::Approved { .. } => Vendor { status: Stage::Approved, reason: None, ..existing(row)? },
            E::Rejected { reason, .. } => decided(row, Stage::Rejected, reason)?,
            E::Suspended { reason } => decided(row, Stage::Suspended, reason)?,
            E::Resumed { reason } => decided(row, Stage::Approved, reason)?,
            E::Terminated { reason } => decided(row, Stage::Terminated, reason)?,
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
    status: Stage,
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

fn decided(row: Option<Vendor>, status: Stage, reason: &str) -> Result<Vendor, Unfit> {
    Ok(Vendor { status, reason: Some(reason.to_owned()), ..existing(row)? })
}
