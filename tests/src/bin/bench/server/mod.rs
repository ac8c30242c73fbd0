//! The log on a PostgreSQL server of our own, beside the least code that does the same work on the same server.

pub mod appending;
mod asking;
pub mod loading;
pub mod paging;
pub mod rebuilding;
pub mod replaying;

use cityos_eventstore::database::postgres::private_server::PrivateServer;
use cityos_eventstore::database::postgres::{Limits, Server};
use std::time::Duration;

/// A server that flushes, with a database for each that is measured.
pub struct Bench {
    server: PrivateServer,
}

impl Bench {
    /// Starts the server.
    pub fn start() -> Self {
        Bench { server: PrivateServer::durable() }
    }

    fn database(&self) -> Server {
        Bench::server(&self.new_url())
    }

    fn new_url(&self) -> String {
        self.server.new_database()
    }

    fn server(url: &str) -> Server {
        // Nobody is hurried: what is slow is to be seen.
        let limits =
            Limits { connections_max: 32, statement_at_most: Duration::from_secs(600), ..Limits::default() };
        Server::new(url, None, limits).expect("the URL is one")
    }
}

/// How long each of many took.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn median_ms(&mut self) -> f64 {
        self.part(0.5)
    }

    fn p99_ms(&mut self) -> f64 {
        self.part(0.99)
    }

    fn part(&mut self, part: f64) -> f64 {
        self.0.sort_unstable();
        let index = (self.0.len() as f64 * part) as usize;
        self.0.get(index.min(self.0.len().saturating_sub(1))).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    }
}
