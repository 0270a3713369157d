//! The walk: every state that can be reached, each once, with the shortest way to it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use super::caller::{Mover, PRINTED};
use super::provider::{Code, Provider, Status};
use super::quick::{Map, Set};
use super::records::{Edit, RecordId};
use super::world::{Budget, CALLERS, Caller, Message, Reply, Role, Span, Step, World};

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// A caller takes its next step.
    Act(usize),
    /// A caller that has waited a while takes the token that lives.
    SettleForLiving(usize),
    Crash(usize),
    /// The provider reads a caller's request, or one whose caller is gone.
    Process(usize),
    ProcessStray(usize),
    /// The provider fails without doing anything; perhaps it asks for patience.
    Failure(usize, bool),
    /// An answer is lost.
    Loss(usize),
    Approve(u8),
    Deny(u8),
    /// Time passes until something is judged otherwise.
    Later(Span),
}

impl Move {
    /// Whether it happens by itself: neither anybody's wish nor an accident.
    fn is_due(self) -> bool {
        matches!(
            self,
            Self::Act(_) | Self::SettleForLiving(_) | Self::Process(_) | Self::ProcessStray(_) | Self::Later(_)
        )
    }
}

/// What a walk came to.
pub(super) struct Report {
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// The longest path.
    pub(super) depth: u32,
    /// From how many kept states the next command was tried.
    pub(super) recoveries: usize,
    pub(super) tally: BTreeMap<&'static str, usize>,
}

/// Everything seen on a walk.
struct Walk {
    mover: Mover,
    known: Map<World, u32>,
    /// From where and by what each state was reached first.
    parents: Vec<(u32, Option<Move>)>,
    edges: Vec<(u32, u32)>,
    /// What was kept at the provider and on the disk, and has been recovered from.
    recovered: Set<(RecordId, Provider)>,
    /// The states of recoveries, which flow together.
    alone: Set<(World, u8)>,
}

/// Walks everywhere from `start`.
pub(super) fn explore(mover: Mover, start: World) -> Result<Report, String> {
    let start = start.sorted();
    let mut walk = Walk {
        mover,
        known: Map::from_iter([(start, 0)]),
        parents: vec![(0, None)],
        edges: Vec::new(),
        recovered: Set::default(),
        alone: Set::default(),
    };
    let mut queue = VecDeque::from([(0, start)]);
    while let Some((id, world)) = queue.pop_front() {
        let mut goes_on = world.callers.iter().all(Caller::is_gone);
        for (step, after) in moves(&mut walk.mover, &world) {
            if let Some(what) = walk.mover.wrong.take().or_else(|| wrong(&after)) {
                return Err(walk.told(id, Some(step), &start, &what));
            }
            goes_on |= step.is_due();
            let fresh = u32::try_from(walk.known.len()).expect("fewer");
            let to = *walk.known.entry(after).or_insert(fresh);
            walk.edges.push((id, to));
            if to == fresh {
                walk.parents.push((id, Some(step)));
                queue.push_back((to, after));
            }
        }
        if !goes_on {
            return Err(walk.told(id, None, &start, "nobody can go on"));
        }
        if let Err(what) = walk.recovers(&world) {
            return Err(walk.told(id, None, &start, &what));
        }
    }
    let depth = walk.longest().map_err(|id| walk.told(id, None, &start, "callers go round for ever"))?;
    let Walk { mover, known, edges, recovered, .. } = walk;
    let (states, transitions, recoveries) = (known.len(), edges.len(), recovered.len());
    Ok(Report { states, transitions, depth, recoveries, tally: mover.tally })
}

/// What must hold in every state.
fn wrong(world: &World) -> Option<String> {
    let live = world.provider.shown_and_live();
    let holders = world.callers.iter().filter(|caller| caller.guard.is_some()).count();
    let pollers = world.callers.iter().filter(|caller| caller.has_login).count();
    if live > 1 {
        return Some(format!("{live} live codes have been shown"));
    }
    (holders > 1 || pollers > 1).then(|| "two callers hold one lock".to_owned())
}

