//! Tokens: what a JWT must be like to be trusted, and the development issuer that makes such tokens without an
//! identity server. Other issuers come beside it here.

use crate::context::{Caller, Role, Unauthenticated};
use chrono::{DateTime, Duration, Utc};
use cityos_domain::ids::{CustomerId, TenantId, VendorId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The issuer of development tokens.
pub const DEVELOPMENT_ISSUER: &str = "cityos-development";

/// Whom tokens must be meant for.
pub const AUDIENCE: &str = "cityos-api";

/// The only kind of token taken: neither ID nor refresh tokens.
const BEARER: &str = "Bearer";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    typ: String,
    iat: i64,
    exp: i64,
    realm_access: RealmAccess,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vendor: Option<VendorId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer: Option<CustomerId>,
}

#[derive(Serialize, Deserialize)]
struct RealmAccess {
    roles: BTreeSet<Role>,
}

/// Why a caller cannot be described as asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Incoherent {
    /// There must be a role.
    #[error("a token needs at least one role")]
    NoRole,
    /// All but platform admins belong to a tenant.
    #[error("this role belongs to a tenant: name it")]
    NoTenant,
    /// A caller sells or buys.
    #[error("a token is for the role vendor or for the role customer: whoever is both uses two")]
    VendorAndCustomer,
    /// Vendors sell as one vendor.
    #[error("the role vendor, and only it, belongs to a vendor: name it")]
    Vendor,
    /// Customers buy as one customer.
    #[error("the role customer, and only it, belongs to a customer: name it")]
    Customer,
}

impl Incoherent {
    /// A stable code.
    pub fn code(self) -> &'static str {
        match self {
            Incoherent::NoRole => "TOKEN_WITHOUT_ROLE",
            Incoherent::NoTenant => "TOKEN_WITHOUT_TENANT",
            Incoherent::VendorAndCustomer => "TOKEN_FOR_VENDOR_AND_CUSTOMER",
            Incoherent::Vendor => "TOKEN_WITHOUT_VENDOR",
            Incoherent::Customer => "TOKEN_WITHOUT_CUSTOMER",
        }
    }
}

/// Checks that roles and what they are bound to fit together.
pub fn coherent(caller: Caller) -> Result<Caller, Incoherent> {
    let has = |role| caller.roles.contains(&role);
    if caller.roles.is_empty() {
        Err(Incoherent::NoRole)
    } else if caller.tenant.is_none() && caller.roles.iter().any(|role| *role != Role::PlatformAdmin) {
        Err(Incoherent::NoTenant)
    } else if has(Role::Vendor) && has(Role::Customer) {
        // What they may see would be the one's or the other's, never both.
        Err(Incoherent::VendorAndCustomer)
    } else if has(Role::Vendor) != caller.vendor.is_some() {
        Err(Incoherent::Vendor)
    } else if has(Role::Customer) != caller.customer.is_some() {
        Err(Incoherent::Customer)
    } else {
        Ok(caller)
    }
}

/// Makes and verifies development tokens, under a secret that lies in the key store.
pub struct DevelopmentTokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    lifetime: Duration,
}

impl DevelopmentTokens {
    /// With this secret; tokens last `hours`.
    pub fn new(secret: &[u8; 32], hours: u32) -> Self {
        DevelopmentTokens {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            lifetime: Duration::hours(hours.into()),
        }
    }

