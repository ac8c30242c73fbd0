//! Orders of every fate, the ledger they fill, and payouts of every fate.

use super::{History, brl, code, id};
use chrono::TimeDelta;
use cityos_domain::calendar::{BusinessDate, Month, Zone};
use cityos_domain::commission::calculation::Commission;
use cityos_domain::foundation::tenant::CaptureMoment;
use cityos_domain::ids::*;
use cityos_domain::ledger::month::{self, Account, Transaction};
use cityos_domain::ledger::payout::{self, Trigger};
use cityos_domain::ledger::{book, transactions};
use cityos_domain::log::Partition;
use cityos_domain::marketplace::stock;
use cityos_domain::money::{Money, Rate};
use cityos_domain::orders::order::{self, Cart, Part, RequestedLine, Totals};
use cityos_domain::orders::payment::{self, Method, Split};
use cityos_domain::orders::vendor_order::{self, Belongs, CancelCause, Line, TaxSource};
use std::collections::BTreeMap;

/// The history of one tenant's sales.
struct Sales<'h> {
    history: &'h mut History,
    own: Partition,
    month: Month,
    balances: BTreeMap<Account, i64>,
}

pub(super) fn are_made(history: &mut History, own: Partition) {
    let month = Month { year: 2026, month: 1 };
    let mut sales = Sales { history, own, month, balances: BTreeMap::new() };
    sales.open_month(0);
    sales.first_order();
    sales.declined_order();
    sales.unpaid_order();
    sales.payouts();
}

/// Two lamps, or one vase: net 100.00 and 50.00 each, freight 5.00 each, 10 % commission on the goods.
fn line(number: u32, product: &str, quantity: u32) -> Line {
    let unit_minor = if product == "lamp" { 10_000 } else { 5_000 };
    let (net_minor, freight_net_minor) = (unit_minor * i64::from(quantity), 500 * i64::from(quantity));
    Line {
        number,
        offer: id(&format!("{product} offer")),
        product: id(product),
        sku: code(product),
        quantity,
        unit_minor,
        includes_tax: true,
        discount_minor: 0,
        discount_bearer: None,
        net_minor,
        tax_minor: 0,
        tax_rate: Rate { millionths: 0 },
        tax_source: TaxSource::None,
        freight_net_minor,
        freight_tax_minor: 0,
        commission: Commission {
            minor: net_minor / 10,
            rule: Some(id("lamps")),
            rules_version: 7,
            base_minor: net_minor,
            rate: Some(Rate { millionths: 100_000 }),
            counted_before_minor: None,
        },
        reservation: None,
    }
}

fn totals(lines: &[Line]) -> Totals {
    let of_line = |line: &Line| Totals {
        goods_minor: line.net_minor,
        freight_minor: line.freight_net_minor,
        commission_minor: line.commission.minor,
        ..Totals::default()
    };
    lines.iter().map(of_line).fold(Totals::default(), Totals::plus)
}

