//! From a list of layers to what is done, in which order, to which maps.
//!
//! What is done to each channel by itself (normalization, what a residual block adds, activation, dropout) is one step,
//! [`Finish`], however many layers it is: one way through memory instead of four.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::window::{Frame, Phase, Window};
use crate::ml::config::{Activation, CnnLayer, LayerError, MapShape, check_layers};
use crate::ml::kernel::{Lines, stride};
use crate::ml::picture::PictureShape;

/// What a convolutional network looks like, without its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureNetworkShape {
    pub input: PictureShape,
    /// From the picture on.
    pub layers: Vec<CnnLayer>,
}

/// The values of a picture between two steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Height and width.
    pub sides: [usize; 2],
    pub channels: usize,
    pub frame: Frame,
    /// Of the derivatives by it.
    pub d_frame: Frame,
}

impl Map {
    fn new(MapShape { sides, channels }: MapShape) -> Self {
        let frame = Frame { sides, step: stride(channels), border: 0 };
        Self { sides, channels, frame, d_frame: frame }
    }

    /// Its lines of pixels, with padded channels.
    pub fn lines(&self) -> Lines {
        Lines { lines: self.sides[0], pixels: self.sides[1], channels: stride(self.channels) }
    }

    pub fn shape(&self) -> MapShape {
        MapShape { sides: self.sides, channels: self.channels }
    }

    pub fn is_vector(&self) -> bool {
        self.sides == [1, 1]
    }

    /// Values of a picture, without padding.
    pub fn values(&self) -> usize {
        self.sides[0] * self.sides[1] * self.channels
    }
}

/// Places of learnt numbers among the parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    pub weight: Range<usize>,
    pub bias: Option<Range<usize>>,
}

/// Each value of the output is a weighted sum over a window of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Convolution {
    pub window: Window,
    pub has_bias: bool,
    pub places: Places,
    /// How its input is reached from its output.
    pub back: Vec<Phase>,
}

/// Batch normalization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Norm {
    /// What its tensors are called after.
    pub name: String,
    /// Scale and shift, in the parameters.
    pub affine: [Range<usize>; 2],
    /// Mean and variance, in the statistics.
    pub running: [Range<usize>; 2],
}

/// The slopes below zero of parametric ReLU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Below {
    /// What its tensor is called after.
    pub name: String,
    /// In the parameters.
    pub range: Range<usize>,
}

/// What is done to each channel by itself, in this order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Finish {
    pub norm: Option<Norm>,
    /// The map that is added.
    pub skip: Option<usize>,
    /// Whether derivatives by that map are there already when its share is added.
    pub skip_adds: bool,
    pub activation: Option<Activation>,
    pub below: Option<Below>,
    pub dropout: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Convolve(Convolution),
    /// A convolution of each channel by itself.
    Filter(Convolution),
    /// The largest value or the mean of a window.
    Pool {
        window: Window,
        largest: bool,
    },
    Finish(Box<Finish>),
}

/// One step from map to map.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What its tensors are called after.
    pub name: String,
    pub action: Action,
    pub input: usize,
    pub output: usize,
    /// Whether derivatives by the input are there already when this step adds its own.
    pub adds: bool,
}

/// All steps of a network, with the maps between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The first is the picture.
    pub maps: Vec<Map>,
    pub steps: Vec<Step>,
    /// The vector that the logit is an affine function of.
    pub features: usize,
}

/// How far a [`Finish`] has come; what follows may only be later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Nothing,
    Normalized,
    Added,
    Activated,
    Dropped,
}

impl Finish {
    fn stage(&self) -> Stage {
        match self {
            Finish { dropout: Some(_), .. } => Stage::Dropped,
            Finish { activation: Some(_), .. } => Stage::Activated,
            Finish { skip: Some(_), .. } => Stage::Added,
            Finish { norm: Some(_), .. } => Stage::Normalized,
            _ => Stage::Nothing,
        }
    }
}

impl Norm {
    /// Its places are given later.
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), affine: [0..0, 0..0], running: [0..0, 0..0] }
    }
}

impl Plan {
    /// # Errors
    /// The layers that cannot stand where they do.
    pub fn of(shape: &PictureNetworkShape) -> Result<Self, Vec<LayerError>> {
        check_layers(&shape.layers, shape.input.into())?;
        let mut builder = Builder { maps: vec![Map::new(shape.input.into())], steps: Vec::new(), closed: 0 };
        let mut features = builder.layers(&shape.layers, "", 0);
        features = builder.pool_all(features, false);
        if features == 0 {
            features = builder.finish("", 0, Stage::Normalized, |_, _| {});
        }
        let Builder { maps, steps, .. } = builder;
        let mut plan = Self { maps, steps, features };
        plan.frame();
        plan.order_derivatives();
        Ok(plan)
    }

