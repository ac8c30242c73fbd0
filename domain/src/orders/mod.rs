//! An order from asking to delivery: the customer's order, each vendor's part of it, and its one payment.
//! Each is a stream of its own, so that vendors ship at once without conflict.

pub mod canceling;
pub mod capturing;
pub mod earning;
pub mod order;
pub mod payment;
pub mod placing;
pub mod requesting;
pub mod shipping;
pub mod vendor_order;

#[cfg(test)]
mod tests;
