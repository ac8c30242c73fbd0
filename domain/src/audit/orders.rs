//! Orders that are open: what each comes to, what was held, taken and given back for its parts, and what the ledger
//! says of it. An order is over when each part is canceled or its earnings are available.

use super::covered::{Covered, Sums, on};
use super::finding::{Amount, Breach, Figure, Findings, Place, Subject};
use crate::ids::{OrderId, VendorId, VendorOrderId};
use crate::ledger::book::LedgerOf;
use crate::ledger::month::{Account, Occasion, Transaction};
use crate::log::Partition;
use crate::money::Currency;
use crate::orders::order::{self, Bearer, Totals};
use crate::orders::payment;
use crate::orders::vendor_order::{self, Line};
use std::collections::{BTreeMap, HashMap};

/// Whose an event says that a part is, where it names a vendor, and in which currency.
#[derive(Clone, Copy)]
struct Said {
    vendor: Option<VendorId>,
    currency: Currency,
}

impl Said {
    fn of(ledger: LedgerOf) -> Self {
        Said { vendor: Some(ledger.vendor), currency: ledger.currency }
    }
}

/// A figure of each amount.
type AmountFigure = fn(Amount) -> Figure;

type AllCovered = BTreeMap<(Partition, Currency), Covered>;

/// The orders that are open.
#[derive(Default)]
pub(super) struct Orders {
    open: HashMap<(Partition, OrderId), Order>,
    /// Those something has happened to since they were checked.
    touched: Vec<(Partition, OrderId)>,
}

#[derive(Default)]
struct Order {
    /// What is said first; once it is placed, what that says.
    currency: Option<Currency>,
    placed: Came,
    authorised_minor: i128,
    parts: BTreeMap<VendorOrderId, Part>,
    touched: Option<Place>,
}

#[derive(Default)]
struct Part {
    /// What is said first; once it is placed, what that says.
    vendor: Option<VendorId>,
    placed: Came,
    lines: Came,
    /// What is not canceled of it.
    left: Came,
    split_minor: i128,
    received_minor: i128,
    given_back_minor: i128,
    captured: Came,
    booked: Came,
    released_minor: i128,
    is_captured: bool,
    is_canceled: bool,
    /// How often its earnings became available: once at most.
    releases: u8,
}

/// What something comes to, in minor units.
#[derive(Clone, Copy, Default)]
struct Came {
    payable: i128,
    earnings: i128,
    commission: i128,
    borne: i128,
    tax: i128,
}

impl Came {
    fn of(totals: &Totals) -> Came {
        let [goods, freight, tax, borne, commission] = [
            totals.goods_minor,
            totals.freight_minor,
            totals.tax_minor,
            totals.marketplace_discount_minor,
            totals.commission_minor,
        ]
        .map(i128::from);
        let earnings = goods + freight + borne - commission;
        Came { payable: goods + freight + tax, earnings, commission, borne, tax }
    }

    fn of_line(line: &Line) -> Came {
        let marketplace_bears = matches!(line.discount_bearer, Some(Bearer::Marketplace));
        let [net, freight, tax, freight_tax, discount, commission] = [
            line.net_minor,
            line.freight_net_minor,
            line.tax_minor,
            line.freight_tax_minor,
            line.discount_minor,
            line.commission.minor,
        ]
        .map(i128::from);
        let (tax, borne) = (tax + freight_tax, if marketplace_bears { discount } else { 0 });
        let earnings = net + freight + borne - commission;
        Came { payable: net + freight + tax, earnings, commission, borne, tax }
    }

    /// What a capture brought in and whom it is for, as the ledger has it.
    fn of_legs(transaction: &Transaction) -> Came {
        Came {
            payable: on(transaction, Account::Clearing),
            earnings: -on(transaction, Account::VendorPending),
            commission: -on(transaction, Account::CommissionIncome),
            borne: on(transaction, Account::Adjustments),
            tax: -on(transaction, Account::Tax),
        }
    }

    fn plus(self, other: Came) -> Came {
        Came {
            payable: self.payable + other.payable,
            earnings: self.earnings + other.earnings,
            commission: self.commission + other.commission,
            borne: self.borne + other.borne,
            tax: self.tax + other.tax,
        }
    }

    fn minus(self, other: Came) -> Came {
        Came {
            payable: self.payable - other.payable,
            earnings: self.earnings - other.earnings,
            commission: self.commission - other.commission,
            borne: self.borne - other.borne,
            tax: self.tax - other.tax,
        }
    }

