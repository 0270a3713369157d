//! The ways of a walk, taken by the real broker: real files, real locks, the real reading of answers. Its effects must come
//! to what the walk took them to come to, and leave on the disk what the walk has there.

use std::cell::{Cell, RefCell};
use std::fs;
use std::rc::Rc;
use std::time::Duration;

use super::jobs::{Doing, Ending, Key, LONG_PAUSE, Places};
use super::moves::{Move, Mover};
use super::provider::{Provider, Status};
use super::records::{move_record, settle};
use super::search::next_alone;
use super::spelling::{NOW, code, named, read_code, read_name, response};
use super::world::{Budget, JobId, Message, Reply, Role, Span, Worker, World};
use crate::broker::{self, Broker, Hands};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::human::{Human, Presence, Prompt};
use crate::machine::{Aside, Got};
use crate::model::Want;
use crate::oauth::http::Http;
use crate::oauth::message::{Form, Response, Unreachable};
use crate::oauth::watch::Patience;
use crate::store::{Record, Store, record};

/// A person, or nobody, as the walk has them; who is shown a code is noted.
struct Somebody {
    role: Role,
    shown: RefCell<Vec<u8>>,
}

impl Human for Somebody {
    fn presence(&self) -> Result<Presence> {
        Ok(self.role.presence())
    }

    fn has_terminal(&self) -> bool {
        self.role.has_terminal()
    }

    fn terminal(&self) -> Option<String> {
        None
    }

    fn ask(&self, prompt: &Prompt<'_>) {
        self.shown.borrow_mut().push(code(prompt.pending));
    }

    fn waiting(&self, _left: i64) {}

    fn tell(&self, _line: &str) {}

    fn succeeded(&self, _line: &str, _is_said: bool) {}

    fn failed(&self, _error: &Error) {}

    fn is_left(&self) -> bool {
        false
    }

    fn note(&self, _line: &str) {}
}

/// A clock that always says the same: the walk makes time pass by moving what is written down.
struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _how_long: Duration) {}
}

/// What a request says.
fn message(form: &Form) -> Message {
    let shown = form.shown();
    let value = |name: &str| shown.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    match (value("grant_type"), value("refresh_token"), value("device_code")) {
        (Some("refresh_token"), Some(token), _) => Message::Refresh(read_name(token)),
        (Some(_), _, Some(code)) => Message::Poll(read_code(code)),
        _ => Message::Start,
    }
}

/// A network on which one request is awaited, with its answer.
#[derive(Default)]
struct Scripted {
    next: Cell<Option<(Message, Reply)>>,
}

impl Http for Scripted {
    fn post(&self, _url: &str, form: &Form, _patience: Patience) -> Result<Response, Unreachable> {
        let (awaited, reply) = self.next.take().expect("no request was awaited");
        assert_eq!(message(form), awaited);
        response(awaited, reply)
    }

    fn get(&self, url: &str, _query: &Form) -> Result<Response, Unreachable> {
        panic!("nobody asks {url}")
    }
}

/// A real store in a folder of its own.
struct Disk {
    store: Store,
    id: String,
    _root: tempfile::TempDir,
}

impl Disk {
    fn new(places: &Places, record: Option<&Record>) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let store = Store::in_folder(root.path().join("sessions"));
        let disk = Self { store, id: record::id(places.profile(), &places.endpoints.token), _root: root };
        if let Some(record) = record {
            let mut guard = disk.store.try_lock(&disk.id, NOW).expect("a lock").expect("a lock");
            guard.record = record.clone();
            guard.save().expect("room");
        }
        disk
    }

    fn path(&self, extension: &str) -> std::path::PathBuf {
        self.store.folder().join(format!("{}.{extension}", self.id))
    }

    /// What time does to a record, which no process writes.
    fn overwrite(&self, record: Option<&Record>) {
        if let Some(record) = record {
            fs::write(self.path("json"), serde_json::to_vec(record).expect("a record")).expect("room");
        }
    }

    fn record(&self) -> Option<Record> {
        self.store.peek(&self.id).expect("a record that can be read")
    }
}

