//! A market in the rehearsal city: one tenant that trades, one store, one customer, vendors who may sell and be
//! paid, and offers at a price. Built by the real intentions; whatever a test is about it does itself.

use super::scene::{code, currency, price, reason, registration, slug, text};
use super::{City, id};
use crate::calendar::Zone;
use crate::event::Event;
use crate::foundation::store::{OpenStore, Opening, StoreKind};
use crate::foundation::tenancy::Registration;
use crate::foundation::tenant::{self, Policies, ProvisionTenant, Tenant};
use crate::ids::{OrderId, TenantId};
use crate::marketplace::customer::RegisterCustomer;
use crate::marketplace::offer::{ListOffer, Listing, Price};
use crate::marketplace::stock::ReceiveStock;
use crate::money::Money;
use crate::orders::order::{Cart, Order, RequestedLine};
use crate::orders::payment::Method;
use crate::orders::placing::PlaceOrder;
use crate::orders::requesting::{RequestOrder, ReserveStock};
use crate::text::Locale;
use crate::workspace::{Stop, Tell};

/// The market. Its tenant, store and customer are called just that.
#[derive(Clone, Debug)]
pub struct Market {
    /// The city it lies in.
    pub city: City,
}

/// So many cents in euros.
pub fn euros(minor: i64) -> Money {
    Money { minor, currency: currency("EUR") }
}

impl Market {
    /// A market whose days begin and end in `zone`; it takes euros and dollars.
    pub fn in_zone(zone: &str) -> Self {
        let tenant: TenantId = id("tenant");
        let zone = Zone::parse("zone", zone).expect("rehearsals use real zones");
        let registration = Registration { zone, ..registration("tenant") };
        let opening = Opening {
            slug: slug("store"),
            name: text("Store"),
            brand: "Store".into(),
            kind: StoreKind::Marketplace,
            currencies: vec![currency("EUR"), currency("USD")],
            locales: vec![Locale::parse("locale", "en").expect("English is a language")],
            regions: vec![],
        };
        let mut city = City::of_tenant(tenant);
        city.must(&ProvisionTenant { registration })
            .must(&Tell::<Tenant> { id: tenant, command: tenant::Command::Activate })
            .must(&OpenStore { id: id("store"), opening })
            .must(&RegisterCustomer { id: id("customer"), guest: true, contact: None });
        Market { city }
    }

    /// A market in UTC.
    pub fn open() -> Self {
        Market::in_zone("UTC")
    }

    /// Gives the tenant other policies.
    pub fn with_policies(mut self, change: impl FnOnce(&mut Policies)) -> Self {
        let mut policies = Policies::default();
        change(&mut policies);
        self.tell_tenant(tenant::Command::ChangePolicies(policies));
        self
    }

    /// Suspends the tenant.
    pub fn suspend(&mut self) {
        self.tell_tenant(tenant::Command::Suspend { reason: reason() });
    }

    fn tell_tenant(&mut self, command: tenant::Command) {
        self.city.must(&Tell::<Tenant> { id: id("tenant"), command });
    }

    /// A vendor who may sell and be paid.
    pub fn with_vendor(mut self, name: &str) -> Self {
        self.city.approved_vendor(name);
        self
    }

    /// An offer of `vendor` at `minor` cents in euros and in dollars, without freight, of a product and under a
    /// SKU of the same name. Its units are not counted.
    pub fn with_offer(self, vendor: &str, name: &str, minor: i64) -> Self {
        self.with_offer_and_freight(vendor, name, minor, 0)
    }

    /// As [`with_offer`](Self::with_offer), with freight for each unit.
    pub fn with_offer_and_freight(mut self, vendor: &str, name: &str, minor: i64, freight: i64) -> Self {
        self.list(vendor, name, minor, freight, false);
        self
    }

    /// As [`with_offer`](Self::with_offer), with so many units on hand.
    pub fn with_stock(mut self, vendor: &str, name: &str, minor: i64, units: u32) -> Self {
        self.list(vendor, name, minor, 0, true);
        self.city.must(&ReceiveStock { offer: id(name), quantity: units });
        self
    }

    fn list(&mut self, vendor: &str, name: &str, minor: i64, freight_minor: i64, stock_tracked: bool) {
        let product = self.city.product(name);
        let in_currency = |code| Price { freight_minor, ..price(minor, code) };
        let prices = vec![in_currency("EUR"), in_currency("USD")];
        let listing = Listing { vendor: id(vendor), product, sku: code(name), prices, stock_tracked };
        self.city.must(&ListOffer { id: id(name), listing });
    }

    /// A cart of so many units of each offer, in euros.
    pub fn cart(lines: &[(&str, u32)]) -> Cart {
        let line = |(offer, quantity): &(&str, u32)| RequestedLine {
            offer: id(offer),
            quantity: *quantity,
            expected_unit: None,
            freight_minor: None,
            includes_tax: None,
        };
        Cart {
            store: id("store"),
            customer: id("customer"),
            currency: currency("EUR"),
            lines: lines.iter().map(line).collect(),
            discount: None,
            reference: None,
        }
    }

    /// Buys a cart: requests it, holds stock, and places it against an authorisation of what it comes to.
    /// Answers what happened when it was placed.
    pub fn buy(&mut self, order: OrderId, cart: Cart) -> Result<Vec<Event>, Stop> {
        self.city.when(&RequestOrder { order, cart })?;
        let authorised = self.city.state::<Order>(order).requested()?.payable();
        self.city.when(&ReserveStock { order })?;
        let (method, reference) = (Method::Provider, format!("authorisation of {order}"));
        self.city.when(&PlaceOrder { order, method, authorised, reference })
    }
}
