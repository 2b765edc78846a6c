//! From a URL to an object store.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use url::Url;

use crate::store::Result;
use crate::store::engine::address;

pub(super) struct Opened {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) root: Option<PathBuf>,
}

pub(super) fn open(url: &str, options: &[(String, String)]) -> Result<Opened> {
    let url = Url::parse(url).map_err(|source| address("blob store", source))?;
    if url.scheme() == "file" {
        return open_directory(&url);
    }
    let (store, prefix) = object_store::parse_url_opts(&url, options.iter().map(|(key, value)| (key, value.clone())))
        .map_err(|source| address("blob store", source))?;
    Ok(Opened { store: Arc::new(PrefixStore::new(store, prefix)), root: None })
}

/// Written files and their directories are flushed to the disk before a write is said to be done.
fn open_directory(url: &Url) -> Result<Opened> {
    let root = url.to_file_path().map_err(|()| address("blob store", "it names no local directory"))?;
    for part in ["staging", "blobs"] {
        std::fs::create_dir_all(root.join(part)).map_err(|source| address("blob store", source))?;
    }
    let store = LocalFileSystem::new_with_prefix(&root).map_err(|source| address("blob store", source))?;
    Ok(Opened { store: Arc::new(store.with_fsync(true)), root: Some(root) })
}