/// Takes a way through real brokers, one for each worker.
pub(super) fn take(mover: &mut Mover, start: &World, way: &[Move]) -> Result<(), String> {
    let places = Rc::clone(&mover.jobs.places);
    let mut world = start.sorted();
    let disk = Disk::new(&places, mover.jobs.records.record(world.disk));
    let wire = Scripted::default();
    let people = world.workers.map(|worker| Somebody { role: worker.role, shown: RefCell::default() });
    let asks = world.workers.map(|worker| places.ask(worker.role));
    let brokers: Vec<(Role, Broker<'_>)> = people
        .iter()
        .zip(&asks)
        .map(|(human, ask)| {
            let world =
                broker::World { store: &disk.store, clock: &StandingClock, http: &wire, human, successor: None };
            (human.role, Broker { world, setting: places.setting(&ask.slot), id: &disk.id, what: "git" })
        })
        .collect();
    let mut hands = [Hands::default(), Hands::default(), Hands::default()];
    for (count, step) in way.iter().enumerate() {
        let moves = mover.moves(&world);
        mover.wrong = None;
        let after = moves.into_iter().find(|(found, _)| found == step).ok_or("the way is none")?.1;
        match *step {
            Move::Act(i) | Move::Tire(i) | Move::Refuse(i) => {
                let Worker { job, role, .. } = world.workers[i];
                let key = match step {
                    Move::Act(_) => mover.key(&world, i).ok_or("nothing to do")?,
                    Move::Tire(_) => Key::Waited(LONG_PAUSE),
                    _ => Key::Failed,
                };
                let (_, broker) = brokers.iter().find(|(known, _)| *known == role).ok_or("no broker")?;
                act(mover, broker, &mut hands[i], &wire, job, key)
                    .map_err(|what| format!("{what}, at move {count} of {way:?}"))?;
                if after.workers[i].is_gone() {
                    hands[i] = Hands::default();
                }
            }
            Move::Crash(i) => hands[i] = Hands::default(),
            Move::Remove { of_login } => {
                fs::remove_file(disk.path(if of_login { "login" } else { "lock" })).map_err(|e| e.to_string())?;
            }
            Move::Jump(_) | Move::Later(_) => disk.overwrite(mover.jobs.records.record(after.disk)),
            _ => {}
        }
        // The brokers' hands go where their workers go.
        let mut order = [0, 1, 2];
        order.sort_by_key(|i| after.workers[*i]);
        let mut old = hands.map(Some);
        hands = order.map(|i| old[i].take().expect("each once"));
        world = after.sorted();
        let (real, model) = (disk.record(), mover.jobs.records.record(world.disk));
        if real.as_ref() != model {
            return Err(format!("the disk has {real:#?} and not {model:#?}, after move {count} of {way:?}"));
        }
    }
    Ok(())
}

/// One effect, done by the broker; what it comes to, and what is done before the next.
fn act<'a>(
    mover: &mut Mover,
    broker: &Broker<'a>,
    hands: &mut Hands<'a>,
    wire: &Scripted,
    mut job: JobId,
    mut key: Key,
) -> Result<(), String> {
    if matches!((mover.jobs.job(job).doing, key), (Doing::Send(_), Key::Done)) {
        // It is on the wire; what comes of it comes later.
        return Ok(());
    }
    loop {
        let expected = mover.jobs.got(job, key);
        if key != Key::Failed {
            if let Key::Reply(message, reply) = key {
                wire.next.set(Some((message, reply)));
            }
            let effect = mover.jobs.job(job).effect.clone();
            let mut got = broker.perform(hands, effect.clone()).unwrap_or_else(Got::Failed);
            // Another test of this program that starts a child just now lends it every open lock, between its fork and its exec.
            for _ in 0..100_000 {
                if got != Got::Busy || expected == Got::Busy {
                    break;
                }
                std::thread::yield_now();
                got = broker.perform(hands, effect.clone()).unwrap_or_else(Got::Failed);
            }
            if got != expected && !matches!(key, Key::Waited(_)) {
                return Err(format!("{:?} comes to {got:#?} and not to {expected:#?}", mover.jobs.job(job).doing));
            }
            if wire.next.take().is_some() {
                return Err("a request was not sent".to_owned());
            }
        }
        let machine = mover.jobs.job(job).machine.clone();
        let (_, asides, _) = machine.step(expected, &broker.setting, NOW);
        for aside in asides {
            if matches!(aside, Aside::Unlock | Aside::LeaveLogin | Aside::Used) {
                broker.do_first(hands, aside);
            }
        }
        let role_has = |mover: &Mover, job| match mover.jobs.job(job).doing {
            Doing::FindTerminal => Some(Key::Terminal(broker.world.human.has_terminal())),
            Doing::FindPerson => broker.world.human.presence().ok().map(Key::Person),
            _ => None,
        };
        job = mover.jobs.step(job, key).0;
        match role_has(mover, job) {
            Some(next) => key = next,
            None => return Ok(()),
        }
    }
}

