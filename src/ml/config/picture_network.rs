//! Convolutional networks: models of type `cnn`.

use serde::{Deserialize, Serialize};

use super::{Activation, Initializer};
use crate::ml::picture::PictureShape;

/// Pixels of a side of a kernel or window, and of a stride, at most.
pub(super) const MAX_WINDOW: usize = 64;
/// Values of a map, at most.
const MAX_MAP: usize = 1 << 24;

/// A convolutional network, which reads pictures and gives one logit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CnnConfig {
    /// A ready network; `None`: the layers say what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<CnnSize>,
    /// From the picture on. The logit is an affine function of what the last of them gives; a map that is left is averaged
    /// over its pixels first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<CnnLayer>>,
    /// Of ready networks, and of layers that name none.
    pub activation: Activation,
    /// The chance that one of the values that the logit is made of is left out of a training step.
    pub dropout: f64,
    pub initializer: Initializer,
    /// As of `mlp`.
    pub prior_bias: bool,
    /// Networks trained from different seeds, whose logits are averaged.
    pub members: usize,
}

/// The ready networks: compact residual networks (He et al. 2016).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CnnSize {
    /// A convolution and three residual blocks of 16, 32 and 64 channels: 8 layers, 77,000 parameters.
    Small,
    /// A convolution and three pairs of residual blocks of 32, 64 and 128 channels: 14 layers, 695,000 parameters.
    Medium,
}

/// One layer. Sides of kernels and windows, strides and padding are in pixels and the same in both directions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum CnnLayer {
    /// Each filter is a weighted sum over a window of all channels.
    Conv {
        filters: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        bias: bool,
    },
    /// As `conv`, with one filter for each channel, over that channel alone.
    DepthwiseConv {
        kernel: usize,
        stride: usize,
        padding: usize,
        bias: bool,
    },
    /// The largest value of a window, by channel; padding is never the largest.
    MaxPool {
        size: usize,
        stride: usize,
        padding: usize,
    },
    /// The mean over a window, by channel; padding counts as zeros.
    AvgPool {
        size: usize,
        stride: usize,
        padding: usize,
    },
    /// Each channel is brought to mean 0 and variance 1 over batch and pixels (Ioffe and Szegedy 2015), then scaled and
    /// shifted; prediction uses running statistics.
    BatchNorm {},
    Activation {
        function: Activation,
    },
    /// Adds what comes in to what the layers make of it (He et al. 2016).
    Residual {
        layers: Vec<CnnLayer>,
        /// Where the layers change channels or sides, what comes in goes through a convolution of one pixel and a batch
        /// normalization first.
        projection: bool,
    },
    /// The mean of each channel over all pixels.
    GlobalAvgPool {},
    /// The largest value of each channel over all pixels.
    GlobalMaxPool {},
    /// Leaves each value out of a training step by this chance.
    Dropout {
        probability: f64,
    },
    /// An affine function of everything there is.
    Dense {
        units: usize,
        bias: bool,
    },
}

