//! One exchange with a server, carried out by a thread of its own and watched by this one: what has arrived is read before
//! time is called, and only the time counts in which this process was awake. A process that was stopped, or whose machine
//! slept, over the answer finds it in the socket and not a time-out.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::process::signals::aside;

/// How long one exchange is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Then it is given up.
    pub(crate) whole: Duration,
    /// Then the same is sent once more on a second connection, while the first is still read; or at once where the first
    /// breaks. Only for what a server with a replay window answers twice alike.
    pub(crate) again_after: Option<Duration>,
}

impl Patience {
    /// For a request that is sent once.
    pub(crate) const fn once(whole: Duration) -> Self {
        Self { whole, again_after: None }
    }
}

/// How often time is looked at. Between two looks no more than twice as much counts: the rest was slept through.
const TICK: Duration = Duration::from_millis(50);

/// Carries out `attempt` and waits for what comes of it; none where nothing came in time. The first answer counts, and an error
/// only when no other attempt is under way.
#[expect(
    clippy::disallowed_methods,
    reason = "what is awake is told by the system's own clock, under no test's control"
)]
pub(super) fn watch<T: Send + 'static, E: Send + 'static>(
    patience: Patience,
    attempt: impl Fn() -> Result<T, E> + Send + Sync + 'static,
) -> Option<Result<T, E>> {
    let (sender, receiver) = mpsc::channel();
    let attempt = Arc::new(attempt);
    let begin = || {
        let (sender, attempt) = (sender.clone(), Arc::clone(&attempt));
        // Whoever is not waited for any more has nobody to tell.
        aside(move || drop(sender.send(attempt())));
    };
    begin();
    let (mut under_way, mut is_again, mut awake) = (1, false, Duration::ZERO);
    loop {
        let looked = Instant::now();
        match receiver.recv_timeout(TICK) {
            Ok(Err(_)) if under_way > 1 => under_way -= 1,
            // The connection broke: what the server answers twice alike is asked for again at once.
            Ok(Err(_)) if !is_again && patience.again_after.is_some() => {
                is_again = true;
                begin();
            }
            Ok(came) => return Some(came),
            Err(RecvTimeoutError::Timeout) => awake += looked.elapsed().min(2 * TICK),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
        if !is_again && patience.again_after.is_some_and(|after| awake >= after) {
            is_again = true;
            under_way += 1;
            begin();
        }
        if awake >= patience.whole {
            return receiver.try_recv().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    /// What hangs until its other end is let go.
    fn hang() -> (mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>) {
        let (sender, receiver) = mpsc::channel();
        (sender, Mutex::new(receiver))
    }

    #[test]
    fn the_first_answer_counts_and_nothing_is_asked_twice() {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let came = watch(Patience::once(LONG), move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok::<_, ()>(7)
        });
        assert_eq!((came, count.load(Ordering::SeqCst)), (Some(Ok(7)), 1));
    }

    #[test]
    fn what_does_not_come_is_given_up() {
        let (_held, never) = hang();
        let came = watch(Patience::once(Duration::from_millis(60)), move || never.lock().unwrap().recv());
        assert_eq!(came, None);
    }

    #[test]
    fn a_second_connection_answers_in_the_place_of_one_that_hangs_and_its_failure_ends_nothing() {
        let (_held, never) = hang();
        let attempts = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&attempts);
        let patience = Patience { whole: LONG, again_after: Some(Duration::from_millis(60)) };
        let came = watch(patience, move || {
            let number = {
                let mut number = counted.lock().unwrap();
                *number += 1;
                *number
            };
            if number == 1 {
                let _ = never.lock().unwrap().recv();
            }
            Ok::<_, ()>(number)
        });
        assert_eq!(came, Some(Ok(2)));

        let attempts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&attempts);
        let came = watch(patience, move || match counted.fetch_add(1, Ordering::SeqCst) {
            0 => Err("broken"),
            number => Ok(number),
        });
        assert_eq!((came, attempts.load(Ordering::SeqCst)), (Some(Ok(1)), 2));

        let attempts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&attempts);
        let (let_go, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let came = watch(patience, move || {
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                held.lock().unwrap().recv().unwrap();
                return Ok("the first");
            }
            let_go.send(()).unwrap();
            Err("the second failed")
        });
        assert_eq!((came, attempts.load(Ordering::SeqCst)), (Some(Ok("the first")), 2));
    }
}
