//! A name that only one owner may have. The stream's id derives from scope and name, so two who want the same
//! name meet in one stream, and the append of the second conflicts.

use crate::aggregate::Aggregate;
use crate::ids::{PlaceId, ProductCategoryId, VendorId, derive};
use crate::rejection::Reject;
use crate::workspace::{Stop, Workspace};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Within what a name is unique. Reservations of one scope lie in the partition they are made in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The slugs of places below one place (none: of countries).
    PlaceSlug(Option<PlaceId>),
    /// The slugs of the city's tenants.
    TenantSlug,
    /// The slugs of a tenant's stores.
    StoreSlug,
    /// The handles of a tenant's vendors.
    VendorHandle,
    /// The slugs of a tenant's product categories below one category (none: at the top).
    ProductCategorySlug(Option<ProductCategoryId>),
    /// The codes of a tenant's products.
    ProductCode,
    /// The SKUs of one vendor's offers.
    Sku(VendorId),
    /// The references of a tenant's orders.
    OrderReference,
}

impl Scope {
    /// How the scope is written in events and derived ids. Never changes.
    fn key(self) -> String {
        let below = |name: &str, id: Option<Uuid>| match id {
            Some(id) => format!("{name}/{id}"),
            None => name.to_owned(),
        };
        match self {
            Scope::PlaceSlug(parent) => below("place_slug", parent.map(Into::into)),
            Scope::TenantSlug => "tenant_slug".into(),
            Scope::StoreSlug => "store_slug".into(),
            Scope::VendorHandle => "vendor_handle".into(),
            Scope::ProductCategorySlug(parent) => below("product_category_slug", parent.map(Into::into)),
            Scope::ProductCode => "product_code".into(),
            Scope::Sku(vendor) => below("sku", Some(vendor.into())),
            Scope::OrderReference => "order_reference".into(),
        }
    }
}

/// Makes `name` the name of `owner` alone. Already theirs: nothing happens. Names are compared byte by byte:
/// whoever means `A` and `a` to be one name folds them first.
pub fn take(city: &mut Workspace, scope: Scope, name: &str, owner: Uuid) -> Result<(), Stop> {
    let id = id(scope, name);
    city.send::<Reservation>(id, &Command::Take { scope, name: name.to_owned(), owner })
}

/// Lets others have `name`, if it is `owner`'s. Not theirs: nothing happens.
pub fn free(city: &mut Workspace, scope: Scope, name: &str, owner: Uuid) -> Result<(), Stop> {
    let id = id(scope, name);
    city.send::<Reservation>(id, &Command::Free { owner })
}

/// Whose `name` is, if it is anybody's.
pub fn owner(city: &mut Workspace, scope: Scope, name: &str) -> Result<Option<Uuid>, Stop> {
    match &*city.see::<Reservation>(id(scope, name))? {
        Reservation::Free => Ok(None),
        Reservation::Taken { owner } => Ok(Some(*owner)),
    }
}

/// The id of the stream of a name.
pub fn id(scope: Scope, name: &str) -> Uuid {
    derive(&["reservation", &scope.key(), name])
}

/// What may be asked of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Be someone's.
    Take {
        /// Within what it is unique.
        scope: Scope,
        /// The name.
        name: String,
        /// Who wants it.
        owner: Uuid,
    },
    /// Be nobody's.
    Free {
        /// Who has it.
        owner: Uuid,
    },
}

/// What can have happened to a name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Someone has it.
    Taken {
        /// What kind of name, within what: `tenant_slug`, `sku`, ….
        scope: String,
        /// The name.
        name: String,
        /// Whose it is.
        owner: Uuid,
    },
    /// Nobody has it any more.
    Freed {},
}

/// Why a name is not to be had.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// Someone else has it.
    #[error("`{name}` is taken")]
    Taken {
        /// Within what.
        scope: Scope,
        /// The name.
        name: String,
    },
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        let Rejection::Taken { scope, .. } = self;
        match scope {
            Scope::PlaceSlug(_) => "PLACE_SLUG_TAKEN",
            Scope::TenantSlug => "TENANT_SLUG_TAKEN",
            Scope::StoreSlug => "STORE_SLUG_TAKEN",
            Scope::VendorHandle => "VENDOR_HANDLE_TAKEN",
            Scope::ProductCategorySlug(_) => "PRODUCT_CATEGORY_SLUG_TAKEN",
            Scope::ProductCode => "PRODUCT_CODE_TAKEN",
            Scope::Sku(_) => "OFFER_SKU_TAKEN",
            Scope::OrderReference => "ORDER_REFERENCE_TAKEN",
        }
    }

    fn field(&self) -> Option<&'static str> {
        let Rejection::Taken { scope, .. } = self;
        Some(match scope {
            Scope::PlaceSlug(_) | Scope::TenantSlug | Scope::StoreSlug | Scope::ProductCategorySlug(_) => {
                "slug"
            }
            Scope::VendorHandle => "handle",
            Scope::ProductCode => "code",
            Scope::Sku(_) => "sku",
            Scope::OrderReference => "reference",
        })
    }
}

/// A name that only one owner may have.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reservation {
    /// Nobody has it.
    #[default]
    Free,
    /// Someone has it.
    Taken {
        /// Who.
        owner: Uuid,
    },
}

impl Aggregate for Reservation {
    type Id = Uuid;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        match (command, self) {
            (Command::Take { scope, name, owner }, Reservation::Free) => {
                Ok(vec![Event::Taken { scope: scope.key(), name: name.clone(), owner: *owner }])
            }
            (Command::Take { owner, .. }, Reservation::Taken { owner: has }) if owner == has => {
                Ok(Vec::new())
            }
            (Command::Take { scope, name, .. }, Reservation::Taken { .. }) => {
                Err(Rejection::Taken { scope: *scope, name: name.clone() })
            }
            (Command::Free { owner }, Reservation::Taken { owner: has }) if owner == has => {
                Ok(vec![Event::Freed {}])
            }
            (Command::Free { .. }, Reservation::Taken { .. } | Reservation::Free) => Ok(Vec::new()),
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match event {
            Event::Taken { owner, .. } => Reservation::Taken { owner: *owner },
            Event::Freed {} => Reservation::Free,
        }
    }
}
