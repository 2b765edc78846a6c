//! From stored bytes to a described dataset: its columns, its target, its two classes.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::parameters::UploadParameters;
use crate::http::error::{ApiError, Code};
use crate::http::problem::FieldProblem;
use crate::ml::observe::Stop;
use crate::ml::table::{
    ColumnSummary, ColumnType, Profile, ReadError, ReadOptions, TableFormat, TableLimits, TargetError, profile,
    target_classes,
};

/// What a file holds and is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Understood {
    pub(super) rows: u64,
    pub(super) columns: Vec<ColumnSummary>,
    pub(super) target: String,
    pub(super) positive_label: String,
    pub(super) class_counts: BTreeMap<String, u64>,
}

/// Reads the file on a thread of its own: it may take minutes, and a pool for short tasks would run dry. Stops when
/// the caller is dropped.
///
/// # Errors
/// 422 with everything that is wrong with the file or the parameters about it.
pub(super) async fn understand(
    file: File,
    format: TableFormat,
    parameters: UploadParameters,
    limits: TableLimits,
) -> Result<Understood, ApiError> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    let alive = Alive(Arc::new(AtomicBool::new(true)));
    let watched = alive.0.clone();
    let work = move || {
        let understood = read(file, &format, &parameters, &limits, &watched);
        // Nobody waits for it any more if this fails.
        let _ = answer.send(understood);
    };
    std::thread::Builder::new().name("profile".to_owned()).spawn(work).map_err(ApiError::unavailable)?;
    let understood = answered.await.map_err(ApiError::internal)?;
    drop(alive);
    understood
}

