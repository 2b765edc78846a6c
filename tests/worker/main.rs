//! The worker, with engines that do as they are told, over a real store on both databases.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "../store/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the store, which use all of it")]
mod support;

mod bench;
mod cancels;
mod checkpoints;
mod endings;
mod order;
mod sharing;
mod stops;
mod storage;