impl Sales<'_> {
    fn happens(&mut self, id: impl Into<uuid::Uuid>, event: impl Into<cityos_domain::event::Event>) {
        self.history.happens(self.own, id, event);
    }

    fn today(&self) -> BusinessDate {
        Zone::UTC.date(self.history.now())
    }

    /// An order of some lines by each vendor, named `order, lamps` and `order, vases`.
    fn placed(&mut self, order: &str, by_vendor: &[(&str, &str, Vec<Line>)]) -> Vec<Totals> {
        let order_id: OrderId = id(order);
        let payment: PaymentId = id(&format!("{order}, payment"));
        let all: Vec<Line> = by_vendor.iter().flat_map(|(_, _, lines)| lines.clone()).collect();
        let reservation = |line: &Line| -> ReservationId { id(&format!("{order} {}", line.number)) };
        self.requested(order, &all);
        for line in &all {
            let held = stock::Event::Reserved {
                reservation: reservation(line),
                quantity: line.quantity,
                expires_at: self.history.now() + TimeDelta::minutes(15),
            };
            self.happens(line.offer, held);
        }
        self.history.wait(1);
        let part_id = |what: &str| -> VendorOrderId { id(&format!("{order}, {what}")) };
        let of_part: Vec<Totals> = by_vendor.iter().map(|(_, _, lines)| totals(lines)).collect();
        let splits = by_vendor.iter().zip(&of_part);
        let splits =
            splits.map(|((what, ..), totals)| Split { part: part_id(what), minor: totals.payable_minor() });
        let authorised = payment::Event::Authorised {
            order: order_id,
            method: Method::Provider,
            amount: Money { minor: totals(&all).payable_minor(), currency: brl() },
            reference: format!("auth-{order}"),
            expires_at: Some(self.history.now() + TimeDelta::days(7)),
            splits: splits.collect(),
        };
        self.happens(payment, authorised);
        let parts = by_vendor.iter().map(|(what, vendor, _)| Part { id: part_id(what), vendor: id(vendor) });
        let placed = order::Event::Placed {
            store: id("main store"),
            customer: id("customer"),
            reference: None,
            currency: brl(),
            payment,
            date: self.today(),
            parts: parts.collect(),
            lines: all.len() as u32,
            totals: totals(&all),
        };
        self.happens(order_id, placed);
        for ((what, vendor, lines), totals) in by_vendor.iter().zip(&of_part) {
            let placed = vendor_order::Event::Placed {
                belongs: Belongs { order: order_id, vendor: id(vendor), currency: brl() },
                store: id("main store"),
                customer: id("customer"),
                payment,
                date: self.today(),
                capture: CaptureMoment::AtShipment,
                lines: lines
                    .iter()
                    .map(|line| Line { reservation: Some(reservation(line)), ..line.clone() })
                    .collect(),
                totals: *totals,
            };
            self.happens(part_id(what), placed);
            for line in lines {
                let reservation = reservation(line);
                let (quantity, part) = (line.quantity, part_id(what));
                self.happens(line.offer, stock::Event::Allocated { reservation, quantity, part });
            }
        }
        self.history.wait(1);
        of_part
    }

    fn requested(&mut self, order: &str, lines: &[Line]) {
        let wanted = |line: &Line| RequestedLine {
            offer: line.offer,
            quantity: line.quantity,
            expected_unit: None,
            freight_minor: None,
            includes_tax: None,
        };
        let cart = Cart {
            store: id("main store"),
            customer: id("customer"),
            currency: brl(),
            lines: lines.iter().map(wanted).collect(),
            discount: None,
            reference: None,
        };
        self.happens(id::<OrderId>(order), order::Event::Requested { cart });
    }

    /// Lamps that are delivered but for one, and a vase that is canceled altogether.
    fn first_order(&mut self) {
        let lamps = vec![line(1, "lamp", 2), line(2, "lamp", 1)];
        let of_part = self.placed(
            "first order",
            &[("lamps", "lamp maker", lamps), ("vases", "potter", vec![line(3, "vase", 1)])],
        );
        let order: OrderId = id("first order");
        let (lamps, vases): (VendorOrderId, VendorOrderId) =
            (id("first order, lamps"), id("first order, vases"));
        let lamp_maker = Belongs { order, vendor: id("lamp maker"), currency: brl() };
        let potter = Belongs { order, vendor: id("potter"), currency: brl() };
        let one_lamp = totals(&[line(1, "lamp", 1)]);
        self.canceled(lamps, lamp_maker, 1, "lamp", one_lamp);
        self.canceled(vases, potter, 3, "vase", of_part[1]);
        let cause = CancelCause::Customer;
        self.happens(vases, vendor_order::Event::Canceled { belongs: potter, cause });

        self.shipped(lamps, lamp_maker, Some("BR123"));
        self.history.wait(30);
        self.captured("first order", lamps, lamp_maker, vec![1, 2], of_part[0].minus(one_lamp));
        self.delivered_and_released(lamps, lamp_maker, of_part[0].minus(one_lamp));
    }

    fn shipped(&mut self, part: VendorOrderId, belongs: Belongs, tracking: Option<&str>) {
        let (tracking, capture) = (tracking.map(str::to_owned), CaptureMoment::AtShipment);
        self.happens(part, vendor_order::Event::Shipped { belongs, tracking, capture });
    }

    fn canceled(&mut self, part: VendorOrderId, belongs: Belongs, line: u32, product: &str, totals: Totals) {
        let (date, cause) = (self.today(), CancelCause::Customer);
        let units = vendor_order::Event::UnitsCanceled { belongs, line, quantity: 1, totals, date, cause };
        self.happens(part, units);
        let released = payment::Event::Released {
            order: belongs.order,
            part,
            minor: totals.payable_minor(),
            currency: brl(),
            method: Method::Provider,
            reference: "auth-first order".into(),
            cause: payment::ReleaseCause::Canceled,
        };
        self.happens(id::<PaymentId>("first order, payment"), released);
        let offer: OfferId = id(&format!("{product} offer"));
        self.happens(offer, stock::Event::Returned { quantity: 1, part });
    }

    fn captured(
        &mut self,
        order: &str,
        part: VendorOrderId,
        belongs: Belongs,
        lines: Vec<u32>,
        totals: Totals,
    ) {
        let payment: PaymentId = id(&format!("{order}, payment"));
        let (reference, date) = (format!("capture-{order}"), self.today());
        let captured = payment::Event::Captured {
            order: belongs.order,
            part,
            minor: totals.payable_minor(),
            currency: brl(),
            reference: reference.clone(),
        };
        self.happens(payment, captured);
        let captured = vendor_order::Event::Captured { belongs, payment, reference, date, lines, totals };
        self.happens(part, captured);
        self.post(transactions::captured(belongs.order, part, date, &totals));
    }

    fn delivered_and_released(&mut self, part: VendorOrderId, belongs: Belongs, totals: Totals) {
        let available_at = self.history.now() + TimeDelta::days(7);
        self.happens(part, vendor_order::Event::Delivered { belongs, available_at });
        self.history.wait(7 * 24 * 60);
        self.happens(part, vendor_order::Event::EarningsReleased { belongs });
        let date = self.today();
        self.post(transactions::released(belongs.order, part, date, totals.earnings_minor()));
    }

    /// The stock was held, but the card was refused.
    fn declined_order(&mut self) {
        let lines = [line(1, "lamp", 1), line(2, "lamp", 1)];
        self.requested("declined order", &lines);
        for (line, cause) in
            lines.iter().zip([stock::ReleaseCause::CheckoutFailed, stock::ReleaseCause::Expired])
        {
            let reservation: ReservationId = id(&format!("declined {}", line.number));
            let quantity = line.quantity;
            let expires_at = self.history.now() + TimeDelta::minutes(15);
            self.happens(line.offer, stock::Event::Reserved { reservation, quantity, expires_at });
            self.happens(line.offer, stock::Event::Released { reservation, quantity, cause });
        }
        let (code, message) = ("PAYMENT_REFUSED".into(), "the card was refused".into());
        self.happens(id::<OrderId>("declined order"), order::Event::Declined { code, message });
    }

    /// It was shipped, but its money could not be taken, and then its authorisation ran out.
    fn unpaid_order(&mut self) {
        self.placed("unpaid order", &[("lamps", "lamp maker", vec![line(1, "lamp", 1)])]);
        let (part, order): (VendorOrderId, OrderId) = (id("unpaid order, lamps"), id("unpaid order"));
        let belongs = Belongs { order, vendor: id("lamp maker"), currency: brl() };
        self.shipped(part, belongs, None);
        let reason = "the account is closed".to_owned();
        self.happens(part, vendor_order::Event::CaptureFailed { belongs, reason });
        self.history.wait(7 * 24 * 60);
        self.happens(id::<PaymentId>("unpaid order, payment"), payment::Event::Expired { order });
    }

    fn ledger(&self) -> uuid::Uuid {
        book().month(self.month)
    }

    /// With what the month before came to, and so many payouts.
    fn open_month(&mut self, payouts: u32) {
        let (vendor, currency, month) = (id("lamp maker"), brl(), self.month);
        self.happens(vendor, book::Event::MonthOpened { vendor, currency, month });
        let balances = self.balances.clone();
        self.happens(self.ledger(), month::Event::Opened { vendor, currency, month, balances, payouts });
    }

    fn post(&mut self, transaction: Transaction) {
        for leg in &transaction.legs {
            *self.balances.entry(leg.account).or_default() += leg.minor;
        }
        let (vendor, currency) = (id("lamp maker"), brl());
        self.happens(self.ledger(), month::Event::Posted { vendor, currency, transaction });
    }

    /// The first is refused by the bank, the second arrives, the third finds nothing to pay. Between them the
    /// month ends and an operator gives the vendor something.
    fn payouts(&mut self) {
        let released =
            transactions::released(id("first order"), id("first order, lamps"), self.today(), 19_000);
        let entries = vec![released.id];
        self.claimed("refused payout", 0, &entries, 19_000);
        let (vendor, payout): (VendorId, PayoutId) = (id("lamp maker"), id("refused payout"));
        let reason = "account_closed".to_owned();
        self.happens(payout, payout::Event::Failed { vendor, reason });
        let date = self.today();
        self.post(transactions::unclaimed(payout, date, 19_000));
        self.happens(self.ledger(), month::Event::EntriesUnclaimed { payout, entries: entries.clone() });

        self.happens(self.ledger(), month::Event::Closed {});
        self.month = Month { year: 2026, month: 2 };
        self.open_month(1);
        self.happens(self.ledger(), month::Event::EntriesCarried { payout: None, entries });
        let given =
            transactions::adjusted(id("gift"), "a broken parcel".into(), date, Account::Adjustments, 700);
        let entries = [released.id, given.id];
        self.post(given);

        self.claimed("payout", 1, &entries, 19_700);
        let payout: PayoutId = id("payout");
        self.happens(payout, payout::Event::Submitted { vendor, reference: "tr-1".into() });
        self.history.wait(60);
        self.happens(payout, payout::Event::Paid { vendor });
        let date = self.today();
        self.post(transactions::settled(payout, date, 19_700));

        self.asked("void payout", 2);
        let reason = "nothing is available".to_owned();
        self.happens(id::<PayoutId>("void payout"), payout::Event::Voided { vendor, reason });
    }

    fn asked(&mut self, payout: &str, ordinal: u32) {
        let (vendor, currency) = (id("lamp maker"), brl());
        let requested = payout::Event::Requested { vendor, currency, ordinal, trigger: Trigger::Schedule };
        self.happens(id::<PayoutId>(payout), requested);
    }

    fn claimed(&mut self, payout: &str, ordinal: u32, entries: &[TransactionId], minor: i64) {
        self.asked(payout, ordinal);
        let payout: PayoutId = id(payout);
        let date = self.today();
        self.post(transactions::claimed(payout, date, minor));
        self.happens(self.ledger(), month::Event::EntriesClaimed { payout, entries: entries.to_vec() });
        let (vendor, amount) = (id("lamp maker"), Money { minor, currency: brl() });
        self.happens(payout, payout::Event::Claimed { vendor, amount });
    }
}

fn book() -> book::LedgerOf {
    book::LedgerOf { vendor: id("lamp maker"), currency: brl() }
}
