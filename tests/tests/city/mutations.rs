//! What callers may rely on when they change something: a repeated mutation is done once and answers as it did, a
//! stale one is refused with the version there is, and what was written can be read.

use chrono::TimeDelta;
use cityos_connectors::sandbox::Operation;
use cityos_tests::callers::{Client, Given, code_of, given};
use cityos_tests::city::City;
use cityos_tests::market::{Market, euros, percent};
use cityos_tests::schema::{english, text};
use serde_json::{Value, json};

fn category<'a>(key: &'a str, slug: &str) -> Given<'a> {
    let input = json!({ "slug": slug, "name": english(slug) });
    given("createProductCategory", key, input, "productCategory { id slug version archived name { text } }")
}

fn rename<'a>(category: &Value, key: &'a str, expected: u64) -> Given<'a> {
    let input = json!({ "productCategory": category, "name": english(key) });
    let expected = Some(expected);
    Given { expected, ..given("renameProductCategory", key, input, "productCategory { version }") }
}

#[tokio::test(flavor = "multi_thread")]
async fn s49_a_repeated_mutation_answers_as_the_first_time_whatever_has_happened_since() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let first = market.admin.answer(category("a", "home")).await;
    assert_eq!(first["replayed"], false);
    let id = &first["productCategory"]["id"];
    let other_name = json!({ "productCategory": id, "name": english("House") });
    market.admin.does("renameProductCategory", other_name, "").await;
    market.admin.does("archiveProductCategory", json!({ "productCategory": id }), "").await;

    let mut again = market.admin.answer(category("a", "home")).await;
    assert_eq!(again["replayed"].take(), true);
    again["replayed"] = json!(false);
    assert_eq!(again, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn s49_an_idempotency_key_stands_for_one_input_of_one_actor_in_one_tenant() {
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
    let product = given("createProduct", "a", other_mutation, "product { id }");
    assert_eq!(market.admin.answer(product).await["__typename"], "ProductChanged");

    for key in [String::new(), "k".repeat(256)] {
        let refused = market.admin.try_answer(category(&key, "attic")).await;
        assert_eq!(code_of(&refused), "BAD_REQUEST");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_mutation_leaves_its_key_free() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.offer(&vendor, "cup", "5.00", "1.00").await;
    let cart = market.cart(&market.customer().await, &[(&offer, 1)]);
    let buy = || given("placeOrder", "a", cart.clone(), "order { status }");
    let mayor = city.city_admin();
    let inspection = json!({ "tenant": market.tenant, "reason": "an inspection" });
    let suspended = mayor.does("suspendTenant", inspection.clone(), "tenant { status reason }").await;
    assert_eq!(suspended["tenant"], json!({ "status": "SUSPENDED", "reason": "an inspection" }));
    assert_eq!(market.admin.answer(buy()).await["code"], "TENANT_SUSPENDED");
    mayor.does("resumeTenant", inspection, "").await;
    let bought = market.admin.answer(buy()).await;
    assert_eq!((&bought["replayed"], &bought["order"]["status"]), (&json!(false), &json!("PLACED")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_order_is_declined_again_when_repeated_and_holds_nothing() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.counted_offer(&vendor, "vase", "80.00", 1).await;
    let customer = market.customer().await;
    let buy = |key, quantity| {
        given("placeOrder", key, market.cart(&customer, &[(&offer, quantity)]), "order { status }")
    };
    let declined = market.admin.answer(buy("two", 2)).await;
    assert_eq!(declined["code"], "STOCK_INSUFFICIENT");
    assert_eq!(market.admin.answer(buy("two", 2)).await, declined);
    assert_eq!(market.admin.answer(buy("one", 1)).await["order"]["status"], "PLACED");
    assert_eq!(market.admin.answer(buy("two", 2)).await, declined);
    assert_eq!(city.sandbox.done(Operation::Authorise).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn s49_a_mutation_of_a_stale_version_is_refused_with_the_version_there_is() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let made = market.admin.answer(category("made", "home")).await;
    let home = &made["productCategory"]["id"];
    for version in 1..8 {
        let key = version.to_string();
        let renamed = market.admin.answer(rename(home, &key, version)).await;
        assert_eq!(
            (&renamed["version"], &renamed["productCategory"]["version"]),
            (&json!(version + 1), &json!(version + 1))
        );
    }
    for wrong in [7, 9] {
        let stale = market.admin.answer(rename(home, "late", wrong)).await;
        assert_eq!(stale["__typename"], "VersionConflict");
        assert_eq!((&stale["code"], &stale["currentVersion"]), (&json!("VERSION_CONFLICT"), &json!(8)));
    }
    // Nothing was done under the key, so this is no repetition.
    let renamed = market.admin.answer(rename(home, "late", 8)).await;
    assert_eq!((&renamed["version"], &renamed["replayed"]), (&json!(9), &json!(false)));
    // Repeated, what succeeded then succeeds now, though its version is stale by now.
    let again = market.admin.answer(rename(home, "1", 1)).await;
    assert_eq!((&again["version"], &again["replayed"]), (&json!(2), &json!(true)));
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
    market.category("home", None).await;
    let home = json!({ "slug": "home", "name": english("Home") });
    let introduction = json!({ "handle": "alma", "name": english("Alma") });
    let introduced = |introduction: Value| json!({ "introduction": introduction });
    let product = json!({ "code": "cup", "title": english("Cup") });
    let place = |level: &str, slug: &str, name: Value| json!({ "level": level, "slug": slug, "name": name });
    let named = |locale: &str| json!([{ "locale": locale, "text": "x" }]);
    let policies = |hour: u8, minimums: &[Value]| {
        json!({
            "holdDays": 0, "dailyPayoutHour": hour, "capture": "AT_SHIPMENT", "payoutMinimums": minimums,
            "authorisationHours": 168, "reservationMinutes": 15,
        })
    };
    let minimums = policies(1, &[euros("1.00"), euros("2.00")]);
    let token = |value: &str| json!({ "name": "color-accent", "value": value });
    let theme = json!({ "store": market.store, "tokens": [token("red"), token("blue")] });
    let counted = market.counted_offer(&vendor, "pot", "5.00", 3).await;
    let recount = |by: i64| json!({ "offer": counted, "by": by, "reason": "counted" });
    let rule = |of: &str| {
        let mut rule = json!({ "name": "many", "fee": percent("5") });
        rule[of] = json!(vec![&vendor; 101]);
        rule
    };
    let nobody = json!({ "handle": "bo", "name": english("Bo"), "contact": { "name": " " } });
    let mayor = &city.city_admin();
    let country = mayor.does("createPlace", place("COUNTRY", "de", named("en")), "place { id }").await;
    let abroad = json!({
        "slug": "abroad", "name": english("Abroad"), "subcategory": country["place"]["id"],
        "timeZone": "Europe/Berlin", "locale": "en", "currency": "EUR",
    });
    let refused = [
        (
            admin,
            "applyAsVendor",
            introduced(introduction.clone()),
            "VENDOR_HANDLE_TAKEN",
            "introduction.handle",
        ),
        (admin, "inviteVendor", introduced(introduction), "VENDOR_HANDLE_TAKEN", "introduction.handle"),
        (admin, "inviteVendor", introduced(nobody), "INVALID_INPUT", "introduction.contact.name"),
        (admin, "addCommissionRule", rule("vendors"), "COMMISSION_RULE_CONDITIONS_TOO_MANY", "vendors"),
        (admin, "adjustStock", recount(i64::MAX), "STOCK_QUANTITY_OUTSIDE_LIMITS", "by"),
        (admin, "adjustStock", recount(-4), "STOCK_BELOW_HELD", "by"),
        (admin, "changeStoreTheme", theme, "INVALID_INPUT", "tokens"),
        (admin, "changeTenantPolicies", minimums, "INVALID_INPUT", "payoutMinimums"),
        (mayor, "createTenant", abroad, "PLACE_WRONG_PARENT", "subcategory"),
        (admin, "createProduct", product, "PRODUCT_CODE_TAKEN", "code"),
        (admin, "createProductCategory", home, "PRODUCT_CATEGORY_SLUG_TAKEN", "slug"),
        (admin, "changeOfferPrice", price("5.001", "EUR"), "INVALID_INPUT", "price.unit.amount"),
        (admin, "changeOfferPrice", price("5", "EURO"), "INVALID_INPUT", "price.unit.currency"),
        (admin, "placeOrder", order(1, euros("4.99")), "ORDER_PRICE_CHANGED", "lines"),
        (admin, "placeOrder", order(0, Value::Null), "ORDER_QUANTITY_OUTSIDE_LIMITS", "lines"),
        (admin, "suspendVendor", json!({ "vendor": vendor, "reason": " " }), "INVALID_INPUT", "reason"),
        (admin, "changeTenantPolicies", policies(24, &[]), "TENANT_POLICY_OUTSIDE_LIMITS", "dailyPayoutHour"),
        (mayor, "createPlace", place("COUNTRY", "xx", named("en")), "PLACE_NOT_A_COUNTRY", "slug"),
        (mayor, "createPlace", place("COUNTRY", "sa", json!([])), "INVALID_INPUT", "name"),
        (mayor, "createPlace", place("COUNTRY", "sa", named("EN!")), "INVALID_INPUT", "name.locale"),
        (mayor, "createPlace", place("SCOPE", "riyadh", named("en")), "PLACE_WRONG_PARENT", "parent"),
    ];
    for (who, field, input, code, names) in refused {
        let answer = who.attempt(field, input, "").await;
        assert_eq!(answer["__typename"], "Rejection", "{field}: {answer}");
        assert_eq!((&answer["code"], &answer["field"]), (&json!(code), &json!(names)), "{field}: {answer}");
        assert_ne!(text(&answer["message"]), "");
    }
    let of_an_offer = json!({ "vendor": offer, "reason": "an offer is no vendor" });
    let no_id = admin.try_answer(given("suspendVendor", "a", of_an_offer, "")).await;
    assert_eq!(code_of(&no_id), "BAD_ID");
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
    assert_eq!(code_of(&early), "AT_LEAST_TIMEOUT");
    assert_eq!(slugs(&market.admin, &Value::Null).await["data"]["productCategories"]["nodes"], json!([]));

    let (seen, ()) = tokio::join!(slugs(&market.admin, &position), async { drop(held) });
    assert_eq!(seen["data"]["productCategories"]["nodes"], json!([{ "slug": "home" }]));
    let forged = slugs(&market.admin, &json!("AAAA")).await;
    assert_eq!(code_of(&forged), "BAD_REQUEST");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_that_takes_long_is_answered_as_pending_and_finishes_all_the_same() {
    let city = City::with(|settings| settings.run_wait_ms = 300).await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.offer(&vendor, "cup", "5.00", "1.00").await;
    let customer = market.customer().await;
    city.settle().await;
    let buy = || given("placeOrder", "a", market.cart(&customer, &[(&offer, 2)]), "order { id status }");
    let held = city.hold().await;
    let pending = market.admin.answer(buy()).await;
    assert_eq!(pending["__typename"], "CheckoutPending", "{pending}");
    drop(held);
    city.settle().await;

    let query =
        "query($run: ID!, $order: ID!) { sagaRun(id: $run) { saga state } order(id: $order) { id status } }";
    let found = json!({ "run": pending["runId"], "order": pending["orderId"] });
    let found = market.admin.ask_with(query, &found).await;
    assert_eq!(found["sagaRun"], json!({ "saga": "checkout", "state": "COMPLETED" }));
    assert_eq!(found["order"]["status"], "PLACED");
    let again = market.admin.answer(buy()).await;
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
    let show =
        "order { id status version placed { payable { amount } } parts { id status lines { quantity } }
        payment { authorised { amount } captured { amount } open { amount } } }";
    let buy = || given("placeOrder", "a", market.cart(&customer, &[(&offer, 2)]), show);
    let first = market.admin.answer(buy()).await;
    market.deliver(&text(&first["order"]["parts"][0]["id"])).await;
    city.pass(TimeDelta::days(1)).await;
    let again = market.admin.answer(buy()).await;
    assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    assert_eq!(again["order"], first["order"]);
    assert_eq!(again["order"]["parts"][0]["status"], "PLACED");
}
