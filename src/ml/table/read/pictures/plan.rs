//! What an archive holds: the rows of a table, each with the file of its picture.

use bytes::Bytes;

use super::{folders, junk, manifest, opened};
use crate::ml::archive::{Archive, RandomAccess};
use crate::ml::table::read::ReadOptions;
use crate::ml::table::read::error::ReadError;
use crate::ml::table::{ImageFile, TableFormat};

/// The table beside the pictures.
pub(super) struct Rows {
    pub(super) bytes: Bytes,
    pub(super) format: TableFormat,
    /// The column that names the pictures.
    pub(super) path_column: String,
    /// The path of the file that it comes from; `None` if it was made of the names of folders.
    pub(super) manifest: Option<String>,
}

/// Rows, each with its file.
pub(super) struct Listed {
    pub(super) rows: Rows,
    /// The place in the archive of each row's picture.
    pub(super) entries: Vec<usize>,
}

/// An archive that has been understood, but for its pictures.
pub(super) struct Plan {
    pub(super) archive: Archive,
    pub(super) listed: Listed,
}

/// Opens an archive and finds its rows.
///
/// # Errors
/// See [`ReadError`]; all mistakes of one kind at once.
pub(super) fn plan<R: RandomAccess>(source: &R, options: &ReadOptions<'_>) -> Result<Plan, ReadError> {
    let wanted = match options.format {
        TableFormat::Zip { manifest } => manifest.as_deref(),
        _ => None,
    };
    let archive = opened(source, options.limits)?;
    let listed = match manifest::find(&archive, wanted)? {
        Some(manifest) => manifest::listed(source, &archive, manifest, options)?,
        None => folders::listed(&archive, options.limits.max_errors)?,
    };
    Ok(Plan { archive, listed })
}

impl Plan {
    /// How the rows are read. No name of a folder means that there is none.
    pub(super) fn options<'a>(&'a self, options: &ReadOptions<'a>) -> ReadOptions<'a> {
        let markers = if self.is_of_folders() { &[] } else { options.missing_markers };
        ReadOptions { format: &self.listed.rows.format, missing_markers: markers, ..*options }
    }

    pub(super) fn is_of_folders(&self) -> bool {
        self.listed.rows.manifest.is_none()
    }

    /// The path of a row's picture.
    pub(super) fn path(&self, row: usize) -> &str {
        let entry = self.listed.entries.get(row).and_then(|&entry| self.archive.entries.get(entry));
        entry.map_or("", |entry| entry.path.as_str())
    }

    /// Files that are no rows, in the order of the archive: how many, and the first of them with the reason.
    pub(super) fn others(&self, most: usize) -> (u64, Vec<ImageFile>) {
        let mut is_row = vec![false; self.archive.entries.len()];
        for &entry in &self.listed.entries {
            if let Some(is_row) = is_row.get_mut(entry) {
                *is_row = true;
            }
        }
        let others = || {
            let entries = self.archive.entries.iter().zip(&is_row);
            let manifest = self.listed.rows.manifest.as_deref();
            entries.filter(move |(entry, is_row)| !**is_row && manifest != Some(entry.path.as_str()))
        };
        let reason = |path: &str| match (junk::is_junk(path), junk::is_picture(path)) {
            (true, _) => "what a file manager left behind",
            (false, true) => "no row of the manifest names it",
            (false, false) => "no picture by its name",
        };
        let shown = others()
            .take(most)
            .map(|(entry, _)| ImageFile { path: entry.path.clone(), reason: reason(&entry.path).to_owned() });
        (others().count() as u64, shown.collect())
    }
}
