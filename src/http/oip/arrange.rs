//! From tensors to a table that the model can read: one matrix, or a tensor per column.

use std::collections::{BTreeSet, HashMap};

use super::mistakes::Mistakes;
use super::parameters::Layout;
use super::pictures::{Reading, pixel_column, read_files};
use super::request::{Input, Request};
use super::tensor::{Elements, Tensor};
use crate::http::error::{ApiError, Code};
use crate::http::problem::FieldProblem;
use crate::ml::json::Place;
use crate::ml::picture::PictureSpec;
use crate::ml::table::{
    CellError, Column, ColumnType, ExpectedColumn, IMAGE_COLUMN, Inputs, Table, TableLimits, TypedValue, typed_column,
};

/// The inputs of a request.
const INPUTS: Place<'_> = Place::Member(&Place::Root, "inputs");

/// Rows that the model can be asked about, if there are no mistakes.
#[derive(Debug, Default)]
pub(super) struct Arranged {
    pub(super) table: Table,
    /// Inputs that the model does not read, in alphabetical order.
    pub(super) ignored: Vec<String>,
}

/// Lays the inputs out as the columns of a model, and tells every tensor and every value that does not fit.
///
/// # Errors
/// 413 for too many rows.
pub(super) fn arrange(
    request: &Request,
    expected: &Inputs,
    pictures: Option<Reading>,
    max_rows: usize,
    mistakes: &Mistakes,
) -> Result<Arranged, ApiError> {
    check_rows(&request.inputs, max_rows)?;
    if let Some(reading) = pictures {
        return Ok(with_pictures(&request.inputs, expected, &reading, mistakes));
    }
    let (columns, ignored) = match (request.inputs.as_slice(), request.parameters.layout) {
        ([], _) => return Ok(Arranged::default()),
        ([input], layout) if is_matrix(input, layout, expected) => (from_matrix(input, expected, mistakes), Vec::new()),
        (inputs, Layout::Matrix) => {
            let detail = format!("content_type np is one tensor with all columns; found {} tensors", inputs.len());
            mistakes.at(INPUTS, detail);
            return Ok(Arranged::default());
        }
        (inputs, _) => (from_columns(inputs, expected, None, mistakes), ignored(inputs, expected)),
    };
    // Columns of unequal lengths have been told; nobody asks for the table then.
    Ok(Arranged { table: Table::new(columns).unwrap_or_default(), ignored })
}

/// As [`arrange`] where the model reads pictures: a tensor per column; one alone is the pictures, whatever its name.
fn with_pictures(inputs: &[Input], expected: &Inputs, reading: &Reading, mistakes: &Mistakes) -> Arranged {
    let spec = &reading.spec;
    let (columns, ignored) = match (inputs, &expected[..]) {
        ([], _) => return Arranged::default(),
        ([input], [_]) => {
            let place = Place::Item(&INPUTS, 0);
            let column = input.tensor.as_ref().and_then(|tensor| picture_column(tensor, spec, place, mistakes));
            (column.into_iter().collect(), Vec::new())
        }
        _ => (from_columns(inputs, expected, Some(spec), mistakes), ignored(inputs, expected)),
    };
    let table = Table::new(columns).unwrap_or_default();
    match mistakes.is_empty() {
        true => Arranged { table: read_files(table, expected, reading, mistakes), ignored },
        false => Arranged { table, ignored },
    }
}

/// Pictures as pixels, or as texts that are read later.
fn picture_column(tensor: &Tensor, spec: &PictureSpec, place: Place<'_>, mistakes: &Mistakes) -> Option<Column> {
    match (&tensor.elements, tensor.width()) {
        (Elements::Texts(_), Some(1)) => {
            let column = ExpectedColumn { name: IMAGE_COLUMN.to_owned(), column_type: ColumnType::Image };
            column_of(tensor, 0, 1, &column, place, mistakes)
        }
        _ => pixel_column(tensor, spec, place, mistakes),
    }
}

