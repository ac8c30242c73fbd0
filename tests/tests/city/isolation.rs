//! What is another's looks as if it did not exist: every field and mutation that takes an id is given ids of another
//! tenant, vendor or customer, and ids of nothing, and must answer the same to both.

use cityos_domain::ids::*;
use cityos_gateway::graphql::ids::Named;
use cityos_tests::callers::Client;
use cityos_tests::city::City;
use cityos_tests::market::{Market, percent, price_of};
use cityos_tests::schema::{base, has_required, list, text};
use cityos_tests::slots::{KINDS, Request, Things, of_nothing, slots};
use serde_json::{Value, json};

/// How deep answers are looked into.
const ANSWER_DEPTH: usize = 2;

/// A marketplace with everything in it, twice where the second is another vendor's and customer's.
struct Neighbourhood<'a> {
    market: Market<'a>,
    first: Things,
    second: Things,
}

impl<'a> Neighbourhood<'a> {
    async fn open(city: &'a City, slug: &str) -> Self {
        let market = Market::open(city, slug).await;
        let admin = &market.admin;
        let (alma, basil) = (market.vendor("alma").await, market.vendor("basil").await);
        let category = market.category("home", None).await;
        market.category("lamps", Some(&category)).await;
        let rule = json!({
            "name": "Home", "productCategories": [category], "vendors": [alma], "fee": percent("5"),
        });
        let rules = admin.does("addCommissionRule", rule, "book { rules { id } }").await;
        let rule = text(&rules["book"]["rules"][0]["id"]);

        let mut things = Vec::new();
        for (vendor, sku) in [(&alma, "cup"), (&basil, "pot")] {
            let product = market.product(sku, Some(&category)).await;
            let offer = market.offer_of(&product, vendor, sku, &[price_of("30.00", "4.00")]).await;
            let customer = market.customer().await;
            let (order, parts) = market.order(&customer, &[(&offer, 2)]).await;
            market.deliver(&parts[0]).await;
            let (_, parts) = market.order(&customer, &[(&offer, 3)]).await;
            admin
                .does("requestPayout", json!({ "vendor": vendor, "currency": "EUR" }), "payout { id }")
                .await;
            city.settle().await;
            let query =
                "query($vendor: ID!) { payouts(filter: { vendor: $vendor }) { nodes { id status } } }";
            let payouts = admin.ask_with(query, &json!({ "vendor": vendor })).await;
            let payout = &payouts["payouts"]["nodes"][0];
            assert_eq!(payout["status"], "PAID");
            things.push(Things::from([
                (TenantId::WHAT, market.tenant.clone()),
                (StoreId::WHAT, market.store.clone()),
                (VendorId::WHAT, vendor.clone()),
                (CustomerId::WHAT, customer),
                (ProductCategoryId::WHAT, category.clone()),
                (ProductId::WHAT, product),
                (OfferId::WHAT, offer),
                (OrderId::WHAT, order),
                (VendorOrderId::WHAT, parts[0].clone()),
                (RuleId::WHAT, rule.clone()),
                (PayoutId::WHAT, text(&payout["id"])),
            ]));
        }
        let runs = admin.ask("{ sagaRuns { nodes { id } } }").await;
        for thing in &mut things {
            thing.insert(RunId::WHAT, text(&runs["sagaRuns"]["nodes"][0]["id"]));
            thing.insert(PlaceId::WHAT, of_nothing(PlaceId::WHAT));
        }
        let second = things.pop().unwrap();
        let first = things.pop().unwrap();
        Neighbourhood { market, first, second }
    }
}

