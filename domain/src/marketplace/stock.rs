//! The units of one offer: on hand, and held by checkouts until a stated time. The stream carries the offer's
//! id; offers whose units are not counted have none.

use crate::aggregate::{Aggregate, unless};
use crate::ids::{OfferId, ReservationId, VendorOrderId};
use crate::marketplace::offer::Offer;
use crate::rejection::Reject;
use crate::text::Reason;
use crate::workspace::{Intention, Stop, Workspace};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most units of one offer.
pub const QUANTITY_MAX: u32 = 1_000_000_000;

/// Why held units were let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseCause {
    /// The checkout ended without an order.
    CheckoutFailed,
    /// The time was up.
    Expired,
}

/// What may be asked about the units of an offer. Receiving and counting are [intentions](ReceiveStock): only
/// some offers have counted units.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// More are there.
    Receive {
        /// How many.
        quantity: u32,
    },
    /// Someone counted.
    Adjust {
        /// The difference.
        by: i64,
        /// Why.
        reason: Reason,
    },
    /// Hold some for a checkout. May be repeated while they are held.
    Reserve {
        /// The claim.
        reservation: ReservationId,
        /// How many.
        quantity: u32,
        /// Until when.
        expires_at: DateTime<Utc>,
    },
    /// Let go what a checkout that came to nothing holds. Nothing held: already so.
    Release {
        /// The claim.
        reservation: ReservationId,
    },
    /// Let go what was held long enough. Nothing held: already so.
    Expire {
        /// The claim.
        reservation: ReservationId,
    },
    /// Give what is held to a part of an order.
    Allocate {
        /// The claim.
        reservation: ReservationId,
        /// The part.
        part: VendorOrderId,
    },
    /// Take back units of a part that will not be shipped.
    Return {
        /// How many.
        quantity: u32,
        /// The part.
        part: VendorOrderId,
    },
}

/// What can have happened to the units.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// More are there.
    Received {
        /// How many.
        quantity: u32,
    },
    /// Someone counted.
    Adjusted {
        /// The difference.
        by: i64,
        /// Why.
        reason: String,
    },
    /// A checkout holds some.
    Reserved {
        /// The claim.
        reservation: ReservationId,
        /// How many.
        quantity: u32,
        /// Until when.
        expires_at: DateTime<Utc>,
    },
    /// A claim is over without an order.
    Released {
        /// The claim.
        reservation: ReservationId,
        /// How many.
        quantity: u32,
        /// Why.
        cause: ReleaseCause,
    },
    /// A claim became part of an order: the units are gone from hand.
    Allocated {
        /// The claim.
        reservation: ReservationId,
        /// How many.
        quantity: u32,
        /// The part of the order.
        part: VendorOrderId,
    },
    /// Ordered units were canceled before they shipped and are on hand again.
    Returned {
        /// How many.
        quantity: u32,
        /// The part of the order.
        part: VendorOrderId,
    },
}

/// Why the stock says no.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// The offer's units are not counted.
    #[error("the units of this offer are not counted")]
    NotCounted,
    /// Not so many are left.
    #[error("{wanted} wanted, {available} available")]
    Insufficient {
        /// How many were asked for.
        wanted: u32,
        /// How many nobody holds.
        available: u32,
    },
    /// The claim already holds another number.
    #[error("the reservation already holds {0} units")]
    HeldOtherwise(u32),
    /// The claim holds nothing: it never did, or no longer does.
    #[error("the reservation holds nothing")]
    NotHeld,
    /// The claim's time is not up.
    #[error("the reservation holds until {0}")]
    NotDue(DateTime<Utc>),
    /// Checkouts hold more than would be left.
    #[error("{held} units are held by checkouts: no fewer can be on hand")]
    BelowHeld {
        /// How many are held.
        held: u32,
    },
    /// There are no such numbers of units.
    #[error("a quantity is 1 to {QUANTITY_MAX}, and no more than that are on hand")]
    QuantityOutsideLimits {
        /// Of which input.
        field: &'static str,
    },
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::NotCounted => "STOCK_NOT_COUNTED",
            Rejection::Insufficient { .. } => "STOCK_INSUFFICIENT",
            Rejection::HeldOtherwise(_) => "STOCK_HELD_OTHERWISE",
            Rejection::NotHeld => "STOCK_NOT_HELD",
            Rejection::NotDue(_) => "STOCK_RESERVATION_NOT_DUE",
            Rejection::BelowHeld { .. } => "STOCK_BELOW_HELD",
            Rejection::QuantityOutsideLimits { .. } => "STOCK_QUANTITY_OUTSIDE_LIMITS",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Rejection::Insufficient { .. } => Some("quantity"),
            Rejection::QuantityOutsideLimits { field } => Some(field),
            Rejection::BelowHeld { .. } => Some("by"),
            Rejection::NotCounted
            | Rejection::HeldOtherwise(_)
            | Rejection::NotHeld
            | Rejection::NotDue(_) => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
struct Claim {
    quantity: u32,
    expires_at: DateTime<Utc>,
}

/// The units of an offer. An offer nothing was received for has none.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Stock {
    on_hand: u32,
    claims: BTreeMap<ReservationId, Claim>,
}