fn check_rows(inputs: &[Input], max_rows: usize) -> Result<(), ApiError> {
    let rows = inputs.iter().filter_map(|input| input.tensor.as_ref()).map(Tensor::rows).max().unwrap_or(0);
    if rows <= max_rows {
        return Ok(());
    }
    Err(ApiError::new(Code::TooManyRows, format!("{rows} rows; at most {max_rows} are predicted at once")))
}

/// Whether the only input holds all columns: unless the request says so, it does if it is not one column by its name
/// and shape.
fn is_matrix(input: &Input, layout: Layout, expected: &[ExpectedColumn]) -> bool {
    let named = expected.iter().any(|column| column.name == input.name);
    match layout {
        Layout::Matrix => true,
        Layout::Columns => false,
        Layout::Open => !named || input.tensor.as_ref().is_some_and(|tensor| tensor.width() != Some(1)),
    }
}

fn from_matrix(input: &Input, expected: &[ExpectedColumn], mistakes: &Mistakes) -> Vec<Column> {
    let place = Place::Item(&INPUTS, 0);
    let Some(tensor) = &input.tensor else { return Vec::new() };
    let width = expected.len();
    if tensor.shape.len() != 2 || tensor.shape.last() != Some(&width) {
        let found = &tensor.shape;
        let detail = format!("expected [rows, {width}], the model's features in their order, found {found:?}");
        mistakes.in_member(place, "shape", detail);
        return Vec::new();
    }
    let columns = expected.iter().enumerate();
    columns.filter_map(|(index, column)| column_of(tensor, index, width, column, place, mistakes)).collect()
}

fn from_columns(
    inputs: &[Input],
    expected: &[ExpectedColumn],
    pictures: Option<&PictureSpec>,
    mistakes: &Mistakes,
) -> Vec<Column> {
    let by_name: HashMap<&str, (usize, &Input)> =
        inputs.iter().enumerate().map(|(index, input)| (input.name.as_str(), (index, input))).collect();
    let rows = inputs.iter().find_map(|input| input.tensor.as_ref()).map(Tensor::rows);
    let mut columns = Vec::with_capacity(expected.len());
    for column in expected {
        let Some(&(index, input)) = by_name.get(column.name.as_str()) else {
            let detail = "the model reads this column; there is no input of its name".to_owned();
            mistakes.push(FieldProblem::in_table(None, Some(column.name.clone()), detail));
            continue;
        };
        let place = Place::Item(&INPUTS, index);
        let Some(tensor) = &input.tensor else { continue };
        let spec = pictures.filter(|_| column.column_type == ColumnType::Image);
        if spec.is_none() && tensor.width() != Some(1) {
            let detail = format!("expected [rows] or [rows, 1] for one column, found {:?}", tensor.shape);
            mistakes.in_member(place, "shape", detail);
        } else if rows.is_some_and(|rows| rows != tensor.rows()) {
            let (rows, found) = (rows.unwrap_or_default(), tensor.rows());
            mistakes.in_member(place, "shape", format!("expected {rows} rows as in the inputs before, found {found}"));
        } else {
            columns.extend(match spec {
                Some(spec) => picture_column(tensor, spec, place, mistakes),
                None => column_of(tensor, 0, 1, column, place, mistakes),
            });
        }
    }
    columns
}

