//! What a training run makes: the architecture of a network with its layout, and how it starts.

use std::fmt;
use std::sync::Arc;

use super::layout::{Architecture, Layout, NetworkShape};
use super::picture::PictureNetworkShape;
use crate::ml::config::{CnnConfig, Initializer, LayerError, MlpConfig, Normalization};
use crate::ml::picture::PictureShape;

/// A network before it is drawn.
#[derive(Clone, PartialEq)]
pub struct Design {
    architecture: Architecture,
    layout: Arc<Layout>,
    /// The chance that a hidden unit of a multilayer perceptron is left out; convolutional networks have layers for that.
    pub dropout: f64,
    pub initializer: Initializer,
    /// Whether the output bias starts at the log-odds of the rows as trained.
    pub prior_bias: bool,
    /// Networks trained from different seeds.
    pub members: usize,
}

impl Design {
    /// A multilayer perceptron on so many features.
    pub fn of_mlp(config: &MlpConfig, inputs: usize) -> Self {
        let shape = NetworkShape::of(config, inputs);
        Self {
            layout: Arc::new(Layout::of(&shape)),
            architecture: Architecture::Mlp(shape),
            dropout: config.dropout,
            initializer: config.initializer,
            prior_bias: config.prior_bias,
            members: config.members,
        }
    }

    /// A convolutional network on pictures of this shape.
    ///
    /// # Errors
    /// The layers that cannot stand where they do; a checked configuration has none.
    pub fn of_cnn(config: &CnnConfig, input: PictureShape) -> Result<Self, Vec<LayerError>> {
        let architecture = Architecture::Cnn(PictureNetworkShape { input, layers: config.all_layers() });
        Ok(Self {
            layout: Arc::new(Layout::of_any(&architecture)?),
            architecture,
            dropout: 0.0,
            initializer: config.initializer,
            prior_bias: config.prior_bias,
            members: config.members,
        })
    }

    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Whether what is learnt of a row depends on the rows beside it.
    pub(super) fn looks_at_the_batch(&self) -> bool {
        match &self.architecture {
            Architecture::Mlp(shape) => shape.normalization == Normalization::Batch,
            Architecture::Cnn(shape) => shape.layers.iter().any(|layer| layer.looks_at_the_batch()),
        }
    }
}

/// All that was asked for; the layout follows from it.
impl fmt::Debug for Design {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { architecture, layout: _, dropout, initializer, prior_bias, members } = self;
        write!(out, "{:?}", (architecture, dropout, initializer, prior_bias, members))
    }
}
