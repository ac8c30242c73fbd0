//! The money of every order, from its authorisation to the vendors' earnings.

use super::{Invariant, Rest, hold};
use cityos_domain::event::Event;
use cityos_domain::ids::{OrderId, PaymentId, VendorOrderId};
use cityos_domain::ledger::month::{self, Account, Occasion, Transaction};
use cityos_domain::log::Envelope;
use cityos_domain::orders::order::{self, Totals};
use cityos_domain::orders::{payment, vendor_order};
use std::collections::BTreeMap;

/// What is known of orders, their payments and their parts.
#[derive(Default)]
pub struct Orders {
    checkouts: BTreeMap<OrderId, bool>,
    placed: BTreeMap<OrderId, Totals>,
    payments: BTreeMap<PaymentId, Payment>,
    parts: BTreeMap<VendorOrderId, Part>,
}

#[derive(Default)]
struct Payment {
    authorised: i64,
    captured: i64,
    released: i64,
    expired: bool,
    /// Of each part, what is held.
    held: BTreeMap<VendorOrderId, i64>,
}

#[derive(Default)]
struct Part {
    order: OrderId,
    /// What is left of it.
    totals: Totals,
    captured: Option<Totals>,
    /// What was posted for it: that it was captured, and that its earnings are available.
    posted: Option<Vec<(Account, i64)>>,
    released_minor: Option<i64>,
    says_released: bool,
}

impl Invariant for Orders {
    fn see(&mut self, event: &Envelope) -> Result<(), String> {
        if let Event::Order(happened) = &event.event {
            let id = OrderId(event.stream.id);
            let ended = !matches!(happened, order::Event::Requested { .. });
            let before = self.checkouts.insert(id, ended);
            hold(before == ended.then_some(false), || format!("order {id} ends without a beginning, or twice"))?;
            if let order::Event::Placed { totals, .. } = happened {
                self.placed.insert(id, *totals);
            }
        } else if let Event::Payment(happened) = &event.event {
            let id = PaymentId(event.stream.id);
            self.payments.entry(id).or_default().learn(happened).map_err(|what| format!("payment {id}: {what}"))?;
        } else if let Event::VendorOrder(happened) = &event.event {
            let id = VendorOrderId(event.stream.id);
            self.parts.entry(id).or_default().learn(happened).map_err(|what| format!("part {id}: {what}"))?;
        } else if let Event::Ledger(month::Event::Posted { transaction, .. }) = &event.event {
            self.learn_of_posting(transaction)?;
        }
        Ok(())
    }

    fn at_rest(&self, rest: &Rest<'_>) -> Result<(), String> {
        for (id, payment) in &self.payments {
            payment.at_rest(rest).map_err(|what| format!("payment {id}: {what}"))?;
        }
        let mut sums: BTreeMap<OrderId, Totals> = BTreeMap::new();
        for (id, part) in &self.parts {
            part.at_rest().map_err(|what| format!("part {id}: {what}"))?;
            let sum = sums.entry(part.order).or_default();
            *sum = sum.plus(part.totals);
        }
        for (order, ended) in &self.checkouts {
            let hangs = !ended && !rest.runs.is_answered_for("checkout", &order.to_string());
            hold(!hangs, || format!("the checkout of order {order} has no end"))?;
        }
        for (order, placed) in &self.placed {
            let left = sums.get(order).copied().unwrap_or_default();
            let less = left.payable_minor() <= placed.payable_minor() && left.goods_minor >= 0;
            hold(less && left.commission_minor >= 0, || format!("order {order}: {left:?} of {placed:?} is left"))?;
        }
        Ok(())
    }
}

impl Orders {
    fn learn_of_posting(&mut self, transaction: &Transaction) -> Result<(), String> {
        if let Occasion::Captured { part, .. } = &transaction.occasion {
            let legs = transaction.legs.iter().map(|leg| (leg.account, leg.minor)).collect();
            let before = self.parts.entry(*part).or_default().posted.replace(legs);
            hold(before.is_none(), || format!("part {part} is posted as captured twice"))?;
        } else if let Occasion::Released { part, .. } = &transaction.occasion {
            let available = transaction.legs.iter().find(|leg| leg.account == Account::VendorAvailable);
            let minor = available.map_or(0, |leg| -leg.minor);
            let before = self.parts.entry(*part).or_default().released_minor.replace(minor);
            hold(before.is_none(), || format!("the earnings of part {part} are posted twice"))?;
        }
        Ok(())
    }
}

