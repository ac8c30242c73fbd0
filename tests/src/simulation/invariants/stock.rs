//! Units: what is on hand, what is claimed, and what went to whom.

use super::{Invariant, Rest, hold};
use chrono::{DateTime, Utc};
use cityos_domain::event::Event;
use cityos_domain::ids::{OfferId, ReservationId, VendorOrderId};
use cityos_domain::log::Envelope;
use cityos_domain::marketplace::stock;
use cityos_domain::orders::vendor_order;
use std::collections::BTreeMap;

/// What is where.
#[derive(Default)]
pub struct Stock {
    offers: BTreeMap<OfferId, Units>,
    /// Units of counted offers that went to each part, and those its lines have.
    parts: BTreeMap<VendorOrderId, Part>,
}

#[derive(Default)]
struct Units {
    on_hand: i64,
    claims: BTreeMap<ReservationId, (u32, DateTime<Utc>)>,
}

#[derive(Default)]
struct Part {
    given: i64,
    /// By line number.
    has: BTreeMap<u32, i64>,
}

impl Invariant for Stock {
    fn see(&mut self, event: &Envelope) -> Result<(), String> {
        if let Event::Stock(happened) = &event.event {
            let id = OfferId(event.stream.id);
            let units = self.offers.entry(id).or_default();
            let part = units.learn(happened)?;
            if let Some((part, given)) = part {
                self.parts.entry(part).or_default().given += given;
            }
            let claimed: i64 = units.claims.values().map(|(quantity, _)| i64::from(*quantity)).sum();
            hold(claimed >= 0 && units.on_hand >= claimed, || {
                format!("offer {id}: {} on hand, {claimed} claimed", units.on_hand)
            })?;
        } else if let Event::VendorOrder(happened) = &event.event {
            let part = self.parts.entry(VendorOrderId(event.stream.id)).or_default();
            if let vendor_order::Event::Placed { lines, .. } = happened {
                let counted = lines.iter().filter(|line| line.reservation.is_some());
                part.has = counted.map(|line| (line.number, i64::from(line.quantity))).collect();
            } else if let vendor_order::Event::UnitsCanceled { line, quantity, .. } = happened
                && let Some(left) = part.has.get_mut(line)
            {
                *left -= i64::from(*quantity);
            }
        }
        Ok(())
    }

    fn at_rest(&mut self, rest: &Rest<'_>) -> Result<(), String> {
        for (id, units) in &self.offers {
            let due = units.claims.values().filter(|(_, until)| *until <= rest.now).count();
            hold(due == 0, || format!("offer {id}: {due} claims are over and still held"))?;
            hold(!rest.at_the_end || units.claims.is_empty(), || format!("offer {id} is claimed for ever"))?;
        }
        for (id, part) in &self.parts {
            let has: i64 = part.has.values().sum();
            hold(part.given == has, || format!("part {id} has {has} units and was given {}", part.given))?;
        }
        Ok(())
    }
}

impl Units {
    /// What it gives to a part, if it does; what comes back is given less.
    fn learn(&mut self, happened: &stock::Event) -> Result<Option<(VendorOrderId, i64)>, String> {
        use stock::Event as E;
        match happened {
            E::Received { quantity } => self.on_hand += i64::from(*quantity),
            E::Adjusted { by, .. } => self.on_hand += by,
            E::Reserved { reservation, quantity, expires_at } => {
                let new = self.claims.insert(*reservation, (*quantity, *expires_at)).is_none();
                hold(new, || format!("claim {reservation} is made twice"))?;
            }
            E::Released { reservation, quantity, .. } => self.end(reservation, *quantity)?,
            E::Allocated { reservation, quantity, part } => {
                self.end(reservation, *quantity)?;
                self.on_hand -= i64::from(*quantity);
                return Ok(Some((*part, i64::from(*quantity))));
            }
            E::Returned { quantity, part } => {
                self.on_hand += i64::from(*quantity);
                return Ok(Some((*part, -i64::from(*quantity))));
            }
        }
        Ok(None)
    }

    fn end(&mut self, reservation: &ReservationId, quantity: u32) -> Result<(), String> {
        let claim = self.claims.remove(reservation).map(|(claimed, _)| claimed);
        hold(claim == Some(quantity), || format!("claim {reservation} of {claim:?} ends with {quantity}"))
    }
}
