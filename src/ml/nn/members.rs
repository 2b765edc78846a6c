//! The members of an ensemble in training. Each is a run of its own from a seed of its own, so that it does not matter
//! which of them are trained side by side: small networks are, one a thread; large ones share their work among the
//! threads and are trained one after another.
//!
//! Members that run side by side do some steps each, then wait for each other: between such rounds all of them stand
//! still, whoever watches is told and asked, and a checkpoint has them all.

use std::ops::ControlFlow;

use rayon::prelude::*;

use super::checkpoint::{Keeper, Opened, Standing};
use super::network::Network;
use super::pass::Pass;
use super::rows::Source;
use super::trainer::{NetworkError, NetworkTask, TrainedNetwork, Trainer, batches, check, go_on};
use crate::ml::kernel::threads;
use crate::ml::observe::{EpochLog, Stop, TrainObserver};

/// The work of a round for each member, in multiply-adds of forward passes, and what a step costs besides them: about a
/// quarter of a millisecond.
const ROUND_WORK: usize = 1 << 22;
const STEP_WORK: usize = 1 << 15;

/// Trains a network for each task; at least one. A run that was interrupted goes on from the checkpoint that the
/// observer has of it, and gives the same networks, to the last bit; from anything else it begins anew.
///
/// The tasks are alike but for their seeds and their training rows. The learning curves told are those of the first.
///
/// # Errors
/// If the observer stops the work, or that of the first task that cannot be trained.
pub(super) fn train_all(
    tasks: &[NetworkTask<'_>],
    observer: &mut dyn TrainObserver,
) -> Result<Vec<TrainedNetwork>, NetworkError> {
    tasks.iter().try_for_each(check)?;
    let keeper = Keeper::new(tasks);
    let mut crew = Crew::new(tasks, &keeper);
    crew.go_on_from_earlier(observer);
    crew.settle()?;
    while crew.starts_some() {
        match crew.running().as_slice() {
            [alone] => crew.advance(*alone, observer)?,
            _ => crew.advance_together(observer)?,
        }
        crew.settle()?;
    }
    Ok(crew.finish())
}

enum Member<'a> {
    Waiting,
    Running(Box<Trainer<'a>>),
    Finished(TrainedNetwork),
    Failed(NetworkError),
}

impl Member<'_> {
    /// What a checkpoint has of it.
    fn standing(&self) -> Option<Standing<'_>> {
        match self {
            Member::Running(trainer) => Some(Standing::Running(Box::new(trainer.snapshot()))),
            Member::Finished(network) => Some(Standing::Finished(network)),
            Member::Waiting | Member::Failed(_) => None,
        }
    }
}

struct Crew<'a> {
    tasks: &'a [NetworkTask<'a>],
    keeper: &'a Keeper<'a>,
    /// In the order of the tasks; none after one that failed.
    members: Vec<Member<'a>>,
    /// So many run side by side.
    width: usize,
    /// Steps of a round.
    round: usize,
    /// The rows of the first task, which others may have too.
    train: Source<'a>,
    validation: Source<'a>,
}

