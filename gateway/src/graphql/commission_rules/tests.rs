use crate::graphql::rehearsal::City;
use serde_json::{Value, json};

const SHOWN: &str = "... on CommissionRulesChanged { version replayed book { unreachable rules { id name enabled
    fee { __typename ... on PercentFee { percent caps { amount } } ... on PerUnitFee { amounts { amount currency } }
        ... on TieredFee { mode tiers { above { amount } percent } } } } } }";

fn percent(percent: &str) -> Value {
    json!({ "percent": { "percent": percent } })
}

#[tokio::test]
async fn a_rule_for_everything_on_top_is_taken_with_a_warning_about_those_below() {
    let city = City::open().await;
    let admin = city.tenant("bakers").await;
    let category = json!({ "name": [{ "locale": "en", "text": "Electronics" }] });
    let made = city.tell(&admin, "createProductCategory", category, "electronics",
        "... on ProductCategoryChanged { productCategory { id } }").await;
    let category = &made["productCategory"]["id"];
    city.settle().await;

    let per_unit = json!({ "perUnit": { "amounts": [{ "amount": "2.00", "currency": "USD" }] } });
    let tiers = json!([{ "above": { "amount": "0", "currency": "EUR" }, "percent": "8" },
        { "above": { "amount": "1000", "currency": "EUR" }, "percent": "6.5" }]);
    let rules = [
        json!({ "name": "flat", "fee": per_unit }),
        json!({ "name": "electronics", "productCategories": [category],
            "fee": { "tiered": { "mode": "MARGINAL", "tiers": tiers } } }),
    ];
    for rule in rules {
        let key = rule["name"].as_str().expect("a name").to_owned();
        let added = city.tell(&admin, "addCommissionRule", rule, &key, SHOWN).await;
        assert_eq!(added["book"]["unreachable"], json!([]), "{key}");
    }
    let all = json!({ "name": "all", "fee": { "percent": { "percent": "12.5",
        "caps": [{ "amount": "5", "currency": "USD" }] } } });
    let added = city.tell(&admin, "addCommissionRule", all.clone(), "all", SHOWN).await;
    let rules = added["book"]["rules"].as_array().expect("rules");
    let names: Vec<_> = rules.iter().map(|rule| rule["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["all", "electronics", "flat", "catch-all"]);
    let below: Vec<_> = rules[1..].iter().map(|rule| rule["id"].clone()).collect();
    let enabled = rules[1..].iter().filter(|rule| rule["enabled"] == true);
    let enabled: Vec<_> = enabled.map(|rule| rule["id"].clone()).collect();
    assert_eq!(added["book"]["unreachable"], json!(enabled), "of {below:?}");
    assert_eq!(rules[0]["fee"], json!({ "__typename": "PercentFee", "percent": "12.5", "caps": [{ "amount": "5.00" }] }));
    assert_eq!(rules[1]["fee"]["tiers"][1], json!({ "above": { "amount": "1000.00" }, "percent": "6.5" }));
    assert_eq!(rules[2]["fee"]["amounts"], json!([{ "amount": "2.00", "currency": "USD" }]));

    let changed = city.tell(&admin, "changeCatchAllCommission", json!({ "fee": percent("10") }), "last", SHOWN).await;
    assert_eq!(changed["book"]["rules"][3]["fee"]["percent"], "10");
    let mut again = city.tell(&admin, "addCommissionRule", all, "all", SHOWN).await;
    assert_eq!(again["replayed"].take(), true);
    let mut first = added.clone();
    first["replayed"].take();
    assert_eq!(again, first, "a repeated mutation answers as the first time");

    city.settle().await;
    let listed = city.ask(&admin, "{ commissionRules { totalCount edges { node { name } } } }", json!({})).await;
    assert_eq!(listed["commissionRules"]["totalCount"], 4);
    assert_eq!(listed["commissionRules"]["edges"][0]["node"]["name"], "all");
}

#[tokio::test]
async fn a_fee_that_is_none_is_refused_and_named() {
    let city = City::open().await;
    let admin = city.tenant("bakers").await;
    let twice = json!([{ "amount": "1", "currency": "EUR" }, { "amount": "2", "currency": "EUR" }]);
    for (fee, field) in [
        (percent("ten"), "fee.percent.percent"),
        (percent("100.1"), "fee"),
        (json!({ "percent": { "percent": "1", "caps": twice } }), "fee.percent.caps"),
        (json!({ "perUnit": { "amounts": [] } }), "fee"),
        (json!({ "perUnit": { "amounts": [{ "amount": "0.001", "currency": "EUR" }] } }), "fee.perUnit.amounts.amount"),
    ] {
        let input = json!({ "name": "some", "fee": fee });
        let refused = city.tell(&admin, "addCommissionRule", input, "some", SHOWN).await;
        assert_eq!((&refused["__typename"], &refused["field"]), (&json!("Rejection"), &json!(field)), "{refused}");
    }
}
