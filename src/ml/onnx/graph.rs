//! A graph while it is being written: values with names of their own, nodes in order.

use std::collections::HashSet;

use super::proto::{
    AttributeKind, AttributeProto, DataType, DimensionProto, GraphProto, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};

/// The operators that ONNX itself defines have this domain; it is the empty one.
pub(super) const STANDARD: &str = "";
/// The domain of operators for classical machine learning.
pub(super) const CLASSICAL: &str = "ai.onnx.ml";
/// The name of the axis of rows.
const ROWS: &str = "N";

/// A value of the graph, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value(String);

/// A graph under construction.
#[derive(Debug, Default)]
pub(super) struct Graph {
    taken: HashSet<String>,
    counter: usize,
    proto: GraphProto,
}

impl Graph {
    /// Declares an input, one column of rows. Inputs come before anything else: their names are given, all others make
    /// way for them.
    pub(super) fn input(&mut self, name: &str, element: DataType, doc: String) -> Value {
        self.taken.insert(name.to_owned());
        self.proto.input.push(info(name, element, &[None, Some(1)], doc));
        Value(name.to_owned())
    }

    /// Declares pictures as an input, by their height, width and channels; as [`Graph::input`].
    pub(super) fn picture_input(&mut self, name: &str, sides: [i64; 3], doc: String) -> Value {
        self.taken.insert(name.to_owned());
        let [height, width, channels] = sides.map(Some);
        self.proto.input.push(info(name, DataType::Uint8, &[None, height, width, channels], doc));
        Value(name.to_owned())
    }

    /// Declares that a value is an output, a number or text per row.
    pub(super) fn output(&mut self, value: &Value, element: DataType, doc: &str) {
        self.proto.output.push(info(&value.0, element, &[None], doc.to_owned()));
    }

