//! `broker/sign_in.rs`, a move at a time.

use super::super::records::{AfterPoll, Decision, Edit, Failing, PendingFacts};
use super::super::world::{Caller, Name, Reply, Role, Span, Step, World};
use super::Mover;

/// What a caller without a human waits for a poll to be due (`REDEEM_PATIENCE`).
const REDEEM_PATIENCE: Span = 10;

impl Mover {
    /// `Broker::lock_login`.
    pub(super) fn lock_login(&mut self, world: &mut World, caller: &mut Caller) -> bool {
        if world.is_login_unlocked() {
            caller.has_login = true;
            caller.step = Step::Turn { waited: false };
            return true;
        }
        let code = match self.look(world.disk, caller).next {
            Decision::Serve(name) => {
                self.note("served while waiting for another's sign-in");
                self.print(world, caller, name);
                return true;
            }
            Decision::Fail => {
                self.note("told of the failure of another's sign-in");
                self.explain(caller);
                return true;
            }
            Decision::Refresh(_) | Decision::Patience | Decision::RefusedAgain => {
                self.note("a session to look at while waiting for another's sign-in");
                look_again(caller);
                return true;
            }
            Decision::Poll => Some(self.pending(world.disk).code),
            Decision::Login => None,
        };
        if caller.is_away() {
            if let Some(code) = code {
                world.provider.code(code).shown = true;
            }
            self.explain(caller);
            return true;
        }
        code.is_some_and(|code| {
            let anew = caller.shown != Some(code);
            if anew {
                self.note("another's code shown");
            }
            show(world, caller, code);
            anew
        })
    }

    /// `Broker::turn` and what `Broker::await_approval` does with it.
    pub(super) fn turn(&mut self, world: &mut World, caller: &mut Caller, waited: bool) -> bool {
        if let Some(moved) = self.waits(world, caller, waited) {
            return moved;
        }
        let next = self.look(world.disk, caller).next;
        if next == Decision::Login {
            let facts = self.records.facts(world.disk);
            let (approved, failed) = (facts.approved > caller.seen, facts.failed > caller.seen);
            let is_answered = failed || (approved && caller.role == Role::Login);
            self.require(!is_answered, || {
                "a person's answer is overlooked that came while the caller waited".to_owned()
            });
        }
        match next {
            Decision::Serve(name) => self.print(world, caller, name),
            Decision::Fail => self.explain(caller),
            Decision::Refresh(_) | Decision::Patience | Decision::RefusedAgain => look_again(caller),
            Decision::Login if caller.shown.is_some() || caller.polled => caller.step = Step::EndLock,
            Decision::Login if caller.is_away() => self.explain(caller),
            Decision::Login => caller.step = Step::StartSend,
            Decision::Poll if self.pending(world.disk).wait > 0 => {
                show(world, caller, self.pending(world.disk).code);
                caller.mine = Some(self.records.edit(world.disk, Edit::PendingAlone));
                self.sleep(world, caller);
            }
            Decision::Poll => {
                caller.guard = Some(self.records.edit(world.disk, Edit::Polled));
                caller.step = Step::TurnSave;
            }
        }
        true
    }

    pub(super) fn turned(&mut self, world: &mut World, caller: &mut Caller) {
        self.save(world, caller);
        let code = self.pending(world.disk).code;
        if caller.shown != Some(code) {
            self.note("a login taken over");
        }
        show(world, caller, code);
        caller.mine = Some(self.records.edit(world.disk, Edit::PendingAlone));
        (caller.guard, caller.polled) = (None, true);
        caller.step = Step::PollSend;
    }

    /// The foot of `Broker::await_approval`'s loop.
    fn sleep(&mut self, world: &mut World, caller: &mut Caller) {
        let PendingFacts { code, interval, wait, .. } = self.pending(caller.mine.expect("what is waited for"));
        let wait = wait.max(if caller.polled { interval } else { 0 });
        if caller.is_away() && (caller.polled || wait > REDEEM_PATIENCE) {
            world.provider.code(code).shown = true;
            self.explain(caller);
        } else {
            caller.mine = None;
            caller.step = Step::Sleep(wait);
        }
    }

    /// `Broker::start` when an answer has come.
    pub(super) fn start_lock(&mut self, world: &World, caller: &mut Caller, reply: Reply) -> bool {
        if !world.is_unlocked() {
            return false;
        }
        if let Reply::Started(code) = reply {
            let begun = self.records.begun(code);
            let cleared = self.records.edit(world.disk, Edit::Began);
            caller.guard = Some(self.records.edit(cleared, Edit::PendingOf(begun)));
            caller.step = Step::StartSave { began: true };
        } else {
            self.note("no sign-in could be started");
            caller.guard = Some(self.records.edit(world.disk, Edit::Fail(caller.role, Failing::Start)));
            caller.step = Step::StartSave { began: false };
        }
        true
    }

    pub(super) fn started(&mut self, world: &mut World, caller: &mut Caller, began: bool) {
        self.save(world, caller);
        caller.guard = None;
        if !began {
            self.explain(caller);
        } else if caller.role == Role::Start {
            caller.step = Step::OnlyLock { started: true };
        } else {
            self.note("a code started");
            self.show_disk(world);
            caller.shown = self.records.facts(world.disk).pending.map(|pending| pending.code);
            caller.step = Step::Turn { waited: false };
        }
    }

