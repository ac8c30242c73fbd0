//! A table of one's own to compare with, which belongs to one connection and is gone with it, even where the process is
//! killed; and how it, or another that is built, is filled.

use super::rows::{delete, load, scan_both, upsert_each};
use super::tables::{Build, definition, hold, live_build_if_any};
use crate::bulk::{Target, WriteError, readable};
use crate::dialect::Dialect;
use crate::folding::Changes;
use crate::model::{AnyModel, StoredKey, StoredRow};
use crate::poison::Frozen;
use crate::reads::ReadError;
use crate::row::Value;
use crate::session::Session;
use cityos_domain::log::Position;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of a scratch table, which is no build's.
const SCRATCH: i64 = 0;

/// A table of a model that lies beside the database as it was at one moment.
pub(crate) struct Scratch {
    session: Mutex<Box<dyn Session + Send>>,
    model: &'static dyn AnyModel,
    build: Build,
}

impl Scratch {
    /// Makes it in a session that looks at one moment and belongs to nobody else.
    pub(crate) fn within(
        session: Box<dyn Session + Send>,
        model: &'static dyn AnyModel,
    ) -> Result<Self, ReadError> {
        let build = Build {
            model: model.name(),
            fingerprint: model.fingerprint(),
            number: SCRATCH,
            position: Position::START,
        };
        let definition = definition(session.dialect(), model, &build);
        session.batch(&format!("CREATE TEMPORARY TABLE {definition}"))?;
        Ok(Scratch { session: Mutex::new(session), model, build })
    }

    fn session(&self) -> MutexGuard<'_, Box<dyn Session + Send>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The live build and its frozen keys, if there is one.
    pub(crate) fn live(&self) -> Result<Option<(Build, Vec<Frozen>)>, ReadError> {
        let session = self.session();
        let Some(live) = live_build_if_any(&**session, self.model)? else { return Ok(None) };
        hold(&**session, &live)?;
        let frozen = super::frozen(&**session, &live)?;
        Ok(Some((live, frozen)))
    }

    /// Shows every row of `live` and of this table, those of the same key together, in key order.
    pub(crate) fn beside(
        &self,
        live: &Build,
        see: impl FnMut(Option<&[Value]>, Option<&[Value]>),
    ) -> Result<(), ReadError> {
        scan_both(&**self.session(), self.model, live, &self.build, see)
    }
}

impl Target for Scratch {
    fn load(&self, keys: &[StoredKey]) -> Result<HashMap<StoredKey, StoredRow>, ReadError> {
        readable(load(&**self.session(), &self.build, self.model, keys)?)
    }

    fn dialect(&self) -> &'static dyn Dialect {
        self.session().dialect()
    }

    fn write(&self, changes: &[Changes], _: Position, _: Position) -> Result<(), WriteError> {
        write_changes(&**self.session(), self.model, &self.build, changes)
    }
}

/// Writes rows in bulk; where the database refuses one, says which.
pub(crate) fn write_changes(
    session: &dyn Session,
    model: &dyn AnyModel,
    build: &Build,
    changes: &[Changes],
) -> Result<(), WriteError> {
    for Changes { rows, .. } in changes {
        let gone: Vec<_> = rows.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| key).collect();
        delete(session, build, model, &gone)?;
        let there: Vec<_> = rows.iter().filter_map(|(key, row)| Some((key, row.as_ref()?))).collect();
        let mut refused = None;
        upsert_each(session, build, model, &there, &mut |at, why| {
            refused.get_or_insert((there[at].0.clone(), why));
        })?;
        if let Some((key, why)) = refused {
            return Err(WriteError::Refused(key, why));
        }
    }
    Ok(())
}
