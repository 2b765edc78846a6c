//! What the training tasks of an ensemble are, as a hash: with the same one they train the same networks, bit for bit.

use sha2::{Digest, Sha256};

use super::trainer::NetworkTask;
use crate::ml::kernel::level;

/// Values that are hashed at a time.
const BLOCK: usize = 4096;

/// A SHA-256 over the configuration, the rows as they are trained on and scored, the program's version and the
/// instructions that its loops are compiled for, which round differently.
pub(super) fn fingerprint(tasks: &[NetworkTask<'_>]) -> String {
    let mut hash = Sha256::new();
    let mut known: Option<&NetworkTask<'_>> = None;
    for task in tasks {
        // Members that learn from the same rows differ in nothing but their seeds, which come from the first one's.
        if known.is_none_or(|known| !std::ptr::eq(known.train, task.train)) {
            add(&mut hash, task);
        }
        known = Some(task);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn add(hash: &mut Sha256, task: &NetworkTask<'_>) {
    // Taken apart whole, so that nothing that is added to a task is forgotten here.
    let NetworkTask {
        train,
        validation,
        design,
        loss,
        class_weights,
        regularization,
        optimizer,
        training,
        augment,
        noise_scale,
        minority_is_positive,
        correction,
        seed,
    } = task;
    let program = (env!("CARGO_PKG_VERSION"), level());
    let learner = (design, loss, class_weights, regularization, optimizer, training);
    let rows = (augment, noise_scale, minority_is_positive, correction, seed);
    // Debug output tells every two numbers apart.
    hash.update(format!("{program:?} {learner:?} {rows:?} {:?}", (train.features.dim(), validation.features().dim())));
    numbers(hash, train.features.iter().map(|value| value.to_bits()));
    numbers(hash, train.labels.iter().map(|&label| u64::from(label)));
    if let Some(weights) = &train.weights {
        numbers(hash, weights.iter().map(|weight| u64::from(weight.to_bits())));
    }
    numbers(hash, validation.features().iter().map(|value| value.to_bits()));
    for pictures in [train.pictures.as_ref(), validation.pictures()].into_iter().flatten() {
        hash.update(format!("{:?} {:?} {}", pictures.shape(), pictures.scaling, pictures.len()));
        (0..pictures.len()).for_each(|row| hash.update(pictures.pictures.get(row)));
    }
    numbers(hash, validation.labels().iter().map(|&label| u64::from(label)));
}

fn numbers(hash: &mut Sha256, values: impl Iterator<Item = u64>) {
    let mut block = Vec::with_capacity(BLOCK * 8);
    for value in values {
        block.extend(value.to_le_bytes());
        if block.len() == BLOCK * 8 {
            hash.update(&block);
            block.clear();
        }
    }
    hash.update(&block);
}
