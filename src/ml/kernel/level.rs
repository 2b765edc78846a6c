//! The instruction sets that the loops are compiled for, and the one that they use.

use std::sync::atomic::{AtomicU8, Ordering};

/// Instruction sets, each with all of those before it. What is computed has the same bits with every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Whatever the target has.
    Portable = 1,
    /// AVX2 with fused multiply-add.
    Avx2 = 2,
    /// AVX-512 F, VL, DQ and BW.
    Avx512 = 3,
}

/// The level in use; 0 until it is known.
static IN_USE: AtomicU8 = AtomicU8::new(0);

/// The level in use: the best that this processor has, unless [`limit_level`] was called before.
pub fn level() -> Level {
    match IN_USE.load(Ordering::Relaxed) {
        1 => Level::Portable,
        2 => Level::Avx2,
        3 => Level::Avx512,
        _ => limit_level(Level::Avx512),
    }
}

/// Lets all of the process use `most`, or less where the processor has less, from now on; what is used is returned.
pub fn limit_level(most: Level) -> Level {
    let used = most.min(detect());
    IN_USE.store(used as u8, Ordering::Relaxed);
    used
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let fused = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let wide = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw");
    match (fused, wide) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        (false, _) => Level::Portable,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Portable
}
