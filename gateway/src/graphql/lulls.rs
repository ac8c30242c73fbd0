//! When a batch is complete: as soon as its request cannot go on without it. A fixed delay would tear long pages
//! into several batches wherever building them takes longer than the delay.

use futures_util::task::AtomicWaker;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::sync::Notify;

/// The moments at which one request has nothing left to do but wait.
#[derive(Clone, Default)]
pub struct Lulls(Arc<Notify>);

impl Lulls {
    /// Does `work` in a task of its own, from the next such moment on.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let lull = self.0.clone().notified_owned();
        tokio::spawn(async move {
            lull.await;
            work.await;
        });
    }

    /// The request whose moments these are.
    pub fn of<F: Future>(self, request: F) -> Request<F> {
        Request { future: Box::pin(request), lulls: self, wakes: Arc::default() }
    }
}

/// A request that tells when it has nothing left to do but wait.
pub struct Request<F> {
    future: Pin<Box<F>>,
    lulls: Lulls,
    wakes: Arc<Wakes>,
}

impl<F: Future> Future for Request<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.wakes.outer.register(context.waker());
        self.wakes.woken.store(false, Ordering::SeqCst);
        let waker = Waker::from(self.wakes.clone());
        let polled = self.future.as_mut().poll(&mut Context::from_waker(&waker));
        // Woken meanwhile, it is polled again before it rests.
        if polled.is_pending() && !self.wakes.woken.load(Ordering::SeqCst) {
            self.lulls.0.notify_waiters();
        }
        polled
    }
}

impl<F> Drop for Request<F> {
    /// What was still waiting for a request that is no more goes on, and ends.
    fn drop(&mut self) {
        self.lulls.0.notify_waiters();
    }
}

/// Whether a request was woken since it was last polled.
#[derive(Default)]
struct Wakes {
    woken: AtomicBool,
    outer: AtomicWaker,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.outer.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    /// Rests, and is woken at once: something is left to do.
    async fn turn() {
        let mut rested = false;
        std::future::poll_fn(move |context| {
            if std::mem::replace(&mut rested, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    #[tokio::test]
    async fn work_begins_when_the_request_has_nothing_left_to_do_and_not_between_its_turns() {
        let (lulls, turns) = (Lulls::default(), Arc::new(AtomicU32::new(0)));
        let (done, seen) = tokio::sync::oneshot::channel();
        let request = {
            let (lulls, turns) = (lulls.clone(), turns.clone());
            async move {
                let at = turns.clone();
                lulls.spawn(async move { done.send(at.load(Ordering::SeqCst)).expect("the request waits") });
                for _ in 0..3 {
                    turns.fetch_add(1, Ordering::SeqCst);
                    turn().await;
                }
                seen.await.expect("the work was done")
            }
        };
        assert_eq!(lulls.of(request).await, 3);
    }

    #[tokio::test]
    async fn work_of_a_request_that_was_given_up_is_not_waited_for_for_ever() {
        let (done, seen) = tokio::sync::oneshot::channel();
        let lulls = Lulls::default();
        let request = lulls.clone().of(std::future::pending::<()>());
        lulls.spawn(async move { done.send(()).expect("the test waits") });
        drop(request);
        seen.await.unwrap();
    }
}
