//! The machine: carries an ask to its end without I/O. It is told what came of the last effect ([`Got`]) and says what is to
//! be done next ([`Effect`]); the broker does that, and the lab does it in every order that three machines can come in.
//!
//! A machine has no clock, no file and no network. It can be cloned, compared and hashed, its errors are plain data, and what
//! it holds of the record is the record itself. What it decides about a record is [`crate::decision`]'s to say.
//!
//! - `look`: from the first look at the record to the decision under its lock.
//! - `renew`: one refresh, under the record's lock from the reading of the token to the saving of its successor.
//! - `person`: a person signs in; one of all processes polls, the others show the same code and wait.
//! - `code`: a code begins, is polled for, and is approved or over.
//! - `advance`: a code that nobody waits for (`keyfob login --start`), and the approval of one.
//! - `refusal`: a server refused a token, or a person signed out of a place.
//! - `words`: what people are told. `traced`: what the trace is told.

mod advance;
mod code;
#[cfg(test)]
mod inspect;
mod look;
mod person;
mod refusal;
mod renew;
#[cfg(test)]
mod tests;
mod traced;
mod words;

use std::time::Duration;

use crate::clock::Timestamp;
use crate::decision::Attempt;
use crate::error::Error;
use crate::human::Presence;
use crate::model::{Ask, Destination, Endpoints, Profile, Slot, Token, Want};
use crate::oauth::TokenAnswer;
use crate::oauth::answer::{Answer, ServerError};
use crate::oauth::device::Pending;
use crate::oauth::message::Unreachable;
use crate::secret::Secret;
use crate::store::Record;

pub(crate) use person::Role;
pub(crate) use words::{STEP, Written, nobody, registration_hint};

/// A caller that holds a living token waits this long for the record's lock, and then goes on with that token.
const LIVING_PATIENCE: Duration = Duration::from_secs(1);
/// Longer than all the requests that another process may be making one after the other while it holds the record's lock.
const LOCK_PATIENCE: Duration = Duration::from_mins(2);

/// How long whoever holds the login lock may take to write a code down. One that takes longer costs a request for another, which
/// nobody is shown.
const STARTING_PATIENCE: Duration = Duration::from_secs(20);
/// A person is told what is waited for when it takes longer.
const SILENT_PATIENCE: Duration = Duration::from_secs(3);

/// What is the same for all machines that serve one place: whom to sign in to, and where the token goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) endpoints: &'a Endpoints,
    /// Where the token goes.
    pub(crate) destination: &'a Destination,
    /// The same, for a sentence.
    pub(crate) place: &'a str,
}

/// What the broker is to do next. Each has one kind of answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// Read the record without a lock: [`Got::Record`].
    Peek,
    /// Try once for the record's lock, and read the record under it: [`Got::Locked`] or [`Got::Busy`].
    TryLock,
    /// Read the record again under the lock: [`Got::Record`].
    Reread,
    /// Make sure, as far as that can be known, that a save will succeed: [`Got::Done`] or [`Got::Failed`].
    Reserve,
    /// Write the record that is locked: [`Got::Done`] or [`Got::Failed`]. It is on the disk before the answer comes.
    Save(Box<Record>),
    /// Try once to become the one process that polls: [`Got::Done`] or [`Got::Busy`].
    TryLogin,
    /// Send a request to the provider and wait for the answer: [`Got::Answer`], and for [`Call::Start`] [`Got::Code`].
    Send(Call),
    /// End at the provider a session that is not kept here: [`Got::SignedOut`].
    SignOut(Box<Record>),
    /// Wait a moment before another attempt at a lock: [`Got::Waited`].
    Pause,
    /// Wait so many seconds, and show meanwhile how long the code still lives: [`Got::Waited`].
    Sleep { seconds: u64, expires_at: Timestamp },
    /// Look whether there is a terminal: [`Got::Terminal`].
    FindTerminal,
    /// Look whether somebody is here to be asked: [`Got::Presence`].
    FindPerson,
    /// The end. Whatever is locked is released.
    End(Outcome),
}