/// Every state that follows.
fn moves(mover: &mut Mover, world: &World) -> Vec<(Move, World)> {
    let mut found = Vec::with_capacity(16);
    for i in 0..CALLERS {
        let caller = &world.callers[i];
        // Those who are alike have the same moves.
        if caller.is_gone() || (i > 0 && world.callers[i - 1] == *caller) {
            continue;
        }
        found.extend(mover.act(world, i).map(|after| (Move::Act(i), after)));
        found.extend(mover.settle_for_living(world, i).map(|after| (Move::SettleForLiving(i), after)));
        if world.left.crashes > 0 && caller.would_be_missed() {
            found.push((Move::Crash(i), crash(mover, world, i)));
        }
        if let Step::Wire(message) = caller.step {
            found.push((Move::Process(i), process(mover, world, i, message)));
            if world.left.failures > 0 {
                for patience in
                    [false, true].into_iter().take(if matches!(message, Message::Refresh(_)) { 2 } else { 1 })
                {
                    mover.note("the provider failed");
                    let mut after = *world;
                    after.left.failures -= 1;
                    after.callers[i].step = Step::Answered(message, Reply::Transient { patience });
                    found.push((Move::Failure(i, patience), after.sorted()));
                }
            }
        }
        if world.left.losses > 0 {
            found.extend(lose(mover, world, i).map(|after| (Move::Loss(i), after)));
        }
    }
    for (i, stray) in world.strays.iter().enumerate() {
        if let Some(message) = stray {
            mover.note("a request read whose caller was gone");
            let mut after = *world;
            after.strays[i] = None;
            let (_, noticed) = after.provider.process(*message, false);
            mover.noticed(*message, noticed);
            found.push((Move::ProcessStray(i), after.sorted()));
        }
    }
    for (i, code) in (0..).zip(&world.provider.codes) {
        if code.is_some_and(|code| code.shown && code.status == Status::Open && code.expires > 0) {
            if world.left.approvals > 0 {
                let mut after = *world;
                after.left.approvals -= 1;
                after.provider.code(i).status = Status::Approved;
                found.push((Move::Approve(i), after));
            }
            if world.left.denials > 0 {
                let mut after = *world;
                after.left.denials -= 1;
                after.provider.code(i).status = Status::Denied;
                found.push((Move::Deny(i), after));
            }
        }
    }
    let is_stalled = found.iter().any(|(step, _)| step.is_due());
    if !is_stalled || world.left.stalls > 0 {
        found.extend(later(mover, world).map(|(step, mut after)| {
            after.left.stalls -= u8::from(is_stalled);
            (step, after)
        }));
    }
    found
}

/// A caller is killed. Its locks are the kernel's again; its request goes on without it.
fn crash(mover: &mut Mover, world: &World, i: usize) -> World {
    let mut after = *world;
    after.left.crashes -= 1;
    let caller = std::mem::replace(&mut after.callers[i], Caller::gone());
    mover.note("a crash");
    if caller.guard.is_some() || caller.has_login {
        mover.note("a crash with a lock in hand");
    }
    match caller.step {
        Step::Wire(message) => after.leave_behind(message),
        Step::Answered(Message::Refresh(_), Reply::Granted(name)) => {
            mover.note("a crash between the rotation and the save");
            after.provider.family(name.family).lost = true;
        }
        Step::RenewedSave => {
            mover.note("a crash between the rotation and the save");
            let kept = mover.records.facts(caller.guard.expect("what was renewed")).refresh_token;
            after.provider.family(kept.expect("its successor").family).lost = true;
        }
        Step::Answered(Message::Poll(_), Reply::Granted(name)) => {
            mover.note("a crash between the approval and the save");
            after.provider.family(name.family).lost = true;
        }
        Step::ApprovedSave => {
            mover.note("a crash between the approval and the save");
            let kept = mover.records.facts(caller.guard.expect("what was approved")).refresh_token;
            after.provider.family(kept.expect("its first").family).lost = true;
        }
        _ => {}
    }
    after.sorted()
}

