//! The import itself: the catalog, then order after order by time, and a count of what was made.

use super::catalog::{Catalog, Target, make, owner_if_any};
use super::commands::{Commands, done_or_refused};
use super::files::{OrderLine, Seller};
use super::order::{ImportOrder, Standing};
use super::plan::{Plan, PlannedOrder};
use super::rejects::{Reject, Wrong};
use anyhow::Context;
use cityos_domain::aggregate::Aggregate;
use cityos_domain::event::{Event, Kind};
use cityos_domain::foundation::reservation::Scope;
use cityos_domain::ids::{OfferId, PersonId, TenantId, VendorId, derive};
use cityos_domain::log::{Partition, Version};
use cityos_domain::marketplace::customer::Contact;
use cityos_domain::marketplace::offer::{self, Offer, Price};
use cityos_domain::sealed::Sealed;
use cityos_domain::text::Code;
use cityos_eventstore::executor::Executed;
use cityos_eventstore::sealing::Sealer;
use serde_json::json;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How many of an offer's last events are looked through for the one that set its price.
const EVENTS_BACK: u32 = 1_000;

/// What an import made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Vendors that began to sell.
    pub vendors: u64,
    /// Products.
    pub products: u64,
    /// Offers.
    pub offers: u64,
    /// Offers whose price an order changed, counted once an order.
    pub price_changes: u64,
    /// Orders.
    pub orders: u64,
    /// Lines of those orders.
    pub lines: u64,
    /// Orders that were there already.
    pub orders_there_already: u64,
    /// Orders kept out by a bad row.
    pub orders_rejected: u64,
    /// Commands done.
    pub commands: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "made: {} vendors, {} products, {} offers,", self.vendors, self.products, self.offers)?;
        writeln!(
            f,
            "      {} orders with {} lines, {} price changes",
            self.orders, self.lines, self.price_changes
        )?;
        writeln!(f, "there already: {} orders", self.orders_there_already)?;
        write!(f, "rejected: {} orders", self.orders_rejected)
    }
}

/// Brings in what is planned. Rows refused on the way go to `rejects`, also where it ends in an error; `progress`
/// is told after every order. May be repeated, also after it was stopped anywhere.
pub async fn run(
    commands: &Commands,
    sealer: &Sealer,
    target: &Target,
    plan: &Plan,
    rejects: &mut Vec<Reject>,
    progress: impl Fn(),
) -> anyhow::Result<Report> {
    let report = RefCell::new(Report { orders_rejected: plan.orders_rejected as u64, ..Report::default() });
    let at = plan.orders.first().map_or_else(|| commands.executor().clock().now(), |first| first.placed_at);
    let count = |executed: &Executed| report.borrow_mut().count(executed);
    let catalog = make(commands, target, plan, at, rejects, count).await?;
    let mut contacts = Contacts { commands, sealer, tenant: catalog.tenant, sealed: BTreeMap::new() };
    for order in &plan.orders {
        let left_out = order.lines.iter().find(|(_, line)| !catalog.products.contains_key(&line.product));
        let imported = match left_out {
            Some((line, _)) => {
                Err((*line, Wrong::new("product_id", "was refused: see its row of the products file")))
            }
            None => {
                let contacts = contacts.of(plan, order).await?;
                let imported = import(commands, &catalog, order, contacts).await?;
                imported.map_err(|wrong| (order.lines[0].0, wrong))
            }
        };
        match imported {
            Ok(executed)
                if executed.versions.iter().any(|(stream, _)| stream.kind == Kind::Order)
                    && !executed.replayed =>
            {
                count(&executed);
                report.borrow_mut().lines += order.lines.len() as u64;
            }
            Ok(_) => report.borrow_mut().orders_there_already += 1,
            Err((line, wrong)) => {
                report.borrow_mut().orders_rejected += 1;
                rejects.push(Reject {
                    file: "order_lines",
                    line,
                    order: order.reference.to_string(),
                    field: wrong.field,
                    reason: wrong.reason,
                });
            }
        }
        progress();
    }
    Ok(Report { commands: commands.done(), ..report.into_inner() })
}

impl Report {
    fn count(&mut self, executed: &Executed) {
        if executed.replayed {
            return;
        }
        for (stream, version) in &executed.versions {
            match (stream.kind, *version) {
                (Kind::Vendor, _) => self.vendors += 1,
                (Kind::Product, _) => self.products += 1,
                (Kind::Offer, Version(1)) => self.offers += 1,
                (Kind::Offer, _) => self.price_changes += 1,
                (Kind::Order, _) => self.orders += 1,
                _ => {}
            }
        }
    }
}

/// One order. The inner error is a refusal by the rules, and the import goes on; the outer one ends it.
async fn import(
    commands: &Commands,
    catalog: &Catalog,
    order: &PlannedOrder,
    contacts: BTreeMap<Code, Sealed<Contact>>,
) -> anyhow::Result<Result<Executed, Wrong>> {
    let standing = match catalog.is_new {
        true => BTreeMap::new(),
        false => standing(commands, catalog.tenant, order).await?,
    };
    let Catalog { store, ref products, .. } = *catalog;
    let intention = ImportOrder { order, store, products, contacts, standing };
    let reference = order.reference.as_str();
    let partition = Partition::Tenant(catalog.tenant);
    let input = input_of(order);
    let given = commands.give(partition, ("order", reference), &input, order.placed_at, &intention).await;
    done_or_refused(given, "order_id").with_context(|| format!("importing the order {reference}"))
}

