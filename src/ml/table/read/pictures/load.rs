//! The columns of an archive of pictures.

use std::ops::ControlFlow;

use super::plan::{Plan, plan};
use super::stream::{Fault, PictureStream};
use super::{IMAGE_COLUMN, PATH_COLUMN};
use crate::ml::observe::Stop;
use crate::ml::picture::{Decoded, Originals, PictureSpec, Pictures};
use crate::ml::table::read::error::ReadError;
use crate::ml::table::read::load::load_present;
use crate::ml::table::read::options::check_names_exist;
use crate::ml::table::read::{MemorySource, PictureLimits, ReadOptions, TableLimits, TableSource};
use crate::ml::table::{Column, ColumnType, Table, Values};

/// [`super::super::load()`] of an archive of pictures. Without `options.pictures` the column of pictures has their paths, as
/// the column `path` always has.
///
/// # Errors
/// As [`super::super::load()`].
pub(in crate::ml::table::read) fn load_pictures<R: TableSource>(
    input: &R,
    options: &ReadOptions<'_>,
    columns: &[(String, ColumnType)],
    step: &mut dyn FnMut(u64) -> ControlFlow<Stop>,
) -> Result<Table, ReadError> {
    read(input, options, columns, usize::MAX, step)
}

/// The first rows of an archive of pictures; that of pictures has their paths.
///
/// # Errors
/// As [`super::super::head`].
pub(in crate::ml::table::read) fn head_pictures<R: TableSource>(
    input: &R,
    options: &ReadOptions<'_>,
    columns: &[(String, ColumnType)],
    rows: usize,
) -> Result<Table, ReadError> {
    let options = ReadOptions { pictures: None, ..*options };
    read(input, &options, columns, rows, &mut |_| ControlFlow::Continue(()))
}

fn read<R: TableSource>(
    input: &R,
    options: &ReadOptions<'_>,
    columns: &[(String, ColumnType)],
    most: usize,
    step: &mut dyn FnMut(u64) -> ControlFlow<Stop>,
) -> Result<Table, ReadError> {
    let limits = accepted(options.limits);
    let options = &ReadOptions { limits: &limits, ..*options };
    let plan = plan(input, options)?;
    let is_wanted = columns.iter().any(|(name, _)| name == IMAGE_COLUMN);
    let spec = options.pictures.filter(|_| is_wanted);
    let limits = &limits.pictures;
    let stream = PictureStream { source: input, archive: &plan.archive, limits, entries: &plan.listed.entries };
    let mut kept = Vec::new();
    let mut pixels = room(&plan, spec)?;
    let mut originals = Originals::default();
    let mut take = |row: usize, found: Result<([u32; 2], Vec<u8>), Fault>| {
        match found {
            Ok((size, picture)) => {
                kept.push(row);
                originals.sizes.push(size);
                pixels.extend_from_slice(&picture);
            }
            Err(_) => originals.unreadable += 1,
        }
        if kept.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    match spec {
        Some(spec) => stream.each(&|picture| (size(&picture), picture.placed(&spec)), &mut take, step)?,
        None => stream.each(&|picture| (size(&picture), Vec::new()), &mut take, step)?,
    }
    let images = match spec {
        Some(spec) => Values::Pictures(of_shape(spec, pixels)?.with_originals(originals)),
        None => paths(&plan, &kept),
    };
    let rest = rest(&plan, options, columns, &kept)?;
    assemble(columns, images, &paths(&plan, &kept), rest)
}

/// What was accepted as an upload is read, whatever the limits are now.
pub(super) fn accepted(limits: &TableLimits) -> TableLimits {
    TableLimits { pictures: PictureLimits::ACCEPTED, max_decompressed_bytes: u64::MAX, ..limits.clone() }
}

/// Height and width of a file; decoding bounds them.
fn size(picture: &Decoded) -> [u32; 2] {
    [picture.height, picture.width].map(|side| u32::try_from(side).unwrap_or(u32::MAX))
}

/// Room for the pixels of all pictures: a store that grows would take twice as much for a moment.
fn room(plan: &Plan, spec: Option<PictureSpec>) -> Result<Vec<u8>, ReadError> {
    let bytes = plan.listed.entries.len().saturating_mul(spec.map_or(0, |spec| spec.shape.values()));
    let mut pixels = Vec::new();
    pixels.try_reserve_exact(bytes).map_err(|_| ReadError::ArchiveTooLarge {
        detail: format!("there is no memory for {bytes} bytes of pixels"),
    })?;
    Ok(pixels)
}

pub(super) fn of_shape(spec: PictureSpec, pixels: Vec<u8>) -> Result<Pictures, ReadError> {
    let impossible = |error: crate::ml::picture::PictureError| ReadError::NotTheFormat {
        format: "pictures of one shape",
        detail: error.to_string(),
    };
    Pictures::new(spec.shape, pixels).map_err(impossible)
}

pub(super) fn paths(plan: &Plan, kept: &[usize]) -> Values {
    Values::Categorical {
        codes: (0..kept.len() as u32).collect(),
        levels: kept.iter().map(|&row| plan.path(row).to_owned()).collect(),
    }
}

/// The columns beside the pictures, of the rows that have one.
pub(super) fn rest(
    plan: &Plan,
    options: &ReadOptions<'_>,
    columns: &[(String, ColumnType)],
    kept: &[usize],
) -> Result<Table, ReadError> {
    let is_beside = |(name, _): &&(String, ColumnType)| name != IMAGE_COLUMN && name != PATH_COLUMN;
    let wanted: Vec<(String, ColumnType)> = columns.iter().filter(is_beside).cloned().collect();
    let input = MemorySource::new(plan.listed.rows.bytes.clone());
    // What is not wanted yet is read along: pictures are what takes the time.
    let step = &mut |_| ControlFlow::Continue(());
    let (loaded, names) = load_present(input, &plan.options(options), &wanted, u64::MAX, step)?;
    check_names_exist(wanted.iter().map(|(name, _)| name), &names)?;
    let named = wanted.into_iter().zip(loaded).filter_map(|((name, _), values)| Some(Column { name, values: values? }));
    Ok(table(named.collect())?.select(kept))
}

/// The columns in the order in which they are wanted.
pub(super) fn assemble(
    columns: &[(String, ColumnType)],
    images: Values,
    paths: &Values,
    rest: Table,
) -> Result<Table, ReadError> {
    let mut images = Some(images);
    let mut rest = rest.into_columns().into_iter();
    let ordered = columns.iter().filter_map(|(name, _)| match name.as_str() {
        IMAGE_COLUMN => Some(Column { name: name.clone(), values: images.take()? }),
        PATH_COLUMN => Some(Column { name: name.clone(), values: paths.clone() }),
        _ => rest.next(),
    });
    table(ordered.collect())
}

fn table(columns: Vec<Column>) -> Result<Table, ReadError> {
    Table::new(columns).map_err(|error| ReadError::NotTheFormat { format: "a table", detail: error.to_string() })
}
