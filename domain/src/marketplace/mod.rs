//! Who sells what to whom: vendors, customers, categories, products, offers and their stock.

pub mod customer;
pub mod offer;
pub mod product;
pub mod product_category;
pub mod stock;
pub mod vendor;
