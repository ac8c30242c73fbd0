//! What customers' payments amount to: held, taken, given back.

use crate::fields::named;
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::{DateTime, Utc};
use cityos_domain::event::Event;
use cityos_domain::ids::{OrderId, PaymentId};
use cityos_domain::log::Envelope;
use cityos_domain::money::Currency;
use cityos_domain::orders::payment::{self, Method, Split};

named!(Method);

table! {
    /// The payment of an order.
    pub struct Payment {
        key {
            /// Its id.
            id: PaymentId,
        }
        indexed {
            /// The order.
            order: OrderId,
            /// When the customer's money was held.
            authorised_at: DateTime<Utc>,
        }
        plain {
            /// How it is paid.
            method: Method,
            /// In what currency.
            currency: Currency,
            /// What was held, in minor units.
            authorised_minor: i64,
            /// What of it was taken.
            captured_minor: i64,
            /// What of it was given back.
            released_minor: i64,
            /// The provider's reference.
            reference: String,
            /// When the rest is given back; none where it was paid elsewhere.
            expires_at: Option<DateTime<Utc>>,
            /// Whether that time has come.
            expired: bool,
            /// What was held for whom.
            splits: Vec<Split>,
            /// The version of its stream.
            version: u64,
        }
    }
}

impl Payment {
    /// What is held still, in minor units.
    pub fn open_minor(&self) -> i64 {
        self.authorised_minor - self.captured_minor - self.released_minor
    }
}

/// The payments.
pub struct Payments;

impl ReadModel for Payments {
    const NAME: &'static str = "payments";
    const VERSION: u32 = 1;
    type Row = Payment;

    fn keys(event: &Envelope) -> Keys<PaymentId> {
        let Event::Payment(_) = &event.event else { return Keys::None };
        Keys::One(PaymentId(event.stream.id))
    }

    fn evolve(row: Option<Payment>, id: &PaymentId, event: &Envelope) -> Result<Option<Payment>, Unfit> {
        let Event::Payment(happened) = &event.event else { return Ok(row) };
        use payment::Event as E;
        let mut payment = match happened {
            E::Authorised { order, method, amount, reference, expires_at, splits } => Payment {
                id: *id,
                order: *order,
                authorised_at: event.at,
                method: *method,
                currency: amount.currency,
                authorised_minor: amount.minor,
                captured_minor: 0,
                released_minor: 0,
                reference: reference.clone(),
                expires_at: *expires_at,
                expired: false,
                splits: splits.clone(),
                version: 0,
            },
            E::Captured { minor, .. } => {
                let payment = existing(row)?;
                Payment { captured_minor: payment.captured_minor + minor, ..payment }
            }
            E::Released { minor, .. } => {
                let payment = existing(row)?;
                Payment { released_minor: payment.released_minor + minor, ..payment }
            }
            E::Expired { .. } => Payment { expired: true, ..existing(row)? },
        };
        if payment.open_minor() < 0 {
            return Err(Unfit::Contradiction("more is taken or given back than was held"));
        }
        payment.version = event.version.0;
        Ok(Some(payment))
    }
}