/// Every `step`-th element from `first` on, as a column.
fn column_of(
    tensor: &Tensor,
    first: usize,
    step: usize,
    column: &ExpectedColumn,
    place: Place<'_>,
    mistakes: &Mistakes,
) -> Option<Column> {
    if !tensor.elements.kind().fits(column.column_type) {
        let (expected, found) = (column.column_type.as_str(), tensor.elements.plural());
        let detail = format!("the column {:?} is {expected}; found {found}", column.name);
        mistakes.in_member(place, "datatype", detail);
        return None;
    }
    let max_field_bytes = match column.column_type {
        // A picture is a long text, bounded by the body.
        ColumnType::Image => usize::MAX,
        _ => TableLimits::STANDARD.max_field_bytes,
    };
    let limits = &TableLimits { max_field_bytes, ..TableLimits::STANDARD };
    let wrong = &mut |error: CellError| {
        mistakes.push(FieldProblem::in_table(error.row.map(|row| row + 1), error.column, error.detail));
    };
    Some(match &tensor.elements {
        Elements::Numbers(numbers) => {
            let values = numbers.iter().skip(first).step_by(step);
            typed_column(column, values.map(|&number| TypedValue::Number(number)), limits, wrong)
        }
        Elements::Booleans(flags) => {
            let values = flags.iter().skip(first).step_by(step);
            typed_column(column, values.map(|&flag| TypedValue::Boolean(flag)), limits, wrong)
        }
        Elements::Texts(texts) => {
            let values = (first..texts.len()).step_by(step);
            typed_column(column, values.map(|index| TypedValue::Text(texts.get(index))), limits, wrong)
        }
    })
}

