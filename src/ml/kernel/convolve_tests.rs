//! Tests of the file beside this one.

use super::*;
use proptest::prelude::*;

fn filled(length: usize, seed: u32) -> Vec<f32> {
    (0..length as u32).map(|i| ((i.wrapping_mul(2_654_435_761) ^ seed) % 1_000) as f32 / 500.0 - 1.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// The plain loop is the reference; sizes straddle every tile.
    #[test]
    fn every_level_gives_the_bits_of_the_plain_loop(
        lines in 1_usize..4, pixels in 1_usize..30, depths in prop::collection::vec(1_usize..30, 0..4),
        vectors in 1_usize..5, stride in 1_usize..3, kind in 0..3, seed: u32,
    ) {
        let width = vectors * LANES;
        let runs: Vec<Run> = depths.iter().enumerate().map(|(at, &depth)| Run { from: at * 7, depth }).collect();
        let depth: usize = depths.iter().sum();
        let input_steps = [pixels * 5 * stride + 3, 5 * stride];
        let output_steps = [pixels * (width + 16), width + 16];
        let area = Area { lines, pixels, input_steps, output_steps };
        let input = filled(area.last(input_steps) + 60, seed);
        let weights = filled(depth * width, seed ^ 77);
        let bias = filled(width, 5);
        let start = [Start::Zero, Start::Row(&bias), Start::Present][kind as usize];
        let first = filled(area.last(output_steps) + width, 9);
        let [mut found, mut plain, mut half] = [first.clone(), first.clone(), first.clone()];
        convolve(area, &runs, &input, &weights, width, start, &mut found);
        let checked = Checked { area, runs: &runs, width };
        checked.convolve_portable(&input, &weights, start, &mut plain);
        prop_assert_eq!(&found, &plain);

        let sums = filled(depth * width, 11);
        let [mut gradient, mut plain_gradient, mut half_gradient] = [sums.clone(), sums.clone(), sums];
        convolve_gradient(area, &runs, &input, &first, width, &mut gradient);
        checked.gradient_portable(&input, &first, &mut plain_gradient);
        prop_assert_eq!(&gradient, &plain_gradient);
        #[cfg(target_arch = "x86_64")]
        if level() >= Level::Avx2 {
            // SAFETY: the processor has the instructions, and `convolve` accepted the same slices.
            unsafe {
                checked.convolve_avx2(&input, &weights, start, &mut half);
                checked.gradient_avx2(&input, &first, &mut half_gradient);
            }
            prop_assert_eq!(&half, &plain);
            prop_assert_eq!(&half_gradient, &plain_gradient);
        }
    }
}

/// A line of three pixels of two channels, a kernel of two pixels: by hand.
#[test]
fn a_line_by_hand() {
    let input = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let mut weights = vec![0.0; 4 * LANES];
    for (row, weight) in [1.0, 10.0, 100.0, 1000.0].into_iter().enumerate() {
        weights[row * LANES] = weight;
    }
    let area = Area { lines: 1, pixels: 2, input_steps: [0, 2], output_steps: [0, LANES] };
    let runs = [Run { from: 0, depth: 4 }];
    let mut output = vec![0.0; 2 * LANES];
    convolve(area, &runs, &input, &weights, LANES, Start::Zero, &mut output);
    assert_eq!([output[0], output[LANES]], [4321.0, 6543.0]);
    let mut gradient = vec![0.0; 4 * LANES];
    (output[0], output[LANES]) = (1.0, 10.0);
    convolve_gradient(area, &runs, &input, &output, LANES, &mut gradient);
    let found: Vec<f32> = (0..4).map(|row| gradient[row * LANES]).collect();
    assert_eq!(found, [31.0, 42.0, 53.0, 64.0]);
}
