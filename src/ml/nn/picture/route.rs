//! Which steps a picture can take without knowing of the others: only normalization waits for the whole batch.

use std::ops::Range;

use super::plan::{Action, Plan, Step};
use super::window::Frame;

/// A step on the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// All of a step but [`Action::Finish`].
    Step(usize),
    /// Of that, from the derivatives by the output to those by what went into the activation.
    Activation(usize),
    /// From there to those by the input.
    Normalization(usize),
}

impl Way {
    /// The step that it is a part of.
    pub(super) fn step(&self) -> usize {
        match *self {
            Way::Step(at) | Way::Activation(at) | Way::Normalization(at) => at,
        }
    }
}

/// The order in which pictures go through a stretch. It changes from one to the next: those that were last are in the cache
/// still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Forth,
    Back,
}

impl Turn {
    /// Of the stretch of this number.
    pub(super) fn new(stretch: usize) -> Self {
        if stretch.is_multiple_of(2) { Turn::Forth } else { Turn::Back }
    }
}

/// Stretches of steps, between which all pictures wait for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// Each but the first begins with a normalization. The first may be empty: pictures themselves are measured in it.
    pub(super) there: Vec<Range<usize>>,
    /// Each but the last ends with the activation before a normalization, or with what else is learnt from sums over it.
    pub(super) back: Vec<Vec<Way>>,
    /// Where the derivatives by each map are kept; the picture has none.
    pub(super) rooms: Vec<Option<usize>>,
}

fn waits(step: &Step) -> bool {
    matches!(&step.action, Action::Finish(finish) if finish.norm.is_some())
}

/// Derivatives by a map are there from the last step that reads it until the step that makes it, on the way back. Maps with
/// equal frames that are never there together share memory, so that it stays in the cache.
fn share_rooms(plan: &Plan) -> Vec<Option<usize>> {
    let mut rooms = vec![None; plan.maps.len()];
    let (mut free, mut count): (Vec<(Frame, usize)>, usize) = (Vec::new(), 0);
    let mut take = |map: usize, rooms: &mut [Option<usize>], free: &mut Vec<(Frame, usize)>| {
        if map == 0 || rooms[map].is_some() {
            return;
        }
        let frame = plan.maps[map].d_frame;
        let fitting = free.iter().position(|(other, _)| *other == frame).map(|at| free.remove(at).1);
        rooms[map] = Some(fitting.unwrap_or(count));
        count += usize::from(fitting.is_none());
    };
    take(plan.features, &mut rooms, &mut free);
    for step in plan.steps.iter().rev() {
        let skip = match &step.action {
            Action::Finish(finish) => finish.skip,
            _ => None,
        };
        // What nobody reads has a room nevertheless.
        take(step.output, &mut rooms, &mut free);
        // The derivatives by what is added are those by the sum, until others are added to them.
        let passes = |skip: &usize| {
            let is_new = *skip > 0 && rooms[*skip].is_none() && *skip != step.input;
            is_new && plan.maps[*skip].d_frame == plan.maps[step.output].d_frame
        };
        let passed = skip.filter(passes);
        if let Some(skip) = passed {
            rooms[skip] = rooms[step.output];
        }
        for map in [Some(step.input), skip].into_iter().flatten() {
            take(map, &mut rooms, &mut free);
        }
        if let (Some(room), None) = (rooms[step.output], passed) {
            free.push((plan.maps[step.output].d_frame, room));
        }
    }
    rooms
}

impl Route {
    /// Each map with derivatives in a room of its own, for those who look at them afterwards.
    pub(super) fn with_own_rooms(self) -> Self {
        let rooms = (0..self.rooms.len()).map(|map| map.checked_sub(1)).collect();
        Self { rooms, ..self }
    }

    pub(super) fn of(plan: &Plan) -> Self {
        let starts = plan.steps.iter().enumerate().filter(|(_, step)| waits(step)).map(|(at, _)| at);
        // Pictures are read before all.
        let starts: Vec<usize> = std::iter::once(0).chain(starts).collect();
        let ends = starts.iter().skip(1).copied().chain(std::iter::once(plan.steps.len()));
        let there = starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect();
        let mut back = vec![Vec::new()];
        for (at, step) in plan.steps.iter().enumerate().rev() {
            let mut add = |way: Way| back.last_mut().map(|stretch: &mut Vec<Way>| stretch.push(way));
            if !matches!(step.action, Action::Finish(_)) {
                add(Way::Step(at));
                continue;
            }
            add(Way::Activation(at));
            if waits(step) {
                back.push(Vec::new());
            }
            if let Some(stretch) = back.last_mut() {
                stretch.push(Way::Normalization(at));
            }
        }
        Self { there, back, rooms: share_rooms(plan) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::{Activation, CnnLayer};
    use crate::ml::nn::picture::PictureNetworkShape;
    use crate::ml::picture::PictureShape;

    #[test]
    fn pictures_are_measured_before_they_are_normalized() {
        let input = PictureShape { height: 4, width: 4, channels: 1 };
        let layers = vec![CnnLayer::BatchNorm {}, CnnLayer::GlobalAvgPool {}];
        let plan = Plan::of(&PictureNetworkShape { input, layers }).unwrap();
        assert_eq!(Route::of(&plan).there, [0..0, 0..2]);
    }

    #[test]
    fn only_normalization_waits() {
        let conv = || CnnLayer::Conv { filters: 4, kernel: 3, stride: 1, padding: 1, bias: true };
        let relu = || CnnLayer::Activation { function: Activation::Relu };
        let inner = vec![conv(), CnnLayer::BatchNorm {}, relu(), conv()];
        let layers =
            vec![conv(), relu(), CnnLayer::Residual { layers: inner, projection: false }, CnnLayer::GlobalAvgPool {}];
        let input = PictureShape { height: 4, width: 4, channels: 1 };
        let plan = Plan::of(&PictureNetworkShape { input, layers }).unwrap();
        // conv, relu, conv | norm and relu, conv, sum, mean
        let route = Route::of(&plan);
        assert_eq!(route.there, [0..3, 3..7]);
        let step = Way::Step;
        let whole = |at: usize| [Way::Activation(at), Way::Normalization(at)];
        let last = [vec![step(6)], whole(5).to_vec(), vec![step(4), Way::Activation(3)]].concat();
        let first = [vec![Way::Normalization(3), step(2)], whole(1).to_vec(), vec![step(0)]].concat();
        assert_eq!(route.back, [last, first]);
        // The third is added in the end, and has the room of the sum until it is made. Borders tell frames apart.
        assert_eq!(route.rooms, [None, Some(3), Some(1), Some(2), Some(3), Some(2), Some(1), Some(0)]);
    }
}
