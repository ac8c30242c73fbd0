//! The read models on a PostgreSQL server: how values are stored, how statements are spelled, and connections to it.

mod claim;
mod dialect;
#[cfg(feature = "remembering")]
mod remembering;
mod server;
mod values;

pub(crate) use claim::Claim;
pub(crate) use server::Database;

use crate::dialect::Dialect;
use crate::reads::ReadError;
use crate::session::{Found, Parameter, Rows, Session};
use cityos_eventstore::database::postgres::{Pooled, failure};
use std::cell::Cell;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Handle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};
use values::Bound;

/// How many rows of an answer that is read little by little are fetched at once.
const ROWS_FETCHED: u32 = 2_000;

/// How many prepared statements a connection keeps. One more, and it begins anew: they take room at the server.
const STATEMENTS_KEPT: usize = 256;

/// A connection: of a pool, or nobody else's.
enum Connected {
    Pooled(Pooled),
    Own(Client),
}

impl Deref for Connected {
    type Target = Client;

    fn deref(&self) -> &Client {
        match self {
            Connected::Pooled(client) => client,
            Connected::Own(client) => client,
        }
    }
}

async fn prepared(client: &Pooled, sql: &str) -> Result<Statement, tokio_postgres::Error> {
    if client.statement_cache.size() >= STATEMENTS_KEPT {
        client.statement_cache.clear();
    }
    client.prepare_cached(&numbered(sql)).await
}

/// A connection whose user waits on a thread that may block.
struct Blocking {
    client: Connected,
    runtime: Handle,
    statements: Arc<AtomicU64>,
    /// Counts what is read little by little.
    scans: Cell<u32>,
}

impl Blocking {
    fn wait<T>(&self, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, ReadError> {
        self.runtime.block_on(work).map_err(read_error)
    }

    /// Statements that are not counted: they ask and write nothing.
    fn control(&self, sql: &str) -> Result<(), ReadError> {
        self.wait(self.client.batch_execute(sql))
    }

    /// Does `work` in a transaction: all of it, or, on an error or a panic, nothing.
    fn within<T, E: From<ReadError>>(
        &self,
        begin: &str,
        work: impl FnOnce(&dyn Session) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut open = Open(Some(self));
        self.control(begin)?;
        let done = work(self)?;
        // Where a statement has failed and nobody cared, the server would take back what was done and call that a success:
        // but not the question.
        self.control("SELECT; COMMIT")?;
        open.0 = None;
        Ok(done)
    }

    async fn prepare(&self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        match &self.client {
            Connected::Pooled(client) => prepared(client, sql).await,
            Connected::Own(client) => client.prepare(&numbered(sql)).await,
        }
    }
}

/// A transaction that is rolled back where nobody has ended it.
struct Open<'s>(Option<&'s Blocking>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.0 {
            // Where the connection is lost, so is what it did.
            drop(session.control("ROLLBACK"));
        }
    }
}

impl Session for Blocking {
    fn dialect(&self) -> &'static dyn Dialect {
        Database::DIALECT
    }

    fn execute(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<u64, ReadError> {
        self.wait(async {
            let statement = self.prepare(sql).await?;
            self.client.execute_raw(&statement, parameters.iter().map(Bound)).await
        })
    }

    fn query(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        each: &mut dyn FnMut(&dyn Found) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let rows = self.wait(async {
            let statement = self.prepare(sql).await?;
            let bound = bound(parameters);
            self.client.query(&statement, &borrowed(&bound)).await
        })?;
        rows.iter().try_for_each(|row| each(row))
    }

    fn scan(
        &self,
        sql: &str,
        look: &mut dyn FnMut(&mut dyn Rows) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let name = format!("scan_{}", self.scans.replace(self.scans.get() + 1));
        self.batch(&format!("DECLARE {name} NO SCROLL CURSOR FOR {sql}"))?;
        let fetch = self.wait(self.client.prepare(&format!("FETCH {ROWS_FETCHED} FROM {name}")))?;
        look(&mut Fetched { session: self, fetch, rows: Vec::new().into_iter(), row: None })?;
        self.control(&format!("CLOSE {name}"))
    }

    fn batch(&self, sql: &str) -> Result<(), ReadError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.control(sql)
    }

    fn attempt(&self, work: &mut dyn FnMut() -> Result<(), ReadError>) -> Result<(), ReadError> {
        self.control("SAVEPOINT attempt")?;
        let done = work();
        let end = match done {
            Ok(()) => "RELEASE attempt",
            Err(_) => "ROLLBACK TO attempt; RELEASE attempt",
        };
        // Where not even that can be done, what went wrong first says more.
        done.and(self.control(end))
    }
}

/// Rows that are fetched as they are asked for.
struct Fetched<'s> {
    session: &'s Blocking,
    fetch: Statement,
    rows: std::vec::IntoIter<Row>,
    row: Option<Row>,
}

impl Rows for Fetched<'_> {
    fn next(&mut self) -> Result<Option<&dyn Found>, ReadError> {
        if self.rows.len() == 0 {
            self.rows = self.session.wait(self.session.client.query(&self.fetch, &[]))?.into_iter();
        }
        self.row = self.rows.next();
        Ok(self.row.as_ref().map(|row| row as &dyn Found))
    }
}

fn bound<'p>(parameters: &'p [Parameter<'p>]) -> Vec<Bound<'p>> {
    parameters.iter().map(Bound).collect()
}

fn borrowed<'b>(bound: &'b [Bound<'_>]) -> Vec<&'b (dyn ToSql + Sync)> {
    bound.iter().map(|bound| bound as &(dyn ToSql + Sync)).collect()
}

/// The statement with `$1`, `$2`, … for its `?`.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for (at, part) in parts.enumerate() {
        numbered += &format!("${}{part}", at + 1);
    }
    numbered
}

/// What an error means: the server may take offence at a row rather than fail, and the work goes on without the row.
fn read_error(error: tokio_postgres::Error) -> ReadError {
    /// Data that fits no type, constraints, limits of the program.
    const REFUSALS: [&str; 3] = ["22", "23", "54"];
    let refusal = error.as_db_error().filter(|error| {
        let code = error.code();
        REFUSALS.contains(&&code.code()[..2]) || *code == SqlState::RAISE_EXCEPTION
    });
    match refusal {
        Some(refusal) => ReadError::Refused(refusal.message().to_owned()),
        None => ReadError::Database(failure(error)),
    }
}

#[cfg(test)]
mod tests;