/// Tells the thread, by being dropped, that nobody waits for it.
struct Alive(Arc<AtomicBool>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn read(
    file: File,
    format: &TableFormat,
    parameters: &UploadParameters,
    limits: &TableLimits,
    alive: &AtomicBool,
) -> Result<Understood, ApiError> {
    let options = ReadOptions { format, missing_markers: &parameters.missing_markers, limits, pictures: None };
    let mut step = |_| match alive.load(Ordering::Acquire) {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(Stop::Cancelled),
    };
    let profile = profile(file, &options, &parameters.column_types, &mut step).map_err(unreadable)?;
    describe(profile, parameters)
}

fn describe(profile: Profile, parameters: &UploadParameters) -> Result<Understood, ApiError> {
    let target = parameters.target.clone().unwrap_or_else(|| profile.usual_target().to_owned());
    if profile.columns.len() < 2 {
        let detail = format!("expected at least 2 columns, a feature and the target; found {}", profile.columns.len());
        return Err(ApiError::listing(Code::InvalidDataset, vec![FieldProblem::in_table(None, None, detail)]));
    }
    let class_counts = target_classes(&profile, &target).map_err(no_target)?;
    let positive_label = match &parameters.positive_label {
        Some(label) => named(label, &target, &profile, &class_counts)?,
        None => rarer(&class_counts),
    };
    Ok(Understood { rows: profile.rows, columns: profile.columns, target, positive_label, class_counts })
}

/// The rarer class; of two equally rare ones the later in order, such as `1` of `0` and `1`, `yes` of `no` and `yes`.
fn rarer(class_counts: &BTreeMap<String, u64>) -> String {
    let rarer = class_counts.iter().rev().min_by_key(|(_, count)| **count);
    rarer.map(|(label, _)| label.clone()).unwrap_or_default()
}

/// The class that is meant by a label: of a numeric target, `1.0` means `1`.
fn named(
    label: &str,
    target: &str,
    profile: &Profile,
    class_counts: &BTreeMap<String, u64>,
) -> Result<String, ApiError> {
    let numeric = profile.columns.iter().any(|c| c.name == target && c.column_type == ColumnType::Numeric);
    let as_number = label.trim().parse::<f64>().ok().filter(|_| numeric).map(|number| number.to_string());
    let candidates = [Some(label.to_owned()), as_number];
    if let Some(found) = candidates.into_iter().flatten().find(|candidate| class_counts.contains_key(candidate)) {
        return Ok(found);
    }
    let classes: Vec<String> = class_counts.keys().map(|class| format!("{class:?}")).collect();
    let detail = format!("expected a value of the target, {}; found {label:?}", classes.join(" or "));
    Err(ApiError::invalid([FieldProblem::in_parameter("positive_label", detail)]))
}

/// What a file that cannot be read is answered.
fn unreadable(error: ReadError) -> ApiError {
    match error {
        ReadError::Malformed { problems, more } => {
            let errors = problems.into_iter().map(|problem| {
                // Row 0 is the header, which the API does not count.
                FieldProblem::in_table(Some(problem.row).filter(|row| *row > 0), problem.column, problem.detail)
            });
            ApiError::listing(Code::InvalidDataset, errors.collect()).truncated(more)
        }
        ReadError::NotTheFormat { .. } => {
            ApiError::listing(Code::InvalidDataset, vec![FieldProblem::in_table(None, None, error.to_string())])
        }
        ReadError::UnknownColumns { names } => ApiError::invalid(
            names
                .into_iter()
                .map(|name| FieldProblem::in_parameter("column_types", format!("no column is called {name:?}"))),
        ),
        ReadError::Delimiter { .. } => ApiError::invalid([FieldProblem::in_parameter("delimiter", error.to_string())]),
        ReadError::TooLarge { .. } => ApiError::new(Code::DecompressedTooLarge, error.to_string()),
        ReadError::ArchiveTooLarge { .. } => ApiError::new(Code::DecompressedTooLarge, error.to_string()),
        ReadError::BatchTooLarge { .. } => ApiError::new(Code::PayloadTooLarge, error.to_string()),
        ReadError::Read(_) => ApiError::unavailable(error),
        ReadError::Stopped(_) => ApiError::internal(error),
    }
}

/// What a column that is no binary target is answered.
fn no_target(error: TargetError) -> ApiError {
    let problem = |detail: String| FieldProblem::in_parameter("target", detail);
    match &error {
        TargetError::UnknownColumn { .. } => ApiError::invalid([problem(error.to_string())]),
        TargetError::Pictures { .. } => ApiError::invalid([problem(error.to_string())]),
        TargetError::MissingLabels { .. } => ApiError::listing(Code::InvalidDataset, vec![problem(error.to_string())]),
        TargetError::NotTwoClasses { values, .. } => {
            let found: Vec<String> = values.iter().map(|value| format!("{} ({})", value.value, value.count)).collect();
            let found = if found.is_empty() { "no values to list".to_owned() } else { found.join(", ") };
            ApiError::listing(Code::TargetNotBinary, vec![problem(format!("found {found}"))])
                .with_detail(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::extract::Query;

    fn upload(query: &str, csv: &str) -> Result<Understood, ApiError> {
        let parameters = UploadParameters::read(Query::new(query)).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, csv.as_bytes()).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let format = TableFormat::Csv { delimiter: ',', header: true };
        read(file, &format, &parameters, &TableLimits::STANDARD, &AtomicBool::new(true))
    }

    const CSV: &str = "area,label,shape\n1,0,round\n2,0,oval\n3,1,round\n";

    #[test]
    fn the_last_column_is_the_target_and_the_rarer_class_is_positive() {
        let understood = upload("", CSV).unwrap();
        assert_eq!(
            (understood.target.as_str(), understood.positive_label.as_str(), understood.rows),
            ("shape", "oval", 3)
        );
        assert_eq!(understood.class_counts, BTreeMap::from([("oval".to_owned(), 1), ("round".to_owned(), 2)]));
    }

    #[test]
    fn the_client_may_choose_both_and_spell_numbers_as_it_likes() {
        let understood = upload("target=label&positive_label=0.0", CSV).unwrap();
        assert_eq!(understood.positive_label, "0");
        let error = upload("target=label&positive_label=2", CSV).unwrap_err();
        assert_eq!(error.errors()[0].detail, "expected a value of the target, \"0\" or \"1\"; found \"2\"");
    }

    #[test]
    fn three_classes_are_listed_with_their_counts() {
        let error = upload("target=area", CSV).unwrap_err();
        assert_eq!(error.code(), Code::TargetNotBinary);
        assert_eq!(error.errors()[0].detail, "found 1 (1), 2 (1), 3 (1)");
        assert_eq!(upload("target=nothing", CSV).unwrap_err().code(), Code::InvalidRequest);
    }

    #[test]
    fn a_malformed_file_names_every_row() {
        let error = upload("", "a,b\n1\n2,0\n3,1,4\n").unwrap_err();
        assert_eq!(error.code(), Code::InvalidDataset);
        assert_eq!(error.errors().iter().map(|error| error.row).collect::<Vec<_>>(), [Some(1), Some(3)]);
    }

    #[test]
    fn equally_rare_classes_have_the_later_one_positive() {
        assert_eq!(rarer(&BTreeMap::from([("no".to_owned(), 5), ("yes".to_owned(), 5)])), "yes");
    }
}
