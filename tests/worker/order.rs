//! What is claimed when.

use std::sync::{Arc, Mutex};

use crate::bench::{Worker, config, ended, produced, scripted};
use crate::support::{Engine, TestStore, on_both_engines};

on_both_engines!(higher_priority_is_claimed_first, no_more_jobs_run_at_once_than_there_are_workers);

async fn higher_priority_is_claimed_first(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let mut jobs = Vec::new();
    for priority in [0, -5, 10, 0, 10] {
        jobs.push(test.enqueue_with(dataset.id, priority).await.id);
        test.clock.advance(1.0);
    }
    let order = Arc::new(Mutex::new(Vec::new()));
    let run = order.clone();
    let engine = scripted(move |work, _| {
        run.lock().unwrap().push(work.job.id);
        Ok(produced("a model"))
    });
    let worker = Worker::start(&test, engine, config());
    for &id in &jobs {
        ended(&test, id).await;
    }
    worker.stop().await;
    assert_eq!(*order.lock().unwrap(), [2, 4, 0, 3, 1].map(|index: usize| jobs[index]));
}

async fn no_more_jobs_run_at_once_than_there_are_workers(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let mut jobs = Vec::new();
    for _ in 0..8 {
        jobs.push(test.enqueue(dataset.id).await.id);
    }
    // How many run, and the most that ever did.
    let count = Arc::new(Mutex::new((0, 0)));
    let counted = count.clone();
    let engine = scripted(move |_, _| {
        let most = {
            let mut count = counted.lock().unwrap();
            count.0 += 1;
            count.1 = count.1.max(count.0);
            count.1
        };
        // The first waits for company, which the third would be too much of.
        let deadline = std::time::Instant::now() + crate::bench::PATIENCE;
        while most < 2 && counted.lock().unwrap().1 < 2 {
            assert!(std::time::Instant::now() < deadline, "a second job does not start");
            std::thread::yield_now();
        }
        counted.lock().unwrap().0 -= 1;
        Ok(produced("a model"))
    });
    let worker = Worker::start(&test, engine, evenkeel::jobs::WorkerConfig { workers: 2, ..config() });
    for &id in &jobs {
        ended(&test, id).await;
    }
    worker.stop().await;
    assert_eq!(*count.lock().unwrap(), (0, 2));
}
