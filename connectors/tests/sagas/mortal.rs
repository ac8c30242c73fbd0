//! Death before or after any write: of a process that appends to the log and calls the outside world. Once dead it
//! does nothing any more. Or it lives, and only never hears that a write was done.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cityos_domain::ids::{CommandId, OrderId, VendorId};
use cityos_domain::log::{Envelope, Partition, Position, StreamId, Version};
use cityos_domain::money::Money;
use cityos_eventstore::store::{Append, AppendError, Appended, EventStore, Page, Receipt, StoreError};
use cityos_eventstore::stored::StoredEvent;
use cityos_sagas::ports::{PaymentProvider, PortError, Ports, TransferProvider};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// When a process dies, relative to a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    Before,
    After,
    /// It lives, but hears nothing of the write, and the next look into the log fails.
    Unheard,
}

/// Whether and when a process dies. Nothing is counted before it is [armed](Mortality::arm).
#[derive(Default)]
pub struct Mortality {
    armed: AtomicBool,
    dead: AtomicBool,
    blind: AtomicBool,
    writes: AtomicUsize,
    dies: Option<(usize, When)>,
}

impl Mortality {
    /// At the `write`th write, from 1.
    pub fn at(write: usize, when: When) -> Arc<Self> {
        Arc::new(Mortality { dies: Some((write, when)), ..Mortality::default() })
    }

    pub fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// How many writes there were.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// A write: `None` if the process is dead, or dies before it.
    async fn write<T>(&self, write: impl Future<Output = T>) -> Option<T> {
        if self.is_dead() {
            return None;
        }
        if !self.armed.load(Ordering::SeqCst) {
            return Some(write.await);
        }
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        match self.dies {
            Some((at, When::Before)) if at == number => {
                self.dead.store(true, Ordering::SeqCst);
                None
            }
            Some((at, When::After)) if at == number => {
                let written = write.await;
                self.dead.store(true, Ordering::SeqCst);
                drop(written);
                None
            }
            Some((at, When::Unheard)) if at == number => {
                drop(write.await);
                self.blind.store(true, Ordering::SeqCst);
                None
            }
            _ => Some(write.await),
        }
    }

    pub fn over(self: &Arc<Self>, ports: Ports) -> Ports {
        let Ports { payments, transfers } = ports;
        Ports {
            payments: Arc::new(Dying { inner: payments, mortality: self.clone() }),
            transfers: Arc::new(Dying { inner: transfers, mortality: self.clone() }),
        }
    }
}

/// Something a mortal process works with.
pub struct Dying<T: ?Sized> {
    pub inner: Arc<T>,
    pub mortality: Arc<Mortality>,
}

impl<T: ?Sized> Dying<T> {
    fn alive(&self) -> Result<(), StoreError> {
        let blind = self.mortality.blind.swap(false, Ordering::SeqCst);
        if blind || self.mortality.is_dead() { Err(StoreError::Closed) } else { Ok(()) }
    }

    async fn call(&self, call: impl Future<Output = Result<String, PortError>>) -> Result<String, PortError> {
        let dead = || PortError::Lost { message: "the process is dead".into() };
        self.mortality.write(call).await.ok_or_else(dead)?
    }
}

#[async_trait]
impl EventStore for Dying<dyn EventStore> {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let dead = || AppendError::Unknown(StoreError::Closed);
        self.mortality.write(self.inner.append(append)).await.ok_or_else(dead)?
    }

    async fn read(&self, stream: StreamId, after: Version, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        self.alive()?;
        self.inner.read(stream, after, limit).await
    }

    async fn read_all(&self, after: Position, limit: u32) -> Result<Page, StoreError> {
        self.alive()?;
        self.inner.read_all(after, limit).await
    }

    async fn read_stored(&self, after: Position, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.alive()?;
        self.inner.read_stored(after, limit).await
    }

    async fn receipt(&self, partition: Partition, command: CommandId) -> Result<Option<Receipt>, StoreError> {
        self.alive()?;
        self.inner.receipt(partition, command).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.alive()?;
        self.inner.head().await
    }

    async fn forget_receipts(&self, before: DateTime<Utc>, at_most: u32) -> Result<u32, StoreError> {
        self.alive()?;
        self.inner.forget_receipts(before, at_most).await
    }

    async fn changed(&self, after: Position, at_most: Duration) {
        self.inner.changed(after, at_most).await;
    }
}

#[async_trait]
impl PaymentProvider for Dying<dyn PaymentProvider> {
    async fn authorise(
        &self,
        key: &str,
        partition: Partition,
        order: OrderId,
        amount: Money,
    ) -> Result<String, PortError> {
        self.call(self.inner.authorise(key, partition, order, amount)).await
    }

    async fn capture(&self, key: &str, authorisation: &str, amount: Money) -> Result<String, PortError> {
        self.call(self.inner.capture(key, authorisation, amount)).await
    }

    async fn release(&self, key: &str, authorisation: &str, amount: Money) -> Result<String, PortError> {
        self.call(self.inner.release(key, authorisation, amount)).await
    }

    async fn find(&self, key: &str) -> Result<Option<String>, PortError> {
        self.inner.find(key).await
    }
}

#[async_trait]
impl TransferProvider for Dying<dyn TransferProvider> {
    async fn open_account(
        &self,
        key: &str,
        partition: Partition,
        vendor: VendorId,
    ) -> Result<String, PortError> {
        self.call(self.inner.open_account(key, partition, vendor)).await
    }

    async fn close_account(&self, key: &str, account: &str) -> Result<String, PortError> {
        self.call(self.inner.close_account(key, account)).await
    }

    async fn transfer(&self, key: &str, account: &str, amount: Money) -> Result<String, PortError> {
        self.call(self.inner.transfer(key, account, amount)).await
    }

    async fn find(&self, key: &str) -> Result<Option<String>, PortError> {
        self.inner.find(key).await
    }
}
