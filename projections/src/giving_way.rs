//! SQLite keeps no queue of those who wait to write: each looks now and then whether nobody does. Whoever writes much on
//! end gives way in between, for longer than the others sleep from one look to the next.

use crate::dialect::Dialect;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long way is given. SQLite's busy handler sleeps 100 ms at most.
const WAY: Duration = Duration::from_millis(110);

/// After how much writing on end way is given. It is far below the time after which others give up.
const ON_END_MAX: Duration = Duration::from_millis(500);

/// How much has been written on end.
pub(crate) struct GivingWay {
    /// Whether that is needed.
    asked_for: bool,
    on_end: Duration,
    ended: Option<Instant>,
}

impl GivingWay {
    /// Among those who write to a database of this kind.
    pub(crate) fn among_writers_of(dialect: &dyn Dialect) -> Self {
        GivingWay { asked_for: !dialect.queues_writers(), on_end: Duration::ZERO, ended: None }
    }

    /// Somebody who wrote from `begun` to `ended`, the wait for his turn included.
    pub(crate) fn wrote(&mut self, begun: Instant, ended: Instant) {
        if self.ended.is_some_and(|before| begun >= before + WAY) {
            self.on_end = Duration::ZERO;
        }
        self.on_end += ended - begun;
        self.ended = Some(ended);
    }

    /// Returns when the next write may begin.
    pub(crate) async fn give_way(&self) {
        if let Some(until) = self.until() {
            sleep_until(until).await;
        }
    }

    fn until(&self) -> Option<Instant> {
        self.ended.filter(|_| self.asked_for && self.on_end >= ON_END_MAX).map(|ended| ended + WAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::File;

    #[test]
    fn way_is_given_after_a_long_write_and_after_many_short_ones_on_end_and_not_where_there_was_room_anyway()
    {
        let (begun, short) = (Instant::now(), ON_END_MAX / 4);
        let mut way = GivingWay::among_writers_of(File::DIALECT);
        assert_eq!(way.until(), None);
        way.wrote(begun, begun + ON_END_MAX);
        assert_eq!(way.until(), Some(begun + ON_END_MAX + WAY));

        let mut way = GivingWay::among_writers_of(File::DIALECT);
        for nth in 0..4 {
            assert_eq!(way.until(), None);
            way.wrote(begun + short * nth, begun + short * (nth + 1));
        }
        let fourth = begun + short * 4;
        assert_eq!(way.until(), Some(fourth + WAY));
        way.wrote(fourth + WAY, fourth + WAY + short);
        assert_eq!(way.until(), None, "others could write meanwhile");
    }
}
