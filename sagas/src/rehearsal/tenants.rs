//! Tenants being opened.

use super::market::registration;
use super::{Act, End, Rehearsal};

/// For the opening of tenants.
pub fn openings() -> Vec<Rehearsal> {
    vec![Rehearsal {
        name: "a tenant is registered",
        setting: vec![],
        acts: vec![registration(), Act::Settle],
        end: End::Completed,
    }]
}