    /// A token for this caller, and when it ends.
    pub fn issue(&self, caller: &Caller, now: DateTime<Utc>) -> (String, DateTime<Utc>) {
        let expires_at = now + self.lifetime;
        let claims = Claims {
            iss: DEVELOPMENT_ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: caller.subject.clone(),
            typ: BEARER.into(),
            iat: now.timestamp(),
            exp: expires_at.timestamp(),
            realm_access: RealmAccess { roles: caller.roles.clone() },
            tenant: caller.tenant,
            vendor: caller.vendor,
            customer: caller.customer,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("claims are plain values and the key is of the algorithm's family");
        (token, expires_at)
    }

    /// The caller a token speaks for.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Caller, Unauthenticated> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[DEVELOPMENT_ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Time is read from our clock, below, and without leeway: the issuer's clock is the same one.
        rules.validate_exp = false;
        let bad = |why: &dyn std::fmt::Display| {
            tracing::info!(%why, "refused a token");
            Unauthenticated::BadToken
        };
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &rules)
            .map_err(|error| bad(&error))?
            .claims;
        if claims.typ != BEARER {
            return Err(bad(&"it is not a bearer token"));
        }
        if claims.exp <= now.timestamp() {
            return Err(bad(&"it has expired"));
        }
        let caller = Caller {
            subject: claims.sub,
            roles: claims.realm_access.roles,
            tenant: claims.tenant,
            vendor: claims.vendor,
            customer: claims.customer,
        };
        coherent(caller).map_err(|error| bad(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use uuid::Uuid;

    const NOW: i64 = 1_800_000_000;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(NOW, 0).unwrap()
    }

    fn admin() -> Caller {
        Caller {
            subject: "ada".into(),
            roles: [Role::TenantAdmin].into(),
            tenant: Some(TenantId(Uuid::from_u128(7))),
            vendor: None,
            customer: None,
        }
    }

    fn issuer() -> DevelopmentTokens {
        DevelopmentTokens::new(&[7; 32], 1)
    }

    fn forged(algorithm: Algorithm, change: impl Fn(&mut Value)) -> String {
        let mut claims = json!({
            "iss": DEVELOPMENT_ISSUER, "aud": AUDIENCE, "sub": "ada", "typ": "Bearer", "iat": NOW,
            "exp": NOW + 60, "realm_access": {"roles": ["platform_admin"]},
        });
        change(&mut claims);
        jsonwebtoken::encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(&[7; 32])).unwrap()
    }

    #[test]
    fn an_issued_token_speaks_for_its_caller_until_it_expires() {
        let (token, expires_at) = issuer().issue(&admin(), now());
        assert_eq!(issuer().verify(&token, now()), Ok(admin()));
        assert_eq!(issuer().verify(&token, expires_at - Duration::seconds(1)), Ok(admin()));
        assert_eq!(issuer().verify(&token, expires_at), Err(Unauthenticated::BadToken));
    }

    #[test]
    fn a_token_of_another_secret_issuer_audience_kind_or_algorithm_is_refused() {
        assert!(issuer().verify(&forged(Algorithm::HS256, |_| ()), now()).is_ok());
        let other_secret = DevelopmentTokens::new(&[8; 32], 1).issue(&admin(), now()).0;
        let refused = [
            other_secret,
            forged(Algorithm::HS512, |_| ()),
            forged(Algorithm::HS256, |claims| claims["iss"] = json!("someone")),
            forged(Algorithm::HS256, |claims| claims["aud"] = json!("account")),
            forged(Algorithm::HS256, |claims| claims["typ"] = json!("ID")),
            forged(Algorithm::HS256, |claims| claims["realm_access"]["roles"] = json!(["root"])),
            forged(Algorithm::HS256, |claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
            "eyJhbGciOiJub25lIn0.e30.".into(),
            "nonsense".into(),
        ];
        for token in refused {
            assert_eq!(issuer().verify(&token, now()), Err(Unauthenticated::BadToken), "{token}");
        }
    }

    #[test]
    fn a_role_without_what_it_is_bound_to_is_refused() {
        let bound = |role: &str, tenant: bool| {
            forged(Algorithm::HS256, |claims| {
                claims["realm_access"]["roles"] = json!([role]);
                if tenant {
                    claims["tenant"] = json!(Uuid::from_u128(7));
                }
            })
        };
        for (role, tenant) in [("tenant_admin", false), ("vendor", true), ("customer", true)] {
            assert_eq!(
                issuer().verify(&bound(role, tenant), now()),
                Err(Unauthenticated::BadToken),
                "{role}"
            );
        }
        assert!(issuer().verify(&bound("tenant_admin", true), now()).is_ok());
    }
}
