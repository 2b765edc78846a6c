//! Networks that read pictures. The input is their pixels, `[N, height, width, channels]` of 8 bits at the model's own size:
//! how a picture of another size is resized is not the same from program to program. What lies between is scaling by
//! channel and the steps of the network's plan, each of which is an operator that runtimes have.

use super::activation::activated;
use super::graph::{Graph, STANDARD, Value, int, ints};
use super::parts::Parts;
use super::proto::DataType;
use crate::ml::nn::picture::{Action, Convolution, Finish, Map, Plan};
use crate::ml::nn::{NORM_EPSILON, Network};
use crate::ml::picture::{PictureScaling, PictureShape};

/// Declares the pictures as the input.
pub(super) fn declare(graph: &mut Graph, name: &str, shape: PictureShape) -> Value {
    let sides = [shape.height, shape.width, shape.channels].map(|side| side as i64);
    let channels = if shape.channels == 1 { "grey" } else { "red, green and blue" };
    let doc =
        format!("Pictures line by line, pixel by pixel: {channels}, from 0 to 255, resized as the model reads them.");
    graph.picture_input(name, sides, doc)
}

/// The pictures as the network reads them, f32 of the input's shape: step by step as [`PictureScaling::apply`] does it.
pub(super) fn scaled(graph: &mut Graph, pixels: &Value, scaling: &PictureScaling) -> Value {
    let values = graph.cast(pixels, DataType::Float);
    let most = graph.floats("most", &[1], &[255.0]);
    let unit = graph.apply("Div", &[&values, &most]);
    let row = |graph: &mut Graph, hint: &str, values: &[f64]| {
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        graph.floats(hint, &[values.len()], &values)
    };
    let (mean, spread) = (row(graph, "channel_mean", &scaling.mean), row(graph, "channel_spread", &scaling.spread));
    let centered = graph.apply("Sub", &[&unit, &mean]);
    graph.apply("Div", &[&centered, &spread])
}

/// Each picture as one row.
pub(super) fn flattened(graph: &mut Graph, pictures: &Value) -> Value {
    graph.node(STANDARD, "Flatten", &[pictures], vec![int("axis", 1)])
}

/// The logits `[N, 1]` of a convolutional network, f32, of scaled pictures.
pub(super) fn logits(graph: &mut Graph, name: &str, network: &Network, plan: &Plan, pictures: &Value) -> Value {
    let channels_first = graph.node(STANDARD, "Transpose", &[pictures], vec![ints("perm", vec![0, 3, 1, 2])]);
    let parts = Parts::of(name, network);
    let mut maps: Vec<Option<Value>> = vec![None; plan.maps.len()];
    maps[0] = Some(channels_first);
    for step in &plan.steps {
        // Every map is made before it is read.
        let Some(input) = maps.get(step.input).cloned().flatten() else { continue };
        let (from, to) = (&plan.maps[step.input], &plan.maps[step.output]);
        maps[step.output] = Some(match &step.action {
            Action::Convolve(convolution) => {
                parts.convolved(graph, &step.name, convolution, [from.channels, 1], to, &input)
            }
            Action::Filter(convolution) => {
                parts.convolved(graph, &step.name, convolution, [1, from.channels], to, &input)
            }
            Action::Pool { window, largest } => {
                let operator = if *largest { "MaxPool" } else { "AveragePool" };
                let mut attributes = vec![
                    ints("kernel_shape", window.kernel.map(|side| side as i64).to_vec()),
                    ints("strides", vec![window.stride as i64; 2]),
                    ints("pads", vec![window.padding as i64; 4]),
                ];
                if !largest {
                    attributes.push(int("count_include_pad", 1));
                }
                graph.node(STANDARD, operator, &[&input], attributes)
            }
            Action::Finish(finish) => {
                let skip = finish.skip.and_then(|skip| maps.get(skip).cloned().flatten());
                parts.finished(graph, finish, to, &input, skip.as_ref())
            }
        });
    }
    let features = maps.get(plan.features).cloned().flatten().unwrap_or_else(|| pictures.clone());
    let features = flattened(graph, &features);
    let (weight, bias) = (parts.tensor(graph, "output.weight"), parts.tensor(graph, "output.bias"));
    graph.node(STANDARD, "Gemm", &[&features, &weight, &bias], vec![int("transB", 1)])
}

impl Parts<'_> {
    fn tensor(&self, graph: &mut Graph, tensor: &str) -> Value {
        graph.floats(&format!("{}.{tensor}", self.name), self.shape(tensor), self.values(tensor))
    }

    /// Filters see so many channels each; there are so many groups of them.
    fn convolved(
        &self,
        graph: &mut Graph,
        step: &str,
        convolution: &Convolution,
        [inputs, groups]: [usize; 2],
        output: &Map,
        from: &Value,
    ) -> Value {
        let window = convolution.window;
        let [height, width] = window.kernel;
        // Ours are by pixel of the window, then by channel.
        let own = self.values(&format!("{step}.weight"));
        let pixels = height * width;
        let of_filter = |filter: &[f32]| {
            let places = (0..inputs).flat_map(|channel| (0..pixels).map(move |pixel| pixel * inputs + channel));
            places.map(|place| filter.get(place).copied().unwrap_or_default()).collect::<Vec<_>>()
        };
        let values: Vec<f32> = own.chunks((pixels * inputs).max(1)).flat_map(of_filter).collect();
        let shape = [output.channels, inputs, height, width];
        let weight = graph.floats(&format!("{}.{step}.weight", self.name), &shape, &values);
        let attributes = vec![
            ints("kernel_shape", vec![height as i64, width as i64]),
            ints("strides", vec![window.stride as i64; 2]),
            ints("pads", vec![window.padding as i64; 4]),
            int("group", groups as i64),
        ];
        if convolution.has_bias {
            let bias = self.tensor(graph, &format!("{step}.bias"));
            return graph.node(STANDARD, "Conv", &[from, &weight, &bias], attributes);
        }
        graph.node(STANDARD, "Conv", &[from, &weight], attributes)
    }

    fn finished(&self, graph: &mut Graph, finish: &Finish, map: &Map, from: &Value, skip: Option<&Value>) -> Value {
        let by_channel = [map.channels, 1, 1];
        let mut value = from.clone();
        if let Some(norm) = &finish.norm {
            let part = |part: &str| self.values(&format!("{}.{part}", norm.name));
            let moments = part("running_mean").iter().zip(part("running_variance"));
            let affine = part("scale").iter().zip(part("shift"));
            let factors = affine.zip(moments).map(|((&scale, &shift), (&mean, &variance))| {
                let factor = f64::from(scale) / (f64::from(variance) + NORM_EPSILON).sqrt();
                (factor as f32, (f64::from(shift) - f64::from(mean) * factor) as f32)
            });
            let (factor, offset): (Vec<f32>, Vec<f32>) = factors.unzip();
            let factor = graph.floats(&format!("{}.{}.factor", self.name, norm.name), &by_channel, &factor);
            let offset = graph.floats(&format!("{}.{}.offset", self.name, norm.name), &by_channel, &offset);
            let scaled = graph.apply("Mul", &[&value, &factor]);
            value = graph.apply("Add", &[&scaled, &offset]);
        }
        if let Some(skip) = skip {
            value = graph.apply("Add", &[&value, skip]);
        }
        let Some(activation) = finish.activation else { return value };
        let slopes = finish.below.as_ref().map(|below| {
            let name = format!("{}.below", below.name);
            graph.floats(&format!("{}.{name}", self.name), &by_channel, self.values(&name))
        });
        activated(graph, activation, slopes.as_ref(), &value)
    }
}
