//! The queue is the `jobs` table.
//!
//! A job is claimed under a lease with a token, and the claim is committed before any work starts. Whatever the
//! worker writes carries the token; once the lease has run out and another has claimed the job, the old token
//! writes nothing. What a job leaves and the terminal status land in one transaction, so a job that succeeded has its
//! results and a job that did not has none. Every change writes its events in its own transaction, while it holds the
//! job's row, so that their sequence has no gaps. The parts of a comparison are a small queue of their own, [`parts`].

mod diagnosis;
mod held;
mod lease;
mod parts;
mod queue;
mod read;
mod row;
mod types;

pub use parts::{PartHand, Standing, TakePart};
pub use types::{
    Beat, Enqueue, EventKind, Finish, Heartbeat, JobEvent, JobFilter, NewJob, NewResults, News, QueueStats, Written,
};
