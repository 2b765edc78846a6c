//! Pictures in the rows of a request: texts in base64 become pixels.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rayon::prelude::*;
use serde_json::Value;

use super::errors::Errors;
use super::{CellError, InputRows, Inputs};
use crate::ml::picture::{PictureSpec, Pictures, decode};
use crate::ml::table::{Column, ColumnType, PictureLimits, TableLimits, Values};

/// With padding or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const NO_PICTURE: &str = "there is no picture, and none can be missing";

/// The pixels of one file of a picture.
///
/// # Errors
/// Why it cannot be read, in words that follow "the picture".
pub fn read_picture(bytes: &[u8], spec: &PictureSpec, limits: &PictureLimits) -> Result<Vec<u8>, String> {
    if bytes.len() as u64 > limits.max_file_bytes {
        return Err(format!("it has {} bytes; at most {} are read", bytes.len(), limits.max_file_bytes));
    }
    decode(bytes, &limits.decode).map(|picture| picture.placed(spec)).map_err(|error| error.to_string())
}

/// Pictures of several files, on all threads.
///
/// # Errors
/// What is wrong with which, by its place.
pub fn read_pictures<B: AsRef<[u8]> + Sync>(
    files: &[B],
    spec: &PictureSpec,
    limits: &PictureLimits,
) -> Result<Pictures, Vec<(usize, String)>> {
    let one = |file: &B| read_picture(file.as_ref(), spec, limits);
    // One picture is not worth a thread.
    let read: Vec<Result<Vec<u8>, String>> = match files {
        [file] => vec![one(file)],
        files => files.par_iter().map(one).collect(),
    };
    joined(read, spec)
}

