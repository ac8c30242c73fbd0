//! The read models' schema on a server, and who does what there: questions about one tenant under the role that sees no
//! other, everything else under the role that owns the tables.

use super::dialect::Postgres;
use super::{Blocking, Connected, borrowed, bound, prepared, read_error};
use crate::dialect::Dialect;
use crate::reads::ReadError;
use crate::session::{Found, Session, Statement};
use cityos_domain::log::Partition;
use cityos_eventstore::database::postgres::{Limits, Pool, Role, Schema, Server, pooled};
use cityos_eventstore::store::StoreError;
use futures_util::future::join3;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_postgres::Row;

const SCHEMA: Schema =
    Schema { name: "reads", steps: &[include_str!("../../../schemas/reads.postgres.sql")] };

/// How long a statement of those who build, compare and move tables may take.
const MAINTENANCE_AT_MOST: Duration = Duration::from_secs(3_600);

/// How often a question is asked that changes nothing: a connection of the pool may be lost without anybody knowing.
const ATTEMPTS_MAX: u32 = 2;

/// The schema.
#[cfg_attr(feature = "remembering", derive(Clone))]
pub(crate) struct Database {
    /// As those use it who own the tables.
    pub(super) server: Server,
    api: Pool,
    projector: Pool,
    /// How long a question may take.
    question_ms_max: u128,
    runtime: Handle,
    read_statements: Arc<AtomicU64>,
    write_statements: Arc<AtomicU64>,
    #[cfg(feature = "remembering")]
    remembered: Option<Arc<super::remembering::Remembered>>,
}

impl Database {
    /// How things are spelled there.
    pub(crate) const DIALECT: &dyn Dialect = &Postgres;

    /// Whether the schema is there.
    pub(crate) async fn is_there(server: &Server) -> Result<bool, StoreError> {
        server.check(&SCHEMA).await
    }

    /// Makes the schema where it is missing.
    pub(crate) async fn open(
        server: &Server,
        read_statements: &Arc<AtomicU64>,
        write_statements: &Arc<AtomicU64>,
    ) -> Result<Self, StoreError> {
        server.prepare_as(Role::Projector, &SCHEMA).await?;
        let limits = server.limits().clone();
        let server = server.with_setting("search_path", SCHEMA.name);
        // Commits are flushed, although it can all be made from the log again: a server that crashes must not put tables back
        // to before what somebody has been answered from.
        let maintenance = Limits { statement_at_most: MAINTENANCE_AT_MOST, ..limits.clone() };
        let owning = server.with_limits(maintenance);
        Ok(Database {
            api: server.pool(Role::Api)?,
            projector: owning.pool(Role::Projector)?,
            server: owning,
            question_ms_max: limits.statement_at_most.as_millis(),
            runtime: Handle::current(),
            read_statements: read_statements.clone(),
            write_statements: write_statements.clone(),
            #[cfg(feature = "remembering")]
            remembered: None,
        })
    }

    /// What `read` makes of each row of the answer to a question about one partition, or about all.
    pub(crate) async fn ask<T>(
        &self,
        partition: Option<Partition>,
        question: &Statement<'_>,
        mut read: impl FnMut(&dyn Found) -> Result<T, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        #[cfg(feature = "remembering")]
        if let Some(remembered) = &self.remembered {
            let rows = remembered.recall(partition, question, self.rows(partition, question)).await?;
            return rows.iter().map(|row| read(row)).collect();
        }
        self.rows(partition, question).await?.iter().map(|row| read(row)).collect()
    }

    /// The rows of the answer. One round trip.
    async fn rows(
        &self,
        partition: Option<Partition>,
        question: &Statement<'_>,
    ) -> Result<Vec<Row>, ReadError> {
        if question.parameters.iter().any(|parameter| parameter.holds_zero()) {
            // No row has such a text here: it would have been refused.
            return Ok(Vec::new());
        }
        let (pool, settings) = match partition {
            Some(own) => (&self.api, format!("SET LOCAL cityos.tenant = '{}'", own.id())),
            None => (&self.projector, format!("SET LOCAL statement_timeout = {}", self.question_ms_max)),
        };
        let begin = format!("BEGIN READ ONLY; {settings}");
        let (bound, mut attempt) = (bound(&question.parameters), 1);
        loop {
            let client = pooled(pool).await.map_err(ReadError::Database)?;
            let answer = async {
                let statement = prepared(&client, &question.sql).await?;
                self.read_statements.fetch_add(1, Ordering::Relaxed);
                let parameters = borrowed(&bound);
                // All three are on their way before the first answer is back.
                let (begun, rows, ended) = join3(
                    client.batch_execute(&begin),
                    client.query(&statement, &parameters),
                    client.batch_execute("COMMIT"),
                )
                .await;
                begun?;
                let rows = rows?;
                ended.map(|()| rows)
            };
            match answer.await.map_err(read_error) {
                Err(ReadError::Database(StoreError::Unreachable(_))) if attempt < ATTEMPTS_MAX => {
                    attempt += 1
                }
                answer => break answer,
            }
        }
    }

    /// The same database, asked each question once.
    #[cfg(feature = "remembering")]
    pub(crate) fn remembering(&self) -> Self {
        Database { remembered: Some(Arc::default()), ..self.clone() }
    }

    fn session(&self, client: Connected, statements: &Arc<AtomicU64>) -> Blocking {
        Blocking {
            client,
            runtime: self.runtime.clone(),
            statements: statements.clone(),
            scans: Cell::new(0),
        }
    }

    fn pooled(&self, statements: &Arc<AtomicU64>) -> Result<Blocking, ReadError> {
        let client = self.runtime.block_on(pooled(&self.projector)).map_err(ReadError::Database)?;
        Ok(self.session(Connected::Pooled(client), statements))
    }

    /// Does `work` with a connection that looks at one moment.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&dyn Session) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        self.pooled(&self.read_statements)?.within(begin, work)
    }

    /// Does `work` in one transaction beside which nobody else writes what belongs to `models`.
    pub(crate) fn write<T, E: From<ReadError>>(
        &self,
        models: &[&str],
        work: impl FnOnce(&dyn Session) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut models = models.to_vec();
        // Everybody takes them in this order: nobody waits for one who waits for him.
        models.sort_unstable();
        let lock =
            |model| format!("; SELECT pg_advisory_xact_lock(hashtextextended('{}', 0))", written(model));
        let locks: String = models.into_iter().map(lock).collect();
        let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE{locks}");
        self.pooled(&self.write_statements)?.within(&begin, work)
    }

    /// A connection that looks at this moment, and may have tables of its own.
    pub(crate) fn apart(&self) -> Result<Box<dyn Session + Send>, ReadError> {
        let connecting = self.server.connect(Some(Role::Projector));
        let client = self.runtime.block_on(connecting).map_err(ReadError::Database)?;
        let session = self.session(Connected::Own(client), &self.read_statements);
        session.control(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL idle_in_transaction_session_timeout = 0;
             SELECT FROM about",
        )?;
        Ok(Box::new(session))
    }
}

/// What stands for whoever writes the tables of a model, in a text of SQL.
fn written(model: &str) -> String {
    format!("cityos reads {}", model.replace('\'', "''"))
}