/// What the broker does before an effect, and that nothing comes of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Aside {
    /// Note that what was read without a lock is handed out (a hit).
    Used,
    /// Release the record's lock.
    Unlock,
    /// Release the login lock.
    LeaveLogin,
    /// Show the code, and where to enter it.
    Show(Box<Pending>, Role),
    /// Show how long the code lives that another process polls for.
    Remaining { expires_at: Timestamp },
    /// Say a line on stderr.
    Say(String),
    /// Somebody is signed in now; say so where that user code stands.
    SignedIn { user_code: Option<String>, record: Box<Record> },
}

/// A request to the provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    /// RFC 6749 section 6.
    Refresh {
        /// A token lives meanwhile: the caller need not wait for the answer, if another process can.
        may_hand_over: bool,
        refresh_token: Secret,
        /// What a refresh without a scope stands for; none where that is not known.
        scopes: Option<Vec<String>>,
        /// The organization to be named for a slot without one, because the session has gone to another since.
        organization: Option<String>,
    },
    /// RFC 8628 section 3.1, with the resources (RFC 8707) that are named.
    Start { slot: Slot, resources: Vec<String> },
    /// RFC 8628 section 3.4.
    Poll(Box<Pending>),
}

/// What came of an effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Got {
    Done,
    /// Another process holds the lock.
    Busy,
    /// The record as it is, if there is one.
    Record(Option<Box<Record>>),
    /// The record's lock, with the record as it is under it; and what to tell a person where a broken one was set aside.
    Locked {
        record: Box<Record>,
        set_aside: Option<String>,
    },
    Answer(Answer),
    /// Another process waits for the answer, with the record's lock; or has had it.
    HandedOver,
    Code(Result<Box<Pending>, NoCode>),
    /// Why the session may live on at the provider; none where it is over.
    SignedOut(Option<String>),
    /// How long it was.
    Waited(Duration),
    Terminal(bool),
    Presence(Presence),
    /// The store or the system failed us.
    Failed(Error),
}

/// Why there is no code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NoCode {
    /// Trouble of our own: nothing was sent.
    NotAsked(Error),
    /// No answer.
    Unreachable(Unreachable),
    /// The provider's no, without what its words may quote of our secrets.
    Refused(ServerError),
}

/// What an ask came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Token(Box<Token>),
    /// The code that waits for approval ([`Want::Code`]).
    Code(Box<Pending>),
    /// There was nothing to do, or it is done.
    Nothing,
    Failed(Error),
}

/// Why the record's lock is wanted, with what will be written down under it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Why {
    /// To decide what is done next.
    Decide,
    /// To renew a token that lives, whatever others would make of it: it was left to this process.
    Renew,
    /// To see whether a poll is due; the login lock is ours.
    Turn,
    /// A code has come, or none.
    Begun(Result<Box<Pending>, NoCode>),
    /// A poll's answer that is no approval.
    Polled(Box<Pending>, Answer),
    Approved(Box<Pending>, Box<TokenAnswer>),
    /// Somebody may have approved a code that nobody waits for.
    Redeem,
    /// A code is wanted in advance.
    InAdvance,
    /// The code that was wanted in advance has come.
    BegunInAdvance,
    Refusal,
}

impl Why {
    /// Whether another process may do meanwhile what the lock is wanted for. Else what we hold exists nowhere else and must
    /// be written down.
    fn may_be_served(&self) -> bool {
        matches!(self, Self::Decide | Self::Turn)
    }
}

