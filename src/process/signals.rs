//! Signals that people and terminals send, held back while something is under way that exists nowhere else: between the sending
//! of a token that works once and the saving of its successor, or while files of other programs are changed. They are obeyed afterwards: the process dies of the signal, as
//! its caller expects. A second Ctrl-C ends it at once. On Windows that is Ctrl-C and Ctrl-Break; a console that is closed ends what
//! it runs, whatever is done.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// Whether a person is told that it may take a while.
static IS_TOLD: AtomicBool = AtomicBool::new(true);

/// As long as it lives, signals are held back; when it is dropped, what came is obeyed.
pub(crate) struct Hold {
    _held: system::Held,
}

impl Hold {
    /// Begins to hold them back. Where the system refuses, they end us as ever.
    pub(crate) fn begin() -> Self {
        Self::told(true)
    }

    /// The same for what is over before anybody wonders: files of others that are just being changed.
    pub(crate) fn for_a_moment() -> Self {
        Self::told(false)
    }

    fn told(is_told: bool) -> Self {
        IS_TOLD.store(is_told, Ordering::SeqCst);
        Self { _held: system::Held::begin() }
    }
}

/// Tells a person at a terminal, who asked to end it, what is waited for.
fn ask_for_patience() {
    if IS_TOLD.load(Ordering::SeqCst) && io::stderr().is_terminal() {
        let _ = writeln!(
            io::stderr(),
            "keyfob: waiting for an answer that can be had only once; Ctrl-C again ends this at once"
        );
    }
}

/// Starts a thread to which no signal is ever delivered: what the main thread holds back must not find another way.
pub(crate) fn aside(work: impl FnOnce() + Send + 'static) {
    #[cfg(unix)]
    unix::spawn(work);
    #[cfg(not(unix))]
    std::thread::spawn(work);
}

/// From now on a file that would grow beyond the limit of this process (`RLIMIT_FSIZE`) is an error where it is written, and not the
/// silent end of us.
pub(crate) fn survive_file_limit() {
    #[cfg(unix)]
    unix::block_file_limit();
}

/// From now on signals are another program's, which takes our place: it finds them as we did. On Windows, where it runs beside us,
/// Ctrl-C is for it, and we end when it does.
pub(crate) fn let_go() {
    #[cfg(any(unix, windows))]
    system::let_go();
}

#[cfg(unix)]
mod unix {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

    use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};

    /// What people, terminals and whoever started us send to end us.
    const HELD: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

    /// How many of us hold them back, one inside the other.
    static HOLDS: AtomicU32 = AtomicU32::new(0);
    /// The number of the first signal that came; 0 is none.
    static CAME: AtomicI32 = AtomicI32::new(0);
    /// The thread that takes what the others do not.
    static WATCHER: OnceLock<()> = OnceLock::new();

    /// The mask to go back to; none where the system refused.
    pub(super) struct Held {
        before: Option<SigSet>,
    }

    impl Held {
        pub(super) fn begin() -> Self {
            let Ok(before) = SigSet::thread_get_mask() else { return Self { before: None } };
            if held().thread_block().is_err() {
                return Self { before: None };
            }
            HOLDS.fetch_add(1, Ordering::SeqCst);
            // After they are blocked, so that it begins with them blocked as well.
            WATCHER.get_or_init(|| spawn(watch));
            Self { before: Some(before) }
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            let Some(before) = self.before.take() else { return };
            if HOLDS.fetch_sub(1, Ordering::SeqCst) > 1 {
                return;
            }
            let came = CAME.swap(0, Ordering::SeqCst);
            let _ = before.thread_set_mask();
            if let Ok(signal) = Signal::try_from(came) {
                // Where it is ignored (nohup), it is ignored now.
                let _ = raise(signal);
            }
        }
    }

    fn held() -> SigSet {
        HELD.into_iter().collect()
    }

    /// Takes each signal that comes while they are held.
    fn watch() {
        while let Ok(signal) = held().wait() {
            let is_first = CAME.compare_exchange(0, signal as i32, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            if HOLDS.load(Ordering::SeqCst) == 0 || (!is_first && signal == Signal::SIGINT) {
                let _ = held().thread_unblock();
                let _ = raise(signal);
                let _ = held().thread_block();
            } else if signal == Signal::SIGINT {
                super::ask_for_patience();
            }
        }
    }

    /// Whether it is we who block the signal of the file limit.
    static BLOCKS_FILE_LIMIT: AtomicBool = AtomicBool::new(false);

    pub(super) fn block_file_limit() {
        let before = SigSet::from(Signal::SIGXFSZ).thread_swap_mask(SigmaskHow::SIG_BLOCK);
        let is_ours = before.is_ok_and(|before| !before.contains(Signal::SIGXFSZ));
        BLOCKS_FILE_LIMIT.store(is_ours, Ordering::Relaxed);
    }

    pub(super) fn let_go() {
        if BLOCKS_FILE_LIMIT.load(Ordering::Relaxed) {
            let _ = SigSet::from(Signal::SIGXFSZ).thread_unblock();
        }
    }

    pub(super) fn spawn(work: impl FnOnce() + Send + 'static) {
        let before = SigSet::thread_get_mask().ok();
        let _ = held().thread_block();
        std::thread::spawn(work);
        if let Some(before) = before {
            let _ = before.thread_set_mask();
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    /// What a process that Ctrl-C has ended exits with (`STATUS_CONTROL_C_EXIT`, 0xC000013A).
    const ENDED: i32 = 0xC000_013A_u32.cast_signed();

    /// As the system would end it.
    #[expect(
        clippy::exit,
        clippy::disallowed_methods,
        reason = "Ctrl-C comes in a thread of its own, and no main function returns for it"
    )]
    fn end() -> ! {
        std::process::exit(ENDED)
    }

    /// How many of us hold it back, one inside the other.
    static HOLDS: AtomicU32 = AtomicU32::new(0);
    /// Whether it came.
    static HAS_COME: AtomicBool = AtomicBool::new(false);
    /// The handler, which stays once it is there, and without a hold does what the system would.
    static HANDLER: OnceLock<bool> = OnceLock::new();

    pub(super) struct Held(());

    impl Held {
        pub(super) fn begin() -> Self {
            HOLDS.fetch_add(1, Ordering::SeqCst);
            // Where the system refuses, it ends us as ever.
            HANDLER.get_or_init(|| ctrlc::set_handler(came).is_ok());
            Self(())
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            if HOLDS.fetch_sub(1, Ordering::SeqCst) == 1 && HAS_COME.load(Ordering::SeqCst) {
                end();
            }
        }
    }

    /// Whether another program has taken our place, and Ctrl-C is its business.
    static IS_LET_GO: AtomicBool = AtomicBool::new(false);

    pub(super) fn let_go() {
        IS_LET_GO.store(true, Ordering::SeqCst);
        HANDLER.get_or_init(|| ctrlc::set_handler(came).is_ok());
    }

    /// Runs in a thread of the handler's own.
    fn came() {
        if IS_LET_GO.load(Ordering::SeqCst) {
            return;
        }
        let is_first = !HAS_COME.swap(true, Ordering::SeqCst);
        if HOLDS.load(Ordering::SeqCst) == 0 || !is_first {
            end();
        }
        super::ask_for_patience();
    }
}
