//! Lists as Relay connections over the read models: filters, sorting, keyset pages both ways, and a total that
//! is counted only when asked for. Nothing is listed without saying what of it a vendor or customer may see.

use crate::access::Own;
use crate::graphql::loading::{Below, ByKey, Relation};
use crate::graphql::refusal::Refusal;
use crate::graphql::services::{Scope, load, services, take_rows};
use async_graphql::connection::{Connection, CursorType, Edge};
use async_graphql::{Context, OutputType, SimpleObject};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cityos_domain::ids::{CustomerId, VendorId};
use cityos_projections::model::KeyOf;
use cityos_projections::row::Field;
use cityos_projections::{Column, Cursor, Filter, Query, ReadModel, Sort};

/// Something shown that is a row of a read model.
pub trait Node: OutputType + Sized {
    /// The read model.
    type Model: ReadModel;

    /// What of the rows someone with this share may list and look up.
    fn visible(own: Own) -> Option<Filter<RowOf<Self>>>;

    /// The row, shown.
    fn show(scope: Scope, row: RowOf<Self>) -> Self;
}

/// What of the rows is theirs, for sellers; buyers get none. For [`Node::visible`].
pub fn for_sellers<R>(own: Own, vendor: Column<R, VendorId, true>) -> Option<Filter<R>> {
    match own {
        Own::All => None,
        Own::Vendor(own) => Some(vendor.is(own)),
        Own::Customer(_) => Some(none(vendor)),
    }
}

/// What of the rows is theirs, for buyers; sellers get none. For [`Node::visible`].
pub fn for_buyers<R>(own: Own, customer: Column<R, CustomerId, true>) -> Option<Filter<R>> {
    match own {
        Own::All => None,
        Own::Customer(own) => Some(customer.is(own)),
        Own::Vendor(_) => Some(none(customer)),
    }
}

/// All rows for admins, none for anyone else; `column` is any. For [`Node::visible`].
pub fn for_admins<R, T: Field>(own: Own, column: Column<R, T, true>) -> Option<Filter<R>> {
    match own {
        Own::All => None,
        Own::Vendor(_) | Own::Customer(_) => Some(none(column)),
    }
}

/// No row at all, for a role that a list is not meant for: whatever let it in.
fn none<R, T: Field>(column: Column<R, T, true>) -> Filter<R> {
    column.is_in([])
}

/// The row behind a node.
pub type RowOf<N> = <<N as Node>::Model as ReadModel>::Row;

/// A list's filter, as callers write it.
pub trait Narrow<M: ReadModel> {
    /// The question with the filter's conditions.
    fn narrow(self, query: Query<M>) -> Query<M>;
}

/// A list's order, as callers name it.
pub trait Ordering<M: ReadModel> {
    /// The order.
    fn sort(self) -> Sort<M::Row>;
}

/// Which page of a list is wanted, as Relay has it.
pub struct Paging {
    /// So many from the beginning.
    pub first: Option<i32>,
    /// Behind this place.
    pub after: Option<String>,
    /// So many from the end.
    pub last: Option<i32>,
    /// Before this place.
    pub before: Option<String>,
}

/// What a connection says beside its page.
#[derive(SimpleObject)]
pub struct Total {
    /// How many there are on all pages together.
    total_count: u64,
}

/// A place in a list, opaque to callers.
pub struct PageCursor(Cursor);

impl CursorType for PageCursor {
    type Error = Refusal;

    fn decode_cursor(text: &str) -> Result<Self, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let cursor = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        cursor.map(PageCursor).ok_or_else(|| Refusal::BadArgument("this is no cursor of a page".into()))
    }

    fn encode_cursor(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&self.0).expect("a cursor is plain values"))
    }
}

/// A page of a list.
pub type Listed<N> = Connection<PageCursor, N, Total>;