    /// `Broker::poll` when an answer other than tokens has come.
    pub(super) fn poll_lock(&mut self, world: &mut World, caller: &mut Caller, reply: Reply) -> bool {
        if !world.is_unlocked() {
            return false;
        }
        let mine = caller.mine.expect("what was polled for");
        let kept = self.records.facts(world.disk).pending.map(|pending| pending.code);
        let ours = self.records.facts(mine).pending.map(|pending| pending.code);
        match self.records.after_poll(mine, reply) {
            AfterPoll::Wait(next) => {
                let ends = matches!(reply, Reply::Denied | Reply::Expired | Reply::InvalidGrant);
                self.require(!ends, || format!("{reply:?} is no reason to poll on"));
                caller.mine = Some(next);
                if kept.is_some() && kept == ours {
                    caller.guard = Some(self.records.edit(world.disk, Edit::PendingOf(next)));
                    caller.step = Step::PollSave { over: false };
                } else {
                    self.wait_on(world, caller);
                }
            }
            over => {
                let failing = if over == AfterPoll::Lost { Failing::Lost } else { Failing::SignIn };
                self.note(match reply {
                    _ if over == AfterPoll::Lost => "an approval lost with its poller",
                    Reply::Denied => "a sign-in denied",
                    Reply::InvalidGrant => "a code no longer known, and over",
                    _ => "a code expired",
                });
                let dropped = self.records.edit(world.disk, Edit::Dropped);
                caller.guard = Some(self.records.edit(dropped, Edit::Fail(caller.role, failing)));
                caller.step = Step::PollSave { over: true };
            }
        }
        true
    }

    pub(super) fn polled(&mut self, world: &mut World, caller: &mut Caller, over: bool) {
        self.save(world, caller);
        caller.guard = None;
        if over && !caller.redeems {
            self.explain(caller);
        } else if over {
            redeemed(caller);
        } else {
            self.wait_on(world, caller);
        }
    }

    /// `Polled::Wait`.
    fn wait_on(&mut self, world: &mut World, caller: &mut Caller) {
        if caller.redeems {
            redeemed(caller);
            return;
        }
        self.sleep(world, caller);
    }

    pub(super) fn approved_lock(&mut self, world: &World, caller: &mut Caller, name: Name) -> bool {
        if !world.is_unlocked() {
            return false;
        }
        self.note("a sign-in approved");
        caller.guard = Some(self.records.edit(world.disk, Edit::SignIn(caller.role, name)));
        caller.step = Step::ApprovedSave;
        true
    }

    /// `Broker::approved` from the save on.
    pub(super) fn approved(&mut self, world: &mut World, caller: &mut Caller) {
        self.save(world, caller);
        caller.guard = None;
        if caller.redeems {
            redeemed(caller);
        } else if let Some(name) = self.look(world.disk, caller).living {
            self.print(world, caller, name);
        } else {
            self.note("approved for another slot");
            look_again(caller);
        }
    }

    /// `Broker::ended_without_approval`.
    pub(super) fn end_lock(&mut self, world: &World, caller: &mut Caller) -> bool {
        if !world.is_unlocked() {
            return false;
        }
        self.note("a code over before it was approved");
        let dropped = self.records.edit(world.disk, Edit::Dropped);
        caller.guard = Some(self.records.edit(dropped, Edit::Fail(caller.role, Failing::SignIn)));
        caller.step = Step::EndSave;
        true
    }

    pub(super) fn redeem_lock(&mut self, world: &World, caller: &mut Caller) -> bool {
        if !world.is_unlocked() {
            return false;
        }
        if self.look(world.disk, caller).redeemable {
            caller.guard = Some(self.records.edit(world.disk, Edit::Polled));
            caller.step = Step::RedeemSave;
        } else {
            redeemed(caller);
        }
        true
    }

    /// `Broker::start_only`.
    pub(super) fn only_login(&mut self, world: &mut World, caller: &mut Caller) {
        if world.is_login_unlocked() {
            caller.has_login = true;
            caller.step = Step::OnlyLock { started: false };
        } else {
            if self.records.facts(world.disk).pending.is_some_and(|pending| pending.is_live) {
                self.show_disk(world);
            }
            self.explain(caller);
        }
    }

    pub(super) fn only_lock(&mut self, world: &World, caller: &mut Caller, started: bool) -> bool {
        if !world.is_unlocked() {
            return false;
        }
        match self.records.facts(world.disk).pending {
            Some(pending) if pending.is_live || started => {
                self.note("a code left for whoever comes next");
                caller.guard = Some(self.records.edit(world.disk, Edit::InAdvance));
                caller.step = Step::OnlySave;
            }
            None if started => self.explain(caller),
            _ => caller.step = Step::StartSend,
        }
        true
    }

    /// Whoever is told of the pending login sees its code.
    pub(super) fn show_disk(&mut self, world: &mut World) {
        if let Some(pending) = self.records.facts(world.disk).pending {
            world.provider.code(pending.code).shown = true;
        }
    }
}

/// `Broker::sign_in` from its beginning.
pub(super) fn sign_in(caller: &mut Caller) {
    (caller.shown, caller.polled) = (None, false);
    caller.step = Step::LoginLock;
}

/// `sign_in` comes to nothing; `obtain` goes round.
fn look_again(caller: &mut Caller) {
    (caller.has_login, caller.guard, caller.mine) = (false, None, None);
    caller.step = Step::Lock { waited: false };
}

/// `redeem` is over, whatever came of it.
fn redeemed(caller: &mut Caller) {
    (caller.has_login, caller.guard, caller.mine, caller.redeems) = (false, None, None, false);
    caller.step = Step::PeekAgain;
}

/// `Broker::show`.
fn show(world: &mut World, caller: &mut Caller, code: u8) {
    if !caller.is_away() {
        caller.shown = Some(code);
        world.provider.code(code).shown = true;
    }
}
