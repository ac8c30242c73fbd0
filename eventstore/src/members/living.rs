//! The table of those who live. Times are the server's: the processes' clocks do not matter.

use super::SILENT_AT_MOST;
use super::view::{Duty, Member, View};
use crate::database::postgres::{Role, Schema, Server, failure};
use crate::store::{Cause, StoreError};
use chrono::{DateTime, Utc};
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

const SCHEMA: Schema =
    Schema { name: "members", steps: &[include_str!("../../../schemas/members.postgres.sql")] };

/// How long an answer is waited for, before it is tried over a new connection.
const ANSWER_AT_MOST: Duration = SILENT_AT_MOST;

/// Says that one lives, buries the dead, and asks for all others.
const BEAT: &str = "
    WITH own AS (
        INSERT INTO members.living AS own (id, duties, edition, host, pid, since, seen)
        VALUES ($1, $2, $3, host(inet_client_addr()), $4, clock_timestamp(), clock_timestamp())
        ON CONFLICT (id) DO UPDATE SET seen = excluded.seen
    ), dead AS (
        DELETE FROM members.living WHERE id IN (
            SELECT id FROM members.living
            WHERE seen < clock_timestamp() - make_interval(secs => $5) AND id <> $1 FOR UPDATE SKIP LOCKED
        )
    )
    SELECT id, duties, edition FROM members.living
    WHERE seen >= clock_timestamp() - make_interval(secs => $5) AND id <> $1 ORDER BY id";

const END: &str = "DELETE FROM members.living WHERE id = $1";

const OTHERS: &str = "
    SELECT id, duties, edition FROM members.living
    WHERE seen >= clock_timestamp() - make_interval(secs => $1) ORDER BY id";

const LIVING: &str = "
    SELECT id, duties, edition, host, pid, since, extract(epoch FROM clock_timestamp() - seen)::float8 FROM members.living
    WHERE seen >= clock_timestamp() - make_interval(secs => $1) ORDER BY since, id";

/// A process that says that it lives.
pub(super) struct Beating {
    server: Server,
    client: Option<Client>,
    own: Member,
}

impl Beating {
    /// Says so for the first time.
    pub(super) async fn begin(
        server: &Server,
        duties: impl IntoIterator<Item = Duty>,
        edition: Uuid,
    ) -> Result<(Self, View), StoreError> {
        server.prepare(&SCHEMA).await?;
        let own = View::of(duties, edition).own;
        let mut beating = Beating { server: server.clone(), client: None, own };
        let view = beating.beat().await?;
        Ok((beating, view))
    }

    /// Says so again, and sees who else does.
    pub(super) async fn beat(&mut self) -> Result<View, StoreError> {
        // Whatever went wrong: the next one connects anew.
        let others = answered(self.try_to_beat()).await.inspect_err(|_| self.client = None)?;
        Ok(View { own: self.own.clone(), others })
    }

    async fn try_to_beat(&mut self) -> Result<Vec<Member>, StoreError> {
        let own = self.own.clone();
        let client = self.client().await?;
        let duties: Vec<&str> = own.duties.iter().map(|duty| duty.name()).collect();
        let (pid, silent_s) = (i64::from(std::process::id()), SILENT_AT_MOST.as_secs_f64());
        let values: [&(dyn ToSql + Sync); 5] = [&own.id, &duties, &own.edition, &pid, &silent_s];
        let rows = client.query(BEAT, &values).await.map_err(failure)?;
        Ok(rows.iter().map(member).collect())
    }

    /// Says that it lives no more, and sees who still does. Of several that end at once the last sees nobody.
    pub(super) async fn end(mut self) -> Result<View, StoreError> {
        let others = answered(self.try_to_end()).await?;
        Ok(View { own: self.own, others })
    }

    async fn try_to_end(&mut self) -> Result<Vec<Member>, StoreError> {
        let id = self.own.id;
        let client = self.client().await?;
        client.execute(END, &[&id]).await.map_err(failure)?;
        let others = client.query(OTHERS, &[&SILENT_AT_MOST.as_secs_f64()]).await.map_err(failure)?;
        Ok(others.iter().map(member).collect())
    }

    async fn client(&mut self) -> Result<&Client, StoreError> {
        Ok(match &mut self.client {
            Some(client) => client,
            none => none.insert(self.server.connect(Some(Role::App)).await?),
        })
    }
}

async fn answered<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answer = timeout(ANSWER_AT_MOST, asked).await;
    answer.unwrap_or_else(|late| Err(StoreError::Unreachable(Cause::new(late))))
}

/// A process that lives, for who looks at it.
#[derive(Clone, PartialEq, Debug)]
pub struct Living {
    member: Member,
    /// Where the server sees it, if it comes over the network.
    pub host: Option<String>,
    /// Its number there.
    pub pid: i64,
    /// Since when.
    pub since: DateTime<Utc>,
    /// How many seconds ago it said so last.
    pub seen_s_ago: f64,
}

impl Living {
    /// What it does.
    pub fn duties(&self) -> impl Iterator<Item = Duty> {
        self.member.duties.iter().copied()
    }

    /// What its program knows.
    pub fn edition(&self) -> Uuid {
        self.member.edition
    }

    /// Whether what `share` names is its own to do, among all of these.
    pub fn has(&self, among: &[Living], duty: Duty, share: impl AsRef<[u8]>) -> bool {
        let others = among.iter().map(|living| &living.member).filter(|other| other.id != self.member.id);
        let view = View { own: self.member.clone(), others: others.cloned().collect() };
        view.is_mine(duty, share)
    }
}

/// The processes that live, the oldest first. None where the city was never served.
pub async fn living(server: &Server) -> Result<Vec<Living>, StoreError> {
    if !server.check(&SCHEMA).await? {
        return Ok(Vec::new());
    }
    let client = server.connect(None).await?;
    let rows = client.query(LIVING, &[&SILENT_AT_MOST.as_secs_f64()]).await.map_err(failure)?;
    let read = |row: &Row| Living {
        member: member(row),
        host: row.get(3),
        pid: row.get(4),
        since: row.get(5),
        seen_s_ago: row.get(6),
    };
    Ok(rows.iter().map(read).collect())
}

fn member(row: &Row) -> Member {
    Member { id: row.get(0), duties: duties_in(row, 1).collect(), edition: row.get(2) }
}

/// Those this program knows: another version may have others.
fn duties_in(row: &Row, at: usize) -> impl Iterator<Item = Duty> {
    let names: Vec<String> = row.get(at);
    Duty::ALL.into_iter().filter(move |duty| names.iter().any(|name| name == duty.name()))
}
