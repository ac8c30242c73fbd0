//! From rows to orders: which orders are whole, and in which order they go in.

use super::files::{LineNumber, OrderLine, Product, Rows, Seller, Status};
use super::rejects::Reject;
use chrono::{DateTime, TimeDelta, Utc};
use cityos_domain::money::Money;
use cityos_domain::orders::order::LINES_MAX;
use cityos_domain::text::Code;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

/// How far ahead a time may lie: goods may be promised for later, but not for another age.
const AHEAD_MAX: TimeDelta = TimeDelta::days(365);

/// An order of which every row is sound.
#[derive(Clone, Debug)]
pub struct PlannedOrder {
    /// `order_id`.
    pub reference: Code,
    /// Its lines by number, each with where it stands; at least one.
    pub lines: Vec<(LineNumber, OrderLine)>,
    /// `purchased_at`, else the earliest `ship_by`; at the latest now, like the next two.
    pub placed_at: DateTime<Utc>,
    /// `approved_at`, else as placed.
    pub shipped_at: DateTime<Utc>,
    /// `delivered_at`, else the latest `ship_by`.
    pub delivered_at: DateTime<Utc>,
    /// What became of it.
    pub status: Status,
}

/// What is to be brought in.
#[derive(Debug)]
pub struct Plan {
    /// By id.
    pub sellers: ById<Seller>,
    /// By id.
    pub products: ById<Product>,
    /// By time, then by reference.
    pub orders: Vec<PlannedOrder>,
    /// Rows that are not; none of their orders is in `orders`.
    pub rejects: Vec<Reject>,
    /// How many orders were left out because of them.
    pub orders_rejected: usize,
}

/// Rows with where they stand.
pub type ById<T> = BTreeMap<Code, (LineNumber, T)>;

/// Puts the rows of the three files together. One bad row keeps its whole order out.
pub fn plan(
    sellers: Rows<Seller>,
    products: Rows<Product>,
    lines: Rows<OrderLine>,
    now: DateTime<Utc>,
) -> Plan {
    let mut rejects = Vec::new();
    let mut sellers = by_id("sellers", "seller_id", sellers, |row| &row.id, &mut rejects);
    keep_apart(&mut sellers, &mut rejects);
    let products = by_id("products", "product_id", products, |row| &row.id, &mut rejects);
    let mut broken = lines.broken;
    rejects.extend(lines.rejects);

    let mut by_order: BTreeMap<Code, Vec<(LineNumber, OrderLine)>> = BTreeMap::new();
    for (at, line) in lines.taken {
        by_order.entry(line.order.clone()).or_default().push((at, line));
    }
    let mut orders = Vec::new();
    for (reference, lines) in by_order {
        let wrong = faults(&lines, &sellers, &products, now);
        if !wrong.is_empty() {
            broken.insert(reference.clone());
        }
        rejects.extend(wrong.into_iter().map(|(line, field, reason)| Reject {
            file: "order_lines",
            line,
            order: reference.to_string(),
            field: field.into(),
            reason,
        }));
        if !broken.contains(&reference) {
            orders.push(planned(reference, lines, now));
        }
    }
    orders.sort_by(|a, b| (a.placed_at, &a.reference).cmp(&(b.placed_at, &b.reference)));
    Plan { sellers, products, orders, rejects, orders_rejected: broken.len() }
}

/// The rows of a file by their ids. Where two of one id differ, or one cannot be read, nobody knows what is meant: none
/// counts.
fn by_id<T: PartialEq>(
    file: &'static str,
    column: &str,
    rows: Rows<T>,
    id: impl Fn(&T) -> &Code,
    rejects: &mut Vec<Reject>,
) -> ById<T> {
    rejects.extend(rows.rejects);
    let mut sound = ById::new();
    let mut unclear = rows.broken;
    for (line, row) in rows.taken {
        match sound.entry(id(&row).clone()) {
            Entry::Vacant(free) => {
                free.insert((line, row));
            }
            Entry::Occupied(taken) if taken.get().1 == row => {}
            Entry::Occupied(taken) => {
                let reason = format!("differs from the row at line {} of the file", taken.get().0);
                rejects.push(Reject { file, line, order: String::new(), field: column.into(), reason });
                unclear.insert(taken.key().clone());
            }
        }
    }
    sound.retain(|id, _| !unclear.contains(id));
    sound
}