    fn amounts(self) -> [(Amount, i128); 5] {
        [
            (Amount::Payable, self.payable),
            (Amount::Earnings, self.earnings),
            (Amount::Commission, self.commission),
            (Amount::Borne, self.borne),
            (Amount::Tax, self.tax),
        ]
    }
}

fn compare(
    findings: &mut Findings,
    place: Place,
    subject: Subject,
    figure: AmountFigure,
    found: Came,
    expected: Came,
) {
    for ((amount, found), (_, expected)) in found.amounts().into_iter().zip(expected.amounts()) {
        findings.equal(place, subject, figure(amount), found, expected);
    }
}

impl Orders {
    pub fn take_order(
        &mut self,
        place: Place,
        event: &order::Event,
        covered: &mut AllCovered,
        findings: &mut Findings,
    ) {
        match event {
            order::Event::Placed { currency, parts, totals, .. } => {
                covered.entry((place.stream.partition, *currency)).or_default().orders += 1;
                let id = OrderId(place.stream.id);
                let order = self.begun(place, id);
                order.is_in(place, id, *currency, findings);
                order.currency = Some(*currency);
                order.placed = order.placed.plus(Came::of(totals));
                for part in parts {
                    if let Some(authorised) = order.parts.get_mut(&part.id) {
                        authorised.vendor.get_or_insert(part.vendor);
                    }
                }
            }
            order::Event::Requested { .. } | order::Event::Declined { .. } => {}
        }
    }

    pub fn take_payment(&mut self, place: Place, event: &payment::Event, findings: &mut Findings) {
        match event {
            payment::Event::Authorised { order: id, amount, splits, .. } => {
                let order = self.begun(place, *id);
                order.is_in(place, *id, amount.currency, findings);
                order.authorised_minor += i128::from(amount.minor);
                for split in splits {
                    order.parts.entry(split.part).or_default().split_minor += i128::from(split.minor);
                }
            }
            payment::Event::Captured { order, part, minor, currency, .. } => {
                let said = Said { vendor: None, currency: *currency };
                let Some(part) = self.part(place, *order, *part, said, findings) else { return };
                part.received_minor += i128::from(*minor);
            }
            payment::Event::Released { order, part, minor, currency, .. } => {
                let said = Said { vendor: None, currency: *currency };
                let Some(part) = self.part(place, *order, *part, said, findings) else { return };
                part.given_back_minor += i128::from(*minor);
            }
            // What it gives back has events of its own.
            payment::Event::Expired { .. } => {}
        }
    }

    pub fn take_part(&mut self, place: Place, event: &vendor_order::Event, findings: &mut Findings) {
        use vendor_order::Event as E;
        let (id, belongs) = (VendorOrderId(place.stream.id), event.belongs());
        if let E::Placed { .. } = event {
            self.begun(place, belongs.order).parts.entry(id).or_default();
        }
        let said = Said::of(belongs.ledger());
        let Some(part) = self.part(place, belongs.order, id, said, findings) else { return };
        match event {
            E::Placed { lines, totals, .. } => {
                part.vendor = Some(belongs.vendor);
                part.placed = part.placed.plus(Came::of(totals));
                part.left = part.left.plus(Came::of(totals));
                part.lines = lines.iter().map(Came::of_line).fold(Came::default(), Came::plus);
            }
            E::UnitsCanceled { totals, .. } => part.left = part.left.minus(Came::of(totals)),
            E::Canceled { .. } => part.is_canceled = true,
            E::Captured { totals, .. } => {
                part.captured = part.captured.plus(Came::of(totals));
                part.is_captured = true;
            }
            E::EarningsReleased { .. } => part.releases = part.releases.saturating_add(1),
            E::Shipped { .. } | E::CaptureFailed { .. } | E::Delivered { .. } => {}
        }
    }

    /// What a vendor's ledger says of an order's part.
    pub fn take_transaction(
        &mut self,
        place: Place,
        of: LedgerOf,
        order: OrderId,
        transaction: &Transaction,
        findings: &mut Findings,
    ) {
        match transaction.occasion {
            Occasion::Captured { part, .. } => {
                let Some(part) = self.part(place, order, part, Said::of(of), findings) else { return };
                part.booked = part.booked.plus(Came::of_legs(transaction));
            }
            Occasion::Released { part, .. } => {
                let Some(part) = self.part(place, order, part, Said::of(of), findings) else { return };
                part.released_minor -= on(transaction, Account::VendorAvailable);
            }
            Occasion::Claimed { .. }
            | Occasion::Settled { .. }
            | Occasion::Unclaimed { .. }
            | Occasion::Adjusted { .. } => {}
        }
    }

