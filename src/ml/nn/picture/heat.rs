//! Which part of a picture the logit goes by: Grad-CAM (Selvaraju et al. 2017, equations 1 and 2). The channels of the last
//! map with pixels, each times the mean derivative of the logit by it, added up.

use super::pass::PicturePass;
use super::plan::{Map, Plan};
use crate::ml::nn::network::Network;
use crate::ml::nn::pass::Batch;
use crate::ml::seed::Seed;

/// How much each part of a picture speaks for the positive class; below zero, against it.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// Height and width.
    pub sides: [usize; 2],
    /// Line by line.
    pub values: Vec<f32>,
}

/// Where a picture speaks for a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Height and width.
    pub sides: [usize; 2],
    /// Line by line, from 0 to 1; all 0 where nothing speaks for the class.
    pub shares: Vec<f32>,
    /// What 1 stands for, in units of [`HeatMap::values`].
    pub peak: f32,
}

impl HeatMap {
    /// Whether there is one of every picture.
    pub(in crate::ml::nn) fn is_of(network: &Network) -> bool {
        network.layout().plan.as_ref().and_then(last_map).is_some()
    }

    /// Of a picture as the network reads it; `None` for a network that reads none, or that has no map with pixels before
    /// its logit but the picture itself.
    pub(in crate::ml::nn) fn of(network: &Network, picture: &[f32]) -> Option<Self> {
        let plan = network.layout().plan.as_ref()?;
        let last = last_map(plan)?;
        let mut pass = PicturePass::evaluating(network)?;
        let mut network = network.clone();
        let batch = Batch { values: picture, stride: picture.len(), rows: 1 };
        // Nothing is drawn from it.
        pass.forward(&mut network, batch, &mut Seed(0).stream("evaluation"));
        pass.logits_and_slopes(1).1.fill(1.0);
        let mut gradient = vec![0.0; network.parameters().len()];
        pass.backward(&network, 1, &mut gradient);
        let [values, slopes] = pass.of_map(last);
        Some(Self::weighted(&plan.maps[last], values, slopes))
    }

    fn weighted(map: &Map, values: &[f32], slopes: &[f32]) -> Self {
        let [height, width] = map.sides;
        let places = || (0..height).flat_map(|y| (0..width).map(move |x| (y as isize, x as isize)));
        let pixel = |values: &[f32], place: usize, channel: usize| values.get(place + channel).copied().unwrap_or(0.0);
        let weight = |channel: usize| {
            let sum: f32 = places().map(|(y, x)| pixel(slopes, map.d_frame.place(y, x), channel)).sum();
            sum / (height * width) as f32
        };
        let weights: Vec<f32> = (0..map.channels).map(weight).collect();
        let heat = |(y, x): (isize, isize)| {
            let place = map.frame.place(y, x);
            weights.iter().enumerate().map(|(channel, weight)| weight * pixel(values, place, channel)).sum()
        };
        Self { sides: map.sides, values: places().map(heat).collect() }
    }

    /// What speaks for one class alone, as shares of the most that any part does (equation 2's rectified linear unit).
    pub fn evidence(&self, is_positive: bool) -> Evidence {
        let toward = if is_positive { 1.0 } else { -1.0 };
        let peak = self.values.iter().fold(0.0_f32, |peak, value| peak.max(value * toward));
        let share = |value: &f32| if peak > 0.0 { (value * toward / peak).clamp(0.0, 1.0) } else { 0.0 };
        Evidence { sides: self.sides, shares: self.values.iter().map(share).collect(), peak }
    }

    /// The mean of several of the same sides.
    pub(in crate::ml::nn) fn mean(maps: Vec<Self>) -> Option<Self> {
        let count = maps.len() as f32;
        let mut maps = maps.into_iter();
        let mut sum = maps.next()?;
        for map in maps {
            sum.values.iter_mut().zip(&map.values).for_each(|(sum, value)| *sum += value);
        }
        sum.values.iter_mut().for_each(|sum| *sum /= count);
        Some(sum)
    }
}

/// The last map with pixels on the way to the logit, which is made of the features alone.
fn last_map(plan: &Plan) -> Option<usize> {
    let mut at = plan.features;
    while plan.maps.get(at)?.is_vector() {
        at = plan.steps.iter().find(|step| step.output == at)?.input;
    }
    (at > 0).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_a_share_of_the_most_that_speaks_for_a_class() {
        let map = HeatMap { sides: [1, 4], values: vec![2.0, -4.0, 0.5, 0.0] };
        let positive = map.evidence(true);
        assert_eq!((positive.peak, positive.shares), (2.0, vec![1.0, 0.0, 0.25, 0.0]));
        let negative = map.evidence(false);
        assert_eq!((negative.peak, negative.shares), (4.0, vec![0.0, 1.0, 0.0, 0.0]));
        let nothing = HeatMap { sides: [1, 2], values: vec![-1.0, 0.0] }.evidence(true);
        assert_eq!((nothing.peak, nothing.shares), (0.0, vec![0.0, 0.0]));
    }
}
