//! Work on all cores, results in order.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Tasks that wait for each worker: enough that none is idle while results are taken, few enough that the end comes
/// soon when nobody wants more.
const AHEAD: usize = 2;

/// Does `tasks` on `workers` threads and gives each result to `take` in the order of the tasks, until it has enough. A
/// bounded number of results waits for its turn.
///
/// # Errors
/// The first error of `make`, in the order of the tasks, or of `take`.
pub(super) fn in_order<T: Send, R: Send, E: Send>(
    workers: usize,
    mut tasks: impl Iterator<Item = T>,
    make: impl Fn(T) -> Result<R, E> + Sync,
    mut take: impl FnMut(R) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let workers = workers.max(1);
    let (queue, waiting) = channel();
    let waiting = Mutex::new(waiting);
    thread::scope(|scope| {
        // Dropped when this closure returns, and then the workers end.
        let queue = queue;
        for _ in 0..workers {
            scope.spawn(|| work(&waiting, &make));
        }
        let mut results: VecDeque<Receiver<Result<R, E>>> = VecDeque::new();
        loop {
            while results.len() < workers * AHEAD
                && let Some(task) = tasks.next()
            {
                let (answer, result) = sync_channel(1);
                if queue.send((task, answer)).is_err() {
                    break;
                }
                results.push_back(result);
            }
            // No answer comes from a worker that panicked; the scope panics in its turn.
            let Some(Ok(result)) = results.pop_front().map(|result| result.recv()) else {
                return Ok(());
            };
            if take(result?)?.is_break() {
                return Ok(());
            }
        }
    })
}

type Task<T, R, E> = (T, SyncSender<Result<R, E>>);

fn work<T, R, E>(waiting: &Mutex<Receiver<Task<T, R, E>>>, make: impl Fn(T) -> Result<R, E>) {
    loop {
        // Whoever holds the lock waits for all: it is given up before the work begins.
        let task = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok((task, answer)) = task else {
            return;
        };
        // Nobody listens any more after an error or a closed pipe; the next `recv` ends this.
        let _ = answer.send(make(task));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(workers: usize, tasks: u32) -> Vec<u32> {
        let mut taken = Vec::new();
        let make = |task: u32| {
            // The early ones take longest.
            (0..100 * (tasks - task))
                .fold(0_u32, |sum, n| sum.wrapping_add(std::hint::black_box(n)));
            Ok::<u32, ()>(task)
        };
        let take = |result| {
            taken.push(result);
            Ok(ControlFlow::Continue(()))
        };
        in_order(workers, 0..tasks, make, take).unwrap();
        taken
    }

    #[test]
    fn results_come_in_the_order_of_the_tasks() {
        for workers in [0, 1, 2, 7] {
            let expected: Vec<u32> = (0..100).collect();
            assert_eq!(all(workers, 100), expected, "{workers}");
            assert!(all(workers, 0).is_empty(), "{workers}");
        }
    }

    #[test]
    fn it_ends_at_the_first_error_and_when_there_is_enough() {
        let mut taken = Vec::new();
        let failed = in_order(
            3,
            0..1_000,
            |task| if task < 5 { Ok(task) } else { Err(task) },
            |result| {
                taken.push(result);
                Ok(ControlFlow::Continue(()))
            },
        );
        assert_eq!(failed, Err(5));
        assert_eq!(taken, [0, 1, 2, 3, 4]);
        let mut taken = 0;
        let enough = in_order(3, 0.., Ok::<u32, ()>, |_| {
            taken += 1;
            Ok(if taken == 10 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        });
        assert_eq!((enough, taken), (Ok(()), 10));
    }
}
