//! One seed gives one answer, on any number of threads; a run ends when it is told to.

use std::ops::ControlFlow;

use evenkeel::ml::config::{ResampleStep, RngKind};
use evenkeel::ml::observe::Stop;
use evenkeel::ml::resample::{ResampleError, apply};
use evenkeel::ml::seed::Seed;

use super::methods::*;

#[test]
fn the_seed_decides_and_the_number_of_threads_does_not() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (one, two) = (pool(1), pool(2));
    for (method, set) in all_with_rows(700, 3) {
        let plain = step(method.clone());
        let made = run(&plain, &set);
        assert_eq!(one.install(|| run(&plain, &set)), made, "{method:?}");
        assert_eq!(two.install(|| run(&plain, &set)), made, "{method:?}");
        let other = apply(0, &plain, set.clone(), Seed(12), &mut go).unwrap();
        assert_eq!(other != made, draws(&method), "{method:?}");
        let own = ResampleStep { seed: Some(3), ..plain };
        let seeded = |seed| apply(0, &own, set.clone(), Seed(seed), &mut go).unwrap();
        assert_eq!(seeded(1), seeded(2), "{method:?}");
        // The same method is also whole with the other generator.
        let numpy = ResampleStep { rng: RngKind::Numpy, ..own };
        assert_eq!(apply(0, &numpy, set.clone(), Seed(1), &mut go), apply(0, &numpy, set, Seed(2), &mut go));
    }
}

#[test]
fn a_cancelled_run_ends_in_every_method() {
    for (method, set) in all_with_rows(100, 2) {
        let mut fractions = Vec::new();
        let mut watch = |fraction: f64| {
            fractions.push(fraction);
            ControlFlow::Continue(())
        };
        apply(0, &step(method.clone()), set.clone(), Seed(1), &mut watch).unwrap();
        assert!(fractions.is_sorted() && fractions.last() == Some(&1.0), "{method:?}: {fractions:?}");
        // The first calls, the last ones, and some between.
        let calls = fractions.len();
        for call in (0..calls).filter(|call| *call < 8 || calls - call < 4 || call % 13 == 0) {
            let mut left = call;
            let mut stop = |_: f64| match left {
                0 => ControlFlow::Break(Stop::Cancelled),
                _ => {
                    left -= 1;
                    ControlFlow::Continue(())
                }
            };
            let ended = apply(0, &step(method.clone()), set.clone(), Seed(1), &mut stop);
            assert_eq!(ended, Err(ResampleError::Stopped(Stop::Cancelled)), "{method:?}");
        }
    }
}
