//! Comparisons: the same folds for all, the same answer for any number of threads, after an interruption too.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use evenkeel::ml::compare::{Board, Compared, LocalBoard, Means, Taken, UnitResult, assist, compare};
use evenkeel::ml::config::{CompareConfig, ConfigLimits, DatasetFacts, FeatureFacts, FieldError, ObjectReader};
use evenkeel::ml::observe::{EpochLog, Phase, Stop, TrainObserver, Unobserved};
use evenkeel::ml::pipeline::{TrainError, TrainInput};
use evenkeel::ml::table::{Column, ColumnType, Table, Values};
use serde_json::{Value, json};

/// One row in eight is positive; `x` tells the classes apart as far as `signal` goes, `z` says nothing.
fn table(rows: usize, signal: f64) -> Table {
    let spread = |row: usize, step: f64| (row as f64 * step).fract() * 2.0;
    let positive = |row: usize| row % 8 == 3;
    let x = (0..rows).map(|row| spread(row, 0.618_033_988_749) + if positive(row) { signal } else { 0.0 });
    let z = (0..rows).map(|row| spread(row, 0.414_213_562_373));
    let y = (0..rows).map(|row| f64::from(u8::from(positive(row))));
    let column = |name: &str, values| Column { name: name.to_owned(), values: Values::Numeric(values) };
    Table::new(vec![column("x", x.collect()), column("z", z.collect()), column("y", y.collect())]).unwrap()
}

fn facts(rows: usize) -> DatasetFacts {
    let positives = (0..rows).filter(|row| row % 8 == 3).count();
    let counts = BTreeMap::from([("0".to_owned(), rows - positives), ("1".to_owned(), positives)]);
    let column = |name: &str| FeatureFacts {
        name: name.to_owned(),
        column_type: ColumnType::Numeric,
        distinct: rows,
        values: (name == "y").then(|| counts.clone()),
    };
    DatasetFacts {
        rows,
        target: "y".to_owned(),
        positive_label: "1".to_owned(),
        columns: ["x", "z", "y"].map(column).to_vec(),
        origin_columns: Vec::new(),
        pictures: None,
        class_counts: counts.clone(),
    }
}

fn read(request: &Value, rows: usize) -> Result<CompareConfig, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut reader = ObjectReader::new(request, "", &mut errors);
    let config = CompareConfig::check(&mut reader, &facts(rows), &ConfigLimits::STANDARD, &mut errors);
    reader.finish(&mut errors);
    if errors.is_empty() { Ok(config) } else { Err(errors) }
}

fn quick(candidates: Value) -> Value {
    json!({
        "base": {"model": {"type": "logistic"}, "evaluation": {"bootstrap": 20}},
        "candidates": candidates, "cross_validation": {"folds": 4, "repeats": 2},
    })
}

fn input(table: Table) -> TrainInput {
    TrainInput { table, missing_markers: Vec::new() }
}

/// Without a clock.
fn means(board: &dyn Board, parallel: usize) -> Means<'_> {
    Means { board, parallel, clock: &|| 0.0 }
}

fn run(config: &CompareConfig, signal: f64, board: &dyn Board, parallel: usize) -> Result<Compared, TrainError> {
    compare(input(table(400, signal)), config, means(board, parallel), &mut Unobserved)
}

fn three() -> Value {
    json!([
        {"name": "plain"},
        {"name": "weighted", "train": {"loss": {"class_weight": "balanced"}}},
        {"name": "smote", "train": {"resample": [{"method": "smote"}]}},
    ])
}

#[test]
fn equal_candidates_differ_by_noise_and_the_simplest_is_taken() {
    let config = read(&quick(three()), 400).unwrap();
    let compared = run(&config, 1.2, &LocalBoard::default(), 2).unwrap();
    let table = &compared.comparison;
    assert_eq!((table.chosen.as_str(), table.rows, table.positives), ("plain", 320, 40));
    assert!(table.candidates.iter().all(|candidate| candidate.versus_best.unwrap().noise), "{table:#?}");
    assert!(table.statement.contains("noise") && table.statement.contains("trained"), "{}", table.statement);
    let precision = table.candidates[0].metrics["average_precision"];
    let [low, high] = precision.ci.unwrap();
    assert!(low < precision.mean && precision.mean < high && precision.std > 0.0);
    assert_eq!((compared.trained.report.rows, compared.trained.report.positives), (80, 10), "on the rows set aside");
    assert_eq!(compared.trained.report.threshold, compared.trained.model.threshold);
}

