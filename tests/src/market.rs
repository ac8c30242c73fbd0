//! A marketplace built through the API as its people would: a tenant with a store, vendors, offers, customers and
//! orders.

use crate::callers::Client;
use crate::city::City;
use crate::schema::{english, text};
use serde_json::{Value, json};

/// A tenant that trades.
pub struct Market<'a> {
    /// Where.
    pub city: &'a City,
    /// Its admin.
    pub admin: Client,
    /// The tenant's id.
    pub tenant: String,
    /// Its store's id.
    pub store: String,
}

/// An amount in euros.
pub fn euros(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

/// A price in euros.
pub fn price_of(unit: &str, freight: &str) -> Value {
    json!({ "unit": euros(unit), "freight": freight })
}

/// A fee of so many percent.
pub fn percent(percent: &str) -> Value {
    json!({ "percent": { "percent": percent } })
}

impl<'a> Market<'a> {
    /// Opens a tenant that trades in euros, with one store.
    pub async fn open(city: &'a City, slug: &str) -> Self {
        Market::open_in(city, slug, None).await
    }

    /// The same, in a subcategory of the city.
    pub async fn open_in(city: &'a City, slug: &str, subcategory: Option<&str>) -> Self {
        let tenant = json!({
            "slug": slug, "name": english(slug), "subcategory": subcategory, "timeZone": "Europe/Berlin",
            "locale": "en", "currency": "EUR",
        });
        let opened = city.city_admin().does("createTenant", tenant, "tenant { id }").await;
        let tenant = text(&opened["tenant"]["id"]);
        let admin = city.admin_of(&tenant);
        // A busy machine may take longer than callers are kept waiting.
        city.settle().await;
        assert_eq!(admin.ask("{ tenant { status } }").await["tenant"]["status"], "ACTIVE");
        let store = json!({
            "slug": "main", "name": english("Main"), "brand": "Main", "kind": "MARKETPLACE",
            "currencies": ["EUR"], "locales": ["en"],
        });
        let store = admin.does("openStore", store, "store { id }").await;
        Market { city, tenant, store: text(&store["store"]["id"]), admin }
    }

    /// Takes a vendor through its onboarding: account, papers, review.
    pub async fn vendor(&self, handle: &str) -> String {
        let introduction =
            json!({ "handle": handle, "name": english(handle), "contact": { "name": handle } });
        let applied =
            self.admin.does("applyAsVendor", json!({ "introduction": introduction }), "vendor { id }");
        let id = text(&applied.await["vendor"]["id"]);
        self.city.settle().await;
        let vendor = json!({ "vendor": id });
        let submitted = self.admin.does("submitVendorForReview", vendor, "vendor { evidence }").await;
        for (status, reason) in [("PENDING", "the papers came in"), ("VERIFIED", "the papers are in order")] {
            let kyc = json!({ "vendor": id, "status": status, "reason": reason });
            self.admin.does("changeVendorKyc", kyc, "").await;
        }
        let evidence = &submitted["vendor"]["evidence"];
        let approval = json!({ "vendor": id, "evidence": evidence });
        self.admin.does("approveVendor", approval, "").await;
        self.city.settle().await;
        id
    }

    /// Creates a category of products, below another where one is given.
    pub async fn category(&self, slug: &str, parent: Option<&str>) -> String {
        let category = json!({ "slug": slug, "name": english(slug), "parent": parent });
        let made = self.admin.does("createProductCategory", category, "productCategory { id }").await;
        text(&made["productCategory"]["id"])
    }

    /// Creates a product.
    pub async fn product(&self, code: &str, category: Option<&str>) -> String {
        let product = json!({ "code": code, "title": english(code), "category": category });
        text(&self.admin.does("createProduct", product, "product { id }").await["product"]["id"])
    }

    /// Creates a product and offers it: the offer.
    pub async fn offer(&self, vendor: &str, sku: &str, price: &str, freight: &str) -> String {
        let product = self.product(sku, None).await;
        self.offer_of(&product, vendor, sku, &[price_of(price, freight)]).await
    }

    /// Offers a product at these prices: the offer.
    pub async fn offer_of(&self, product: &str, vendor: &str, sku: &str, prices: &[Value]) -> String {
        let offer = json!({ "vendor": vendor, "product": product, "sku": sku, "prices": prices });
        text(&self.admin.does("listOffer", offer, "offer { id }").await["offer"]["id"])
    }

    /// Creates a product and offers so many units of it, without freight.
    pub async fn counted_offer(&self, vendor: &str, sku: &str, price: &str, units: u32) -> String {
        let offer = json!({
            "vendor": vendor, "product": self.product(sku, None).await, "sku": sku,
            "prices": [price_of(price, "0")], "stockTracked": true,
        });
        let offer = text(&self.admin.does("listOffer", offer, "offer { id }").await["offer"]["id"]);
        self.admin.does("receiveStock", json!({ "offer": offer, "quantity": units }), "").await;
        offer
    }

    /// Registers a customer.
    pub async fn customer(&self) -> String {
        let contact = json!({ "contact": { "name": "Customer" } });
        text(&self.admin.does("registerCustomer", contact, "customer { id }").await["customer"]["id"])
    }

    /// What `placeOrder` is given for these offers.
    pub fn cart(&self, customer: &str, lines: &[(&str, u32)]) -> Value {
        let line = |(offer, quantity): &(&str, u32)| json!({ "offer": offer, "quantity": quantity });
        let lines: Vec<Value> = lines.iter().map(line).collect();
        json!({ "store": self.store, "customer": customer, "currency": "EUR", "lines": lines })
    }

    /// Places an order: it, with its parts in the order of `lines`.
    pub async fn order(&self, customer: &str, lines: &[(&str, u32)]) -> (String, Vec<String>) {
        let show = "order { id parts { id lines { number } } }";
        let placed = self.admin.does("placeOrder", self.cart(customer, lines), show).await;
        let order = &placed["order"];
        let mut parts: Vec<(u64, String)> = Vec::new();
        for part in order["parts"].as_array().expect("an order has parts") {
            let first = part["lines"][0]["number"].as_u64().expect("a part has lines");
            parts.push((first, text(&part["id"])));
        }
        parts.sort();
        (text(&order["id"]), parts.into_iter().map(|(_, part)| part).collect())
    }

    /// Ships a part and has it delivered.
    pub async fn deliver(&self, part: &str) {
        self.admin.does("shipPart", json!({ "part": part }), "").await;
        self.city.settle().await;
        self.admin.does("deliverPart", json!({ "part": part }), "").await;
        self.city.settle().await;
    }
}