/// What the machine waits to be told: the broker's answer to its last effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum At {
    /// `look`.
    FirstLook,
    FindingTerminal,
    Locking(Why),
    LockPause(Why),
    LockLook(Why),
    MarkingRefused,
    /// `renew`.
    NotingRenewal,
    Reserving,
    Renewing {
        is_again: bool,
        has_living: bool,
    },
    Rereading {
        sent: Secret,
        words: String,
    },
    HandedOver,
    SavingRenewed,
    SavingRetired(String),
    SavingNotGranted,
    /// Saving a failure, for those who wait or ask next; a token that lives serves all the same.
    SavingFailure {
        error: Error,
        or_living: bool,
    },
    /// `person`.
    SignInReserving,
    FindingPerson,
    LoginLocking,
    LoginPause,
    LoginLook,
    SavingTurn(Box<Pending>),
    Sleeping,
    /// `code`, with the resources that were named.
    Starting(Vec<String>),
    SavingBegun(Box<Pending>),
    Polling(Box<Pending>),
    SavingPolled(Box<Pending>),
    /// Whether the approval was for what is asked for, not for another place of the session.
    SavingApproved {
        is_ours: bool,
    },
    /// Another person signed in than the session is for.
    SavingOtherPerson {
        error: Error,
        session: Box<Record>,
    },
    SigningOut(Error),
    /// `advance`.
    RedeemLocking,
    SavingRedeem(Box<Pending>),
    CodeLocking,
    CodePause,
    CodeLook,
    CodeReserving,
    SavingCode(Box<Pending>),
    /// `refusal`.
    RefusalLook,
    SavingRefusal,
    /// It has ended.
    Ended,
}

/// What a sign-in came to so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SignIn {
    purpose: Purpose,
    /// The code that stands before a person who has not been told how it ended.
    shown: Option<String>,
    /// Whether this caller has polled.
    polled: bool,
    /// A code that could not be written down lives here alone.
    unsaved: Option<Box<Pending>>,
    /// Its time is over, and it is asked for once more: somebody may have approved it at the last moment.
    called_last: bool,
}

/// What a sign-in is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    /// The caller needs it; whether somebody is here for it.
    Own(Presence),
    /// Somebody may have approved what nobody waits for: whatever comes of it, the caller goes on with what there is.
    Redeem,
    /// A code is all that is wanted.
    Code,
}

/// An ask on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Machine {
    ask: Ask,
    attempt: Attempt,
    at: At,
    /// The record, while its lock is ours.
    held: Option<Box<Record>>,
    sign_in: Option<SignIn>,
    /// Whether an approval that nobody waits for was asked for.
    has_redeemed: bool,
    /// How long a lock was waited for, and how long at most.
    waited: Duration,
    longest_wait: Duration,
    /// A person has been told what is waited for.
    has_told: bool,
    /// Whoever holds the login lock does nothing with it, and this caller goes on without.
    steps_over: bool,
    /// What is to be done before the next effect; empty between two steps.
    asides: Vec<Aside>,
}

/// What a step comes to: what is done first, and then.
pub(crate) type Step = (Machine, Vec<Aside>, Effect);

impl Machine {
    /// Begins to carry out an ask.
    pub(crate) fn begin(ask: Ask) -> (Self, Effect) {
        let (at, effect) = match ask.want {
            Want::Token | Want::SignIn => (At::FirstLook, Effect::Peek),
            Want::Renewal => (At::Locking(Why::Renew), Effect::TryLock),
            Want::Code => (At::CodeLocking, Effect::TryLogin),
            Want::Refusal | Want::Acceptance | Want::SignOut => (At::RefusalLook, Effect::Peek),
        };
        let machine = Self {
            ask,
            attempt: Attempt::default(),
            at,
            held: None,
            sign_in: None,
            has_redeemed: false,
            waited: Duration::ZERO,
            longest_wait: LOCK_PATIENCE,
            has_told: false,
            steps_over: false,
            asides: Vec::new(),
        };
        (machine, effect)
    }

