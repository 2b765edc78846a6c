//! A training run on its way, as bytes: what a run needs to go on as if it had never been interrupted.
//!
//! One safetensors file: of each member of an ensemble that was begun, the flat buffers of the network and, if it is
//! not finished, of the optimizer, the averaged and the best weights; and a JSON header that says how far each has come. All chance of an epoch comes from streams of its own, so of
//! those only their place is kept. A checkpoint names its task by a [`fingerprint`] of the configuration, the rows as
//! resampled and the program; that of any other task is refused. Everything in it is checked before use.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use super::fingerprint::fingerprint;
use super::layout::TensorPlace;
use super::network::Network;
use super::trainer::{NetworkTask, TrainedNetwork, batches};
use crate::ml::kernel::{Buffer, stride};
use crate::ml::observe::StoppedBy;

/// Larger checkpoints are neither written nor read.
pub const MAX_CHECKPOINT_BYTES: u64 = 1 << 29;
/// Changes when the same program version would read the file otherwise.
const FORMAT_VERSION: u32 = 2;
/// More than the header of a file takes.
const HEADER_BYTES: u64 = 1 << 20;
const HEADER_KEY: &str = "evenkeel_checkpoint";

/// Bytes that the task cannot go on from.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("the checkpoint has {bytes} bytes; at most {MAX_CHECKPOINT_BYTES} are kept")]
    TooLarge { bytes: u64 },
    #[error("the checkpoint is not a safetensors file")]
    NotSafetensors(#[source] safetensors::SafeTensorError),
    #[error("the checkpoint has no header")]
    NoHeader,
    #[error("the header of the checkpoint cannot be read")]
    Header(#[source] serde_json::Error),
    #[error("the checkpoint has format version {found}; this program reads version {FORMAT_VERSION}")]
    UnknownVersion { found: u64 },
    #[error("the checkpoint belongs to another configuration, other data or another program")]
    Foreign,
    #[error("the checkpoint contradicts itself: {what}")]
    Inconsistent { what: &'static str },
    #[error("the tensor {name:?} is missing, has another length or holds a value that it cannot have")]
    Tensor { name: String },
}

/// A number as its bits: JSON knows no infinity, and every bit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Bits(u64);

impl Bits {
    pub(super) fn of(value: f64) -> Self {
        Self(value.to_bits())
    }

    pub(super) fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// How far the network under way has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    /// The epoch under way, from 1; one more than were run when the last has ended.
    pub(super) epoch: usize,
    /// Its steps that are done.
    pub(super) batch: usize,
    /// The sum of its losses so far.
    pub(super) loss_sum: Bits,
    /// The places in its streams for augmentation and dropout.
    pub(super) words: [u64; 2],
    /// Steps or epochs that the averaged weights are of.
    pub(super) averaged: Option<u64>,
    /// Factor, best loss and epochs waited of a rate that falls on a plateau.
    pub(super) plateau: (Bits, Bits, usize),
    /// Best value, its epoch and epochs waited, where training may stop early.
    pub(super) stopper: Option<(Option<Bits>, Option<usize>, usize)>,
    pub(super) has_best: bool,
    pub(super) stopped_by: StoppedBy,
}

/// The state of a run as it is written.
pub(super) struct Snapshot<'a> {
    pub(super) progress: Progress,
    pub(super) network: &'a Network,
    /// The optimizer's first and second moments.
    pub(super) moments: [&'a [f32]; 2],
    pub(super) average: Option<&'a Network>,
    pub(super) best: Option<&'a Network>,
    /// The gradient of the last step of an epoch and the weights before it, which the learning curves show.
    pub(super) last_step: [&'a [f32]; 2],
}

/// The state of a run as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) progress: Progress,
    pub(super) network: Network,
    pub(super) moments: [Buffer; 2],
    pub(super) average: Option<Network>,
    pub(super) best: Option<Network>,
    /// There if every step of the epoch is done.
    pub(super) last_step: Option<[Buffer; 2]>,
}

/// A member of an ensemble that was begun, as it is written.
pub(super) enum Standing<'a> {
    Finished(&'a TrainedNetwork),
    Running(Box<Snapshot<'a>>),
}

/// The same, as it was read.
pub(super) enum Opened {
    Finished(TrainedNetwork),
    Running(Box<State>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format_version: u32,
    fingerprint: String,
    /// In their order; those that follow were not begun.
    members: Vec<Member>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Member {
    Finished(Finished),
    Running(Progress),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Finished {
    epochs_run: usize,
    best_epoch: usize,
    stopped_by: StoppedBy,
}

/// Writes and reads the checkpoints of an ensemble.
pub(super) struct Keeper<'a> {
    tasks: &'a [NetworkTask<'a>],
    /// Reads all rows: only made when it is needed.
    fingerprint: OnceCell<String>,
}

impl<'a> Keeper<'a> {
    /// One task for each member, at least one.
    pub(super) fn new(tasks: &'a [NetworkTask<'a>]) -> Self {
        Self { tasks, fingerprint: OnceCell::new() }
    }

    fn fingerprint(&self) -> &str {
        self.fingerprint.get_or_init(|| fingerprint(self.tasks))
    }

    /// # Errors
    /// [`CheckpointError::TooLarge`].
    pub(super) fn write(&self, members: &[Standing<'_>]) -> Result<Vec<u8>, CheckpointError> {
        let mut buffers = Buffers::default();
        let members = members.iter().enumerate().map(|(index, member)| buffers.add(index, member)).collect();
        let bytes = buffers.bytes() + HEADER_BYTES;
        if bytes > MAX_CHECKPOINT_BYTES {
            return Err(CheckpointError::TooLarge { bytes });
        }
        let header = Header { format_version: FORMAT_VERSION, fingerprint: self.fingerprint().to_owned(), members };
        let header = serde_json::to_string(&header).map_err(CheckpointError::Header)?;
        let metadata = HashMap::from([(HEADER_KEY.to_owned(), header)]);
        safetensors::serialize(buffers.named, Some(metadata)).map_err(CheckpointError::NotSafetensors)
    }

    /// Reads bytes that nobody vouches for: the members that were begun.
    ///
    /// # Errors
    /// If they are not a checkpoint of these very tasks.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Vec<Opened>, CheckpointError> {
        if bytes.len() as u64 > MAX_CHECKPOINT_BYTES {
            return Err(CheckpointError::TooLarge { bytes: bytes.len() as u64 });
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(CheckpointError::NotSafetensors)?;
        let header = read_header(bytes)?;
        if header.fingerprint != self.fingerprint() {
            return Err(CheckpointError::Foreign);
        }
        let is_finished = |member: &Member| matches!(member, Member::Finished(_));
        let count = header.members.len();
        if count == 0
            || count > self.tasks.len()
            || (count == self.tasks.len() && header.members.iter().all(is_finished))
        {
            return Err(CheckpointError::Inconsistent { what: "no member is under way" });
        }
        let members = header.members.into_iter().zip(self.tasks).enumerate();
        members.map(|(index, (member, task))| open(&tensors, index, member, task)).collect()
    }
}

/// What is to be written, by name.
#[derive(Default)]
struct Buffers<'a> {
    named: Vec<(String, Values<'a>)>,
}

impl<'a> Buffers<'a> {
    fn add(&mut self, index: usize, member: &Standing<'a>) -> Member {
        let mut add = |name: &str, values: &'a [f32]| {
            self.named.push((format!("{index}.{name}"), Values(values, [values.len()])));
        };
        let (network, running) = match member {
            Standing::Finished(trained) => (&trained.network, None),
            Standing::Running(snapshot) => (snapshot.network, Some(&**snapshot)),
        };
        let others = running.map(|snapshot| [("average", snapshot.average), ("best", snapshot.best)]);
        let others = others.into_iter().flatten().filter_map(|(name, network)| Some((name, network?)));
        for (name, network) in std::iter::once(("network", network)).chain(others) {
            add(&format!("{name}.parameters"), &network.parameters);
            add(&format!("{name}.statistics"), &network.statistics);
        }
        if let Some(snapshot) = running {
            add("moments.first", snapshot.moments[0]);
            add("moments.second", snapshot.moments[1]);
            add("last_step.gradient", snapshot.last_step[0]);
            add("last_step.before", snapshot.last_step[1]);
        }
        match member {
            Standing::Finished(trained) => Member::Finished(Finished::of(trained)),
            Standing::Running(snapshot) => Member::Running(snapshot.progress.clone()),
        }
    }

    fn bytes(&self) -> u64 {
        self.named.iter().map(|(_, values)| values.data_len() as u64).sum()
    }
}

/// One member of its task.
fn open(
    tensors: &SafeTensors<'_>,
    index: usize,
    member: Member,
    task: &NetworkTask<'_>,
) -> Result<Opened, CheckpointError> {
    // The fingerprint is that of the task: its sizes are not claims of the file.
    let blank = Network::blank(task.design);
    let network = |name: &str| read_network(tensors, &format!("{index}.{name}"), &blank);
    let progress = match member {
        Member::Finished(finished) if finished.epochs_run <= task.training.epochs => {
            return Ok(Opened::Finished(finished.with(network("network")?, batches(task).rows())));
        }
        Member::Finished(_) => return Err(CheckpointError::Inconsistent { what: "there are not as many epochs" }),
        Member::Running(progress) => progress,
    };
    check(task, &progress)?;
    let length = blank.parameters().len();
    let buffer =
        |name: &str, length: usize| read_buffer(tensors, &format!("{index}.{name}"), length, |value| !value.is_nan());
    let seconds = if task.optimizer.has_second_moments() { length } else { 0 };
    let is_done = progress.batch > 0 && progress.batch == batches(task).count();
    let last = if is_done { length } else { 0 };
    let last_step = [buffer("last_step.gradient", last)?, buffer("last_step.before", last)?];
    let state = State {
        network: network("network")?,
        moments: [buffer("moments.first", length)?, buffer("moments.second", seconds)?],
        average: progress.averaged.map(|_| network("average")).transpose()?,
        best: progress.has_best.then(|| network("best")).transpose()?,
        last_step: is_done.then_some(last_step),
        progress,
    };
    if state.moments[1].iter().any(|&value| value < 0.0) {
        return Err(CheckpointError::Tensor { name: format!("{index}.moments.second") });
    }
    let padded = [&state.moments[0], &state.moments[1]].into_iter().chain(state.last_step.iter().flatten());
    if padded.into_iter().any(|buffer| !is_padded(buffer, blank.layout().tensors())) {
        return Err(CheckpointError::Inconsistent { what: "values lie between rows" });
    }
    Ok(Opened::Running(Box::new(state)))
}

/// Whether a run of the task can be there.
fn check(task: &NetworkTask<'_>, progress: &Progress) -> Result<(), CheckpointError> {
    let training = task.training;
    let wrong = |what: &'static str| Err(CheckpointError::Inconsistent { what });
    if progress.epoch == 0 || progress.epoch - 1 > training.epochs {
        return wrong("there are not as many epochs");
    }
    if progress.batch > batches(task).count() || (progress.batch > 0 && progress.epoch > training.epochs) {
        return wrong("an epoch has not as many steps");
    }
    if progress.averaged.is_some() != training.weight_averaging.is_some() {
        return wrong("averaged weights belong to a run that averages them");
    }
    if progress.stopper.is_some() != training.early_stopping.is_some() {
        return wrong("early stopping belongs to a run that may stop early");
    }
    let restores = training.early_stopping.as_ref().is_some_and(|config| config.restore_best);
    let has_improved = progress.stopper.is_some_and(|(best, ..)| best.is_some());
    if progress.has_best != (restores && has_improved) {
        return wrong("the best weights belong to a run that restores them");
    }
    let may_have_stopped = match progress.stopped_by {
        StoppedBy::Epochs => true,
        StoppedBy::EarlyStopping => progress.stopper.is_some() && progress.batch == 0,
        StoppedBy::Converged => false,
    };
    if may_have_stopped { Ok(()) } else { wrong("it stopped without a reason") }
}

impl Finished {
    fn of(member: &TrainedNetwork) -> Self {
        let TrainedNetwork { epochs_run, best_epoch, stopped_by, .. } = *member;
        Self { epochs_run, best_epoch, stopped_by }
    }

    fn with(&self, network: Network, rows_per_epoch: usize) -> TrainedNetwork {
        let Finished { epochs_run, best_epoch, stopped_by } = *self;
        let examples_seen = epochs_run as u64 * rows_per_epoch as u64;
        TrainedNetwork { network, epochs_run, best_epoch, stopped_by, examples_seen }
    }
}

/// A flat buffer as safetensors writes it, turned into bytes only there.
struct Values<'a>(&'a [f32], [usize; 1]);

impl View for Values<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.1
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.0.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.0)
    }
}

