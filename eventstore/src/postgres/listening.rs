//! Hears of what other processes have written. What it misses, while it has no connection, a waiting reader finds by looking.

use super::session::CHANNEL;
use crate::database::postgres::{Role, Server, failure, next_message};
use crate::store::StoreError;
use cityos_domain::log::Position;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::AsyncMessage;

/// The pause before it connects again.
const PAUSE: Duration = Duration::from_secs(1);

/// The task that listens; it ends with this.
pub struct Listening(JoinHandle<()>);

impl Listening {
    /// Tells `head` where the log ends whenever somebody says so.
    pub fn start(server: Server, role: Option<Role>, head: watch::Sender<Position>) -> Self {
        Listening(tokio::spawn(async move {
            loop {
                if let Err(error) = listen(&server, role, &head).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "nobody tells of other processes' events: they are looked for"
                    );
                }
                tokio::time::sleep(PAUSE).await;
            }
        }))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Returns when the connection is over.
async fn listen(
    server: &Server,
    role: Option<Role>,
    head: &watch::Sender<Position>,
) -> Result<(), StoreError> {
    let (client, mut connection) = server.open(role).await?;
    let statement = format!("LISTEN {CHANNEL}");
    let ask = async {
        client.batch_execute(&statement).await.map_err(failure)?;
        // The connection lasts as long as its client.
        std::future::pending::<Result<(), StoreError>>().await
    };
    let hear = async {
        while let Some(message) = next_message(&mut connection).await {
            if let AsyncMessage::Notification(notice) = message?
                && let Ok(position) = notice.payload().parse().map(Position)
            {
                head.send_if_modified(|known| {
                    let moved = position > *known;
                    *known = position.max(*known);
                    moved
                });
            }
        }
        Ok(())
    };
    tokio::select! {
        asked = ask => asked,
        heard = hear => heard,
    }
}