impl CnnLayer {
    /// The name in configurations.
    pub fn name(&self) -> &'static str {
        match self {
            CnnLayer::Conv { .. } => "conv",
            CnnLayer::DepthwiseConv { .. } => "depthwise_conv",
            CnnLayer::MaxPool { .. } => "max_pool",
            CnnLayer::AvgPool { .. } => "avg_pool",
            CnnLayer::BatchNorm {} => "batch_norm",
            CnnLayer::Activation { .. } => "activation",
            CnnLayer::Residual { .. } => "residual",
            CnnLayer::GlobalAvgPool {} => "global_avg_pool",
            CnnLayer::GlobalMaxPool {} => "global_max_pool",
            CnnLayer::Dropout { .. } => "dropout",
            CnnLayer::Dense { .. } => "dense",
        }
    }

    /// The layer, and all within it.
    pub fn count(&self) -> usize {
        match self {
            CnnLayer::Residual { layers, .. } => layers.iter().map(Self::count).fold(1, usize::saturating_add),
            _ => 1,
        }
    }

    /// What no configuration asks for, of it and the layers within it.
    pub fn impossible(&self) -> Option<String> {
        let window = |kernel: usize, stride: usize, padding: usize| {
            let is_one = (1..=MAX_WINDOW).contains(&kernel) && (1..=MAX_WINDOW).contains(&stride) && padding < kernel;
            (!is_one).then(|| format!("a window of {kernel} pixels, moved by {stride}, with a padding of {padding}"))
        };
        let units = |units: usize| (units == 0).then(|| "a layer without units".to_owned());
        match *self {
            CnnLayer::Conv { filters, kernel, stride, padding, .. } => {
                units(filters).or_else(|| window(kernel, stride, padding))
            }
            CnnLayer::DepthwiseConv { kernel, stride, padding, .. } => window(kernel, stride, padding),
            CnnLayer::MaxPool { size, stride, padding } | CnnLayer::AvgPool { size, stride, padding } => {
                window(size, stride, padding)
            }
            CnnLayer::Dense { units: found, .. } => units(found),
            CnnLayer::Dropout { probability } => {
                (!(0.0..1.0).contains(&probability)).then(|| format!("a chance of {probability}"))
            }
            CnnLayer::Residual { ref layers, .. } => layers.iter().find_map(Self::impossible),
            CnnLayer::BatchNorm {}
            | CnnLayer::Activation { .. }
            | CnnLayer::GlobalAvgPool {}
            | CnnLayer::GlobalMaxPool {} => None,
        }
    }

    /// Whether it, or a layer within it, normalizes over the batch.
    pub fn looks_at_the_batch(&self) -> bool {
        match self {
            CnnLayer::BatchNorm {} => true,
            // A projection does.
            CnnLayer::Residual { layers, projection } => *projection || layers.iter().any(Self::looks_at_the_batch),
            _ => false,
        }
    }
}

impl CnnConfig {
    /// The network whose features say where pictures lie, for resampling in an embedding.
    pub fn embedding() -> Self {
        Self {
            size: Some(CnnSize::Small),
            layers: None,
            activation: Activation::Relu,
            dropout: 0.0,
            initializer: Initializer::HeNormal,
            prior_bias: true,
            members: 1,
        }
    }

    /// All layers, with what the other members add to them.
    pub fn all_layers(&self) -> Vec<CnnLayer> {
        let mut layers = match (self.size, &self.layers) {
            (None, Some(layers)) => layers.clone(),
            (Some(CnnSize::Medium), _) => residual_network([32, 64, 128], 2, self.activation),
            (Some(CnnSize::Small) | None, _) => residual_network([16, 32, 64], 1, self.activation),
        };
        if self.dropout > 0.0 {
            // Of a vector the mean is the vector.
            layers.extend([CnnLayer::GlobalAvgPool {}, CnnLayer::Dropout { probability: self.dropout }]);
        }
        layers
    }

    /// Whether any layer normalizes over the batch.
    pub fn looks_at_the_batch(&self) -> bool {
        self.all_layers().iter().any(CnnLayer::looks_at_the_batch)
    }
}

/// A convolution, then so many residual blocks of each width, each width but the first at half the sides.
fn residual_network(widths: [usize; 3], blocks: usize, function: Activation) -> Vec<CnnLayer> {
    let conv = |filters, stride| CnnLayer::Conv { filters, kernel: 3, stride, padding: 1, bias: false };
    let mut layers = vec![conv(widths[0], 1), CnnLayer::BatchNorm {}, CnnLayer::Activation { function }];
    for (stage, &filters) in widths.iter().enumerate() {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let inner = vec![
                conv(filters, stride),
                CnnLayer::BatchNorm {},
                CnnLayer::Activation { function },
                conv(filters, 1),
                CnnLayer::BatchNorm {},
            ];
            let projection = stride > 1;
            layers.extend([CnnLayer::Residual { layers: inner, projection }, CnnLayer::Activation { function }]);
        }
    }
    layers.push(CnnLayer::GlobalAvgPool {});
    layers
}

/// What there is of a picture between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapShape {
    /// Height and width.
    pub sides: [usize; 2],
    pub channels: usize,
}

