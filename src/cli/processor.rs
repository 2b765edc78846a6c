//! What of the processor is used.

use crate::ml::kernel::{Level, limit_level};

#[derive(Debug, clap::Args)]
pub(super) struct ProcessorArgs {
    /// The widest vector instructions to use, where the processor has them. Models, predictions and resampled rows are the
    /// same, bit for bit, with all of them.
    #[arg(long, env = "EVENKEEL_MAX_INSTRUCTION_SET", value_enum, default_value = "avx512", global = true)]
    max_instruction_set: InstructionSet,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum InstructionSet {
    /// What every processor of its kind has.
    Portable,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512 F, VL, DQ and BW.
    Avx512,
}

impl ProcessorArgs {
    pub(super) fn apply(&self) {
        limit_level(match self.max_instruction_set {
            InstructionSet::Portable => Level::Portable,
            InstructionSet::Avx2 => Level::Avx2,
            InstructionSet::Avx512 => Level::Avx512,
        });
    }
}
