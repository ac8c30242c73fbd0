//! Appends to a log and prints what was acknowledged, line by line: the other process of the tests, and the one they kill.
//! Arguments: the log's path or URL, a name, how many tasks append at once, and how many commands they give together.

use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::contract::append_among_others;
use cityos_eventstore::database::postgres::{Limits, Server};
use cityos_eventstore::postgres::PostgresStore;
use cityos_eventstore::sqlite::SqliteStore;
use cityos_eventstore::store::EventStore;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinSet;

async fn open(place: &str) -> Arc<dyn EventStore> {
    let clock = Arc::new(SystemClock);
    if place.starts_with("postgres:") {
        let server = Server::new(place, None, Limits::default()).expect("the URL is one");
        return Arc::new(PostgresStore::open(&server, clock).await.expect("the log opens"));
    }
    Arc::new(SqliteStore::open(Path::new(place), clock).expect("the log opens"))
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, place, name, tasks, commands] = &arguments[..] else {
        panic!("appender PLACE NAME TASKS COMMANDS")
    };
    let number = |text: &str| -> usize { text.parse().expect("a number") };
    let (tasks, commands) = (number(tasks), number(commands));
    let store = open(place).await;
    let mut appending = JoinSet::new();
    for task in 0..tasks {
        let (store, name) = (store.clone(), format!("{name}.{task}"));
        appending.spawn(async move {
            for command in (task..commands).step_by(tasks) {
                for text in append_among_others(&*store, &name, command).await {
                    println!("{text}");
                }
            }
        });
    }
    appending.join_all().await;
}