    /// Gives each map the border that the steps around it look into.
    fn frame(&mut self) {
        let steps = &self.steps;
        for (index, map) in self.maps.iter_mut().enumerate() {
            let reads = |step: &&Step| step.input == index;
            let padding = steps.iter().filter(reads).map(|step| match &step.action {
                Action::Convolve(Convolution { window, .. }) => window.padding,
                // These leave out what is not there.
                Action::Filter(_) | Action::Pool { .. } | Action::Finish(_) => 0,
            });
            map.frame.border = padding.max().unwrap_or(0);
            let by_channel = |step: &Step| match &step.action {
                Action::Convolve(_) => false,
                Action::Finish(finish) => step.input == 0 || finish.skip == Some(0),
                Action::Filter(_) | Action::Pool { .. } => step.input == 0,
            };
            // The runs of a line of pixels are longer without padded channels, and a picture has few.
            if index == 0 && !steps.iter().any(by_channel) {
                map.frame.step = map.channels;
            }
            for step in steps.iter().filter(|step| step.output == index && step.input != 0) {
                if let Action::Convolve(convolution) = &step.action {
                    let beyond = convolution.back.iter().map(|phase| phase.border(map.sides));
                    map.d_frame.border = beyond.max().unwrap_or(0);
                }
            }
        }
    }

    /// Finds out who is first to write derivatives, going backwards.
    fn order_derivatives(&mut self) {
        let mut written = vec![false; self.maps.len()];
        for step in self.steps.iter_mut().rev() {
            step.adds = std::mem::replace(&mut written[step.input], true);
            if let Action::Finish(finish) = &mut step.action
                && let Some(skip) = finish.skip
            {
                finish.skip_adds = std::mem::replace(&mut written[skip], true);
            }
        }
    }

    /// Multiplications and additions of a forward pass of one picture.
    pub fn multiply_adds(&self) -> u64 {
        let of_step = |step: &Step| {
            let (input, output) = (&self.maps[step.input], &self.maps[step.output]);
            match &step.action {
                Action::Convolve(Convolution { window, .. }) => {
                    output.values() as u64 * (window.kernel[0] * window.kernel[1] * input.channels) as u64
                }
                Action::Filter(Convolution { window, .. }) | Action::Pool { window, .. } => {
                    output.values() as u64 * (window.kernel[0] * window.kernel[1]) as u64
                }
                Action::Finish(_) => 2 * output.values() as u64,
            }
        };
        self.steps.iter().map(of_step).sum::<u64>() + self.maps[self.features].values() as u64
    }

    /// Values that a training step keeps of each picture.
    pub fn trained_values(&self) -> u64 {
        let of_map = |map: &Map| (map.frame.size() + map.d_frame.size()) as u64;
        let slopes = self.steps.iter().map(|step| match &step.action {
            Action::Finish(finish) if finish.keeps_slopes() => 2 * self.maps[step.output].d_frame.size() as u64,
            _ => 0,
        });
        self.maps.iter().map(of_map).sum::<u64>() + slopes.sum::<u64>()
    }

    /// Values that a prediction keeps of a picture.
    pub fn predicted_values(&self) -> u64 {
        self.maps.iter().map(|map| map.frame.size() as u64).sum()
    }
}

impl Finish {
    /// Whether the output does not tell the slopes: a ReLU's is 0 where they are.
    pub fn keeps_slopes(&self) -> bool {
        self.activation.is_some_and(|activation| activation != Activation::Relu)
            || (self.activation.is_none() && self.dropout.is_some())
    }
}

struct Builder {
    maps: Vec<Map>,
    steps: Vec<Step>,
    /// Steps before this one are not changed any more.
    closed: usize,
}

/// Layers are known to stand where they may.
impl Builder {
    /// Adds layers, whose tensors are called after `prefix`; the map that they give.
    fn layers(&mut self, layers: &[CnnLayer], prefix: &str, input: usize) -> usize {
        let named = |index: usize| format!("{prefix}layers.{index}");
        layers.iter().enumerate().fold(input, |at, (index, layer)| self.layer(layer, &named(index), at))
    }

