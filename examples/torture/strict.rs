//! Refreshes at a provider that ends a session whose refresh token comes back, and remembers no answer: ended by the signals of people
//! and terminals at random moments, stopped while the answer is on its way, answered late. None may be lost, nothing sent twice, and
//! nobody asked again. SIGKILL is not among them: at such a provider it can end a session, as SECURITY.md says.

use std::fs;
use std::process::{Child, Command, ExitCode, Output};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::home::Home;
use crate::provider::{CLIENT_ID, Endpoint, Manners, Provider};
use crate::random::Random;

/// Most of a trial is waiting. Each worker has a provider, a home and a session of its own.
const WORKERS: u64 = 24;
/// The provider takes up to so many milliseconds for the refreshes that are interrupted.
const BRIEF: u64 = 300;
/// How often a signal may miss the refresh it is for.
const TRIES: u32 = 200;

#[derive(Clone, Copy)]
pub(crate) struct Trials {
    interrupted: u64,
    stopped: u64,
    slow: u64,
    seed: u64,
}

impl Trials {
    pub(crate) fn of(args: &[String]) -> Option<Self> {
        let mut trials = Self { interrupted: 300, stopped: 100, slow: 50, seed: 1 };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let number = args.next()?.parse().ok()?;
            match arg.as_str() {
                "--interrupted" => trials.interrupted = number,
                "--stopped" => trials.stopped = number,
                "--slow" => trials.slow = number,
                "--seed" => trials.seed = number,
                _ => return None,
            }
        }
        Some(trials)
    }

    /// All of them, those that take longest first.
    fn list(self) -> Vec<Trial> {
        let mut random = Random::new(self.seed, WORKERS);
        let signals = ["INT", "TERM", "HUP"].into_iter().cycle().map(Trial::Interrupted);
        let mut list: Vec<Trial> = signals.take(usize::try_from(self.interrupted).unwrap()).collect();
        list.extend((0..self.slow).map(|_| Trial::Slow(Duration::from_millis(10_000 + random.below(30_001)))));
        list.extend((0..self.stopped).map(|_| Trial::Stopped(Duration::from_millis(1_000 + random.below(59_001)))));
        list
    }
}

#[derive(Clone, Copy, Debug)]
enum Trial {
    /// By this signal, at a random moment.
    Interrupted(&'static str),
    /// While the answer is on its way, for so long.
    Stopped(Duration),
    /// The answer takes so long.
    Slow(Duration),
}

pub(crate) fn run(trials: Trials) -> ExitCode {
    let Trials { interrupted, stopped, slow, seed } = trials;
    println!("seed {seed}: {interrupted} interrupted, {stopped} stopped, {slow} answered late; no replay window");
    let (list, began) = (Arc::new(Mutex::new(trials.list())), Instant::now());
    let workers: Vec<_> = (0..WORKERS)
        .map(|number| {
            let list = Arc::clone(&list);
            thread::spawn(move || {
                let mut worker = Worker::new(seed, number);
                loop {
                    let trial = list.lock().unwrap().pop();
                    let Some(trial) = trial else { return worker };
                    worker.carry_out(trial);
                }
            })
        })
        .collect();
    let workers: Vec<Worker> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    report(&workers, began)
}

struct Worker {
    provider: Provider,
    home: Home,
    random: Random,
    /// Signals that came when a refresh had been sent, and when none had.
    in_time: u64,
    too_early: u64,
    failed: Vec<String>,
}

impl Worker {
    fn new(seed: u64, number: u64) -> Self {
        let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
        let url = provider.url();
        // Its row knows of no replay window.
        let home = Home::new(&format!(
            "[profile.acme]\nprovider = \"oauth\"\nclient_id = \"{CLIENT_ID}\"\nhosts = [\"git.acme.dev\"]\n\
             device_authorization_endpoint = \"{url}/user_management/authorize/device\"\n\
             token_endpoint = \"{url}/user_management/authenticate\"\n"
        ));
        let mut worker =
            Self { provider, home, random: Random::new(seed, number), in_time: 0, too_early: 0, failed: Vec::new() };
        let first = worker.begin().wait_with_output().unwrap();
        worker.expect_token("the sign-in", &first);
        worker
    }

    fn carry_out(&mut self, trial: Trial) {
        match trial {
            Trial::Interrupted(signal) => self.interrupt(signal),
            Trial::Stopped(span) => self.stop(span),
            Trial::Slow(span) => {
                self.takes(span);
                self.expire();
                let done = self.begin().wait_with_output().unwrap();
                self.expect_token(&format!("{trial:?}"), &done);
            }
        }
        // Whatever happened, the next one is served.
        self.takes(Duration::ZERO);
        let next = self.begin().wait_with_output().unwrap();
        self.expect_token(&format!("after {trial:?}"), &next);
    }