impl Stock {
    /// How many nobody holds.
    pub fn available(&self) -> u32 {
        self.on_hand.saturating_sub(self.held())
    }

    /// How many checkouts hold; never more than are on hand.
    fn held(&self) -> u32 {
        self.claims.values().map(|claim| claim.quantity).sum()
    }

    fn on_hand_after(&self, field: &'static str, by: i64) -> Result<u32, Rejection> {
        u32::try_from(i64::from(self.on_hand).saturating_add(by))
            .ok()
            .filter(|on_hand| *on_hand <= QUANTITY_MAX)
            .ok_or(Rejection::QuantityOutsideLimits { field })
    }

    fn release(&self, reservation: ReservationId, cause: ReleaseCause) -> Vec<Event> {
        let released = |claim: &Claim| Event::Released { reservation, quantity: claim.quantity, cause };
        self.claims.get(&reservation).map(released).into_iter().collect()
    }

    fn without(mut self, reservation: &ReservationId) -> Self {
        self.claims.remove(reservation);
        self
    }
}

/// More units of an offer are on hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiveStock {
    /// The offer; its units must be counted.
    pub offer: OfferId,
    /// How many.
    pub quantity: u32,
}

impl Intention for ReceiveStock {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        check_counted(city, self.offer)?;
        city.send::<Stock>(self.offer, &Command::Receive { quantity: self.quantity })
    }
}

/// Someone counted the units of an offer and found another number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdjustStock {
    /// The offer; its units must be counted.
    pub offer: OfferId,
    /// The difference.
    pub by: i64,
    /// Why.
    pub reason: Reason,
}

impl Intention for AdjustStock {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        check_counted(city, self.offer)?;
        city.send::<Stock>(self.offer, &Command::Adjust { by: self.by, reason: self.reason.clone() })
    }
}

fn check_counted(city: &mut Workspace, offer: OfferId) -> Result<(), Stop> {
    if city.see::<Offer>(offer)?.known()?.stock_tracked { Ok(()) } else { Err(Rejection::NotCounted.into()) }
}

impl Aggregate for Stock {
    type Id = OfferId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, at: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Receive { quantity } | Command::Return { quantity, .. } if *quantity == 0 => {
                Err(Rejection::QuantityOutsideLimits { field: "quantity" })
            }
            Command::Receive { quantity } => {
                self.on_hand_after("quantity", i64::from(*quantity))?;
                Ok(vec![Event::Received { quantity: *quantity }])
            }
            Command::Return { quantity, part } => {
                Ok(vec![Event::Returned { quantity: *quantity, part: *part }])
            }
            Command::Adjust { by, reason } => {
                let held = self.held();
                if i64::from(self.on_hand).saturating_add(*by) < i64::from(held) {
                    return Err(Rejection::BelowHeld { held });
                }
                self.on_hand_after("by", *by)?;
                Ok(unless(*by == 0, Event::Adjusted { by: *by, reason: reason.into() }))
            }
            Command::Reserve { reservation, quantity, expires_at } => {
                let (reservation, wanted, available) = (*reservation, *quantity, self.available());
                match self.claims.get(&reservation) {
                    Some(claim) if claim.quantity != wanted => Err(Rejection::HeldOtherwise(claim.quantity)),
                    Some(_) => Ok(Vec::new()),
                    None if wanted == 0 => Err(Rejection::QuantityOutsideLimits { field: "quantity" }),
                    None if wanted > available => Err(Rejection::Insufficient { wanted, available }),
                    None => {
                        let expires_at = *expires_at;
                        Ok(vec![Event::Reserved { reservation, quantity: wanted, expires_at }])
                    }
                }
            }
            Command::Release { reservation } => Ok(self.release(*reservation, ReleaseCause::CheckoutFailed)),
            Command::Expire { reservation } => match self.claims.get(reservation) {
                Some(claim) if at < claim.expires_at => Err(Rejection::NotDue(claim.expires_at)),
                Some(_) | None => Ok(self.release(*reservation, ReleaseCause::Expired)),
            },
            Command::Allocate { reservation, part } => {
                let claim = self.claims.get(reservation).ok_or(Rejection::NotHeld)?;
                let (reservation, part) = (*reservation, *part);
                Ok(vec![Event::Allocated { reservation, quantity: claim.quantity, part }])
            }
        }
    }

    fn evolve(mut self, event: &Event) -> Self {
        match event {
            Event::Received { quantity } | Event::Returned { quantity, .. } => {
                Stock { on_hand: self.on_hand.saturating_add(*quantity), ..self }
            }
            Event::Adjusted { by, .. } => {
                let on_hand = i64::from(self.on_hand).saturating_add(*by);
                Stock { on_hand: u32::try_from(on_hand).unwrap_or_default(), ..self }
            }
            Event::Reserved { reservation, quantity, expires_at } => {
                self.claims.insert(*reservation, Claim { quantity: *quantity, expires_at: *expires_at });
                self
            }
            Event::Released { reservation, .. } => self.without(reservation),
            Event::Allocated { reservation, quantity, .. } => {
                Stock { on_hand: self.on_hand.saturating_sub(*quantity), ..self }.without(reservation)
            }
        }
    }
}

#[cfg(test)]
mod tests;
