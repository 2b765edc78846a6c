//! Pictures as tensors: pixels as `[N, H, W]` or `[N, H, W, C]`, or files as `[N]` of BYTES.

use super::mistakes::Mistakes;
use super::tensor::{Elements, Tensor};
use crate::http::problem::FieldProblem;
use crate::ml::json::Place;
use crate::ml::picture::{Decoded, PictureSpec, Pictures};
use crate::ml::table::{
    CellError, Column, IMAGE_COLUMN, InputRows, Inputs, Parsed, PictureLimits, Table, TableLimits, Values,
};

/// How the pictures of a request are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) spec: PictureSpec,
    pub(super) limits: PictureLimits,
}

/// Bytes of the pixels of one request.
const MAX_PIXEL_BYTES: usize = 256 << 20;

/// The column of pixels of any size; `None` where that was a mistake, which is told.
pub(super) fn pixel_column(
    tensor: &Tensor,
    spec: &PictureSpec,
    place: Place<'_>,
    mistakes: &Mistakes,
) -> Option<Column> {
    let Elements::Numbers(numbers) = &tensor.elements else {
        mistakes.in_member(
            place,
            "datatype",
            "expected pixels as numbers, or files of pictures as BYTES of one dimension",
        );
        return None;
    };
    let (rows, height, width, channels) = match tensor.shape[..] {
        [rows, height, width] => (rows, height, width, 1),
        [rows, height, width, channels @ (1 | 3)] => (rows, height, width, channels),
        _ => {
            let detail = format!("expected [N, H, W] or [N, H, W, C] with 1 or 3 channels, found {:?}", tensor.shape);
            mistakes.in_member(place, "shape", detail);
            return None;
        }
    };
    if height == 0 || width == 0 {
        mistakes.in_member(place, "shape", format!("a picture has no pixels: {:?}", tensor.shape));
        return None;
    }
    if rows.saturating_mul(spec.shape.values()) > MAX_PIXEL_BYTES {
        let most = MAX_PIXEL_BYTES / spec.shape.values().max(1);
        mistakes.in_member(
            place,
            "shape",
            format!("{rows} pictures; at most {most} of this size are predicted at once"),
        );
        return None;
    }
    if tensor.is_floating && is_of_unit(numbers) {
        let detail = "expected pixel values from 0 to 255, found none above 1: they were scaled already. The model scales pixels \
                      itself; pictures that are really so dark come as UINT8";
        mistakes.in_member(place, "data", detail);
        return None;
    }
    let mut pixels = Vec::with_capacity(rows * spec.shape.values());
    let mut is_right = true;
    for (row, picture) in numbers.chunks_exact(height * width * channels).enumerate() {
        match bytes_of(picture) {
            Ok(bytes) => {
                let decoded = Decoded { height, width, channels, pixels: bytes, format: "pixels", transparent: false };
                pixels.extend(decoded.placed(spec));
            }
            Err(detail) => {
                is_right = false;
                let name = Some(IMAGE_COLUMN.to_owned());
                mistakes.push(FieldProblem::in_table(Some(row as u64 + 1), name, detail));
            }
        }
    }
    let pictures = Pictures::new(spec.shape, pixels).ok().filter(|_| is_right)?;
    Some(Column { name: IMAGE_COLUMN.to_owned(), values: Values::Pictures(pictures) })
}

/// Whether the values are from 0 to 1, as those of scaled pixels are, and not all of them 0.
fn is_of_unit(numbers: &[f64]) -> bool {
    numbers.iter().all(|number| (0.0..=1.0).contains(number)) && numbers.iter().any(|&number| number > 0.0)
}

/// Whole numbers from 0 to 255, to which others are rounded.
fn bytes_of(numbers: &[f64]) -> Result<Vec<u8>, String> {
    let byte = |&number: &f64| match (0.0..=255.0).contains(&number) {
        true => Ok(number.round() as u8),
        false => Err(format!("expected pixel values from 0 to 255, found {number}")),
    };
    let bytes: Vec<u8> = numbers.iter().map(byte).collect::<Result<_, String>>()?;
    let is_scaled = numbers.iter().all(|&number| number <= 1.0) && numbers.iter().any(|number| number.fract() != 0.0);
    match is_scaled {
        true => Err("expected pixel values from 0 to 255, found fractions of 1: they were scaled already".to_owned()),
        false => Ok(bytes),
    }
}