    /// Until the signal has come while a refresh was under way: one that comes before ends a process that has nothing to lose.
    fn interrupt(&mut self, signal: &str) {
        for _ in 0..TRIES {
            let takes = self.random.below(BRIEF);
            self.takes(Duration::from_millis(takes));
            self.expire();
            let before = self.provider.count(Endpoint::Refresh);
            let mut child = self.begin();
            thread::sleep(Duration::from_millis(self.random.below(2 * BRIEF)));
            if child.try_wait().unwrap().is_none() {
                send(signal, child.id());
            }
            let done = child.wait_with_output().unwrap();
            if self.provider.count(Endpoint::Refresh) > before && done.status.code().is_none() {
                self.in_time += 1;
                return;
            }
            self.too_early += 1;
        }
        self.failed.push(format!("{signal} ended nobody in {TRIES} tries: is it ignored where this was started?"));
    }

    fn stop(&mut self, span: Duration) {
        self.expire();
        let ((tell, number), (stopped, told)) = (mpsc::channel(), mpsc::channel());
        let hook = Mutex::new(Some((number, stopped)));
        // The provider has spent the token, and answers once this returns: to a process that stands still.
        self.provider.when_refreshed(move || {
            let Some((number, stopped)) = hook.lock().unwrap().take() else { return };
            send("STOP", number.recv().unwrap());
            stopped.send(()).unwrap();
        });
        let child = self.begin();
        tell.send(child.id()).unwrap();
        if told.recv_timeout(Duration::from_mins(1)).is_ok() {
            thread::sleep(span);
            send("CONT", child.id());
        } else {
            self.failed.push("a refresh that was to be stopped was never sent".to_owned());
        }
        let done = child.wait_with_output().unwrap();
        self.provider.when_refreshed(|| ());
        self.expect_token(&format!("stopped for {span:?}"), &done);
    }

    fn takes(&self, span: Duration) {
        self.provider.change(|manners| manners.refresh_takes = span);
    }

    fn begin(&self) -> Child {
        self.home.begin("git-credential-keyfob", &["get"], "protocol=https\nhost=git.acme.dev\n\n")
    }

    /// Lets every access token run out, as time would.
    fn expire(&self) {
        for path in self.home.files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "json")) {
            let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            for (_, token) in record["tokens"].as_object_mut().unwrap() {
                for time in ["received_at", "expires_at"] {
                    token[time] = (token[time].as_i64().unwrap() - 100_000).into();
                }
            }
            fs::write(&path, record.to_string()).unwrap();
        }
    }

    fn expect_token(&mut self, what: &str, done: &Output) {
        if !String::from_utf8_lossy(&done.stdout).contains("password=") {
            self.failed.push(format!("{what}: {}", String::from_utf8_lossy(&done.stderr).trim()));
        }
    }
}

fn send(signal: &str, number: u32) {
    let _ = Command::new("kill").args([&format!("-{signal}"), &number.to_string()]).status();
}

fn report(workers: &[Worker], began: Instant) -> ExitCode {
    let of = |count: &dyn Fn(&Worker) -> usize| workers.iter().map(count).sum::<usize>();
    let [reuses, lost] = [of(&|worker| worker.provider.reuses()), of(&|worker| worker.provider.ended_sessions())];
    let asked_again = of(&|worker| worker.provider.count(Endpoint::Start)) - workers.len();
    let is_torn = |name: &std::path::Path| name.to_string_lossy().contains(".broken-");
    let torn = of(&|worker| worker.home.files().iter().filter(|path| is_torn(path)).count());
    println!("seconds                  {:>8}", began.elapsed().as_secs());
    println!("refresh requests         {:>8}", of(&|worker| worker.provider.count(Endpoint::Refresh)));
    println!("interrupted in time      {:>8}", workers.iter().map(|worker| worker.in_time).sum::<u64>());
    println!("  before or after        {:>8}", workers.iter().map(|worker| worker.too_early).sum::<u64>());
    println!("refresh tokens reused    {reuses:>8}");
    println!("sessions lost            {lost:>8}");
    println!("people asked again       {asked_again:>8}");
    println!("torn records             {torn:>8}");
    let failed: Vec<&String> = workers.iter().flat_map(|worker| &worker.failed).collect();
    for why in &failed {
        println!("failed: {why}");
    }
    let well = reuses + lost + asked_again + torn == 0 && failed.is_empty();
    println!("{}", if well { "nothing lost, nothing sent twice" } else { "this is not how it should be" });
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
