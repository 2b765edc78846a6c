//! What the clients asked for and were told, and what it is held against.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::events::Event;

/// The clients' memory over all servers.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) uploads: Vec<Upload>,
    pub(super) posts: Vec<Post>,
    /// By model, the bits of the probabilities of the same rows.
    pub(super) predictions: BTreeMap<String, Vec<u64>>,
    /// By job, what its followers were told.
    pub(super) events: BTreeMap<String, Vec<Event>>,
    kills: Vec<Kill>,
}

/// An upload. Its name is its own.
#[derive(Clone)]
pub(super) struct Upload {
    pub(super) name: String,
    pub(super) key: Option<String>,
    pub(super) rows: usize,
    /// The dataset that it was answered, if it was.
    pub(super) answer: Option<Value>,
}

/// A job as posted. Its seed is its own.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) seed: u64,
    pub(super) key: Option<String>,
    pub(super) body: Value,
    pub(super) answer: Option<Value>,
    /// Somebody asked to cancel it and may have been heard.
    pub(super) cancel_asked: bool,
    /// A wish to cancel was answered before the job had ended.
    pub(super) cancel_heard: bool,
    /// As it was last seen.
    pub(super) last: Option<Value>,
}

struct Kill {
    at: String,
    staged: usize,
    uploads_cut: usize,
}

/// What the kills hit.
#[derive(Debug)]
#[expect(dead_code, reason = "most of it is only printed")]
pub(super) struct Hits {
    kills: usize,
    /// Kills with a request to upload under way.
    during_uploads: usize,
    /// Of these, those that left bytes of an upload or of a model half-way.
    with_bytes_staged: usize,
    /// Kills with a job under way.
    during_jobs: usize,
    uploads_cut: usize,
    attempts_cut: usize,
    datasets_answered: usize,
    jobs_by_status: BTreeMap<String, usize>,
    models: usize,
}

impl Hits {
    /// A test that never hits anything shows nothing.
    pub(super) fn assert_some_of_each(&self) {
        assert!(self.with_bytes_staged > 0 && self.during_uploads > 0, "no upload was hit: {self:#?}");
        assert!(self.during_jobs > self.kills / 10, "hardly a job was hit: {self:#?}");
        assert!(self.models > 0, "no job succeeded: {self:#?}");
    }
}

impl Ledger {
    pub(super) fn shared() -> Arc<Mutex<Ledger>> {
        Arc::default()
    }

    pub(super) fn new_upload(&mut self, rows: usize, with_key: bool) -> Upload {
        let name = format!("upload-{}", self.uploads.len());
        let key = with_key.then(|| name.clone());
        let upload = Upload { name, key, rows, answer: None };
        self.uploads.push(upload.clone());
        upload
    }

    /// Notes what an upload was answered; a second answer must be the first one.
    pub(super) fn uploaded(&mut self, name: &str, dataset: Value) {
        let upload = self.uploads.iter_mut().find(|upload| upload.name == name).unwrap();
        assert_same(&mut upload.answer, dataset);
    }

    /// Completes a job with its own seed and notes it.
    pub(super) fn new_post(&mut self, mut body: Value, with_key: bool) -> Post {
        let seed = self.posts.len() as u64;
        body["seed"] = seed.into();
        let key = with_key.then(|| format!("post-{seed}"));
        let post = Post { seed, key, body, answer: None, cancel_asked: false, cancel_heard: false, last: None };
        self.posts.push(post.clone());
        post
    }

    /// Notes what a posted job was answered, as for an upload.
    pub(super) fn posted(&mut self, seed: u64, job: Value) {
        assert_same(&mut self.post(seed).answer, job);
    }

    pub(super) fn post(&mut self, seed: u64) -> &mut Post {
        self.posts.iter_mut().find(|post| post.seed == seed).expect("the job is one that was posted")
    }

    /// Notes one event; followers miss none and get none twice.
    pub(super) fn heard(&mut self, job_id: &str, event: Event) {
        let events = self.events.entry(job_id.to_owned()).or_default();
        let next = events.last().map_or(1, |last| last.id + 1);
        assert_eq!(event.id, next, "job {job_id}: {event:?} after {:?}", events.last());
        events.push(event);
    }

    /// A model predicts the same, to the last bit, as long as it is there.
    pub(super) fn predicted(&mut self, model_id: &str, bits: Vec<u64>) {
        let before = self.predictions.entry(model_id.to_owned()).or_insert_with(|| bits.clone());
        assert_eq!(*before, bits, "model {model_id} predicts differently");
    }

    pub(super) fn killed(&mut self, at: String, staged: usize, uploads_cut: usize) {
        self.kills.push(Kill { at, staged, uploads_cut });
    }

    /// Counts, after the end. Fails if an attempt was lost without a kill or outlived one.
    pub(super) fn hits(&self) -> Hits {
        let mut hit = vec![false; self.kills.len()];
        let mut attempts_cut = 0;
        let mut jobs_by_status: BTreeMap<String, usize> = BTreeMap::new();
        for job in self.posts.iter().filter_map(|post| post.last.as_ref()) {
            *jobs_by_status.entry(text(&job["status"])).or_default() += 1;
            for kill in self.kills_of_attempts(job) {
                hit[kill] = true;
                attempts_cut += 1;
            }
        }
        Hits {
            kills: self.kills.len(),
            during_uploads: self.kills.iter().filter(|kill| kill.uploads_cut > 0).count(),
            with_bytes_staged: self.kills.iter().filter(|kill| kill.staged > 0).count(),
            during_jobs: hit.iter().filter(|hit| **hit).count(),
            uploads_cut: self.kills.iter().map(|kill| kill.uploads_cut).sum(),
            attempts_cut,
            datasets_answered: self.uploads.iter().filter(|upload| upload.answer.is_some()).count(),
            jobs_by_status,
            models: self.predictions.len(),
        }
    }

    /// Which kill ended each attempt that a kill ended. An attempt is its worker's alone: it ends as lost exactly
    /// when there was a kill in it.
    fn kills_of_attempts(&self, job: &Value) -> Vec<usize> {
        let transitions = job["transitions"].as_array().unwrap();
        let mut kills = Vec::new();
        for (index, start) in transitions.iter().enumerate().filter(|(_, start)| start["status"] == "running") {
            let mut later = transitions[index + 1..].iter();
            let end = later.find(|next| next["status"] != "cancelling").expect("the job has ended");
            let (from, to) = (text(&start["at"]), text(&end["at"]));
            let kill = self.kills.iter().position(|kill| from < kill.at && kill.at < to);
            let last_attempt = job["attempt"] == job["max_attempts"];
            let lost = match end["status"].as_str().unwrap() {
                "queued" => true,
                "failed" => last_attempt && job["failure"]["code"] == "worker-lost",
                // A worker sees the wish to cancel, or is lost and its successor's sweeper does.
                "cancelled" => kill.is_some(),
                _ => false,
            };
            assert_eq!(lost, kill.is_some(), "an attempt is lost exactly by a kill: {job:#}");
            kills.extend(kill);
        }
        kills
    }
}

fn assert_same(known: &mut Option<Value>, told: Value) {
    match known {
        Some(known) => assert_eq!(*known, told, "the same request is answered differently"),
        None => *known = Some(told),
    }
}

/// A JSON string.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
