//! Files that belong to nothing yet.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use uuid::Uuid;

use super::BlobStore;

/// Where files without a name are made; cheap to clone.
#[derive(Debug, Clone)]
pub struct Scratch {
    directory: PathBuf,
}

impl Scratch {
    /// Makes files in this directory, which is there.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// A new file whose name is gone, so that nothing is left of it whatever happens to this process.
    pub fn file(&self) -> io::Result<File> {
        let path = self.directory.join(Uuid::now_v7().to_string());
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }
}

impl BlobStore {
    /// Where files are made while they grow.
    pub fn scratch(&self) -> Scratch {
        Scratch::new(&self.spool_dir)
    }
}
