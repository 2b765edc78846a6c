//! Workers of several processes on the parts of one job: side by side, and whoever is lost costs what it had in hand.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use evenkeel::jobs::{self, Ended, Parts, Produced, ProducedResult, Work, WorkerConfig};
use evenkeel::ml::observe::{Stop, TrainObserver};
use evenkeel::records::JobStatus::{Cancelled, Failed, Queued, Running, Succeeded};
use evenkeel::records::{Failure, JobId};
use evenkeel::store::TakePart;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::bench::{Gate, NEVER, Worker, config, course, ended, hear, produced, step_until_told};
use crate::support::{Engine, LEASE, TestStore, comparison, enqueued, on_both_engines};

on_both_engines!(
    idle_workers_of_other_processes_take_parts,
    a_lost_assistant_costs_the_part_it_had,
    a_lost_owner_costs_the_part_it_had,
    a_wish_to_cancel_ends_everybodys_work,
    an_assistant_leaves_for_a_job_and_comes_back,
    a_shutdown_frees_the_parts_at_once,
    nobody_assists_within_a_process,
    who_cannot_assist_is_not_asked_again,
    a_crash_of_an_assistant_is_not_the_jobs,
);

/// Parts of a job of these tests.
const PARTS: u64 = 6;

/// Who computes which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Doing {
    process: &'static str,
    part: u64,
}

/// What a process does about each part, after it has told the test.
type Compute = dyn Fn(Doing, &mut dyn TrainObserver) -> Result<(), Ended> + Send + Sync;

/// An engine whose jobs are of parts, as those of comparisons are.
struct InParts {
    process: &'static str,
    tell: UnboundedSender<Doing>,
    compute: Box<Compute>,
}

impl InParts {
    fn work(&self, parts: &Parts, observer: &mut dyn TrainObserver, alone: bool) -> Result<(), Ended> {
        loop {
            match parts.take().unwrap() {
                TakePart::Taken { part, .. } => {
                    let doing = Doing { process: self.process, part };
                    let _ = self.tell.send(doing);
                    (self.compute)(doing, observer)?;
                    parts.finish(part, &format!("\"{part}\"")).unwrap();
                }
                TakePart::NoneFree(standing) if alone || standing.finished == standing.parts => return Ok(()),
                TakePart::NoneFree(_) => {
                    if let std::ops::ControlFlow::Break(stop) = observer.step(0.5) {
                        return Err(Ended::Stopped(stop));
                    }
                    parts.wait();
                }
                TakePart::Gone => return Err(Ended::Stopped(Stop::LostLease)),
            }
        }
    }
}

impl jobs::Engine for InParts {
    fn run(&self, work: Work, observer: &mut dyn TrainObserver) -> Result<Produced, Ended> {
        if !matches!(work.job.config.typed, evenkeel::records::TypedConfig::Compare(_)) {
            return Ok(produced("of another job"));
        }
        work.parts.open(PARTS, "these tests").unwrap();
        self.work(&work.parts, observer, false)?;
        let mut file = work.scratch.file().unwrap();
        for part in 0..PARTS {
            file.write_all(work.parts.result(part).unwrap().expect("it is finished").as_bytes()).unwrap();
        }
        let result = ProducedResult { file, media_type: "application/json", rows: None };
        Ok(Produced { result: Some(result), ..produced("of all parts") })
    }

    fn program(&self) -> Option<String> {
        Some("these tests".to_owned())
    }

    fn assist(&self, work: Work, observer: &mut dyn TrainObserver) -> Result<(), Ended> {
        self.work(&work.parts, observer, true)
    }
}

/// A process with one worker, its engine, and the ear to it.
struct Process {
    worker: Worker,
    told: UnboundedReceiver<Doing>,
}

