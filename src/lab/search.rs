//! The walk: every state that can be reached, each once, with the shortest way to it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use super::moves::{Move, Mover, PRINTED};
use super::provider::{Code, Provider, Status};
use super::quick::{Map, Set};
use super::world::{Budget, Past, Phase, RecordId, Role, WORKERS, Worker, World};

/// What a walk came to.
pub(super) struct Report {
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// The longest path.
    pub(super) depth: u32,
    /// From how many kept states the next command was tried.
    pub(super) recoveries: usize,
    pub(super) tally: BTreeMap<&'static str, usize>,
    /// Ways to states of the walk, spread over all of it.
    pub(super) ways: Vec<Vec<Move>>,
}

/// Everything seen on a walk.
pub(super) struct Walk {
    pub(super) mover: Mover,
    known: Map<World, u32>,
    /// From where and by what each state was reached first.
    parents: Vec<(u32, Option<Move>)>,
    edges: Vec<(u32, u32)>,
    /// What was kept at the provider and on the disk, and has been recovered from.
    recovered: Set<(RecordId, Provider, bool)>,
    /// The states of recoveries, which flow together.
    alone: Set<(World, u8)>,
}

/// Walks everywhere from `start`. `ways` is how many ways are wanted.
pub(super) fn explore(mover: Mover, start: World, ways: usize) -> Result<(Walk, Report), String> {
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
        let mut goes_on = world.workers.iter().all(|worker| worker.is_gone() || worker.is_stopped);
        for (step, after) in walk.mover.moves(&world) {
            if let Some(what) = walk.mover.wrong.take().or_else(|| wrong(&after)) {
                return Err(walk.told(id, Some(step), &start, &what));
            }
            goes_on |= step.is_due();
            let after = after.sorted();
            let fresh = u32::try_from(walk.known.len()).expect("fewer");
            let to = *walk.known.entry(after).or_insert(fresh);
            walk.edges.push((id, to));
            if to == fresh {
                walk.parents.push((id, Some(step)));
                queue.push_back((to, after));
            }
        }
        if let Some(what) = walk.mover.wrong.take() {
            return Err(walk.told(id, None, &start, &what));
        }
        if !goes_on {
            return Err(walk.told(id, None, &start, "nobody can go on"));
        }
        if let Err(what) = walk.recovers(&world) {
            return Err(walk.told(id, None, &start, &what));
        }
    }
    let depth = match walk.longest() {
        Ok(depth) => depth,
        Err(id) => {
            let round = walk.round(id, &start);
            return Err(walk.told(id, None, &start, &format!("callers go round for ever ({round})")));
        }
    };
    let count = walk.parents.len();
    let ways = (1..=ways).map(|n| walk.way(u32::try_from(count * n / ways - 1).expect("fewer"))).collect();
    let report = Report {
        states: walk.known.len(),
        transitions: walk.edges.len(),
        depth,
        recoveries: walk.recovered.len(),
        tally: std::mem::take(&mut walk.mover.tally),
        ways,
    };
    Ok((walk, report))
}

