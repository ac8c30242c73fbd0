//! A city to ask: an open app, callers, and the way of most tests through it.

use chrono::{DateTime, Utc};
use cityos_domain::ids::{CustomerId, TenantId, VendorId};
use cityos_eventstore::clock::ManualClock;
use cityos_gateway::app::{App, Moving};
use cityos_gateway::context::{Caller, RequestContext, Role, Unauthenticated};
use cityos_gateway::graphql;
use cityos_gateway::graphql::ids::{Id, Named};
use cityos_gateway::settings::Settings;
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;
use uuid::Uuid;

pub struct City {
    pub app: Arc<App>,
    pub clock: ManualClock,
    moving: Option<Moving>,
    _dir: TempDir,
}

/// Monday noon.
pub fn noon() -> DateTime<Utc> {
    "2030-06-03T12:00:00Z".parse().unwrap()
}

impl City {
    /// An empty city in which read models and sagas move by themselves.
    pub async fn moving() -> City {
        let mut city = City::still(|_| ()).await;
        city.moving = Some(city.app.start());
        city
    }

    /// An empty city that moves only when told to.
    pub async fn still(change: impl FnOnce(&mut Settings)) -> City {
        let dir = TempDir::new().unwrap();
        let mut settings = Settings {
            data_dir: dir.path().to_owned(),
            bind: ([127, 0, 0, 1], 0).into(),
            workers: 1,
            ..Settings::default()
        };
        change(&mut settings);
        let clock = ManualClock::at(noon());
        let app = App::open(settings, Arc::new(clock.clone())).await.unwrap();
        City { app: Arc::new(app), clock, moving: None, _dir: dir }
    }

    /// Lets it move only when told to from now on.
    pub async fn halt(&mut self) {
        if let Some(moving) = self.moving.take() {
            moving.stop().await;
        }
    }

    /// The answer as it leaves.
    pub async fn answer(&self, caller: Option<&Caller>, query: &str, variables: Value) -> Value {
        let context = RequestContext {
            caller: caller.cloned().ok_or(Unauthenticated::NoToken),
            locale: None,
            correlation: Uuid::nil(),
            traceparent: None,
        };
        let variables = async_graphql::Variables::from_json(variables);
        let request = async_graphql::Request::new(query).variables(variables);
        let response = graphql::execute(self.app.schema(), self.app.services(), request, context).await;
        serde_json::to_value(response).unwrap()
    }

    /// The data of an answer without errors.
    pub async fn ask(&self, caller: &Caller, query: &str, variables: Value) -> Value {
        let answer = self.answer(Some(caller), query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}\n{answer:#}");
        answer["data"].clone()
    }

    /// The code of the only error of an answer.
    pub async fn error(&self, caller: Option<&Caller>, query: &str, variables: Value) -> String {
        let answer = self.answer(caller, query, variables).await;
        let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("no errors: {answer:#}"));
        assert_eq!(errors.len(), 1, "{answer:#}");
        errors[0]["extensions"]["code"].as_str().unwrap().to_owned()
    }

