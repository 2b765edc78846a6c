//! From columns to a matrix in which rows have distances, and back.
//!
//! A numeric column is one column of the matrix. A column of categories is one column for each frequent category and
//! one for all others, 0 or 1; a missing category is a category of its own. Two rows that differ in a category are
//! therefore √2 apart by it, whatever the units of the numbers: scale them where that matters.

use ndarray::Array2;

use crate::ml::config::NumericImpute;
use crate::ml::config::ResamplePreprocess;
use crate::ml::preprocess::Measure;
use crate::ml::sets::{FeatureKinds, WholeColumn};
use crate::ml::table::{Column, MISSING, Values};

/// Categories with a column of the matrix, at most; the others share one.
pub(super) const MAX_CATEGORIES: usize = 100;

/// How the columns of a table became those of a matrix.
pub(super) struct Encoding {
    columns: Vec<Encoded>,
    width: usize,
}

enum Encoded {
    Number {
        measure: Measure,
        whole: bool,
    },
    /// `places` says for each code which column of its block is its own; the last entry is that of a missing value.
    Category {
        places: Vec<usize>,
        width: usize,
    },
}

impl Encoding {
    /// Learns from the given rows of the columns.
    pub(super) fn fit(columns: &[&Column], rows: &[usize], config: &ResamplePreprocess) -> Self {
        let columns: Vec<Encoded> =
            columns.iter().map(|column| Encoded::fit(&column.values.select(rows), config)).collect();
        let width = columns.iter().map(Encoded::width).sum();
        Self { columns, width }
    }

    /// What the columns of the matrix mean.
    pub(super) fn kinds(&self) -> FeatureKinds {
        let mut kinds = FeatureKinds::default();
        let mut start = 0;
        for encoded in &self.columns {
            let end = start + encoded.width();
            match encoded {
                Encoded::Category { .. } => kinds.categories.push(start..end),
                Encoded::Number { measure, whole: true } => {
                    kinds.whole.push(WholeColumn { column: start, center: measure.center, spread: measure.spread });
                }
                Encoded::Number { .. } => {}
            }
            start = end;
        }
        kinds
    }

    /// The matrix of the given rows. Missing numbers are filled.
    pub(super) fn encode(&self, columns: &[&Column], rows: &[usize]) -> Array2<f64> {
        let mut matrix = Array2::zeros((rows.len(), self.width));
        let mut start = 0;
        for (encoded, column) in self.columns.iter().zip(columns) {
            for (out, &row) in rows.iter().enumerate() {
                let (place, value) = encoded.cell(&column.values, row);
                if let Some(cell) = matrix.get_mut((out, start + place)) {
                    *cell = value;
                }
            }
            start += encoded.width();
        }
        matrix
    }

    /// The values of one column in rows of a new table: of an old row its own, of a synthetic one what its cells say.
    pub(super) fn decode(&self, index: usize, column: &Column, rows: &[Decode], matrix: &Array2<f64>) -> Values {
        let start: usize = self.columns.iter().take(index).map(Encoded::width).sum();
        match (self.columns.get(index), &column.values) {
            (Some(Encoded::Number { measure, whole }), Values::Numeric(values)) => {
                let number = |row: &Decode| match *row {
                    Decode::Old(row) => filled(values.get(row).copied(), measure),
                    Decode::New { row, keep_integers, .. } => {
                        let cell = matrix.get((row, start)).copied().unwrap_or(0.0);
                        let value = cell * measure.spread + measure.center;
                        // The step made it whole, up to what its scale rounded.
                        if keep_integers && *whole { value.round() } else { value }
                    }
                };
                Values::Numeric(rows.iter().map(number).collect())
            }
            (Some(Encoded::Category { places, width }), Values::Categorical { codes, levels }) => {
                let own = |row: usize| codes.get(row).copied().unwrap_or(MISSING);
                let vote = |row: &Decode| decode_category(row, places, *width, start, matrix, &own);
                Values::Categorical { codes: rows.iter().map(vote).collect(), levels: levels.clone() }
            }
            (Some(Encoded::Category { places, width }), Values::Boolean(flags)) => {
                let own = |row: usize| flag_code(flags.get(row).copied().flatten());
                let vote = |row: &Decode| decode_category(row, places, *width, start, matrix, &own);
                Values::Boolean(rows.iter().map(vote).map(code_flag).collect())
            }
            // An encoding is used with the columns that it was fitted on.
            (_, values) => values.select(&[]),
        }
    }
}

