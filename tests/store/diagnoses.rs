//! Diagnoses of jobs: told under the lease, the last attempt's kept, gone with their job.

use evenkeel::ml::diagnose::{Check, Code, Diagnosis};
use evenkeel::records::Failure;
use evenkeel::store::{Beat, Heartbeat, News, Retention, Written};

use crate::support::{Engine, LEASE, TestStore, on_both_engines};

on_both_engines!(the_last_attempts_diagnosis_is_kept_and_goes_with_its_job,);

fn diagnosis(value: f64) -> Diagnosis {
    let check = Check { name: Code::NoSignal, passed: true, value: Some(value), limit: Some(0.1) };
    Diagnosis { checks: vec![check], ..Diagnosis::default() }
}

fn telling(value: f64) -> Beat {
    Beat { news: vec![News::Diagnosis(Box::new(diagnosis(value)))], ..Beat::default() }
}

async fn the_last_attempts_diagnosis_is_kept_and_goes_with_its_job(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, lease) = test.running().await;
    assert_eq!(test.store.diagnosis(job.id).await.unwrap(), None);
    test.store.heartbeat(&lease, LEASE, &telling(1.0 / 3.0)).await.unwrap();
    assert_eq!(test.store.diagnosis(job.id).await.unwrap(), Some(diagnosis(1.0 / 3.0)));

    test.clock.advance(LEASE);
    assert_eq!(test.store.expire_leases().await.unwrap(), 1);
    let (_, again) = test.store.claim(LEASE).await.unwrap().expect("the job is in the queue again");
    let late = test.store.heartbeat(&lease, LEASE, &telling(7.0)).await.unwrap();
    assert_eq!(late, Heartbeat::Lost);
    assert_eq!(test.store.diagnosis(job.id).await.unwrap(), Some(diagnosis(1.0 / 3.0)));
    test.store.heartbeat(&again, LEASE, &telling(2.0)).await.unwrap();
    assert_eq!(test.store.diagnosis(job.id).await.unwrap(), Some(diagnosis(2.0)));

    let failure = Failure {
        code: "diverged".to_owned(),
        title: "Training failed".to_owned(),
        detail: String::new(),
        retryable: false,
    };
    assert_eq!(test.store.fail(&again, &failure, &[]).await.unwrap(), Written::Done);
    assert_eq!(test.store.diagnosis(job.id).await.unwrap(), Some(diagnosis(2.0)));
    test.clock.advance(Retention::STANDARD.job_seconds + 1.0);
    assert_eq!(test.store.sweep(&Retention::STANDARD).await.unwrap().jobs, 1);
    assert_eq!(test.store.diagnosis(job.id).await.unwrap(), None);
}
