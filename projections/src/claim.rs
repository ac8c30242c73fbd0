//! One at a time: whoever works on the tables of a model claims it, and the claim ends with the process, however
//! that ends.

use crate::reads::ReadStore;
use crate::{postgres, sqlite};
use chrono::{DateTime, SubsecRound, Utc};
use cityos_eventstore::store::Cause;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::Future;

/// Who works on a model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// What becomes of the model: it is being "rebuilt".
    pub doing: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.format("%FT%TZ");
        write!(f, "is being {} by process {} since {since}", self.doing, self.pid)
    }
}

/// Why a model could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Somebody else works on it.
    #[error("{model} {}", holder_text(.holder))]
    Taken {
        /// Which model.
        model: String,
        /// Who, where they have said so already.
        holder: Option<Holder>,
    },
    /// The claim could not be made.
    #[error("{model} could not be locked")]
    Failed {
        /// Which model.
        model: String,
        /// Why.
        #[source]
        source: Cause,
    },
}

fn holder_text(holder: &Option<Holder>) -> String {
    holder.as_ref().map_or_else(|| "is being worked on by another process".into(), Holder::to_string)
}

/// Does `work` while all tables of the model of this name are one's own, those of other versions of the program among
/// them; or says who has them.
pub(crate) async fn claimed<T, E: From<ClaimError>>(
    reads: &ReadStore,
    model: &str,
    doing: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let since = Utc::now().trunc_subsecs(0);
    let holder = Holder { pid: std::process::id(), doing: doing.into(), since };
    let claim = reads.claim(model, &holder).await?;
    let done = work.await;
    match claim {
        Claim::File(claim) => drop(claim),
        Claim::Server(claim) => claim.release().await,
    }
    done
}

/// That a model is one's own, for as long as it is kept.
pub(crate) enum Claim {
    /// In a file.
    File(sqlite::Claim),
    /// On a server.
    Server(postgres::Claim),
}
