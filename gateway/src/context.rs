//! Who asks, for which tenant, and as what: made once per request from a verified token, and carried by every
//! query and command. What each role may do stands in [`access`](crate::access).

use cityos_domain::ids::{CustomerId, TenantId, VendorId};
use cityos_domain::log::Actor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The longest locale and trace header taken over from a request, in bytes.
const HEADER_BYTES_MAX: usize = 100;

/// What a caller may act as.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Serialize,
    Deserialize,
    async_graphql::Enum,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[clap(rename_all = "snake_case")]
pub enum Role {
    /// Runs the city: geography and tenants.
    PlatformAdmin,
    /// Runs one tenant's marketplace.
    TenantAdmin,
    /// Sells as one vendor of a tenant.
    Vendor,
    /// Buys as one customer of a tenant.
    Customer,
}

/// A caller whose token was verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The token's subject.
    pub subject: String,
    /// What they may act as; never empty.
    pub roles: BTreeSet<Role>,
    /// The tenant all they see and do belongs to.
    pub tenant: Option<TenantId>,
    /// The vendor they sell as; there for [`Role::Vendor`].
    pub vendor: Option<VendorId>,
    /// The customer they buy as; there for [`Role::Customer`].
    pub customer: Option<CustomerId>,
}

impl Caller {
    /// Whether they have one of these roles.
    pub fn is_any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.roles.contains(role))
    }

    /// Whether they run the city or, within the token's tenant, its marketplace.
    pub fn is_admin(&self) -> bool {
        self.is_any(&[Role::PlatformAdmin, Role::TenantAdmin])
    }

    /// Under which name their commands stand in the log.
    pub fn actor(&self) -> Actor {
        Actor::user(&self.subject)
    }
}

/// What every part of a request knows.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Who asks, or why nobody is known to.
    pub caller: Result<Caller, Unauthenticated>,
    /// The locale they want to read.
    pub locale: Option<String>,
    /// Ties together everything the request leads to.
    pub correlation: Uuid,
    /// W3C Trace Context of the request.
    pub traceparent: Option<String>,
}

/// Why nobody is known to ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unauthenticated {
    /// There is no token.
    #[error("this needs a token: send `Authorization: Bearer …`")]
    NoToken,
    /// There is one, but not one we trust. Why not is logged, never told.
    #[error("the token is not valid here, or no longer")]
    BadToken,
}

/// A header's value, if it is short enough to be carried along.
pub fn short_header(value: Option<&str>) -> Option<String> {
    value.filter(|text| !text.is_empty() && text.len() <= HEADER_BYTES_MAX).map(Into::into)
}
