//! What the tests share: the program under test, a checking client, the contract, data.

pub(crate) mod app;
pub(crate) mod client;
pub(crate) mod contract;
pub(crate) mod data;
pub(crate) mod events;
pub(crate) mod inference;
pub(crate) mod raw;
