//! The rows of requests: the quick readers read what the exact ones do, and blocks what the whole does.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int64Array, StringArray};
use arrow::datatypes::Int8Type;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use evenkeel::ml::table::{
    ArrowBlocks, ColumnRef, ColumnType, CsvBlock, CsvBlocks, CsvRows, ExpectedColumn, InputRows, Inputs, LineBlocks,
    MISSING, ReadError, TableLimits, from_csv, from_json_columns, from_json_rows, quick_json, read_batches, read_csv,
    read_ndjson, read_parquet,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const LIMITS: TableLimits = TableLimits::STANDARD;

pub(crate) fn inputs() -> Inputs {
    let column = |name: &str, column_type| ExpectedColumn { name: name.to_owned(), column_type };
    Inputs::new(vec![
        column("n", ColumnType::Numeric),
        column("c", ColumnType::Categorical),
        column("b", ColumnType::Boolean),
        column("m", ColumnType::Numeric),
    ])
}

pub(crate) fn csv_rows(missing_markers: &[String]) -> CsvRows<'_> {
    CsvRows { delimiter: ',', header: true, missing_markers }
}

/// Everything that matters of rows, as text: numbers by their bits, categories by their names.
pub(crate) fn told(rows: &InputRows) -> Vec<Vec<String>> {
    let cell = |column: ColumnRef<'_>, row: usize| match column {
        ColumnRef::Numeric(numbers) => match numbers.iter().nth(row).unwrap() {
            number if number.is_nan() => "missing".to_owned(),
            number => format!("{:x}", number.to_bits()),
        },
        ColumnRef::Categorical { codes, .. } if codes[row] == MISSING => "missing".to_owned(),
        ColumnRef::Categorical { codes, levels } => levels[codes[row] as usize].clone(),
        ColumnRef::Boolean(flags) => format!("{:?}", flags[row]),
        ColumnRef::Pictures(pictures) => format!("{:?}", pictures.get(row)),
    };
    let mut told = vec![rows.ignored_columns.clone()];
    told.extend((0..rows.rows).map(|row| rows.columns().map(|column| cell(column, row)).collect()));
    told
}

/// What the exact reader makes of a JSON body.
pub(crate) fn exact_json(bytes: &[u8]) -> Option<InputRows> {
    let body: Value = serde_json::from_slice(bytes).ok()?;
    let parsed = match (body.get("rows"), body.get("columns"), body.get("data")) {
        (Some(rows), None, None) => from_json_rows(rows.as_array()?, &inputs(), &LIMITS),
        (None, Some(columns), Some(data)) => {
            let columns: Vec<String> =
                columns.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?;
            let data: Vec<Vec<Value>> =
                data.as_array()?.iter().map(|row| row.as_array().cloned()).collect::<Option<_>>()?;
            from_json_columns(&columns, &data, &inputs(), &LIMITS)
        }
        _ => return None,
    };
    parsed.ok().map(InputRows::from)
}

#[test]
fn plain_json_is_read_quickly_and_rightly() {
    for body in [
        r#"{"rows": [{"n": 1, "c": "x", "b": true, "m": -0.5}]}"#,
        r#"{"threshold":0.5,"rows":[{"m":1e-7,"extra":"y","n":null,"c":null,"b":null},{"n":-0,"c":1.0,"b":false,"m":2}]}"#,
        r#"{"columns":["b","n","c","m","z"],"data":[[true,0.1,"tr\u00fcb",18446744073709551615,1],[null,8.41e21,true,3,[]]]}"#,
        r#" { "columns" : [ "n", "c", "b", "m" ] , "data" : [ [ 0.30000000000000004 , " x " , null , 1.7976931348623157e308 ] ] } "#,
    ] {
        let exact = exact_json(body.as_bytes());
        match quick_json(body.as_bytes(), &inputs(), &LIMITS) {
            Some(quick) => assert_eq!(told(&quick.rows), told(&exact.unwrap()), "{body}"),
            // A nested value in a column that is ignored is left to the exact reader.
            None => assert!(body.contains("[]"), "{body}"),
        }
    }
    let both = br#"{"prevalence":null,"threshold":0.25,"rows":[{"n":1,"c":"x","b":true,"m":1}]}"#;
    let quick = quick_json(both, &inputs(), &LIMITS).unwrap();
    assert_eq!((quick.threshold, quick.prevalence), (Some(0.25), None));
}

