//! Who sits in the places of a process: jobs come first, assistants where no job does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::records::JobId;

/// Jobs that cannot be assisted are remembered, so many of them.
const MOST_REMEMBERED: usize = 1_000;

/// The places of a process, as its claim loop sees them. There are never more jobs than places; an assistant whose place a
/// job needs is sent away, and the job begins when it has gone.
#[derive(Debug)]
pub(super) struct Places {
    places: usize,
    assistants: Vec<Assistant>,
    jobs: Vec<Seat>,
    unable: Unable,
}

/// The jobs that a process cannot assist with.
#[derive(Debug, Clone, Default)]
struct Unable(Arc<Mutex<BTreeSet<JobId>>>);

impl Unable {
    fn note(&self, job: JobId) {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.len() >= MOST_REMEMBERED {
            jobs.clear();
        }
        jobs.insert(job);
    }

    fn has(&self, job: JobId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&job)
    }
}

/// One job in a place.
#[derive(Debug)]
struct Seat {
    job: JobId,
    gone: CancellationToken,
}

#[derive(Debug)]
struct Assistant {
    seat: Seat,
    leave: CancellationToken,
}

/// A taken place; it is free when this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    /// Asks an assistant to go.
    pub(super) leave: CancellationToken,
    job: JobId,
    unable: Unable,
    _gone: tokio_util::sync::DropGuard,
}

impl Taken {
    /// Frees the place of an assistant that cannot assist with its job. That is known before the place is free, which might
    /// be given to the same job else.
    pub(super) fn give_up(self) {
        self.unable.note(self.job);
    }
}

/// Those that have to go before a job can begin.
#[derive(Debug)]
pub(super) struct Leaving(Vec<CancellationToken>);

impl Leaving {
    /// Waits until they have gone.
    pub(super) async fn gone(self) {
        for gone in self.0 {
            gone.cancelled().await;
        }
    }
}

impl Places {
    pub(super) fn new(places: usize) -> Self {
        Self { places, assistants: Vec::new(), jobs: Vec::new(), unable: Unable::default() }
    }

    /// A place for a job that was claimed. Whoever of this process assists with the same job goes, as it has it now.
    pub(super) fn seat_job(&mut self, job: JobId) -> (Taken, Leaving) {
        self.tidy();
        let (seat, taken) = self.take(job, CancellationToken::new());
        self.jobs.push(seat);
        let room = self.places.saturating_sub(self.jobs.len());
        let mut leaving = Vec::new();
        let mut staying = 0;
        for assistant in &self.assistants {
            let stays = staying < room && assistant.seat.job != job && !assistant.leave.is_cancelled();
            staying += usize::from(stays);
            if !stays {
                assistant.leave.cancel();
                leaving.push(assistant.seat.gone.clone());
            }
        }
        (taken, Leaving(leaving))
    }

    /// A place for an assistant with one of these jobs, if there is a free one and a job that this process can assist with
    /// and has not at work already. It leaves with `shutdown` too.
    pub(super) fn seat_assistant(&mut self, jobs: &[JobId], shutdown: &CancellationToken) -> Option<(JobId, Taken)> {
        self.tidy();
        if self.jobs.len() + self.assistants.len() >= self.places {
            return None;
        }
        let &job = jobs.iter().find(|job| !self.has(**job) && !self.unable.has(**job))?;
        let leave = shutdown.child_token();
        let (seat, taken) = self.take(job, leave.clone());
        self.assistants.push(Assistant { seat, leave });
        Some((job, taken))
    }

    /// Whether there is room for an assistant.
    pub(super) fn has_room(&mut self) -> bool {
        self.tidy();
        self.jobs.len() + self.assistants.len() < self.places
    }

    fn take(&self, job: JobId, leave: CancellationToken) -> (Seat, Taken) {
        let gone = CancellationToken::new();
        let unable = self.unable.clone();
        (Seat { job, gone: gone.clone() }, Taken { leave, job, unable, _gone: gone.drop_guard() })
    }

    fn has(&self, job: JobId) -> bool {
        self.jobs.iter().chain(self.assistants.iter().map(|assistant| &assistant.seat)).any(|seat| seat.job == job)
    }

    fn tidy(&mut self) {
        self.jobs.retain(|seat| !seat.gone.is_cancelled());
        self.assistants.retain(|assistant| !assistant.seat.gone.is_cancelled());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(places: &mut Places, job: JobId) -> Option<Taken> {
        places.seat_assistant(&[job], &CancellationToken::new()).map(|(_, taken)| taken)
    }

    #[tokio::test]
    async fn a_job_sends_the_assistant_away_whose_place_it_needs() {
        let mut places = Places::new(2);
        let (first, second) = (seat(&mut places, JobId::new()).unwrap(), seat(&mut places, JobId::new()).unwrap());
        assert!(!places.has_room() && seat(&mut places, JobId::new()).is_none());
        let (job, leaving) = places.seat_job(JobId::new());
        assert!(!first.leave.is_cancelled() && second.leave.is_cancelled());
        drop(second);
        leaving.gone().await;
        assert!(!places.has_room());
        drop(job);
        assert!(places.has_room());
    }

    #[tokio::test]
    async fn a_free_place_lets_assistants_stay() {
        let mut places = Places::new(2);
        let assistant = seat(&mut places, JobId::new()).unwrap();
        let (_job, leaving) = places.seat_job(JobId::new());
        leaving.gone().await;
        assert!(!assistant.leave.is_cancelled());
    }

    #[test]
    fn nobody_assists_with_a_job_that_the_process_has() {
        let mut places = Places::new(4);
        let (own, other) = (JobId::new(), JobId::new());
        let (_job, _) = places.seat_job(own);
        assert!(seat(&mut places, own).is_none());
        let assistant = seat(&mut places, other).unwrap();
        assert!(seat(&mut places, other).is_none(), "once is enough");
        let (_claimed, Leaving(leaving)) = places.seat_job(other);
        assert!(assistant.leave.is_cancelled() && leaving.len() == 1, "it has the job itself now");
    }

    #[test]
    fn what_cannot_be_assisted_is_not_tried_again() {
        let mut places = Places::new(1);
        let job = JobId::new();
        seat(&mut places, job).unwrap().give_up();
        assert!(places.has_room() && seat(&mut places, job).is_none());
        for _ in 0..MOST_REMEMBERED {
            seat(&mut places, JobId::new()).unwrap().give_up();
        }
        assert!(seat(&mut places, job).is_some(), "the oldest are forgotten");
    }

    #[test]
    fn assistants_leave_when_the_process_goes_down() {
        let (mut places, shutdown) = (Places::new(1), CancellationToken::new());
        let (_, taken) = places.seat_assistant(&[JobId::new()], &shutdown).unwrap();
        shutdown.cancel();
        assert!(taken.leave.is_cancelled());
    }
}
