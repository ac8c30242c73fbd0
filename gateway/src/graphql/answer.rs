//! What mutations answer: the thing as it became, or one of the ways the rules have to say no. Every mutation is
//! an intention given once per idempotency key; its answer is folded from the log up to where it got, so that a
//! repeated mutation answers as the first time.

use crate::access::{self, Action, Admitted, Own};
use crate::graphql::connection::Node;
use crate::graphql::history::row_at;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::{Freshness, Scope, Services, request, services, wait_for_reads};
use async_graphql::{Context, SimpleObject, Value};
use cityos_domain::event::Kind;
use cityos_domain::foundation::tenant::UnlessClosed;
use cityos_domain::ids::{CommandId, TenantId, derive};
use cityos_domain::log::{Actor, Meta, Origin, Partition, Position, StreamId, Version};
use cityos_domain::rejection::Rejected;
use cityos_domain::text::Reason;
use cityos_domain::workspace::Intention;
use cityos_eventstore::executor::{Command, ExecuteError, Executed};
use cityos_eventstore::keys::Key;
use cityos_eventstore::store::InputHash;
use cityos_projections::ReadStore;
use cityos_projections::model::KeyOf;
use std::sync::Arc;

/// The longest idempotency key, in characters.
const KEY_CHARS_MAX: usize = 255;

/// The rules say no.
#[derive(Clone, PartialEq, Eq, Debug, SimpleObject)]
pub struct Rejection {
    /// Stable: programs may depend on it.
    pub code: String,
    /// For people.
    pub message: String,
    /// The input field it is about, where it is about one.
    pub field: Option<String>,
}

impl From<Rejected> for Rejection {
    fn from(Rejected { code, message, field }: Rejected) -> Self {
        Rejection { code, message, field }
    }
}

/// The thing has changed since the caller looked at it.
#[derive(Clone, PartialEq, Eq, Debug, SimpleObject)]
pub struct VersionConflict {
    /// `VERSION_CONFLICT`.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// The version it has now.
    pub current_version: u64,
}

/// The idempotency key was used for another input before.
#[derive(Clone, PartialEq, Eq, Debug, SimpleObject)]
pub struct IdempotencyKeyReused {
    /// `IDEMPOTENCY_KEY_REUSED`.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// The ways the rules have to say no.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Denied {
    /// By a rule.
    Rejection(Rejection),
    /// By what changed meanwhile.
    VersionConflict(VersionConflict),
    /// By what the key was used for.
    IdempotencyKeyReused(IdempotencyKeyReused),
}

impl Denied {
    /// The thing is at this version by now.
    pub fn moved(current: Version) -> Self {
        let current_version = current.0;
        let message = format!("it is at version {current_version} by now");
        Denied::VersionConflict(VersionConflict { code: "VERSION_CONFLICT", message, current_version })
    }

    fn reused() -> Self {
        let message = "this idempotency key was used with another input before".into();
        Denied::IdempotencyKeyReused(IdempotencyKeyReused { code: "IDEMPOTENCY_KEY_REUSED", message })
    }
}

impl From<Rejected> for Denied {
    fn from(rejected: Rejected) -> Self {
        Denied::Rejection(rejected.into())
    }
}

/// The streams of one kind a mutation wrote, and the versions they reached.
pub fn written(reached: &Executed, kind: Kind) -> impl Iterator<Item = (StreamId, Version)> {
    reached.versions.iter().copied().filter(move |(stream, _)| stream.kind == kind)
}

/// The thing a mutation was about, as it became.
pub struct Changed<N> {
    /// It.
    pub node: N,
    /// The version of its stream.
    pub version: Version,
    /// Where the mutation got.
    pub reached: Executed,
}

/// A mutation by a caller who may.
pub struct Mutation<'a> {
    /// The services of this server.
    pub services: &'a Arc<Services>,
    /// The caller.
    pub admitted: Admitted,
    action: Action,
    key: String,
    meta: Meta,
    input: InputHash,
    after_closing: bool,
    freshness: &'a Freshness,
}