/// The provider reads the request of a caller that waits for the answer.
fn process(mover: &mut Mover, world: &World, i: usize, message: Message) -> World {
    let mut after = *world;
    let (reply, noticed) = after.provider.process(message, true);
    mover.noticed(message, noticed);
    after.callers[i].step = Step::Answered(message, reply);
    after.sorted()
}

/// The connection breaks, or takes too long: the caller knows nothing, and the provider does what it was asked.
fn lose(mover: &mut Mover, world: &World, i: usize) -> Option<World> {
    let mut after = *world;
    let message = match world.callers[i].step {
        Step::Wire(message) => {
            after.leave_behind(message);
            message
        }
        Step::Answered(message, reply) if !matches!(reply, Reply::Transient { .. }) => {
            if let Reply::Granted(name) = reply {
                mover.note("the answer with the only copy lost");
                after.provider.family(name.family).lost = true;
            }
            message
        }
        _ => return None,
    };
    mover.note("an answer lost");
    after.left.losses -= 1;
    after.callers[i].step = Step::Answered(message, Reply::Transient { patience: false });
    Some(after.sorted())
}

/// Time passes until something is judged otherwise: a token comes into its margin or ends, a poll is due, a code is over, a
/// failure is forgotten, a window closes. What is on the wire arrives before.
fn later(mover: &mut Mover, world: &World) -> Option<(Move, World)> {
    if world.is_wire_busy() {
        return None;
    }
    if world.callers.iter().all(Caller::is_gone) {
        return None;
    }
    let sleeps = world.callers.iter().filter_map(|caller| match caller.step {
        Step::Sleep(rest) if rest > 0 => Some(rest),
        _ => None,
    });
    let moments = sleeps.chain(mover.records.facts(world.disk).moment).chain(world.provider.moment());
    let span = moments.min()?;
    let mut after = *world;
    after.disk = mover.records.edit(after.disk, Edit::Later(span));
    for caller in &mut after.callers {
        for record in [&mut caller.guard, &mut caller.mine].into_iter().flatten() {
            *record = mover.records.edit(*record, Edit::Later(span));
        }
        if let Step::Sleep(rest) = &mut caller.step {
            *rest = (*rest - span).max(0);
        }
    }
    after.provider.later(span);
    Some((Move::Later(span), after.sorted()))
}

impl Walk {
    /// Whether the next command, alone and with a person who approves, gets a token from what everybody else leaves if they
    /// are killed now. Where the person has ended the sign-in in the meantime, or its tokens are lost, the first command
    /// says so and the second gets one.
    fn recovers(&mut self, world: &World) -> Result<(), String> {
        let mut provider = world.provider;
        for family in provider.families.iter_mut().flatten() {
            // What the properties remember makes no difference to the next command.
            family.lost = true;
        }
        if !self.recovered.insert((world.disk, provider)) {
            return Ok(());
        }
        let tally = std::mem::take(&mut self.mover.tally);
        let callers = [Caller::new(Role::Get), Caller::gone(), Caller::gone()];
        let left = Budget { crashes: 0, failures: 0, losses: 0, approvals: 9, denials: 0, stalls: 0 };
        let mut alone = World { disk: world.disk, callers, provider, strays: [None; 4], left }.sorted();
        let mut tries = 1_u8;
        let came = loop {
            if !self.alone.insert((World { left, ..alone }, tries)) {
                break Ok(());
            }
            if alone.callers.iter().all(Caller::is_gone) {
                if self.mover.tally.contains_key(PRINTED) {
                    break Ok(());
                }
                tries += 1;
                if tries > 2 || !self.is_told_of_an_end(world) {
                    break Err(format!("command {} run alone afterwards gets no token", tries - 1));
                }
                alone = World { callers, ..alone }.sorted();
                while self.mover.records.facts(alone.disk).is_patient {
                    let Some((_, after)) = later(&mut self.mover, &alone) else { break };
                    alone = after;
                }
            }
            let mut next = None;
            for (step, after) in moves(&mut self.mover, &alone) {
                // A person approves as soon as there is something to approve; time passes only when nobody can move.
                let rank = match step {
                    Move::Approve(_) => 0,
                    Move::Act(_) | Move::Process(_) => 1,
                    _ => 2,
                };
                if next.is_none_or(|(least, _)| rank < least) {
                    next = Some((rank, after));
                }
            }
            if let Some(what) = self.mover.wrong.take() {
                break Err(format!("the next command, alone: {what}"));
            }
            match next {
                Some((_, after)) => alone = after,
                None => break Err("the next command, alone, cannot go on".to_owned()),
            }
        };
        self.mover.tally = tally;
        came
    }

