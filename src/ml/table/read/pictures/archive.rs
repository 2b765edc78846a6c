//! An archive of pictures without anything beside them, to be asked about.

use std::ops::ControlFlow;

use super::stream::{Fault, PictureStream};
use super::{junk, opened};
use crate::ml::archive::{Archive, RandomAccess};
use crate::ml::picture::{PictureSpec, Pictures};
use crate::ml::table::read::TableLimits;
use crate::ml::table::read::error::{Problems, ReadError};

/// The pictures of an archive, by their names, in its order.
pub struct PictureArchive<R> {
    source: R,
    archive: Archive,
    entries: Vec<usize>,
}

impl<R: RandomAccess> PictureArchive<R> {
    /// # Errors
    /// See [`ReadError`]; also if there is no picture by its name.
    pub fn open(source: R, limits: &TableLimits) -> Result<Self, ReadError> {
        let archive = opened(&source, limits)?;
        let files = archive.entries.iter().enumerate();
        let pictures = files.filter(|(_, entry)| !junk::is_junk(&entry.path) && junk::is_picture(&entry.path));
        let entries: Vec<usize> = pictures.map(|(index, _)| index).collect();
        if entries.is_empty() {
            let mut problems = Problems::new(1);
            problems.push(0, None, "there is no picture in the archive");
            return Err(problems.into_error(false));
        }
        Ok(Self { source, archive, entries })
    }

    /// How many pictures there are.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    pub fn paths(&self) -> Vec<String> {
        let entries = self.entries.iter().filter_map(|&entry| self.archive.entries.get(entry));
        entries.map(|entry| entry.path.clone()).collect()
    }

    /// All pictures as `spec` wants them.
    ///
    /// # Errors
    /// Every picture that cannot be read, counted from 1.
    pub fn read(&self, spec: &PictureSpec, limits: &TableLimits) -> Result<Pictures, ReadError> {
        let stream = PictureStream {
            source: &self.source,
            archive: &self.archive,
            limits: &limits.pictures,
            entries: &self.entries,
        };
        let (mut pixels, paths) = (Vec::new(), self.paths());
        let mut problems = Problems::new(limits.max_errors);
        let mut take = |row: usize, found: Result<Vec<u8>, Fault>| {
            match found {
                Ok(picture) => pixels.extend_from_slice(&picture),
                Err(Fault::Unreadable(reason) | Fault::TooLarge(reason)) => {
                    let path = paths.get(row).map_or("", String::as_str);
                    problems.push(row as u64 + 1, None, format!("{path:?}: {reason}"));
                }
                // It has ended the work before.
                Err(Fault::Read(_)) => {}
            }
            if problems.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        stream.each(&|picture| picture.placed(spec), &mut take, &mut |_| ControlFlow::Continue(()))?;
        if !problems.is_empty() {
            return Err(problems.into_error(false));
        }
        Pictures::new(spec.shape, pixels)
            .map_err(|error| ReadError::NotTheFormat { format: "pictures of one shape", detail: error.to_string() })
    }
}
