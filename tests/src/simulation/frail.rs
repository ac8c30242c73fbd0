//! The log, the outside world and the read models as a process that can die knows them. Once it is dead it does
//! nothing any more.

use super::fate::{Blow, Fate};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cityos_domain::ids::{CommandId, OrderId, VendorId};
use cityos_domain::log::{Envelope, Partition, Position, StreamId, Version};
use cityos_domain::money::Money;
use cityos_eventstore::store::{Append, AppendError, Appended, EventStore, Page, Receipt, StoreError};
use cityos_eventstore::stored::StoredEvent;
use cityos_projections::Unfit;
use cityos_projections::model::{AnyModel, Folded, StoredKey, StoredRow};
use cityos_projections::row::ColumnSpec;
use cityos_sagas::ports::{PaymentProvider, PortError, Ports, TransferProvider};
use std::sync::Arc;
use std::time::Duration;

/// Something a process works with, and what befalls it.
pub struct Frail<T: ?Sized> {
    /// The thing itself.
    pub inner: Arc<T>,
    /// The log, to know where it ended when the outside world was called.
    pub log: Arc<dyn EventStore>,
    /// What befalls the process.
    pub fate: Fate,
}

impl<T: ?Sized> Frail<T> {
    fn readable(&self) -> Result<(), StoreError> {
        if self.fate.lets_read() { Ok(()) } else { Err(StoreError::Busy) }
    }

    async fn call(
        &self,
        key: &str,
        call: impl Future<Output = Result<String, PortError>>,
    ) -> Result<String, PortError> {
        // What others do before the request arrives, and before its answer does.
        self.fate.meet_ambush().await;
        let head = self.log.head().await.expect("only what goes through fate fails");
        let blow = self.fate.of_call(key, head);
        if blow == Blow::DiesBefore {
            return Err(nobody_hears());
        }
        let answer = call.await;
        self.fate.meet_ambush().await;
        if blow == Blow::None { answer } else { Err(nobody_hears()) }
    }

    async fn ask(
        &self,
        search: impl Future<Output = Result<Option<String>, PortError>>,
    ) -> Result<Option<String>, PortError> {
        if self.fate.is_dead() { Err(nobody_hears()) } else { search.await }
    }
}

fn nobody_hears() -> PortError {
    PortError::Lost { message: "the process is dead".into() }
}

#[async_trait]
impl EventStore for Frail<dyn EventStore> {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.fate.meet_ambush().await;
        match self.fate.of_append() {
            Blow::None => self.inner.append(append).await,
            Blow::Busy => Err(AppendError::Store(StoreError::Busy)),
            Blow::DiesBefore | Blow::Lost => Err(AppendError::Unknown(StoreError::Closed)),
            Blow::DiesAfter | Blow::Unacknowledged => {
                self.inner.append(append).await?;
                Err(AppendError::Unknown(StoreError::Closed))
            }
        }
    }

    async fn read(&self, stream: StreamId, after: Version, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        self.readable()?;
        self.inner.read(stream, after, limit).await
    }

    async fn read_all(&self, after: Position, limit: u32) -> Result<Page, StoreError> {
        self.readable()?;
        self.fate.of_page();
        self.inner.read_all(after, limit).await
    }

    async fn read_stored(&self, after: Position, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.readable()?;
        self.inner.read_stored(after, limit).await
    }

    async fn receipt(&self, partition: Partition, command: CommandId) -> Result<Option<Receipt>, StoreError> {
        self.readable()?;
        self.inner.receipt(partition, command).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.readable()?;
        self.inner.head().await
    }

    async fn changed(&self, after: Position, at_most: Duration) {
        self.inner.changed(after, at_most).await;
    }

    async fn forget_receipts(&self, before: DateTime<Utc>, at_most: u32) -> Result<u32, StoreError> {
        self.readable()?;
        self.inner.forget_receipts(before, at_most).await
    }
}

#[async_trait]
impl PaymentProvider for Frail<dyn PaymentProvider> {
    async fn authorise(
        &self,
        key: &str,
        partition: Partition,
        order: OrderId,
        amount: Money,
    ) -> Result<String, PortError> {
        self.call(key, self.inner.authorise(key, partition, order, amount)).await
    }

    async fn capture(&self, key: &str, authorisation: &str, amount: Money) -> Result<String, PortError> {
        self.call(key, self.inner.capture(key, authorisation, amount)).await
    }

    async fn release(&self, key: &str, authorisation: &str, amount: Money) -> Result<String, PortError> {
        self.call(key, self.inner.release(key, authorisation, amount)).await
    }

    async fn find(&self, key: &str) -> Result<Option<String>, PortError> {
        self.ask(self.inner.find(key)).await
    }
}

#[async_trait]
impl TransferProvider for Frail<dyn TransferProvider> {
    async fn open_account(
        &self,
        key: &str,
        partition: Partition,
        vendor: VendorId,
    ) -> Result<String, PortError> {
        self.call(key, self.inner.open_account(key, partition, vendor)).await
    }

    async fn close_account(&self, key: &str, account: &str) -> Result<String, PortError> {
        self.call(key, self.inner.close_account(key, account)).await
    }

    async fn transfer(&self, key: &str, account: &str, amount: Money) -> Result<String, PortError> {
        self.call(key, self.inner.transfer(key, account, amount)).await
    }

    async fn find(&self, key: &str) -> Result<Option<String>, PortError> {
        self.ask(self.inner.find(key)).await
    }
}

/// The outside world as a frail process calls it.
pub fn frail_ports(ports: Ports, log: &Arc<dyn EventStore>, fate: &Fate) -> Ports {
    let Ports { payments, transfers } = ports;
    Ports {
        payments: Arc::new(Frail { inner: payments, log: log.clone(), fate: fate.clone() }),
        transfers: Arc::new(Frail { inner: transfers, log: log.clone(), fate: fate.clone() }),
    }
}

/// A read model whose process may die while it is written. Whatever was written by then must not count.
pub struct FrailModel {
    inner: &'static dyn AnyModel,
    fate: Fate,
}

impl FrailModel {
    /// Read models live as long as the program does, and so do these: some dozens of bytes each.
    pub fn all(models: &'static [&'static dyn AnyModel], fate: &Fate) -> &'static [&'static dyn AnyModel] {
        let frail = |inner: &&'static dyn AnyModel| -> &'static dyn AnyModel {
            Box::leak(Box::new(FrailModel { inner: *inner, fate: fate.clone() }))
        };
        models.iter().map(frail).collect::<Vec<_>>().leak()
    }
}

impl AnyModel for FrailModel {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn columns(&self) -> &'static [ColumnSpec] {
        self.inner.columns()
    }

    fn fingerprint(&self) -> String {
        self.inner.fingerprint()
    }

    fn keys(&self, event: &Envelope) -> Result<Vec<StoredKey>, Unfit> {
        if self.fate.lets_project() { self.inner.keys(event) } else { Err(Unfit::Missing) }
    }

    fn fold(&self, row: Option<&StoredRow>, key: &StoredKey, events: &[&Envelope]) -> Folded {
        self.inner.fold(row, key, events)
    }
}