impl Process {
    async fn start(
        test: &TestStore,
        process: &'static str,
        settings: WorkerConfig,
        compute: impl Fn(Doing, &mut dyn TrainObserver) -> Result<(), Ended> + Send + Sync + 'static,
    ) -> Self {
        let (tell, told) = unbounded_channel();
        let engine = Arc::new(InParts { process, tell, compute: Box::new(compute) });
        Self { worker: Worker::start_on(test.again().await, engine, settings), told }
    }

    async fn part(&mut self) -> u64 {
        hear(&mut self.told).await.part
    }

    /// The parts that it has begun since the last one that was heard of.
    async fn stop(self) -> Vec<u64> {
        self.worker.stop().await;
        let mut told = self.told;
        std::iter::from_fn(|| told.try_recv().ok()).map(|doing| doing.part).collect()
    }
}

fn at_once(_: Doing, _: &mut dyn TrainObserver) -> Result<(), Ended> {
    Ok(())
}

fn until_told(_: Doing, observer: &mut dyn TrainObserver) -> Result<(), Ended> {
    Err(Ended::Stopped(step_until_told(observer)))
}

/// Holds up one part until the gate opens; computes the others at once.
fn held_up(
    part: u64,
    gate: &Gate,
) -> impl Fn(Doing, &mut dyn TrainObserver) -> Result<(), Ended> + Send + Sync + 'static {
    let gate = gate.clone();
    move |doing, _| {
        if doing.part == part {
            gate.pass();
        }
        Ok(())
    }
}

async fn enqueue(test: &TestStore) -> JobId {
    let dataset = test.dataset().await;
    enqueued(test.store.enqueue(&comparison(dataset.id, 0), None).await.unwrap()).id
}

/// What the job left, of parts in their order whoever has computed them.
async fn assert_left(test: &TestStore, id: JobId) {
    let job = ended(test, id).await;
    assert_eq!(job.status, Succeeded, "{job:#?}");
    let bytes = test.store.blobs().get(&job.result.unwrap().sha256, 1_000).await.unwrap();
    assert_eq!(bytes, "\"0\"\"1\"\"2\"\"3\"\"4\"\"5\"");
    assert!(test.store.queue_stats().await.unwrap().parts.values().all(|&count| count == 0));
}

async fn idle_workers_of_other_processes_take_parts(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (owners, others) = (Gate::default(), Gate::default());
    let mut owner = Process::start(&test, "owner", config(), held_up(0, &owners)).await;
    let id = enqueue(&test).await;
    assert_eq!(owner.part().await, 0);
    let mut second = Process::start(&test, "second", config(), held_up(1, &others)).await;
    assert_eq!(second.part().await, 1);
    let mut third = Process::start(&test, "third", config(), at_once).await;
    for part in 2..PARTS {
        assert_eq!(third.part().await, part);
    }
    assert_eq!(test.job(id).await.status, Running);
    owners.open();
    others.open();
    assert_left(&test, id).await;
    for process in [owner, second, third] {
        assert_eq!(process.stop().await, [0; 0], "no part was computed twice");
    }
}

async fn a_lost_assistant_costs_the_part_it_had(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (owners, dead) = (Gate::default(), Gate::default());
    let mut owner = Process::start(&test, "owner", config(), held_up(0, &owners)).await;
    let id = enqueue(&test).await;
    assert_eq!(owner.part().await, 0);
    // It gives no sign of life any more, and its leases are short.
    let silent = WorkerConfig { heartbeat_seconds: NEVER, lease_seconds: LEASE / 2.0, ..config() };
    let mut lost = Process::start(&test, "lost", silent, held_up(2, &dead)).await;
    assert_eq!((lost.part().await, lost.part().await), (1, 2));
    owners.open();
    for part in 3..PARTS {
        assert_eq!(owner.part().await, part);
    }
    assert_eq!(test.job(id).await.status, Running, "a part is somebody's");
    test.clock.advance(LEASE / 2.0);
    assert_eq!(owner.part().await, 2);
    assert_left(&test, id).await;
    // What it still computes, once it wakes up, changes nothing.
    dead.open();
    assert_eq!(lost.stop().await, [0; 0]);
    assert_eq!(owner.stop().await, [0; 0]);
    assert_eq!((test.job(id).await.status, test.job(id).await.attempt), (Succeeded, 1));
}