fn joined(read: Vec<Result<Vec<u8>, String>>, spec: &PictureSpec) -> Result<Pictures, Vec<(usize, String)>> {
    let mut pixels = Vec::with_capacity(read.len().saturating_mul(spec.shape.values()));
    let mut errors = Vec::new();
    for (index, picture) in read.into_iter().enumerate() {
        match picture {
            Ok(picture) => pixels.extend_from_slice(&picture),
            Err(error) => errors.push((index, error)),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Pictures::new(spec.shape, pixels).map_err(|error| vec![(0, error.to_string())])
}

impl InputRows {
    /// The same rows with their pictures read: those columns of a model that are pictures have come as texts.
    ///
    /// # Errors
    /// Every row whose picture is missing or cannot be read.
    pub fn with_pictures(
        self,
        inputs: &Inputs,
        spec: &PictureSpec,
        limits: &TableLimits,
    ) -> Result<Self, Vec<CellError>> {
        let mut errors = Errors::new(limits);
        let whole = |detail: String| vec![CellError { row: None, column: None, detail }];
        let mut columns = self.to_table(inputs).map_err(|error| whole(error.to_string()))?.into_columns();
        for (input, column) in inputs.iter().zip(&mut columns) {
            if input.column_type == ColumnType::Image
                && let Some(pictures) = pictures_of(column, spec, limits, &mut errors)
            {
                column.values = Values::Pictures(pictures);
            }
        }
        Ok(errors.or(columns, self.ignored_columns)?.into())
    }
}

/// The mistakes of rows in JSON with those of their pictures, which are looked at though something else is wrong, so that all
/// are told at once. `values` are those of a column of pictures, one for each row that has one.
pub fn with_picture_mistakes<'v>(
    mistakes: Vec<CellError>,
    column: &str,
    values: impl Iterator<Item = Option<&'v Value>>,
    spec: &PictureSpec,
    limits: &TableLimits,
) -> Vec<CellError> {
    let mut errors = Errors::new(limits);
    errors.add(mistakes);
    // What is neither has been told.
    let texts = values.enumerate().filter_map(|(row, value)| match value? {
        Value::String(text) => Some((row, Some(text.as_str()))),
        Value::Null => Some((row, None)),
        _ => None,
    });
    let texts: Vec<(usize, Option<&str>)> = texts.collect();
    let wrong = texts.par_iter().filter_map(|&(row, text)| {
        let reason = match text {
            Some(text) => from_text(text, spec, &limits.pictures).err()?,
            None => NO_PICTURE.to_owned(),
        };
        Some((row, reason))
    });
    for (row, reason) in wrong.collect::<Vec<_>>() {
        errors.push(Some(row), Some(column), reason);
    }
    errors.finish()
}

/// The pictures that are texts in a column; `None` if they are no texts, or something is wrong with some.
fn pictures_of(column: &Column, spec: &PictureSpec, limits: &TableLimits, errors: &mut Errors) -> Option<Pictures> {
    let Values::Categorical { codes, levels } = &column.values else { return None };
    let one = |text: &String| from_text(text, spec, &limits.pictures);
    // A text that comes again is read once.
    let read: Vec<Result<Vec<u8>, String>> = match levels.as_slice() {
        [text] => vec![one(text)],
        texts => texts.par_iter().map(one).collect(),
    };
    for (row, &code) in codes.iter().enumerate() {
        let reason = match read.get(code as usize) {
            Some(Ok(_)) => continue,
            Some(Err(reason)) => reason.clone(),
            None => NO_PICTURE.to_owned(),
        };
        errors.push(Some(row), Some(&column.name), reason);
    }
    let rows: Vec<usize> = codes.iter().map(|&code| code as usize).collect();
    joined(read, spec).ok().map(|pictures| pictures.select(&rows))
}

/// A picture in base64, or in a `data:` URL of it.
fn from_text(text: &str, spec: &PictureSpec, limits: &PictureLimits) -> Result<Vec<u8>, String> {
    let encoded = match text.strip_prefix("data:") {
        Some(url) => url.split_once(";base64,").map(|(_, encoded)| encoded).ok_or("expected a data URL in base64")?,
        None => text,
    };
    let bytes = match BASE64.decode(encoded) {
        Ok(bytes) => bytes,
        // Lines of some writers are broken.
        Err(_) if encoded.contains(['\n', '\r']) => {
            let whole: String = encoded.split_ascii_whitespace().collect();
            BASE64.decode(whole).map_err(|error| not_base64(&error))?
        }
        Err(error) => return Err(not_base64(&error)),
    };
    read_picture(&bytes, spec, limits)
}

fn not_base64(error: &base64::DecodeError) -> String {
    format!("expected a picture in base64: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::picture::{PictureShape, Resize};
    use crate::ml::table::rows::Parsed;
    use crate::ml::table::{ExpectedColumn, MISSING, Table};

    /// A GIF of one black pixel.
    const GIF: &str = "R0lGODlhAQABAIAAAAAAAAAAACwAAAAAAQABAAACAkQBADs=";
    const SPEC: PictureSpec =
        PictureSpec { shape: PictureShape { height: 1, width: 2, channels: 1 }, resize: Resize::Stretch };

    fn read(texts: &[Option<&str>]) -> Result<Pictures, Vec<(u64, String)>> {
        let inputs = Inputs::new(vec![ExpectedColumn { name: "image".to_owned(), column_type: ColumnType::Image }]);
        let codes = (0..).zip(texts).map(|(code, text)| text.map_or(MISSING, |_| code)).collect();
        let levels = texts.iter().map(|text| text.unwrap_or_default().to_owned()).collect();
        let column = Column { name: "image".to_owned(), values: Values::Categorical { codes, levels } };
        let rows = InputRows::from(Parsed { table: Table::new(vec![column]).unwrap(), ignored_columns: Vec::new() });
        let place = |error: CellError| (error.row.unwrap_or(99), error.detail);
        let read = rows.with_pictures(&inputs, &SPEC, &TableLimits::STANDARD);
        let read = read.map_err(|errors| errors.into_iter().map(place).collect::<Vec<_>>())?;
        match read.to_table(&inputs).unwrap().into_columns().remove(0).values {
            Values::Pictures(pictures) => Ok(pictures),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn base64_comes_in_every_form() {
        let url = format!("data:image/gif;base64,{GIF}");
        let broken = format!("{}\r\n{}", &GIF[..20], &GIF[20..]);
        let bare = GIF.trim_end_matches('=');
        let pictures = read(&[Some(GIF), Some(&url), Some(&broken), Some(bare)]).unwrap();
        assert_eq!((pictures.len(), pictures.get(3)), (4, &[0, 0][..]));
    }

    #[test]
    fn pictures_are_looked_at_though_something_else_is_wrong() {
        let at = |row: u64| CellError { row: Some(row), column: Some("age".to_owned()), detail: "x".to_owned() };
        let (good, bad, number) = (Value::from(GIF), Value::from("?"), Value::from(7));
        let values = [Some(&bad), Some(&good), None, Some(&Value::Null), Some(&number)];
        let told = |limits: &TableLimits| {
            let found = with_picture_mistakes(vec![at(2), at(3)], "image", values.into_iter(), &SPEC, limits);
            found.into_iter().map(|error| (error.row, error.column)).collect::<Vec<_>>()
        };
        let [age, image] = ["age", "image"].map(|name| Some(name.to_owned()));
        let all = [(Some(0), image.clone()), (Some(2), age.clone()), (Some(3), age), (Some(3), image)];
        assert_eq!(told(&TableLimits::STANDARD), all);
        let few = TableLimits { max_errors: 2, ..TableLimits::STANDARD };
        assert_eq!(told(&few).last(), Some(&(None, None)), "there are more");
    }

    #[test]
    fn every_row_that_is_wrong_is_told() {
        let errors = read(&[Some("!"), Some(GIF), Some("aGVsbG8="), None, Some("data:,x")]).unwrap_err();
        let rows: Vec<u64> = errors.iter().map(|(row, _)| *row).collect();
        assert_eq!(rows, [0, 2, 3, 4]);
        assert!(errors[0].1.contains("base64") && errors[1].1.contains("no picture"), "{errors:?}");
        assert!(errors[2].1.contains("missing") && errors[3].1.contains("data URL"), "{errors:?}");
    }
}
