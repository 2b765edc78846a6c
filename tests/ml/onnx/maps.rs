//! Pictures in an exported graph: values with four axes, and the operators of convolutional networks.

use evenkeel::ml::onnx::proto::{DataType, NodeProto};

use super::evaluate::{Matrix, Value, apply as apply_to_matrices, attribute};

/// Values with four axes, the last of which is the quickest.
#[derive(Debug, Clone)]
pub(super) struct Maps {
    sides: [usize; 4],
    /// One column.
    values: Matrix,
}

impl Maps {
    pub(super) fn new(sides: [usize; 4], kind: DataType, values: Vec<f64>) -> Self {
        assert_eq!(values.len(), sides.iter().product::<usize>());
        Self { sides, values: Matrix { rows: values.len(), columns: 1, kind, values } }
    }

    fn of(sides: [usize; 4], kind: DataType, at: impl Fn([usize; 4]) -> f64) -> Self {
        let place = |index: usize| {
            let [_, b, c, d] = sides;
            [index / (b * c * d), index / (c * d) % b, index / d % c, index % d]
        };
        let round = |value: f64| if kind == DataType::Float { f64::from(value as f32) } else { value };
        let count = sides.iter().product();
        Self::new(sides, kind, (0..count).map(|index| round(at(place(index)))).collect())
    }

    /// A value, where one along an axis stands for all.
    fn at(&self, place: [usize; 4]) -> f64 {
        let index =
            place.iter().zip(self.sides).fold(0, |index, (&at, side)| index * side + if side == 1 { 0 } else { at });
        self.values.values[index]
    }

    fn kind(&self) -> DataType {
        self.values.kind
    }

    /// Zero beyond the edge, or what else stands there.
    fn padded(&self, [picture, channel]: [usize; 2], [y, x]: [i64; 2], beyond: f64) -> f64 {
        let [_, _, height, width] = self.sides;
        match (usize::try_from(y), usize::try_from(x)) {
            (Ok(y), Ok(x)) if y < height && x < width => self.at([picture, channel, y, x]),
            _ => beyond,
        }
    }
}

/// A value as one of four axes: a row of numbers lies along the last.
fn maps_of(value: &Value) -> Maps {
    match value {
        Value::Maps(maps) => maps.clone(),
        Value::Numbers(row) => {
            assert_eq!(row.rows, 1, "only a row is spread over maps");
            Maps::new([1, 1, 1, row.columns], row.kind, row.values.clone())
        }
        Value::Texts(_) => panic!("no texts are spread over maps"),
    }
}

/// The result of an operator of which at least one input has four axes.
pub(super) fn apply(node: &NodeProto, inputs: &[&Value]) -> Value {
    let given: Vec<Maps> = inputs.iter().map(|value| maps_of(value)).collect();
    Value::Maps(match (node.op_type(), given.as_slice()) {
        ("Flatten", [x]) => {
            assert_eq!(attribute(node, "axis").i(), 1);
            let columns = x.sides[1..].iter().product();
            let Maps { sides: [rows, ..], values } = x.clone();
            return Value::Numbers(Matrix { rows, columns, ..values });
        }
        ("Transpose", [x]) => {
            let order: Vec<usize> = attribute(node, "perm").ints.iter().map(|&axis| axis as usize).collect();
            let sides = [0, 1, 2, 3].map(|axis: usize| x.sides[order[axis]]);
            Maps::of(sides, x.kind(), |place| {
                let mut from = [0; 4];
                order.iter().zip(place).for_each(|(&axis, at)| from[axis] = at);
                x.at(from)
            })
        }
        ("Conv", [x, weight, bias @ ..]) => convolved(node, x, weight, bias.first()),
        ("MaxPool", [x]) => pooled(node, x, f64::NEG_INFINITY, |values| values.fold(f64::NEG_INFINITY, f64::max)),
        ("AveragePool", [x]) => {
            assert_eq!(attribute(node, "count_include_pad").i(), 1);
            pooled(node, x, 0.0, |values| {
                let values: Vec<f64> = values.collect();
                values.iter().sum::<f64>() / values.len() as f64
            })
        }
        _ => {
            let sides = [0, 1, 2, 3].map(|axis: usize| given.iter().map(|maps| maps.sides[axis]).max().unwrap());
            let spread =
                given.iter().map(|maps| Value::Numbers(Maps::of(sides, maps.kind(), |place| maps.at(place)).values));
            let spread: Vec<Value> = spread.collect();
            let Value::Numbers(values) = apply_to_matrices(node, &spread.iter().collect::<Vec<_>>()) else { panic!() };
            Maps { sides, values }
        }
    })
}

/// Kernel, strides and padding of a window; all sides of padding are alike.
fn window(node: &NodeProto) -> ([usize; 2], usize, i64) {
    let ints = |name: &str| attribute(node, name).ints.clone();
    let (kernel, strides, pads) = (ints("kernel_shape"), ints("strides"), ints("pads"));
    assert!(strides[0] == strides[1] && pads.iter().all(|pad| *pad == pads[0]) && pads.len() == 4);
    ([kernel[0] as usize, kernel[1] as usize], strides[0] as usize, pads[0])
}

fn output_sides(x: &Maps, (kernel, stride, pad): ([usize; 2], usize, i64)) -> [usize; 2] {
    [0, 1].map(|axis: usize| (x.sides[2 + axis] + 2 * pad as usize - kernel[axis]) / stride + 1)
}

/// The places that a pixel of the output looks at.
fn looked_at(
    (kernel, stride, pad): ([usize; 2], usize, i64),
    [y, x]: [usize; 2],
) -> impl Iterator<Item = ([usize; 2], [i64; 2])> {
    let at = move |out: usize, inner: usize| (out * stride + inner) as i64 - pad;
    let pixels = (0..kernel[0]).flat_map(move |dy| (0..kernel[1]).map(move |dx| [dy, dx]));
    pixels.map(move |[dy, dx]| ([dy, dx], [at(y, dy), at(x, dx)]))
}

fn convolved(node: &NodeProto, x: &Maps, weight: &Maps, bias: Option<&Maps>) -> Maps {
    let window = window(node);
    let [filters, seen, height, width] = weight.sides;
    assert_eq!([height, width], window.0);
    let groups = attribute(node, "group").i() as usize;
    assert_eq!(seen * groups, x.sides[1]);
    let [lines, columns] = output_sides(x, window);
    Maps::of([x.sides[0], filters, lines, columns], x.kind(), |[picture, filter, line, column]| {
        let first = filter / (filters / groups) * seen;
        let sum: f64 = looked_at(window, [line, column])
            .flat_map(|(inner, place)| (0..seen).map(move |channel| (inner, place, channel)))
            .map(|([dy, dx], place, channel)| {
                weight.at([filter, channel, dy, dx]) * x.padded([picture, first + channel], place, 0.0)
            })
            .sum();
        sum + bias.map_or(0.0, |bias| bias.values.values[filter])
    })
}

fn pooled(node: &NodeProto, x: &Maps, beyond: f64, pool: impl Fn(&mut dyn Iterator<Item = f64>) -> f64) -> Maps {
    let window = window(node);
    let [lines, columns] = output_sides(x, window);
    Maps::of([x.sides[0], x.sides[1], lines, columns], x.kind(), |[picture, channel, line, column]| {
        let values = looked_at(window, [line, column]).map(|(_, place)| x.padded([picture, channel], place, beyond));
        pool(&mut { values })
    })
}
