//! One folder per class, as the manifest that says the same.

use super::plan::{Listed, Rows};
use super::{LABEL_COLUMN, PART_COLUMN, PATH_COLUMN, junk};
use crate::ml::archive::Archive;
use crate::ml::table::TableFormat;
use crate::ml::table::read::error::{Problems, ReadError};

/// What folders of the parts of a split are called, and the part that each means.
const PARTS: [(&str, &str); 8] = [
    ("train", "train"),
    ("training", "train"),
    ("val", "validation"),
    ("valid", "validation"),
    ("validation", "validation"),
    ("dev", "validation"),
    ("test", "test"),
    ("testing", "test"),
];

/// The pictures of an archive with the names of their folders. Folders that all pictures lie in say nothing; of the others
/// the outermost is the label, below folders that divide the pictures into parts.
///
/// # Errors
/// Every picture that lies in no folder.
pub(super) fn listed(archive: &Archive, max_errors: usize) -> Result<Listed, ReadError> {
    let mut problems = Problems::new(max_errors);
    let files = archive.entries.iter().enumerate();
    let files = files.filter(|(_, entry)| !junk::is_junk(&entry.path) && junk::is_picture(&entry.path));
    let pictures: Vec<(usize, Vec<&str>)> =
        files.map(|(index, entry)| (index, entry.path.split('/').collect())).collect();
    if pictures.is_empty() {
        problems.push(0, None, "there is no picture in the archive, and no manifest that names one");
    }
    for (_, parts) in pictures.iter().filter(|(_, parts)| parts.len() < 2) {
        let detail =
            "lies in no folder, so that its class is not known; make a folder for each class, or add a manifest";
        problems.push(0, None, format!("{:?}: {detail}", parts.concat()));
    }
    if !problems.is_empty() {
        return Err(problems.into_error(false));
    }
    let shared = shared_folders(&pictures);
    let divided = pictures.iter().all(|(_, parts)| parts.len() > shared + 2 && part(parts[shared]).is_some());
    let mut csv = ::csv::Writer::from_writer(Vec::new());
    let header = [PATH_COLUMN, PART_COLUMN, LABEL_COLUMN];
    let written = (|| {
        csv.write_record(header.iter().filter(|name| divided || **name != PART_COLUMN))?;
        for (_, parts) in &pictures {
            let path = parts.join("/");
            match part(parts[shared]).filter(|_| divided) {
                Some(part) => csv.write_record([path.as_str(), part, parts[shared + 1]])?,
                None => csv.write_record([path.as_str(), parts[shared]])?,
            }
        }
        csv.into_inner().map_err(|error| error.into_error().into())
    })();
    let bytes = written.map_err(|error: ::csv::Error| ReadError::Read(error.into()))?;
    let format = TableFormat::Csv { delimiter: ',', header: true };
    Ok(Listed {
        rows: Rows { bytes: bytes.into(), format, path_column: PATH_COLUMN.to_owned(), manifest: None },
        entries: pictures.into_iter().map(|(index, _)| index).collect(),
    })
}

/// How many folders, from the outermost on, all pictures lie in, with a folder below them.
fn shared_folders(pictures: &[(usize, Vec<&str>)]) -> usize {
    let Some((_, first)) = pictures.first() else { return 0 };
    let is_shared = |depth: usize| {
        pictures.iter().all(|(_, parts)| parts.len() > depth + 2 && parts.get(depth) == first.get(depth))
    };
    (0..first.len()).take_while(|&depth| is_shared(depth)).count()
}

fn part(folder: &str) -> Option<&'static str> {
    PARTS.iter().find(|(name, _)| folder.eq_ignore_ascii_case(name)).map(|(_, part)| *part)
}