/// Rejects sellers whose ids differ in the case of their letters alone: a vendor's handle is unique whatever the case.
fn keep_apart(sellers: &mut ById<Seller>, rejects: &mut Vec<Reject>) {
    let folded = |id: &Code| id.as_str().to_lowercase();
    let mut alike: BTreeMap<String, Vec<LineNumber>> = BTreeMap::new();
    for (id, (line, _)) in sellers.iter() {
        alike.entry(folded(id)).or_default().push(*line);
    }
    alike.retain(|_, lines| lines.len() > 1);
    sellers.retain(|id, _| !alike.contains_key(&folded(id)));
    rejects.extend(alike.into_values().flatten().map(|line| Reject {
        file: "sellers",
        line,
        order: String::new(),
        field: "seller_id".into(),
        reason: "differs from another in the case of its letters alone".into(),
    }));
}

type Fault = (LineNumber, &'static str, String);

/// What is wrong with the lines of one order, taken together.
fn faults(
    lines: &[(LineNumber, OrderLine)],
    sellers: &ById<Seller>,
    products: &ById<Product>,
    now: DateTime<Utc>,
) -> Vec<Fault> {
    let (_, first) = lines.first().expect("an order is made of at least one line");
    if let Some((at, _)) = lines.get(LINES_MAX) {
        return vec![(*at, "order_id", format!("has more than the {LINES_MAX} lines an order may have"))];
    }
    let mut found = Vec::new();
    let mut numbers: HashMap<u32, LineNumber> = HashMap::new();
    let mut prices: HashMap<(&Code, &Code), Money> = HashMap::new();
    for (at, line) in lines {
        let mut wrong = |field, reason: String| found.push((*at, field, reason));
        if let Some(earlier) = numbers.insert(line.number, *at) {
            wrong("line", format!("stands at line {earlier} of the file already"));
        }
        if !sellers.contains_key(&line.seller) {
            wrong("seller_id", "has no sound row in the sellers file".into());
        }
        if !products.contains_key(&line.product) {
            wrong("product_id", "has no sound row in the products file".into());
        }
        if *prices.entry((&line.seller, &line.product)).or_insert(line.unit) != line.unit {
            wrong("unit_price", "differs from the same offer's in this order".into());
        }
        let times = [
            ("ship_by", Some(line.ship_by)),
            ("purchased_at", line.purchased_at),
            ("approved_at", line.approved_at),
            ("delivered_at", line.delivered_at),
        ];
        for (field, _) in times.iter().filter(|(_, time)| time.is_some_and(|time| time > now + AHEAD_MAX)) {
            wrong(field, format!("lies more than {} days ahead", AHEAD_MAX.num_days()));
        }
        let same = [
            ("currency", line.unit.currency == first.unit.currency),
            ("order_status", line.status == first.status),
            ("purchased_at", line.purchased_at == first.purchased_at),
            ("approved_at", line.approved_at == first.approved_at),
            ("delivered_at", line.delivered_at == first.delivered_at),
        ];
        for (field, _) in same.iter().filter(|(_, same)| !same) {
            wrong(field, "differs from the order's first line".into());
        }
    }
    found
}

fn planned(reference: Code, mut lines: Vec<(LineNumber, OrderLine)>, now: DateTime<Utc>) -> PlannedOrder {
    lines.sort_by_key(|(_, line)| line.number);
    let ship_by = || lines.iter().map(|(_, line)| line.ship_by);
    let (_, first) = &lines[0];
    let placed_at = first.purchased_at.or(ship_by().min()).expect("an order has at least one line").min(now);
    // A log tells nothing backwards: a time before the one it must follow is taken for that one.
    let shipped_at = first.approved_at.unwrap_or(placed_at).min(now).max(placed_at);
    let delivered_at = first.delivered_at.or(ship_by().max()).unwrap_or(shipped_at).min(now).max(shipped_at);
    let status = first.status;
    PlannedOrder { reference, lines, placed_at, shipped_at, delivered_at, status }
}
