//! How far a part has come, what may be done with it next, and what its events make of it.

use super::{Belongs, CancelCause, Command, Event, Line, Rejection};
use crate::aggregate::{Aggregate, unless};
use crate::calendar::BusinessDate;
use crate::foundation::tenant::CaptureMoment;
use crate::ids::{PaymentId, VendorOrderId};
use crate::orders::order::Totals;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// One vendor's part of an order.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VendorOrder {
    /// It does not exist.
    #[default]
    Unknown,
    /// It exists.
    Known(Part),
}

/// What is known of a part.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Part {
    /// Order, vendor and currency.
    pub belongs: Belongs,
    /// How it is paid.
    pub payment: PaymentId,
    /// Its lines.
    pub lines: Vec<LineLeft>,
    /// What is left of it amounts to this.
    pub totals: Totals,
    /// When it is captured.
    pub capture: CaptureMoment,
    shipment: Shipment,
    money: Taking,
}

/// A line with what is left of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LineLeft {
    /// As it was placed.
    pub line: Line,
    /// How many units are not canceled.
    pub units: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Shipment {
    Open,
    Canceled,
    Shipped,
    Delivered { available_at: DateTime<Utc> },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Taking {
    Held,
    Refused,
    Captured,
    EarningsReleased,
}

impl VendorOrder {
    /// The part, if it exists.
    pub fn known(&self) -> Result<&Part, Rejection> {
        match self {
            VendorOrder::Unknown => Err(Rejection::Unknown),
            VendorOrder::Known(part) => Ok(part),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Part)) -> Self {
        if let VendorOrder::Known(part) = &mut self {
            change(part);
        }
        self
    }
}

impl Part {
    /// Why nothing of it can be canceled, if nothing can. A part that is captured at placement counts as being
    /// captured from then on.
    pub fn cancelable(&self) -> Result<(), Rejection> {
        match self.shipment {
            Shipment::Open => {}
            Shipment::Canceled => return Err(Rejection::Canceled),
            Shipment::Shipped | Shipment::Delivered { .. } => return Err(Rejection::Shipped),
        }
        match (self.money, self.capture) {
            (Taking::Captured | Taking::EarningsReleased, _) => Err(Rejection::Captured),
            (Taking::Held, CaptureMoment::AtPlacement) => Err(Rejection::BeingCaptured),
            (Taking::Held, CaptureMoment::AtShipment) | (Taking::Refused, _) => Ok(()),
        }
    }

    /// Whether its money was taken.
    pub fn is_captured(&self) -> bool {
        matches!(self.money, Taking::Captured | Taking::EarningsReleased)
    }

    /// Whether its earnings can be made available at `at`, and are not yet.
    pub fn earnings_due(&self, at: DateTime<Utc>) -> bool {
        let delivered = matches!(self.shipment, Shipment::Delivered { available_at } if available_at <= at);
        delivered && self.money == Taking::Captured
    }

    /// Why its money cannot be taken now, if it cannot.
    pub fn capturable(&self) -> Result<(), Rejection> {
        match (self.shipment, self.capture) {
            (Shipment::Canceled, _) => Err(Rejection::Canceled),
            (Shipment::Open, CaptureMoment::AtShipment) => Err(Rejection::NotShipped),
            (Shipment::Open, CaptureMoment::AtPlacement)
            | (Shipment::Shipped | Shipment::Delivered { .. }, _) => Ok(()),
        }
    }

    fn line(&self, number: u32) -> Result<&LineLeft, Rejection> {
        let found = self.lines.iter().find(|left| left.line.number == number);
        found.ok_or(Rejection::LineUnknown(number))
    }

    fn cancel(&self, left: &LineLeft, quantity: u32, date: BusinessDate, cause: CancelCause) -> Event {
        let LineLeft { line, units } = left;
        let totals = line.share(line.quantity - units, quantity);
        Event::UnitsCanceled { belongs: self.belongs, line: line.number, quantity, totals, date, cause }
    }

    fn cancel_units(
        &self,
        number: u32,
        quantity: Option<u32>,
        date: BusinessDate,
        cause: CancelCause,
    ) -> Result<Vec<Event>, Rejection> {
        let left = self.line(number)?;
        if left.units == 0 && quantity.is_none() {
            return Ok(vec![]);
        }
        self.cancelable()?;
        // What was refused may be tried again for the same amount: it is canceled whole or not at all.
        if self.money == Taking::Refused {
            return Err(Rejection::Unpaid);
        }
        let quantity = quantity.unwrap_or(left.units);
        if !(1..=left.units).contains(&quantity) {
            return Err(Rejection::QuantityOutsideLimits { line: number, left: left.units });
        }
        let mut events = vec![self.cancel(left, quantity, date, cause)];
        if self.lines.iter().map(|left| left.units).sum::<u32>() == quantity {
            events.push(Event::Canceled { belongs: self.belongs, cause });
        }
        Ok(events)
    }

    fn cancel_all(&self, date: BusinessDate, cause: CancelCause) -> Vec<Event> {
        let left = self.lines.iter().filter(|left| left.units > 0);
        let canceled = left.map(|left| self.cancel(left, left.units, date, cause));
        canceled.chain([Event::Canceled { belongs: self.belongs, cause }]).collect()
    }
}

impl Aggregate for VendorOrder {
    type Id = VendorOrderId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, at: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        if let (Command::Place(placement), VendorOrder::Unknown) = (command, self) {
            return Ok(vec![Event::Placed {
                belongs: placement.belongs,
                store: placement.store,
                customer: placement.customer,
                payment: placement.payment,
                date: placement.date,
                capture: placement.capture,
                lines: placement.lines.clone(),
                totals: placement.totals(),
            }]);
        }
        let part = self.known()?;
        let belongs = part.belongs;
        match command {
            Command::Place(_) => Err(Rejection::Exists),
            Command::CancelUnits { line, quantity, date, cause } => {
                part.cancel_units(*line, *quantity, *date, *cause)
            }
            Command::Cancel { .. } if part.shipment == Shipment::Canceled => Ok(vec![]),
            Command::Cancel { date, cause } => {
                part.cancelable()?;
                Ok(part.cancel_all(*date, *cause))
            }
            Command::Ship { tracking } => match (part.shipment, part.money) {
                (Shipment::Open, Taking::Refused) => Err(Rejection::Unpaid),
                (Shipment::Open, Taking::Held) if part.capture == CaptureMoment::AtPlacement => {
                    Err(Rejection::BeingCaptured)
                }
                (Shipment::Open, Taking::Held | Taking::Captured | Taking::EarningsReleased) => {
                    Ok(vec![Event::Shipped { belongs, tracking: tracking.clone(), capture: part.capture }])
                }
                (Shipment::Canceled, _) => Err(Rejection::Canceled),
                (Shipment::Shipped | Shipment::Delivered { .. }, _) => Ok(vec![]),
            },
            Command::Capture { reference, minor, date } => {
                part.capturable()?;
                if *minor != part.totals.payable_minor() {
                    let left_minor = part.totals.payable_minor();
                    return Err(Rejection::CapturedOtherwise { minor: *minor, left_minor });
                }
                let left = part.lines.iter().filter(|left| left.units > 0);
                let captured = Event::Captured {
                    belongs,
                    payment: part.payment,
                    reference: reference.clone(),
                    date: *date,
                    lines: left.map(|left| left.line.number).collect(),
                    totals: part.totals,
                };
                Ok(unless(part.is_captured(), captured))
            }
            Command::FailCapture { reason } => {
                part.capturable()?;
                if part.is_captured() {
                    return Err(Rejection::Captured);
                }
                let failed = Event::CaptureFailed { belongs, reason: reason.clone() };
                Ok(unless(part.money == Taking::Refused, failed))
            }
            Command::Deliver { available_at } => match part.shipment {
                Shipment::Open => Err(Rejection::NotShipped),
                Shipment::Canceled => Err(Rejection::Canceled),
                Shipment::Shipped => Ok(vec![Event::Delivered { belongs, available_at: *available_at }]),
                Shipment::Delivered { .. } => Ok(vec![]),
            },
            Command::ReleaseEarnings if part.money == Taking::EarningsReleased => Ok(vec![]),
            Command::ReleaseEarnings if part.earnings_due(at) => {
                Ok(vec![Event::EarningsReleased { belongs }])
            }
            Command::ReleaseEarnings => Err(Rejection::EarningsNotDue),
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match event {
            Event::Placed { belongs, payment, capture, lines, totals, .. } => VendorOrder::Known(Part {
                belongs: *belongs,
                payment: *payment,
                lines: lines
                    .iter()
                    .map(|line| LineLeft { line: line.clone(), units: line.quantity })
                    .collect(),
                totals: *totals,
                capture: *capture,
                shipment: Shipment::Open,
                money: Taking::Held,
            }),
            Event::UnitsCanceled { line, quantity, totals, .. } => self.with(|part| {
                part.totals = part.totals.minus(*totals);
                let left = part.lines.iter_mut().find(|left| left.line.number == *line);
                left.into_iter().for_each(|left| left.units -= quantity);
            }),
            Event::Canceled { .. } => self.with(|part| part.shipment = Shipment::Canceled),
            Event::Shipped { .. } => self.with(|part| part.shipment = Shipment::Shipped),
            Event::Captured { .. } => self.with(|part| part.money = Taking::Captured),
            Event::CaptureFailed { .. } => self.with(|part| part.money = Taking::Refused),
            Event::Delivered { available_at, .. } => {
                self.with(|part| part.shipment = Shipment::Delivered { available_at: *available_at })
            }
            Event::EarningsReleased { .. } => self.with(|part| part.money = Taking::EarningsReleased),
        }
    }
}
