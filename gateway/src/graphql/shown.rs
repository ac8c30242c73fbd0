//! Objects most of whose fields are there already. The library gives every field a task of its own, although few wait
//! for anything: here a field is asked at once, and only what is not there yet becomes something to wait for.

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::{ContainerType, resolve_container};
use async_graphql::{ContextSelectionSet, Name, OutputType, Positioned, ServerResult, Value};
use futures_util::future::{BoxFuture, join_all};
use futures_util::poll;
use std::borrow::Cow;
use std::task::Poll;

/// An object, shown: in the schema the same as what is in it.
pub struct Shown<T>(pub T);

impl<T: ContainerType> OutputType for Shown<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        // Boxed, as objects lie below each other both ways.
        let resolving: BoxFuture<'_, _> = Box::pin(self.resolve_fields(ctx));
        resolving.await
    }
}

impl<T: ContainerType> Shown<T> {
    async fn resolve_fields(&self, ctx: &ContextSelectionSet<'_>) -> ServerResult<Value> {
        let mut asked = Asked::default();
        if !asked.collect(&T::type_name(), ctx, ctx.item) {
            return resolve_container(ctx, &self.0).await;
        }
        let Asked { fields, mut answer } = asked;
        let (mut waiting, mut failed, mut room) = (Vec::new(), Vec::new(), None);
        let mut put = |at, resolved| match resolved {
            Ok(value) => answer[at] = value,
            Err(error) => {
                failed.push(at);
                ctx.add_error(error);
            }
        };
        for (at, field) in fields {
            let resolve = async move {
                let ctx = ctx.with_field(field);
                Ok(self.0.resolve_field(&ctx).await?.unwrap_or_default())
            };
            let mut resolving = room.take().unwrap_or_else(|| Box::pin(None));
            resolving.as_mut().set(Some(resolve));
            match poll!(resolving.as_mut().as_pin_mut().expect("it was set")) {
                Poll::Ready(resolved) => {
                    put(at, resolved);
                    room = Some(resolving);
                }
                Poll::Pending => waiting
                    .push(async move { (at, resolving.as_mut().as_pin_mut().expect("it was set").await) }),
            }
        }
        for (at, resolved) in join_all(waiting).await {
            put(at, resolved);
        }
        // As the library has it: what failed is left out, and where nothing is left there is null.
        if !failed.is_empty() {
            let mut at = 0..;
            answer.retain(|_, _| !at.next().is_some_and(|at| failed.contains(&at)));
        }
        Ok(if answer.is_empty() { Value::Null } else { Value::Object(answer) })
    }
}

/// What is asked for of an object.
#[derive(Default)]
struct Asked<'a> {
    /// The fields to resolve, each with its place in the answer.
    fields: Vec<(usize, &'a Positioned<Field>)>,
    /// The answer, with null where nothing is resolved yet.
    answer: IndexMap<Name, Value>,
}

impl<'a> Asked<'a> {
    /// Collects the fields of an object of type `own`. False where it takes more than to ask for one after the other: a
    /// field that is asked for twice, with something of it here and something there.
    fn collect(
        &mut self,
        own: &str,
        ctx: &ContextSelectionSet<'a>,
        set: &'a Positioned<SelectionSet>,
    ) -> bool {
        set.node.items.iter().all(|selection| match &selection.node {
            Selection::Field(field) => {
                let typename = field.node.name.node == "__typename";
                let value = if typename { Value::String(own.into()) } else { Value::Null };
                let (at, before) = self.answer.insert_full(field.node.response_key().node.clone(), value);
                if !typename {
                    self.fields.push((at, field));
                }
                before.is_none()
            }
            Selection::FragmentSpread(spread) => {
                let fragment = ctx.query_env.fragments.get(&spread.node.fragment_name.node);
                fragment.is_some_and(|fragment| {
                    fragment.node.type_condition.node.on.node == own
                        && self.collect(own, ctx, &fragment.node.selection_set)
                })
            }
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref();
                condition.is_none_or(|condition| condition.node.on.node == own)
                    && self.collect(own, ctx, &fragment.node.selection_set)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema, SimpleObject};
    use std::sync::Arc;
    use tokio::sync::Barrier;

    #[derive(SimpleObject)]
    struct Price {
        amount: i32,
        currency: &'static str,
    }

    struct Shop(Arc<Barrier>);

    #[Object]
    impl Shop {
        async fn name(&self) -> &str {
            "Padaria"
        }

        async fn price(&self, #[graphql(default = 1)] times: i32) -> Shown<Price> {
            Shown(Price { amount: times, currency: "BRL" })
        }

        async fn prices(&self) -> Vec<Shown<Price>> {
            (1..=2).map(|amount| Shown(Price { amount, currency: "BRL" })).collect()
        }

        /// Waits for somebody who waits too.
        async fn waiting(&self) -> bool {
            self.0.wait().await;
            true
        }

        async fn failing(&self) -> Result<i32, &'static str> {
            Err("closed")
        }
    }

    struct Root;

    #[Object]
    impl Root {
        async fn own(&self) -> Shop {
            Shop(Arc::new(Barrier::new(2)))
        }

        async fn shown(&self) -> Shown<Shop> {
            Shown(Shop(Arc::new(Barrier::new(2))))
        }
    }

    /// What is answered, and that the library answers the same.
    async fn answered(asked: &str, rest: &str) -> String {
        let schema = Schema::new(Root, EmptyMutation, EmptySubscription);
        let [library, ours] = ["own", "shown"].map(|root| {
            let schema = schema.clone();
            let query = format!("{{ root: {root} {{ {asked} }} }} {rest}");
            async move { serde_json::to_string(&schema.execute(query).await).unwrap() }
        });
        let ours = ours.await;
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["data"].clone();
        assert_eq!(read(&library.await), read(&ours));
        ours
    }

    #[tokio::test]
    async fn fields_are_answered_in_the_order_they_are_asked_for() {
        let asked = "__typename price(times: 2) { currency amount } ...named ... on Shop { also: name } prices { amount }";
        assert_eq!(
            answered(asked, "fragment named on Shop { name }").await,
            r#"{"data":{"root":{"__typename":"Shop","price":{"currency":"BRL","amount":2},"name":"Padaria","also":"Padaria","prices":[{"amount":1},{"amount":2}]}}}"#
        );
    }

    #[tokio::test]
    async fn what_is_asked_for_in_two_places_is_put_together() {
        let asked = "price { amount } prices { amount } ...again name name";
        let rest = "fragment again on Shop { prices { currency } price { currency } }";
        let answer: serde_json::Value = serde_json::from_str(&answered(asked, rest).await).unwrap();
        let price = serde_json::json!({ "amount": 1, "currency": "BRL" });
        assert_eq!(answer["data"]["root"]["price"], price);
        assert_eq!(answer["data"]["root"]["prices"][0], price);
    }

    #[tokio::test]
    async fn fields_that_wait_do_not_wait_for_each_other() {
        let asked = "first: waiting name second: waiting";
        let expected = r#"{"data":{"root":{"first":true,"name":"Padaria","second":true}}}"#;
        assert_eq!(answered(asked, "").await, expected);
    }

    #[tokio::test]
    async fn what_fails_is_told_with_its_place_and_leaves_the_rest() {
        let answer: serde_json::Value =
            serde_json::from_str(&answered("failing name again: failing", "").await).unwrap();
        assert_eq!(answer["data"]["root"], serde_json::json!({ "name": "Padaria" }));
        let paths: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| &error["path"]).collect();
        assert_eq!(paths, [&serde_json::json!(["root", "failing"]), &serde_json::json!(["root", "again"])]);
    }
}
