//! What becomes of a batch.

use super::*;
use crate::contract::{noon, text, whole_log};
use crate::queue::{Answer, Writer as _};
use crate::store::AppendError;
use tokio::runtime::Runtime;
use tokio_postgres::Client;

/// A writer of its own beside a log.
struct Desk {
    runtime: Runtime,
    server: Server,
    store: PostgresStore,
    administrator: Client,
}

impl Desk {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let server = PrivateServer::shared().new_city();
        let store = runtime.block_on(open(&server));
        let administrator = runtime.block_on(server.connect(None)).unwrap();
        Desk { runtime, server, store, administrator }
    }

    fn writer(&self) -> Writer {
        Writer::new(self.server.clone(), Arc::new(SystemClock)).unwrap()
    }

    fn sql(&self, sql: &str) {
        self.runtime.block_on(self.administrator.batch_execute(sql)).unwrap();
    }

    fn texts(&self) -> Vec<String> {
        let log = self.runtime.block_on(whole_log(&self.store, 100));
        assert!(log.iter().map(|event| event.position.0).eq(1..=log.len() as u64), "positions have no gaps");
        log.iter().map(|event| text(event).to_owned()).collect()
    }
}

fn commit(writer: &mut Writer, batch: Vec<Append>) -> Vec<Answer> {
    let batch: Vec<_> = batch.into_iter().map(|append| Prepared::new(append).unwrap()).collect();
    writer.take_turn().unwrap();
    writer.commit(&batch)
}

fn positions(answers: &[Answer]) -> Vec<(u64, bool)> {
    answers.iter().flatten().map(|done| (done.position.0, done.replayed)).collect()
}

#[test]
fn in_one_batch_each_fails_alone_and_later_ones_see_what_earlier_ones_wrote() {
    let desk = Desk::new();
    let mut writer = desk.writer();
    let mut reused = shelf("1", 1);
    reused.input.0 = [9; 32];
    let batch = vec![shelf("1", 0), shelf("late", 0), shelf("2", 1), shelf("1", 0), reused, shelf("3", 2)];
    let answers = commit(&mut writer, batch);
    assert!(matches!(&answers[1], Err(AppendError::Conflict { current: Version(1), .. })), "{answers:?}");
    assert!(matches!(&answers[4], Err(AppendError::KeyReused { .. })), "{answers:?}");
    assert_eq!(positions(&answers), [(1, false), (2, false), (1, true), (3, false)]);
    assert_eq!(desk.texts(), ["1", "2", "3"]);
    assert_eq!(writer.figures(), Figures { batches: 1, flushes: 1, commands: 3, events: 3 });

    assert!(commit(&mut writer, vec![shelf("late", 0)])[0].is_err());
    assert_eq!(writer.figures(), Figures { batches: 2, flushes: 1, commands: 3, events: 3 });
}

#[test]
fn a_command_that_was_done_before_and_could_be_done_again_is_answered_beside_new_ones() {
    let desk = Desk::new();
    commit(&mut desk.writer(), vec![shelf("1", 0)]);
    let mut writer = desk.writer();
    let answers = commit(&mut writer, vec![shelf("2", 1), shelf("1", 2), shelf("3", 2)]);
    assert_eq!(positions(&answers), [(2, false), (1, true), (3, false)]);
    assert_eq!(desk.texts(), ["1", "2", "3"]);
}

#[test]
fn a_receipt_that_cannot_be_read_fails_its_own_command_and_no_other() {
    let desk = Desk::new();
    let mut writer = desk.writer();
    assert!(commit(&mut writer, vec![shelf("1", 0)])[0].is_ok());
    desk.sql("UPDATE log.receipts SET versions = '?'");
    // Once found where the guard fails, once where it holds.
    let answers = commit(&mut writer, vec![shelf("1", 0), shelf("2", 1), shelf("1", 2), shelf("3", 2)]);
    for answer in [&answers[0], &answers[2]] {
        assert!(matches!(answer, Err(AppendError::Store(StoreError::Database(_)))), "{answer:?}");
    }
    assert_eq!(positions(&answers), [(2, false), (3, false)]);
    assert_eq!(desk.texts(), ["1", "2", "3"]);
}

#[test]
fn a_row_that_the_server_takes_offence_at_fails_alone() {
    let desk = Desk::new();
    desk.sql(
        "CREATE FUNCTION log.picky() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN IF NEW.body LIKE '%broken%' THEN RAISE 'no'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER picky BEFORE INSERT ON log.events FOR EACH ROW EXECUTE FUNCTION log.picky()",
    );
    let mut writer = desk.writer();
    let answers = commit(&mut writer, vec![shelf("1", 0), shelf("broken", 1), shelf("2", 1), shelf("3", 2)]);
    assert!(answers[1].is_err());
    // The second of two at one version fails where the first of them was refused only by the server.
    assert_eq!(positions(&answers), [(1, false), (2, false), (3, false)]);
    assert_eq!(desk.texts(), ["1", "2", "3"]);
}