#[test]
fn a_candidate_that_learns_nothing_is_worse_by_more_than_noise() {
    let candidates = json!([
        {"name": "nothing", "train": {"regularization": {"l2": 1_000_000}}},
        {"name": "plain", "train": {}},
    ]);
    let mut request = quick(candidates);
    request["metric"] = json!("log_loss");
    let config = read(&request, 400).unwrap();
    let table = run(&config, 1.5, &LocalBoard::default(), 2).unwrap().comparison;
    assert_eq!((table.best.as_str(), table.chosen.as_str(), table.higher_is_better), ("plain", "plain", false));
    let versus = table.candidates[0].versus_best.unwrap();
    assert!(!versus.noise && versus.difference > 0.0 && versus.p_value.unwrap() < 0.05, "{versus:?}");
    assert!(table.statement.contains("worse by more than noise"), "{}", table.statement);
}

#[test]
fn the_answer_does_not_depend_on_threads_or_interruptions() {
    let config = read(&quick(three()), 400).unwrap();
    let whole = LocalBoard::default();
    let one = run(&config, 1.0, &whole, 1).unwrap();
    let two = run(&config, 1.0, &LocalBoard::default(), 3).unwrap();
    assert_eq!(one.comparison, two.comparison);
    assert_eq!(one.trained.model.to_bytes().unwrap(), two.trained.model.to_bytes().unwrap());
    let mut half: BTreeMap<usize, UnitResult> = whole.finished().into_iter().take(10).collect();
    // What is done is not computed again: a changed result shows.
    half.get_mut(&0).unwrap().metrics.insert("average_precision".to_owned(), 1.0);
    let half = LocalBoard::with(half);
    let resumed = run(&config, 1.0, &half, 2).unwrap();
    let mean = |compared: &Compared, name: &str| compared.comparison.candidates[0].metrics[name].mean;
    assert!(mean(&resumed, "average_precision") > mean(&one, "average_precision"));
    assert_eq!(mean(&resumed, "roc_auc"), mean(&one, "roc_auc"));
    assert_eq!(half.finished().len(), 24);
}

/// A board that two share: the owner has opened it, the assistant takes first.
struct Shared {
    board: LocalBoard,
    opened: std::sync::Barrier,
    /// Who took which unit.
    taken: std::sync::Mutex<Vec<(bool, usize)>>,
}

struct SharedBy<'a> {
    shared: &'a Shared,
    owner: bool,
}

impl Board for SharedBy<'_> {
    fn open(&self, units: usize) -> Result<(), TrainError> {
        self.shared.board.open(units)?;
        self.shared.opened.wait();
        Ok(())
    }

    fn take(&self) -> Result<Taken, TrainError> {
        // They take turns, so that each has half.
        loop {
            let mut log = self.shared.taken.lock().unwrap();
            let own = log.iter().filter(|(owner, _)| *owner == self.owner).count();
            if own <= log.len() - own || log.len() - own == 12 {
                let taken = self.shared.board.take()?;
                log.extend(taken.place.map(|place| (self.owner, place)));
                return Ok(taken);
            }
            drop(log);
            std::thread::yield_now();
            if self.owner {
                return Ok(Taken { place: None, finished: 0 });
            }
        }
    }

    fn keep(&self, place: usize, result: UnitResult) -> Result<(), TrainError> {
        self.shared.board.keep(place, result)
    }

    fn result(&self, place: usize) -> Result<Option<UnitResult>, TrainError> {
        self.shared.board.result(place)
    }

    fn wait(&self) {
        self.shared.board.wait();
    }
}

#[test]
fn the_answer_does_not_depend_on_who_computes_what() {
    let config = read(&quick(three()), 400).unwrap();
    let alone = run(&config, 1.0, &LocalBoard::default(), 2).unwrap();
    let shared =
        Shared { board: LocalBoard::default(), opened: std::sync::Barrier::new(2), taken: std::sync::Mutex::default() };
    let together = std::thread::scope(|scope| {
        let assistant = scope.spawn(|| {
            shared.opened.wait();
            let board = SharedBy { shared: &shared, owner: false };
            assist(input(table(400, 1.0)), &config, means(&board, 1), &mut Unobserved)
        });
        let together = run(&config, 1.0, &SharedBy { shared: &shared, owner: true }, 1);
        assistant.join().unwrap().unwrap();
        together.unwrap()
    });
    let taken = shared.taken.into_inner().unwrap();
    let owned = taken.iter().filter(|(owner, _)| *owner).count();
    assert_eq!((owned, taken.len()), (12, 24));
    assert_eq!(alone.comparison, together.comparison);
    assert_eq!(alone.trained.model.to_bytes().unwrap(), together.trained.model.to_bytes().unwrap());
}