fn read_header(bytes: &[u8]) -> Result<Header, CheckpointError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(CheckpointError::NotSafetensors)?;
    let text = metadata.metadata().as_ref().and_then(|metadata| metadata.get(HEADER_KEY));
    let text = text.ok_or(CheckpointError::NoHeader)?;
    // The version is looked at first: a newer header may have members that this program does not know.
    let value: serde_json::Value = serde_json::from_str(text).map_err(CheckpointError::Header)?;
    let found = value.get("format_version").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if found != u64::from(FORMAT_VERSION) {
        return Err(CheckpointError::UnknownVersion { found });
    }
    serde_json::from_str(text).map_err(CheckpointError::Header)
}

fn read_network(tensors: &SafeTensors<'_>, name: &str, blank: &Network) -> Result<Network, CheckpointError> {
    let read = |part: &str, length: usize| {
        let name = format!("{name}.{part}");
        read_buffer(tensors, &name, length, f32::is_finite)
    };
    let mut network = blank.clone();
    network.parameters = read("parameters", blank.parameters.len())?;
    network.statistics = read("statistics", blank.statistics.len())?;
    let layout = network.layout();
    let variances = layout.running().iter().filter(|place| place.name.ends_with("variance"));
    let mut variances = variances.flat_map(|place| network.statistics.get(place.range.clone()).unwrap_or_default());
    let is_whole = is_padded(&network.parameters, layout.tensors()) && is_padded(&network.statistics, layout.running());
    if !is_whole || variances.any(|&variance| variance < 0.0) {
        return Err(CheckpointError::Tensor { name: name.to_owned() });
    }
    Ok(network)
}

