//! A stand-in for a payment and a transfer provider. It moves no money but keeps books like one that does: durable,
//! outside our transactions, with rules of its own, and it fails on cue or by seeded chance.

mod faults;
mod records;

pub use faults::{Chance, Fault, Faults};
pub use records::{Done, Operation, SandboxError};

use async_trait::async_trait;
use cityos_domain::ids::{OrderId, VendorId};
use cityos_domain::log::Partition;
use cityos_domain::money::Money;
use cityos_eventstore::clock::Clock;
use cityos_sagas::ports::{PaymentProvider, PortError, Ports, TransferProvider};
use records::{Records, Request};
use std::path::Path;
use std::sync::Arc;

/// The provider. Clones are the same one.
#[derive(Clone)]
pub struct Sandbox {
    records: Records,
    faults: Faults,
    clock: Arc<dyn Clock>,
}

impl Sandbox {
    /// A provider with its books at `path`, which are made where there are none. Its idempotency keys age by `clock`.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, SandboxError> {
        Ok(Sandbox { records: Records::open(path)?, faults: Faults::default(), clock })
    }

    /// The outside world, all of it the sandbox.
    pub fn ports(&self) -> Ports {
        Ports { payments: Arc::new(self.clone()), transfers: Arc::new(self.clone()) }
    }

    /// Where it is told how to fail.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Everything of this kind that was done, in order.
    pub async fn done(&self, operation: Operation) -> Result<Vec<Done>, SandboxError> {
        self.records.done(operation).await
    }

    /// How many requests to do this came in, whatever became of them.
    pub async fn requests(&self, operation: Operation) -> Result<u64, SandboxError> {
        self.records.requests(operation).await
    }

    async fn answer(
        &self,
        operation: Operation,
        key: &str,
        subject: &str,
        amount: Option<Money>,
    ) -> Result<String, PortError> {
        let at = self.clock.now();
        let request = Request { operation, key: key.into(), subject: subject.into(), amount, at };
        let fault = self.faults.next(operation, key);
        let performs = matches!(fault, None | Some(Fault::LoseReply | Fault::Late(_)));
        let answer = self.records.take(request, performs).await.map_err(broken)?;
        match fault {
            None => answer,
            Some(Fault::Refuse(code)) => Err(PortError::Refused { code, message: "refused on cue".into() }),
            Some(Fault::Unavailable(code)) => {
                Err(PortError::Unavailable { code, message: "unavailable on cue".into() })
            }
            Some(Fault::TimeOut) => Err(PortError::Lost { message: "the request got lost on cue".into() }),
            Some(Fault::LoseReply) => Err(PortError::Lost { message: "the reply got lost on cue".into() }),
            Some(Fault::Late(by)) => {
                self.clock.wait_until(at + by).await;
                answer
            }
        }
    }

    async fn search(&self, key: &str) -> Result<Option<String>, PortError> {
        match self.faults.next(Operation::Search, key) {
            None => self.records.find(key).await.map_err(broken),
            Some(fault) => Err(PortError::Lost { message: format!("the search failed on cue: {fault:?}") }),
        }
    }
}

/// Whether books that cannot be written were written is not known.
fn broken(error: SandboxError) -> PortError {
    PortError::Lost { message: format!("the sandbox's books: {error}") }
}

#[async_trait]
impl PaymentProvider for Sandbox {
    async fn authorise(
        &self,
        key: &str,
        partition: Partition,
        order: OrderId,
        amount: Money,
    ) -> Result<String, PortError> {
        self.answer(Operation::Authorise, key, &format!("{partition}/{order}"), Some(amount)).await
    }

    async fn capture(&self, key: &str, authorisation: &str, amount: Money) -> Result<String, PortError> {
        self.answer(Operation::Capture, key, authorisation, Some(amount)).await
    }

    async fn release(&self, key: &str, authorisation: &str, amount: Money) -> Result<String, PortError> {
        self.answer(Operation::Release, key, authorisation, Some(amount)).await
    }

    async fn find(&self, key: &str) -> Result<Option<String>, PortError> {
        self.search(key).await
    }
}

#[async_trait]
impl TransferProvider for Sandbox {
    async fn open_account(
        &self,
        key: &str,
        partition: Partition,
        vendor: VendorId,
    ) -> Result<String, PortError> {
        self.answer(Operation::OpenAccount, key, &format!("{partition}/{vendor}"), None).await
    }

    async fn close_account(&self, key: &str, account: &str) -> Result<String, PortError> {
        self.answer(Operation::CloseAccount, key, account, None).await
    }

    async fn transfer(&self, key: &str, account: &str, amount: Money) -> Result<String, PortError> {
        self.answer(Operation::Transfer, key, account, Some(amount)).await
    }

    async fn find(&self, key: &str) -> Result<Option<String>, PortError> {
        self.search(key).await
    }
}

#[cfg(test)]
mod tests;