/// What must hold in every state.
fn wrong(world: &World) -> Option<String> {
    if world.past.unlocked {
        return None;
    }
    let live = world.provider.shown_and_live();
    let holders = world.workers.iter().filter(|worker| worker.lock.is_some()).count();
    let pollers = world.workers.iter().filter(|worker| worker.login.is_some()).count();
    // By a clock that jumped a code is over that the provider still takes; one that could not be written nobody knows of.
    if live > 1 && !world.past.jumped && !world.past.unsaved {
        return Some(format!("{live} live codes have been shown"));
    }
    (holders > 1 || pollers > 1).then(|| "two callers hold one lock".to_owned())
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
            family.retired = false;
        }
        let is_off = world.past.jumped;
        if !self.recovered.insert((world.disk, provider, is_off)) {
            return Ok(());
        }
        let tally = std::mem::take(&mut self.mover.tally);
        let next = self.mover.worker(Role::Get);
        let workers = [next, Worker::gone(), Worker::gone()];
        let past = Past { strayed: true, jumped: is_off, ..Past::default() };
        let mut alone = World {
            disk: world.disk,
            workers,
            provider,
            strays: [None; 3],
            lock_file: 0,
            login_file: 0,
            left: Budget::of_people(9, 0),
            past,
        };
        let mut tries = 1_u8;
        let came = loop {
            if !self.alone.insert((World { left: Budget::of_people(9, 0), ..alone }.sorted(), tries)) {
                break Ok(());
            }
            if alone.workers.iter().all(Worker::is_gone) {
                if self.mover.tally.contains_key(PRINTED) {
                    break Ok(());
                }
                tries += 1;
                if tries > 2 || !self.is_told_of_an_end(world) {
                    break Err(format!("command {} run alone afterwards gets no token", tries - 1));
                }
                alone = World { workers, ..alone };
                while self.mover.jobs.records.facts(alone.disk).is_patient {
                    let Some((_, after)) = self.mover.later(&alone) else { break };
                    alone = World { workers, ..after };
                }
            }
            match next_alone(&mut self.mover, &alone) {
                Ok((_, after)) => alone = after,
                Err(what) => break Err(format!("the next command, alone: {what}")),
            }
        };
        self.mover.tally = tally;
        came
    }

    /// Whether there is something a person has to be told first: the pending login has ended at the provider, or ends before
    /// it may be polled again; or the provider has asked for patience.
    fn is_told_of_an_end(&self, world: &World) -> bool {
        let facts = self.mover.jobs.records.facts(world.disk);
        let ended = facts.pending.is_some_and(|pending| {
            let code = world.provider.codes[usize::from(pending.code)];
            let is_short = |code: Code| code.expires <= pending.wait || self.mover.tally.contains_key("slowed down");
            code.is_some_and(|code| is_short(code) || matches!(code.status, Status::Denied | Status::Spent(_)))
        });
        ended || facts.is_patient || world.past.jumped
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
        // Each that is left has one before it that is left: going back comes round.
        let mut before = vec![u32::MAX; count];
        for (from, to) in self.edges.iter().filter(|(from, _)| incoming[*from as usize] > 0) {
            before[*to as usize] = *from;
        }
        let mut at = incoming.iter().position(|count| *count > 0).unwrap_or(0);
        let mut passed = vec![false; count];
        while !passed[at] {
            passed[at] = true;
            at = before[at] as usize;
        }
        Err(u32::try_from(at).expect("fewer"))
    }

    /// The moves from a state on a circle to itself.
    fn round(&mut self, id: u32, start: &World) -> String {
        let mut start = *start;
        for step in self.way(id) {
            let moves = self.mover.moves(&start);
            start = moves.into_iter().find(|(found, _)| *found == step).expect("it was found before").1.sorted();
        }
        let mut from = Map::from_iter([(start, None::<(World, String)>)]);
        let mut queue = VecDeque::from([start]);
        while let Some(world) = queue.pop_front() {
            for (step, after) in self.mover.moves(&world) {
                let after = after.sorted();
                let who = step.worker().map(|i| world.workers[i]);
                let doing = who.map(|worker| (worker.phase, self.mover.jobs.job(worker.job).doing));
                let said = format!("{step:?} {doing:?}");
                if after == start {
                    let (mut text, mut at) = (said, world);
                    while let Some(Some((before, said))) = from.get(&at) {
                        text = format!("{said}; {text}");
                        at = *before;
                    }
                    return text;
                }
                from.entry(after).or_insert_with(|| {
                    queue.push_back(after);
                    Some((world, said))
                });
            }
        }
        String::new()
    }

    /// The shortest way to a state.
    fn way(&self, mut at: u32) -> Vec<Move> {
        let mut path = Vec::new();
        while let (parent, Some(step)) = self.parents[at as usize] {
            path.push(step);
            at = parent;
        }
        path.reverse();
        path
    }

    /// The same, in words.
    fn told(&mut self, id: u32, last: Option<Move>, start: &World, what: &str) -> String {
        let mut path = self.way(id);
        path.extend(last);
        let mut text = format!("{what}, after {} moves:\n", path.len());
        let mut world = *start;
        for step in path {
            let who = step.worker().map(|i| {
                let Worker { role, phase, job, .. } = world.workers[i];
                let doing = if phase == Phase::Gone { None } else { Some(self.mover.jobs.job(job).doing) };
                format!("  {role:?} {phase:?} {doing:?}")
            });
            let _ = writeln!(text, "{step:?}{}", who.unwrap_or_default());
            match self.mover.moves(&world).into_iter().find(|(found, _)| *found == step) {
                Some((_, after)) => world = after.sorted(),
                None => break,
            }
        }
        self.mover.wrong = None;
        let _ = writeln!(text, "{world:#?}\n{}", self.mover.jobs.records.shown(world.disk));
        for i in 0..WORKERS {
            if !world.workers[i].is_gone() {
                let _ = writeln!(text, "{i}: {:#?}", self.mover.jobs.job(world.workers[i].job).machine);
            }
        }
        text
    }
}

/// What happens to a command that runs alone: a person approves as soon as there is something to approve, and time passes
/// only when nobody can move.
pub(super) fn next_alone(mover: &mut Mover, alone: &World) -> Result<(Move, World), String> {
    let rank = |step: Move| match step {
        Move::Approve(_) => 0,
        Move::Act(_) | Move::Process(_) => 1,
        _ => 2,
    };
    let next = mover.moves(alone).into_iter().min_by_key(|(step, _)| rank(*step));
    match (mover.wrong.take(), next) {
        (Some(what), _) => Err(what),
        (None, Some(next)) => Ok(next),
        (None, None) => Err("it cannot go on".to_owned()),
    }
}