/// Where the values of a row of the new table come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Decode {
    /// A row of the old table.
    Old(usize),
    /// A row of the matrix, made from these rows of the old table by a step that keeps whole numbers whole or not.
    New { row: usize, parents: [usize; 2], keep_integers: bool },
}

impl Encoded {
    fn fit(values: &Values, config: &ResamplePreprocess) -> Self {
        match values {
            Values::Numeric(values) => Encoded::Number {
                measure: Measure::of(
                    values,
                    config.numeric.impute.unwrap_or(NumericImpute::Median),
                    config.numeric.scale,
                ),
                whole: values.iter().all(|value| value.is_nan() || value.fract() == 0.0),
            },
            Values::Categorical { codes, levels } => Encoded::categories(codes.iter().copied(), levels.len()),
            Values::Boolean(flags) => Encoded::categories(flags.iter().copied().map(flag_code), 2),
            // Tables with pictures are refused before.
            Values::Pictures(_) => Encoded::categories(std::iter::empty(), 1),
        }
    }

    /// The most frequent categories have a place of their own, equally frequent ones in the order of their codes.
    fn categories(codes: impl Iterator<Item = u32>, levels: usize) -> Self {
        let mut counts = vec![0_usize; levels + 1];
        for code in codes {
            counts[(code as usize).min(levels)] += 1;
        }
        let mut order: Vec<usize> = (0..=levels).filter(|&code| counts[code] > 0).collect();
        order.sort_by_key(|&code| std::cmp::Reverse(counts[code]));
        let mut places = vec![order.len().min(MAX_CATEGORIES); levels + 1];
        for (place, &code) in order.iter().take(MAX_CATEGORIES).enumerate() {
            places[code] = place;
        }
        let width = order.len().clamp(1, MAX_CATEGORIES + 1);
        Encoded::Category { places: places.into_iter().map(|place| place.min(width - 1)).collect(), width }
    }

    fn width(&self) -> usize {
        match self {
            Encoded::Number { .. } => 1,
            Encoded::Category { width, .. } => *width,
        }
    }

    /// The column of the block that a value has something in, and what.
    fn cell(&self, values: &Values, row: usize) -> (usize, f64) {
        match (self, values) {
            (Encoded::Number { measure, .. }, Values::Numeric(values)) => {
                (0, (filled(values.get(row).copied(), measure) - measure.center) / measure.spread)
            }
            (Encoded::Category { places, .. }, Values::Categorical { codes, .. }) => {
                (place(places, codes.get(row).copied().unwrap_or(MISSING)), 1.0)
            }
            (Encoded::Category { places, .. }, Values::Boolean(flags)) => {
                (place(places, flag_code(flags.get(row).copied().flatten())), 1.0)
            }
            // An encoding is used with the columns that it was fitted on.
            _ => (0, 0.0),
        }
    }
}

fn filled(value: Option<f64>, measure: &Measure) -> f64 {
    value.filter(|value| !value.is_nan()).unwrap_or(measure.fill)
}

fn place(places: &[usize], code: u32) -> usize {
    let missing = places.len().saturating_sub(1);
    places.get((code as usize).min(missing)).copied().unwrap_or(0)
}

/// The category of a row: of an old row its own; of a synthetic one that of the place with the largest share, as one
/// of its parents has it there, the first of equals.
fn decode_category(
    row: &Decode,
    places: &[usize],
    width: usize,
    start: usize,
    matrix: &Array2<f64>,
    own: &dyn Fn(usize) -> u32,
) -> u32 {
    let Decode::New { row, parents, .. } = *row else {
        let Decode::Old(row) = *row else { return MISSING };
        return own(row);
    };
    let share = |place: usize| matrix.get((row, start + place)).copied().unwrap_or(0.0);
    let parent_places = parents.map(|parent| place(places, own(parent)));
    let mut best = parent_places[0];
    for place in std::iter::once(parent_places[1]).chain(0..width) {
        if share(place) > share(best) {
            best = place;
        }
    }
    let of_parent = parents.into_iter().zip(parent_places).find(|(_, place)| *place == best);
    match of_parent {
        Some((parent, _)) => own(parent),
        None => {
            let code = places.iter().position(|place| *place == best);
            code.filter(|code| *code + 1 < places.len()).map_or(MISSING, |code| code as u32)
        }
    }
}

fn flag_code(flag: Option<bool>) -> u32 {
    flag.map_or(MISSING, u32::from)
}

fn code_flag(code: u32) -> Option<bool> {
    (code != MISSING).then_some(code == 1)
}