/// The table with pictures in the place of the texts that they came as; what cannot be read is told.
pub(super) fn read_files(table: Table, inputs: &Inputs, reading: &Reading, mistakes: &Mistakes) -> Table {
    let rows = InputRows::from(Parsed { table, ignored_columns: Vec::new() });
    let limits = TableLimits { pictures: reading.limits, ..TableLimits::STANDARD };
    let read = rows.with_pictures(inputs, &reading.spec, &limits);
    let table = read.and_then(|rows| {
        let whole =
            |error: crate::ml::table::TableError| CellError { row: None, column: None, detail: error.to_string() };
        rows.to_table(inputs).map_err(|error| vec![whole(error)])
    });
    table.unwrap_or_else(|errors| {
        for CellError { row, column, detail } in errors {
            mistakes.push(FieldProblem::in_table(row.map(|row| row + 1), column, detail));
        }
        Table::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::picture::{PictureShape, Resize};

    const SPEC: PictureSpec =
        PictureSpec { shape: PictureShape { height: 1, width: 2, channels: 1 }, resize: Resize::Stretch };

    fn column(shape: &[usize], numbers: Vec<f64>) -> Result<Vec<u8>, Vec<String>> {
        typed_column(shape, numbers, false)
    }

    fn typed_column(shape: &[usize], numbers: Vec<f64>, is_floating: bool) -> Result<Vec<u8>, Vec<String>> {
        let mistakes = Mistakes::default();
        let tensor = Tensor { shape: shape.to_vec(), elements: Elements::Numbers(numbers), is_floating };
        match pixel_column(&tensor, &SPEC, Place::Root, &mistakes).map(|column| column.values) {
            Some(Values::Pictures(pictures)) => {
                Ok((0..pictures.len()).flat_map(|row| pictures.get(row).to_vec()).collect())
            }
            _ => Err(mistakes.details()),
        }
    }

    #[test]
    fn pixels_of_any_size_become_those_of_the_model() {
        assert_eq!(column(&[2, 1, 2], vec![1.0, 2.0, 3.0, 254.6]), Ok(vec![1, 2, 3, 255]));
        assert_eq!(column(&[1, 1, 4, 1], vec![0.0, 100.0, 200.0, 100.0]).map(|bytes| bytes.len()), Ok(2));
        assert_eq!(column(&[1, 1, 2, 3], vec![9.0, 9.0, 9.0, 0.0, 0.0, 0.0]), Ok(vec![9, 0]));
        assert_eq!(column(&[1, 1, 2], vec![1.0, 0.0]), Ok(vec![1, 0]));
    }

    #[test]
    fn what_is_no_picture_is_told() {
        for (shape, numbers, expected) in [
            (vec![1, 1, 2, 4], vec![0.0; 8], "1 or 3 channels"),
            (vec![1, 2], vec![0.0; 2], "[N, H, W]"),
            (vec![1, 0, 2], vec![], "no pixels"),
            (vec![1, 1, 2], vec![0.0, 256.0], "found 256"),
            (vec![1, 1, 2], vec![-1.0, 0.0], "found -1"),
            (vec![1, 1, 2], vec![f64::NAN, 0.0], "found NaN"),
            (vec![1, 1, 2], vec![0.5, 1.0], "scaled already"),
        ] {
            let told = column(&shape, numbers).unwrap_err();
            assert!(told[0].contains(expected), "{shape:?}: {told:?}");
        }
        let mistakes = Mistakes::default();
        let elements = Elements::Booleans(vec![None; 2]);
        let texts = Tensor { shape: vec![1, 1, 2], elements, is_floating: false };
        assert_eq!(pixel_column(&texts, &SPEC, Place::Root, &mistakes), None);
        assert_eq!(mistakes.places(), ["/datatype"]);
    }

    #[test]
    fn floating_tensors_without_a_value_above_one_were_scaled_already() {
        let told = |numbers: Vec<f64>| typed_column(&[2, 1, 2], numbers, true);
        for scaled in [vec![0.0, 1.0, 0.0, 0.0], vec![0.1, 0.2, 0.3, 1.0]] {
            let told = told(scaled).unwrap_err();
            assert!(told.len() == 1 && told[0].contains("none above 1"), "{told:?}");
        }
        // A black picture is black on every scale; whole numbers may be as dark as they like.
        assert_eq!(told(vec![0.0; 4]), Ok(vec![0; 4]));
        assert_eq!(told(vec![0.0, 1.0, 2.0, 0.0]), Ok(vec![0, 1, 2, 0]));
        assert_eq!(typed_column(&[1, 1, 2], vec![0.0, 1.0], false), Ok(vec![0, 1]));
    }

    #[test]
    fn there_are_no_more_pixels_than_fit() {
        let mistakes = Mistakes::default();
        let shape = PictureShape { height: 1 << 11, width: 1 << 11, channels: 1 };
        let elements = Elements::Numbers(vec![0.0; 65]);
        let tensor = Tensor { shape: vec![65, 1, 1], elements, is_floating: false };
        assert_eq!(pixel_column(&tensor, &PictureSpec { shape, ..SPEC }, Place::Root, &mistakes), None);
        assert!(mistakes.details()[0].contains("at most 64"), "{:?}", mistakes.details());
    }
}