    /// Goes on, now that the last effect has come to something.
    pub(crate) fn step(mut self, got: Got, setting: &Setting<'_>, now: Timestamp) -> Step {
        let at = std::mem::replace(&mut self.at, At::Ended);
        let (mut machine, effect) = self.go_on(at, got, setting, now);
        let asides = std::mem::take(&mut machine.asides);
        (machine, asides, effect)
    }

    fn go_on(self, at: At, mut got: Got, setting: &Setting<'_>, now: Timestamp) -> (Self, Effect) {
        if let Got::Record(Some(record)) | Got::Locked { record, .. } = &mut got
            && !setting.profile.keep_refresh_token
        {
            // One from before the profile said so.
            record.refresh_token = None;
        }
        match (at, got) {
            (At::FirstLook, Got::Record(record)) => self.first_look(record.as_deref(), now),
            (At::FindingTerminal, Got::Terminal(has_terminal)) => self.found_terminal(has_terminal),
            (At::Locking(why), Got::Locked { record, set_aside }) => self.locked(why, record, set_aside, setting, now),
            (At::Locking(why), Got::Busy) => self.lock_is_busy(why),
            (At::LockPause(why), Got::Waited(span)) => self.lock_again(why, span, setting),
            (At::LockLook(why), Got::Record(record)) => self.look_meanwhile(why, record.as_deref(), now),
            // That it cannot be saved changes nothing here.
            (At::MarkingRefused, Got::Done | Got::Failed(_)) => self.decide(setting, now),

            (At::NotingRenewal, Got::Done) => self.then(At::Reserving, Effect::Reserve),
            (At::Reserving, Got::Done) => self.renew(now),
            (At::NotingRenewal | At::Reserving, Got::Failed(error)) => self.not_reserved(&error, now),
            (At::Renewing { is_again, has_living }, Got::Answer(answer)) => {
                self.renewal_answered(answer, is_again, has_living, setting, now)
            }
            (At::Renewing { .. }, Got::HandedOver) => self.handed_over(),
            (At::HandedOver, Got::Record(record)) => self.look_after_handing_over(record, now),
            (At::Rereading { sent, words }, Got::Record(record)) => self.retire(record, &sent, words),
            (At::SavingRenewed, Got::Done) => self.renewed(None, setting, now),
            (At::SavingRenewed, Got::Failed(error)) => self.renewed(Some(&error), setting, now),
            (At::SavingRetired(words), Got::Done) => self.retired(words, setting),
            (At::SavingNotGranted, Got::Done | Got::Failed(_)) => self.look_again(),
            (At::SavingFailure { error, or_living }, Got::Done | Got::Failed(_)) => self.failed(error, or_living, now),

            (At::SignInReserving, Got::Done) => self.find_person(),
            (At::SignInReserving, Got::Failed(error)) => self.cannot_keep(&error),
            (At::FindingPerson, Got::Presence(presence)) => self.found_person(presence),
            (At::LoginLocking, Got::Done) | (At::Sleeping, Got::Waited(_)) => self.lock(Why::Turn),
            (At::LoginLocking, Got::Busy) => self.then(At::LoginLook, Effect::Peek),
            (At::LoginPause, Got::Waited(span)) => self.login_again(span),
            (At::LoginLook, Got::Record(record)) => self.look_at_login(record.as_deref(), setting, now),
            (At::SavingTurn(pending), Got::Done | Got::Failed(_)) => self.poll_in_turn(pending),

            (At::Starting(_), Got::Code(Err(NoCode::NotAsked(error)))) => self.fail(error),
            (At::Starting(named), Got::Code(code)) => self.started(named, code, setting),
            (At::SavingBegun(pending), Got::Done) => self.begun(pending, None, setting, now),
            (At::SavingBegun(pending), Got::Failed(error)) => self.begun(pending, Some(&error), setting, now),
            (At::Polling(pending), Got::Answer(answer)) => self.lock(match answer {
                Answer::Granted(tokens) => Why::Approved(pending, tokens),
                answer => Why::Polled(pending, answer),
            }),
            (At::SavingPolled(pending), Got::Done | Got::Failed(_)) => self.poll_again(pending, setting, now),
            (At::SavingApproved { is_ours }, Got::Done) => self.approved(is_ours, None, setting, now),
            (At::SavingApproved { is_ours }, Got::Failed(error)) => self.approved(is_ours, Some(&error), setting, now),
            (At::SavingOtherPerson { error, session }, Got::Done | Got::Failed(_)) => self.sign_out(error, session),
            (At::SigningOut(error), Got::SignedOut(lives_on)) => self.signed_out(error, lives_on.as_deref()),

            (At::RedeemLocking, Got::Done) => self.lock(Why::Redeem),
            (At::RedeemLocking, Got::Busy) => self.redeemed(),
            (At::SavingRedeem(pending), Got::Done) => self.redeem(pending),
            (At::CodeLocking, Got::Done) => self.lock(Why::InAdvance),
            (At::CodeLocking, Got::Busy) => self.then(At::CodeLook, Effect::Peek),
            (At::CodePause, Got::Waited(span)) => self.code_again(span),
            (At::CodeLook, Got::Record(record)) => self.look_at_anothers_code(record, now),
            (At::CodeReserving, Got::Done) => self.code_reserved(setting, now),
            (At::SavingCode(pending), Got::Done) => self.then(At::Ended, Effect::End(Outcome::Code(pending))),

            (At::RefusalLook, Got::Record(record)) => self.look_at_refused(record.as_deref()),
            (At::SavingRefusal, Got::Done) => self.then(At::Ended, Effect::End(Outcome::Nothing)),

            (_, Got::Failed(error)) => self.fail(error),
            (at, _) => unreachable!("no answer to the effect of {}", at.name()),
        }
    }

