//! `broker/refresh.rs`, a move at a time.

use super::super::records::{Edit, Failing, Renewal};
use super::super::world::{Caller, Message, Reply, Step, World};
use super::Mover;

impl Mover {
    /// `Broker::send`.
    pub(super) fn send(&mut self, world: &mut World, caller: &mut Caller) {
        let guard = caller.guard.expect("a refresh holds the record");
        let name = self.records.facts(guard).refresh_token.expect("what is sent");
        let count = match caller.sent {
            Some((sent, count)) if sent == name => count + 1,
            _ => 1,
        };
        if count == 2 {
            self.note("a refresh token sent once more");
        }
        self.require(count <= 2, || format!("{name:?} is sent {count} times by one caller"));
        let retired = world.provider.family(name.family).retired;
        self.require(!retired, || format!("{name:?} is sent after its refusal was saved"));
        caller.sent = Some((name, count));
        caller.step = Step::Wire(Message::Refresh(name));
    }

    /// `Broker::refresh` when an answer has come.
    pub(super) fn refreshed(&mut self, world: &World, caller: &mut Caller, reply: Reply) {
        // `reread`: nobody else can have written under our lock.
        let guard = world.disk;
        match self.records.renewal(reply) {
            Renewal::Granted(name) => {
                self.note("a refresh granted");
                caller.guard = Some(self.records.edit(guard, Edit::Grant(caller.role, name)));
                caller.lives = true;
                caller.step = Step::RenewedSave;
            }
            Renewal::Refused => {
                self.note("a refusal received");
                caller.guard = Some(self.records.edit(guard, Edit::Retire(caller.role)));
                caller.step = Step::RefusedSave;
            }
            Renewal::Transient { patience: false }
                if !caller.lives && caller.sent.is_some_and(|(_, count)| count < 2) =>
            {
                caller.step = Step::Send;
            }
            Renewal::Transient { patience } => {
                self.note("a refresh failed for now");
                let patient = self.records.edit(guard, Edit::Patience(patience));
                caller.guard = Some(self.records.edit(patient, Edit::Fail(caller.role, Failing::Renewal)));
                caller.step = Step::FailedSave;
            }
        }
    }

    /// `Broker::renewed` and `or_living` from the save on: the token that lives, or the reason why there is none.
    pub(super) fn renewed(&mut self, world: &mut World, caller: &mut Caller) {
        self.save(world, caller);
        match self.look(world.disk, caller).living {
            Some(name) => self.print(world, caller, name),
            None => self.explain(caller),
        }
    }

    /// `Broker::refused` from the save on.
    pub(super) fn refused(&mut self, world: &mut World, caller: &mut Caller) {
        let (name, _) = caller.sent.expect("what was refused");
        self.save(world, caller);
        world.provider.family(name.family).retired = true;
        self.note("a session ended");
        if caller.asked {
            self.note("refused what was approved a moment ago");
            self.explain(caller);
        } else {
            caller.guard = None;
            caller.step = Step::Lock { waited: false };
        }
    }
}
