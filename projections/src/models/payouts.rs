//! Payouts to vendors and how they went.

use crate::fields::named;
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::{DateTime, Utc};
use cityos_domain::event::Event;
use cityos_domain::ids::{PayoutId, VendorId};
use cityos_domain::ledger::payout::{self, Trigger};
use cityos_domain::log::Envelope;
use cityos_domain::money::Currency;
use serde::{Deserialize, Serialize};

/// Where a payout stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayoutStatus {
    /// To be made.
    Requested,
    /// Has claimed what is available.
    Claimed,
    /// On its way.
    Submitted,
    /// Arrived.
    Paid,
    /// Came to nothing; its entries are available again.
    Failed,
    /// There was nothing to pay, or too little.
    Voided,
}

named!(PayoutStatus, Trigger);

table! {
    /// A payout to one vendor in one currency.
    pub struct Payout {
        key {
            /// Its id.
            id: PayoutId,
        }
        indexed {
            /// To whom.
            vendor: VendorId,
            /// In what currency.
            currency: Currency,
            /// Where it stands.
            status: PayoutStatus,
            /// When it was asked for.
            requested_at: DateTime<Utc>,
        }
        plain {
            /// How many payouts the vendor had in that currency before.
            ordinal: u32,
            /// Who wanted it.
            trigger: Trigger,
            /// How much, in minor units; 0 until it has claimed what is available.
            amount_minor: i64,
            /// The provider's reference.
            reference: Option<String>,
            /// Why it came to nothing.
            reason: Option<String>,
            /// When it was paid, failed or voided.
            ended_at: Option<DateTime<Utc>>,
            /// The version of its stream.
            version: u64,
        }
    }
}

/// The payouts.
pub struct Payouts;

impl ReadModel for Payouts {
    const NAME: &'static str = "payouts";
    const VERSION: u32 = 1;
    type Row = Payout;

    fn keys(event: &Envelope) -> Keys<PayoutId> {
        let Event::Payout(_) = &event.event else { return Keys::None };
        Keys::One(PayoutId(event.stream.id))
    }

    fn evolve(row: Option<Payout>, id: &PayoutId, event: &Envelope) -> Result<Option<Payout>, Unfit> {
        let Event::Payout(happened) = &event.event else { return Ok(row) };
        use payout::Event as E;
        let ended = |status, reason: Option<&String>, row| -> Result<Payout, Unfit> {
            let (reason, ended_at) = (reason.cloned(), Some(event.at));
            Ok(Payout { status, reason, ended_at, ..existing(row)? })
        };
        let mut payout = match happened {
            E::Requested { vendor, currency, ordinal, trigger } => Payout {
                id: *id,
                vendor: *vendor,
                status: PayoutStatus::Requested,
                requested_at: event.at,
                currency: *currency,
                ordinal: *ordinal,
                trigger: *trigger,
                amount_minor: 0,
                reference: None,
                reason: None,
                ended_at: None,
                version: 0,
            },
            E::Claimed { amount, .. } => {
                Payout { status: PayoutStatus::Claimed, amount_minor: amount.minor, ..existing(row)? }
            }
            E::Submitted { reference, .. } => Payout {
                status: PayoutStatus::Submitted,
                reference: Some(reference.clone()),
                ..existing(row)?
            },
            E::Paid { .. } => ended(PayoutStatus::Paid, None, row)?,
            E::Failed { reason, .. } => ended(PayoutStatus::Failed, Some(reason), row)?,
            E::Voided { reason, .. } => ended(PayoutStatus::Voided, Some(reason), row)?,
        };
        payout.version = event.version.0;
        Ok(Some(payout))
    }
}
