//! The rows of a comparison: those set aside, and the folds of the others.

use crate::ml::config::{CompareConfig, Split, TrainConfig};
use crate::ml::labels::ClassNames;
use crate::ml::pipeline::{Target, TrainError, TrainInput};
use crate::ml::seed::Seed;
use crate::ml::split::{Part, split, stratified_folds};
use crate::ml::table::{Column, Table, Values};

/// Of the training rows of a fold, every n-th validates, n being at least and at most this.
const VALIDATION_FOLDS: (usize, usize) = (2, 20);

/// The labelled rows of a table, divided.
pub(super) struct Divided {
    pub(super) missing_markers: Vec<String>,
    pub(super) classes: ClassNames,
    /// Rows that are compared on, and their labels.
    pub(super) open: Table,
    pub(super) labels: Vec<bool>,
    /// Rows that nothing sees before the end, and their labels.
    pub(super) aside: Table,
    pub(super) aside_labels: Vec<bool>,
    pub(super) unlabelled_rows: usize,
    seed: Seed,
    validation_folds: usize,
    /// For each repeat the fold of each open row.
    folds: Vec<Vec<usize>>,
    /// The name of a column that the table does not have.
    part_column: String,
}

impl Divided {
    pub(super) fn of(input: TrainInput, config: &CompareConfig) -> Result<Self, TrainError> {
        let TrainInput { table, missing_markers } = input;
        let Some(first) = config.candidates.first().map(|candidate| &candidate.train) else {
            return Err(TrainError::NoCandidate { reason: "there is none".to_owned() });
        };
        let seed = Seed(first.seed);
        let target = Target::of(&table, &first.target, &first.positive_label)?;
        let parts = split(&first.split, &target.labels, None, seed.derive("split"))?;
        let mut open: Vec<usize> = parts.train.iter().chain(&parts.validation).copied().collect();
        open.sort_unstable();
        let rows =
            |positions: &[usize]| positions.iter().filter_map(|&p| target.rows.get(p)).copied().collect::<Vec<_>>();
        let of =
            |positions: &[usize]| positions.iter().filter_map(|&p| target.labels.get(p)).copied().collect::<Vec<_>>();
        let labels: Vec<bool> = of(&open);
        let folds = (0..config.cross_validation.repeats)
            .map(|repeat| {
                stratified_folds(&labels, config.cross_validation.folds, seed.derive(&format!("folds-{repeat}")))
            })
            .collect();
        Ok(Self {
            missing_markers,
            open: table.select(&rows(&open)),
            labels,
            aside: table.select(&rows(&parts.test)),
            aside_labels: of(&parts.test),
            unlabelled_rows: target.unlabelled_rows,
            classes: target.classes,
            seed,
            validation_folds: validation_folds(first),
            folds,
            part_column: free_name(&table),
        })
    }

    /// The rows that are scored in a fold of a repeat, ascending.
    pub(super) fn scored(&self, repeat: usize, fold: usize) -> Vec<usize> {
        let folds = self.folds.get(repeat).map(Vec::as_slice).unwrap_or_default();
        folds.iter().enumerate().filter(|(_, of)| **of == fold).map(|(row, _)| row).collect()
    }

    /// The open rows with a column that says what each is for in a fold, and the seed of what is drawn there. Both are
    /// the same for all candidates.
    pub(super) fn fold_input(&self, repeat: usize, fold: usize) -> Result<(TrainInput, u64), TrainError> {
        let folds = self.folds.get(repeat).map(Vec::as_slice).unwrap_or_default();
        let name = format!("fold-{repeat}-{fold}");
        let learnt: Vec<usize> = (0..self.labels.len()).filter(|&row| folds.get(row) != Some(&fold)).collect();
        let validates = self.validating(&learnt, &name);
        let mut part = vec![Part::Test as u32; self.labels.len()];
        for (&row, validates) in learnt.iter().zip(validates) {
            if let Some(part) = part.get_mut(row) {
                *part = if validates { Part::Validation } else { Part::Train } as u32;
            }
        }
        Ok((self.input(&self.open, part)?, self.seed_of(&name)))
    }

    /// All rows: the open ones are learnt from, some of them only to stop early, those aside are tested.
    pub(super) fn last_input(&self) -> Result<(TrainInput, u64), TrainError> {
        let all: Vec<usize> = (0..self.labels.len()).collect();
        let validates = self.validating(&all, "last");
        let of_open =
            validates.into_iter().map(|validates| if validates { Part::Validation } else { Part::Train } as u32);
        let part = of_open.chain(std::iter::repeat_n(Part::Test as u32, self.aside_labels.len())).collect();
        Ok((self.input(&stacked(&self.open, &self.aside)?, part)?, self.seed_of("last")))
    }

    /// The configuration of a candidate with the parts as [`Divided`] has made them.
    pub(super) fn configured(&self, train: &TrainConfig, seed: u64) -> TrainConfig {
        TrainConfig { seed, split: Split::Column { column: self.part_column.clone() }, ..train.clone() }
    }

    fn validating(&self, learnt: &[usize], name: &str) -> Vec<bool> {
        let labels: Vec<bool> = learnt.iter().filter_map(|&row| self.labels.get(row)).copied().collect();
        let folds = stratified_folds(&labels, self.validation_folds, self.seed.derive(name).derive("validation"));
        folds.into_iter().map(|fold| fold == 0).collect()
    }

    /// At most 2^53 - 1, as the seed of a job.
    fn seed_of(&self, name: &str) -> u64 {
        self.seed.derive(name).0 >> 11
    }

    fn input(&self, table: &Table, parts: Vec<u32>) -> Result<TrainInput, TrainError> {
        let levels = Part::ALL.map(|part| part.as_str().to_owned()).to_vec();
        let part = Column { name: self.part_column.clone(), values: Values::Categorical { codes: parts, levels } };
        let columns = table.columns().iter().cloned().chain([part]).collect();
        let table = Table::new(columns).map_err(TrainError::Table)?;
        Ok(TrainInput { table, missing_markers: self.missing_markers.clone() })
    }
}

/// As many parts as make one of them about the share of the validation rows among those that are not tested.
fn validation_folds(config: &TrainConfig) -> usize {
    let Split::Stratified { test_fraction, validation_fraction } = config.split else { return 4 };
    let share = validation_fraction / (1.0 - test_fraction);
    ((1.0 / share).round() as usize).clamp(VALIDATION_FOLDS.0, VALIDATION_FOLDS.1)
}

fn free_name(table: &Table) -> String {
    let mut name = "part".to_owned();
    while table.column(&name).is_some() {
        name.push('_');
    }
    name
}

/// The rows of both tables, which have the same columns.
fn stacked(upper: &Table, lower: &Table) -> Result<Table, TrainError> {
    let both = |(one, two): (&Column, &Column)| {
        let values = match (&one.values, &two.values) {
            (Values::Numeric(one), Values::Numeric(two)) => Values::Numeric([one.as_slice(), two].concat()),
            (Values::Boolean(one), Values::Boolean(two)) => Values::Boolean([one.as_slice(), two].concat()),
            (Values::Categorical { codes: one, levels }, Values::Categorical { codes: two, .. }) => {
                Values::Categorical { codes: [one.as_slice(), two].concat(), levels: levels.clone() }
            }
            // Both were selected from one table.
            (one, _) => one.clone(),
        };
        Column { name: one.name.clone(), values }
    };
    Table::new(upper.columns().iter().zip(lower.columns()).map(both).collect()).map_err(TrainError::Table)
}
