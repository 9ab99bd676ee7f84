//! What the controller has said, for all who want the same of it.
//!
//! Owns how often it is asked: however many look, it answers one question twice a second at most, and they share what it said.

use crate::time::Duration;
use std::future::Future;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// What it has said is good for so long, and so is that it has said nothing.
const GOOD_FOR: Duration = Duration::from_millis(500);
/// How long it may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What it said last, and when; `None` within: it did not answer.
pub(super) struct Shared<T>(Mutex<Option<(Instant, Option<T>)>>);

impl<T> Default for Shared<T> {
    fn default() -> Shared<T> {
        Shared(Mutex::default())
    }
}

impl<T: Clone> Shared<T> {
    /// What `ask` gives, or has just given to somebody else. `None`: the controller does not answer.
    pub(super) async fn get(&self, ask: impl Future<Output = Option<T>>) -> Option<T> {
        // Whoever comes while it is being asked waits for the same answer.
        let mut last = timeout(PATIENCE, self.0.lock()).await.ok()?;
        if let Some((_, said)) = last.as_ref().filter(|(at, _)| at.elapsed() < GOOD_FOR) {
            return said.clone();
        }
        let said = timeout(PATIENCE, ask).await.ok().flatten();
        // From now on: while it was being asked, nobody else could use it.
        *last = Some((Instant::now(), said.clone()));
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_took_long_is_shared_and_so_is_none_until_half_a_second_after_it_came() {
        for said in [Some(1), None] {
            let shared = Shared::default();
            let slow = async {
                sleep(Duration::from_secs(2)).await;
                said
            };
            let other = shared.get(async { Some(2) });
            assert_eq!(tokio::join!(shared.get(slow), other), (said, said));
            sleep(Duration::from_millis(499)).await;
            assert_eq!(shared.get(async { Some(3) }).await, said);
            sleep(Duration::from_millis(2)).await;
            assert_eq!(shared.get(async { Some(4) }).await, Some(4));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_answers_is_not_waited_for() {
        let shared = Shared::<u8>::default();
        let begun = Instant::now();
        assert_eq!(shared.get(std::future::pending()).await, None);
        assert_eq!(begun.elapsed(), PATIENCE);
    }
}
