//! The way to the writer's thread: appends wait here while a batch is on its way to the disk, and then go
//! together in the next one.

use crate::store::{AppendError, Appended, StoreError};
use crate::stored::Prepared;
use cityos_domain::log::Position;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// The most commands in one batch.
const BATCH_COMMANDS_MAX: usize = 512;

/// A batch takes no further command once it has this many events.
const BATCH_EVENTS_MAX: usize = 4_096;

/// The most commands that wait; further ones wait for room.
const QUEUE_MAX: usize = 4_096;

/// How long a batch waits at most to become as large as the one before: whoever was just answered is likely
/// to be on the way with the next command, and a flush takes longer than this.
const GATHER_AT_MOST: Duration = Duration::from_micros(500);

/// What a writer has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Batches taken on, also those that came to nothing.
    pub batches: u64,
    /// Transactions committed, each with one flush.
    pub flushes: u64,
    /// Commands written.
    pub commands: u64,
    /// Events written.
    pub events: u64,
}

/// The answer to one append of a batch.
pub type Answer = Result<Appended, AppendError>;

/// Who writes the batches, on a thread of its own.
pub trait Writer: Send + 'static {
    /// Waits until it may write beside the writers of other processes: what arrives meanwhile goes along. An error is the answer
    /// to every append of the batch: none of it is written.
    fn take_turn(&mut self) -> Result<(), StoreError>;

    /// Writes what can be written. One answer for each of the batch, in order; those that were written are on the disk when
    /// this returns. Whoever calls it has taken its turn, which is over then.
    fn commit(&mut self, batch: &[Prepared]) -> Vec<Answer>;

    /// Where the log ends, as far as it knows.
    fn head(&self) -> Position;

    /// What it has done.
    fn figures(&self) -> Figures;
}

/// The queue and the thread behind it.
pub struct Queue {
    requests: Option<Sender<Request>>,
    room: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
    figures: Arc<Mutex<Figures>>,
}

struct Request {
    append: Prepared,
    answer: oneshot::Sender<Answer>,
    _room: OwnedSemaphorePermit,
}

impl Queue {
    /// Starts the thread. It tells `head` where the log ends after every batch.
    pub fn start(writer: impl Writer, head: watch::Sender<Position>) -> Self {
        let (requests, waiting) = channel();
        let figures = Arc::default();
        let thread = std::thread::spawn({
            let figures = Arc::clone(&figures);
            move || run(writer, &waiting, &head, &figures)
        });
        let room = Arc::new(Semaphore::new(QUEUE_MAX));
        Queue { requests: Some(requests), room, thread: Some(thread), figures }
    }

    pub fn figures(&self) -> Figures {
        *self.figures.lock().expect("nothing panics while it holds the figures")
    }

    /// Returns when the append is on the disk. If the caller goes away the append still happens.
    pub async fn append(&self, append: Prepared) -> Result<Appended, AppendError> {
        let closed = || AppendError::Store(StoreError::Closed);
        let room = self.room.clone().acquire_owned().await.map_err(|_| closed())?;
        let (answer, answered) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or_else(closed)?;
        requests.send(Request { append, answer, _room: room }).map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(AppendError::Unknown(StoreError::Closed)))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // The thread ends when the last request is written, and closes the file.
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the log's writer has panicked");
        }
    }
}

fn run(
    mut writer: impl Writer,
    requests: &Receiver<Request>,
    head: &watch::Sender<Position>,
    figures: &Mutex<Figures>,
) {
    let mut before = 1;
    while let Ok(first) = requests.recv() {
        let turn = writer.take_turn();
        let batch = gather(first, requests, before);
        before = batch.len();
        let (appends, callers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|request| (request.append, (request.answer, request._room))).unzip();
        let answers = match turn {
            Ok(()) => writer.commit(&appends),
            Err(error) => vec![Err(AppendError::Store(error)); appends.len()],
        };
        *figures.lock().expect("nothing panics while it holds the figures") = writer.figures();
        head.send_if_modified(|known| {
            let moved = writer.head() > *known;
            *known = writer.head().max(*known);
            moved
        });
        for ((caller, _room), answer) in callers.into_iter().zip(answers) {
            // A caller that has gone away does not miss its answer.
            drop(caller.send(answer));
        }
    }
}

fn gather(first: Request, requests: &Receiver<Request>, before: usize) -> Vec<Request> {
    let until = Instant::now() + GATHER_AT_MOST;
    let mut events = first.append.events.len();
    let mut batch = vec![first];
    while batch.len() < BATCH_COMMANDS_MAX && events < BATCH_EVENTS_MAX {
        let wait = if batch.len() < before {
            until.saturating_duration_since(Instant::now())
        } else {
            Duration::ZERO
        };
        // With nothing left to wait this still takes what is there.
        let Ok(request) = requests.recv_timeout(wait) else { break };
        events += request.append.events.len();
        batch.push(request);
    }
    batch
}

#[cfg(test)]
mod tests;
