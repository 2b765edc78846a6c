//! What an archive of pictures holds: every picture is decoded once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::kept::Kept;
use super::plan::{Plan, plan};
use super::stream::{Fault, PictureStream};
use super::tally::{MAX_FILES, Tally, Traits};
use super::{IMAGE_COLUMN, LABEL_COLUMN, PART_COLUMN};
use crate::ml::observe::Stop;
use crate::ml::table::read::drive::drive_reader;
use crate::ml::table::read::error::{Problems, ReadError};
use crate::ml::table::read::load::load_present;
use crate::ml::table::read::options::check_names_exist;
use crate::ml::table::read::profile::{ColumnProfile, Profile};
use crate::ml::table::read::source::open;
use crate::ml::table::read::{MemorySource, ReadOptions, TableSource};
use crate::ml::table::{ColumnSummary, ColumnType, ImageSummary};

/// [`super::super::profile()`] of an archive of pictures.
///
/// # Errors
/// See [`ReadError`]; also if more than half of the pictures cannot be read, or one is larger than the limits.
pub(in crate::ml::table::read) fn profile_pictures<R: TableSource>(
    input: &R,
    options: &ReadOptions<'_>,
    types: &BTreeMap<String, ColumnType>,
    step: &mut dyn FnMut(u64) -> ControlFlow<Stop>,
) -> Result<Profile, ReadError> {
    let plan = plan(input, options)?;
    let (tally, keep) = survey(input, &plan, options, step)?;
    check_readable(&plan, &tally, &keep, options)?;
    let repeats = tally.repeats().to_vec();
    let mut summary = tally.summary();
    summary.manifest.clone_from(&plan.listed.rows.manifest);
    (summary.other_files_count, summary.other_files) = plan.others(MAX_FILES);
    summary.conflicting_duplicates = conflicting(&plan, options, &repeats)?;
    let rest = profile_rest(&plan, options, types, &keep)?;
    Ok(rest.with_first(image_column(summary)))
}

/// What is in the pictures, and which rows have one.
fn survey<R: TableSource>(
    input: &R,
    plan: &Plan,
    options: &ReadOptions<'_>,
    step: &mut dyn FnMut(u64) -> ControlFlow<Stop>,
) -> Result<(Tally, Vec<bool>), ReadError> {
    let limits = &options.limits.pictures;
    let stream = PictureStream { source: input, archive: &plan.archive, limits, entries: &plan.listed.entries };
    let (mut tally, mut keep) = (Tally::default(), Vec::with_capacity(plan.listed.entries.len()));
    let mut too_large = Problems::new(options.limits.max_errors);
    let mut take = |row: usize, found: Result<Traits, Fault>| {
        keep.push(found.is_ok());
        match found {
            Ok(traits) => tally.add(row, traits),
            Err(Fault::TooLarge(reason)) => {
                too_large.push(row_number(plan, row), None, format!("{:?}: {reason}", plan.path(row)));
            }
            Err(Fault::Unreadable(reason)) => tally.add_unreadable(plan.path(row), reason),
            // It has ended the work before.
            Err(Fault::Read(_)) => {}
        }
        if too_large.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    stream.each(&|picture| Traits::of(&picture), &mut take, step)?;
    if too_large.is_empty() { Ok((tally, keep)) } else { Err(too_large.into_error(false)) }
}

/// As problems count rows: those of a manifest from 1, while files that folders name have no numbers.
fn row_number(plan: &Plan, row: usize) -> u64 {
    if plan.is_of_folders() { 0 } else { row as u64 + 1 }
}

/// An archive of which most is damaged is most likely not what it is meant to be.
fn check_readable(plan: &Plan, tally: &Tally, keep: &[bool], options: &ReadOptions<'_>) -> Result<(), ReadError> {
    let (count, unreadable) = tally.unreadable();
    if count <= tally.pictures() {
        return Ok(());
    }
    let mut problems = Problems::new(options.limits.max_errors);
    let detail = format!("{count} of {} pictures cannot be read, more than half", keep.len());
    problems.push(0, None, detail);
    let rows = keep.iter().enumerate().filter(|(_, kept)| !**kept).map(|(row, _)| row);
    for (row, file) in rows.zip(unreadable) {
        problems.push(row_number(plan, row), None, format!("{:?}: {}", file.path, file.reason));
    }
    Err(problems.into_error(count > unreadable.len() as u64))
}

/// Copies whose label is another than that of the first: in the column `label`, else the last.
fn conflicting(plan: &Plan, options: &ReadOptions<'_>, repeats: &[(usize, usize)]) -> Result<u64, ReadError> {
    if repeats.is_empty() {
        return Ok(0);
    }
    let rows = &plan.listed.rows;
    let (table, step) = (plan.options(options), &mut |_| ControlFlow::Continue(()));
    let load = |name: &str, step: &mut dyn FnMut(u64) -> ControlFlow<Stop>| {
        let columns = [(name.to_owned(), ColumnType::Categorical)];
        load_present(MemorySource::new(rows.bytes.clone()), &table, &columns, u64::MAX, step)
    };
    let (mut labels, names) = load(LABEL_COLUMN, step)?;
    if let (Some(None), Some(last)) = (labels.first(), names.iter().rfind(|name| **name != rows.path_column)) {
        (labels, _) = load(last, step)?;
    }
    let Some(Some(labels)) = labels.first() else { return Ok(0) };
    Ok(repeats.iter().filter(|(row, first)| labels.text(*row) != labels.text(*first)).count() as u64)
}

/// The columns beside the pictures, of the rows that have one.
fn profile_rest(
    plan: &Plan,
    options: &ReadOptions<'_>,
    types: &BTreeMap<String, ColumnType>,
    keep: &[bool],
) -> Result<Profile, ReadError> {
    let (rows, table) = (&plan.listed.rows, plan.options(options));
    let max_errors = table.limits.max_errors;
    let mut problems = Problems::new(max_errors);
    let reader = open(MemorySource::new(rows.bytes.clone()), &table, u64::MAX, &mut problems)?;
    let make = |name: &str, columns| {
        let names_folder = plan.is_of_folders() && (name == LABEL_COLUMN || name == PART_COLUMN);
        let declared = types.get(name).copied().or(names_folder.then_some(ColumnType::Categorical));
        (name != rows.path_column).then(|| ColumnProfile::new(name, declared, columns, max_errors))
    };
    let step = &mut |_| ControlFlow::Continue(());
    let driven = drive_reader(Box::new(Kept::new(reader, keep.to_vec())), problems, &table, &make, u64::MAX, step)?;
    let names: Vec<String> = driven.columns.iter().map(|(name, _)| name.clone()).collect();
    check_names_exist(types.keys(), &names)?;
    Ok(Profile::of(driven.rows, driven.columns.into_iter().filter_map(|(_, column)| column)))
}

fn image_column(summary: ImageSummary) -> ColumnSummary {
    let pictures = summary.grey + summary.color;
    ColumnSummary {
        name: IMAGE_COLUMN.to_owned(),
        column_type: ColumnType::Image,
        missing: 0,
        distinct: pictures - summary.duplicates,
        distinct_exact: true,
        numeric: None,
        top: Vec::new(),
        image: Some(summary),
    }
}