impl<'a> Mutation<'a> {
    /// Admits the caller to `action` in the partition the access table names.
    pub fn begin(ctx: &Context<'a>, action: Action, idempotency_key: &str) -> Result<Self, Refusal> {
        let admitted = access::admit(request(ctx), action)?;
        let key = idempotency_key.to_owned();
        if key.is_empty() || key.chars().count() > KEY_CHARS_MAX {
            let rule = format!("an idempotency key has 1 to {KEY_CHARS_MAX} characters");
            return Err(Refusal::BadArgument(rule));
        }
        let request = request(ctx);
        let services = services(ctx);
        let actor = admitted.caller.actor();
        let command = command_id(admitted.partition, &actor, action, &key);
        let meta = Meta {
            correlation: request.correlation,
            traceparent: request.traceparent.clone(),
            locale: request.locale.clone(),
            ..Meta::of(command, actor, Origin::Live)
        };
        let input = hash_input(ctx, &services.input_key)?;
        let freshness = ctx.data_unchecked::<Freshness>();
        Ok(Mutation { services, admitted, action, key, meta, input, after_closing: false, freshness })
    }

    /// The same, in the partition of one tenant: what an admin of the city does to it.
    pub fn on_tenant(&self, tenant: TenantId) -> Self {
        let partition = Partition::Tenant(tenant);
        let admitted = Admitted { partition, ..self.admitted.clone() };
        let command = command_id(partition, &self.meta.actor, self.action, &self.key);
        let meta = Meta { command, ..self.meta.clone() };
        let key = self.key.clone();
        Mutation { admitted, key, meta, ..*self }
    }

    /// The same, for a reason that stands in the log with it.
    pub fn because(&self, reason: &Reason) -> Self {
        let meta = Meta { reason: Some(reason.into()), ..self.meta.clone() };
        let (admitted, key) = (self.admitted.clone(), self.key.clone());
        Mutation { admitted, key, meta, ..*self }
    }

    /// The same, also where a tenant is over: for what winds up what it left behind.
    pub fn after_closing(&self) -> Self {
        let (admitted, key, meta) = (self.admitted.clone(), self.key.clone(), self.meta.clone());
        Mutation { admitted, key, meta, after_closing: true, ..*self }
    }

    /// What is shown below the answer must be as new as this place.
    pub fn answered_at(&self, position: Position) {
        self.freshness.need(position);
    }

    /// The command: what it creates is named after it.
    pub fn command(&self) -> CommandId {
        self.meta.command
    }

    /// What stands on every event it leads to.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// What the caller may see and touch.
    pub fn own(&self) -> Own {
        self.admitted.own
    }

    /// Where everything happens.
    pub fn partition(&self) -> Partition {
        self.admitted.partition
    }

    /// What the answer shows is looked for here.
    pub fn scope(&self) -> Scope {
        Scope::from(&self.admitted)
    }

    /// Does it, once, and where a tenant is over not at all, unless it is meant for [then](Self::after_closing). The intention is made from the input, which may turn out
    /// not to fit.
    pub async fn give<I: Intention>(
        &self,
        intention: Result<I, Rejected>,
        expected: Option<(StreamId, Version)>,
    ) -> Result<Result<Executed, Denied>, Refusal> {
        let executor = &self.services.executor;
        let intention = match intention {
            Ok(intention) => UnlessClosed(intention),
            Err(rejected) => return self.unless_done(rejected).await,
        };
        let command = Command {
            partition: self.partition(),
            at: executor.clock().now(),
            meta: self.meta.clone(),
            input: self.input,
            expected,
        };
        let intention: &dyn Intention = if self.after_closing { &intention.0 } else { &intention };
        match executor.execute(&command, intention).await {
            Ok(done) => {
                self.answered_at(done.position);
                Ok(Ok(done))
            }
            Err(ExecuteError::Rejected(rejected)) => Ok(Err(rejected.into())),
            Err(ExecuteError::VersionConflict { current, .. }) => Ok(Err(Denied::moved(current))),
            Err(ExecuteError::KeyReused) => Ok(Err(Denied::reused())),
            Err(
                error @ (ExecuteError::Contended
                | ExecuteError::TooWide
                | ExecuteError::Unwritable(_)
                | ExecuteError::Store(_)),
            ) => Err(undone(error)),
        }
    }