impl<'a> Crew<'a> {
    fn new(tasks: &'a [NetworkTask<'a>], keeper: &'a Keeper<'a>) -> Self {
        let first = &tasks[0];
        let (network, rows) = (Network::blank(first.design), batches(first).largest());
        let is_large = Pass::shares(&network, rows);
        let row = usize::try_from(network.multiply_adds()).unwrap_or(usize::MAX);
        let step = row.saturating_mul(rows).saturating_add(STEP_WORK);
        Self {
            tasks,
            keeper,
            members: tasks.iter().map(|_| Member::Waiting).collect(),
            width: if is_large { 1 } else { threads() },
            round: (ROUND_WORK / step).max(1),
            train: Source::of(first.train.examples()),
            validation: Source::of(first.validation.examples()),
        }
    }

    /// The trainer of a member, at the beginning.
    fn trainer(&self, member: usize) -> Box<Trainer<'a>> {
        let task = &self.tasks[member];
        let has_same_rows = std::ptr::eq(task.train, self.tasks[0].train);
        let train = if has_same_rows { self.train.clone() } else { Source::of(task.train.examples()) };
        Box::new(Trainer::new(task, train, self.validation.clone()))
    }

    fn go_on_from_earlier(&mut self, observer: &mut dyn TrainObserver) {
        let Some(bytes) = observer.earlier_checkpoint() else { return };
        let opened = match self.keeper.read(&bytes) {
            Ok(opened) => opened,
            Err(error) => return observer.resumed(Err(error)),
        };
        for (member, opened) in opened.into_iter().enumerate() {
            self.members[member] = match opened {
                Opened::Finished(network) => Member::Finished(network),
                Opened::Running(state) => {
                    let mut trainer = self.trainer(member);
                    trainer.resume(*state);
                    Member::Running(trainer)
                }
            };
        }
        observer.resumed(Ok(()));
    }

    /// Which members are running.
    fn running(&self) -> Vec<usize> {
        let is_running = |member: &Member<'_>| matches!(member, Member::Running(_));
        (0..self.members.len()).filter(|&member| is_running(&self.members[member])).collect()
    }

    /// Starts members as long as there is room; whether any is running.
    fn starts_some(&mut self) -> bool {
        let mut room = self.width.saturating_sub(self.running().len());
        for member in 0..self.members.len() {
            if room > 0 && matches!(self.members[member], Member::Waiting) {
                self.members[member] = Member::Running(self.trainer(member));
                room -= 1;
            }
        }
        !self.running().is_empty()
    }

    /// The share of all work that is done, without a member.
    fn done_besides(&self, member: usize) -> f64 {
        let share = |(index, member_at): (usize, &Member<'_>)| match member_at {
            _ if index == member => 0.0,
            Member::Waiting => 0.0,
            Member::Running(trainer) => trainer.fraction(),
            Member::Finished(_) | Member::Failed(_) => 1.0,
        };
        self.members.iter().enumerate().map(share).sum::<f64>()
    }

    /// One step, or one pass over the validation rows, of the only member that is running.
    fn advance(&mut self, member: usize, observer: &mut dyn TrainObserver) -> Result<(), NetworkError> {
        let (besides, count) = (self.done_besides(member), self.tasks.len() as f64);
        let Member::Running(trainer) = &mut self.members[member] else { return Ok(()) };
        let fraction = (besides + trainer.fraction()) / count;
        let flow = match trainer.advance(&mut || observer.step(fraction)) {
            Ok(None) => observer.step((besides + trainer.fraction()) / count),
            Ok(Some(log)) if member == 0 => observer.epoch(&log),
            Ok(Some(_)) => ControlFlow::Continue(()),
            Err(NetworkError::Stopped(stop)) => ControlFlow::Break(stop),
            Err(error) => {
                self.members[member] = Member::Failed(error);
                return Ok(());
            }
        };
        self.offer(observer);
        go_on(flow)
    }

    /// A round of several members side by side.
    fn advance_together(&mut self, observer: &mut dyn TrainObserver) -> Result<(), NetworkError> {
        // The first question of a round comes before its work, the others after: a wish to stop that is there already
        // costs no round. The very first round is done in any case.
        let done = self.done_besides(usize::MAX) / self.tasks.len() as f64;
        let mut asked = usize::from(done > 0.0);
        let mut flow = if asked > 0 { observer.step(done) } else { ControlFlow::Continue(()) };
        if flow.is_break() {
            self.offer(observer);
            return go_on(flow);
        }
        let round = self.round;
        let work = |member: &mut Member<'a>| match member {
            Member::Running(trainer) => Some(Turn::take(trainer, round)),
            _ => None,
        };
        let turns: Vec<Option<Turn>> = self.members.par_iter_mut().map(work).collect();
        let fraction = self.done_besides(usize::MAX) / self.tasks.len() as f64;
        for (member, turn) in turns.into_iter().enumerate() {
            let Some(Turn { steps, log, error }) = turn else { continue };
            for _ in asked..steps {
                flow = first(flow, observer.step(fraction));
            }
            asked = asked.saturating_sub(steps);
            // Told even if the run has just been stopped: the checkpoint has this epoch.
            if let Some(log) = log.filter(|_| member == 0) {
                flow = first(flow, observer.epoch(&log));
            }
            if let Some(error) = error {
                self.members[member] = Member::Failed(error);
            }
        }
        // A member that failed has no state to go on from.
        if self.members.iter().all(|member| !matches!(member, Member::Failed(_))) {
            self.offer(observer);
        }
        go_on(flow)
    }

    /// Members that are done are finished; the first failure ends it all, once those before it are done.
    ///
    /// # Errors
    /// That failure.
    fn settle(&mut self) -> Result<(), NetworkError> {
        for member in &mut self.members {
            if matches!(member, Member::Running(trainer) if trainer.is_done())
                && let Member::Running(trainer) = std::mem::replace(member, Member::Waiting)
            {
                *member = Member::Finished(trainer.finish());
            }
        }
        if let Some(failed) = self.members.iter().position(|member| matches!(member, Member::Failed(_))) {
            self.members.truncate(failed + 1);
            let earlier_are_done = self.members[..failed].iter().all(|member| matches!(member, Member::Finished(_)));
            if let (true, Some(Member::Failed(error))) = (earlier_are_done, self.members.last()) {
                return Err(error.clone());
            }
        }
        Ok(())
    }

    /// Offers the observer to write down where the members are.
    fn offer(&self, observer: &mut dyn TrainObserver) {
        let told = match self.members.first() {
            Some(Member::Running(trainer)) => trainer.epochs_run(),
            Some(Member::Finished(network)) => network.epochs_run,
            _ => 0,
        };
        observer.checkpoint(told, &mut || {
            let begun: Vec<Standing<'_>> = self.members.iter().map_while(Member::standing).collect();
            self.keeper.write(&begun)
        });
    }

    fn finish(self) -> Vec<TrainedNetwork> {
        let finished = self.members.into_iter().filter_map(|member| match member {
            Member::Finished(network) => Some(network),
            _ => None,
        });
        finished.collect()
    }
}

/// What one member did in a round.
struct Turn {
    /// How often whoever watches would have been asked.
    steps: usize,
    log: Option<EpochLog>,
    error: Option<NetworkError>,
}

impl Turn {
    /// So many steps, or what is left of an epoch.
    fn take(trainer: &mut Trainer<'_>, round: usize) -> Self {
        let mut turn = Self { steps: 0, log: None, error: None };
        while turn.steps < round && turn.log.is_none() {
            let mut blocks = 0;
            let advanced = trainer.advance(&mut || {
                blocks += 1;
                ControlFlow::Continue(())
            });
            turn.steps += blocks;
            match advanced {
                Ok(None) => turn.steps += 1,
                Ok(log) => turn.log = log,
                Err(error) => {
                    turn.error = Some(error);
                    break;
                }
            }
        }
        turn
    }
}

/// The first wish to stop.
fn first(before: ControlFlow<Stop>, now: ControlFlow<Stop>) -> ControlFlow<Stop> {
    if before.is_break() { before } else { now }
}
