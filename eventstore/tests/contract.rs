//! The contract, on every backend there is.

use async_trait::async_trait;
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::contract::Backend;
use cityos_eventstore::database::postgres::Server;
use cityos_eventstore::database::postgres::private_server::PrivateServer;
use cityos_eventstore::memory::MemoryStore;
use cityos_eventstore::postgres::PostgresStore;
use cityos_eventstore::sqlite::SqliteStore;
use cityos_eventstore::store::EventStore;
use std::sync::Arc;
use tempfile::TempDir;

struct InMemory(MemoryStore);

#[async_trait]
impl Backend for InMemory {
    async fn open(&self) -> Arc<dyn EventStore> {
        Arc::new(self.0.clone())
    }
}

struct InFile(TempDir);

#[async_trait]
impl Backend for InFile {
    async fn open(&self) -> Arc<dyn EventStore> {
        let store = SqliteStore::open(&self.0.path().join("log.db"), Arc::new(SystemClock));
        Arc::new(store.expect("a folder of our own takes a log"))
    }
}

struct OnServer(Server);

#[async_trait]
impl Backend for OnServer {
    async fn open(&self) -> Arc<dyn EventStore> {
        let store = PostgresStore::open(&self.0, Arc::new(SystemClock)).await;
        Arc::new(store.expect("a database of our own takes a log"))
    }
}

mod memory {
    cityos_eventstore::contract_tests!(super::InMemory(super::MemoryStore::new(std::sync::Arc::new(
        super::SystemClock
    ))));
}

mod sqlite {
    cityos_eventstore::contract_tests!(super::InFile(tempfile::tempdir().unwrap()));
}

mod postgres {
    cityos_eventstore::contract_tests!(super::OnServer(super::PrivateServer::shared().new_city()));
}
