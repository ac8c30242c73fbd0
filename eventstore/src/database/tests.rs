//! Tests of what may be kept in either database: written once, and carried out on each.

/// Where something is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum On {
    Sqlite,
    Postgres,
}

/// Makes two tests of each function that takes where something is kept.
macro_rules! on_each_database {
    ($($part:ident)*) => {
        mod on_sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $part() {
                super::$part($crate::database::tests::On::Sqlite).await;
            }
        )*}
        mod on_postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $part() {
                super::$part($crate::database::tests::On::Postgres).await;
            }
        )*}
    };
}
pub(crate) use on_each_database;
