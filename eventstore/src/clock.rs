//! Time, given from outside so that tests and simulations own it.

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use std::time::Duration;
use tokio::sync::watch;

/// How long [`SystemClock`] sleeps at most before it looks at the time again: the wall clock can be set.
const SLEEP_AT_MOST: Duration = Duration::from_secs(60);

/// The digits of a second that are kept.
const MICROSECONDS: u16 = 6;

/// What time it is.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now, in whole microseconds: what is kept finer would come back another time than it was.
    fn now(&self) -> DateTime<Utc>;

    /// Returns once it is `at` or later.
    async fn wait_until(&self, at: DateTime<Utc>);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(MICROSECONDS)
    }

    async fn wait_until(&self, at: DateTime<Utc>) {
        // `to_std` fails on what is negative: then it is late enough.
        while let Ok(left) = (at - self.now()).to_std()
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(SLEEP_AT_MOST)).await;
        }
    }
}

/// A clock that stands still until it is moved. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock {
    time: watch::Sender<DateTime<Utc>>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: DateTime<Utc>) -> Self {
        ManualClock { time: watch::Sender::new(now) }
    }

    /// Moves it on and wakes whoever waited for a time that has now come.
    pub fn advance(&self, by: TimeDelta) {
        self.time.send_modify(|time| *time += by);
    }

    /// Sets it, backwards too, as real clocks are at times.
    pub fn set(&self, now: DateTime<Utc>) {
        self.time.send_replace(now);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.time.borrow()
    }

    async fn wait_until(&self, at: DateTime<Utc>) {
        let mut time = self.time.subscribe();
        time.wait_for(|now| *now >= at).await.expect("the clock itself holds the sender");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_on_a_manual_clock_is_woken_by_the_hour_and_not_before() {
        let clock = ManualClock::at(DateTime::UNIX_EPOCH);
        let due = DateTime::UNIX_EPOCH + TimeDelta::hours(1);
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.wait_until(due).await;
                clock.now()
            }
        });
        clock.advance(TimeDelta::minutes(59));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.advance(TimeDelta::minutes(1));
        assert_eq!(waiting.await.unwrap(), due);
    }

    #[test]
    fn the_machines_time_is_one_that_can_be_kept() {
        let now = SystemClock.now();
        assert_eq!(DateTime::from_timestamp_micros(now.timestamp_micros()), Some(now));
    }

    #[tokio::test]
    async fn a_time_that_has_passed_is_not_waited_for() {
        SystemClock.wait_until(SystemClock.now() - TimeDelta::days(1)).await;
    }
}