/// Gives ids of `foreign` and of nothing to everything `caller` may ask that takes an id of these kinds, and says
/// how many it tried.
async fn cannot_tell_apart(
    city: &City,
    caller: &Client,
    own: &Things,
    foreign: &Things,
    kinds: &[&str],
) -> usize {
    let mut tried = 0;
    for slot in slots(&city.schema).iter().filter(|slot| kinds.contains(&slot.kind)) {
        let nothing = of_nothing(slot.kind);
        // Nor does a version that is not the one there is.
        for expected in [None, Some(7)] {
            let key = format!("{} {} {expected:?}", slot.field, slot.way.join("."));
            let ask = |id| Request { schema: &city.schema, slot, own, id, expected };
            let of_other = ask(&foreign[slot.kind]).answer(caller, &key, ANSWER_DEPTH).await;
            let of_none = ask(&nothing).answer(caller, &key, ANSWER_DEPTH).await;
            let code = &of_none["errors"][0]["extensions"]["code"];
            assert!(code != "BAD_ID" && code != "BAD_REQUEST", "{slot:?}: {of_none}");
            assert_eq!(of_other, of_none, "{slot:?} tells another's id from none, expecting {expected:?}");
        }
        tried += 1;
    }
    tried
}

/// The slots at which the caller's own id is answered no differently from an id of nothing. What stands `beside` it
/// is the caller's too, but is not ended by what is tried on the way.
async fn silent_slots(city: &City, caller: &Client, own: &Things, beside: &Things) -> Vec<String> {
    let mut silent = Vec::new();
    for slot in slots(&city.schema).iter().filter(|slot| slot.kind != PlaceId::WHAT) {
        let nothing = of_nothing(slot.kind);
        let ask = |id| Request { schema: &city.schema, slot, own: beside, id, expected: None };
        let key = |whose: &str| format!("{whose} {} {}", slot.field, slot.way.join("."));
        let of_none = ask(&nothing).answer(caller, &key("none"), ANSWER_DEPTH).await;
        let of_own = ask(&own[slot.kind]).answer(caller, &key("own"), ANSWER_DEPTH).await;
        if of_own == of_none {
            silent.push(format!("{} {}", slot.field, slot.way.join(".")));
        }
    }
    silent
}

