//! The sandbox's books, in a file of their own: every request, and everything that was done. What was done under a
//! key is done once while the key is remembered, and can be searched for by its key for ever.

use chrono::{DateTime, TimeDelta, Utc};
use cityos_domain::money::Money;
use cityos_sagas::ports::PortError;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// How long the provider remembers an idempotency key.
const KEY_REMEMBERED_FOR: TimeDelta = TimeDelta::hours(24);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS requests (
        operation TEXT NOT NULL,
        key TEXT NOT NULL,
        at_us INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS done (
        number INTEGER PRIMARY KEY,
        operation TEXT NOT NULL,
        key TEXT NOT NULL,
        subject TEXT NOT NULL,
        minor INTEGER,
        currency TEXT,
        reference TEXT NOT NULL UNIQUE,
        at_us INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS done_by_key ON done (key);
    CREATE INDEX IF NOT EXISTS done_by_subject ON done (subject);
";

/// What can be asked of the sandbox.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// Hold a customer's money.
    Authorise,
    /// Take held money.
    Capture,
    /// Give held money back.
    Release,
    /// Open an account for a vendor.
    OpenAccount,
    /// Close it.
    CloseAccount,
    /// Send money to it.
    Transfer,
    /// Say what was done under a key. Never in the books.
    Search,
}

impl Operation {
    /// Its name in the books; references begin with it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Authorise => "authorisation",
            Operation::Capture => "capture",
            Operation::Release => "release",
            Operation::OpenAccount => "account",
            Operation::CloseAccount => "closing",
            Operation::Transfer => "transfer",
            Operation::Search => "search",
        }
    }
}

/// Why the books cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Their database failed.
    #[error("the sandbox's database failed")]
    Database(#[from] rusqlite::Error),
    /// The thread that did the work is gone.
    #[error("the sandbox was stopped")]
    Stopped,
}

/// A request to do something.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) key: String,
    /// For what it is done: an order, a vendor, an authorisation, an account.
    pub(super) subject: String,
    pub(super) amount: Option<Money>,
    pub(super) at: DateTime<Utc>,
}

/// Something that was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done {
    /// Under which key.
    pub key: String,
    /// For what: an order, a vendor, an authorisation, an account.
    pub subject: String,
    /// In minor units; none where no money is about.
    pub minor: Option<i64>,
    /// Of this currency.
    pub currency: Option<String>,
    /// The reference it was given.
    pub reference: String,
}

#[derive(Clone)]
pub(super) struct Records(Arc<Mutex<Connection>>);

impl Records {
    pub(super) fn open(path: &Path) -> Result<Self, SandboxError> {
        let conn = Connection::open(path)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.busy_timeout(std::time::Duration::from_secs(5))?;
        conn.execute_batch(SCHEMA)?;
        Ok(Records(Arc::new(Mutex::new(conn))))
    }

    /// Takes the request down and, if it is to be performed, does it. The inner error is the provider's answer.
    pub(super) async fn take(
        &self,
        request: Request,
        performs: bool,
    ) -> Result<Result<String, PortError>, SandboxError> {
        self.with(move |conn| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            tx.execute(
                "INSERT INTO requests (operation, key, at_us) VALUES (?1, ?2, ?3)",
                params![request.operation.name(), request.key, request.at.timestamp_micros()],
            )?;
            let answer = if performs { perform(&tx, &request)? } else { Ok(String::new()) };
            tx.commit()?;
            Ok(answer)
        })
        .await
    }

    /// The reference of what was done under `key`, however long ago.
    pub(super) async fn find(&self, key: &str) -> Result<Option<String>, SandboxError> {
        let key = key.to_owned();
        self.with(move |conn| {
            let first = "SELECT reference FROM done WHERE key = ?1 ORDER BY number LIMIT 1";
            Ok(conn.query_row(first, [key], |row| row.get(0)).optional()?)
        })
        .await
    }

    pub(super) async fn done(&self, operation: Operation) -> Result<Vec<Done>, SandboxError> {
        self.with(move |conn| {
            let mut all = conn.prepare(
                "SELECT key, subject, minor, currency, reference FROM done WHERE operation = ?1 ORDER BY number",
            )?;
            let done = all.query_map([operation.name()], |row| {
                Ok(Done {
                    key: row.get(0)?,
                    subject: row.get(1)?,
                    minor: row.get(2)?,
                    currency: row.get(3)?,
                    reference: row.get(4)?,
                })
            })?;
            Ok(done.collect::<Result<_, _>>()?)
        })
        .await
    }

    pub(super) async fn requests(&self, operation: Operation) -> Result<u64, SandboxError> {
        self.with(move |conn| {
            let count = "SELECT count(*) FROM requests WHERE operation = ?1";
            Ok(conn.query_row(count, [operation.name()], |row| row.get::<_, u32>(0))?.into())
        })
        .await
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, SandboxError> + Send + 'static,
    ) -> Result<T, SandboxError> {
        let conn = self.0.clone();
        let blocking = move || work(&mut conn.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(blocking).await.map_err(|_| SandboxError::Stopped)?
    }
}