    /// An f64 vector, as one row.
    pub(super) fn doubles(&mut self, hint: &str, values: &[f64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(hint, DataType::Double, &[1, values.len()], bytes)
    }

    /// An f64 vector without an axis of rows: a table to look numbers up in.
    pub(super) fn table(&mut self, hint: &str, values: &[f64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(hint, DataType::Double, &[values.len()], bytes)
    }

    /// One f64.
    pub(super) fn double(&mut self, hint: &str, value: f64) -> Value {
        self.table(hint, &[value])
    }

    /// f32 values of a shape, in row-major order.
    pub(super) fn floats(&mut self, hint: &str, shape: &[usize], values: &[f32]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(hint, DataType::Float, shape, bytes)
    }

    /// Whole numbers.
    pub(super) fn integers(&mut self, hint: &str, values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(hint, DataType::Int64, &[values.len()], bytes)
    }

    /// One text.
    pub(super) fn text(&mut self, hint: &str, text: &str) -> Value {
        let name = self.unused(hint);
        self.proto.initializer.push(TensorProto {
            dims: vec![1],
            data_type: Some(DataType::String as i32),
            string_data: vec![text.as_bytes().to_vec()],
            name: Some(name.clone()),
            raw_data: None,
        });
        Value(name)
    }

    fn tensor(&mut self, hint: &str, element: DataType, shape: &[usize], bytes: Vec<u8>) -> Value {
        let name = self.unused(hint);
        self.proto.initializer.push(TensorProto {
            dims: shape.iter().map(|&side| side as i64).collect(),
            data_type: Some(element as i32),
            string_data: Vec::new(),
            name: Some(name.clone()),
            raw_data: Some(bytes),
        });
        Value(name)
    }

    /// The result of a standard operator without attributes.
    pub(super) fn apply(&mut self, operator: &str, inputs: &[&Value]) -> Value {
        self.node(STANDARD, operator, inputs, Vec::new())
    }

    /// The result of an operator.
    pub(super) fn node(
        &mut self,
        domain: &str,
        operator: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
    ) -> Value {
        let name = self.unused(&operator.to_ascii_lowercase());
        self.push(domain, operator, inputs, attributes, name)
    }

    /// The result of a standard operator, under the given name if no column has it.
    pub(super) fn named(&mut self, wanted: &str, operator: &str, inputs: &[&Value]) -> Value {
        let is_free = self.taken.insert(wanted.to_owned());
        let name = if is_free { wanted.to_owned() } else { self.unused(wanted) };
        self.push(STANDARD, operator, inputs, Vec::new(), name)
    }

    fn push(
        &mut self,
        domain: &str,
        operator: &str,
        inputs: &[&Value],
        attribute: Vec<AttributeProto>,
        name: String,
    ) -> Value {
        self.proto.node.push(NodeProto {
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: vec![name.clone()],
            name: Some(name.clone()),
            op_type: Some(operator.to_owned()),
            attribute,
            domain: (domain != STANDARD).then(|| domain.to_owned()),
        });
        Value(name)
    }

    pub(super) fn cast(&mut self, value: &Value, to: DataType) -> Value {
        self.node(STANDARD, "Cast", &[value], vec![int("to", i64::from(to as i32))])
    }

    /// The values side by side; of one value the value itself.
    pub(super) fn side_by_side(&mut self, values: &[Value]) -> Value {
        match values {
            [only] => only.clone(),
            several => {
                let inputs: Vec<&Value> = several.iter().collect();
                self.node(STANDARD, "Concat", &inputs, vec![int("axis", 1)])
            }
        }
    }

    /// A state, carried along the first axes of `rows` and `others`: what `step` makes of it and of one entry of each, in
    /// turn. All are f64. The step may use what the graph already has.
    pub(super) fn scan(
        &mut self,
        [start, rows, others]: [&Value; 3],
        step: impl FnOnce(&mut Graph, [Value; 3]) -> Value,
    ) -> Value {
        let outer = std::mem::take(&mut self.proto);
        let inner = ["scan_state", "scan_row", "scan_other"].map(|hint| Value(self.unused(hint)));
        let result = step(self, inner.clone());
        // What a step needs and does not change is the outer graph's, so that it is there once.
        let GraphProto { node, initializer, .. } = std::mem::replace(&mut self.proto, outer);
        self.proto.initializer.extend(initializer);
        let body = GraphProto {
            node,
            name: Some(self.unused("scan_step")),
            initializer: Vec::new(),
            input: inner.iter().map(|value| untold(&value.0)).collect(),
            output: vec![untold(&result.0)],
        };
        let body = AttributeProto { g: Some(body), ..attribute("body", AttributeKind::Graph) };
        self.node(STANDARD, "Scan", &[start, rows, others], vec![body, int("num_scan_inputs", 2)])
    }

    /// The whole graph.
    pub(super) fn finish(mut self, name: &str) -> GraphProto {
        self.proto.name = Some(name.to_owned());
        self.proto
    }

    /// A name that nothing has yet.
    fn unused(&mut self, hint: &str) -> String {
        loop {
            self.counter += 1;
            let name = format!("{hint}_{}", self.counter);
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

impl Value {
    /// The name under which a program finds it.
    pub(super) fn name(&self) -> &str {
        &self.0
    }
}

/// A whole number as an attribute.
pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, AttributeKind::Int) }
}

/// A number as an attribute.
pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attribute(name, AttributeKind::Float) }
}

/// Whole numbers as an attribute.
pub(super) fn ints(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto { ints: values, ..attribute(name, AttributeKind::Ints) }
}

/// Texts as an attribute.
pub(super) fn texts<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> AttributeProto {
    let strings = values.map(|text| text.as_bytes().to_vec()).collect();
    AttributeProto { strings, ..attribute(name, AttributeKind::Strings) }
}

fn attribute(name: &str, kind: AttributeKind) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), kind: Some(kind as i32), ..AttributeProto::default() }
}

/// An f64 value of a body, whose shape is told from without.
fn untold(name: &str) -> ValueInfoProto {
    let tensor = TensorTypeProto { elem_type: Some(DataType::Double as i32), shape: None };
    let r#type = Some(TypeProto { tensor_type: Some(tensor) });
    ValueInfoProto { name: Some(name.to_owned()), r#type, doc_string: None }
}

/// An input or output whose axes have these lengths; `None` is the number of rows.
fn info(name: &str, element: DataType, axes: &[Option<i64>], doc: String) -> ValueInfoProto {
    let axis = |&length: &Option<i64>| DimensionProto {
        dim_value: length,
        dim_param: length.is_none().then(|| ROWS.to_owned()),
    };
    let shape = TensorShapeProto { dim: axes.iter().map(axis).collect() };
    let tensor = TensorTypeProto { elem_type: Some(element as i32), shape: Some(shape) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type: Some(tensor) }),
        doc_string: Some(doc),
    }
}