    /// What a mutation answers, whatever it is. `fields` are those of the changed thing.
    pub async fn give(&self, caller: &Caller, what: Give<'_>) -> Value {
        let Give { mutation, input, key, expected, fields } = what;
        let input_type = format!("{}{}Input", &mutation[..1].to_uppercase(), &mutation[1..]);
        let changed = changed_by(mutation);
        let query = format!(
            "mutation($input: {input_type}!, $key: String!, $expected: Int) {{
                it: {mutation}(input: $input, idempotencyKey: $key, expectedVersion: $expected) {{
                    __typename
                    ... on {changed} {{ {fields} version position replayed }}
                    ... on Rejection {{ code message field }}
                    ... on VersionConflict {{ code currentVersion }}
                    ... on IdempotencyKeyReused {{ code }}
                }}
            }}"
        );
        let variables = json!({ "input": input, "key": key, "expected": expected });
        self.ask(caller, &query, variables).await["it"].clone()
    }

    /// The changed thing a mutation answers with; it must be done.
    pub async fn done(&self, caller: &Caller, mutation: &str, input: Value, fields: &str) -> Value {
        let key = blake3::hash(input.to_string().as_bytes()).to_hex();
        let answer = self.give(caller, Give { mutation, input, key: &key, expected: None, fields }).await;
        assert!(answer.get("version").is_some(), "{mutation}: {answer:#}");
        answer
    }

    /// A tenant with an open store; gives its admin.
    pub async fn tenant(&self, slug: &str) -> Market<'_> {
        let platform = admin_of_the_city();
        let name = json!([{ "locale": "en", "text": slug }]);
        let input = json!({
            "slug": slug, "name": name, "zone": "Asia/Riyadh", "locale": "en", "currency": "SAR",
        });
        let answer = self.done(&platform, "createTenant", input, "tenant { id status }").await;
        assert_eq!(answer["tenant"]["status"], "ACTIVE", "{answer:#}");
        let Id(tenant) = Id::<TenantId>::decode(answer["tenant"]["id"].as_str().unwrap()).unwrap();
        let admin = caller(Role::TenantAdmin, tenant);
        let store = json!({
            "slug": "main", "name": name, "brand": slug, "kind": "MARKETPLACE", "currencies": ["SAR"], "locales": ["en"],
        });
        let store = self.done(&admin, "openStore", store, "store { id }").await["store"]["id"].clone();
        Market { city: self, admin, store }
    }
}

/// A mutation and what goes with it.
pub struct Give<'a> {
    pub mutation: &'a str,
    pub input: Value,
    pub key: &'a str,
    pub expected: Option<u64>,
    pub fields: &'a str,
}

/// The member of a mutation's union that tells of a change.
fn changed_by(mutation: &str) -> &'static str {
    match mutation {
        _ if mutation.contains("Commission") => "CommissionRulesChanged",
        _ if mutation.contains("Vendor") => "VendorChanged",
        _ if mutation.contains("Tenant") => "TenantChanged",
        _ if mutation.contains("Store") => "StoreChanged",
        _ if mutation.contains("Place") => "PlaceChanged",
        _ if mutation.contains("Customer") => "CustomerChanged",
        _ if mutation.contains("Product") => "ProductChanged",
        _ if mutation.contains("Offer") || mutation.contains("Stock") => "OfferChanged",
        _ if mutation.contains("Order") => "OrderChanged",
        _ if mutation.contains("Part") || mutation.contains("Units") => "OrderPartChanged",
        _ if mutation.contains("Payout") => "PayoutChanged",
        _ if mutation.contains("Adjustment") => "LedgerChanged",
        _ => panic!("say what `{mutation}` changes"),
    }
}

/// A tenant as its admin has it.
pub struct Market<'a> {
    pub city: &'a City,
    pub admin: Caller,
    pub store: Value,
}