/// A layer that cannot stand where it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerError {
    /// The layer's place in its list, behind those of the lists that hold it.
    pub path: Vec<usize>,
    /// The member that is wrong; empty where it is the layer as a whole.
    pub member: &'static str,
    pub detail: String,
}

impl From<PictureShape> for MapShape {
    fn from(shape: PictureShape) -> Self {
        Self { sides: [shape.height, shape.width], channels: shape.channels }
    }
}

impl std::fmt::Display for MapShape {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} × {} × {}", self.sides[0], self.sides[1], self.channels)
    }
}

impl MapShape {
    /// What a window of these sides, moved by so many pixels, gives beyond a padding; `None` if it is larger than that.
    pub fn windowed(self, kernel: [usize; 2], stride: usize, padding: usize) -> Option<[usize; 2]> {
        let side = |side: usize, kernel: usize| {
            Some(side.saturating_add(padding.saturating_mul(2)).checked_sub(kernel)? / stride.max(1) + 1)
        };
        Some([side(self.sides[0], kernel[0])?, side(self.sides[1], kernel[1])?])
    }

    /// The stride of a window of one pixel that gives the sides of another map.
    pub fn stride_to(self, other: MapShape) -> Option<usize> {
        (1..=self.sides[0].max(self.sides[1])).find(|&stride| self.windowed([1, 1], stride, 0) == Some(other.sides))
    }
}

/// What layers make of a map.
///
/// # Errors
/// All that cannot stand where they do; those behind them are checked as if they did nothing.
pub fn check_layers(layers: &[CnnLayer], input: MapShape) -> Result<MapShape, Vec<LayerError>> {
    let mut errors = Vec::new();
    let output = walk(layers, input, &[], &mut errors);
    if errors.is_empty() { Ok(output) } else { Err(errors) }
}

fn walk(layers: &[CnnLayer], input: MapShape, path: &[usize], errors: &mut Vec<LayerError>) -> MapShape {
    layers.iter().enumerate().fold(input, |at, (index, layer)| {
        let path = [path, &[index]].concat();
        let output = match layer {
            CnnLayer::Residual { layers, projection } => {
                let before = errors.len();
                let inner = walk(layers, at, &path, errors);
                if errors.len() > before { Ok(at) } else { joined(layers, *projection, at, inner) }
            }
            _ => layer.output(at),
        };
        let output = output.and_then(|output| {
            let values = output.sides.iter().fold(output.channels, |product, &side| product.saturating_mul(side));
            let detail = || format!("its output would have {values} values; at most {MAX_MAP} are allowed");
            if values > MAX_MAP { Err(("", detail())) } else { Ok(output) }
        });
        output.unwrap_or_else(|(member, detail)| {
            errors.push(LayerError { path, member, detail });
            at
        })
    })
}

/// What comes of adding a map to what layers make of it.
fn joined(
    layers: &[CnnLayer],
    projection: bool,
    from: MapShape,
    to: MapShape,
) -> Result<MapShape, (&'static str, String)> {
    if layers.is_empty() {
        return Err(("layers", "a residual block needs layers".to_owned()));
    }
    if from == to {
        return Ok(to);
    }
    if !projection {
        let detail =
            format!("the layers make {to} of {from}, which cannot be added to each other without a projection");
        return Err(("projection", detail));
    }
    match from.stride_to(to) {
        Some(_) => Ok(to),
        None => Err(("layers", format!("no stride of a projection makes {to} of {from}"))),
    }
}

