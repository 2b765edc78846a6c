//! Power cuts: the server is killed at random moments while clients upload, train, cancel, follow and predict, and
//! started again on the same data. Whatever it had promised must hold.

mod check;
mod clients;
mod disk;
mod ledger;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel::clock::{Clock, SystemClock};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::check::Depth;
use self::clients::Site;
use self::disk::Disk;
use self::ledger::{Hits, Ledger};
use crate::support::app::{App, Engine, postgres_url};

/// Workers are given up after two seconds instead of thirty, so that a job is hit more than once; checkpoints are as
/// close as heartbeats, so that kills find them at every stage.
const FLAGS: [&str; 6] = ["--lease-seconds", "2", "--poll-seconds", "0.2", "--checkpoint-seconds", "0.1"];
/// The longest time between the clients' start and a kill, where there are many and where there are few.
const LONG: Duration = Duration::from_millis(1_500);
const SHORT: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_kills_break_no_promise_on_sqlite() {
    survive(Engine::Sqlite, 3, SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_kills_break_no_promise_on_postgresql() {
    if postgres_url().is_some() {
        survive(Engine::Postgres, 3, SHORT).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes long; run by ./scripts/test --full"]
async fn fifty_kills_break_no_promise_on_sqlite() {
    survive(Engine::Sqlite, 50, LONG).await.assert_some_of_each();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes long; run by ./scripts/test --full"]
async fn fifty_kills_break_no_promise_on_postgresql() {
    if postgres_url().is_some() {
        survive(Engine::Postgres, 50, LONG).await.assert_some_of_each();
    }
}

/// Kills the server so many times, each time after at most so long; looks at everything after each kill, and thoroughly
/// at the end.
async fn survive(engine: Engine, kills: usize, longest: Duration) -> Hits {
    let seed = seed();
    println!("EVENKEEL_TEST_FAULT_SEED={seed} draws the same moments again");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut app = App::with(engine, &FLAGS).await;
    let ledger = Ledger::shared();
    let mut disk = Disk::new(app.data_dir());
    clients::upload_the_first(&app.client(), &ledger).await;
    for kill in 1..=kills {
        let site = Arc::new(Site::new(app.client(), ledger.clone()));
        let work = clients::start(&site, rng.random());
        let moment = rng.random_range(Duration::ZERO..longest);
        tokio::time::sleep(moment).await;
        site.stop.store(true, Ordering::SeqCst);
        app.kill();
        let at = SystemClock.now();
        println!("kill {kill} after {} ms", moment.as_millis());
        for client in work {
            client.await.unwrap();
        }
        disk::assert_no_errors(&app.log());
        let staged = disk.check_at_rest();
        ledger.lock().unwrap().killed(at.to_rfc3339(), staged, site.uploads_cut.load(Ordering::SeqCst));
        app.start_again();
        check::look(&app.client(), &ledger, Depth::Sample(&mut rng)).await;
    }
    finish(&mut app, &ledger, &disk, &mut rng).await;
    let hits = ledger.lock().unwrap().hits();
    println!("{hits:#?}");
    hits
}

/// Lets all work end, looks at all there is, and has what is left over swept away.
async fn finish(app: &mut App, ledger: &Mutex<Ledger>, disk: &Disk, rng: &mut ChaCha8Rng) {
    check::settle(&app.client(), ledger).await;
    check::look(&app.client(), ledger, Depth::All).await;
    check::judge_the_end(&app.client(), ledger).await;
    println!("{} blobs without a name", disk.count_blobs() - check::blobs_named(&app.client()).await.len());
    disk.age_everything();
    app.restart();
    let named = check::blobs_named(&app.client()).await;
    disk.wait_until_swept(&named).await;
    check::look(&app.client(), ledger, Depth::Sample(rng)).await;
    disk::assert_no_errors(&app.log());
}

/// A new one each time, unless the environment says which.
fn seed() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "tests have no other way to be told")]
    let given = std::env::var("EVENKEEL_TEST_FAULT_SEED").ok();
    match given {
        Some(seed) => seed.parse().expect("EVENKEEL_TEST_FAULT_SEED is a whole number"),
        // The last bits of such an id are random.
        None => uuid::Uuid::now_v7().as_u128() as u64 & 0xffff_ffff,
    }
}