impl Payment {
    fn learn(&mut self, happened: &payment::Event) -> Result<(), String> {
        match happened {
            payment::Event::Authorised { amount, splits, .. } => {
                self.authorised += amount.minor;
                self.held = splits.iter().map(|split| (split.part, split.minor)).collect();
            }
            payment::Event::Captured { part, minor, .. } => {
                self.captured += minor;
                *self.held.entry(*part).or_default() -= minor;
            }
            payment::Event::Released { part, minor, .. } => {
                self.released += minor;
                *self.held.entry(*part).or_default() -= minor;
            }
            payment::Event::Expired { .. } => self.expired = true,
        }
        let held: i64 = self.held.values().sum();
        let Payment { authorised, captured, released, .. } = self;
        hold(*authorised == *captured + *released + held, || {
            format!("{authorised} authorised, {captured} captured, {released} released, {held} held")
        })?;
        hold(self.held.values().all(|minor| *minor >= 0), || format!("too much is taken: {:?}", self.held))
    }

    /// Once its time is up nothing is held, but for what somebody is, or should be, about to take.
    fn at_rest(&self, rest: &Rest<'_>) -> Result<(), String> {
        let held = self.held.iter().filter(|(_, minor)| **minor > 0);
        let hangs = held.filter(|(part, _)| !rest.runs.is_answered_for("capture", &part.to_string()));
        let hangs: Vec<_> = hangs.collect();
        hold(!(self.expired || rest.at_the_end) || hangs.is_empty(), || format!("held for ever: {hangs:?}"))
    }
}

impl Part {
    fn learn(&mut self, happened: &vendor_order::Event) -> Result<(), String> {
        use vendor_order::Event as E;
        match happened {
            E::Placed { belongs, lines, totals, .. } => {
                let sum = lines.iter().map(|line| line.totals()).fold(Totals::default(), Totals::plus);
                (self.order, self.totals) = (belongs.order, *totals);
                hold(sum == *totals, || format!("its lines come to {sum:?}, not {totals:?}"))
            }
            E::UnitsCanceled { totals, .. } => {
                self.totals = self.totals.minus(*totals);
                hold(self.captured.is_none(), || "units are canceled that were captured".into())
            }
            E::Canceled { .. } => {
                hold(self.totals == Totals::default(), || format!("{:?} is left of nothing", self.totals))
            }
            E::Captured { totals, .. } => {
                hold(self.captured.replace(*totals).is_none(), || "it is captured twice".into())?;
                hold(*totals == self.totals, || format!("{totals:?} is captured of {:?}", self.totals))
            }
            E::EarningsReleased { .. } => {
                hold(!self.says_released && self.captured.is_some(), || "it earns twice, or for nothing".into())?;
                self.says_released = true;
                Ok(())
            }
            E::Shipped { .. } | E::CaptureFailed { .. } | E::Delivered { .. } => Ok(()),
        }
    }

    fn at_rest(&self) -> Result<(), String> {
        let totals = self.captured.unwrap_or_default();
        let received = totals.payable_minor() + totals.marketplace_discount_minor;
        let shared = totals.earnings_minor() + totals.commission_minor + totals.tax_minor;
        hold(received == shared, || format!("{received} came in, and {shared} is somebody's"))?;
        let on = |wanted| {
            let posted = self.posted.iter().flatten().filter(|(account, _)| *account == wanted);
            posted.map(|(_, minor)| minor).sum::<i64>()
        };
        let expected = [
            (Account::Clearing, totals.payable_minor()),
            (Account::VendorPending, -totals.earnings_minor()),
            (Account::CommissionIncome, -totals.commission_minor),
            (Account::Adjustments, totals.marketplace_discount_minor),
        ];
        for (account, minor) in expected {
            hold(on(account) == minor, || format!("{} is posted to {account:?}, not {minor}", on(account)))?;
        }
        let earned = if self.says_released { totals.earnings_minor() } else { 0 };
        let available = self.released_minor.unwrap_or(0);
        hold(available == earned, || format!("{available} became available of {earned} earned"))
    }
}