/// The page of `query` that is wanted, of what may be seen.
pub async fn list<N: Node>(
    ctx: &Context<'_>,
    scope: Scope,
    query: impl Fn(Query<N::Model>) -> Query<N::Model>,
    paging: Paging,
) -> Result<Listed<N>, Refusal> {
    let services = services(ctx);
    let asked = || visible::<N>(scope, query(Query::new(scope.partition)));
    let backward = paging.last.is_some();
    let mut page = asked();
    for (text, place) in [(&paging.after, Query::after as fn(_, _) -> _), (&paging.before, Query::before)] {
        if let Some(text) = text {
            page = place(page, PageCursor::decode_cursor(text)?.0);
        }
    }
    let size = page_size(ctx, &paging)?;
    let page = if backward { page.last(size) } else { page.first(size) };
    let page = page.page(&services.reads).await?;
    take_rows(ctx, page.rows.len())?;
    let total_count = match ctx.look_ahead().field("totalCount").exists() {
        true => asked().count(&services.reads).await?,
        false => 0,
    };
    let (more_before, more_after) = match backward {
        true => (page.more, paging.before.is_some()),
        false => (paging.after.is_some(), page.more),
    };
    let mut listed = Connection::with_additional_fields(more_before, more_after, Total { total_count });
    let edge = |(cursor, row)| Edge::new(PageCursor(cursor), N::show(scope, row));
    listed.edges.extend(page.rows.into_iter().map(edge));
    Ok(listed)
}

/// The one row that meets `filter`, if it may be seen. What is not there and what is another's look the same.
pub async fn find<N: Node>(
    ctx: &Context<'_>,
    scope: Scope,
    filter: Filter<RowOf<N>>,
) -> Result<Option<N>, Refusal> {
    let query = visible::<N>(scope, Query::new(scope.partition)).filter(filter).first(1);
    let rows = query.fetch(&services(ctx).reads).await?;
    Ok(rows.into_iter().next().map(|row| N::show(scope, row)))
}

/// What `key` names, shown below something the caller sees; fetched with others of its kind.
pub async fn one<N: Node>(
    ctx: &Context<'_>,
    scope: Scope,
    key: KeyOf<N::Model>,
) -> Result<Option<N>, Refusal> {
    let row = load(ctx, ByKey::<N::Model>::new(scope.partition, key)).await?;
    Ok(row.map(|row| N::show(scope, row)))
}

/// All that lies below `parent`; fetched with what lies below others.
pub async fn below<N: Node, R: Relation<Model = N::Model>>(
    ctx: &Context<'_>,
    scope: Scope,
    parent: R::Parent,
) -> Result<Vec<N>, Refusal> {
    below_where::<N, R>(ctx, scope, parent, |_| true).await
}

/// What lies below `parent` and meets a condition; fetched with what lies below others.
pub async fn below_where<N: Node, R: Relation<Model = N::Model>>(
    ctx: &Context<'_>,
    scope: Scope,
    parent: R::Parent,
    is_shown: impl Fn(&RowOf<N>) -> bool,
) -> Result<Vec<N>, Refusal> {
    let rows = load(ctx, Below::<R>::new(scope.partition, parent)).await?.unwrap_or_default();
    take_rows(ctx, rows.len())?;
    let shown = rows.iter().filter(|row| is_shown(row));
    Ok(shown.map(|row| N::show(scope, row.clone())).collect())
}

fn visible<N: Node>(scope: Scope, query: Query<N::Model>) -> Query<N::Model> {
    match N::visible(scope.own) {
        Some(filter) => query.filter(filter),
        None => query,
    }
}

fn page_size(ctx: &Context<'_>, paging: &Paging) -> Result<usize, Refusal> {
    let settings = &services(ctx).settings;
    let wanted = match (paging.first, paging.last) {
        (Some(_), Some(_)) => {
            return Err(Refusal::BadArgument("a page is the `first` or the `last` rows, not both".into()));
        }
        (Some(size), None) | (None, Some(size)) => u32::try_from(size).ok(),
        (None, None) => Some(settings.page_size_default),
    };
    let most = settings.page_size_max;
    match wanted {
        Some(size) if (1..=most).contains(&size) => Ok(size as usize),
        Some(_) | None => Err(Refusal::BadArgument(format!("a page has 1 to {most} rows"))),
    }
}