impl CnnLayer {
    /// What it makes of a map; of a residual block this is for others to say.
    fn output(&self, input: MapShape) -> Result<MapShape, (&'static str, String)> {
        let windowed = |[kernel, stride, padding]: [usize; 3], channels: usize, member: &'static str| {
            let sides = input.windowed([kernel; 2], stride, padding).ok_or_else(|| {
                let [height, width] = input.sides;
                let within = if padding > 0 { format!(" with a padding of {padding}") } else { String::new() };
                (member, format!("a window of {kernel} pixels is larger than {height} × {width}{within}"))
            })?;
            Ok(MapShape { sides, channels })
        };
        match *self {
            CnnLayer::Conv { filters, kernel, stride, padding, .. } => {
                windowed([kernel, stride, padding], filters, "kernel")
            }
            CnnLayer::DepthwiseConv { kernel, stride, padding, .. } => {
                windowed([kernel, stride, padding], input.channels, "kernel")
            }
            CnnLayer::MaxPool { size, stride, padding } | CnnLayer::AvgPool { size, stride, padding } => {
                windowed([size, stride, padding], input.channels, "size")
            }
            CnnLayer::GlobalAvgPool {} | CnnLayer::GlobalMaxPool {} => Ok(MapShape { sides: [1, 1], ..input }),
            CnnLayer::Dense { units, .. } => Ok(MapShape { sides: [1, 1], channels: units }),
            CnnLayer::BatchNorm {}
            | CnnLayer::Activation { .. }
            | CnnLayer::Dropout { .. }
            | CnnLayer::Residual { .. } => Ok(input),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conv(filters: usize, kernel: usize, stride: usize) -> CnnLayer {
        CnnLayer::Conv { filters, kernel, stride, padding: 0, bias: true }
    }

    fn map(height: usize, width: usize, channels: usize) -> MapShape {
        MapShape { sides: [height, width], channels }
    }

    #[test]
    fn ready_networks_halve_the_sides_twice_and_end_in_a_vector() {
        let mut config = CnnConfig {
            size: Some(CnnSize::Small),
            layers: None,
            activation: Activation::Relu,
            dropout: 0.5,
            initializer: Initializer::HeNormal,
            prior_bias: true,
            members: 1,
        };
        let layers = config.all_layers();
        assert_eq!(check_layers(&layers[..7], map(32, 30, 3)), Ok(map(16, 15, 32)));
        assert_eq!(check_layers(&layers, map(32, 30, 3)), Ok(map(1, 1, 64)));
        assert_eq!(layers.last(), Some(&CnnLayer::Dropout { probability: 0.5 }));
        config.size = Some(CnnSize::Medium);
        assert_eq!(check_layers(&config.all_layers(), map(1, 1, 1)), Ok(map(1, 1, 128)));
        assert!(config.looks_at_the_batch());
        config = CnnConfig { size: None, layers: Some(vec![conv(3, 1, 1)]), ..config };
        assert!(!config.looks_at_the_batch());
    }

    #[test]
    fn every_layer_that_does_not_fit_is_told_with_its_place() {
        let residual = |layers: Vec<CnnLayer>, projection: bool| CnnLayer::Residual { layers, projection };
        let layers = [
            conv(2, 9, 1),
            residual(vec![conv(2, 3, 1), conv(2, 7, 1)], true),
            residual(vec![conv(2, 3, 1)], false),
            residual(Vec::new(), true),
            CnnLayer::MaxPool { size: 20, stride: 1, padding: 3 },
            residual(vec![CnnLayer::MaxPool { size: 4, stride: 3, padding: 0 }, conv(1, 1, 1)], true),
            conv(1 << 23, 1, 1),
        ];
        let errors = check_layers(&layers, map(8, 8, 3)).unwrap_err();
        let told: Vec<_> = errors.iter().map(|error| (error.path.as_slice(), error.member)).collect();
        let expected: [(&[usize], &str); 6] =
            [(&[0], "kernel"), (&[1, 1], "kernel"), (&[2], "projection"), (&[3], "layers"), (&[4], "size"), (&[6], "")];
        assert_eq!(told, expected, "{errors:?}");
        let detail = "the layers make 6 × 6 × 2 of 8 × 8 × 3, which cannot be added to each other without a projection";
        assert_eq!(errors[2].detail, detail);
        let errors =
            check_layers(&[residual(vec![CnnLayer::AvgPool { size: 6, stride: 1, padding: 0 }], true)], map(8, 9, 1));
        assert_eq!(errors.unwrap_err()[0].detail, "no stride of a projection makes 3 × 4 × 1 of 8 × 9 × 1");
    }
}
