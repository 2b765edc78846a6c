//! The inner loops of networks: matrix products, activations, optimizer steps and sums over flat slices of f32; and
//! those of searches for neighbours and of reading text.
//!
//! Each function has one body, compiled once per instruction set; which of them runs is found out at run time
//! ([`level()`]). All of them give the same bits: every product that is added is a fused multiply-add, every sum has
//! a fixed order (one chain per element of a matrix product, sixteen lanes and a fixed tree for a sum over a
//! slice), and nothing depends on how many threads share the work. So a model does not depend on the processor.
//!
//! Rows of matrices are padded to a multiple of [`LANES`] with zeros, and buffers begin on a cache line, so that no
//! loop has a remainder and no load straddles two lines.
//!
//! This is the only module with `unsafe`: calls into code compiled for instructions that were found to be there,
//! loads and stores of whole vectors within slices whose lengths were checked, the aligned [`Buffer`], memory that is written
//! before it is read ([`append_rows`]), and advice to the system about pages.
#![expect(unsafe_code, reason = "vector instructions and aligned memory; see above")]

mod activation;
mod append;
mod buffer;
mod channels;
pub mod coefficients;
mod convolve;
mod distance;
mod level;
mod math;
mod matmul;
mod normalize;
mod pages;
mod places;
mod reduce;
mod standardize;
mod step;
mod winograd;

pub use activation::{
    Dropout, LEAK, SELU_ALPHA, SELU_SCALE, activate, activate_with_slopes, drop_units, drop_values, multiply,
    parametric_relu, parametric_relu_gradient, parametric_relu_slopes, relu, relu_backward, relu_with_dropout,
    relu_with_dropout_backward,
};
pub use append::append_rows;
pub use buffer::Buffer;
pub use channels::{
    Lines, Then, add_pixel_products, add_weighted_pixels, channel_moments, channel_sums, finish_channels, keep_active,
    largest_pixels, normalized_slopes, pass_lines, pass_to_largest, slope_moments,
};
pub use convolve::{Area, Run, convolve, convolve_gradient};
pub use distance::{
    AXES, Extent, Extents, largest_in_lanes, place, project, recentre, rows_that_pass, scores_that_pass,
};
pub use level::{Level, level, limit_level};
pub use math::{cross_entropy, sigmoid};
pub use matmul::{Left, Matmul, Start, matmul, matmul_shared, threads, transpose};
pub use normalize::{
    column_moments, normalize_columns, normalize_columns_backward, normalize_rows, normalize_rows_backward,
    scale_and_shift,
};
pub use pages::prefer_large_pages;
pub use places::places_of;
pub use reduce::{
    add_into, add_outer_product, add_rows, dot_rows, gather_rows, interpolate, l1_and_squares, scale, spread_rows,
};
pub use standardize::{Standards, standardize};
pub use step::{AdamFactors, Penalty, RmsPropFactors, SgdFactors, adam, penalty_gradient, rms_prop, sgd};
pub use winograd::{TileRoom, TiledArea};

/// Values in the widest vector. Strides and buffers are multiples of it.
pub const LANES: usize = 16;

/// `width` rounded up to whole vectors: the stride of a matrix with rows of that width.
pub fn stride(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

/// Defines a function whose body is compiled for each [`Level`] and vectorized by the compiler.
macro_rules! vectorized {
    ($(#[$meta:meta])* pub fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        pub fn $name($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                fn avx512($($arg: $type),*) $(-> $ret)? {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) $(-> $ret)? {
                    body($($arg),*)
                }
                match $crate::ml::kernel::level() {
                    // SAFETY: the level says that the processor has these instructions.
                    $crate::ml::kernel::Level::Avx512 => unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::ml::kernel::Level::Avx2 => unsafe { avx2($($arg),*) },
                    $crate::ml::kernel::Level::Portable => body($($arg),*),
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            body($($arg),*)
        }
    };
}
use vectorized;
