//! Writes batches of appends, each batch in one transaction with one flush. An append that cannot be done fails alone: it is
//! checked before the first row is sent. Where the answer to a commit is lost the log itself is asked.

use super::plan::Plan;
use super::session::{Backend, Batch, CommitError, OTHERS_MAX, Receipts, Session, Tail, terminate};
use crate::clock::Clock;
use crate::database::postgres::Server;
use crate::queue::{self, Answer, Figures};
use crate::store::{AppendError, Cause, StoreError};
use crate::stored::{Prepared, recorded_at};
use cityos_domain::log::{Position, StreamId, Version};
use quick_cache::unsync::Cache;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep, timeout};

/// How many streams' versions the writer keeps in mind.
const HEADS_MAX: usize = 100_000;

/// The pause before it tries to connect again.
const PAUSE: Duration = Duration::from_millis(100);

/// How much longer than the server's own limit an answer is waited for.
const ANSWER_MARGIN: Duration = Duration::from_secs(2);

/// How often one batch is tried: its connection may be lost again, and what keeps being lost is not for us to mend.
const ATTEMPTS_MAX: u32 = 5;

/// The one who writes in this process.
pub struct Writer {
    /// The connection is driven by the thread that uses it.
    runtime: Runtime,
    state: State,
}

struct State {
    server: Server,
    clock: Arc<dyn Clock>,
    session: Option<Session>,
    /// A session that may still be there though nobody hears of it.
    lost: Option<Backend>,
    /// Valid up to the tail.
    heads: Cache<StreamId, Version>,
    tail: Option<Tail>,
    figures: Figures,
}

impl Writer {
    pub fn new(server: Server, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Database(Cause::new(error)))?;
        let heads = Cache::new(HEADS_MAX);
        let figures = Figures::default();
        Ok(Writer {
            runtime,
            state: State { server, clock, session: None, lost: None, heads, tail: None, figures },
        })
    }
}

impl queue::Writer for Writer {
    fn take_turn(&mut self) -> Result<(), StoreError> {
        self.runtime.block_on(self.state.take_turn())
    }

    fn commit(&mut self, batch: &[Prepared]) -> Vec<Answer> {
        self.state.figures.batches += 1;
        let batch: Vec<&Prepared> = batch.iter().collect();
        self.runtime.block_on(self.state.write(&batch))
    }

    fn head(&self) -> Position {
        Position(self.state.tail.map_or(0, |tail| tail.position))
    }

    fn figures(&self) -> Figures {
        self.state.figures
    }
}

/// Why a batch was not written.
enum Failed {
    /// The server says so.
    Refused(StoreError),
    /// The connection was lost; nothing had been committed.
    Lost(StoreError),
    /// The connection was lost, and the log could not be asked.
    Unknown(StoreError),
}

impl State {
    /// Connects where there is no connection, and begins a transaction that nobody writes the log beside. Goes on trying for as long
    /// as the limits say.
    async fn take_turn(&mut self) -> Result<(), StoreError> {
        let until = Instant::now() + self.server.limits().reconnect_at_most;
        loop {
            match self.try_to_take_turn().await {
                Err(StoreError::Unreachable(_)) if Instant::now() < until => sleep(PAUSE).await,
                result => return result,
            }
        }
    }