    /// An input that does not fit says so, unless its key stands for one that did.
    async fn unless_done(&self, rejected: Rejected) -> Result<Result<Executed, Denied>, Refusal> {
        Ok(Err(if self.is_done().await? { Denied::reused() } else { rejected.into() }))
    }

    /// Whether it was done before, with whatever input.
    pub async fn is_done(&self) -> Result<bool, Refusal> {
        let store = self.services.executor.store();
        let receipt = store.receipt(self.partition(), self.command()).await.map_err(Refusal::failed)?;
        Ok(receipt.is_some())
    }

    /// The read models, when they have come to all that was written before this mutation.
    pub async fn reads_now(&self) -> Result<&ReadStore, Refusal> {
        let Services { executor, reads, .. } = &**self.services;
        wait_for_reads(self.services, executor.store().head().await.map_err(Refusal::failed)?).await?;
        Ok(reads)
    }

    /// Does it and answers with the row of `key` as it became, folded from `streams`. The first of them is the
    /// thing's own: its version is the answer's, and what the caller may have expected.
    pub async fn answer<N: Node, I: Intention>(
        &self,
        intention: Result<I, Rejected>,
        expected_version: Option<u64>,
        key: KeyOf<N::Model>,
        streams: &[StreamId],
    ) -> Result<Result<Changed<N>, Denied>, Refusal> {
        let expected = expected_version.map(|version| (streams[0], Version(version)));
        let reached = match self.give(intention, expected).await? {
            Ok(reached) => reached,
            Err(denied) => return Ok(Err(denied)),
        };
        Ok(Ok(self.shown(key, streams, reached).await?))
    }

    /// The row of `key` as it was at the place reached.
    pub async fn shown<N: Node>(
        &self,
        key: KeyOf<N::Model>,
        streams: &[StreamId],
        reached: Executed,
    ) -> Result<Changed<N>, Refusal> {
        let store = self.services.executor.store().as_ref();
        let (row, version) = row_at::<N>(store, streams, reached.position, &key).await?;
        let row = row.ok_or_else(|| Refusal::failed("what was done left no row"))?;
        Ok(Changed { node: N::show(self.scope(), row), version, reached })
    }
}

/// What a command that was not done means to whoever asked, where it is not the rules that said no.
pub fn undone(error: ExecuteError) -> Refusal {
    match error {
        ExecuteError::Contended => Refusal::Contended,
        ExecuteError::Store(cause) => Refusal::Unavailable(Arc::new(cause)),
        error @ (ExecuteError::Rejected(_)
        | ExecuteError::VersionConflict { .. }
        | ExecuteError::KeyReused
        | ExecuteError::TooWide
        | ExecuteError::Unwritable(_)) => Refusal::failed(error),
    }
}

/// The same caller, mutation and key in the same partition are the same command.
fn command_id(partition: Partition, actor: &Actor, action: Action, key: &str) -> CommandId {
    CommandId(derive(&["command", &partition.to_string(), &actor.0, action.field(), key]))
}

/// A keyed hash of the input as it came, whatever the order of its fields.
fn hash_input(ctx: &Context<'_>, key: &Key) -> Result<InputHash, Refusal> {
    let arguments = ctx.field().arguments().map_err(|error| Refusal::BadArgument(error.message))?;
    let input = arguments.into_iter().find(|(name, _)| name == "input").map(|(_, value)| value);
    let mut text = String::new();
    canonical(&input.unwrap_or_default(), &mut text);
    Ok(InputHash(key.hash(&[text.as_bytes()])))
}

fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::List(values) => {
            text.push('[');
            for value in values {
                canonical(value, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|left, right| left.0.cmp(right.0));
            text.push('{');
            for (name, value) in fields {
                text.push_str(name);
                text.push(':');
                canonical(value, text);
                text.push(',');
            }
            text.push('}');
        }
        // In a query an enum's value is a name, in a variable a text: the same input.
        Value::Enum(name) => text.push_str(&serde_json::Value::from(name.as_str()).to_string()),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Boolean(_) | Value::Binary(_) => {
            text.push_str(&value.to_string());
        }
    }
}

