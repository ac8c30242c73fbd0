//! What is due, and when. A timer is here from the event that sets it to the event that settles it; firing it
//! is a command whose id derives from timer and due time, so it does not matter how often or by whom it is
//! seen.

use crate::fields::json;
use crate::model::{Keys, ReadModel, Unfit};
use crate::row::table;
use chrono::{DateTime, Utc};
use cityos_domain::event::Event;
use cityos_domain::foundation::tenant;
use cityos_domain::ids::{OfferId, PaymentId, ReservationId, RunId, VendorOrderId, derive};
use cityos_domain::log::Envelope;
use cityos_domain::marketplace::stock;
use cityos_domain::orders::{payment, vendor_order};
use cityos_domain::saga_run;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What is to be done when a timer is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timer {
    /// Drive a run of a saga on.
    DriveRun {
        /// The run.
        run: RunId,
    },
    /// Let go of units a checkout holds.
    ExpireReservation {
        /// Whose units.
        offer: OfferId,
        /// The claim on them.
        reservation: ReservationId,
    },
    /// Give back what was authorised and not captured.
    ExpireAuthorisation {
        /// The payment.
        payment: PaymentId,
    },
    /// Make a vendor's earnings available.
    ReleaseEarnings {
        /// Of this part of an order.
        part: VendorOrderId,
    },
    /// Run the tenant's scheduled payouts.
    PayoutsDue {},
}

/// What a timer has seen that does not make it due yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// Nothing it would have to remember.
    Nothing,
    /// So much is authorised and neither captured nor released, in minor units.
    Held {
        /// The amount.
        minor: i64,
    },
    /// The money of the part was taken, but the part has not arrived.
    Captured,
    /// The part has arrived, but its money was not taken.
    Delivered {
        /// When its earnings would become available.
        available_at: DateTime<Utc>,
    },
}

json!(Timer, Seen);

table! {
    /// A timer.
    pub struct DueTimer {
        key {
            /// Its id.
            id: Uuid,
        }
        across {
            /// When it is due; never, while something else must happen first.
            due_at: Option<DateTime<Utc>>,
        }
        indexed {}
        plain {
            /// What is to be done then.
            purpose: Timer,
            /// What it has seen so far.
            seen: Seen,
        }
    }
}

impl Timer {
    /// The timer's id. Tenants each have a timer for payouts, told apart by the partition they lie in.
    pub fn id(&self) -> Uuid {
        let timer = |what: &str, of: Uuid| derive(&["timer", what, &of.to_string()]);
        match self {
            Timer::DriveRun { run } => timer("drive_run", run.0),
            Timer::ExpireReservation { offer, reservation } => {
                derive(&["timer", "expire_reservation", &offer.to_string(), &reservation.to_string()])
            }
            Timer::ExpireAuthorisation { payment } => timer("expire_authorisation", payment.0),
            Timer::ReleaseEarnings { part } => timer("release_earnings", part.0),
            Timer::PayoutsDue {} => timer("payouts_due", Uuid::nil()),
        }
    }
}

/// What an event does to a timer.
enum Turn {
    /// Nothing.
    Keep,
    /// It is due then.
    Set(DateTime<Utc>),
    /// It is settled.
    Settle,
    /// So much money is held until then.
    Hold(DateTime<Utc>, i64),
    /// So much of it is no longer held.
    LetGo(i64),
    /// The part's money was taken.
    Captured,
    /// The part has arrived, and its earnings become available then.
    Delivered(DateTime<Utc>),
}

/// The timers.
pub struct DueTimers;

impl ReadModel for DueTimers {
    const NAME: &'static str = "due_timers";
    const VERSION: u32 = 1;
    type Row = DueTimer;

    fn keys(event: &Envelope) -> Keys<Uuid> {
        turn(event).map_or(Keys::None, |(timer, _)| Keys::One(timer.id()))
    }