/// A provider that answers at once, and whose people approve at once.
struct Living<'a> {
    provider: &'a RefCell<Provider>,
}

impl Http for Living<'_> {
    fn post(&self, _url: &str, form: &Form, _patience: Patience) -> Result<Response, Unreachable> {
        let mut provider = self.provider.borrow_mut();
        for code in provider.codes.iter_mut().flatten() {
            if code.shown && code.status == Status::Open && code.expires > 0 {
                code.status = Status::Approved;
            }
        }
        let message = message(form);
        let (reply, _) = provider.process(message, true);
        response(message, reply)
    }

    fn get(&self, url: &str, _query: &Form) -> Result<Response, Unreachable> {
        panic!("nobody asks {url}")
    }
}

/// A clock that goes on when it is waited for, and the provider's with it.
struct GoingClock<'a> {
    millis: Cell<u64>,
    provider: &'a RefCell<Provider>,
    human: &'a Somebody,
}

impl GoingClock<'_> {
    fn seconds(&self) -> Span {
        Span::try_from(self.millis.get() / 1_000).expect("hours")
    }
}

impl Clock for GoingClock<'_> {
    fn now(&self) -> Timestamp {
        NOW + Timestamp::from(self.seconds())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.millis.get())
    }

    fn sleep(&self, how_long: Duration) {
        let before = self.seconds();
        self.millis.set(self.millis.get() + u64::try_from(how_long.as_millis()).expect("hours"));
        let mut provider = self.provider.borrow_mut();
        for code in self.human.shown.borrow().iter() {
            provider.code(*code).shown = true;
        }
        for _ in before..self.seconds() {
            provider.later(1);
        }
    }
}

/// Lets a whole broker run alone, and its machine in the walk: both end alike, and leave the same.
pub(super) fn run_alone(mover: &mut Mover, start: &World, role: Role) -> Result<(), String> {
    let places = Rc::clone(&mover.jobs.places);
    let workers = [mover.worker(role), Worker::gone(), Worker::gone()];
    let mut world = World { workers, left: Budget::of_people(9, 0), ..*start };
    let mut ending = None;
    while ending.is_none() {
        let (step, after) = next_alone(mover, &world)?;
        if after.workers[0].is_gone()
            && let Some(key) = mover.key(&world, 0).filter(|_| matches!(step, Move::Act(_)))
        {
            let mut job = mover.jobs.step(world.workers[0].job, key).0;
            while let Some(key) = match mover.jobs.job(job).doing {
                Doing::FindTerminal => Some(Key::Terminal(role.has_terminal())),
                Doing::FindPerson => Some(Key::Person(role.presence())),
                _ => None,
            } {
                job = mover.jobs.step(job, key).0;
            }
            ending = Some(mover.jobs.job(job).doing);
        }
        world = after;
    }

    let disk = Disk::new(&places, mover.jobs.records.record(start.disk));
    let provider = RefCell::new(start.provider);
    let human = Somebody { role, shown: RefCell::default() };
    let (wire, clock) =
        (Living { provider: &provider }, GoingClock { millis: Cell::new(0), provider: &provider, human: &human });
    let ask = places.ask(role);
    let setting = places.setting(&ask.slot);
    let around = broker::World { store: &disk.store, clock: &clock, http: &wire, human: &human, successor: None };
    let broker = Broker { world: around, setting, id: &disk.id, what: "git" };
    let came = match ask.want {
        Want::Token | Want::SignIn => broker.obtain(ask, None).map(|token| Ending::Token(named(&token))),
        Want::Renewal => unreachable!("no scenario begins with one"),
        Want::Code => broker.code(ask).map(|pending| Ending::Code(code(&pending))),
        Want::Refusal | Want::Acceptance | Want::SignOut => broker.report(ask).map(|()| Ending::Nothing),
    };
    let came = came.unwrap_or_else(|error| Ending::Failed(error.kind));
    if Some(Doing::End(came)) != ending {
        return Err(format!("the broker ends with {came:?}, the machine with {ending:?}"));
    }
    let real = disk.record().map(|mut record| {
        settle(&mut record);
        move_record(&mut record, clock.seconds());
        record
    });
    let model = mover.jobs.records.record(world.disk);
    if real.as_ref() != model {
        return Err(format!("the disk has {real:#?} and not {model:#?}"));
    }
    Ok(())
}