    /// Checks the orders something has happened to, and forgets those that are over.
    pub fn check(&mut self, findings: &mut Findings) {
        for key in self.touched.drain(..) {
            let Some(order) = self.open.get_mut(&key) else { continue };
            let Some(place) = order.touched.take() else { continue };
            order.check(place, key.1, findings);
            if order.is_over() {
                self.open.remove(&key);
            }
        }
    }

    /// Counts the orders that are not over.
    pub fn count_open(&self, covered: &mut AllCovered) {
        for ((partition, _), order) in &self.open {
            if let Some(currency) = order.currency {
                covered.entry((*partition, currency)).or_default().orders_open += 1;
            }
        }
    }

    /// An order that begins, or has.
    fn begun(&mut self, place: Place, id: OrderId) -> &mut Order {
        let key = (place.stream.partition, id);
        let order = self.open.entry(key).or_default();
        if order.touched.replace(place).is_none() {
            self.touched.push(key);
        }
        order
    }

    /// A part of an order that is open; finds where there is none, or it is of another vendor or in another currency.
    fn part(
        &mut self,
        place: Place,
        id: OrderId,
        part: VendorOrderId,
        said: Said,
        findings: &mut Findings,
    ) -> Option<&mut Part> {
        let key = (place.stream.partition, id);
        let known = self.open.get(&key).is_some_and(|order| order.parts.contains_key(&part));
        if !known {
            findings.add(place, Subject::Order(id), Breach::OrderNotOpen);
            return None;
        }
        let order = self.begun(place, id);
        let currency = *order.currency.get_or_insert(said.currency);
        let state = order.parts.get_mut(&part)?;
        if let Some(vendor) = said.vendor {
            state.vendor.get_or_insert(vendor);
        }
        let subject = state.subject(id, part);
        if let (Some(found), Some(expected)) = (said.vendor, state.vendor) {
            findings.same_vendor(place, subject, found, expected);
        }
        findings.same_currency(place, subject, said.currency, currency);
        Some(state)
    }
}

impl Order {
    /// Finds where the order as a whole is said to be in another currency than before.
    fn is_in(&mut self, place: Place, id: OrderId, currency: Currency, findings: &mut Findings) {
        let known = *self.currency.get_or_insert(currency);
        findings.same_currency(place, Subject::Order(id), currency, known);
    }

    fn is_over(&self) -> bool {
        !self.parts.is_empty() && self.parts.values().all(|part| part.is_canceled || part.releases > 0)
    }

    fn check(&self, place: Place, id: OrderId, findings: &mut Findings) {
        let subject = Subject::Order(id);
        let parts = self.parts.values().map(|part| part.placed).fold(Came::default(), Came::plus);
        compare(findings, place, subject, Figure::Placed, self.placed, parts);
        findings.equal(place, subject, Figure::Authorised, self.authorised_minor, self.placed.payable);
        for (part, state) in &self.parts {
            state.check(place, state.subject(id, *part), findings);
        }
        let sums = self.parts.values().fold(Sums::default(), |sums, part| Sums {
            received_minor: sums.received_minor + part.received_minor,
            borne_minor: sums.borne_minor + part.booked.borne,
            earned_minor: sums.earned_minor + part.booked.earnings,
            commission_minor: sums.commission_minor + part.booked.commission,
            tax_held_minor: sums.tax_held_minor + part.booked.tax,
            ..sums
        });
        findings.equal(place, subject, Figure::OrderSum, sums.came_in_minor(), sums.became_minor());
    }
}

impl Part {
    fn subject(&self, order: OrderId, part: VendorOrderId) -> Subject {
        Subject::Part { order, part, vendor: self.vendor.unwrap_or_default() }
    }

    fn check(&self, place: Place, subject: Subject, findings: &mut Findings) {
        let captured_of = if self.is_captured { self.left } else { Came::default() };
        let left_of = if self.is_canceled { Came::default() } else { self.left };
        for (figure, found, expected) in [
            (Figure::Lines as AmountFigure, self.placed, self.lines),
            (Figure::Left, self.left, left_of),
            (Figure::Captured, self.captured, captured_of),
            (Figure::Booked, self.booked, self.captured),
        ] {
            compare(findings, place, subject, figure, found, expected);
        }
        let held = self.split_minor - self.received_minor - self.given_back_minor;
        let takeable = if self.is_captured { 0 } else { self.left.payable };
        for (figure, found, expected) in [
            (Figure::Split, self.split_minor, self.placed.payable),
            (Figure::Held, held, takeable),
            (Figure::Received, self.received_minor, self.captured.payable),
            (Figure::Released, self.released_minor, self.booked.earnings * i128::from(self.releases)),
        ] {
            findings.equal(place, subject, figure, found, expected);
        }
    }
}