/// Declares what the mutations of one kind of thing answer: the thing as it became, what its version means where that
/// is not what `expectedVersion` means, what of the thing is told beside it, or why it was not done.
macro_rules! answers {
    ($(#[$doc:meta])* $result:ident, $changed:ident { $field:ident: $node:ty } $(, $more:ident)*) => {
        $crate::graphql::answer::answers! {
            $(#[$doc])*
            $result, $changed { $field: $node, version "Its version now: what `expectedVersion` means." } $(, $more)*
        }
    };
    ($(#[$doc:meta])* $result:ident, $changed:ident {
        $field:ident: $node:ty, version $version:literal
        $(, $(#[$part_doc:meta])* $part:ident: $part_type:ty)*
    } $(, $more:ident)*) => {
        $(#[$doc])*
        #[derive(async_graphql::Union)]
        #[allow(clippy::large_enum_variant, reason = "one value per mutation")]
        pub enum $result {
            #[doc = "It was done."]
            Changed($changed),
            #[doc = "The rules say no."]
            Rejection($crate::graphql::answer::Rejection),
            #[doc = "It has changed since the caller looked."]
            VersionConflict($crate::graphql::answer::VersionConflict),
            #[doc = "The key was used for another input."]
            IdempotencyKeyReused($crate::graphql::answer::IdempotencyKeyReused),
            $(#[doc = "It is under way."] $more($more),)*
        }

        $(#[$doc])*
        #[derive(async_graphql::SimpleObject)]
        pub struct $changed {
            /// It, as it became.
            $field: $node,
            $($(#[$part_doc])* $part: $part_type,)*
            #[doc = $version]
            version: u64,
            /// The place in the log this reached.
            position: $crate::graphql::position::PositionToken,
            /// Whether it was done before and this is the answer it had then.
            replayed: bool,
        }

        impl $result {
            #[doc = "The answer, from what was done or why it was not."]
            pub fn of(
                services: &$crate::graphql::services::Services,
                outcome: Result<
                    $crate::graphql::answer::Changed<$node>,
                    $crate::graphql::answer::Denied,
                >,
            ) -> Self {
                use $crate::graphql::answer::Denied;
                match outcome {
                    Ok(changed) => $result::Changed($changed {
                        $($part: changed.node.$part.clone(),)*
                        $field: changed.node,
                        version: changed.version.0,
                        position: $crate::graphql::position::PositionToken::of(
                            &services.positions,
                            changed.reached.position,
                        ),
                        replayed: changed.reached.replayed,
                    }),
                    Err(Denied::Rejection(rejection)) => $result::Rejection(rejection),
                    Err(Denied::VersionConflict(conflict)) => $result::VersionConflict(conflict),
                    Err(Denied::IdempotencyKeyReused(reused)) => $result::IdempotencyKeyReused(reused),
                }
            }
        }
    };
}

/// Declares mutations as a part of the mutation root: every one takes its input, an idempotency key and perhaps the
/// version the caller saw, and is begun before anything else happens.
macro_rules! mutations {
    ($(#[$doc:meta])* $part:ident {
        $($(#[$field_doc:meta])*
        $field:ident = $action:ident($mutation:ident, $input:ident: $type:ty, $expected:ident) -> $result:ty
        $body:block)*
    }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub struct $part;

        #[async_graphql::Object]
        impl $part {
            $($(#[$field_doc])*
            async fn $field(
                &self,
                ctx: &async_graphql::Context<'_>,
                #[graphql(desc = "What is to be done.")] $input: $type,
                #[graphql(desc = "1 to 255 characters: the same key means the same mutation, done once.")]
                idempotency_key: String,
                #[graphql(desc = "Refuse unless it is still at this version.")]
                expected_version: Option<u64>,
            ) -> Result<$result, $crate::graphql::refusal::Refusal> {
                use $crate::{access::Action, graphql::answer::Mutation};
                let $mutation = &Mutation::begin(ctx, Action::$action, &idempotency_key)?;
                let $expected = expected_version;
                $body
            })*
        }
    };
}

/// Declares the inputs of mutations that take the same: each has its own, so that each may grow by itself.
macro_rules! inputs {
    ($doc:literal [$($name:ident),+] $fields:tt) => {$(
        #[doc = $doc]
        #[derive(async_graphql::InputObject)]
        pub struct $name $fields
    )+};
}

pub(crate) use {answers, inputs, mutations};
