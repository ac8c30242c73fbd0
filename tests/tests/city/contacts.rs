//! How people are reached: whose keys are made, how many questions the key store is asked, who is found by an
//! e-mail address, and what is said where keys cannot be kept.

use async_trait::async_trait;
use cityos_domain::ids::{CustomerId, PersonId, TenantId, VendorId};
use cityos_eventstore::backup::KEYS_FILE;
use cityos_eventstore::keys::{FOUND_PERSONS_MAX, Key, KeyError, KeyFile, KeyStore, Secret, Signed};
use cityos_eventstore::sealing::Sealer;
use cityos_gateway::context::{Caller, RequestContext, Role};
use cityos_gateway::graphql::ids::Named;
use cityos_gateway::graphql::{self, services::Services};
use cityos_tests::callers::{code_of, given};
use cityos_tests::city::{City, named};
use cityos_tests::market::Market;
use cityos_tests::schema::{english, list, text};
use cityos_tests::slots::of_nothing;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

const EMAIL: &str = "amal@example.org";

fn keys_of(city: &City) -> Connection {
    Connection::open(city.app().settings().data_dir.join(KEYS_FILE)).unwrap()
}

fn contact(name: &str) -> Value {
    json!({ "name": name, "email": EMAIL })
}

fn application(vendor: Option<&str>, handle: &str) -> Value {
    let introduction = json!({ "handle": handle, "name": english(handle), "contact": contact(handle) });
    json!({ "vendor": vendor, "introduction": introduction })
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_a_key_made_for_someone_who_is_not_there_or_another() {
    let city = City::in_files(|_| ()).await;
    let market = Market::open(&city, "bazaar").await;
    let (own, other) = (market.customer().await, market.customer().await);
    let vendor = market.vendor("alma").await;
    // Two who were never told how to be reached have no key yet.
    let mut silent = Vec::new();
    for _ in 0..2 {
        let registered = market.admin.does("registerCustomer", json!({}), "customer { id }").await;
        silent.push(text(&registered["customer"]["id"]));
    }
    let keys = keys_of(&city);
    let count = || keys.query_row("SELECT count(*) FROM persons", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = count();

    let customer = city.customer_of(&market.tenant, &own);
    let nothing = of_nothing(CustomerId::WHAT);
    for (caller, id) in [(&customer, &silent[0]), (&customer, &nothing), (&market.admin, &nothing)] {
        let change = json!({ "customer": id, "contact": contact("Mallory") });
        let answer = caller.attempt("changeCustomerContact", change, "").await;
        assert_eq!(answer["code"], "CUSTOMER_UNKNOWN", "{answer}");
    }
    let nothing = of_nothing(VendorId::WHAT);
    for (caller, id) in [(&customer, &nothing), (&customer, &vendor), (&market.admin, &nothing)] {
        let answer = caller.attempt("applyAsVendor", application(Some(id), "mallory"), "").await;
        assert_eq!(answer["code"], "VENDOR_UNKNOWN", "{answer}");
    }
    assert_eq!(count(), before);

    for (caller, id) in [(&city.customer_of(&market.tenant, &silent[0]), &silent[0]), (&market.admin, &other)]
    {
        let change = json!({ "customer": id, "contact": contact("Amal") });
        let changed = caller.does("changeCustomerContact", change, "customer { contact { name } }").await;
        assert_eq!(changed["customer"]["contact"]["name"], "Amal");
    }
    assert_eq!(count(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sealed_now_is_repeated_with_the_same_key_later() {
    let city = City::in_files(|_| ()).await;
    let market = Market::open(&city, "bazaar").await;
    let keys = keys_of(&city);
    let wishes = [
        ("registerCustomer", json!({ "contact": contact("Amal") })),
        ("applyAsVendor", application(None, "alma")),
    ];
    for (table, begins_with) in [("persons", 0), ("lookups", 1)] {
        let full = format!(
            "CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
        );
        keys.execute_batch(&full).unwrap();
        // A vendor is not looked up by address.
        let affected = &wishes[..wishes.len() - begins_with];
        for (field, input) in affected {
            let answer = market.admin.try_answer(given(field, table, input.clone(), "")).await;
            assert_eq!(code_of(&answer), "UNAVAILABLE", "{field}");
        }
        keys.execute_batch("DROP TRIGGER full").unwrap();
        for (field, input) in affected {
            let answer = market.admin.answer(given(field, table, input.clone(), "")).await;
            assert!(text(&answer["__typename"]).ends_with("Changed"), "{field}: {answer}");
        }
    }
    city.settle().await;
    let found = format!("{{ customersByEmail(email: \"{EMAIL}\") {{ id }} }}");
    assert_eq!(list(&market.admin.ask(&found).await["customersByEmail"]).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_an_address_is_found_latest_first_or_not_at_all_where_they_are_too_many() {
    let city = City::in_files(|_| ()).await;
    let market = Market::open(&city, "bazaar").await;
    let mut registered = Vec::new();
    for name in ["first", "second", "third"] {
        let input = json!({ "contact": contact(name), "guest": true });
        let answer = market.admin.does("registerCustomer", input, "customer { id }").await;
        registered.insert(0, text(&answer["customer"]["id"]));
        city.pass(chrono::TimeDelta::hours(1)).await;
    }
    let moved = json!({ "customer": registered[1], "contact": { "name": "second" } });
    market.admin.does("changeCustomerContact", moved, "").await;
    city.settle().await;
    let ask = format!("{{ customersByEmail(email: \"{EMAIL}\") {{ id contact {{ name }} }} }}");
    let found = market.admin.ask(&ask).await;
    let names: Vec<_> =
        list(&found["customersByEmail"]).iter().map(|it| text(&it["contact"]["name"])).collect();
    assert_eq!(names, ["third", "first"]);

    let more = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {FOUND_PERSONS_MAX})
         INSERT INTO lookups SELECT tenant, hash, randomblob(16)
         FROM (SELECT tenant, hash FROM lookups LIMIT 1), n"
    );
    keys_of(&city).execute_batch(&more).unwrap();
    assert_eq!(market.admin.refused(&ask).await, "BAD_REQUEST");
}

/// A key store that counts how often it is asked for keys of persons.
struct Counting {
    keys: KeyFile,
    asked: AtomicUsize,
}

#[async_trait]
impl KeyStore for Counting {
    async fn person_key(&self, tenant: TenantId, person: PersonId) -> Result<Key, KeyError> {
        self.keys.person_key(tenant, person).await
    }

    async fn find_person_keys(
        &self,
        tenant: TenantId,
        persons: &[PersonId],
    ) -> Result<HashMap<PersonId, Key>, KeyError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.keys.find_person_keys(tenant, persons).await
    }

    async fn add_lookup(&self, tenant: TenantId, person: PersonId, hash: [u8; 32]) -> Result<(), KeyError> {
        self.keys.add_lookup(tenant, person, hash).await
    }

    async fn find_persons(&self, tenant: TenantId, hash: [u8; 32]) -> Result<Vec<PersonId>, KeyError> {
        self.keys.find_persons(tenant, hash).await
    }

    async fn forget(&self, tenant: TenantId, person: PersonId) -> Result<(), KeyError> {
        self.keys.forget(tenant, person).await
    }

    async fn belong_to(&self, log: Uuid) -> Result<bool, KeyError> {
        self.keys.belong_to(log).await
    }

    async fn log(&self) -> Result<Option<Uuid>, KeyError> {
        self.keys.log().await
    }

    async fn secret(&self, secret: Secret) -> Result<Key, KeyError> {
        self.keys.secret(secret).await
    }

    async fn signed(&self) -> Result<Option<Signed>, KeyError> {
        self.keys.signed().await
    }

    async fn remember_signed(&self, signed: Signed) -> Result<(), KeyError> {
        self.keys.remember_signed(signed).await
    }

    async fn replace_signed(&self, signed: Signed) -> Result<(), KeyError> {
        self.keys.replace_signed(signed).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contacts_of_a_page_are_opened_with_one_question_to_the_key_store() {
    const CUSTOMERS: usize = 30;
    let city = City::in_files(|_| ()).await;
    let market = Market::open(&city, "bazaar").await;
    let mut forgotten = None;
    for n in 0..CUSTOMERS {
        let input = json!({ "contact": contact(&format!("Customer {n}")) });
        let registered = market.admin.does("registerCustomer", input, "customer { id }").await;
        forgotten = Some(named::<CustomerId>(&text(&registered["customer"]["id"])));
    }
    city.settle().await;
    let keys = KeyFile::open(&city.app().settings().data_dir.join(KEYS_FILE)).unwrap();
    let counting = Arc::new(Counting { keys, asked: AtomicUsize::new(0) });
    let tenant = named::<TenantId>(&market.tenant);
    counting.forget(tenant, PersonId(forgotten.unwrap().0)).await.unwrap();

    let served = city.app().services();
    let services = Arc::new(Services {
        executor: served.executor.clone(),
        reads: served.reads.clone(),
        projector: served.projector.clone(),
        engine: served.engine.clone(),
        sealer: Sealer::new(counting.clone()),
        positions: served.positions.clone(),
        input_key: served.input_key.clone(),
        tokens: None,
        settings: served.settings.clone(),
    });
    let caller = Caller {
        subject: "ada".into(),
        roles: [Role::TenantAdmin].into(),
        tenant: Some(tenant),
        vendor: None,
        customer: None,
    };
    let ask = async |query: String| {
        let context = RequestContext {
            caller: Ok(caller.clone()),
            locale: None,
            correlation: Uuid::nil(),
            traceparent: None,
        };
        let before = counting.asked.load(Ordering::Relaxed);
        let response = graphql::execute(city.app().schema(), &services, query.into(), context).await;
        assert_eq!(response.errors, []);
        (response.data.into_json().unwrap(), counting.asked.load(Ordering::Relaxed) - before)
    };
    let (page, asked) = ask("{ customers(first: 100) { nodes { contact { name } } } }".into()).await;
    let nodes = list(&page["customers"]["nodes"]);
    assert_eq!(nodes.iter().filter(|node| !node["contact"].is_null()).count(), CUSTOMERS - 1);
    assert_eq!((nodes.len(), asked), (CUSTOMERS, 1));
    let (found, asked) = ask(format!("{{ customersByEmail(email: \"{EMAIL}\") {{ id }} }}")).await;
    assert_eq!((list(&found["customersByEmail"]).len(), asked), (CUSTOMERS - 1, 1));
}
