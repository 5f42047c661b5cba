//! Several ways to the same thing: the first that succeeds wins.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

pub(super) type Attempt<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Begins each attempt `stagger` after the one before, or at once when all before have failed. The others are dropped when
/// one succeeds; if none does, every failure is told, in the order of the attempts.
///
/// Spec: RFC 8305 section 5, for addresses
pub(super) async fn first<T, E>(attempts: Vec<Attempt<'_, T, E>>, stagger: Duration) -> Result<T, Vec<E>> {
    let mut waiting = attempts.into_iter().enumerate();
    let mut running: Vec<(usize, Attempt<'_, T, E>)> = Vec::new();
    let mut failures: Vec<(usize, E)> = Vec::new();
    loop {
        running.extend(waiting.next());
        if running.is_empty() {
            failures.sort_by_key(|(index, _)| *index);
            return Err(failures.into_iter().map(|(_, error)| error).collect());
        }
        let more = waiting.len() > 0;
        let mut pause = pin!(sleep(stagger));
        let step = poll_fn(|cx| {
            for at in 0..running.len() {
                let (index, attempt) = &mut running[at];
                let index = *index;
                if let Poll::Ready(outcome) = attempt.as_mut().poll(cx) {
                    drop(running.swap_remove(at));
                    return Poll::Ready(Some((index, outcome)));
                }
            }
            if more { pause.as_mut().poll(cx).map(|()| None) } else { Poll::Pending }
        });
        match step.await {
            Some((_, Ok(won))) => return Ok(won),
            Some((index, Err(error))) => failures.push((index, error)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const STAGGER: Duration = Duration::from_millis(250);

    fn boxed<'a>(future: impl Future<Output = Result<u8, u8>> + Send + 'a) -> Attempt<'a, u8, u8> {
        Box::pin(future)
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_costs_its_head_start() {
        let begun = tokio::time::Instant::now();
        assert_eq!(first(vec![boxed(pending()), boxed(ready(Ok(7)))], STAGGER).await, Ok(7));
        assert_eq!(begun.elapsed(), STAGGER);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_begins_at_once_when_one_has_failed() {
        let begun = tokio::time::Instant::now();
        assert_eq!(first(vec![boxed(ready(Err(1))), boxed(ready(Ok(7)))], STAGGER).await, Ok(7));
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn all_failures_are_told_in_order() {
        let late = async {
            sleep(STAGGER * 3).await;
            Err(1)
        };
        assert_eq!(
            first(vec![boxed(late), boxed(ready(Err(2))), boxed(ready(Err(3)))], STAGGER).await,
            Err(vec![1, 2, 3])
        );
        assert_eq!(first::<u8, u8>(Vec::new(), STAGGER).await, Err(Vec::new()));
    }
}
