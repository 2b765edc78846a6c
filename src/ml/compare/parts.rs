//! The rows of a comparison: those set aside, and the folds of the others.

use crate::ml::config::{CompareConfig, Split, TrainConfig};
use crate::ml::pipeline::{Rows, TrainError, TrainInput};
use crate::ml::seed::Seed;
use crate::ml::split::{Fold, Part};
use crate::ml::table::{Column, Table, Values};

/// The labelled rows of a table, divided.
pub(super) struct Divided {
    missing_markers: Vec<String>,
    /// Rows that are compared on, of which every index here is one, and how they can be divided.
    pub(super) open: Table,
    rows: Rows,
    /// Rows that nothing sees before the end.
    aside: Table,
    pub(super) unlabelled_rows: usize,
    seed: Seed,
    /// What divides the rows; one of the candidates stands for all.
    first: TrainConfig,
    /// The folds of each repeat.
    folds: Vec<Vec<Fold>>,
    /// The name of a column that the table does not have.
    part_column: String,
}

impl Divided {
    pub(super) fn of(input: TrainInput, config: &CompareConfig) -> Result<Self, TrainError> {
        let TrainInput { table, missing_markers } = input;
        let Some(first) = config.candidates.first().map(|candidate| candidate.train.clone()) else {
            return Err(TrainError::NoCandidate { reason: "there is none".to_owned() });
        };
        let seed = Seed(first.seed);
        let all = Rows::of(&table, &first)?;
        let parts = all.split(&first, seed)?;
        let selected = |rows: &[usize]| {
            let of_table: Vec<usize> = rows.iter().filter_map(|&row| all.table_rows.get(row)).copied().collect();
            table.select(&of_table)
        };
        let open = selected(&parts.development());
        let rows = Rows::of(&open, &first)?;
        let everything: Vec<usize> = (0..rows.labels.len()).collect();
        let repeats = 0..config.cross_validation.repeats;
        let folds = repeats
            .map(|repeat| {
                let seed = seed.derive(&format!("folds-{repeat}"));
                rows.folds(&first, &everything, config.cross_validation.folds, seed)
            })
            .collect::<Result<_, TrainError>>()?;
        Ok(Self {
            missing_markers,
            aside: selected(&parts.test),
            unlabelled_rows: all.unlabelled_rows,
            part_column: free_name(&table),
            open,
            rows,
            seed,
            first,
            folds,
        })
    }

    /// One per open row; `true` is the positive class.
    pub(super) fn labels(&self) -> &[bool] {
        &self.rows.labels
    }

    /// The open rows that are scored in a fold of a repeat, ascending.
    pub(super) fn scored(&self, repeat: usize, fold: usize) -> &[usize] {
        self.fold(repeat, fold).map_or(&[], |fold| &fold.held_out)
    }

    fn fold(&self, repeat: usize, fold: usize) -> Option<&Fold> {
        self.folds.get(repeat)?.get(fold)
    }

    /// The open rows of a fold with a column that says what each is for, and the seed of what is drawn there. Both are
    /// the same for all candidates. By time, a fold has no row that comes after those that it scores.
    pub(super) fn fold_input(&self, repeat: usize, fold: usize) -> Result<(TrainInput, u64), TrainError> {
        let name = format!("fold-{repeat}-{fold}");
        let nothing = Fold::default();
        let Fold { kept, held_out } = self.fold(repeat, fold).unwrap_or(&nothing);
        let inner = self.hold_out(kept, &name)?;
        let mut parts = Vec::with_capacity(kept.len() + held_out.len());
        for (rows, part) in [(&inner.kept, Part::Train), (&inner.held_out, Part::Validation), (held_out, Part::Test)] {
            parts.extend(rows.iter().map(|&row| (row, part as u32)));
        }
        parts.sort_unstable();
        let (rows, parts): (Vec<usize>, Vec<u32>) = parts.into_iter().unzip();
        Ok((self.input(&self.open.select(&rows), parts)?, self.seed_of(&name)))
    }

    /// All rows: the open ones are learnt from, some of them only to stop early, those aside are tested.
    pub(super) fn last_input(&self) -> Result<(TrainInput, u64), TrainError> {
        let all: Vec<usize> = (0..self.labels().len()).collect();
        let mut parts = vec![Part::Train as u32; all.len()];
        for row in self.hold_out(&all, "last")?.held_out {
            if let Some(part) = parts.get_mut(row) {
                *part = Part::Validation as u32;
            }
        }
        parts.resize(all.len() + self.aside.rows(), Part::Test as u32);
        Ok((self.input(&stacked(&self.open, &self.aside)?, parts)?, self.seed_of("last")))
    }

    /// The configuration of a candidate with the parts as [`Divided`] has made them: what divided the rows is still no
    /// feature, and no fold is divided once more.
    pub(super) fn configured(&self, train: &TrainConfig, seed: u64) -> TrainConfig {
        let mut config = train.clone();
        config.seed = seed;
        config.exclude.extend(train.split.column().map(str::to_owned));
        config.split = Split::Column { column: self.part_column.clone() };
        config.evaluation.cross_validation = None;
        config
    }

    /// Of the rows that are learnt from, those that only validate.
    fn hold_out(&self, learnt: &[usize], name: &str) -> Result<Fold, TrainError> {
        let seed = self.seed.derive(name).derive("validation");
        self.rows.hold_out(&self.first, learnt, self.first.split.validation_share(), seed)
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
            (Values::Pictures(one), Values::Pictures(two)) => {
                Values::Pictures(one.joined(two).unwrap_or_else(|| one.clone()))
            }
            // Both were selected from one table.
            (one, _) => one.clone(),
        };
        Column { name: one.name.clone(), values }
    };
    Table::new(upper.columns().iter().zip(lower.columns()).map(both).collect()).map_err(TrainError::Table)
}