fn ignored(inputs: &[Input], expected: &[ExpectedColumn]) -> Vec<String> {
    let known: BTreeSet<&str> = expected.iter().map(|column| column.name.as_str()).collect();
    let unknown: BTreeSet<&str> =
        inputs.iter().map(|input| input.name.as_str()).filter(|name| !known.contains(name)).collect();
    unknown.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::http::oip::{json_request, request};
    use crate::ml::table::Values;

    fn expected() -> Vec<ExpectedColumn> {
        let column = |name: &str, column_type| ExpectedColumn { name: name.to_owned(), column_type };
        vec![column("age", ColumnType::Numeric), column("smokes", ColumnType::Boolean)]
    }

    fn read(body: &Value, expected: &[ExpectedColumn]) -> (Result<Arranged, Code>, Mistakes) {
        let mistakes = Mistakes::default();
        let draft = json_request::read(body.to_string().as_bytes(), 64, &mistakes).unwrap();
        let request = request::check(draft, ("m", None), &mistakes);
        let expected = Inputs::new(expected.to_vec());
        (arrange(&request, &expected, None, 3, &mistakes).map_err(|error| error.code()), mistakes)
    }

    fn values(body: &Value) -> Vec<Values> {
        let (arranged, mistakes) = read(body, &expected());
        assert_eq!(mistakes.details(), Vec::<String>::new(), "{body}");
        arranged.unwrap().table.columns().iter().map(|column| column.values.clone()).collect()
    }

    fn tensor(name: &str, shape: &[usize], datatype: &str, data: &Value) -> Value {
        json!({"name": name, "shape": shape, "datatype": datatype, "data": data})
    }

    #[test]
    fn a_matrix_and_columns_give_the_same_table() {
        let wanted = [Values::Numeric(vec![41.0, 7.0]), Values::Boolean(vec![Some(true), Some(false)])];
        let matrix = json!({"inputs": [tensor("anything", &[2, 2], "FP32", &json!([41, 1, 7, 0]))]});
        assert_eq!(values(&matrix), wanted);
        let np = json!({"parameters": {"content_type": "np"},
                        "inputs": [tensor("age", &[2, 2], "INT64", &json!([[41, 1], [7, 0]]))]});
        assert_eq!(values(&np), wanted);
        let columns = json!({"parameters": {"content_type": "pd"}, "inputs": [
            tensor("smokes", &[2, 1], "BOOL", &json!([true, false])), tensor("age", &[2], "UINT8", &json!([41, 7])),
        ]});
        assert_eq!(values(&columns), wanted);
    }

    #[test]
    fn what_the_model_does_not_read_is_named() {
        let body = json!({"inputs": [
            tensor("zeal", &[9, 9], "BYTES", &json!(vec!["x"; 81])), tensor("age", &[1], "FP64", &json!([null])),
            tensor("smokes", &[1], "FP64", &json!([1])), tensor("ardour", &[1], "FP64", &json!([1])),
        ]});
        // The rows of what is not read count as well: 9 are too many here.
        assert_eq!(read(&body, &expected()).0.unwrap_err(), Code::TooManyRows);
        let body = json!({"inputs": [
            tensor("age", &[1], "FP64", &json!([null])), tensor("zeal", &[2, 2], "BYTES", &json!(["a", "b", "c", "d"])),
            tensor("smokes", &[1], "FP64", &json!([1])), tensor("ardour", &[1], "FP64", &json!([1])),
        ]});
        let (arranged, mistakes) = read(&body, &expected());
        assert!(mistakes.places().is_empty());
        assert_eq!(arranged.unwrap().ignored, ["ardour", "zeal"]);
    }

    #[test]
    fn a_lone_input_is_a_column_only_by_name_and_shape() {
        let one = &expected()[..1];
        for input in [
            tensor("age", &[2], "FP64", &json!([1, 2])),
            tensor("age", &[2, 1], "FP64", &json!([1, 2])),
            tensor("x", &[2, 1], "FP64", &json!([1, 2])),
        ] {
            let (arranged, mistakes) = read(&json!({"inputs": [input]}), one);
            assert_eq!((mistakes.places(), arranged.unwrap().table.rows()), (vec![], 2), "{input}");
        }
        let (_, mistakes) = read(&json!({"inputs": [tensor("x", &[2], "FP64", &json!([1, 2]))]}), one);
        assert_eq!(mistakes.places(), ["/inputs/0/shape"]);
        let (_, mistakes) = read(&json!({"inputs": [tensor("age", &[2], "FP64", &json!([1, 2]))]}), &expected());
        assert_eq!(mistakes.places(), ["0:smokes"]);
    }

    #[test]
    fn everything_that_does_not_fit_is_told() {
        let cases = [
            (json!([tensor("x", &[2, 3], "FP64", &json!([1, 2, 3, 4, 5, 6]))]), vec!["/inputs/0/shape"]),
            (json!([tensor("x", &[1, 2], "BYTES", &json!(["1", "2"]))]), vec!["/inputs/0/datatype"; 2]),
            (json!([tensor("x", &[2, 2], "FP64", &json!([1, 2, 3, 4]))]), vec!["1:smokes", "2:smokes"]),
            (
                json!([tensor("age", &[2], "BYTES", &json!(["1", "2"])), tensor("y", &[2], "FP64", &json!([1, 2]))]),
                vec!["/inputs/0/datatype", "0:smokes"],
            ),
            (
                json!([tensor("age", &[2], "FP64", &json!([1, 2])), tensor("smokes", &[1], "FP64", &json!([1]))]),
                vec!["/inputs/1/shape"],
            ),
            (
                json!([tensor("age", &[1, 2], "FP64", &json!([1, 2])), tensor("smokes", &[1], "FP64", &json!([7]))]),
                vec!["/inputs/0/shape", "1:smokes"],
            ),
        ];
        for (inputs, places) in cases {
            let (_, mistakes) = read(&json!({"inputs": inputs}), &expected());
            assert_eq!(mistakes.places(), places, "{inputs}: {:?}", mistakes.details());
        }
        let two = json!([tensor("age", &[1], "FP64", &json!([1])), tensor("smokes", &[1], "FP64", &json!([1]))]);
        let (_, mistakes) = read(&json!({"parameters": {"content_type": "np"}, "inputs": two}), &expected());
        assert_eq!(mistakes.places(), ["/inputs"]);
    }

    #[test]
    fn an_input_with_a_mistake_is_not_also_missing() {
        let bad = json!({"name": "age", "shape": [-1], "datatype": "FP64", "data": []});
        let (_, mistakes) = read(&json!({"inputs": [bad, tensor("smokes", &[1], "BOOL", &json!([1]))]}), &expected());
        assert_eq!(mistakes.places(), ["/inputs/0/shape"]);
    }

    #[test]
    fn no_rows_are_rows_too() {
        let (arranged, mistakes) = read(&json!({"inputs": [tensor("x", &[0, 2], "FP64", &json!([]))]}), &expected());
        assert_eq!((mistakes.places(), arranged.unwrap().table.columns().len()), (vec![], 2));
    }
}