    /// Whether there is something a person has to be told first: the pending login has ended at the provider, or ends before
    /// it may be polled again; or the provider has asked for patience.
    fn is_told_of_an_end(&self, world: &World) -> bool {
        let facts = self.mover.records.facts(world.disk);
        let ended = facts.pending.is_some_and(|pending| {
            let code = world.provider.codes[usize::from(pending.code)];
            let is_short = |code: Code| code.expires <= pending.wait || self.mover.tally.contains_key("slowed down");
            code.is_some_and(|code| is_short(code) || matches!(code.status, Status::Denied | Status::Spent(_)))
        });
        ended || facts.is_patient
    }

    /// The longest path; the error is a state on a circle.
    fn longest(&self) -> Result<u32, u32> {
        let count = self.known.len();
        let (mut incoming, mut first) = (vec![0_u32; count], vec![0_u32; count + 1]);
        for (from, to) in &self.edges {
            incoming[*to as usize] += 1;
            first[*from as usize + 1] += 1;
        }
        // States were left in the order of their numbers, so the edges of each lie together.
        for i in 0..count {
            first[i + 1] += first[i];
        }
        let mut depth = vec![0_u32; count];
        let mut ready: Vec<usize> = (0..count).filter(|id| incoming[*id] == 0).collect();
        let mut done = 0;
        while let Some(from) = ready.pop() {
            done += 1;
            for (_, to) in &self.edges[first[from] as usize..first[from + 1] as usize] {
                let to = *to as usize;
                depth[to] = depth[to].max(depth[from] + 1);
                incoming[to] -= 1;
                if incoming[to] == 0 {
                    ready.push(to);
                }
            }
        }
        if done == count {
            return Ok(depth.into_iter().max().unwrap_or(0));
        }
        let round = incoming.iter().position(|count| *count > 0).unwrap_or(0);
        Err(u32::try_from(round).expect("fewer"))
    }

    /// The shortest way to a state, in words.
    fn told(&mut self, id: u32, last: Option<Move>, start: &World, what: &str) -> String {
        let mut path: Vec<Move> = last.into_iter().collect();
        let mut at = id;
        while let (parent, Some(step)) = self.parents[at as usize] {
            path.push(step);
            at = parent;
        }
        let mut text = format!("{what}, after {} moves:\n", path.len());
        let mut world = *start;
        for step in path.into_iter().rev() {
            let who = match step {
                Move::Act(i)
                | Move::SettleForLiving(i)
                | Move::Crash(i)
                | Move::Process(i)
                | Move::Loss(i)
                | Move::Failure(i, _) => Some(i),
                Move::ProcessStray(_) | Move::Approve(_) | Move::Deny(_) | Move::Later(_) => None,
            };
            let who = who.map(|i| format!("  {:?} at {:?}", world.callers[i].role, world.callers[i].step));
            let _ = writeln!(text, "{step:?}{}", who.unwrap_or_default());
            match moves(&mut self.mover, &world).into_iter().find(|(found, _)| *found == step) {
                Some((_, after)) => world = after,
                None => break,
            }
        }
        let _ = writeln!(text, "{world:#?}\n{}", self.mover.records.shown(world.disk));
        text
    }
}