/// The prices that the offers of an order have, if it is not there yet.
async fn standing(
    commands: &Commands,
    tenant: TenantId,
    order: &PlannedOrder,
) -> anyhow::Result<BTreeMap<OfferId, Standing>> {
    let partition = Partition::Tenant(tenant);
    let owner = async |scope, name: &str| owner_if_any(commands, partition, scope, name).await;
    let mut found = BTreeMap::new();
    if owner(Scope::OrderReference, order.reference.as_str()).await?.is_some() {
        return Ok(found);
    }
    for (_, line) in &order.lines {
        let handle = line.seller.as_str().to_lowercase();
        let Some(vendor) = owner(Scope::VendorHandle, &handle).await?.map(VendorId) else { continue };
        let Some(offer) = owner(Scope::Sku(vendor), line.product.as_str()).await?.map(OfferId) else {
            continue;
        };
        let executor = commands.executor();
        let (state, Version(version)) = executor.load::<Offer>(partition, offer).await?;
        let Ok(price) = state.buyable(line.unit.currency) else { continue };
        let before = Version(version.saturating_sub(u64::from(EVENTS_BACK)));
        let events = executor.store().read(Offer::stream(partition, offer), before, EVENTS_BACK).await?;
        if let Some(event) = events.iter().rfind(|event| sets(&event.event, price)) {
            found.insert(offer, Standing { price, since: event.at });
        }
    }
    Ok(found)
}

/// Whether an offer has this price by this event.
fn sets(event: &Event, price: Price) -> bool {
    let Event::Offer(event) = event else { return false };
    match event {
        offer::Event::Listed { prices, .. } => prices.contains(&price),
        offer::Event::PriceChanged { price: set, .. } => *set == price,
        offer::Event::Withdrawn { .. } | offer::Event::Relisted { .. } => false,
    }
}

/// What must be the same when the order comes again, column by column. Where a row stands in its file may change.
/// Receipts hold the hash of this: with another text every order would count as changed.
fn input_of(order: &PlannedOrder) -> String {
    let rows = order.lines.iter().map(|(_, line)| {
        let OrderLine {
            order,
            number,
            product,
            seller,
            unit,
            freight,
            ship_by,
            status,
            purchased_at,
            approved_at,
            delivered_at,
        } = line;
        let currency = unit.currency.to_string();
        let [ship_by, purchased_at, approved_at, delivered_at] =
            [Some(*ship_by), *purchased_at, *approved_at, *delivered_at]
                .map(|at| at.map(|at| at.timestamp_micros()));
        json!([
            order.as_str(),
            number,
            product.as_str(),
            seller.as_str(),
            unit.minor,
            freight.minor,
            currency,
            ship_by,
            status.name(),
            purchased_at,
            approved_at,
            delivered_at,
        ])
    });
    json!(["order_lines 1", rows.collect::<Vec<_>>()]).to_string()
}

/// Contacts of vendors that are not there yet, each sealed once.
struct Contacts<'a> {
    commands: &'a Commands,
    sealer: &'a Sealer,
    tenant: TenantId,
    sealed: BTreeMap<Code, Option<Sealed<Contact>>>,
}

impl Contacts<'_> {
    /// How to reach the new vendors of an order, as far as the sellers file says.
    async fn of(
        &mut self,
        plan: &Plan,
        order: &PlannedOrder,
    ) -> anyhow::Result<BTreeMap<Code, Sealed<Contact>>> {
        let mut of_order = BTreeMap::new();
        let handles: BTreeSet<&Code> = order.lines.iter().map(|(_, line)| &line.seller).collect();
        for handle in handles {
            if !self.sealed.contains_key(handle) {
                let (_, seller) = &plan.sellers[handle];
                let sealed = match seller.address.is_empty() || self.is_there(handle).await? {
                    true => None,
                    false => Some(self.seal(seller).await?),
                };
                self.sealed.insert(handle.clone(), sealed);
            }
            of_order.extend(self.sealed[handle].clone().map(|sealed| (handle.clone(), sealed)));
        }
        Ok(of_order)
    }

    async fn is_there(&self, handle: &Code) -> anyhow::Result<bool> {
        let partition = Partition::Tenant(self.tenant);
        let folded = handle.as_str().to_lowercase();
        Ok(owner_if_any(self.commands, partition, Scope::VendorHandle, &folded).await?.is_some())
    }

    async fn seal(&self, seller: &Seller) -> anyhow::Result<Sealed<Contact>> {
        let person = PersonId(derive(&["import", "person", &self.tenant.to_string(), seller.id.as_str()]));
        let contact = Contact { address: vec![seller.address.clone()], ..Contact::default() };
        let sealed = self.sealer.seal(self.tenant, person, Contact::FIELD, &contact).await;
        sealed.context("sealing a seller's address")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::files::Status;
    use cityos_domain::money::{Currency, Money};

    /// Receipts hold the hash of this text: it must never change.
    #[test]
    fn what_must_be_the_same_when_an_order_comes_again_is_told_by_this_text() {
        let code = |text: &str| Code::parse("code", text).unwrap();
        let currency = Currency::parse("currency", "BRL").unwrap();
        let at = "2018-03-01T00:00:00Z".parse().unwrap();
        let line = OrderLine {
            order: code("first"),
            number: 1,
            product: code("lamp"),
            seller: code("north"),
            unit: Money { minor: 1_050, currency },
            freight: Money { minor: 0, currency },
            ship_by: at,
            status: Status::Delivered,
            purchased_at: Some(at),
            approved_at: None,
            delivered_at: None,
        };
        let reference = line.order.clone();
        let (status, lines) = (line.status, vec![(7, line)]);
        let order =
            PlannedOrder { reference, lines, placed_at: at, shipped_at: at, delivered_at: at, status };
        let text = r#"["order_lines 1",[["first",1,"lamp","north",1050,0,"BRL",1519862400000000,"delivered",1519862400000000,null,null]]]"#;
        assert_eq!(input_of(&order), text);
    }
}
