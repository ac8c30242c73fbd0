//! From rows to orders: which orders are whole, and in which order they go in.

use super::files::{LineNumber, OrderLine, Product, Rows, Seller, Status};
use super::rejects::Reject;
use chrono::{DateTime, Utc};
use cityos_domain::money::Money;
use cityos_domain::text::Code;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An order of which every row is sound.
#[derive(Clone, Debug)]
pub struct PlannedOrder {
    /// `order_id`.
    pub reference: Code,
    /// Its lines by number; at least one.
    pub lines: Vec<OrderLine>,
    /// `purchased_at`, else the earliest `ship_by`.
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
    pub sellers: BTreeMap<Code, Seller>,
    /// By id.
    pub products: BTreeMap<Code, Product>,
    /// By time, then by reference.
    pub orders: Vec<PlannedOrder>,
    /// Rows that are not; none of their orders is in `orders`.
    pub rejects: Vec<Reject>,
    /// How many orders were left out because of them.
    pub orders_rejected: usize,
}

/// Puts the rows of the three files together. One bad row keeps its whole order out.
pub fn plan(sellers: Rows<Seller>, products: Rows<Product>, lines: Rows<OrderLine>) -> Plan {
    let mut rejects = sellers.rejects;
    rejects.extend(products.rejects);
    let mut broken: BTreeSet<String> = lines.rejects.iter().map(|reject| reject.order.clone()).collect();
    rejects.extend(lines.rejects);

    let sellers: BTreeMap<_, _> = sellers.taken.into_iter().map(|row| (row.id.clone(), row)).collect();
    let products: BTreeMap<_, _> = products.taken.into_iter().map(|row| (row.id.clone(), row)).collect();
    let mut by_order: BTreeMap<Code, Vec<OrderLine>> = BTreeMap::new();
    for line in lines.taken {
        by_order.entry(line.order.clone()).or_default().push(line);
    }
    let mut orders = Vec::new();
    for (reference, lines) in by_order {
        let wrong = faults(&lines, &sellers, &products);
        if !wrong.is_empty() {
            broken.insert(reference.to_string());
        }
        rejects.extend(wrong.into_iter().map(|(line, field, reason)| Reject {
            file: "order_lines",
            line,
            order: reference.to_string(),
            field: field.into(),
            reason,
        }));
        if !broken.contains(reference.as_str()) {
            orders.push(planned(reference, lines));
        }
    }
    orders.sort_by(|a, b| (a.placed_at, &a.reference).cmp(&(b.placed_at, &b.reference)));
    broken.remove("");
    Plan { sellers, products, orders, rejects, orders_rejected: broken.len() }
}

type Fault = (LineNumber, &'static str, String);

/// What is wrong with the lines of one order, taken together.
fn faults(
    lines: &[OrderLine],
    sellers: &BTreeMap<Code, Seller>,
    products: &BTreeMap<Code, Product>,
) -> Vec<Fault> {
    let mut found = Vec::new();
    let first = lines.first().expect("an order is made of at least one line");
    let mut numbers: HashMap<u32, LineNumber> = HashMap::new();
    let mut prices: HashMap<(&Code, &Code), Money> = HashMap::new();
    for line in lines {
        if let Some(earlier) = numbers.insert(line.number, line.at_line) {
            found.push((line.at_line, "line", format!("stands at line {earlier} of the file already")));
        }
        if !sellers.contains_key(&line.seller) {
            found.push((line.at_line, "seller_id", "is not in the sellers file".into()));
        }
        if !products.contains_key(&line.product) {
            found.push((line.at_line, "product_id", "is not in the products file".into()));
        }
        if *prices.entry((&line.seller, &line.product)).or_insert(line.unit) != line.unit {
            found.push((line.at_line, "unit_price", "differs from the same offer's in this order".into()));
        }
        let same = [
            ("currency", line.unit.currency == first.unit.currency),
            ("order_status", line.status == first.status),
            ("purchased_at", line.purchased_at == first.purchased_at),
            ("approved_at", line.approved_at == first.approved_at),
            ("delivered_at", line.delivered_at == first.delivered_at),
        ];
        for (field, _) in same.iter().filter(|(_, same)| !same) {
            found.push((line.at_line, field, "differs from the order's first line".into()));
        }
    }
    found
}

fn planned(reference: Code, mut lines: Vec<OrderLine>) -> PlannedOrder {
    lines.sort_by_key(|line| line.number);
    let ship_by = || lines.iter().map(|line| line.ship_by);
    let first = &lines[0];
    let placed_at = first.purchased_at.or(ship_by().min()).expect("an order has at least one line");
    // A log tells nothing backwards: a time before the one it must follow is taken for that one.
    let shipped_at = first.approved_at.unwrap_or(placed_at).max(placed_at);
    let delivered_at = first.delivered_at.or(ship_by().max()).unwrap_or(shipped_at).max(shipped_at);
    let status = first.status;
    PlannedOrder { reference, lines, placed_at, shipped_at, delivered_at, status }
}