#[tokio::test(flavor = "multi_thread")]
async fn s04_an_admin_cannot_tell_anything_of_another_tenant_from_nothing() {
    let city = City::open().await;
    let ours = Neighbourhood::open(&city, "ours").await;
    let theirs = Neighbourhood::open(&city, "theirs").await;
    let admin = &ours.market.admin;
    let before = city.log_of(&theirs.market.tenant).await.len();
    // The geography is everyone's.
    let kinds: Vec<&str> =
        KINDS.iter().map(|(kind, ..)| *kind).filter(|kind| *kind != PlaceId::WHAT).collect();
    let tried = cannot_tell_apart(&city, admin, &ours.first, &theirs.first, &kinds).await;
    assert!(tried >= 80, "only {tried} slots were tried");
    city.settle().await;
    assert_eq!(city.log_of(&theirs.market.tenant).await.len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn s04_nothing_an_admin_lists_or_counts_changes_with_another_tenant() {
    let city = City::open().await;
    let ours = Neighbourhood::open(&city, "ours").await;
    let everything = async || {
        city.settle().await;
        let mut answers = Vec::new();
        for field in city.schema.fields("Query").iter().filter(|field| !has_required(field)) {
            let selection = city.schema.selection(&base(&field["type"]), ANSWER_DEPTH);
            let query = format!("{{ {} {{ {selection} }} }}", text(&field["name"]));
            answers.push(ours.market.admin.respond(&query, &json!({})).await);
        }
        answers
    };
    let before = everything().await;
    let shown = before.iter().filter(|answer| !answer["data"].is_null()).count();
    assert!(shown > 20, "{before:#?}");
    Neighbourhood::open(&city, "theirs").await;
    for (after, before) in everything().await.iter().zip(&before) {
        assert_eq!(after, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s04_an_admins_own_ids_are_told_from_nothing_wherever_an_admin_may_give_one() {
    let city = City::open().await;
    let ours = Neighbourhood::open(&city, "ours").await;
    let silent = silent_slots(&city, &ours.market.admin, &ours.first, &ours.second).await;
    // What an admin of the city does, and tokens, which may be for anyone and show nothing to nobody.
    let elsewhere = [
        "developmentToken",
        "tenants",
        "suspendTenant",
        "resumeTenant",
        "startClosingTenant",
        "closeTenant",
        "changeTenantTier",
    ];
    let unexpected: Vec<_> =
        silent.iter().filter(|slot| !elsewhere.iter().any(|field| slot.starts_with(field))).collect();
    assert_eq!(unexpected, Vec::<&String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn s04_a_vendor_and_a_customer_cannot_tell_what_is_anothers_from_nothing() {
    let city = City::open().await;
    let ours = Neighbourhood::open(&city, "ours").await;
    let Neighbourhood { market, first, second } = &ours;
    let before = city.log_of(&market.tenant).await.len();
    let vendor = city.vendor_of(&market.tenant, &first[VendorId::WHAT]);
    let sold =
        [VendorId::WHAT, OfferId::WHAT, OrderId::WHAT, VendorOrderId::WHAT, PayoutId::WHAT, CustomerId::WHAT];
    assert!(cannot_tell_apart(&city, &vendor, first, second, &sold).await > 30);
    let customer = city.customer_of(&market.tenant, &first[CustomerId::WHAT]);
    let bought = [CustomerId::WHAT, OrderId::WHAT, VendorOrderId::WHAT, PayoutId::WHAT];
    assert!(cannot_tell_apart(&city, &customer, first, second, &bought).await > 10);
    assert_eq!(city.log_of(&market.tenant).await.len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn s04_a_vendor_and_a_customer_list_their_own_and_nothing_else() {
    let city = City::open().await;
    let ours = Neighbourhood::open(&city, "ours").await;
    let Neighbourhood { market, first, second } = &ours;
    let seller = city.vendor_of(&market.tenant, &first[VendorId::WHAT]);
    let buyer = city.customer_of(&market.tenant, &first[CustomerId::WHAT]);
    for (who, lists) in [
        (
            &seller,
            &[
                "vendors",
                "offers",
                "orderParts",
                "orderLines",
                "commissions",
                "vendorBalances",
                "ledgerEntries",
                "payouts",
            ][..],
        ),
        (&buyer, &["customers", "orders"][..]),
    ] {
        for field in lists {
            let shown =
                city.schema.selection(&base(&city.schema.field("Query", field)["type"]), ANSWER_DEPTH);
            let all = market.admin.ask(&format!("{{ {field} {{ {shown} }} }}")).await;
            let own = who.ask(&format!("{{ {field} {{ {shown} }} }}")).await;
            assert_eq!(all[field]["totalCount"], 2 * own[field]["totalCount"].as_u64().unwrap(), "{field}");
            for id in [&second[VendorId::WHAT], &second[CustomerId::WHAT], &second[OrderId::WHAT]] {
                assert!(!own.to_string().contains(id.as_str()), "{field} shows another's: {own}");
            }
        }
    }
    for field in ["orders", "customers", "commissionRules", "sagaRuns", "dueTimers", "tenantDays"] {
        assert_eq!(seller.refused(&format!("{{ {field} {{ totalCount }} }}")).await, "FORBIDDEN");
    }
    for field in
        ["vendors", "orderParts", "vendorBalances", "ledgerEntries", "payouts", "commissionRules", "sagaRuns"]
    {
        assert_eq!(buyer.refused(&format!("{{ {field} {{ totalCount }} }}")).await, "FORBIDDEN");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vendors_and_customers_see_of_what_they_share_only_what_is_theirs() {
    let city = City::open().await;
    let ours = Neighbourhood::open(&city, "ours").await;
    let Neighbourhood { market, first, .. } = &ours;
    let seller = city.vendor_of(&market.tenant, &first[VendorId::WHAT]);
    let sold = "{ vendors { nodes { contact { name } kyc } }
        orderParts { nodes { order { id } placed { commission { amount } } } } }";
    let sold = seller.ask(sold).await;
    assert_eq!(sold["vendors"]["nodes"], json!([{ "contact": { "name": "alma" }, "kyc": "VERIFIED" }]));
    for part in list(&sold["orderParts"]["nodes"]) {
        assert_eq!(part["order"], Value::Null);
        assert!(part["placed"]["commission"].is_object(), "{part}");
    }
    seller.does("shipPart", json!({ "part": first[VendorOrderId::WHAT] }), "").await;

    let bought = "{ customers { nodes { contact { name } } } orders { nodes {
        placed { payable { currency } commission { amount } earnings { amount } }
        parts { vendor { handle kyc contact { name } balances { currency } } lines { commission { percent } } } } } }";
    let as_seen_by = async |who: &Client| {
        let seen = who.ask(bought).await;
        (seen["customers"]["nodes"][0].clone(), list(&seen["orders"]["nodes"]).to_vec())
    };
    let buyer = city.customer_of(&market.tenant, &first[CustomerId::WHAT]);
    let (customer, orders) = as_seen_by(&buyer).await;
    assert_eq!((customer, orders.len()), (json!({ "contact": { "name": "Customer" } }), 2));
    for order in orders {
        let placed = json!({ "payable": { "currency": "EUR" }, "commission": null, "earnings": null });
        let vendor = json!({ "handle": "alma", "kyc": null, "contact": null, "balances": [] });
        let part = json!({ "vendor": vendor, "lines": [{ "commission": null }] });
        assert_eq!(order, json!({ "placed": placed, "parts": [part] }));
    }
    let (_, orders) = as_seen_by(&market.admin).await;
    assert_eq!(orders.len(), 4);
    for order in orders {
        assert!(
            order["placed"]["commission"].is_object() && order["placed"]["earnings"].is_object(),
            "{order}"
        );
        let part = &order["parts"][0];
        assert!(part["vendor"]["kyc"] == "VERIFIED" && part["vendor"]["contact"].is_object(), "{part}");
        assert_eq!(list(&part["vendor"]["balances"]).len(), 1, "{part}");
        assert!(part["lines"][0]["commission"].is_object(), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_found_by_the_e_mail_they_have_now_in_their_own_tenant_alone() {
    let city = City::open().await;
    let (ours, theirs) = (Market::open(&city, "ours").await, Market::open(&city, "theirs").await);
    let contact = |email: &str| json!({ "name": "Mira", "email": email });
    let register = async |market: &Market<'_>| {
        let mira = json!({ "contact": contact("Mira@Example.org") });
        market.admin.does("registerCustomer", mira, "customer { id }").await["customer"]["id"].take()
    };
    let (mira, namesake, neighbour) = (register(&ours).await, register(&ours).await, register(&theirs).await);
    let found = async |market: &Market<'_>, email: &str| {
        city.settle().await;
        let query = "query($email: String!) { customersByEmail(email: $email) { id } }";
        let found = market.admin.ask_with(query, &json!({ "email": email })).await;
        let mut ids: Vec<_> = list(&found["customersByEmail"]).iter().map(|one| text(&one["id"])).collect();
        ids.sort();
        ids
    };
    let mut both = vec![text(&mira), text(&namesake)];
    both.sort();
    assert_eq!(found(&ours, "mira@example.org").await, both);
    assert_eq!(found(&theirs, "mira@example.org").await, [text(&neighbour)]);
    let moved = json!({ "customer": mira, "contact": contact("new@example.org") });
    ours.admin.does("changeCustomerContact", moved, "").await;
    assert_eq!(found(&ours, "new@example.org").await, [text(&mira)]);
    assert_eq!(found(&ours, "mira@example.org").await, [text(&namesake)]);
    assert_eq!(found(&theirs, "new@example.org").await, Vec::<String>::new());
}
