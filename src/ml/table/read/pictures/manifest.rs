//! A table in an archive that names its pictures.

use std::collections::HashMap;
use std::ops::ControlFlow;

use bytes::Bytes;

use super::plan::{Listed, Rows};
use super::{IMAGE_COLUMN, PATH_COLUMN, junk};
use crate::ml::archive::{Archive, Entry, EntryFault, RandomAccess, contents, raw};
use crate::ml::table::cell::shown;
use crate::ml::table::read::error::{Problems, ReadError};
use crate::ml::table::read::load::load_present;
use crate::ml::table::read::{MemorySource, ReadOptions};
use crate::ml::table::{ColumnType, TableFormat, Values};

/// What a manifest is called, in any capitals.
const NAMES: [&str; 3] = ["manifest.csv", "manifest.ndjson", "manifest.jsonl"];
/// What the column of paths may be called, the first that there is.
const PATH_COLUMNS: [&str; 2] = [PATH_COLUMN, "file_name"];

/// The manifest of an archive: the one that is asked for, or the one with such a name that lies least deep, at most one
/// folder down.
///
/// # Errors
/// If the one that is asked for is not there, or there are two.
pub(super) fn find<'a>(archive: &'a Archive, wanted: Option<&str>) -> Result<Option<&'a Entry>, ReadError> {
    if let Some(wanted) = wanted {
        let found = archive.entries.iter().find(|entry| entry.path == wanted);
        let missing =
            || problem(None, format!("the archive has no file {}, which is to be its manifest", shown(wanted)));
        return found.ok_or_else(missing).map(Some);
    }
    let depth = |entry: &Entry| entry.path.matches('/').count();
    let is_manifest = |entry: &&Entry| {
        let name = entry.path.rsplit('/').next().unwrap_or_default();
        !junk::is_junk(&entry.path) && NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)) && depth(entry) <= 1
    };
    let found: Vec<&Entry> = archive.entries.iter().filter(is_manifest).collect();
    let Some(least) = found.iter().map(|entry| depth(entry)).min() else { return Ok(None) };
    match found.iter().filter(|entry| depth(entry) == least).collect::<Vec<_>>()[..] {
        [entry] => Ok(Some(entry)),
        ref several => {
            let names: Vec<String> = several.iter().map(|entry| shown(&entry.path)).collect();
            let detail =
                format!("there are several manifests, {}; say which by the parameter manifest", names.join(", "));
            Err(problem(None, detail))
        }
    }
}

/// The rows of a manifest, each with the file that it names.
///
/// # Errors
/// Every row that names none, or one that another row names.
pub(super) fn listed<R: RandomAccess>(
    source: &R,
    archive: &Archive,
    manifest: &Entry,
    options: &ReadOptions<'_>,
) -> Result<Listed, ReadError> {
    let format = format_of(&manifest.path)?;
    let bytes = read(source, manifest, options.limits.pictures.max_manifest_bytes)?;
    let table = ReadOptions { format: &format, ..*options };
    let wanted = PATH_COLUMNS.map(|name| (name.to_owned(), ColumnType::Categorical));
    let step = &mut |_| ControlFlow::Continue(());
    let (columns, names) = load_present(MemorySource::new(bytes.clone()), &table, &wanted, u64::MAX, step)?;
    let found = PATH_COLUMNS.iter().zip(columns).find_map(|(name, values)| Some((*name, values?)));
    let Some((path_column, paths)) = found else {
        let detail = "the manifest needs this column, with the path of each picture in the archive".to_owned();
        return Err(problem(PATH_COLUMNS.first().copied(), detail));
    };
    if names.iter().any(|name| name == IMAGE_COLUMN) {
        let detail = "the manifest must not have this column: the pictures themselves are it".to_owned();
        return Err(problem(Some(IMAGE_COLUMN), detail));
    }
    let folder = manifest.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let entries = entries(archive, folder, path_column, &paths, options.limits.max_errors)?;
    let (path_column, manifest) = (path_column.to_owned(), Some(manifest.path.clone()));
    Ok(Listed { rows: Rows { bytes, format, path_column, manifest }, entries })
}

fn format_of(path: &str) -> Result<TableFormat, ReadError> {
    match path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
        Some("csv") => Ok(TableFormat::Csv { delimiter: ',', header: true }),
        Some("ndjson" | "jsonl") => Ok(TableFormat::Ndjson),
        _ => Err(problem(None, format!("{}: a manifest ends in .csv, .ndjson or .jsonl", shown(path)))),
    }
}

fn read<R: RandomAccess>(source: &R, manifest: &Entry, limit_bytes: u64) -> Result<Bytes, ReadError> {
    let fits = manifest.compressed_bytes <= limit_bytes;
    let too_large = EntryFault::TooLarge { bytes: manifest.compressed_bytes, limit_bytes };
    let raw = if fits { raw(source, manifest) } else { Err(too_large) };
    raw.and_then(|raw| contents(manifest, &raw, limit_bytes)).map_err(|fault| match fault {
        EntryFault::Read(source) => ReadError::Read(source),
        fault => problem(None, format!("{}: {fault}", shown(&manifest.path))),
    })
}

/// The file of each row. Paths are those from the manifest's folder, else from the outermost.
fn entries(
    archive: &Archive,
    folder: &str,
    column: &str,
    paths: &Values,
    max_errors: usize,
) -> Result<Vec<usize>, ReadError> {
    let by_path: HashMap<&str, usize> =
        archive.entries.iter().enumerate().map(|(index, entry)| (entry.path.as_str(), index)).collect();
    let mut problems = Problems::new(max_errors);
    let mut taken = HashMap::new();
    let mut entries = Vec::with_capacity(paths.len());
    for row in 0..paths.len() {
        let number = row as u64 + 1;
        let Some(path) = paths.text(row) else {
            problems.push(number, Some(column), "the row names no picture");
            continue;
        };
        let plain = path.trim_start_matches("./");
        let beside = if folder.is_empty() { plain.to_owned() } else { format!("{folder}/{plain}") };
        let Some(&entry) = by_path.get(beside.as_str()).or_else(|| by_path.get(plain)) else {
            problems.push(number, Some(column), format!("the archive has no file {}", shown(&path)));
            continue;
        };
        if let Some(first) = taken.insert(entry, number) {
            problems.push(number, Some(column), format!("row {first} has this picture already"));
        }
        entries.push(entry);
    }
    if problems.is_empty() { Ok(entries) } else { Err(problems.into_error(false)) }
}

fn problem(column: Option<&str>, detail: String) -> ReadError {
    let mut problems = Problems::new(1);
    problems.push(0, column, detail);
    problems.into_error(false)
}