async fn a_lost_owner_costs_the_part_it_had(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (dead, others) = (Gate::default(), Gate::default());
    let silent = WorkerConfig { heartbeat_seconds: NEVER, ..config() };
    let mut owner = Process::start(&test, "owner", silent, held_up(1, &dead)).await;
    let id = enqueue(&test).await;
    assert_eq!((owner.part().await, owner.part().await), (0, 1));
    let mut other = Process::start(&test, "other", config(), held_up(3, &others)).await;
    assert_eq!((other.part().await, other.part().await), (2, 3));
    test.clock.advance(LEASE);
    assert_eq!(test.store.expire_leases().await.unwrap(), 1);
    others.open();
    // The other process has the job now: it does not compute again what is finished.
    let mut again = BTreeMap::new();
    while again.len() < 3 {
        *again.entry(other.part().await).or_insert(0) += 1;
    }
    assert_left(&test, id).await;
    let job = test.job(id).await;
    assert_eq!((course(&job), job.attempt), (vec![Queued, Running, Queued, Running, Succeeded], 2));
    let rest = other.stop().await;
    let parts: Vec<u64> = again.keys().copied().chain(rest).collect();
    assert!(parts.contains(&1) && !parts.contains(&0) && !parts.contains(&2), "{parts:?}");
    dead.open();
    owner.stop().await;
    assert_eq!(test.job(id).await.status, Succeeded);
}

async fn a_wish_to_cancel_ends_everybodys_work(engine: Engine) {
    let test = TestStore::new(engine).await;
    let mut owner = Process::start(&test, "owner", config(), until_told).await;
    let id = enqueue(&test).await;
    owner.part().await;
    let (tell, mut told) = unbounded_channel();
    let mut assistant = Process::start(&test, "assistant", config(), move |_, observer| {
        let stop = step_until_told(observer);
        tell.send(stop).unwrap();
        Err(Ended::Stopped(stop))
    })
    .await;
    assistant.part().await;
    test.store.request_cancel(id).await.unwrap();
    assert_eq!(ended(&test, id).await.status, Cancelled);
    assert_eq!(hear(&mut told).await, Stop::LostLease);
    assert!(test.store.queue_stats().await.unwrap().parts.values().all(|&count| count == 0));
    owner.stop().await;
    assert_eq!(assistant.stop().await, [0; 0]);
}