#[test]
fn a_result_of_another_comparison_ends_the_run() {
    let config = read(&quick(three()), 400).unwrap();
    let strange = UnitResult { metrics: BTreeMap::new(), log_odds: vec![0.0; 7], seconds: 0.0, failure: None };
    let board = LocalBoard::with(BTreeMap::from([(3, strange)]));
    let error = run(&config, 1.0, &board, 2).unwrap_err();
    assert!(matches!(error, TrainError::Board { .. }), "{error:?}");
    assert_eq!(error.code(), "storage-failed");
}

#[test]
fn a_candidate_that_cannot_be_trained_is_told_apart() {
    let mut request = quick(three());
    request["candidates"][2]["train"] = json!({"resample": [{"method": "random_under_sampler"},
        {"method": "smote", "k_neighbors": 200}]});
    let config = read(&request, 400).unwrap();
    let table = run(&config, 1.0, &LocalBoard::default(), 2).unwrap().comparison;
    let failed = &table.candidates[2];
    if let Some(failure) = &failed.failure {
        assert!(failed.versus_best.is_none() && failed.metrics.is_empty(), "{failed:?}");
        assert!(table.statement.contains("Not compared: smote") && !failure.is_empty());
    }
}

#[test]
fn the_rows_set_aside_change_nothing_but_the_report() {
    let config = read(&quick(three()), 400).unwrap();
    let before = run(&config, 1.0, &LocalBoard::default(), 2).unwrap();
    let aside = aside_rows(&config);
    let mut changed = table(400, 1.0);
    let mut columns = changed.columns().to_vec();
    let Values::Numeric(values) = &mut columns[0].values else { panic!() };
    for row in aside {
        values[row] = -1e6;
    }
    changed = Table::new(columns).unwrap();
    let after = run_on(changed, &config, &LocalBoard::default());
    assert_eq!(before.comparison, after.comparison);
    assert_eq!(before.trained.model.to_bytes().unwrap(), after.trained.model.to_bytes().unwrap());
    assert_ne!(before.trained.report, after.trained.report);
}

fn aside_rows(config: &CompareConfig) -> Vec<usize> {
    use evenkeel::ml::seed::Seed;
    let train = &config.candidates[0].train;
    let labels: Vec<bool> = (0..400).map(|row| row % 8 == 3).collect();
    evenkeel::ml::split::split(&train.split, &labels, None, Seed(train.seed).derive("split")).unwrap().test
}

/// Stops the run after some steps and hears how far it was.
struct StopAfter(usize, f64);

impl TrainObserver for StopAfter {
    fn phase(&mut self, _: Phase) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }

    fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
        assert!((0.0..=1.0).contains(&fraction), "{fraction}");
        self.1 = self.1.max(fraction);
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 { ControlFlow::Break(Stop::Cancelled) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, _: &EpochLog) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }
}

#[test]
fn calibration_and_threshold_are_decided_on_the_pooled_scores() {
    let mut request = quick(three());
    request["base"]["calibration"] = json!({"method": "platt"});
    request["base"]["threshold"] = json!({"rule": "max_mcc"});
    let config = read(&request, 400).unwrap();
    let trained = run(&config, 1.2, &LocalBoard::default(), 2).unwrap().trained;
    let calibration = trained.report.calibration.clone().unwrap();
    // 320 rows that are compared on, each scored once in each of two repeats.
    let pooled = (Some("out_of_fold"), Some(640), Some(80));
    assert_eq!((calibration.on.as_deref(), calibration.rows, calibration.positives), pooled);
    let basis = &trained.threshold_basis;
    assert_eq!((basis.computed_on.as_str(), basis.rows, basis.positives), ("out_of_fold", 640, 80));
    let kept = trained.dossier.validation.as_ref().unwrap();
    assert_eq!(kept.rows(), 640);
    let again = choose_mcc(&kept.labels, &kept.probabilities);
    assert_eq!(again, trained.model.threshold, "what is kept is what was chosen on");
}

fn choose_mcc(labels: &[bool], probabilities: &[f64]) -> f64 {
    use evenkeel::ml::{config::ThresholdRule, metrics::choose, sets::EvalSet};
    let rows = EvalSet::new(ndarray::Array2::zeros((labels.len(), 0)), labels.to_vec());
    choose(&ThresholdRule::MaxMcc, &rows, probabilities).value
}

/// The same with the rows' own order as the time, and eight rows to a group.
fn steered(strategy: &str) -> (CompareConfig, Table) {
    let column = |name: &str, values| Column { name: name.to_owned(), values: Values::Numeric(values) };
    let of = |value: fn(usize) -> usize| (0..400).map(|row| value(row) as f64).collect();
    let mut columns = table(400, 1.2).columns().to_vec();
    columns.extend([column("when", of(|row| row)), column("who", of(|row| row / 8))]);
    let mut request = quick(three());
    let steering = if strategy == "time" { "when" } else { "who" };
    request["base"]["split"] = json!({"strategy": strategy, "column": steering});
    let mut facts = facts(400);
    for (name, distinct) in [("when", 400), ("who", 50)] {
        let column_type = ColumnType::Numeric;
        facts.columns.push(FeatureFacts { name: name.to_owned(), column_type, distinct, values: None });
    }
    let mut errors = Vec::new();
    let mut reader = ObjectReader::new(&request, "", &mut errors);
    let config = CompareConfig::check(&mut reader, &facts, &ConfigLimits::STANDARD, &mut errors);
    assert_eq!(errors, []);
    (config, Table::new(columns).unwrap())
}

