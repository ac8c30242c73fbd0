//! A city to put questions to in tests: everything as it is served, in a directory of its own, under a clock that
//! stands. Nothing moves by itself: see [`City::settle`].

use crate::app::App;
use crate::context::{Caller, RequestContext, Role};
use crate::graphql::ids::Id;
use crate::graphql::{self, ids::Named};
use crate::settings::Settings;
use async_graphql::{Request, Response, Variables};
use chrono::DateTime;
use cityos_eventstore::clock::ManualClock;
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;
use uuid::Uuid;

/// The city.
pub struct City {
    app: App,
    _files: TempDir,
}

impl City {
    /// A new one, without tenants.
    pub async fn open() -> Self {
        let files = tempfile::tempdir().expect("a directory can be made");
        let settings = Settings { data_dir: files.path().into(), run_wait_ms: 0, ..Settings::default() };
        let noon = DateTime::from_timestamp(1_700_000_000, 0).expect("a moment");
        let app = App::open(settings, Arc::new(ManualClock::at(noon))).await.expect("the city opens");
        City { app, _files: files }
    }

    /// Lets everything that is due happen, and the read models see it.
    pub async fn settle(&self) {
        self.app.settle().await.expect("the city comes to rest");
    }

    /// What is answered to `caller`.
    pub async fn respond(&self, caller: &Caller, text: &str, variables: Value) -> Response {
        let request = Request::new(text).variables(Variables::from_json(variables));
        let correlation = Uuid::from_u128(1);
        let context = RequestContext { caller: Ok(caller.clone()), locale: None, correlation, traceparent: None };
        graphql::execute(self.app.schema(), self.app.services(), request, context).await
    }

    /// The data answered to `caller`, who is not refused.
    pub async fn ask(&self, caller: &Caller, text: &str, variables: Value) -> Value {
        let response = self.respond(caller, text, variables).await;
        assert!(response.errors.is_empty(), "{text}: {:?}", response.errors);
        response.data.into_json().expect("answers are JSON")
    }

    /// A mutation of one field with an input and a key, and what it answers.
    pub async fn tell(&self, caller: &Caller, field: &str, input: Value, key: &str, shown: &str) -> Value {
        let name = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
        let text = format!(
            "mutation($input: {name}!, $key: String!) {{ it: {field}(input: $input, idempotencyKey: $key) {{
                __typename ... on Rejection {{ code field }} ... on IdempotencyKeyReused {{ code }} {shown} }} }}"
        );
        self.ask(caller, &text, json!({ "input": input, "key": key })).await["it"].take()
    }

    /// A tenant that trades, and its admin.
    pub async fn tenant(&self, slug: &str) -> Caller {
        let input = json!({ "slug": slug, "name": [{ "locale": "en", "text": slug }], "zone": "Europe/Berlin",
            "locale": "en", "currency": "EUR" });
        let shown = "... on TenantChanged { tenant { id } }";
        let made = self.tell(&caller(Role::PlatformAdmin), "createTenant", input, slug, shown).await;
        self.settle().await;
        let tenant = known(&made["tenant"]["id"]);
        Caller { tenant: Some(tenant), ..caller(Role::TenantAdmin) }
    }

    /// A vendor of a tenant that may sell and be paid, and whoever acts for it.
    pub async fn vendor(&self, admin: &Caller, handle: &str) -> (String, Caller) {
        let introduction = json!({ "handle": handle, "name": [{ "locale": "en", "text": handle }] });
        let shown = "... on VendorChanged { vendor { id evidence } }";
        let key = |step: &str| format!("{handle} {step}");
        let input = json!({ "introduction": introduction });
        let invited = self.tell(admin, "inviteVendor", input, &key("invited"), shown).await;
        let id = invited["vendor"]["id"].clone();
        self.settle().await;
        let text = format!(
            "mutation($vendor: ID!, $key: String!) {{
                submitVendorForReview(input: {{ vendor: $vendor }}, idempotencyKey: $key) {{ {shown} }}
                changeVendorKyc(input: {{ vendor: $vendor, status: VERIFIED, reason: \"seen\" }},
                    idempotencyKey: $key) {{ __typename }} }}"
        );
        let variables = json!({ "vendor": id, "key": key("submitted") });
        let submitted = self.ask(admin, &text, variables).await;
        let evidence = &submitted["submitVendorForReview"]["vendor"]["evidence"];
        let input = json!({ "vendor": id, "evidence": evidence });
        self.tell(admin, "approveVendor", input, &key("approved"), shown).await;
        self.settle().await;
        let vendor = Some(known(&id));
        let seller = Caller { tenant: admin.tenant, vendor, ..caller(Role::Vendor) };
        (id.as_str().expect("an id").into(), seller)
    }
}

fn caller(role: Role) -> Caller {
    Caller { subject: format!("{role:?}"), roles: [role].into(), tenant: None, vendor: None, customer: None }
}

fn known<T: Named>(id: &Value) -> T {
    let Id(id) = id.as_str().and_then(Id::decode).expect("an id of such a thing");
    id
}
