//! Answers held in memory, by the question: what is left of a request without its database can be measured so.

use crate::reads::ReadError;
use crate::session::Statement;
use cityos_domain::log::Partition;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_postgres::Row;

/// The answers, by a hash of their questions. Nothing is ever forgotten.
#[derive(Default)]
pub(super) struct Remembered(RwLock<HashMap<u64, Arc<Vec<Row>>>>);

impl Remembered {
    /// The answer to a question, which is asked where it has not been before.
    pub(super) async fn recall(
        &self,
        partition: Option<Partition>,
        question: &Statement<'_>,
        ask: impl Future<Output = Result<Vec<Row>, ReadError>>,
    ) -> Result<Arc<Vec<Row>>, ReadError> {
        let key = (partition, &question.sql, &question.parameters);
        let key = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let rows = Arc::new(ask.await?);
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, rows.clone());
        Ok(rows)
    }
}
