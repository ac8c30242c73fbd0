//! The pure fold: events in, rows out, no database. Answers of mutations and the tests of models use it; the
//! projector does the same in bulk.

use crate::model::{KeyOf, ReadModel, Unfit};
use cityos_domain::log::{Envelope, Partition};
use std::collections::BTreeMap;

/// The rows of `M`, each under its partition and key.
pub type Rows<M> = BTreeMap<(Partition, KeyOf<M>), <M as ReadModel>::Row>;

/// The rows that `events`, in log order, make of `M`. Stops at the first event that does not fit.
pub fn replay<'a, M: ReadModel>(events: impl IntoIterator<Item = &'a Envelope>) -> Result<Rows<M>, Unfit> {
    let mut rows = BTreeMap::new();
    for event in events {
        let partition = M::partition(event);
        for key in M::keys(event) {
            let place = (partition, key);
            let row = rows.remove(&place);
            if let Some(row) = M::evolve(row, &place.1, event)? {
                rows.insert(place, row);
            }
        }
    }
    Ok(rows)
}