impl Market<'_> {
    /// The tenant.
    pub fn tenant(&self) -> TenantId {
        self.admin.tenant.unwrap()
    }

    /// A vendor that may sell and be paid.
    pub async fn vendor(&self, handle: &str) -> Value {
        let name = json!([{ "locale": "en", "text": handle }]);
        let contact = json!({ "name": "Planted Name", "email": format!("{handle}@example.org") });
        let input = json!({ "introduction": { "handle": handle, "name": name, "contact": contact } });
        let vendor =
            self.city.done(&self.admin, "applyAsVendor", input, "vendor { id }").await["vendor"]["id"]
                .clone();
        let stage = "query($id: ID!) { vendor(id: $id) { status payoutAccount evidence } }";
        self.until(stage, json!({ "id": vendor }), |it| {
            it["vendor"]["status"] == "ONBOARDING" && !it["vendor"]["payoutAccount"].is_null()
        })
        .await;
        let only = json!({ "vendor": vendor });
        self.city.done(&self.admin, "submitVendorForReview", only, "vendor { id }").await;
        let kyc = |status| json!({ "vendor": vendor, "status": status, "reason": "papers seen" });
        self.city.done(&self.admin, "changeVendorKyc", kyc("PENDING"), "vendor { id }").await;
        self.city.done(&self.admin, "changeVendorKyc", kyc("VERIFIED"), "vendor { id }").await;
        let approve = json!({ "vendor": vendor, "evidence": 1 });
        self.city.done(&self.admin, "approveVendor", approve, "vendor { id canSell canBePaid }").await;
        vendor
    }

    /// An offer of a product of its own, at this price with this freight.
    pub async fn offer(
        &self,
        vendor: &Value,
        code: &str,
        price: &str,
        freight: &str,
        stock: Option<u32>,
    ) -> Value {
        let title = json!([{ "locale": "en", "text": code }]);
        let product = json!({ "code": code, "title": title });
        let product =
            self.city.done(&self.admin, "createProduct", product, "product { id }").await["product"]["id"]
                .clone();
        let unit = json!({ "amount": price, "currency": "SAR" });
        let input = json!({
            "vendor": vendor, "product": product, "sku": code, "prices": [{ "unit": unit, "freight": freight }],
            "stockTracked": stock.is_some(),
        });
        let offer =
            self.city.done(&self.admin, "listOffer", input, "offer { id }").await["offer"]["id"].clone();
        if let Some(quantity) = stock {
            let input = json!({ "offer": offer, "quantity": quantity });
            self.city.done(&self.admin, "receiveStock", input, "offer { available }").await;
        }
        offer
    }

    /// Someone who buys.
    pub async fn customer(&self, email: &str) -> Value {
        let input =
            json!({ "contact": { "name": "Planted Name", "email": email, "address": ["Planted Street 1"] } });
        self.city.done(&self.admin, "registerCustomer", input, "customer { id }").await["customer"]["id"]
            .clone()
    }

    /// An order of one unit of each offer.
    pub fn cart(&self, customer: &Value, offers: &[&Value]) -> Value {
        let lines: Vec<_> = offers.iter().map(|offer| json!({ "offer": offer, "quantity": 1 })).collect();
        json!({ "store": self.store, "customer": customer, "currency": "SAR", "lines": lines })
    }

    /// Asks again and again, each time with everything that has happened, until the answer is as wanted.
    pub async fn until(&self, query: &str, variables: Value, there: impl Fn(&Value) -> bool) -> Value {
        const TIMES_MAX: u32 = 400;
        let store = self.city.app.services().executor.store();
        for _ in 0..TIMES_MAX {
            let head = store.head().await.unwrap();
            let answer = self.city.ask(&self.admin, query, variables.clone()).await;
            if there(&answer) {
                return answer;
            }
            store.changed(head, std::time::Duration::from_millis(25)).await;
        }
        panic!("it never came: {query}");
    }
}

/// Runs the city, and no tenant.
pub fn admin_of_the_city() -> Caller {
    Caller {
        subject: "ada".into(),
        roles: [Role::PlatformAdmin].into(),
        tenant: None,
        vendor: None,
        customer: None,
    }
}

/// Someone with a role that is bound to nothing but the tenant.
pub fn caller(role: Role, tenant: TenantId) -> Caller {
    Caller {
        subject: "grace".into(),
        roles: [role].into(),
        tenant: Some(tenant),
        vendor: None,
        customer: None,
    }
}

/// Someone who sells as this vendor.
pub fn seller(tenant: TenantId, vendor: &Value) -> Caller {
    Caller { vendor: Some(id::<VendorId>(vendor)), subject: "sela".into(), ..caller(Role::Vendor, tenant) }
}

/// Someone who buys as this customer.
pub fn buyer(tenant: TenantId, customer: &Value) -> Caller {
    Caller {
        customer: Some(id::<CustomerId>(customer)),
        subject: "bob".into(),
        ..caller(Role::Customer, tenant)
    }
}

/// The id in an answer.
pub fn id<T: Named>(value: &Value) -> T {
    Id::<T>::decode(value.as_str().unwrap()).unwrap().0
}
