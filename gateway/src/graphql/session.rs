//! Who asks, and the tokens of the development issuer.

use crate::access::{self, Action};
use crate::context::{Caller, Role};
use crate::graphql::ids::Id;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::{reading, request, services};
use crate::identity::{Incoherent, coherent};
use async_graphql::{Context, InputObject, Object, SimpleObject, Union};
use chrono::{DateTime, Utc};
use cityos_domain::ids::{CustomerId, TenantId, VendorId};
use cityos_domain::text::{NAME_CHARS_MAX, line};

use super::answer::Rejection;

/// Whoever asks, as their token says.
#[derive(SimpleObject)]
pub struct Me {
    /// The token's subject.
    subject: String,
    /// What they may act as.
    roles: Vec<Role>,
    /// The tenant all they see and do belongs to.
    tenant_id: Option<Id<TenantId>>,
    /// The vendor they sell as.
    vendor_id: Option<Id<VendorId>>,
    /// The customer they buy as.
    customer_id: Option<Id<CustomerId>>,
}

impl From<Caller> for Me {
    fn from(caller: Caller) -> Self {
        Me {
            subject: caller.subject,
            roles: caller.roles.into_iter().collect(),
            tenant_id: caller.tenant.map(Id),
            vendor_id: caller.vendor.map(Id),
            customer_id: caller.customer.map(Id),
        }
    }
}

/// Asking who one is.
#[derive(Default)]
pub struct MeQuery;

#[Object]
impl MeQuery {
    /// Whoever asks, as their token says.
    async fn me(&self, ctx: &Context<'_>) -> Result<Me, Refusal> {
        reading(ctx, Action::Me, None).await?;
        Ok(request(ctx).caller.clone()?.into())
    }
}

/// For whom a development token is.
#[derive(InputObject)]
pub struct DevelopmentTokenInput {
    /// Who uses it: their commands stand under this name in the log. Derived from the rest where it is not named.
    subject: Option<String>,
    /// What they may act as.
    roles: Vec<Role>,
    /// The tenant all they see and do belongs to. Admins of a tenant issue tokens for their own alone.
    tenant: Option<Id<TenantId>>,
    /// The vendor they sell as.
    vendor: Option<Id<VendorId>>,
    /// The customer they buy as.
    customer: Option<Id<CustomerId>>,
}

/// What became of a wish for a token.
#[derive(Union)]
pub enum DevelopmentTokenResult {
    /// Here it is.
    Issued(DevelopmentTokenIssued),
    /// The rules say no.
    Rejection(Rejection),
}

/// A token of the development issuer.
#[derive(SimpleObject)]
pub struct DevelopmentTokenIssued {
    /// To be sent as `Authorization: Bearer …`.
    token: String,
    /// When it ends.
    expires_at: DateTime<Utc>,
    /// Whom it speaks for.
    caller: Me,
}

/// Issuing tokens.
#[derive(Default)]
pub struct TokenMutation;

#[Object]
impl TokenMutation {
    /// A token of the development issuer, where the settings allow it. Nothing is written: every call gives a new
    /// token, so there is no idempotency key.
    async fn development_token(
        &self,
        ctx: &Context<'_>,
        input: DevelopmentTokenInput,
    ) -> Result<DevelopmentTokenResult, Refusal> {
        let admitted = access::admit(request(ctx), Action::DevelopmentToken)?;
        let services = services(ctx);
        let tokens = services.tokens.as_ref().ok_or(Refusal::Forbidden)?;
        let caller = Caller {
            subject: String::new(),
            roles: input.roles.into_iter().collect(),
            tenant: input.tenant.map(|Id(tenant)| tenant).or(admitted.caller.tenant),
            vendor: input.vendor.map(|Id(vendor)| vendor),
            customer: input.customer.map(|Id(customer)| customer),
        };
        if !admitted.caller.is_any(&[Role::PlatformAdmin])
            && (caller.tenant != admitted.caller.tenant || caller.is_any(&[Role::PlatformAdmin]))
        {
            return Err(Refusal::Forbidden);
        }
        let caller = match coherent(caller) {
            Ok(caller) => caller,
            Err(error) => return Ok(DevelopmentTokenResult::Rejection(rejection(error))),
        };
        let subject = match input.subject.as_deref().map(|name| line("subject", name, NAME_CHARS_MAX)) {
            Some(Ok(subject)) => subject,
            Some(Err(rejected)) => return Ok(DevelopmentTokenResult::Rejection(rejected.into())),
            None => default_subject(&caller),
        };
        let caller = Caller { subject, ..caller };
        let (token, expires_at) = tokens.issue(&caller, services.executor.clock().now());
        Ok(DevelopmentTokenResult::Issued(DevelopmentTokenIssued {
            token,
            expires_at,
            caller: caller.into(),
        }))
    }
}

fn rejection(error: Incoherent) -> Rejection {
    Rejection { code: error.code().into(), message: error.to_string(), field: None }
}

/// A name for whoever uses a token nobody named: the same for the same roles in the same place.
pub fn default_subject(caller: &Caller) -> String {
    let bound = [
        caller.tenant.map(|id| id.to_string()),
        caller.vendor.map(|id| id.to_string()),
        caller.customer.map(|id| id.to_string()),
    ];
    let roles = caller.roles.iter().map(|role| format!("{role:?}").to_lowercase());
    roles.chain(bound.into_iter().flatten()).collect::<Vec<_>>().join(":")
}