/// Exactly so many values, each of them allowed.
fn read_buffer(
    tensors: &SafeTensors<'_>,
    name: &str,
    length: usize,
    is_allowed: impl Fn(f32) -> bool,
) -> Result<Buffer, CheckpointError> {
    let wrong = || CheckpointError::Tensor { name: name.to_owned() };
    let view = tensors.tensor(name).map_err(|_| wrong())?;
    let (chunks, rest) = view.data().as_chunks::<4>();
    if view.dtype() != Dtype::F32 || view.shape() != [length] || chunks.len() != length || !rest.is_empty() {
        return Err(wrong());
    }
    let mut buffer = Buffer::zeros(length);
    buffer.iter_mut().zip(chunks).for_each(|(value, chunk)| *value = f32::from_le_bytes(*chunk));
    if buffer.iter().all(|&value| is_allowed(value)) { Ok(buffer) } else { Err(wrong()) }
}

/// Whether everything outside the tensors is zero.
fn is_padded(buffer: &[f32], places: &[TensorPlace]) -> bool {
    let not_zero = |values: &[f32]| values.iter().filter(|&&value| value != 0.0).count();
    let row = |place: &TensorPlace, row: usize| {
        let start = place.range.start + row * stride(place.columns);
        not_zero(buffer.get(start..start + place.columns).unwrap_or_default())
    };
    let within: usize = places.iter().map(|place| (0..place.rows).map(|index| row(place, index)).sum::<usize>()).sum();
    not_zero(buffer) == within
}