    /// Waits at `at` for what comes of `effect`.
    fn then(mut self, at: At, effect: Effect) -> (Self, Effect) {
        self.at = at;
        (self, effect)
    }

    /// Does something first.
    fn aside(&mut self, aside: Aside) {
        self.asides.push(aside);
    }

    /// Lets go of the record.
    fn unlock(&mut self) {
        self.held = None;
        self.aside(Aside::Unlock);
    }

    /// The record in hand.
    fn record(&mut self) -> &mut Record {
        // An empty record stands for one that was never locked, which no step here relies on.
        self.held.get_or_insert_default()
    }

    /// Ends with a token that `record` holds.
    fn serve(mut self, token: Token, record: &Record) -> (Self, Effect) {
        self.tell_signed_in(record);
        self.then(At::Ended, Effect::End(Outcome::Token(Box::new(token))))
    }

    /// Ends with an error; an approval that nobody waits for ends without one.
    fn fail(self, error: Error) -> (Self, Effect) {
        if self.is_redeeming() {
            return self.redeemed();
        }
        self.then(At::Ended, Effect::End(Outcome::Failed(error)))
    }

    /// Saves a failure for those who wait or ask next, and then ends with it. `slot` is the one that could not be renewed,
    /// none where it was a sign-in.
    fn save_failure(mut self, error: Error, slot: Option<&Slot>, or_living: bool, now: Timestamp) -> (Self, Effect) {
        let parent = self.ask.parent.clone();
        self.record().fail(&error, slot, parent.as_ref(), now);
        self.save(At::SavingFailure { error, or_living })
    }

    fn failed(mut self, error: Error, or_living: bool, now: Timestamp) -> (Self, Effect) {
        let record = self.held.take().unwrap_or_default();
        match crate::decision::living(&record, &self.ask, now).filter(|_| or_living) {
            Some(token) => self.serve(token.clone(), &record),
            None => self.fail(error),
        }
    }

    /// Writes the record in hand.
    fn save(mut self, at: At) -> (Self, Effect) {
        let record = Box::new(self.record().clone());
        self.then(at, Effect::Save(record))
    }
}