#[test]
fn json_that_is_not_plainly_right_is_left_to_the_exact_reader() {
    let whole = r#"{"n":1,"c":"x","b":true,"m":1}"#;
    for body in [
        "".to_owned(),
        "[]".to_owned(),
        r#"{"rows":[]}"#.to_owned(),
        format!(r#"{{"rows":[{whole}],"rows":[{whole}]}}"#),
        format!(r#"{{"rows":[{whole}],"other":1}}"#),
        format!(r#"{{"rows":[{whole}]}} x"#),
        format!(r#"{{"rows":[{whole},]}}"#),
        r#"{"rows":[{"n":1,"c":"x","b":true}]}"#.to_owned(),
        r#"{"rows":[{"n":1,"n":1,"c":"x","b":true,"m":1}]}"#.to_owned(),
        r#"{"rows":[{"n":1,"\u006e":1,"c":"x","b":true,"m":1}]}"#.to_owned(),
        r#"{"rows":[{"x":1,"x":1,"n":1,"c":"x","b":true,"m":1}]}"#.to_owned(),
        r#"{"rows":[{"n":"1","c":"x","b":true,"m":1}]}"#.to_owned(),
        r#"{"rows":[{"n":1,"c":"x","b":1,"m":1}]}"#.to_owned(),
        r#"{"rows":[{"n":1e999,"c":"x","b":true,"m":1}]}"#.to_owned(),
        r#"{"rows":[{"n":NaN,"c":"x","b":true,"m":1}]}"#.to_owned(),
        r#"{"rows":[{"n":1,"c":"\ud800","b":true,"m":1}]}"#.to_owned(),
        r#"{"data":[[1,"x",true,1]],"columns":["n","c","b","m"]}"#.to_owned(),
        r#"{"columns":["n","c","b","m","n"],"data":[[1,"x",true,1,1]]}"#.to_owned(),
        r#"{"columns":["n","c","b","m","z","z"],"data":[[1,"x",true,1,1,1]]}"#.to_owned(),
        r#"{"columns":["n","c","b","m"],"data":[[1,"x",true]]}"#.to_owned(),
    ] {
        assert!(quick_json(body.as_bytes(), &inputs(), &LIMITS).is_none(), "{body}");
    }
    let rows = [whole; 4].join(",");
    let limits = TableLimits { max_rows: 3, ..LIMITS };
    assert!(quick_json(format!("{{\"rows\":[{rows}]}}").as_bytes(), &inputs(), &limits).is_none());
}

#[test]
fn a_row_has_the_same_bits_in_every_format() {
    let markers = vec!["NA".to_owned()];
    let json = br#"{"rows":[{"n":0.1,"c":"x","b":true,"m":null},{"n":-1e-310,"c":null,"b":null,"m":9007199254740993},
        {"n":12345678901234567,"c":"1","b":false,"m":-0.0}]}"#;
    let expected = told(&quick_json(json, &inputs(), &LIMITS).unwrap().rows);
    let csv = CsvBlock {
        header: Bytes::from_static(b"m,b,c,n\n"),
        rows: Bytes::from_static(b",TRUE,x,0.1\r\n9007199254740993,NA,,-1e-310\n-0.0,0,\" 1\",12345678901234567"),
    };
    assert_eq!(told(&read_csv(&csv, &csv_rows(&markers), &inputs(), &LIMITS).unwrap()), expected);
    let lines = "{\"n\":0.1,\"c\":\"x\",\"b\":true,\"m\":null}\n\n{\"m\":9007199254740993,\"n\":-1e-310,\"c\":null,\"b\":null}\r\n\
                 {\"n\":12345678901234567,\"c\":1,\"b\":false,\"m\":0}";
    assert_eq!(told(&read_ndjson(lines.as_bytes(), &inputs(), &LIMITS).unwrap()), expected);
    let batch = batch();
    assert_eq!(told(&read_batches(std::slice::from_ref(&batch), &inputs(), &LIMITS).unwrap()), expected);
    let halves = [batch.slice(0, 1), batch.slice(1, 2)];
    assert_eq!(told(&read_batches(&halves, &inputs(), &LIMITS).unwrap()), expected);
    assert_eq!(told(&read_parquet(parquet(&batch).into(), &inputs(), &LIMITS).unwrap()), expected);
}

/// The three rows in Arrow, in types that are close to the columns' own and some that are not.
pub(crate) fn batch() -> RecordBatch {
    let labels: DictionaryArray<Int8Type> = vec![Some("x"), None, Some("1")].into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("m", Arc::new(Float64Array::from(vec![None, Some(9_007_199_254_740_992.0), Some(-0.0)]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("c", Arc::new(labels)),
        ("n", Arc::new(Float64Array::from(vec![0.1, -1e-310, 12_345_678_901_234_567.0]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

pub(crate) fn arrow_stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

pub(crate) fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn types_that_hold_the_value_are_taken_and_others_are_named() {
    let column = |name: &str, array: ArrayRef| (name.to_owned(), array, true);
    let whole = vec![
        column("n", Arc::new(Float32Array::from(vec![0.5]))),
        column("c", Arc::new(Int64Array::from(vec![7]))),
        column("b", Arc::new(Int64Array::from(vec![1]))),
        column("m", Arc::new(Int64Array::from(vec![i64::MAX]))),
        column(
            "list",
            Arc::new(arrow::array::ListArray::new_null(
                Arc::new(arrow::datatypes::Field::new("item", arrow::datatypes::DataType::Int64, true)),
                1,
            )),
        ),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(whole.clone()).unwrap();
    let rows = read_batches(&[batch], &inputs(), &LIMITS).unwrap();
    let bits = |number: f64| format!("{:x}", number.to_bits());
    assert_eq!(told(&rows)[1], [bits(0.5), "7".to_owned(), "Some(true)".to_owned(), bits(i64::MAX as f64)]);
    assert_eq!(rows.ignored_columns, ["list"]);
    let mut wrong = whole;
    wrong[0].1 = Arc::new(Float64Array::from(vec![f64::INFINITY]));
    wrong[2].1 = Arc::new(StringArray::from(vec!["perhaps"]));
    wrong.remove(3);
    let errors = read_batches(&[RecordBatch::try_from_iter_with_nullable(wrong).unwrap()], &inputs(), &LIMITS);
    let mut places: Vec<_> = errors.unwrap_err().into_iter().map(|error| (error.row, error.column.unwrap())).collect();
    places.sort();
    // A column that is not there is told once the cells are right.
    assert_eq!(places, [(Some(0), "b".to_owned()), (Some(0), "n".to_owned())]);
}

#[test]
fn ndjson_mistakes_have_their_lines() {
    let text = b"{\"n\":1,\"c\":\"x\",\"b\":true,\"m\":1}\n{\"n\":\"1\",\"c\":\"x\",\"b\":true,\"m\":1}\n\n{\n\
                 {\"n\":1,\"n\":2,\"c\":\"x\",\"b\":true}\n[1]\n";
    let errors = read_ndjson(text, &inputs(), &LIMITS).unwrap_err();
    let places: Vec<_> = errors.iter().map(|error| (error.row, error.column.as_deref())).collect();
    assert_eq!(
        places,
        [(Some(1), Some("n")), (Some(2), None), (Some(3), Some("n")), (Some(3), Some("m")), (Some(4), None)]
    );
    let nested = format!("{{\"n\":{}}}", "[".repeat(100_000));
    let errors = read_ndjson(nested.as_bytes(), &inputs(), &LIMITS).unwrap_err();
    assert!(errors.len() == 1 && errors[0].detail.contains("recursion"), "{errors:?}");
}

#[test]
fn an_arrow_stream_comes_in_any_pieces() {
    let batches = [batch(), batch().slice(0, 1), batch()];
    let bytes = arrow_stream(&batches);
    for size in [1, 3, 8, 64, bytes.len()] {
        let mut blocks = ArrowBlocks::new(1 << 20);
        let mut found = Vec::new();
        for piece in bytes.chunks(size) {
            found.extend(blocks.push(piece).unwrap());
        }
        blocks.finish().unwrap();
        assert_eq!(found, batches, "{size}");
    }
    let mut blocks = ArrowBlocks::new(1 << 20);
    blocks.push(&bytes).unwrap();
    assert!(blocks.push(b"x").is_err(), "bytes after the end");
}

#[test]
fn an_arrow_stream_that_lies_is_refused_before_it_costs_anything() {
    let bytes = arrow_stream(&[batch()]);
    let mut blocks = ArrowBlocks::new(1 << 20);
    assert!(blocks.push(&bytes[..bytes.len() - 20]).is_ok());
    assert!(blocks.finish().is_err(), "it breaks off");
    let mut blocks = ArrowBlocks::new(16);
    assert!(matches!(blocks.push(&bytes), Err(ReadError::BatchTooLarge { limit_bytes: 16, .. })));
    // A head of two gigabytes.
    assert!(ArrowBlocks::new(1 << 20).push(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x7f]).is_err());
    // Rows without bytes: a column of nulls may say that it has any number of them.
    let nulls: ArrayRef = Arc::new(arrow::array::NullArray::new(1_000_000_000));
    let batch = RecordBatch::try_from_iter_with_nullable([("n", nulls, true)]).unwrap();
    let mut blocks = ArrowBlocks::new(1 << 20);
    let pushed = blocks.push(&arrow_stream(&[batch]));
    assert!(pushed.unwrap_err().to_string().contains("more rows than its bytes"));
    for text in ["", "PAR1", "n,c,b,m\n1,x,true,1\n"] {
        let mut blocks = ArrowBlocks::new(1 << 20);
        assert!(blocks.push(text.as_bytes()).is_err() || blocks.finish().is_err(), "{text:?}");
    }
}

#[test]
fn parquet_that_lies_is_refused() {
    let bytes = parquet(&batch());
    for end in [0, 4, bytes.len() / 2, bytes.len() - 1] {
        assert!(read_parquet(bytes[..end].to_vec().into(), &inputs(), &LIMITS).is_err(), "{end} bytes");
    }
    let limits = TableLimits { max_decompressed_bytes: 10, ..LIMITS };
    let errors = read_parquet(bytes.into(), &inputs(), &limits).unwrap_err();
    assert!(errors[0].detail.contains("once decompressed"), "{errors:?}");
}

proptest! {
    #[test]
    fn csv_is_read_as_the_exact_reader_does(
        fields in proptest::collection::vec("[ 0-9.\\-x,NA]{0,5}|\"[a, ]{0,3}\"|[0-9]{1,20}(\\.[0-9]{1,20})?", 4..24),
        end in prop_oneof![Just("\n"), Just("\r\n"), Just("\n\n")],
    ) {
        let markers = vec!["NA".to_owned(), "-".to_owned()];
        let rows: Vec<String> = fields.chunks(4).map(|row| format!("{},true", row.join(","))).collect();
        let rows = rows.join(end);
        let whole = format!("m,c,x,n,b\n{rows}");
        let block = CsvBlock { header: Bytes::from_static(b"m,c,x,n,b\n"), rows: rows.into() };
        let exact = from_csv(whole.as_bytes(), &csv_rows(&markers), &inputs(), &LIMITS);
        let found = read_csv(&block, &csv_rows(&markers), &inputs(), &LIMITS);
        match (exact, found) {
            (Ok(exact), Ok(found)) => prop_assert_eq!(told(&found), told(&exact.into())),
            (Err(exact), Err(found)) => prop_assert_eq!(found, exact),
            (exact, found) => prop_assert!(false, "{:?} but {:?}", exact, found),
        }
    }

    #[test]
    fn blocks_of_lines_are_the_whole(text in "[a\n]{0,40}", size in 1_usize..9) {
        let mut blocks = LineBlocks::default();
        let mut found = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            blocks.push(piece);
            found.extend(blocks.cut());
        }
        prop_assert!(found.iter().all(|block| block.ends_with(b"\n")));
        found.extend(blocks.rest());
        prop_assert_eq!(found.concat(), text.as_bytes());
    }
}

#[test]
fn a_csv_header_is_kept_for_every_block() {
    let mut blocks = CsvBlocks::new(';');
    blocks.push(b"\xef\xbb\xbf\"n\n\";c;b");
    assert_eq!(blocks.cut(), None);
    blocks.push(b"\n1;x");
    assert_eq!(blocks.cut(), None);
    blocks.push(b";true\n2");
    let first = blocks.cut().unwrap();
    assert_eq!(first.rows, "1;x;true\n");
    let rest = blocks.rest().unwrap();
    assert_eq!((rest.header, rest.rows), (first.header, Bytes::from_static(b"2")));
    assert_eq!(blocks.rest(), None);
}

#[test]
fn what_the_model_does_not_read_is_named_once() {
    let rows =
        json!([{"z": 1, "n": 1, "c": "x", "b": true, "m": 1, "a": "y"}, {"n": 1, "c": "x", "b": true, "m": 1, "a": 1}]);
    let body = json!({"rows": rows}).to_string();
    assert_eq!(quick_json(body.as_bytes(), &inputs(), &LIMITS).unwrap().rows.ignored_columns, ["a", "z"]);
}
