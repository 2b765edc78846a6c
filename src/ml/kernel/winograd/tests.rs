//! Tests of the file beside this one.

use super::super::{Area, Run, convolve, convolve_gradient};
use super::*;
use proptest::prelude::*;

fn filled(length: usize, seed: u32) -> Vec<f32> {
    (0..length as u32).map(|i| ((i.wrapping_mul(2_654_435_761) ^ seed) % 1_000) as f32 / 500.0 - 1.0).collect()
}

/// Both sides of a case, in frames with a border of one pixel.
struct Case {
    area: TiledArea,
    pictures: usize,
    input: Vec<f32>,
    weights: Vec<f32>,
}

impl Case {
    fn new(pictures: usize, sides: [usize; 2], channels: [usize; 2], seed: u32) -> Self {
        let (step, line) = (stride(channels[0]), (sides[1] + 2) * stride(channels[0]));
        let area = TiledArea {
            sides,
            input_steps: [(sides[0] + 2) * line, line, step],
            output_steps: [sides[0] * sides[1] * channels[1], sides[1] * channels[1], channels[1]],
            channels,
        };
        let (input, weights) = (filled(pictures * area.input_steps[0], seed), filled(9 * area.matrix(), seed ^ 55));
        Self { area, pictures, input, weights }
    }

    /// As the direct convolution has it.
    fn runs(&self) -> (Area, Vec<Run>) {
        let [_, line, pixel] = self.area.input_steps;
        let area = Area {
            lines: self.area.sides[0],
            pixels: self.area.sides[1],
            input_steps: [line, pixel],
            output_steps: [self.area.output_steps[1], self.area.output_steps[2]],
        };
        let run = |tap: usize| Run { from: tap / 3 * line + tap % 3 * pixel, depth: self.area.channels[0] };
        (area, (0..9).map(run).collect())
    }

    fn output(&self) -> Vec<f32> {
        filled(self.pictures * self.area.output_steps[0], 8)
    }

    fn near(&self, found: &[f32], plain: &[f32], terms: usize) {
        let largest = plain.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        for (at, (found, plain)) in found.iter().zip(plain).enumerate() {
            let bound = 3e-6 * (terms as f32).sqrt() + 2e-6 * largest;
            assert!((found - plain).abs() <= bound, "{at}: {found}, not {plain} (within {bound})");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn it_is_the_direct_convolution(
        pictures in 1_usize..4, lines in 1_usize..12, pixels in 1_usize..21, inputs in 1_usize..40, vectors in 1_usize..4,
        kind in 0..3, seed: u32,
    ) {
        let case = Case::new(pictures, [lines, pixels], [inputs, vectors * LANES], seed);
        let (area, runs) = case.runs();
        let width = case.area.channels[1];
        let bias = filled(width, 5);
        let start = [Start::Zero, Start::Row(&bias), Start::Present][kind as usize];
        let mut spread = vec![0.0; case.area.weights()];
        case.area.spread_weights(&case.weights, &mut spread);
        let mut room = TileRoom::default();
        let [mut found, mut plain] = [case.output(), case.output()];
        case.area.convolve(pictures, &case.input, &spread, start, &mut found, &mut room);
        for picture in 0..pictures {
            let [from, to] = [case.area.input_steps, case.area.output_steps].map(|steps| steps[0] * picture);
            convolve(area, &runs, &case.input[from..], &case.weights, width, start, &mut plain[to..]);
        }
        case.near(&found, &plain, 9 * inputs);

        let slopes = case.output();
        let [mut found, mut plain] = [case.weights.clone(), case.weights.clone()];
        let mut sums = filled(case.area.weights(), 7);
        for picture in 0..pictures {
            let [from, to] = [case.area.input_steps, case.area.output_steps].map(|steps| steps[0] * picture);
            let start = if picture == 0 { Start::Zero } else { Start::Present };
            case.area.gradient(1, [&case.input[from..], &slopes[to..]], start, &mut sums, &mut room);
        }
        let mut together = filled(case.area.weights(), 9);
        case.area.gradient(pictures, [&case.input, &slopes], Start::Zero, &mut together, &mut room);
        prop_assert_eq!(&together, &sums);
        case.area.gather_weights(&sums, &mut found);
        for picture in 0..pictures {
            let [from, to] = [case.area.input_steps, case.area.output_steps].map(|steps| steps[0] * picture);
            convolve_gradient(area, &runs, &case.input[from..], &slopes[to..], width, &mut plain);
        }
        case.near(&found, &plain, 4 * pictures * lines * pixels);
    }

    /// A tile gets the same bits in any company.
    #[test]
    fn a_picture_alone_is_itself_among_others(lines in 1_usize..9, pixels in 1_usize..9, seed: u32) {
        let case = Case::new(5, [lines, pixels], [20, LANES], seed);
        let mut spread = vec![0.0; case.area.weights()];
        case.area.spread_weights(&case.weights, &mut spread);
        let mut room = TileRoom::default();
        let [mut together, mut alone] = [case.output(), case.output()];
        case.area.convolve(5, &case.input, &spread, Start::Zero, &mut together, &mut room);
        for picture in 0..5 {
            let [from, to] = [case.area.input_steps, case.area.output_steps].map(|steps| steps[0] * picture);
            case.area.convolve(1, &case.input[from..], &spread, Start::Zero, &mut alone[to..], &mut room);
        }
        prop_assert_eq!(together, alone);
    }
}
