//! Data files and output files of the commands that work without a server.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::CliError;
use crate::ml::json;
use crate::ml::model::Model;
use crate::ml::picture::PictureSpec;
use crate::ml::table::{
    ColumnType, DEFAULT_MISSING, PATH_COLUMN, Profile, ReadOptions, Table, TableFormat, TableLimits, Values, load,
    profile,
};

/// The artifact's name in the directory that `evenkeel train` writes.
pub(super) const ARTIFACT: &str = "model.safetensors";

/// How large a file may be.
pub(super) const LIMITS: TableLimits = TableLimits::STANDARD;

/// A file with rows, its format told by its name.
pub(super) struct DataFile {
    path: PathBuf,
    format: TableFormat,
    limits: TableLimits,
}

impl DataFile {
    /// # Errors
    /// If the name has none of the known endings.
    pub(super) fn named(path: &Path) -> Result<Self, CliError> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
        let format = match ending.as_str() {
            "csv" => TableFormat::Csv { delimiter: ',', header: true },
            "tsv" => TableFormat::Csv { delimiter: '\t', header: true },
            "ndjson" | "jsonl" => TableFormat::Ndjson,
            "parquet" => TableFormat::Parquet,
            "arrow" | "arrows" => TableFormat::ArrowStream,
            "zip" => TableFormat::Zip { manifest: None },
            _ => {
                let expected = ".csv, .tsv, .ndjson, .parquet, .arrow or .zip";
                return Err(CliError::Usage(format!("{}: expected a file ending in {expected}", path.display())));
            }
        };
        Ok(Self { path: path.to_owned(), format, limits: LIMITS })
    }

    pub(super) fn format(&self) -> &TableFormat {
        &self.format
    }

    /// Types, counts and summaries of all columns.
    pub(super) fn profile(&self) -> Result<Profile, CliError> {
        let markers = missing_markers();
        profile(self.open()?, &self.options(&markers, None), &BTreeMap::new(), &mut |_| ControlFlow::Continue(()))
            .map_err(|error| CliError::work(self.path.display().to_string(), error))
    }

    /// The whole file with the types that profiling found.
    pub(super) fn load(&self, profile: &Profile) -> Result<Table, CliError> {
        let columns: Vec<(String, ColumnType)> =
            profile.columns.iter().map(|column| (column.name.clone(), column.column_type)).collect();
        self.load_columns(&columns, &missing_markers(), None)
    }

    /// The file as `model` reads it: its features with their types, any other column as it is found; and of pictures their
    /// paths.
    pub(super) fn load_for(&self, model: &Model) -> Result<(Table, Option<Values>), CliError> {
        let profile = self.profile()?;
        let inputs = model.inputs();
        let mut columns: Vec<(String, ColumnType)> = profile
            .columns
            .iter()
            .map(|column| {
                let input = inputs.iter().find(|input| input.name == column.name);
                (column.name.clone(), input.map_or(column.column_type, |input| input.column_type))
            })
            .collect();
        let has_paths = matches!(self.format, TableFormat::Zip { .. });
        columns.extend(has_paths.then(|| (PATH_COLUMN.to_owned(), ColumnType::Categorical)));
        let table = self.load_columns(&columns, &model.missing_markers, model.picture_spec())?;
        let paths = table.column(PATH_COLUMN).filter(|_| has_paths).map(|column| column.values.clone());
        Ok((table, paths))
    }

    fn load_columns(
        &self,
        columns: &[(String, ColumnType)],
        markers: &[String],
        pictures: Option<PictureSpec>,
    ) -> Result<Table, CliError> {
        load(self.open()?, &self.options(markers, pictures), columns, &mut |_| ControlFlow::Continue(()))
            .map_err(|error| CliError::work(self.path.display().to_string(), error))
    }

    fn options<'a>(&'a self, missing_markers: &'a [String], pictures: Option<PictureSpec>) -> ReadOptions<'a> {
        ReadOptions { format: &self.format, missing_markers, limits: &self.limits, pictures }
    }

    pub(super) fn open(&self) -> Result<File, CliError> {
        File::open(&self.path).map_err(|source| CliError::File { path: self.path.clone(), source })
    }
}

/// The model in a directory that `evenkeel train` wrote, and the artifact's bytes.
pub(super) fn read_model(directory: &Path) -> Result<(Model, Vec<u8>), CliError> {
    let path = directory.join(ARTIFACT);
    let bytes = std::fs::read(&path).map_err(|source| CliError::File { path: path.clone(), source })?;
    let model = Model::from_bytes(&bytes).map_err(|error| CliError::work(path.display().to_string(), error))?;
    Ok((model, bytes))
}

/// What counts as missing in a file, besides the empty field.
pub(super) fn missing_markers() -> Vec<String> {
    DEFAULT_MISSING.iter().map(|&marker| marker.to_owned()).collect()
}

/// Reads a configuration: JSON, in which no object has a member twice.
pub(super) fn read_json(path: &Path) -> Result<Value, CliError> {
    let text = std::fs::read(path).map_err(|source| CliError::File { path: path.to_owned(), source })?;
    let read = json::parse(&text).map_err(|error| CliError::work(path.display().to_string(), error))?;
    if read.repeated.is_empty() {
        return Ok(read.value);
    }
    let twice = read.repeated.join(", ");
    Err(CliError::Usage(format!("{}: there more than once: {twice}", path.display())))
}

/// Writes a file so that it is there whole or not at all: beside its place first, then renamed.
pub(super) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), CliError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let attempt = || -> std::io::Result<()> {
        let mut out = BufWriter::new(File::create(&partial)?);
        write(&mut out)?;
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&partial, path)
    };
    attempt().map_err(|source| {
        // The first error is the one to tell; a leftover partial file is visible by its name.
        let _ = std::fs::remove_file(&partial);
        CliError::File { path: path.to_owned(), source }
    })
}

/// Runs `work` with at most `threads` threads for numeric work; 0 means one per core.
pub(super) fn with_threads<T: Send>(
    threads: usize,
    work: impl FnOnce() -> Result<T, CliError> + Send,
) -> Result<T, CliError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| CliError::work("the threads cannot be started", error))?.install(work)
}