fn run_on(table: Table, config: &CompareConfig, board: &LocalBoard) -> Compared {
    compare(input(table), config, means(board, 2), &mut Unobserved).unwrap()
}

#[test]
fn by_group_every_row_is_scored_and_the_group_is_no_feature() {
    let (config, table) = steered("group");
    let notes = LocalBoard::default();
    let trained = run_on(table, &config, &notes).trained;
    let names: Vec<String> = trained.model.inputs().into_iter().map(|input| input.name).collect();
    assert_eq!(names, ["x", "z", "when"]);
    let scored: usize = notes.finished().values().map(|result| result.log_odds.len()).sum();
    let open = 400 - trained.report.rows;
    assert_eq!(scored, 3 * 2 * open, "three candidates, two repeats");
    let whole = |rows: usize| rows.is_multiple_of(8);
    assert!(whole(trained.report.rows) && notes.finished().values().all(|result| whole(result.log_odds.len())));
}

#[test]
fn by_time_what_comes_later_changes_no_earlier_fold() {
    let (config, table) = steered("time");
    let before = LocalBoard::default();
    run_on(table.clone(), &config, &before);
    let mut columns = table.columns().to_vec();
    let Values::Numeric(x) = &mut columns[0].values else { panic!() };
    // The last block of five that the 320 rows before the test rows are cut into.
    for value in &mut x[256..320] {
        *value = -1e3;
    }
    let after = LocalBoard::default();
    run_on(Table::new(columns).unwrap(), &config, &after);
    let folds = |board: &LocalBoard, last: bool| {
        let of = |place: &usize| (place / 3) % 4 == 3;
        let wanted = board.finished().into_iter().filter(|(place, _)| of(place) == last);
        wanted.map(|(_, result)| result.log_odds).collect::<Vec<_>>()
    };
    assert_eq!(folds(&before, false), folds(&after, false));
    assert_ne!(folds(&before, true), folds(&after, true));
}

#[test]
fn it_stops_when_it_is_told_to() {
    let config = read(&quick(three()), 400).unwrap();
    let mut observer = StopAfter(60, 0.0);
    let board = LocalBoard::default();
    let stopped = compare(input(table(400, 1.0)), &config, means(&board, 2), &mut observer);
    assert!(matches!(stopped, Err(TrainError::Stopped(Stop::Cancelled))), "{:?}", stopped.map(|_| ()));
    assert!(observer.1 > 0.0);
}

#[test]
fn the_built_in_candidates_begin_with_the_simplest() {
    let config = read(&json!({}), 400).unwrap();
    let names: Vec<&str> = config.candidates.iter().map(|candidate| candidate.name.as_str()).collect();
    let expected = [
        "plain",
        "class_weights",
        "focal",
        "random_over_sampler",
        "random_under_sampler",
        "near_miss",
        "smote",
        "smote_tomek",
        "noise",
    ];
    assert_eq!(names, expected);
    let filled = serde_json::to_value(&config).unwrap();
    assert_eq!(read(&filled, 400).unwrap(), config, "a filled-in configuration can be posted again");
}

#[test]
fn every_mistake_has_its_place() {
    let request = json!({
        "base": {"split": {"strategy": "column", "column": "x"}, "seed": -1},
        "candidates": [
            {"name": "a", "train": {"seed": 7, "loss": {"class_weight": "huge"}}},
            {"train": {"modle": 1}},
            {"name": "a", "why": 1},
        ],
        "cross_validation": {"folds": 1}, "metric": "accuracy", "confidence": 1, "epochs": 3,
    });
    let errors = read(&request, 400).unwrap_err();
    let mut places: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
    places.sort_unstable();
    places.dedup();
    for expected in [
        "/base/seed",
        "/candidates/0/train/loss/class_weight",
        "/candidates/1/name",
        "/candidates/1/train/modle",
        "/candidates/2/why",
        "/confidence",
        "/cross_validation/folds",
        "/epochs",
        "/metric",
    ] {
        assert!(places.contains(&expected), "{expected} in {places:?}");
    }
    let many = json!({"cross_validation": {"folds": 20, "repeats": 50}});
    assert_eq!(read(&many, 400).unwrap_err()[0].pointer, "/cross_validation");
}
