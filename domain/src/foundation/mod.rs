//! What a marketplace stands on: the city's geography, its tenants, and their stores.

pub mod place;
pub mod reservation;
pub mod store;
pub mod tenancy;
pub mod tenant;