    async fn try_to_take_turn(&mut self) -> Result<(), StoreError> {
        if let Some(backend) = self.lost {
            // It may have the lock, and wait for what never comes.
            terminate(&self.server, backend).await?;
            self.lost = None;
        }
        let session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&self.server).await?,
        };
        let known = self.tail.map(|tail| tail.position);
        let begun = self.answered(session.begin(known)).await;
        let (tail, others) = begun.inspect_err(|_| self.lost = Some(session.backend))?;
        if known.is_none() || others.len() >= OTHERS_MAX {
            self.heads.clear();
        } else {
            // Newest first: the oldest of a stream must not have the last word.
            for (stream, version) in others.into_iter().rev() {
                self.heads.insert(stream, version);
            }
        }
        self.tail = tail.or(self.tail).or(Some(Tail::EMPTY));
        self.session = Some(session);
        Ok(())
    }

    /// What the server answers, unless it takes longer than it should itself allow.
    async fn answered<T>(&self, asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let limit = self.server.limits().statement_at_most + ANSWER_MARGIN;
        let answer = timeout(limit, asked).await;
        answer.unwrap_or_else(|late| Err(StoreError::Unreachable(Cause::new(late))))
    }

    /// Writes the batch in the turn that was taken, or in another.
    async fn write(&mut self, batch: &[&Prepared]) -> Vec<Answer> {
        let fail = |failure| vec![Err(failure); batch.len()];
        let (mut looks_up, mut lost) = (false, StoreError::Closed);
        for _ in 0..ATTEMPTS_MAX {
            let failed = match self.try_to_write(batch, looks_up).await {
                Ok(answers) => return answers,
                Err(failed) => failed,
            };
            // What was kept in mind may be why.
            self.heads.clear();
            match failed {
                // One kind of clash only the server sees: a command that was done before, and could be done again.
                Failed::Refused(StoreError::Database(_)) if !looks_up => looks_up = true,
                Failed::Refused(StoreError::Database(_)) if batch.len() > 1 => {
                    return Box::pin(self.write_one_by_one(batch)).await;
                }
                Failed::Refused(error) => return fail(AppendError::Store(error)),
                Failed::Unknown(error) => return fail(AppendError::Unknown(error)),
                Failed::Lost(error) => lost = error,
            }
            if let Err(error) = self.take_turn().await {
                return fail(AppendError::Store(error));
            }
        }
        fail(AppendError::Store(lost))
    }

    /// The server takes offence at something in the batch, nobody knows what: each for itself.
    async fn write_one_by_one(&mut self, batch: &[&Prepared]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(batch.len());
        for append in batch {
            match self.take_turn().await {
                Ok(()) => answers.extend(self.write(&[append]).await),
                Err(error) => answers.push(Err(AppendError::Store(error))),
            }
        }
        answers
    }

    /// Writes the batch in the turn that was taken, which is over then. `looks_up`: asks of every command first whether it was
    /// done before.
    async fn try_to_write(&mut self, batch: &[&Prepared], looks_up: bool) -> Result<Vec<Answer>, Failed> {
        let session = self.session.take().expect("a turn was taken");
        let tail = self.tail.expect("a turn was taken");
        let planned = self.answered(self.plan(&session, tail, batch, looks_up)).await;
        let planned = match planned {
            Ok(planned) => planned,
            Err(error) => {
                // The transaction goes with its session.
                self.lost = Some(session.backend);
                return Err(if matches!(error, StoreError::Unreachable(_)) {
                    Failed::Lost(error)
                } else {
                    Failed::Refused(error)
                });
            }
        };
        if planned.written.is_empty() {
            match session.roll_back().await {
                Ok(()) => self.session = Some(session),
                Err(_) => self.lost = Some(session.backend),
            }
            return Ok(planned.answers);
        }
        let recorded_at = planned.recorded_at;
        let written = Batch { tail, recorded_at, appends: planned.written };
        let limit = self.server.limits().statement_at_most + ANSWER_MARGIN;
        let committed = timeout(limit, session.commit(&written)).await;
        match committed
            .unwrap_or_else(|late| Err(CommitError::Unknown(StoreError::Unreachable(Cause::new(late)))))
        {
            Ok(()) => self.session = Some(session),
            Err(CommitError::Refused(error)) => {
                self.session = Some(session);
                return Err(Failed::Refused(error));
            }
            Err(CommitError::Unknown(error)) => {
                self.lost = Some(session.backend);
                drop(session);
                match self.was_committed(&written).await {
                    Ok(true) => {}
                    Ok(false) => return Err(Failed::Lost(error)),
                    Err(_) => return Err(Failed::Unknown(error)),
                }
            }
        }
        let events: usize = written.appends.iter().map(|append| append.events.len()).sum();
        if events > 0 {
            self.tail = Some(Tail { position: tail.position + events as u64, recorded_at });
        }
        for append in &written.appends {
            for (stream, version) in &append.versions {
                self.heads.insert(*stream, *version);
            }
        }
        self.figures.flushes += 1;
        self.figures.commands += written.appends.len() as u64;
        self.figures.events += events as u64;
        Ok(planned.answers)
    }

    /// Whether a batch whose answer was lost is in the log. Nobody else writes while it is looked for, so the transaction it was
    /// in is over, and what is not there now never will be.
    async fn was_committed(&mut self, batch: &Batch<'_>) -> Result<bool, StoreError> {
        let until = Instant::now() + self.server.limits().reconnect_at_most;
        loop {
            match self.look_for(batch).await {
                Err(StoreError::Unreachable(_)) if Instant::now() < until => sleep(PAUSE).await,
                looked => return looked,
            }
        }
    }

    async fn look_for(&mut self, batch: &Batch<'_>) -> Result<bool, StoreError> {
        // Its events may be among what others wrote: nothing is kept in mind that was before.
        self.tail = None;
        self.try_to_take_turn().await?;
        let session = self.session.take().expect("a turn was taken");
        let found = self.answered(session.receipts(&batch.appends[..1])).await;
        let rolled_back = self.answered(session.roll_back()).await;
        match found.is_ok() && rolled_back.is_ok() {
            true => self.session = Some(session),
            false => self.lost = Some(session.backend),
        }
        Ok(!found?.is_empty())
    }

    /// What becomes of each append.
    async fn plan<'b>(
        &self,
        session: &Session,
        tail: Tail,
        batch: &[&'b Prepared],
        looks_up: bool,
    ) -> Result<Plan<'b>, StoreError> {
        let heads = self.heads_of(session, batch).await?;
        let done = if looks_up { session.receipts(batch).await? } else { Receipts::new() };
        let recorded_at = recorded_at(self.clock.now(), tail.recorded_at);
        let mut plan = Plan::new(heads, done, Position(tail.position), recorded_at);
        for append in batch {
            plan.take(append);
        }
        let refused = plan.refused(batch);
        // What is refused now may have been done before.
        if !looks_up && !refused.is_empty() {
            let done = session.receipts(&refused).await?;
            plan.replay(batch, &done);
        }
        Ok(plan)
    }

    /// The versions of the streams the batch relies on.
    async fn heads_of(
        &self,
        session: &Session,
        batch: &[&Prepared],
    ) -> Result<HashMap<StreamId, Version>, StoreError> {
        let mut heads = HashMap::new();
        let mut unknown = HashSet::new();
        for (stream, _) in batch.iter().flat_map(|append| &append.relies_on) {
            match self.heads.peek(stream) {
                Some(version) => {
                    heads.insert(*stream, *version);
                }
                None => {
                    unknown.insert(*stream);
                }
            }
        }
        if !unknown.is_empty() {
            let unknown: Vec<StreamId> = unknown.into_iter().collect();
            let found = session.heads(&unknown).await?;
            heads.extend(unknown.into_iter().zip(found));
        }
        Ok(heads)
    }
}
