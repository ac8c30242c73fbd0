//! What sagas ask of the outside world. Every call that changes something carries our idempotency key, and what
//! was done under a key can be searched for, however long ago it was. Who implements them is in the connectors.

use async_trait::async_trait;
use cityos_domain::ids::{OrderId, VendorId};
use cityos_domain::log::Partition;
use cityos_domain::money::Money;
use std::sync::Arc;

/// Why the outside world did not do what it was asked to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PortError {
    /// It will never do it: nothing happened.
    #[error("refused: {message}")]
    Refused {
        /// A stable code such as `CARD_DECLINED`.
        code: String,
        /// For whoever it is refused to; never about a person.
        message: String,
    },
    /// It cannot do it now: nothing happened, and it may work later.
    #[error("not now: {message}")]
    Unavailable {
        /// A stable code such as `INSUFFICIENT_FUNDS`.
        code: String,
        /// For an operator; never about a person.
        message: String,
    },
    /// No answer came: it may have happened.
    #[error("no answer: {message}")]
    Lost {
        /// For an operator; never about a person.
        message: String,
    },
}

/// Holds, takes and gives back customers' money.
#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Holds `amount` for an order and gives the reference of the authorisation.
    async fn authorise(
        &self,
        key: &str,
        partition: Partition,
        order: OrderId,
        amount: Money,
    ) -> Result<String, PortError>;

    /// Takes `amount` of what `authorisation` holds and gives the reference of the capture.
    async fn capture(&self, key: &str, authorisation: &str, amount: Money) -> Result<String, PortError>;

    /// Gives `amount` of what `authorisation` still holds back and gives the reference of the release.
    async fn release(&self, key: &str, authorisation: &str, amount: Money) -> Result<String, PortError>;

    /// The reference of whatever was done under `key`, if anything was.
    async fn find(&self, key: &str) -> Result<Option<String>, PortError>;
}

/// Sends vendors their money.
#[async_trait]
pub trait TransferProvider: Send + Sync {
    /// Opens an account to which a vendor can be paid and gives its reference.
    async fn open_account(
        &self,
        key: &str,
        partition: Partition,
        vendor: VendorId,
    ) -> Result<String, PortError>;

    /// Closes an account and gives the reference of the closing.
    async fn close_account(&self, key: &str, account: &str) -> Result<String, PortError>;

    /// Sends `amount` to an account and gives the reference of the transfer.
    async fn transfer(&self, key: &str, account: &str, amount: Money) -> Result<String, PortError>;

    /// The reference of whatever was done under `key`, if anything was.
    async fn find(&self, key: &str) -> Result<Option<String>, PortError>;
}

/// The outside world as one installation is connected to it.
#[derive(Clone)]
pub struct Ports {
    /// Customers' money.
    pub payments: Arc<dyn PaymentProvider>,
    /// Vendors' money.
    pub transfers: Arc<dyn TransferProvider>,
}