#[test]
fn what_another_process_wrote_is_seen_before_the_next_batch() {
    let desk = Desk::new();
    let (mut one, mut other) = (desk.writer(), desk.writer());
    assert!(commit(&mut one, vec![shelf("1", 0)])[0].is_ok());
    assert!(commit(&mut other, vec![shelf("2", 1)])[0].is_ok());
    let answer = commit(&mut one, vec![shelf("x", 1)]).remove(0);
    assert!(matches!(answer, Err(AppendError::Conflict { current: Version(2), .. })), "{answer:?}");
    assert_eq!(commit(&mut one, vec![shelf("3", 2)])[0].as_ref().unwrap().position, Position(3));
    assert_eq!(desk.texts(), ["1", "2", "3"]);
}

#[test]
fn what_many_streams_were_brought_to_elsewhere_is_seen_however_much_that_is() {
    let desk = Desk::new();
    let mut one = desk.writer();
    assert!(commit(&mut one, vec![shelf("1", 0)])[0].is_ok());
    let wide = stream(tenant("a"), "wide");
    let mut other = desk.writer();
    assert!(commit(&mut other, vec![shelf("2", 1)])[0].is_ok());
    for round in 0..3 {
        let many = append(&format!("many {round}"), &[(wide, round * 4_000)], &vec![(wide, "x"); 4_000]);
        assert!(commit(&mut other, vec![many])[0].is_ok());
    }
    let answers = commit(&mut one, vec![shelf("late", 1), append("wide", &[(wide, 12_000)], &[(wide, "y")])]);
    assert!(matches!(&answers[0], Err(AppendError::Conflict { current: Version(2), .. })), "{answers:?}");
    assert_eq!(positions(&answers), [(12_003, false)]);
}

#[test]
fn a_clock_that_goes_back_does_not_take_the_log_with_it() {
    use crate::clock::ManualClock;
    use chrono::TimeDelta;
    let desk = Desk::new();
    let clock = Arc::new(ManualClock::at(noon()));
    let writer = || Writer::new(desk.server.clone(), clock.clone()).unwrap();
    commit(&mut writer(), vec![shelf("1", 0)]);
    clock.set(noon() - TimeDelta::days(1));
    let mut old = writer();
    commit(&mut old, vec![shelf("2", 1)]);
    clock.set(noon() + TimeDelta::hours(1));
    commit(&mut writer(), vec![shelf("3", 2)]);
    clock.set(noon());
    commit(&mut old, vec![shelf("4", 3)]);
    let log = desk.runtime.block_on(whole_log(&desk.store, 10));
    let hours: Vec<_> = log.iter().map(|event| (event.recorded_at - noon()).num_hours()).collect();
    assert_eq!(hours, [0, 0, 1, 1]);
}

#[test]
fn whoever_holds_the_log_too_long_is_named_and_service_goes_on_when_it_lets_go() {
    let desk = Desk::new();
    let limits = crate::database::postgres::Limits {
        statement_at_most: Duration::from_millis(50),
        ..desk.server.limits().clone()
    };
    let mut writer = Writer::new(desk.server.with_limits(limits), Arc::new(SystemClock)).unwrap();
    assert!(commit(&mut writer, vec![shelf("1", 0)])[0].is_ok());
    let hold = format!("BEGIN; SELECT pg_advisory_xact_lock({})", session::LOCK);
    desk.sql(&hold);
    assert!(matches!(writer.take_turn(), Err(StoreError::Busy)));
    desk.sql("ROLLBACK");
    assert!(commit(&mut writer, vec![shelf("2", 1)])[0].is_ok());
}

#[test]
fn a_log_of_a_newer_program_is_refused() {
    let desk = Desk::new();
    desk.sql("UPDATE log.about SET schema_version = 2");
    let refused = desk.runtime.block_on(PostgresStore::open(&desk.server, Arc::new(SystemClock))).map(|_| ());
    assert!(matches!(refused, Err(StoreError::Newer { found: 2, known: 1 })), "{refused:?}");
}

#[test]
fn an_event_of_a_newer_program_or_a_damaged_one_is_an_error_that_names_its_position() {
    let desk = Desk::new();
    commit(&mut desk.writer(), vec![shelf("1", 0), shelf("2", 1), shelf("3", 2)]);
    let good = "kind = 'stock', type = 'stock.adjusted', schema_version = 1";
    for damage in
        ["schema_version = 2", "schema_version = 0", "schema_version = -1", "type = 'stock.unheard_of'"]
    {
        desk.sql(&format!("UPDATE log.events SET {damage} WHERE position = 2"));
        let page = desk.runtime.block_on(desk.store.read_all(Position::START, 10));
        let named = matches!(page, Err(StoreError::Undecodable { position: Position(2), .. }));
        assert!(named, "{damage}: {page:?}");
        desk.sql(&format!("UPDATE log.events SET {good} WHERE position = 2"));
    }
    assert_eq!(desk.texts(), ["1", "2", "3"]);
}
