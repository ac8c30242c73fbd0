//! Which aggregate is meant: `KIND/ID`, the id opaque as the API gives it or as it is stored.

use crate::graphql::ids::opaque;
use cityos_domain::event::Kind;
use std::str::FromStr;
use uuid::Uuid;

/// An aggregate, of whatever tenant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Uuid,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, id) = text.split_once('/').ok_or("write it as KIND/ID, such as order/b3Jk…")?;
        let kind = self::kind(kind)?;
        if let Ok(id) = Uuid::parse_str(id) {
            return Ok(Target { kind, id });
        }
        match opaque(id) {
            Some((what, id)) if Some(&*what) == named(kind) => Ok(Target { kind, id }),
            Some((what, _)) => Err(format!("this is the id of a {what}, not of {}", kind.name())),
            None => Err(format!("`{id}` is no id: neither a UUID nor one that the API gave")),
        }
    }
}

/// The kind of this name.
pub fn kind(name: &str) -> Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| {
        let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("there is no kind `{name}`; there are {}", known.join(", "))
    })
}

/// What the API calls that whose id the aggregate's stream has.
fn named(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Place => "place",
        Kind::Tenancy | Kind::Tenant | Kind::CommissionRules => "tenant",
        Kind::Store => "store",
        Kind::Vendor | Kind::LedgerBook => "vendor",
        Kind::Customer => "customer",
        Kind::ProductCategory => "product category",
        Kind::Product => "product",
        Kind::Offer | Kind::Stock => "offer",
        Kind::Order => "order",
        Kind::VendorOrder => "order part",
        Kind::Payment => "payment",
        Kind::Payout => "payout",
        Kind::SagaRun => "saga run",
        Kind::Reservation | Kind::CommissionTier | Kind::Ledger | Kind::Drill => return None,
    })
}
