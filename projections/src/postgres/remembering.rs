//! Answers held in memory, by the question: what is left of a request without its database can be measured so.

use crate::reads::ReadError;
use crate::session::{Parameter, Statement};
use cityos_domain::log::Partition;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
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
        let key = (partition, &question.sql, in_any_order(&question.parameters));
        let key = hash(&key);
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let rows = Arc::new(ask.await?);
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, rows.clone());
        Ok(rows)
    }
}

/// The parameters, where those of a list are the same in whatever order they come.
fn in_any_order(parameters: &[Parameter<'_>]) -> Vec<Vec<u64>> {
    let hashes = |parameter: &Parameter<'_>| {
        let mut hashes: Vec<_> = match parameter {
            Parameter::One(value) => vec![hash(value)],
            Parameter::Many(values) => values.iter().map(hash).collect(),
        };
        hashes.sort_unstable();
        hashes
    };
    parameters.iter().map(hashes).collect()
}

fn hash(value: &impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}
