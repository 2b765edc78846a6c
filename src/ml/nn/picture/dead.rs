//! Which channels of a convolutional network tell nothing: those that have one value for every pixel of every picture.

use rayon::prelude::*;

use super::plan::{Action, Map, Plan};
use super::scorer::PictureScorer;
use crate::ml::kernel::{Buffer, threads};
use crate::ml::nn::pass::Batch;

/// Pictures that are looked at, at most.
const PICTURES: usize = 128;
/// Values that are no further apart are the same.
const SAME: f32 = 1e-6;

/// The share of dead channels of each layer with weights but the last, in the layers' order: of what comes of the layer once it is
/// normalized, added to and activated. `pictures` are as the network reads them; few of them are looked at.
pub(in crate::ml::nn) fn dead_channels(scorer: &PictureScorer, plan: &Plan, pictures: Batch<'_>) -> Vec<f64> {
    let maps: Vec<usize> = weighted_maps(plan).collect();
    let rows = pictures.rows.min(PICTURES);
    let picture = |row: usize| pictures.values.get(row * pictures.stride..).unwrap_or_default();
    if rows == 0 {
        return vec![0.0; maps.len()];
    }
    // What others are compared with: the first pixel of the first picture.
    let first: Vec<Vec<f32>> =
        scorer.look(plan, picture(0), |room| maps.iter().map(|&at| first_pixel(plan, room, at)).collect());
    let vary = |row: usize| -> Vec<Vec<bool>> {
        scorer.look(plan, picture(row), |room| {
            let of_map = |(&at, first): (&usize, &Vec<f32>)| varies(&plan.maps[at], values(room, at), first);
            maps.iter().zip(&first).map(of_map).collect()
        })
    };
    let either = |mut one: Vec<Vec<bool>>, other: Vec<Vec<bool>>| {
        let flags = one.iter_mut().flatten().zip(other.into_iter().flatten());
        flags.for_each(|(one, other)| *one |= other);
        one
    };
    let none = || -> Vec<Vec<bool>> { first.iter().map(|first| vec![false; first.len()]).collect() };
    // Whoever comes first, what varies for one varies for all.
    let varying: Vec<Vec<bool>> = match threads() > 1 {
        true => (0..rows).into_par_iter().map(vary).reduce(none, either),
        false => (0..rows).map(vary).fold(none(), either),
    };
    let share =
        |varies: &Vec<bool>| varies.iter().filter(|varies| !**varies).count() as f64 / varies.len().max(1) as f64;
    varying.iter().map(share).collect()
}

/// For each layer with weights the map that its values are in when they are done with.
fn weighted_maps(plan: &Plan) -> impl Iterator<Item = usize> {
    let weighted = plan.steps.iter().filter(|step| matches!(step.action, Action::Convolve(_) | Action::Filter(_)));
    weighted.map(|step| {
        let mut at = step.output;
        while let Some(next) =
            plan.steps.iter().find(|next| next.input == at && matches!(next.action, Action::Finish(_)))
        {
            at = next.output;
        }
        at
    })
}

fn values(room: &[Buffer], map: usize) -> &[f32] {
    room.get(map).map(|buffer| &buffer[..]).unwrap_or_default()
}

fn first_pixel(plan: &Plan, room: &[Buffer], at: usize) -> Vec<f32> {
    let map = &plan.maps[at];
    let start = map.frame.place(0, 0);
    values(room, at).get(start..start + map.channels).unwrap_or_default().to_vec()
}

/// Whether each channel has another value anywhere.
fn varies(map: &Map, values: &[f32], first: &[f32]) -> Vec<bool> {
    let mut varies = vec![false; first.len()];
    let [height, width] = map.sides;
    for y in 0..height {
        for x in 0..width {
            let start = map.frame.place(y as isize, x as isize);
            let pixel = values.get(start..start + map.channels).unwrap_or_default();
            for ((varies, value), first) in varies.iter_mut().zip(pixel).zip(first) {
                *varies |= (value - first).abs() > SAME;
            }
        }
    }
    varies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::{Activation, CnnConfig, CnnLayer, Initializer};
    use crate::ml::nn::{Design, Network};
    use crate::ml::picture::PictureShape;
    use crate::ml::seed::Seed;

    const SHAPE: PictureShape = PictureShape { height: 4, width: 5, channels: 1 };

    fn design() -> Design {
        let conv = |filters, stride| CnnLayer::Conv { filters, kernel: 3, stride, padding: 1, bias: true };
        let relu = || CnnLayer::Activation { function: Activation::Relu };
        let inner = vec![CnnLayer::DepthwiseConv { kernel: 3, stride: 1, padding: 1, bias: true }];
        let layers = vec![
            conv(4, 1),
            CnnLayer::BatchNorm {},
            relu(),
            CnnLayer::Residual { layers: inner, projection: false },
            conv(3, 2),
            relu(),
            CnnLayer::GlobalAvgPool {},
            CnnLayer::Dense { units: 2, bias: true },
        ];
        let cnn = CnnConfig { size: None, layers: Some(layers), ..CnnConfig::embedding() };
        Design::of_cnn(&CnnConfig { initializer: Initializer::HeNormal, ..cnn }, SHAPE).unwrap()
    }

    fn dead(network: &Network, rows: usize) -> Vec<f64> {
        let stride = SHAPE.values();
        let values: Vec<f32> = (0..rows * stride).map(|place| (place * 37 % 101) as f32 / 50.0 - 1.0).collect();
        let scorer = PictureScorer::new(network).unwrap();
        let plan = network.layout().plan.as_ref().unwrap();
        dead_channels(&scorer, plan, Batch { values: &values, stride, rows })
    }

    #[test]
    fn channels_without_weights_are_dead_layer_by_layer() {
        let design = design();
        let mut network = Network::of_design(&design, None, Seed(3));
        // Each of the layers with weights: two convolutions, the filters between them, the dense one.
        assert_eq!(dead(&network, 3).len(), 4);
        assert_eq!(dead(&network, 3)[0], 0.0);
        let place = |name: &str| design.layout().tensors().iter().find(|place| place.name == name).unwrap().clone();
        // Filters lie side by side: one value of each in every row.
        let first = place("layers.0.weight");
        let width = first.range.len() / first.rows;
        for row in 0..first.rows {
            network.parameters_mut()[first.range.start + row * width + 1] = 0.0;
        }
        assert_eq!(dead(&network, 3)[0], 0.25);
        // What comes in by the skip still varies where filters are nothing.
        let filters = place("layers.3.layers.0.weight");
        network.parameters_mut()[filters.range.clone()].fill(0.0);
        assert_eq!(dead(&network, 3)[1], 0.25);
        let last = place("layers.4.weight");
        network.parameters_mut()[last.range.clone()].fill(0.0);
        assert_eq!(dead(&network, 3)[2..], [1.0, 1.0]);
        assert_eq!(dead(&network, 0), [0.0; 4]);
    }
}
