//! What is on the disk while no server runs, and what the sweeper makes of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// How long a sweep may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than the documented age of what is swept: a day for unfinished uploads, an hour for blobs without a name.
const OLD: Duration = Duration::from_secs(25 * 3_600);

/// The directory of the blobs.
pub(super) struct Disk {
    root: PathBuf,
    /// Blobs whose bytes have been read and hashed: they never change.
    verified: BTreeSet<PathBuf>,
    /// Those of them that are checkpoints of training, which go as soon as a later one or the model is there.
    checkpoints: BTreeSet<PathBuf>,
    staged: BTreeSet<PathBuf>,
}

impl Disk {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self {
            root: data_dir.join("blobs"),
            verified: BTreeSet::new(),
            checkpoints: BTreeSet::new(),
            staged: BTreeSet::new(),
        }
    }

    /// Every blob is whole and named by its hash; what is not whole is in the staging directory. Answers how many
    /// staged files there are that were not there the last time.
    pub(super) fn check_at_rest(&mut self) -> usize {
        let parts: BTreeSet<PathBuf> = entries(&self.root).into_iter().collect();
        assert_eq!(parts, BTreeSet::from(["blobs", "staging"].map(|part| self.root.join(part))));
        for blob in self.blobs() {
            if !self.verified.contains(&blob) {
                if verify(&blob) {
                    self.checkpoints.insert(blob.clone());
                }
                self.verified.insert(blob);
            }
        }
        let kept = self.verified.difference(&self.checkpoints);
        assert!(kept.into_iter().all(|blob| blob.exists()), "a blob went away though none is old");
        let staged: BTreeSet<PathBuf> = entries(&self.root.join("staging")).into_iter().collect();
        let new = staged.difference(&self.staged).count();
        self.staged = staged;
        new
    }

    pub(super) fn count_blobs(&self) -> usize {
        self.blobs().len()
    }

    /// Makes every file older than the sweeper spares.
    pub(super) fn age_everything(&self) {
        for path in self.blobs().into_iter().chain(entries(&self.root.join("staging"))) {
            let file = fs::File::options().append(true).open(path).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            file.set_modified(modified - OLD).unwrap();
        }
    }

    /// Waits until nothing is staged and the blobs are those that have a name, and the dossiers of models, whose names
    /// nobody is told.
    pub(super) async fn wait_until_swept(&self, named: &BTreeSet<String>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let staged = entries(&self.root.join("staging"));
            let blobs: BTreeSet<String> =
                self.blobs().iter().filter(|blob| !is_dossier(blob)).map(|blob| file_name(blob)).collect();
            if staged.is_empty() && blobs == *named {
                return;
            }
            assert!(Instant::now() < deadline, "staged: {staged:?}\nblobs: {blobs:#?}\nnamed: {named:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn blobs(&self) -> Vec<PathBuf> {
        entries(&self.root.join("blobs")).iter().flat_map(|directory| entries(directory)).collect()
    }
}

/// A dossier names itself in its header, which comes first.
fn is_dossier(blob: &Path) -> bool {
    let bytes = fs::read(blob).unwrap_or_default();
    bytes.windows(16).take(4_096).any(|window| window == b"evenkeel.dossier")
}

/// Whether the blob, whose bytes are those of its name, is a checkpoint.
fn verify(blob: &Path) -> bool {
    let (name, bytes) = (file_name(blob), fs::read(blob).unwrap());
    assert_eq!(name, hex(&Sha256::digest(&bytes)), "the bytes of a blob are not those of its name");
    assert_eq!(file_name(blob.parent().unwrap()), name[..2]);
    // A checkpoint names itself in its header, which comes first.
    let head = &bytes[..bytes.len().min(4_096)];
    head.windows(19).any(|window| window == b"evenkeel_checkpoint")
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A killed server leaves its successor nothing that is an error.
pub(super) fn assert_no_errors(log: &str) {
    let errors: Vec<&str> =
        log.lines().filter(|line| line.contains("\"ERROR\"") || line.contains("panicked")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
