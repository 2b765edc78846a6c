//! Runs an exported graph, as far as exported graphs go: matrices of numbers or texts, the operators that are written, the
//! ways in which they are used. What onnxruntime makes of the same files is held by `scripts/check-onnx`.

use std::collections::HashMap;

use evenkeel::ml::onnx::proto::{AttributeProto, DataType, GraphProto, NodeProto, TensorProto};

use super::maps::{self, Maps};

/// Numbers, whatever their type; f32 results are rounded to f32.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) kind: DataType,
    pub(super) values: Vec<f64>,
}

/// A value of the graph.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Numbers(Matrix),
    /// One column, or one text for all rows.
    Texts(Vec<String>),
    Maps(Maps),
}

impl Value {
    pub(super) fn column(values: Vec<f64>) -> Self {
        Value::Numbers(Matrix { rows: values.len(), columns: 1, kind: DataType::Double, values })
    }

    pub(super) fn numbers(&self) -> &Matrix {
        let Value::Numbers(matrix) = self else { panic!("numbers are expected") };
        matrix
    }

    pub(super) fn texts(&self) -> &[String] {
        let Value::Texts(texts) = self else { panic!("texts are expected") };
        texts
    }
}

impl Matrix {
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    fn of(kind: DataType, rows: usize, columns: usize, at: impl Fn(usize, usize) -> f64) -> Self {
        let round = |value: f64| if kind == DataType::Float { f64::from(value as f32) } else { value };
        let values = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        Self { rows, columns, kind, values: values.map(|(row, column)| round(at(row, column))).collect() }
    }

    /// The value at a place, where one row or one column stands for all.
    fn at(&self, row: usize, column: usize) -> f64 {
        let row = if self.rows == 1 { 0 } else { row };
        let column = if self.columns == 1 { 0 } else { column };
        self.values[row * self.columns + column]
    }

    fn map(&self, function: impl Fn(f64) -> f64) -> Self {
        Matrix::of(self.kind, self.rows, self.columns, |row, column| function(self.at(row, column)))
    }

    fn with(&self, other: &Self, kind: DataType, function: impl Fn(f64, f64) -> f64) -> Self {
        let (rows, columns) = (side(self.rows, other.rows), side(self.columns, other.columns));
        Matrix::of(kind, rows, columns, |row, column| function(self.at(row, column), other.at(row, column)))
    }
}

/// A side of the result of two matrices of which one may be spread.
fn side(one: usize, other: usize) -> usize {
    if one == 1 { other } else { one }
}

/// The values of all outputs, by name.
pub(super) fn evaluate(graph: &GraphProto, inputs: HashMap<String, Value>) -> HashMap<String, Value> {
    let mut known = inputs;
    for tensor in &graph.initializer {
        known.insert(tensor.name.clone().unwrap(), constant(tensor));
    }
    for node in &graph.node {
        let inputs: Vec<&Value> = node.input.iter().map(|name| &known[name]).collect();
        let value = match (node.op_type(), inputs.as_slice()) {
            ("Scan", [start, rows, others]) => {
                // The axis that a step puts in is all that it takes from without.
                let outer = known.iter().filter(|(name, _)| name.starts_with("column_axis"));
                let outer = outer.map(|(name, value)| (name.clone(), value.clone())).collect();
                scan(node, [start.numbers(), rows.numbers(), others.numbers()], &outer)
            }
            (_, inputs) if inputs.iter().any(|value| matches!(value, Value::Maps(_))) => maps::apply(node, inputs),
            _ => apply(node, &inputs),
        };
        assert!(known.insert(node.output[0].clone(), value).is_none(), "{} is computed twice", node.output[0]);
    }
    let outputs = graph.output.iter().map(|output| output.name.clone().unwrap());
    outputs.map(|name| (name.clone(), known[&name].clone())).collect()
}

fn constant(tensor: &TensorProto) -> Value {
    let kind = tensor.data_type();
    if kind == DataType::String {
        return Value::Texts(tensor.string_data.iter().map(|text| String::from_utf8(text.clone()).unwrap()).collect());
    }
    let bytes = tensor.raw_data.as_ref().unwrap();
    let values: Vec<f64> = match kind {
        DataType::Float => bytes.as_chunks::<4>().0.iter().map(|chunk| f64::from(f32::from_le_bytes(*chunk))).collect(),
        DataType::Double => bytes.as_chunks::<8>().0.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect(),
        DataType::Int64 => bytes.as_chunks::<8>().0.iter().map(|chunk| i64::from_le_bytes(*chunk) as f64).collect(),
        other => panic!("no constant is {other:?}"),
    };
    let (rows, columns) = match tensor.dims.as_slice() {
        [columns] => (1, *columns as usize),
        [rows, columns] => (*rows as usize, *columns as usize),
        // Of channels, and filters.
        [channels, 1, 1] => return Value::Maps(Maps::new([1, *channels as usize, 1, 1], kind, values)),
        &[filters, seen, height, width] => {
            let sides = [filters, seen, height, width].map(|side| side as usize);
            return Value::Maps(Maps::new(sides, kind, values));
        }
        other => panic!("no constant has the shape {other:?}"),
    };
    assert_eq!(values.len(), rows * columns, "{:?}", tensor.name);
    Value::Numbers(Matrix { rows, columns, kind, values })
}