async fn an_assistant_leaves_for_a_job_and_comes_back(engine: Engine) {
    let test = TestStore::new(engine).await;
    let owners = Gate::default();
    let mut owner = Process::start(&test, "owner", config(), held_up(0, &owners)).await;
    let id = enqueue(&test).await;
    assert_eq!(owner.part().await, 0);
    let (tell, mut told) = unbounded_channel();
    let times = AtomicUsize::new(0);
    let mut assistant = Process::start(&test, "assistant", config(), move |_, observer| {
        if times.fetch_add(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        let stop = step_until_told(observer);
        tell.send(stop).unwrap();
        Err(Ended::Stopped(stop))
    })
    .await;
    assert_eq!(assistant.part().await, 1);
    let waiting = test.enqueue(test.job(id).await.dataset_id).await;
    assert_eq!(hear(&mut told).await, Stop::Shutdown);
    assert_eq!(ended(&test, waiting.id).await.status, Succeeded);
    assert_eq!(test.job(id).await.status, Running);
    for part in 1..PARTS {
        assert_eq!(assistant.part().await, part, "the part that it had begun is free again");
    }
    owners.open();
    assert_left(&test, id).await;
    owner.stop().await;
    assistant.stop().await;
}

async fn a_shutdown_frees_the_parts_at_once(engine: Engine) {
    let test = TestStore::new(engine).await;
    let mut owner = Process::start(&test, "owner", config(), until_told).await;
    let id = enqueue(&test).await;
    assert_eq!(owner.part().await, 0);
    let mut assistant = Process::start(&test, "assistant", config(), until_told).await;
    assert_eq!(assistant.part().await, 1);
    assistant.worker.stop().await;
    let parts = test.store.queue_stats().await.unwrap().parts;
    assert_eq!((parts["running"], parts["waiting"]), (1, PARTS - 1));
    owner.worker.stop().await;
    let parts = test.store.queue_stats().await.unwrap().parts;
    assert_eq!((parts["running"], parts["waiting"]), (0, PARTS));
    let job = test.job(id).await;
    assert_eq!((course(&job), job.attempt), (vec![Queued, Running, Queued], 0));
    // No lease has to lapse: time stands still.
    let next = Process::start(&test, "next", config(), at_once).await;
    assert_left(&test, id).await;
    assert_eq!(next.stop().await, (0..PARTS).collect::<Vec<_>>());
}

async fn nobody_assists_within_a_process(engine: Engine) {
    let test = TestStore::new(engine).await;
    let most = Arc::new(Mutex::new((0, 0)));
    let counted = most.clone();
    let settings = WorkerConfig { workers: 3, ..config() };
    let process = Process::start(&test, "only", settings, move |_, observer| {
        let mut count = counted.lock().unwrap();
        *count = (count.0 + 1, count.1.max(count.0 + 1));
        drop(count);
        // Long enough for the idle workers to have looked at the queue more than once.
        let mut changes = 0;
        while changes < 200 && observer.step(0.5).is_continue() {
            std::thread::yield_now();
            changes += 1;
        }
        counted.lock().unwrap().0 -= 1;
        Ok(())
    })
    .await;
    let id = enqueue(&test).await;
    assert_left(&test, id).await;
    assert_eq!(process.stop().await, (0..PARTS).collect::<Vec<_>>());
    assert_eq!(*most.lock().unwrap(), (0, 1));
}

async fn who_cannot_assist_is_not_asked_again(engine: Engine) {
    let test = TestStore::new(engine).await;
    let owners = Gate::default();
    let mut owner = Process::start(&test, "owner", config(), held_up(0, &owners)).await;
    let id = enqueue(&test).await;
    assert_eq!(owner.part().await, 0);
    let mut unable = Process::start(&test, "unable", config(), |_, _| {
        let failure =
            Failure { code: "too-large-for-memory".into(), title: "T".into(), detail: "d".into(), retryable: false };
        Err(Ended::Failed(failure))
    })
    .await;
    assert_eq!(unable.part().await, 1);
    // It has let go of the part when it does another job.
    for _ in 0..2 {
        let other = test.enqueue(test.job(id).await.dataset_id).await;
        assert_eq!(ended(&test, other.id).await.status, Succeeded);
    }
    owners.open();
    assert_left(&test, id).await;
    assert_eq!(unable.stop().await, [0; 0]);
    owner.stop().await;
    assert_ne!(test.job(id).await.status, Failed);
}

async fn a_crash_of_an_assistant_is_not_the_jobs(engine: Engine) {
    let test = TestStore::new(engine).await;
    let owners = Gate::default();
    let mut owner = Process::start(&test, "owner", config(), held_up(0, &owners)).await;
    let id = enqueue(&test).await;
    assert_eq!(owner.part().await, 0);
    let mut crashing = Process::start(&test, "crashing", config(), |_, _| panic!("in the middle of a part")).await;
    assert_eq!(crashing.part().await, 1);
    owners.open();
    assert_left(&test, id).await;
    assert_eq!(crashing.stop().await, [0; 0], "once was enough");
    owner.stop().await;
}