    fn layer(&mut self, layer: &CnnLayer, name: &str, at: usize) -> usize {
        match *layer {
            CnnLayer::Conv { filters, kernel, stride, padding, bias } => {
                self.convolve(name, at, Window { kernel: [kernel; 2], stride, padding }, filters, bias)
            }
            CnnLayer::DepthwiseConv { kernel, stride, padding, bias } => {
                let window = Window { kernel: [kernel; 2], stride, padding };
                let (places, back) = (Places::default(), Vec::new());
                let action = Action::Filter(Convolution { window, has_bias: bias, places, back });
                self.push(name, action, at, self.windowed(at, window, self.maps[at].channels))
            }
            CnnLayer::MaxPool { size, stride, padding } => {
                self.pool(at, Window { kernel: [size; 2], stride, padding }, true)
            }
            CnnLayer::AvgPool { size, stride, padding } => {
                self.pool(at, Window { kernel: [size; 2], stride, padding }, false)
            }
            CnnLayer::GlobalAvgPool {} => self.pool_all(at, false),
            CnnLayer::GlobalMaxPool {} => self.pool_all(at, true),
            CnnLayer::BatchNorm {} => {
                self.finish(name, at, Stage::Normalized, |finish, name| finish.norm = Some(Norm::new(name)))
            }
            CnnLayer::Activation { function } => self.finish(name, at, Stage::Activated, |finish, name| {
                finish.activation = Some(function);
                let below = || Below { name: name.to_owned(), range: 0..0 };
                finish.below = (function == Activation::Prelu).then(below);
            }),
            CnnLayer::Dropout { probability } => {
                self.finish(name, at, Stage::Dropped, |finish, _| finish.dropout = Some(probability))
            }
            CnnLayer::Dense { units, bias } => self.convolve(name, at, self.whole(at), units, bias),
            CnnLayer::Residual { ref layers, .. } => self.residual(name, at, layers),
        }
    }

    fn residual(&mut self, name: &str, at: usize, layers: &[CnnLayer]) -> usize {
        // What comes in is needed as it is.
        self.closed = self.steps.len();
        let first = self.steps.len();
        let inner = self.layers(layers, &format!("{name}."), at);
        let [from, to] = [at, inner].map(|map| self.maps[map].shape());
        let mut skip = at;
        if from != to {
            // The projection comes before the layers, so that the last of them may take up what is added.
            let inner_steps = self.steps.split_off(first);
            let window = Window { kernel: [1, 1], stride: from.stride_to(to).unwrap_or(1), padding: 0 };
            let name = format!("{name}.projection");
            skip = self.convolve(&name, at, window, to.channels, false);
            skip = self.finish(&name, skip, Stage::Normalized, |finish, name| finish.norm = Some(Norm::new(name)));
            self.closed = self.steps.len();
            self.steps.extend(inner_steps);
        }
        self.finish(name, inner, Stage::Added, |finish, _| finish.skip = Some(skip))
    }

    fn convolve(&mut self, name: &str, at: usize, window: Window, filters: usize, has_bias: bool) -> usize {
        // Nobody asks for derivatives by the picture.
        let back = if at == 0 { Vec::new() } else { Phase::all(&window, self.maps[at].sides) };
        let action = Action::Convolve(Convolution { window, has_bias, places: Places::default(), back });
        self.push(name, action, at, self.windowed(at, window, filters))
    }

    fn pool(&mut self, at: usize, window: Window, largest: bool) -> usize {
        self.push("", Action::Pool { window, largest }, at, self.windowed(at, window, self.maps[at].channels))
    }

    /// Of a vector there is nothing to pool.
    fn pool_all(&mut self, at: usize, largest: bool) -> usize {
        if self.maps[at].is_vector() { at } else { self.pool(at, self.whole(at), largest) }
    }

    /// The window over all pixels of a map.
    fn whole(&self, at: usize) -> Window {
        let kernel = self.maps[at].sides;
        Window { kernel, stride: kernel[0].max(kernel[1]), padding: 0 }
    }

    fn windowed(&self, at: usize, window: Window, channels: usize) -> MapShape {
        MapShape { sides: window.output(self.maps[at].sides).unwrap_or([1, 1]), channels }
    }

    /// What is done to each channel: as part of the last step, if that still may be changed and is not past it.
    fn finish(&mut self, name: &str, at: usize, stage: Stage, change: impl FnOnce(&mut Finish, &str)) -> usize {
        let is_open = self.steps.len() > self.closed;
        if let Some(Step { action: Action::Finish(finish), output, .. }) = self.steps.last_mut().filter(|_| is_open)
            && *output == at
            && finish.stage() < stage
        {
            change(finish, name);
            return at;
        }
        let mut finish = Finish::default();
        change(&mut finish, name);
        self.push(name, Action::Finish(Box::new(finish)), at, self.maps[at].shape())
    }

    fn push(&mut self, name: &str, action: Action, input: usize, shape: MapShape) -> usize {
        let output = self.maps.len();
        self.maps.push(Map::new(shape));
        self.steps.push(Step { name: name.to_owned(), action, input, output, adds: false });
        output
    }
}