/// Declares a filter: each field, if given, is one condition on a column.
macro_rules! filter {
    ($(#[$doc:meta])* $name:ident for $model:ty {
        $($(#[$field_doc:meta])* $field:ident: $type:ty => $condition:expr;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Default, async_graphql::InputObject)]
        pub struct $name {
            $($(#[$field_doc])* $field: Option<$type>,)*
        }

        impl $crate::graphql::connection::Narrow<$model> for $name {
            fn narrow(
                self,
                mut query: cityos_projections::Query<$model>,
            ) -> cityos_projections::Query<$model> {
                $(if let Some(value) = self.$field {
                    query = query.filter(($condition)(value));
                })*
                query
            }
        }
    };
}

/// Declares the orders of a list; the first is used where none is named.
macro_rules! ordering {
    ($(#[$doc:meta])* $name:ident for $model:ty {
        $(#[$default_doc:meta])* $default:ident => $default_sort:expr;
        $($(#[$order_doc:meta])* $order:ident => $sort:expr;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Default, async_graphql::Enum)]
        pub enum $name {
            $(#[$default_doc])* #[default] $default,
            $($(#[$order_doc])* $order,)*
        }

        impl $crate::graphql::connection::Ordering<$model> for $name {
            fn sort(
                self,
            ) -> cityos_projections::Sort<<$model as cityos_projections::ReadModel>::Row> {
                match self {
                    $name::$default => $default_sort,
                    $($name::$order => $sort,)*
                }
            }
        }
    };
}

/// Declares one list as a part of the query root.
macro_rules! lists {
    ($($(#[$doc:meta])* $part:ident { $field:ident: $node:ty, $action:expr, $filter:ty, $ordering:ty })*) => {$(
        #[doc = concat!("The list `", stringify!($field), "`.")]
        #[derive(Default)]
        pub struct $part;

        #[async_graphql::Object]
        impl $part {
            $(#[$doc])*
            #[allow(clippy::too_many_arguments, reason = "Relay's arguments, a filter, an order and atLeast")]
            async fn $field(
                &self,
                ctx: &async_graphql::Context<'_>,
                #[graphql(desc = "Only what meets all of this.")] filter: Option<$filter>,
                #[graphql(default, desc = "In which order.")] order_by: $ordering,
                #[graphql(desc = "So many from the beginning, as far as a page goes: the server says how far.")]
                first: Option<i32>,
                #[graphql(desc = "Behind this place: a cursor of this list in this order.")] after: Option<String>,
                #[graphql(desc = "So many from the end, as far as a page goes. Not together with `first`.")]
                last: Option<i32>,
                #[graphql(desc = "Before this place: a cursor of this list in this order.")] before: Option<String>,
                #[graphql(desc = "Waits until what is shown is as new as this place, which a mutation answered.")]
                at_least: Option<$crate::graphql::position::PositionToken>,
            ) -> Result<$crate::graphql::connection::Listed<$node>, $crate::graphql::refusal::Refusal> {
                use $crate::graphql::connection::{Narrow, Ordering, Paging, list};
                let scope = $crate::graphql::services::reading(ctx, $action, at_least.as_ref()).await?;
                let filter = filter.unwrap_or_default();
                let paging = Paging { first, after, last, before };
                list::<$node>(ctx, scope, |query| filter.clone().narrow(query).sort(order_by.sort()), paging).await
            }
        }
    )*};
}

/// Declares the lookup of one thing by its id as a part of the query root.
macro_rules! lookups {
    ($($(#[$doc:meta])* $part:ident { $field:ident: $node:ty, $action:expr, $id:ty => $key:expr })*) => {$(
        #[doc = concat!("The lookup `", stringify!($field), "`.")]
        #[derive(Default)]
        pub struct $part;

        #[async_graphql::Object]
        impl $part {
            $(#[$doc])*
            async fn $field(
                &self,
                ctx: &async_graphql::Context<'_>,
                #[graphql(desc = "Its id.")] id: $crate::graphql::ids::Id<$id>,
                #[graphql(desc = "Waits until what is shown is as new as this place, which a mutation answered.")]
                at_least: Option<$crate::graphql::position::PositionToken>,
            ) -> Result<Option<$node>, $crate::graphql::refusal::Refusal> {
                let scope = $crate::graphql::services::reading(ctx, $action, at_least.as_ref()).await?;
                $crate::graphql::connection::find::<$node>(ctx, scope, $key.is(id.0)).await
            }
        }
    )*};
}

pub(crate) use {filter, lists, lookups, ordering};

#[cfg(test)]
mod tests;
