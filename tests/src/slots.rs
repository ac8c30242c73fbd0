//! Where the schema takes ids, found by walking it; and requests that put one id in one such place and fill in what
//! else must be given.

use crate::callers::Client;
use crate::city::named;
use crate::schema::{Schema, base, is_list, is_required, list, text, written};
use cityos_domain::ids::{
    CustomerId, OfferId, OrderId, PayoutId, PlaceId, ProductCategoryId, ProductId, RuleId, RunId, StoreId,
    TenantId, VendorId, VendorOrderId,
};
use cityos_gateway::graphql::ids::{Id, Named};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// How deep inputs nest.
const INPUT_DEPTH_MAX: usize = 4;

/// A kind of thing: its name in ids, how an id of none of them is made, and what an id is without its kind.
type Kind = (&'static str, fn() -> String, fn(&str) -> Uuid);

/// All kinds that have ids.
pub const KINDS: [Kind; 13] = [
    kind::<PlaceId>(),
    kind::<TenantId>(),
    kind::<StoreId>(),
    kind::<VendorId>(),
    kind::<CustomerId>(),
    kind::<ProductCategoryId>(),
    kind::<ProductId>(),
    kind::<OfferId>(),
    kind::<OrderId>(),
    kind::<VendorOrderId>(),
    kind::<RuleId>(),
    kind::<PayoutId>(),
    kind::<RunId>(),
];

const fn kind<T: Named>() -> Kind {
    (T::WHAT, fresh::<T>, bare::<T>)
}

fn fresh<T: Named>() -> String {
    Id(T::from(Uuid::new_v4())).encode()
}

fn bare<T: Named>(id: &str) -> Uuid {
    named::<T>(id).into()
}

fn kind_named(kind: &str) -> &'static Kind {
    KINDS.iter().find(|(name, ..)| *name == kind).expect("it is a kind")
}

/// An id of a thing of this kind that does not exist.
pub fn of_nothing(kind: &str) -> String {
    kind_named(kind).1()
}

/// Ids by kind.
pub type Things = BTreeMap<&'static str, String>;

/// Somewhere in the schema an id is taken: the root's field, and the way from its arguments to the id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    /// `Query` or `Mutation`.
    pub root: &'static str,
    /// The root's field.
    pub field: String,
    /// The way from an argument to the id; empty where no id is looked for.
    pub way: Vec<String>,
    /// What the id is of.
    pub kind: &'static str,
}

/// Every place of the schema that takes an id.
pub fn slots(schema: &Schema) -> Vec<Slot> {
    let mut slots = Vec::new();
    for root in ["Query", "Mutation"] {
        for field in schema.fields(root) {
            let name = text(&field["name"]);
            for argument in list(&field["args"]) {
                for way in ways(schema, argument, 0) {
                    let kind = kind_of(&name, &way);
                    slots.push(Slot { root, field: name.clone(), way, kind });
                }
            }
        }
    }
    slots
}

fn ways(schema: &Schema, argument: &Value, depth: usize) -> Vec<Vec<String>> {
    let (name, kind) = (text(&argument["name"]), base(&argument["type"]));
    if kind == "ID" {
        return vec![vec![name]];
    }
    if depth == INPUT_DEPTH_MAX {
        return Vec::new();
    }
    let below =
        list(&schema.named(&kind)["inputFields"]).iter().flat_map(|field| ways(schema, field, depth + 1));
    below.map(|way| [vec![name.clone()], way].concat()).collect()
}

/// What an id is of. A wrong guess is refused as `BAD_ID` and fails the test: whoever adds a field adds it here.
fn kind_of(field: &str, way: &[String]) -> &'static str {
    let last = way.last().expect("a way leads somewhere").as_str();
    match (field, last) {
        ("orderPart", "id") => VendorOrderId::WHAT,
        ("productCategory", "id") => ProductCategoryId::WHAT,
        (
            "sagaRun" | "sagaRuns" | "sagaRunRepairs" | "retrySagaRun" | "compensateSagaRun"
            | "skipSagaRunStep" | "abandonSagaRun" | "repairSagaRuns",
            "id",
        ) => RunId::WHAT,
        ("commissionRules", "id") => RuleId::WHAT,
        (name, "id") => of_name(name),
        ("productCategories" | "createProductCategory", "parent") => ProductCategoryId::WHAT,
        (_, "parent" | "subcategory" | "place") => PlaceId::WHAT,
        (_, "category" | "productCategory" | "productCategories") => ProductCategoryId::WHAT,
        (_, "part") => VendorOrderId::WHAT,
        (_, "rule") => RuleId::WHAT,
        (_, "settledBy") => PayoutId::WHAT,
        (_, name) => of_name(name.trim_end_matches('s')),
    }
}

fn of_name(name: &str) -> &'static str {
    let known = KINDS.iter().find(|(kind, ..)| *kind == name);
    known.unwrap_or_else(|| panic!("`{name}` names no kind of thing: tell this test what it is of")).0
}