    fn evolve(row: Option<DueTimer>, id: &Uuid, event: &Envelope) -> Result<Option<DueTimer>, Unfit> {
        let Some((purpose, turn)) = turn(event) else { return Ok(row) };
        let timer = |due_at, seen| Some(DueTimer { id: *id, due_at, purpose, seen });
        let seen = row.as_ref().map_or(Seen::Nothing, |row| row.seen);
        Ok(match turn {
            Turn::Keep => row,
            Turn::Settle => None,
            Turn::Set(at) => timer(Some(at), Seen::Nothing),
            Turn::Hold(until, minor) => timer(Some(until), Seen::Held { minor }),
            Turn::LetGo(gone) => match seen {
                Seen::Held { minor } if minor > gone => {
                    row.map(|row| DueTimer { seen: Seen::Held { minor: minor - gone }, ..row })
                }
                Seen::Held { .. } | Seen::Nothing | Seen::Captured | Seen::Delivered { .. } => None,
            },
            Turn::Captured => match seen {
                Seen::Delivered { available_at } => timer(Some(available_at), Seen::Nothing),
                Seen::Nothing | Seen::Held { .. } | Seen::Captured => timer(None, Seen::Captured),
            },
            Turn::Delivered(at) => match seen {
                Seen::Captured => timer(Some(at), Seen::Nothing),
                Seen::Nothing | Seen::Held { .. } | Seen::Delivered { .. } => {
                    timer(None, Seen::Delivered { available_at: at })
                }
            },
        })
    }
}

/// Which timer an event is about, and what it does to it.
fn turn(event: &Envelope) -> Option<(Timer, Turn)> {
    if let Event::SagaRun(happened) = &event.event {
        Some((Timer::DriveRun { run: RunId(event.stream.id) }, of_run(happened, event.at)))
    } else if let Event::Stock(happened) = &event.event {
        let (reservation, turn) = of_reservation(happened)?;
        Some((Timer::ExpireReservation { offer: OfferId(event.stream.id), reservation }, turn))
    } else if let Event::Payment(happened) = &event.event {
        Some((Timer::ExpireAuthorisation { payment: PaymentId(event.stream.id) }, of_payment(happened)))
    } else if let Event::VendorOrder(happened) = &event.event {
        Some((Timer::ReleaseEarnings { part: VendorOrderId(event.stream.id) }, of_part(happened)))
    } else if let Event::Tenant(happened) = &event.event {
        Some((Timer::PayoutsDue {}, of_tenant(happened)))
    } else {
        None
    }
}

fn of_run(happened: &saga_run::Event, at: DateTime<Utc>) -> Turn {
    use saga_run::Event as E;
    match happened {
        E::Attempted { lease_until, .. } => Turn::Set(*lease_until),
        E::Failed { retry_at, .. } => Turn::Set(retry_at.unwrap_or(at)),
        E::Waiting { until, .. } => Turn::Set(*until),
        E::Started { .. }
        | E::Done { .. }
        | E::Undone { .. }
        | E::Woken { .. }
        | E::Turned { .. }
        | E::Retried {}
        | E::Skipped { .. } => Turn::Set(at),
        E::Parked { .. } | E::Ended { .. } => Turn::Settle,
    }
}

fn of_reservation(happened: &stock::Event) -> Option<(ReservationId, Turn)> {
    use stock::Event as E;
    match happened {
        E::Reserved { reservation, expires_at, .. } => Some((*reservation, Turn::Set(*expires_at))),
        E::Released { reservation, .. } | E::Allocated { reservation, .. } => {
            Some((*reservation, Turn::Settle))
        }
        E::Received { .. } | E::Adjusted { .. } | E::Returned { .. } => None,
    }
}

fn of_payment(happened: &payment::Event) -> Turn {
    use payment::Event as E;
    match happened {
        E::Authorised { expires_at, amount, .. } => {
            expires_at.map_or(Turn::Settle, |until| Turn::Hold(until, amount.minor))
        }
        E::Captured { minor, .. } | E::Released { minor, .. } => Turn::LetGo(*minor),
        E::Expired { .. } => Turn::Settle,
    }
}

fn of_part(happened: &vendor_order::Event) -> Turn {
    use vendor_order::Event as E;
    match happened {
        E::Captured { .. } => Turn::Captured,
        E::Delivered { available_at, .. } => Turn::Delivered(*available_at),
        E::EarningsReleased { .. } => Turn::Settle,
        E::Placed { .. }
        | E::UnitsCanceled { .. }
        | E::Canceled { .. }
        | E::Shipped { .. }
        | E::CaptureFailed { .. } => Turn::Keep,
    }
}

fn of_tenant(happened: &tenant::Event) -> Turn {
    use tenant::Event as E;
    match happened {
        E::PoliciesChanged { payouts_next_at: next, .. } | E::PayoutsDue { next_at: next } => {
            next.map_or(Turn::Settle, Turn::Set)
        }
        E::Closed {} => Turn::Settle,
        E::Provisioned { .. }
        | E::Activated {}
        | E::Suspended { .. }
        | E::Resumed { .. }
        | E::ClosingStarted { .. }
        | E::TierChanged { .. }
        | E::DefaultStoreChosen { .. } => Turn::Keep,
    }
}