fn perform(conn: &Connection, request: &Request) -> rusqlite::Result<Result<String, PortError>> {
    let Request { operation, key, subject, amount, at } = request;
    let minor = amount.map(|amount| amount.minor);
    let currency = amount.map(|amount| amount.currency.code());
    let remembered_since = (*at - KEY_REMEMBERED_FOR).timestamp_micros();
    let remembered = conn
        .query_row(
            "SELECT reference, operation = ?3 AND subject = ?4 AND minor IS ?5 AND currency IS ?6
             FROM done WHERE key = ?1 AND at_us > ?2 ORDER BY number DESC LIMIT 1",
            params![key, remembered_since, operation.name(), subject, minor, currency],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)),
        )
        .optional()?;
    match remembered {
        Some((reference, true)) => return Ok(Ok(reference)),
        Some((_, false)) => return Ok(refused("KEY_REUSED", "the key was used for something else")),
        None => {}
    }
    if let Some(refusal) = refusal(conn, request)? {
        return Ok(refusal);
    }
    let number: i64 =
        conn.query_row("SELECT coalesce(max(number), 0) + 1 FROM done", [], |row| row.get(0))?;
    let reference = format!("{}-{number}", operation.name());
    conn.execute(
        "INSERT INTO done (number, operation, key, subject, minor, currency, reference, at_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![number, operation.name(), key, subject, minor, currency, reference, at.timestamp_micros()],
    )?;
    Ok(Ok(reference))
}

/// What the provider's own rules say against a request.
fn refusal(conn: &Connection, request: &Request) -> rusqlite::Result<Option<Result<String, PortError>>> {
    let Request { operation, subject, amount, .. } = request;
    if amount.is_some_and(|amount| amount.minor <= 0) {
        return Ok(Some(refused("AMOUNT_INVALID", "an amount is more than nothing")));
    }
    let exists = |operation: Operation| {
        let count = "SELECT count(*) FROM done WHERE operation = ?1 AND reference = ?2";
        conn.query_row(count, params![operation.name(), subject], |row| row.get::<_, bool>(0))
    };
    Ok(match operation {
        Operation::Authorise | Operation::OpenAccount | Operation::Search => None,
        Operation::Capture | Operation::Release => {
            if !exists(Operation::Authorise)? {
                return Ok(Some(refused("AUTHORISATION_UNKNOWN", "there is no such authorisation")));
            }
            let (minor, currency) = amount.map_or((0, ""), |amount| (amount.minor, amount.currency.code()));
            let left: i64 = conn.query_row(
                "SELECT sum(CASE operation WHEN 'authorisation' THEN minor ELSE -minor END)
                 FROM done WHERE (reference = ?1 OR subject = ?1) AND currency = ?2",
                params![subject, currency],
                |row| Ok(row.get::<_, Option<i64>>(0)?.unwrap_or(0)),
            )?;
            (minor > left).then(|| refused("AMOUNT_TOO_LARGE", "more than the authorisation still holds"))
        }
        Operation::CloseAccount | Operation::Transfer => {
            if !exists(Operation::OpenAccount)? {
                return Ok(Some(refused("ACCOUNT_UNKNOWN", "there is no such account")));
            }
            let closed = "SELECT count(*) FROM done WHERE operation = 'closing' AND subject = ?1";
            let closed: bool = conn.query_row(closed, [subject], |row| row.get(0))?;
            closed.then(|| refused("ACCOUNT_CLOSED", "the account is closed"))
        }
    })
}

fn refused(code: &str, message: &str) -> Result<String, PortError> {
    Err(PortError::Refused { code: code.into(), message: message.into() })
}
