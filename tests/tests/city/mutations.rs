//! What callers may rely on when they change something: a repeated mutation is done once and answers as it did, a
//! stale one is refused with the version there is, and what was written can be read.

use chrono::TimeDelta;
use cityos_connectors::sandbox::Operation;
use cityos_tests::callers::{Client, Given};
use cityos_tests::city::City;
use cityos_tests::market::{Market, euros};
use cityos_tests::schema::{english, text};
use serde_json::{Value, json};

fn category<'a>(key: &'a str, slug: &str) -> Given<'a> {
    let input = json!({ "slug": slug, "name": english(slug) });
    let show = "productCategory { id slug version archived name { text } }";
    Given { field: "createProductCategory", key, input, expected: None, show }
}

fn without_replayed(answer: &Value) -> Value {
    let mut answer = answer.clone();
    answer.as_object_mut().unwrap().remove("replayed");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_mutation_answers_as_the_first_time_whatever_has_happened_since() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let first = market.admin.answer(category("a", "home")).await;
    assert_eq!(first["replayed"], false);
    let id = &first["productCategory"]["id"];
    let other_name = json!({ "productCategory": id, "name": english("House") });
    market.admin.does("renameProductCategory", other_name, "").await;
    market.admin.does("archiveProductCategory", json!({ "productCategory": id }), "").await;

    let again = market.admin.answer(category("a", "home")).await;
    assert_eq!(again["replayed"], true);
    // The same place in the log is another token each time: tokens are compared by what they open.
    let shown = |answer: &Value| {
        let mut answer = without_replayed(answer);
        answer.as_object_mut().unwrap().remove("position");
        answer
    };
    assert_eq!(shown(&again), shown(&first));
    let positions = &city.app().services().positions;
    let [then, now] = [&first, &again].map(|answer| positions.decode(&text(&answer["position"])).unwrap());
    assert_eq!(then, now);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_stands_for_one_input_of_one_actor_in_one_tenant() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let neighbour = Market::open(&city, "neighbour").await;
    let first = market.admin.answer(category("a", "home")).await;

    let reused = market.admin.answer(category("a", "garden")).await;
    assert_eq!(reused["__typename"], "IdempotencyKeyReused");
    assert_eq!(reused["code"], "IDEMPOTENCY_KEY_REUSED");
    let unfit = market.admin.answer(category("a", "not a slug")).await;
    assert_eq!(unfit["code"], "IDEMPOTENCY_KEY_REUSED");

    let elsewhere = neighbour.admin.answer(category("a", "home")).await;
    assert_eq!(elsewhere["__typename"], "ProductCategoryChanged");
    assert_eq!(elsewhere["replayed"], false);
    assert_ne!(elsewhere["productCategory"]["id"], first["productCategory"]["id"]);
    let colleague = city.admin_called("bea", &market.tenant);
    let theirs = colleague.answer(category("a", "garden")).await;
    assert_eq!(theirs["__typename"], "ProductCategoryChanged");
    assert_eq!(theirs["replayed"], false);
    let other_mutation = json!({ "code": "cup", "title": english("Cup") });
    let product = Given {
        field: "createProduct",
        key: "a",
        input: other_mutation,
        expected: None,
        show: "product { id }",
    };
    assert_eq!(market.admin.answer(product).await["__typename"], "ProductChanged");

    for key in [String::new(), "k".repeat(256)] {
        let refused = market.admin.try_answer(category(&key, "attic")).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_mutation_leaves_its_key_free() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    market.admin.answer(category("a", "home")).await;
    let taken = market.admin.answer(category("b", "home")).await;
    assert_eq!(taken["code"], "PRODUCT_CATEGORY_SLUG_TAKEN");
    assert_eq!(taken["field"], "slug");
    assert_eq!(market.admin.answer(category("b", "garden")).await["__typename"], "ProductCategoryChanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_of_a_stale_version_is_refused_with_the_version_there_is() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let made = market.admin.answer(category("a", "home")).await;
    let rename = |key, name: &str, expected| {
        let input = json!({ "productCategory": made["productCategory"]["id"], "name": english(name) });
        Given { field: "renameProductCategory", key, input, expected, show: "productCategory { version }" }
    };
    let renamed = market.admin.answer(rename("b", "House", Some(1))).await;
    assert_eq!((&renamed["version"], &renamed["productCategory"]["version"]), (&json!(2), &json!(2)));
    let stale = market.admin.answer(rename("c", "Hut", Some(1))).await;
    assert_eq!(stale["__typename"], "VersionConflict");
    assert_eq!((&stale["code"], &stale["currentVersion"]), (&json!("VERSION_CONFLICT"), &json!(2)));
    let ahead = market.admin.answer(rename("c", "Hut", Some(3))).await;
    assert_eq!(ahead["currentVersion"], 2);
    assert_eq!(market.admin.answer(rename("c", "Hut", Some(2))).await["version"], 3);
    // Repeated, what succeeded then succeeds now, though its version is stale by now.
    assert_eq!(market.admin.answer(rename("b", "House", Some(1))).await["replayed"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rules_refuse_has_a_stable_code_and_names_the_field() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let (admin, vendor) = (&market.admin, market.vendor("alma").await);
    let offer = market.offer(&vendor, "cup", "5.00", "1.00").await;
    let customer = market.customer().await;
    let order = |quantity, seen: Value| {
        let line = json!({ "offer": offer, "quantity": quantity, "expectedUnitPrice": seen });
        json!({ "store": market.store, "customer": customer, "currency": "EUR", "lines": [line] })
    };
    let price = |amount: &str, currency: &str| {
        let unit = json!({ "amount": amount, "currency": currency });
        json!({ "offer": offer, "price": { "unit": unit } })
    };
    let introduction = json!({ "handle": "alma", "name": english("Alma") });
    let product = json!({ "code": "cup", "title": english("Cup") });
    let refused = [
        ("applyAsVendor", json!({ "introduction": introduction }), "VENDOR_HANDLE_TAKEN", Some("handle")),
        ("createProduct", product, "PRODUCT_CODE_TAKEN", Some("code")),
        ("changeOfferPrice", price("5.001", "EUR"), "INVALID_INPUT", Some("price.unit.amount")),
        ("changeOfferPrice", price("5", "EURO"), "INVALID_INPUT", Some("price.unit.currency")),
        ("placeOrder", order(1, euros("4.99")), "ORDER_PRICE_CHANGED", None),
        ("placeOrder", order(0, Value::Null), "ORDER_QUANTITY_OUTSIDE_LIMITS", None),
        ("suspendVendor", json!({ "vendor": vendor, "reason": " " }), "INVALID_INPUT", Some("reason")),
        ("requestPayout", json!({ "vendor": vendor, "currency": "EUR" }), "PAYOUT_BELOW_MINIMUM", None),
    ];
    for (field, input, code, names) in refused {
        let answer = admin.attempt(field, input, "").await;
        assert_eq!(answer["__typename"], "Rejection", "{field}: {answer}");
        assert_eq!(answer["code"], code, "{field}");
        if let Some(names) = names {
            assert_eq!(answer["field"], names, "{field}");
        }
        assert_ne!(text(&answer["message"]), "");
    }
    let no_id = admin.try_answer(Given {
        field: "suspendVendor",
        key: "a",
        input: json!({ "vendor": offer, "reason": "an offer is no vendor" }),
        expected: None,
        show: "",
    });
    assert_eq!(no_id.await["errors"][0]["extensions"]["code"], "BAD_ID");
}

async fn slugs(admin: &Client, at_least: &Value) -> Value {
    let query = "query($at: Position) { productCategories(atLeast: $at) { nodes { slug } } }";
    admin.respond(query, &json!({ "at": at_least })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_asks_for_a_position_sees_that_write_or_times_out() {
    let city = City::with(|settings| settings.at_least_wait_ms = 300).await;
    let market = Market::open(&city, "bazaar").await;
    city.settle().await;
    let held = city.hold().await;
    let leaf = Given { show: "", ..category("a", "home") };
    let position = market.admin.answer(leaf).await["position"].clone();
    let early = slugs(&market.admin, &position).await;
    assert_eq!(early["errors"][0]["extensions"]["code"], "AT_LEAST_TIMEOUT", "{early}");
    assert_eq!(slugs(&market.admin, &Value::Null).await["data"]["productCategories"]["nodes"], json!([]));

    let (seen, ()) = tokio::join!(slugs(&market.admin, &position), async { drop(held) });
    assert_eq!(seen["data"]["productCategories"]["nodes"], json!([{ "slug": "home" }]));
    let forged = slugs(&market.admin, &json!("AAAA")).await;
    assert_eq!(forged["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{forged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_that_takes_long_is_answered_as_pending_and_finishes_all_the_same() {
    let city = City::with(|settings| settings.run_wait_ms = 300).await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.offer(&vendor, "cup", "5.00", "1.00").await;
    let customer = market.customer().await;
    city.settle().await;
    let given = || Given {
        field: "placeOrder",
        key: "a",
        input: market.cart(&customer, &[(&offer, 2)]),
        expected: None,
        show: "order { id status }",
    };
    let held = city.hold().await;
    let pending = market.admin.answer(given()).await;
    assert_eq!(pending["__typename"], "CheckoutPending", "{pending}");
    drop(held);
    city.settle().await;

    let query =
        "query($run: ID!, $order: ID!) { sagaRun(id: $run) { saga state } order(id: $order) { id status } }";
    let found = json!({ "run": pending["run"], "order": pending["orderId"] });
    let found = market.admin.ask_with(query, &found).await;
    assert_eq!(found["sagaRun"], json!({ "saga": "checkout", "state": "COMPLETED" }));
    assert_eq!(found["order"]["status"], "PLACED");
    let again = market.admin.answer(given()).await;
    assert_eq!(again["__typename"], "OrderChanged", "{again}");
    assert_eq!((&again["replayed"], &again["order"]), (&json!(true), &found["order"]));
    assert_eq!(city.sandbox.done(Operation::Authorise).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_placed_answers_as_it_was_then_though_it_is_shipped_by_now() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.offer(&vendor, "cup", "5.00", "1.00").await;
    let customer = market.customer().await;
    let given = || Given {
        field: "placeOrder",
        key: "a",
        input: market.cart(&customer, &[(&offer, 2)]),
        expected: None,
        show: "order { id status version placed { payable { amount } } parts { id status lines { quantity } } }",
    };
    let first = market.admin.answer(given()).await;
    market.deliver(&text(&first["order"]["parts"][0]["id"])).await;
    city.pass(TimeDelta::days(1)).await;
    let again = market.admin.answer(given()).await;
    assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    assert_eq!(again["order"], first["order"]);
    assert_eq!(again["order"]["parts"][0]["status"], "PLACED");
}
