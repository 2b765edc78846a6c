//! Blobs: whole or not at all, checked when read; in a directory and in an object store.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use evenkeel::clock::ManualClock;
use evenkeel::store::{BlobStore, StoreError};
use futures::{StreamExt, TryStreamExt, stream};
use tempfile::TempDir;

use crate::support::now;

// printf 'hello blob' | sha256sum
const HELLO: &[u8] = b"hello blob";
const HELLO_SHA256: &str = "e997afd18e5f6be004fc193aed2c90291e68ab2c7599a62538c935b7fca6ab0f";

struct Place {
    blobs: BlobStore,
    directory: TempDir,
}

fn local() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}", directory.path().join("b").display());
    place(directory, &url)
}

/// An object store that is not a directory: what is opened as a file is spooled.
fn distant() -> Place {
    place(tempfile::tempdir().unwrap(), "memory:///prefix")
}

fn place(directory: TempDir, url: &str) -> Place {
    let clock = Arc::new(ManualClock::at(now()));
    let blobs = BlobStore::connect(url, &[], &directory.path().join("spool"), clock).unwrap();
    Place { blobs, directory }
}

fn whole(bytes: &'static [u8]) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> + Send {
    stream::iter(bytes.chunks(3).map(|chunk| Ok(Bytes::from_static(chunk))))
}

fn text(mut file: std::fs::File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn what_is_stored_comes_back_in_every_way() {
    for Place { blobs, directory } in [local(), distant()] {
        let staged = blobs.stage(whole(HELLO), 10).await.unwrap();
        assert_eq!((staged.sha256.as_str(), staged.size_bytes), (HELLO_SHA256, 10));
        assert!(!blobs.exists(HELLO_SHA256).await.unwrap());
        assert_eq!(text(blobs.open_staged(&staged).await.unwrap()), HELLO);
        assert_eq!(blobs.keep(staged).await.unwrap(), HELLO_SHA256);
        assert!(blobs.exists(HELLO_SHA256).await.unwrap());
        assert_eq!(blobs.get(HELLO_SHA256, 10).await.unwrap(), HELLO);
        assert_eq!(text(blobs.open(HELLO_SHA256).await.unwrap()), HELLO);
        let (size, bytes) = blobs.stream(HELLO_SHA256).await.unwrap();
        let parts: Vec<Bytes> = bytes.try_collect().await.unwrap();
        assert_eq!((size, parts.concat().as_slice()), (10, HELLO));
        assert_eq!(blobs.put(Bytes::from_static(HELLO)).await.unwrap(), HELLO_SHA256);
        let spooled = std::fs::read_dir(directory.path().join("spool")).unwrap().count();
        assert_eq!(spooled, 0, "spooled files have no names");
    }
}

#[tokio::test]
async fn empty_and_discarded() {
    for Place { blobs, .. } in [local(), distant()] {
        let staged = blobs.stage(whole(b""), 0).await.unwrap();
        let sha256 = blobs.keep(staged).await.unwrap();
        assert_eq!(blobs.get(&sha256, 0).await.unwrap(), Bytes::new());
        let staged = blobs.stage(whole(HELLO), 10).await.unwrap();
        blobs.discard(staged).await.unwrap();
        assert!(!blobs.exists(HELLO_SHA256).await.unwrap());
    }
}

#[tokio::test]
async fn a_stream_that_fails_or_is_too_long_leaves_nothing() {
    let Place { blobs, directory } = local();
    let torn = stream::iter([Ok(Bytes::from_static(HELLO)), Err(std::io::Error::other("gone"))]);
    assert!(matches!(blobs.stage(torn, 100).await, Err(StoreError::BodyBroken { .. })));
    let long = blobs.stage(whole(HELLO), 9).await;
    assert!(matches!(long, Err(StoreError::TooLarge { limit_bytes: 9 })));
    assert_eq!(files(&directory.path().join("b")), Vec::<String>::new());
}

fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path.display().to_string()] }).collect()
}

#[tokio::test]
async fn a_stream_larger_than_a_part_is_stored_whole() {
    const CHUNK: usize = 1 << 20;
    for Place { blobs, .. } in [local(), distant()] {
        let chunks = (0..13u8).map(|fill| Ok::<_, std::io::Error>(Bytes::from(vec![fill; CHUNK])));
        let staged = blobs.stage(stream::iter(chunks), 1 << 30).await.unwrap();
        assert_eq!(staged.size_bytes, 13 << 20);
        let sha256 = blobs.keep(staged).await.unwrap();
        let bytes = blobs.get(&sha256, 1 << 30).await.unwrap();
        assert!(bytes.chunks(CHUNK).zip(0..13u8).all(|(chunk, fill)| chunk.iter().all(|&byte| byte == fill)));
        assert!(matches!(blobs.get(&sha256, 5).await, Err(StoreError::TooLarge { limit_bytes: 5 })));
    }
}

#[tokio::test]
async fn damage_is_found_in_every_way_of_reading() {
    let Place { blobs, directory } = local();
    blobs.put(Bytes::from_static(HELLO)).await.unwrap();
    let path = directory.path().join("b/blobs").join(&HELLO_SHA256[..2]).join(HELLO_SHA256);
    std::fs::write(path, b"hello blub").unwrap();
    assert!(matches!(blobs.get(HELLO_SHA256, 10).await, Err(StoreError::BlobCorrupt { .. })));
    assert!(matches!(blobs.open(HELLO_SHA256).await, Err(StoreError::BlobCorrupt { .. })));
    let (_, bytes) = blobs.stream(HELLO_SHA256).await.unwrap();
    let parts: Vec<Result<Bytes, StoreError>> = bytes.collect().await;
    assert!(matches!(parts.last(), Some(Err(StoreError::BlobCorrupt { .. }))));
}

#[tokio::test]
async fn what_is_not_there_is_missing() {
    for Place { blobs, .. } in [local(), distant()] {
        for key in [HELLO_SHA256, "../../../etc/passwd", ""] {
            assert!(matches!(blobs.get(key, 10).await, Err(StoreError::BlobMissing { .. })), "{key}");
            assert!(matches!(blobs.open(key).await, Err(StoreError::BlobMissing { .. })), "{key}");
            assert!(matches!(blobs.stream(key).await, Err(StoreError::BlobMissing { .. })), "{key}");
        }
        assert!(!blobs.exists(HELLO_SHA256).await.unwrap());
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_used_is_refused() {
    let spool = tempfile::tempdir().unwrap();
    for url in ["", "not a url", "ftp://host/x", "file://host.example/x"] {
        let clock = Arc::new(ManualClock::at(now()));
        let refused = BlobStore::connect(url, &[], spool.path(), clock);
        assert!(matches!(refused, Err(StoreError::Address { .. })), "{url}");
    }
}
