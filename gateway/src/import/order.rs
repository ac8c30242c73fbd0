//! One imported order with all that happened to it, as one intention: the same rules as live traffic, at the
//! times the data tells. What it needs first (a vendor, an offer, another price) begins or changes with it.

use super::catalog::named;
use super::files::{OrderLine, Status};
use super::plan::PlannedOrder;
use chrono::{DateTime, Utc};
use cityos_domain::foundation::reservation::{self, Scope};
use cityos_domain::ids::{CustomerId, OfferId, OrderId, ProductId, StoreId, VendorId, derive};
use cityos_domain::marketplace::customer::{Contact, RegisterCustomer};
use cityos_domain::marketplace::offer::{self, ListOffer, Listing, Offer, Price};
use cityos_domain::marketplace::vendor::{self, ApplyAsVendor, Introduction, Vendor};
use cityos_domain::money::{Currency, Money};
use cityos_domain::orders::canceling::CancelPart;
use cityos_domain::orders::capturing::RecordCapture;
use cityos_domain::orders::order::{Cart, Order, RequestedLine};
use cityos_domain::orders::payment::Method;
use cityos_domain::orders::placing::PlaceOrder;
use cityos_domain::orders::requesting::{RequestOrder, ReserveStock};
use cityos_domain::orders::shipping::{DeliverPart, ShipPart};
use cityos_domain::orders::vendor_order::{CancelCause, VendorOrder};
use cityos_domain::sealed::Sealed;
use cityos_domain::text::Code;
use cityos_domain::workspace::{Intention, Stop, Workspace};
use std::collections::BTreeMap;

/// Brings an order in, with its vendors, offers and prices as far as they are not there yet. An order that is
/// there already stays as it is.
pub struct ImportOrder<'a> {
    /// The order.
    pub order: &'a PlannedOrder,
    /// Where it goes.
    pub store: StoreId,
    /// The products of its lines.
    pub products: &'a BTreeMap<Code, ProductId>,
    /// How to reach each of its vendors.
    pub contacts: BTreeMap<Code, Sealed<Contact>>,
    /// The prices its offers were found to have; none where nothing can be younger than the order.
    pub standing: BTreeMap<OfferId, Standing>,
}

/// A price that an offer has.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Standing {
    /// The price.
    pub price: Price,
    /// Since when it has it.
    pub since: DateTime<Utc>,
}

impl Intention for ImportOrder<'_> {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let PlannedOrder { reference, lines, placed_at, shipped_at, delivered_at, status } = self.order;
        if reservation::owner(city, Scope::OrderReference, reference.as_str())?.is_some() {
            return Ok(());
        }
        city.set_at(*placed_at);
        let currency = lines[0].1.unit.currency;
        let mut requested = Vec::with_capacity(lines.len());
        let mut younger = Vec::new();
        for (_, line) in lines {
            let vendor = self.vendor(city, &line.seller)?;
            let offer = self.offer(city, vendor, line, &mut younger)?;
            requested.push(RequestedLine {
                offer,
                quantity: 1,
                expected_unit: Some(line.unit),
                freight_minor: Some(line.freight.minor),
                includes_tax: None,
            });
        }
        let customer: CustomerId = city.command().creates("customer");
        RegisterCustomer { id: customer, guest: true, contact: None }.decide(city)?;
        let id: OrderId = city.command().creates("order");
        let reference = Some(reference.clone());
        let cart =
            Cart { store: self.store, customer, currency, lines: requested, discount: None, reference };
        RequestOrder { order: id, cart }.decide(city)?;
        ReserveStock { order: id }.decide(city)?;
        PlaceOrder {
            order: id,
            method: Method::External,
            authorised: self.payable(currency),
            reference: format!("imported:{}", self.order.reference),
        }
        .decide(city)?;

        let Order::Placed { parts, .. } = &*city.see::<Order>(id)? else {
            unreachable!("an order that was just placed is placed");
        };
        for part in parts.iter().map(|part| part.id) {
            match status {
                Status::Authorised => {}
                Status::Canceled => {
                    city.set_at(*shipped_at);
                    CancelPart { part, cause: CancelCause::Operator }.decide(city)?;
                }
                Status::Shipped | Status::Delivered => {
                    city.set_at(*shipped_at);
                    ShipPart { part, tracking: None }.decide(city)?;
                    let minor = city.see::<VendorOrder>(part)?.known()?.totals.payable_minor();
                    let reference = format!("imported:{}", self.order.reference);
                    RecordCapture { part, minor, reference }.decide(city)?;
                    if *status == Status::Delivered {
                        city.set_at(*delivered_at);
                        DeliverPart { part }.decide(city)?;
                    }
                }
            }
        }
        for (offer, Standing { price, since }) in younger {
            city.set_at(since);
            city.send::<Offer>(offer, &offer::Command::ChangePrice { price })?;
        }
        Ok(())
    }
}

impl ImportOrder<'_> {
    fn payable(&self, currency: Currency) -> Money {
        let minor = self.order.lines.iter().map(|(_, line)| line.unit.minor + line.freight.minor).sum();
        Money { minor, currency }
    }

    /// The vendor of this handle, let in on the word of the system it comes from.
    fn vendor(&self, city: &mut Workspace, handle: &Code) -> Result<VendorId, Stop> {
        let folded = handle.as_str().to_lowercase();
        if let Some(owner) = reservation::owner(city, Scope::VendorHandle, &folded)? {
            return Ok(VendorId(owner));
        }
        let id = VendorId(derive(&["import", "vendor", &city.partition().id().to_string(), &folded]));
        let contact = self.contacts.get(handle).cloned();
        let introduction = Introduction { handle: handle.clone(), name: named(handle.as_str())?, contact };
        ApplyAsVendor { id, introduction }.decide(city)?;
        city.send::<Vendor>(id, &vendor::Command::StartOnboarding)?;
        city.send::<Vendor>(id, &vendor::Command::SubmitForReview)?;
        city.send::<Vendor>(id, &vendor::Command::Approve { evidence: 1 })?;
        Ok(id)
    }

    /// The vendor's offer of the line's product, at the line's price; freight and tax stay as they are. A price that
    /// is younger than the order, or was set since it was looked at, goes to `younger`: it stands again after the order.
    fn offer(
        &self,
        city: &mut Workspace,
        vendor: VendorId,
        line: &OrderLine,
        younger: &mut Vec<(OfferId, Standing)>,
    ) -> Result<OfferId, Stop> {
        let sku = &line.product;
        let price = Price { unit: line.unit, freight_minor: 0, includes_tax: false };
        if let Some(owner) = reservation::owner(city, Scope::Sku(vendor), sku.as_str())? {
            let id = OfferId(owner);
            let now = city.see::<Offer>(id)?.buyable(line.unit.currency).unwrap_or(price);
            let price = Price { unit: line.unit, ..now };
            if let Some(Standing { price: found, since }) = self.standing.get(&id)
                && now != price
                && (now != *found || *since > self.order.placed_at)
            {
                younger.push((id, Standing { price: now, since: *since }));
            }
            city.send::<Offer>(id, &offer::Command::ChangePrice { price })?;
            return Ok(id);
        }
        let id = OfferId(derive(&["import", "offer", &vendor.to_string(), sku.as_str()]));
        let product = self.products[sku];
        let listing =
            Listing { vendor, product, sku: sku.clone(), prices: vec![price], stock_tracked: false };
        ListOffer { id, listing }.decide(city)?;
        Ok(id)
    }
}