/// A state carried along the rows of two matrices.
fn scan(node: &NodeProto, [start, rows, others]: [&Matrix; 3], outer: &HashMap<String, Value>) -> Value {
    let body = attribute(node, "body").g.as_ref().unwrap();
    assert_eq!((attribute(node, "num_scan_inputs").i(), rows.rows), (2, others.rows));
    let row = |matrix: &Matrix, at: usize| {
        Value::Numbers(Matrix::of(matrix.kind, 1, matrix.columns, |_, column| matrix.at(at, column)))
    };
    let mut state = Value::Numbers(start.clone());
    for at in 0..rows.rows {
        let given = [state, row(rows, at), row(others, at)];
        let names = body.input.iter().map(|input| input.name.clone().unwrap());
        let mut known = outer.clone();
        known.extend(names.zip(given));
        state = evaluate(body, known).remove(body.output[0].name()).unwrap();
    }
    state
}

pub(super) fn apply(node: &NodeProto, inputs: &[&Value]) -> Value {
    let operator = node.op_type();
    match (operator, inputs) {
        ("LabelEncoder", [texts]) => return Value::Numbers(encoded(node, texts.texts())),
        ("Where", [condition, Value::Texts(yes), Value::Texts(no)]) => {
            let pick = |flag: &f64| if *flag == 1.0 { yes[0].clone() } else { no[0].clone() };
            return Value::Texts(condition.numbers().values.iter().map(pick).collect());
        }
        _ => {}
    }
    let given: Vec<&Matrix> = inputs.iter().map(|value| value.numbers()).collect();
    Value::Numbers(match (operator, given.as_slice()) {
        ("Concat", parts) => concat(parts),
        ("Cast", [x]) => cast(x, attribute(node, "to").i() as i32),
        ("Gather", [x, places]) => gather(x, places, attribute(node, "axis").i()),
        ("Gemm", [x, weight, bias]) => {
            assert_eq!((x.columns, attribute(node, "transB").i()), (weight.columns, 1));
            let dot = |row, unit| (0..x.columns).map(|column| x.at(row, column) * weight.at(unit, column)).sum::<f64>();
            Matrix::of(x.kind, x.rows, weight.rows, |row, unit| dot(row, unit) + bias.at(0, unit))
        }
        ("Where", [condition, yes, no]) => {
            let columns = side(condition.columns, side(yes.columns, no.columns));
            let rows = side(condition.rows, side(yes.rows, no.rows));
            let pick = |row, column| {
                if condition.at(row, column) == 1.0 { yes.at(row, column) } else { no.at(row, column) }
            };
            Matrix::of(yes.kind, rows, columns, pick)
        }
        ("ReduceMean", [x]) => {
            let mean = |row, _| (0..x.columns).map(|column| x.at(row, column)).sum::<f64>() / x.columns as f64;
            Matrix::of(x.kind, x.rows, 1, mean)
        }
        ("Squeeze", [x, _]) => (*x).clone(),
        // One row becomes one column.
        ("Unsqueeze", [x, _]) => Matrix::of(x.kind, x.columns, 1, |row, _| x.at(0, row)),
        ("Transpose", [x]) => Matrix::of(x.kind, x.columns, x.rows, |row, column| x.at(column, row)),
        ("Pad", [x, pads]) => {
            let at = |row, column| if column < x.columns { x.at(row, column) } else { 0.0 };
            Matrix::of(x.kind, x.rows, x.columns + pads.at(0, 3) as usize, at)
        }
        ("Pow", [x, y]) => x.with(y, x.kind, f64::powf),
        ("Add", [x, y]) => x.with(y, x.kind, |x, y| x + y),
        ("Sub", [x, y]) => x.with(y, x.kind, |x, y| x - y),
        ("Mul", [x, y]) => x.with(y, x.kind, |x, y| x * y),
        ("Div", [x, y]) => x.with(y, x.kind, |x, y| x / y),
        ("Max", [x, y]) => x.with(y, x.kind, f64::max),
        ("Min", [x, y]) => x.with(y, x.kind, f64::min),
        ("PRelu", [x, slope]) => x.with(slope, x.kind, |x, slope| if x < 0.0 { slope * x } else { x }),
        ("Equal", [x, y]) => x.with(y, DataType::Bool, |x, y| flag(x == y)),
        ("LessOrEqual", [x, y]) => x.with(y, DataType::Bool, |x, y| flag(x <= y)),
        ("Greater", [x, y]) => x.with(y, DataType::Bool, |x, y| flag(x > y)),
        ("Less", [x, y]) => x.with(y, DataType::Bool, |x, y| flag(x < y)),
        ("GreaterOrEqual", [x, y]) => x.with(y, DataType::Bool, |x, y| flag(x >= y)),
        ("IsNaN", [x]) => cast(&x.map(|x| flag(x.is_nan())), DataType::Bool as i32),
        ("IsInf", [x]) => cast(&x.map(|x| flag(x.is_infinite())), DataType::Bool as i32),
        ("Not", [x]) => x.map(|x| 1.0 - x),
        ("Abs", [x]) => x.map(f64::abs),
        ("Neg", [x]) => x.map(|x| -x),
        ("Exp", [x]) => x.map(f64::exp),
        ("Log", [x]) => x.map(f64::ln),
        ("Sqrt", [x]) => x.map(f64::sqrt),
        ("Reciprocal", [x]) => x.map(f64::recip),
        ("Erf", [x]) => x.map(erf),
        ("Tanh", [x]) => x.map(f64::tanh),
        ("Sigmoid", [x]) => x.map(|x| 1.0 / (1.0 + (-x).exp())),
        ("Relu", [x]) => x.map(|x| x.max(0.0)),
        ("LeakyRelu", [x]) => below(x, f64::from(attribute(node, "alpha").f()), |x| x),
        ("Elu", [x]) => below(x, f64::from(attribute(node, "alpha").f()), f64::exp_m1),
        ("Selu", [x]) => {
            let (alpha, gamma) = (attribute(node, "alpha").f(), attribute(node, "gamma").f());
            below(x, f64::from(alpha), f64::exp_m1).map(|x| f64::from(gamma) * x)
        }
        (other, inputs) => panic!("no {other} of {} matrices is written", inputs.len()),
    })
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn below(x: &Matrix, factor: f64, function: fn(f64) -> f64) -> Matrix {
    x.map(|x| if x < 0.0 { factor * function(x) } else { x })
}

fn cast(x: &Matrix, to: i32) -> Matrix {
    let kind = DataType::try_from(to).unwrap();
    Matrix::of(kind, x.rows, x.columns, |row, column| x.at(row, column))
}

fn concat(parts: &[&Matrix]) -> Matrix {
    let columns = parts.iter().map(|part| part.columns).sum();
    let rows = parts[0].rows;
    let values = (0..rows)
        .flat_map(|row| parts.iter().flat_map(move |part| &part.values[row * part.columns..(row + 1) * part.columns]));
    Matrix { rows, columns, kind: parts[0].kind, values: values.copied().collect() }
}

/// Columns by their places, or entries of a table for each row.
fn gather(x: &Matrix, places: &Matrix, axis: i64) -> Matrix {
    match axis {
        0 => Matrix::of(x.kind, places.rows, places.columns, |row, column| x.values[places.at(row, column) as usize]),
        1 => Matrix::of(x.kind, x.rows, places.columns, |row, column| x.at(row, places.at(0, column) as usize)),
        other => panic!("nothing is gathered along the axis {other}"),
    }
}

fn encoded(node: &NodeProto, texts: &[String]) -> Matrix {
    let keys = &attribute(node, "keys_strings").strings;
    let codes = &attribute(node, "values_int64s").ints;
    assert_eq!(keys.len(), codes.len());
    let by_key: HashMap<&[u8], i64> = keys.iter().map(Vec::as_slice).zip(codes.iter().copied()).collect();
    assert_eq!(by_key.len(), keys.len(), "a key comes twice");
    let code =
        |row: usize, _| *by_key.get(texts[row].as_bytes()).unwrap_or(&attribute(node, "default_int64").i()) as f64;
    Matrix::of(DataType::Int64, texts.len(), 1, code)
}

pub(super) fn attribute<'a>(node: &'a NodeProto, name: &str) -> &'a AttributeProto {
    node.attribute.iter().find(|attribute| attribute.name() == name).unwrap()
}

/// The error function by its power series, for f32.
fn erf(x: f64) -> f64 {
    if x.abs() > 4.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}
