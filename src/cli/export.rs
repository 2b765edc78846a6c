//! `evenkeel export`: a trained model as a file that other programs run.

use std::io::Write;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::CliError;
use super::files;
use crate::ml::onnx::{Provenance, export};

/// Settings of `evenkeel export`.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// The directory that `evenkeel train` wrote.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// What to write: the whole pipeline, from raw columns to labels, as ONNX.
    #[arg(long, value_enum, default_value = "onnx")]
    format: Format,
    /// Where the file goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What the file's metadata call the model; nothing if it is left out.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// The formats of exported models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Onnx,
}

pub(super) fn run(args: &ExportArgs) -> Result<(), CliError> {
    let (model, artifact) = files::read_model(&args.model)?;
    let sha256 = format!("{:x}", Sha256::digest(&artifact));
    let program_version = env!("CARGO_PKG_VERSION").to_owned();
    let provenance = Provenance { name: args.name.clone(), version: None, sha256, program_version };
    let bytes = match args.format {
        Format::Onnx => export(&model, &provenance).map_err(|error| CliError::work("the model", error))?,
    };
    files::write_whole(&args.out, |out| out.write_all(&bytes))
}