/// A request to one field with one id in it; everything else it takes is the caller's own or fits.
pub struct Request<'a> {
    /// The API's schema.
    pub schema: &'a Schema,
    /// Where the id goes.
    pub slot: &'a Slot,
    /// What stands at every other place that must have an id.
    pub own: &'a Things,
    /// The id.
    pub id: &'a str,
    /// The version a mutation expects, if it says so.
    pub expected: Option<u64>,
}

impl Request<'_> {
    fn variables(&self, key: &str) -> Value {
        let arguments = list(&self.schema.field(self.slot.root, &self.slot.field)["args"]);
        let mut variables = self.filled(arguments, &[]);
        if variables.contains_key("idempotencyKey") {
            variables.insert("idempotencyKey".into(), json!(key));
            variables.extend(self.expected.map(|version| ("expectedVersion".into(), json!(version))));
        }
        Value::Object(variables)
    }

    fn filled(&self, arguments: &[Value], above: &[String]) -> Map<String, Value> {
        let mut filled = Map::new();
        for argument in arguments {
            let way = [above, &[text(&argument["name"])]].concat();
            // An admin says who buys.
            let buyer = self.slot.field == "placeOrder" && way.last().is_some_and(|name| name == "customer");
            if is_required(argument) || buyer || self.slot.way.starts_with(&way) {
                filled.insert(text(&argument["name"]), self.value(argument, &way));
            }
        }
        if filled.is_empty() && !above.is_empty() {
            // Exactly one of an input's fields is wanted.
            let first = &arguments[0];
            filled
                .insert(text(&first["name"]), self.value(first, &[above, &[text(&first["name"])]].concat()));
        }
        filled
    }

    fn value(&self, argument: &Value, way: &[String]) -> Value {
        let kind = base(&argument["type"]);
        let value = match self.schema.named(&kind)["kind"].as_str() {
            Some("INPUT_OBJECT") => {
                Value::Object(self.filled(list(&self.schema.named(&kind)["inputFields"]), way))
            }
            // The role that goes with whom a token is for.
            Some("ENUM") if kind == "Role" => match self.slot.way.last().map(String::as_str) {
                Some("vendor") => json!("VENDOR"),
                Some("customer") => json!("CUSTOMER"),
                Some(_) | None => json!("TENANT_ADMIN"),
            },
            Some("ENUM") => self.schema.named(&kind)["enumValues"][0]["name"].clone(),
            Some(_) | None if kind == "ID" && way == self.slot.way => json!(self.id),
            Some(_) | None if kind == "ID" => json!(self.own[kind_of(&self.slot.field, way)]),
            Some(_) | None => fitting(&text(&argument["name"]), &kind),
        };
        if is_list(&argument["type"]) { json!([value]) } else { value }
    }

    fn document(&self, depth: usize) -> String {
        let Slot { root, field, .. } = self.slot;
        let this = self.schema.field(root, field);
        let variables = self.variables("");
        let given: Vec<&Value> =
            list(&this["args"]).iter().filter(|it| variables.get(text(&it["name"])).is_some()).collect();
        let declared: Vec<_> =
            given.iter().map(|it| format!("${}: {}", text(&it["name"]), written(&it["type"]))).collect();
        let passed: Vec<_> = given.iter().map(|it| format!("{0}: ${0}", text(&it["name"]))).collect();
        // A token is another at every call and names whom it is for: what it says stands beside it.
        let shown = match field.as_str() {
            "developmentToken" => {
                "__typename ... on DevelopmentTokenIssued { caller { tenantId vendorId customerId } }".into()
            }
            _ => self.schema.selection(&base(&this["type"]), depth),
        };
        let (kind, declared, passed) = (root.to_lowercase(), in_brackets(&declared), in_brackets(&passed));
        format!("{kind}{declared} {{ {field}{passed} {{ {shown} }} }}")
    }

    /// What is answered to it under an idempotency key, `depth` levels down, with the id made unrecognisable.
    pub async fn answer(&self, client: &Client, key: &str, depth: usize) -> Value {
        let (_, body) = client.send(&self.document(depth), &self.variables(key)).await;
        let bare = kind_named(self.slot.kind).2(self.id);
        let body = body.replace(self.id, "THE-ID").replace(&bare.to_string(), "THE-ID");
        serde_json::from_str(&body).expect("the answer is JSON")
    }
}

/// A value that a field of this name takes.
fn fitting(name: &str, kind: &str) -> Value {
    match (name, kind) {
        ("amount", _) => json!("1.00"),
        ("currency" | "currencies", _) => json!("EUR"),
        ("countries", _) => json!("DE"),
        ("timeZone", _) => json!("Europe/Berlin"),
        ("locale" | "locales", _) => json!("en"),
        ("percent", _) => json!("5"),
        (_, "Int") => json!(1),
        (_, "Boolean") => json!(true),
        (_, _) => json!("fitting"),
    }
}

fn in_brackets(parts: &[String]) -> String {
    if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) }
}
