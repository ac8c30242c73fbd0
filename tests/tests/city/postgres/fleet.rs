//! Several processes that serve one city on a PostgreSQL server, and callers who go to whichever lives.

use crate::program::{Installation, Server};
use cityos_domain::log::Position;
use cityos_eventstore::database::postgres::private_server::PrivateServer;
use cityos_eventstore::store::EventStore;
use serde_json::Value;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::RwLock;

/// How long anything may take that must come to be.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long the log may stand still before it is looked at again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Processes of one city, each in its place.
pub struct Fleet {
    at: Installation,
    places: RwLock<Vec<Place>>,
    asked: AtomicUsize,
}

struct Place {
    url: String,
    /// None while it is dead.
    process: Option<Server>,
}

impl Place {
    fn of(process: Server) -> Self {
        Place { url: process.url().to_owned(), process: Some(process) }
    }
}

impl Fleet {
    /// So many processes, which each do everything, of the sample city.
    pub fn of_sample(count: usize, arguments: &[&str]) -> Self {
        let at = Installation::on(PrivateServer::shared().new_database());
        let mut places = vec![Place::of(at.serve(&[&["--sample"], arguments].concat()))];
        places.extend((1..count).map(|_| Place::of(at.serve(arguments))));
        Fleet { at, places: RwLock::new(places), asked: AtomicUsize::new(0) }
    }

    pub fn at(&self) -> &Installation {
        &self.at
    }

    /// What one of them is asked.
    pub async fn with<T>(&self, nth: usize, ask: impl AsyncFnOnce(&Server) -> T) -> T {
        ask(self.places.read().await[nth].process.as_ref().expect("it lives")).await
    }

    /// Asks one after another until one lives to answer, and gives what it answered.
    pub async fn answer(&self, token: &str, document: &str, variables: &Value) -> Value {
        let begun = Instant::now();
        loop {
            let nth = self.asked.fetch_add(1, Ordering::Relaxed);
            let post = {
                let places = self.places.read().await;
                let living: Vec<_> = places.iter().filter_map(|place| place.process.as_ref()).collect();
                living[nth % living.len()].post(token, document, variables.clone())
            };
            match post.await {
                Ok(answer) => return answer,
                Err(error) => assert!(begun.elapsed() < PATIENCE, "nobody answers: {error}"),
            }
        }
    }

    /// The data of an answer without errors.
    pub async fn ask(&self, token: &str, document: &str, variables: &Value) -> Value {
        let mut answer = self.answer(token, document, variables).await;
        assert_eq!(answer.get("errors"), None, "{document} {variables}");
        answer["data"].take()
    }

    /// Kills one where it stands.
    pub async fn kill(&self, nth: usize) {
        self.take(nth).await.kill();
    }

    /// Takes one out of its place.
    pub async fn take(&self, nth: usize) -> Server {
        self.places.write().await[nth].process.take().expect("it lives")
    }

    /// Where they listen, or did: also those that are about to end, or dead.
    pub async fn urls(&self) -> Vec<String> {
        self.places.read().await.iter().map(|place| place.url.clone()).collect()
    }

    /// Ends one as it should be ended, while callers may still go to it, and starts another in its place.
    pub async fn replace(&self, nth: usize, arguments: &[&str]) {
        let ending = self.take(nth).await;
        let ended = tokio::task::spawn_blocking(|| ending.interrupt()).await.unwrap();
        assert!(ended.success(), "{ended:?}");
        self.start(nth, arguments).await;
    }

    /// Starts one in an empty place.
    pub async fn start(&self, nth: usize, arguments: &[&str]) {
        let started = tokio::task::block_in_place(|| self.at.serve(arguments));
        self.places.write().await[nth] = Place::of(started);
    }

    /// Ctrl-C for all of them at once.
    pub async fn interrupt(self) -> (Installation, Vec<ExitStatus>) {
        let ending = self.places.into_inner().into_iter().filter_map(|place| place.process);
        let ending: Vec<_> =
            ending.map(|process| tokio::task::spawn_blocking(|| process.interrupt())).collect();
        let mut ended = Vec::new();
        for process in ending {
            ended.push(process.await.unwrap());
        }
        (self.at, ended)
    }
}

/// Returns when the log has come to `position`.
pub async fn grown_to(log: &dyn EventStore, position: Position) {
    let begun = Instant::now();
    loop {
        let head = log.head().await.unwrap();
        if head >= position {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the log does not come to {position:?}");
        log.changed(head, LOOK_AGAIN_AFTER).await;
    }
}
