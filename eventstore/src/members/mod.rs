//! The processes that serve one city, and whose share of the work something is. This only spreads the work: who does
//! another's share does in vain what is guarded where it is written, so that views may differ for a moment.

mod living;
mod view;

pub use living::{Living, living};
pub use view::{Duty, View};

use crate::database::postgres::Server;
use crate::store::StoreError;
use living::Beating;
use std::error::Error;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often a process says that it lives.
pub const BEAT_EVERY: Duration = Duration::from_millis(500);

/// After how long a silence it is taken for dead, and its shares are others'.
pub const SILENT_AT_MOST: Duration = Duration::from_secs(2);

/// Who else there is, as it changes. Cheap to clone.
#[derive(Clone)]
pub struct Members(watch::Receiver<View>);

impl Members {
    /// Of a process with these duties that is alone, whoever else there is.
    pub fn alone(duties: impl IntoIterator<Item = Duty>) -> Self {
        Members(watch::channel(View::alone(duties)).1)
    }

    /// As it is now.
    pub fn view(&self) -> View {
        self.0.borrow().clone()
    }

    /// Returns when it is different from what was seen last.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // There is nobody left to say so.
            std::future::pending().await
        }
    }
}

/// A process among the others of its city. Where it is just dropped, the others take it for dead after a while.
pub struct Membership {
    members: Members,
    leave: CancellationToken,
    beating: Option<JoinHandle<()>>,
}

impl Membership {
    /// Of a process with these duties that is alone.
    pub fn alone(duties: impl IntoIterator<Item = Duty>) -> Self {
        Membership { members: Members::alone(duties), leave: CancellationToken::new(), beating: None }
    }

    /// Joins those who keep their city in this database, and says that it lives from now on. `edition` stands for what the
    /// program knows: only with others of the same is the work shared. Makes the table where there is none and the login may.
    pub async fn join(
        server: &Server,
        duties: impl IntoIterator<Item = Duty>,
        edition: Uuid,
    ) -> Result<Self, StoreError> {
        let (mut own, view) = Beating::begin(server, duties, edition).await?;
        let (tell, members) = watch::channel(view);
        let leave = CancellationToken::new();
        let left = leave.clone();
        let beating = tokio::spawn(async move {
            let mut heard = true;
            while left.run_until_cancelled(tokio::time::sleep(BEAT_EVERY)).await.is_some() {
                let beat = own.beat().await;
                // It is said once, however long it lasts.
                if let (true, Err(error)) = (heard, &beat) {
                    tracing::warn!(
                        error = error as &dyn Error,
                        "the other processes do not hear of this one"
                    );
                }
                heard = beat.is_ok();
                if let Ok(view) = beat {
                    learn(&tell, view);
                }
            }
            match own.end().await {
                Ok(view) => learn(&tell, view),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn Error, "the other processes wait for this one");
                }
            }
        });
        Ok(Membership { members: Members(members), leave, beating: Some(beating) })
    }

    /// Who there is.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Has the others take over at once. Its own view stays as it is then.
    pub async fn leave(mut self) {
        self.leave.cancel();
        if let Some(beating) = self.beating.take() {
            // A panic of it was told when it happened.
            drop(beating.await);
        }
    }
}

fn learn(known: &watch::Sender<View>, view: View) {
    known.send_if_modified(|known| {
        let news = *known != view;
        *known = view;
        news
    });
}

impl Drop for Membership {
    fn drop(&mut self) {
        if let Some(beating) = &self.beating {
            beating.abort();
        }
    }
}

#[cfg(test)]
mod tests;
