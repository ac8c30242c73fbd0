//! A server whose disk is full: what is not written is refused, what was acknowledged is there, and once there is room writing
//! goes on.

use super::*;
use crate::contract::{assert_streams_count_up, text, whole_log};
use crate::database::postgres::Limits;
use crate::database::postgres::private_server::OnDisk;
use crate::store::AppendError;
use std::time::Duration;

/// The size of the disk: a new server, or its write-ahead log, and some room.
const DATA: u64 = 64 << 20;
const WAL: u64 = 8 << 20;

/// The most appends before one is refused, and the size of each, in bytes.
const APPENDS_MAX: u64 = 5_000;
const BYTES: usize = 16_384;

/// How often is tried in vain.
const IN_VAIN: usize = 3;

/// How many are written once there is room again.
const MORE: u64 = 50;

/// A name as long as what is appended here, which does not pack well.
fn name(number: u64) -> String {
    let mut name = format!("{number} ");
    while name.len() < BYTES {
        name += &uuid::Uuid::new_v5(&uuid::Uuid::nil(), format!("{number} {}", name.len()).as_bytes())
            .to_string();
    }
    name
}

/// What becomes of the log on a server whose disk is full, then has room, and is started anew: why an append was refused.
async fn filled(on: OnDisk, bytes: u64) -> AppendError {
    let server = PrivateServer::on_disk_of(bytes, on);
    let limits = Limits { reconnect_at_most: Duration::from_secs(1), ..Limits::default() };
    let city = server.new_city().with_limits(limits);
    let store = open(&city).await;
    if matches!(on, OnDisk::Wal) {
        // For whom all of it is kept.
        let nobody = "SELECT pg_create_physical_replication_slot('nobody', true)";
        city.connect(None).await.unwrap().query_one(nobody, &[]).await.unwrap();
    }
    let put = async |number| store.append(shelf(&name(number), number)).await;
    put(0).await.unwrap();
    tokio::task::block_in_place(|| server.fill_disk());
    let mut written = 1;
    let why = loop {
        match put(written).await {
            Ok(_) => written += 1,
            Err(why) => break why,
        }
        assert!(written < APPENDS_MAX, "the disk is never full");
    };
    for _ in 0..IN_VAIN {
        let refused = put(written).await;
        assert!(matches!(refused, Err(AppendError::Store(_) | AppendError::Unknown(_))), "{refused:?}");
    }

    tokio::task::block_in_place(|| server.make_room());
    if matches!(on, OnDisk::Data) {
        put(written).await.unwrap();
        written += 1;
    }
    tokio::task::block_in_place(|| server.restart());
    for number in written..written + MORE {
        put(number).await.unwrap();
    }
    let log = whole_log(&store, 100).await;
    assert!(log.iter().map(text).eq((0..written + MORE).map(name).collect::<Vec<_>>().iter()));
    assert!(log.iter().map(|event| event.position.0).eq(1..=written + MORE), "positions have no gaps");
    assert_streams_count_up(&log);
    why
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d17_a_full_disk_refuses_what_it_cannot_take_and_goes_on_once_there_is_room() {
    let why = filled(OnDisk::Data, DATA).await;
    assert!(matches!(why, AppendError::Store(StoreError::Full)), "{why:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d17_a_server_that_dies_of_a_full_disk_loses_nothing_and_goes_on_when_it_is_started_again() {
    let why = filled(OnDisk::Wal, WAL).await;
    // It may say so after it has committed.
    assert!(matches!(why, AppendError::Unknown(_)), "{why:?}");
}
