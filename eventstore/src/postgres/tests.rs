//! What only a server can show: what a batch comes to, lost connections and answers, crashes, and who may do what.

mod disks;
mod losing;
mod proxy;
mod rights;
mod writing;

use super::*;
use crate::clock::SystemClock;
use crate::contract::{append, stream, tenant};
use crate::database::postgres::private_server::PrivateServer;

async fn open(server: &Server) -> PostgresStore {
    PostgresStore::open(server, Arc::new(SystemClock)).await.unwrap()
}

/// An append to the one shelf of these tests, at this version.
fn shelf(name: &str, version: u64) -> Append {
    let shelf = stream(tenant("a"), "shelf");
    append(name, &[(shelf, version)], &[(shelf, name)])
}
