//! Appends to the log at a path and prints what was acknowledged, line by line: the other process of the
//! tests, and the one they kill. Arguments: path, name, number of commands.

use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::contract::append_among_others;
use cityos_eventstore::sqlite::SqliteStore;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Tasks that append at once, so that batches hold several commands.
const TASKS: usize = 8;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, name, commands] = &arguments[..] else { panic!("appender PATH NAME COMMANDS") };
    let commands: usize = commands.parse().expect("a number of commands");
    let store = SqliteStore::open(Path::new(path), Arc::new(SystemClock)).expect("the log opens");
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (store, name) = (store.clone(), format!("{name}.{task}"));
        tasks.spawn(async move {
            for command in (task..commands).step_by(TASKS) {
                for text in append_among_others(&store, &name, command).await {
                    println!("{text}");
                }
            }
        });
    }
    tasks.join_all().await;
}
