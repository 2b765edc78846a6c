//! The numbers of the elementary functions in [`math`](super::math), for those who have to compute the same elsewhere.

/// Adding it rounds to a whole number, which then sits in the low bits of the sum: 1.5 · 2^23.
pub const ROUND: f32 = 12_582_912.0;
/// The natural logarithm of 2 in two parts.
pub const LN_2_HIGH: f32 = 0.693_359_4;
pub const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Arguments of the exponential end here.
pub const EXP_ENDS: [f32; 2] = [-87.0, 88.0];
/// Cephes (`expf`). Polynomials have their highest coefficient first.
pub const EXP: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5];
/// Taylor up to x^7: the next term is below 2^-26 of the result for |x| ≤ 0.5.
pub const EXP_M1: [f32; 7] = [1.984_127e-4, 1.388_888_9e-3, 8.333_334e-3, 4.166_666_8e-2, 0.166_666_67, 0.5, 1.0];
/// Up to here e^x - 1 is taken from e^x, beyond from its series.
pub const EXP_M1_END: f32 = -0.5;
/// Cephes (`logf`).
pub const LN_1P: [f32; 9] = [
    7.037_683_6e-2,
    -0.115_146_1,
    0.116_769_98,
    -0.124_201_41,
    0.142_493_23,
    -0.166_680_57,
    0.200_007_14,
    -0.249_999_94,
    0.333_333_3,
];
/// The rational minimax approximation that Eigen and XLA use; beyond the end tanh is ±1 in f32.
pub const TANH_NUMERATOR: [f32; 7] =
    [-2.760_768_5e-16, 2.000_188e-13, -8.604_672e-11, 5.122_297_1e-8, 1.485_722_4e-5, 6.372_619e-4, 4.893_525e-3];
pub const TANH_DENOMINATOR: [f32; 4] = [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3];
pub const TANH_END: f32 = 7.905_311;
/// The rational minimax approximation that Eigen and XLA use; beyond the end the error function is ±1 in f32.
pub const ERF_NUMERATOR: [f32; 7] =
    [-2.726_142_3e-10, 2.770_681_5e-8, -2.101_024e-6, -5.692_506e-5, -7.349_906_4e-4, -2.954_6e-3, -1.609_603_3e-2];
pub const ERF_DENOMINATOR: [f32; 5] =
    [-1.456_607_15e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
pub const ERF_END: f32 = 4.0;
