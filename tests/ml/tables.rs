//! Files to tables: what real files hold, what broken ones are told, and that all ways in agree.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array, ListArray,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Int32Type, Int64Type};
use evenkeel::ml::observe::Stop;
use evenkeel::ml::table::{
    Column, ColumnSummary, ColumnType, CsvRows, DEFAULT_MISSING, ExpectedColumn, MISSING, MemorySource, Profile,
    ReadError, ReadOptions, Table, TableFormat, TableLimits, TableSource, TargetError, Values, from_csv,
    from_json_columns, from_json_rows, load, profile, target_classes,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const CSV: TableFormat = TableFormat::Csv { delimiter: ',', header: true };

fn markers() -> Vec<String> {
    DEFAULT_MISSING.map(str::to_owned).to_vec()
}

fn profile_with<R: TableSource>(
    input: R,
    format: &TableFormat,
    types: &[(&str, ColumnType)],
    limits: &TableLimits,
) -> Result<Profile, ReadError> {
    let missing_markers = markers();
    let options = ReadOptions { format, missing_markers: &missing_markers, limits, pictures: None };
    let types: BTreeMap<String, ColumnType> = types.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    profile(input, &options, &types, &mut |_| ControlFlow::Continue(()))
}

fn profile_csv(text: impl Into<Vec<u8>>) -> Result<Profile, ReadError> {
    profile_with(MemorySource::new(text.into()), &CSV, &[], &TableLimits::STANDARD)
}

fn load_all<R: TableSource>(input: R, format: &TableFormat, profile: &Profile) -> Table {
    let missing_markers = markers();
    let options =
        ReadOptions { format, missing_markers: &missing_markers, limits: &TableLimits::STANDARD, pictures: None };
    let columns: Vec<_> = profile.columns.iter().map(|column| (column.name.clone(), column.column_type)).collect();
    load(input, &options, &columns, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn table_of(text: &str) -> Table {
    let found = profile_csv(text).unwrap();
    load_all(MemorySource::new(text.as_bytes().to_vec()), &CSV, &found)
}

fn dataset(name: &str) -> Profile {
    let path = if name == "mammography" { "examples/data" } else { "tests/data/datasets" };
    let file = std::fs::File::open(format!("{}/{path}/{name}.csv", env!("CARGO_MANIFEST_DIR"))).unwrap();
    profile_with(file, &CSV, &[], &TableLimits::STANDARD).unwrap()
}

fn column<'p>(profile: &'p Profile, name: &str) -> &'p ColumnSummary {
    profile.columns.iter().find(|column| column.name == name).unwrap()
}

/// Row, column and detail of each problem, and whether there were more.
fn problems(result: Result<Profile, ReadError>) -> (Vec<(u64, String, String)>, bool) {
    match result {
        Err(ReadError::Malformed { problems, more }) => {
            let each = problems.into_iter().map(|it| (it.row, it.column.unwrap_or_default(), it.detail));
            (each.collect(), more)
        }
        other => panic!("expected a malformed table, found {other:?}"),
    }
}

fn positions(result: Result<Profile, ReadError>) -> Vec<(u64, String)> {
    problems(result).0.into_iter().map(|(row, column, _)| (row, column)).collect()
}

#[test]
fn real_files_hold_what_their_documentation_says() {
    for (name, rows, columns, target, positive, count) in [
        ("mammography", 11_183, 7, "calcification", "1", 260),
        ("pima-diabetes", 768, 9, "diabetes", "1", 268),
        ("haberman", 306, 4, "status", "died", 81),
        ("german-credit", 1000, 21, "risk", "bad", 300),
        ("breast-cancer", 286, 10, "class", "recurrence-events", 85),
        ("horse-colic", 299, 28, "died", "yes", 121),
    ] {
        let found = dataset(name);
        assert_eq!((found.rows, found.columns.len()), (rows, columns), "{name}");
        let classes = target_classes(&found, target).unwrap();
        assert_eq!(classes.get(positive), Some(&count), "{name}: {classes:?}");
        assert_eq!(classes.values().sum::<u64>(), rows, "{name}");
    }
}

#[test]
fn types_and_missing_values_of_mixed_files() {
    let credit = dataset("german-credit");
    let numeric = credit.columns.iter().filter(|column| column.column_type == ColumnType::Numeric).count();
    assert_eq!((numeric, credit.columns.len() - numeric), (7, 14));
    let horses = dataset("horse-colic");
    // pandas.read_csv("horse-colic.csv").iloc[:, :-1].isna().sum().sum() -> 1602
    assert_eq!(horses.columns.iter().map(|column| column.missing).sum::<u64>(), 1602);
}

#[test]
fn missing_markers_are_exact_and_can_be_chosen() {
    // pandas.read_csv("breast-cancer.csv").isna().sum().sum() -> 9, all spelt "nan", which is no marker by default;
    // .breast_quad.value_counts()
    let quadrants = |marker: &str| {
        let file = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/datasets/breast-cancer.csv"));
        let missing_markers = [marker.to_owned()];
        let options = ReadOptions {
            format: &CSV,
            missing_markers: &missing_markers,
            limits: &TableLimits::STANDARD,
            pictures: None,
        };
        let go_on = &mut |_| ControlFlow::Continue(());
        let found = profile(file.unwrap(), &options, &BTreeMap::new(), go_on).unwrap();
        let top = column(&found, "breast_quad").top.iter().map(|top| (top.value.clone(), top.count));
        (top.collect::<Vec<_>>(), found.columns.iter().map(|column| column.missing).sum::<u64>())
    };
    let all = [("left_low", 110), ("left_up", 97), ("right_up", 33), ("right_low", 24), ("central", 21), ("nan", 1)];
    let all = all.map(|(value, count)| (value.to_owned(), count));
    assert_eq!(quadrants("NaN"), (all.to_vec(), 0));
    assert_eq!(quadrants("nan"), (all[..5].to_vec(), 9));
}

#[test]
fn numeric_summaries_are_numpys() {
    // s = pandas.read_csv(file)[name]; s.min(), s.max(), s.mean(), s.std(ddof=0), *np.nanquantile(s, [.25, .5, .75]),
    // s.nunique()
    let pima = dataset("pima-diabetes");
    let expected = [
        ("bmi", [0.0, 67.1, 31.992578124999998, 7.87902573154013, 27.3, 32.0, 36.6], 248),
        ("insulin", [0.0, 846.0, 79.79947916666667, 115.16894926467262, 0.0, 30.5, 127.25], 186),
        ("pedigree", [0.078, 2.42, 0.47187630208333325, 0.3311128160286291, 0.24375, 0.3725, 0.62625], 517),
    ];
    for (name, numbers, distinct) in expected {
        let summary = column(&pima, name);
        let found = summary.numeric.as_ref().unwrap();
        assert_eq!((summary.distinct, summary.distinct_exact, found.quartiles_exact), (distinct, true, true), "{name}");
        let found = [found.min, found.max, found.mean, found.std, found.q25, found.median, found.q75];
        for (found, expected) in found.into_iter().zip(numbers) {
            assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{name}: {found} {expected}");
        }
    }
    let horses = dataset("horse-colic");
    let rectal = column(&horses, "rectal_temp");
    assert_eq!(rectal.missing, 60);
    assert!((rectal.numeric.as_ref().unwrap().std - 0.7322077704065864).abs() < 1e-12);
}

#[test]
fn the_last_row_decides_a_type() {
    let numbers: String = (0..20_000).map(|row| format!("{row},1,true\n")).collect();
    let all = profile_csv(format!("a,b,c\n{numbers}")).unwrap();
    let kinds = |profile: &Profile| profile.columns.iter().map(|column| column.column_type).collect::<Vec<_>>();
    assert_eq!(kinds(&all), [ColumnType::Numeric, ColumnType::Numeric, ColumnType::Boolean]);
    let spoilt = profile_csv(format!("a,b,c\n{numbers}x,y,z\n")).unwrap();
    assert_eq!(kinds(&spoilt), [ColumnType::Categorical; 3]);
    // 20,000 distinct values are more than are counted; "1" and "y" are not.
    assert_eq!((spoilt.columns[0].distinct, spoilt.columns[0].distinct_exact), (10_000, false));
    let b: Vec<_> = spoilt.columns[1].top.iter().map(|top| (top.value.as_str(), top.count)).collect();
    assert_eq!(b, [("1", 20_000), ("y", 1)]);
    let table = load_all(MemorySource::new(format!("a,b,c\n{numbers}x,y,z\n")), &CSV, &spoilt);
    assert_eq!(table.column("a").unwrap().values.text(20_000).unwrap(), "x");
}

#[test]
fn spellings_of_one_number_are_one_value() {
    let found = profile_csv("a,flag\n1, TRUE\n1.0,false \n 1e0,True\n-0,true\n+0.0,false\n").unwrap();
    assert_eq!(column(&found, "a").distinct, 2);
    assert_eq!(target_classes(&found, "a").unwrap(), BTreeMap::from([("0".to_owned(), 2), ("1".to_owned(), 3)]));
    assert_eq!(target_classes(&found, "flag").unwrap()["true"], 3);
    let table = table_of("a,b\n1.0,x\n-0,y\n");
    assert_eq!(table.column("a").unwrap().values.text(0).unwrap(), "1");
    assert_eq!(table.column("a").unwrap().values.text(1).unwrap(), "0");
}

#[test]
fn infinity_is_no_number_and_a_mistake_only_where_numbers_are_declared() {
    let text = "a,b\n1,1\ninf,1e999\n";
    let found = profile_csv(text).unwrap();
    assert!(found.columns.iter().all(|column| column.column_type == ColumnType::Categorical));
    let types = [("a", ColumnType::Numeric), ("b", ColumnType::Numeric)];
    let result = profile_with(MemorySource::new(text), &CSV, &types, &TableLimits::STANDARD);
    assert_eq!(positions(result), [(2, "a".to_owned()), (2, "b".to_owned())]);
}

#[test]
fn overrides_hold_and_their_mistakes_are_all_named() {
    let text = "zip,flag,size\n01234,0,1\n1234,1,abc\n?,,2\n01234,yes,oops\n";
    let types = [("zip", ColumnType::Categorical), ("flag", ColumnType::Boolean), ("size", ColumnType::Numeric)];
    let (found, more) = problems(profile_with(MemorySource::new(text), &CSV, &types, &TableLimits::STANDARD));
    let found: Vec<_> = found.iter().map(|(row, column, _)| (*row, column.as_str())).collect();
    assert_eq!((found, more), (vec![(2, "size"), (4, "flag"), (4, "size")], false));
    let good = profile_with(MemorySource::new(text), &CSV, &types[..1], &TableLimits::STANDARD).unwrap();
    assert_eq!((column(&good, "zip").distinct, column(&good, "zip").missing), (2, 1));
    let unknown = profile_with(MemorySource::new(text), &CSV, &[("zap", ColumnType::Numeric)], &TableLimits::STANDARD);
    assert!(matches!(unknown, Err(ReadError::UnknownColumns { names }) if names == ["zap"]));
}

#[test]
fn quotes_line_ends_and_the_byte_order_mark() {
    let text = "\u{feff}name,\"no, te\",n\r\nx,\"two\r\nlines\",1\r\n\r\n\"say \"\"hi\"\"\",\"a,b\",2\r\n";
    let table = table_of(text);
    let names: Vec<&str> = table.columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!((names, table.rows()), (vec!["name", "no, te", "n"], 2));
    assert_eq!(table.column("no, te").unwrap().values.text(0).unwrap(), "two\r\nlines");
    assert_eq!(table.column("name").unwrap().values.text(1).unwrap(), "say \"hi\"");
    // A row of NULs is not taken for the end of the file: it is refused as the text that it is.
    let format = TableFormat::Csv { delimiter: ',', header: true };
    let nul = profile_with(MemorySource::new("a\n\0\0\0\0\nx\n"), &format, &[], &TableLimits::STANDARD);
    let Err(ReadError::Malformed { problems, .. }) = nul else { panic!("{nul:?}") };
    assert_eq!((problems.len(), problems[0].row), (1, 1));
    assert!(problems[0].detail.contains("NUL"), "{}", problems[0].detail);
    // The last row counts with and without an end of line.
    assert_eq!(table_of("a,b\n1,2\n3,4").rows(), 2);
}

#[test]
fn without_a_header_columns_are_numbered_and_the_first_row_is_data() {
    let format = TableFormat::Csv { delimiter: ';', header: false };
    let found = profile_with(MemorySource::new("1;x\n2;y\n"), &format, &[], &TableLimits::STANDARD).unwrap();
    let names: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!((names, found.rows), (vec!["column_1", "column_2"], 2));
    let odd = TableFormat::Csv { delimiter: '→', header: true };
    let result = profile_with(MemorySource::new("a"), &odd, &[], &TableLimits::STANDARD);
    assert!(matches!(result, Err(ReadError::Delimiter { delimiter: '→' })));
}

#[test]
fn every_problem_of_a_broken_file_is_named_in_order() {
    let text = b"a,b,c\n1,2,3\n1,2\n4,\xff\xfe,6\n1,2,3,4\n7,8,\"open\n";
    let (found, more) = problems(profile_csv(text.to_vec()));
    let found: Vec<_> = found.iter().map(|(row, column, detail)| (*row, column.as_str(), detail.as_str())).collect();
    let expected = [
        (2, "", "expected 3 fields, found 2"),
        (3, "b", "the field is not valid UTF-8"),
        (4, "", "expected 3 fields, found 4"),
        (5, "", "a quoted field is never closed: the file ends inside it"),
    ];
    assert_eq!((found.as_slice(), more), (expected.as_slice(), false));
}

#[test]
fn a_quote_that_is_never_closed_does_not_fill_the_memory() {
    let limits = TableLimits { max_row_bytes: 200_000, ..TableLimits::STANDARD };
    let text = format!("a,b\n1,2\n3,\"{}", "x,y\n".repeat(1_000_000));
    let (found, _) = problems(profile_with(MemorySource::new(text), &CSV, &[], &limits));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, 2);
    assert!(found[0].2.contains("200000 bytes"), "{}", found[0].2);
}

#[test]
fn problems_stop_at_the_limit_and_say_so() {
    let limits = TableLimits { max_errors: 3, ..TableLimits::STANDARD };
    let text = format!("a,b\n{}", "1\n".repeat(50_000));
    let (found, more) = problems(profile_with(MemorySource::new(text), &CSV, &[], &limits));
    assert_eq!((found.len(), more), (3, true));
    let text = format!("a,b\n{}", "x,1\n".repeat(50_000));
    let types = [("a", ColumnType::Numeric)];
    let (found, more) = problems(profile_with(MemorySource::new(text), &CSV, &types, &limits));
    assert_eq!((found.len(), found[2].0, more), (3, 3, true));
}

#[test]
fn names_and_sizes_are_checked() {
    assert_eq!(positions(profile_csv("a,,a\n1,2,3\n")), [(0, String::new()), (0, "a".to_owned())]);
    assert_eq!(positions(profile_csv("")), [(0, String::new())]);
    assert_eq!(problems(profile_csv("a,b\n")).0[0].2, "there are no rows of data");
    let tight = |limits| problems(profile_with(MemorySource::new("abc,d\n1,2\n3,456\n"), &CSV, &[], &limits)).0;
    assert_eq!(tight(TableLimits { max_rows: 1, ..TableLimits::STANDARD })[0].0, 2);
    assert_eq!(tight(TableLimits { max_columns: 1, ..TableLimits::STANDARD })[0].0, 0);
    assert_eq!(tight(TableLimits { max_name_chars: 2, ..TableLimits::STANDARD })[0].0, 0);
    let long = tight(TableLimits { max_field_bytes: 2, ..TableLimits::STANDARD });
    assert_eq!((long[0].0, long[0].1.as_str()), (2, "d"));
}

#[test]
fn targets_need_exactly_two_classes_and_no_gaps() {
    let many: String = (0..30)
        .map(|row| format!("{},v{},{}\n", row % 2, row % 25, if row == 3 { "" } else { ["x", "y"][row % 2] }))
        .collect();
    let found = profile_csv(format!("ok,many,gap\n{many}")).unwrap();
    assert_eq!(target_classes(&found, "ok").unwrap().len(), 2);
    let Err(TargetError::NotTwoClasses { distinct, values, .. }) = target_classes(&found, "many") else { panic!() };
    assert_eq!((distinct, values.len(), values[0].count), (25, 20, 2));
    assert!(matches!(target_classes(&found, "gap"), Err(TargetError::MissingLabels { missing: 1, .. })));
    assert!(matches!(target_classes(&found, "none"), Err(TargetError::UnknownColumn { .. })));
}

#[test]
fn the_caller_can_stop_a_read() {
    let text = format!("a\n{}", "1\n".repeat(100_000));
    let missing_markers = markers();
    let options =
        ReadOptions { format: &CSV, missing_markers: &missing_markers, limits: &TableLimits::STANDARD, pictures: None };
    let mut seen = 0;
    let result = profile(MemorySource::new(text), &options, &BTreeMap::new(), &mut |rows| {
        seen = rows;
        ControlFlow::Break(Stop::Cancelled)
    });
    assert!(matches!(result, Err(ReadError::Stopped(Stop::Cancelled))));
    assert!(seen > 0 && seen < 100_000, "{seen}");
}

#[test]
fn ndjson_has_types_of_its_own_and_may_leave_members_out() {
    let text = "{\"n\": 1, \"s\": \"7\", \"b\": true}\n\n{\"s\": \"x\", \"n\": null}\n{\"n\": 2.5, \"b\": false, \"late\": \"NA\"}\n{\"mixed\": 1}\n{\"mixed\": \"a\"}\n";
    let found = profile_with(MemorySource::new(text), &TableFormat::Ndjson, &[], &TableLimits::STANDARD).unwrap();
    let each: Vec<_> =
        found.columns.iter().map(|column| (column.name.as_str(), column.column_type, column.missing)).collect();
    use ColumnType::*;
    let expected =
        [("n", Numeric, 3), ("s", Categorical, 3), ("b", Boolean, 3), ("late", Numeric, 5), ("mixed", Categorical, 3)];
    assert_eq!(each, expected);
    let table = load_all(MemorySource::new(text), &TableFormat::Ndjson, &found);
    assert_eq!(table.column("mixed").unwrap().values.text(3).unwrap(), "1");
    assert_eq!(table.column("s").unwrap().values.text(0).unwrap(), "7");
}

#[test]
fn ndjson_columns_that_come_late_begin_with_missing_values() {
    let mut text = "{\"a\": 1}\n".repeat(20_000);
    text.push_str("{\"a\": 2, \"b\": 3}\n");
    let found =
        profile_with(MemorySource::new(text.clone()), &TableFormat::Ndjson, &[], &TableLimits::STANDARD).unwrap();
    assert_eq!((found.rows, column(&found, "b").missing), (20_001, 20_000));
    let table = load_all(MemorySource::new(text), &TableFormat::Ndjson, &found);
    assert_eq!(table.column("b").unwrap().values.text(20_000).unwrap(), "3");
}

#[test]
fn broken_ndjson_names_row_and_column() {
    let text = "{\"a\": 1}\n[1]\n{\"a\": [1]}\n{\"a\": \n{\"a\": {\"b\": 1}}\n";
    let result = profile_with(MemorySource::new(text), &TableFormat::Ndjson, &[], &TableLimits::STANDARD);
    let expected = [(2, ""), (3, "a"), (4, ""), (5, "a")].map(|(row, column)| (row, column.to_owned()));
    assert_eq!(positions(result), expected);
}

fn mixed_batch() -> RecordBatch {
    let dictionary: DictionaryArray<Int32Type> = vec![Some("u"), None, Some("v")].into_iter().collect();
    let decimals = Decimal128Array::from(vec![Some(12345), None, Some(-5)]).with_precision_and_scale(10, 2).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]))),
        ("f", Arc::new(Float64Array::from(vec![0.1, f64::NAN, -0.0]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("s", Arc::new(StringArray::from(vec![Some("1"), Some(""), Some("NA")]))),
        ("d", Arc::new(dictionary)),
        ("m", Arc::new(decimals)),
        ("day", Arc::new(Date32Array::from(vec![0, 1, 19_000]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![0, 1_500_000, 2]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn parquet_bytes(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn stream_bytes(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn parquet_and_arrow_give_the_same_table() {
    let batch = mixed_batch();
    let read = |bytes: Vec<u8>, format: TableFormat| {
        let found = profile_with(MemorySource::new(bytes.clone()), &format, &[], &TableLimits::STANDARD).unwrap();
        let table = load_all(MemorySource::new(bytes), &format, &found);
        (found, table)
    };
    let (found, _) = read(parquet_bytes(&batch), TableFormat::Parquet);
    let (streamed, table) = read(stream_bytes(&batch), TableFormat::ArrowStream);
    assert_eq!(found, streamed);
    use ColumnType::*;
    let kinds: Vec<_> = found.columns.iter().map(|column| (column.column_type, column.missing)).collect();
    let expected = [
        (Numeric, 1),
        (Numeric, 1),
        (Boolean, 1),
        (Categorical, 2),
        (Categorical, 1),
        (Numeric, 1),
        (Categorical, 0),
        (Categorical, 0),
    ];
    assert_eq!(kinds, expected);
    let text = |name: &str, row| table.column(name).unwrap().values.text(row);
    assert_eq!(text("m", 0).unwrap(), "123.45");
    assert_eq!(text("f", 2).unwrap(), "0");
    assert_eq!(text("day", 1).unwrap(), "1970-01-02");
    assert_eq!(text("at", 1).unwrap(), "1970-01-01T00:00:01.500");
    assert_eq!((text("s", 0).unwrap(), text("s", 2)), ("1".to_owned(), None));
}

#[test]
fn nested_columns_infinite_numbers_and_other_bytes_are_refused() {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1)]), None]);
    let numbers = Float64Array::from(vec![1.0, f64::INFINITY]);
    let batch = RecordBatch::try_from_iter([("list", Arc::new(list) as ArrayRef), ("n", Arc::new(numbers))]).unwrap();
    for (bytes, format) in
        [(parquet_bytes(&batch), TableFormat::Parquet), (stream_bytes(&batch), TableFormat::ArrowStream)]
    {
        let result = profile_with(MemorySource::new(bytes), &format, &[], &TableLimits::STANDARD);
        assert_eq!(positions(result), [(0, "list".to_owned()), (2, "n".to_owned())], "{format:?}");
        let other = profile_with(MemorySource::new("a,b\n1,2\n"), &format, &[], &TableLimits::STANDARD);
        assert!(matches!(other, Err(ReadError::NotTheFormat { .. })), "{format:?}: {other:?}");
        let cut = &stream_bytes(&mixed_batch())[..200];
        let result = profile_with(MemorySource::new(cut.to_vec()), &format, &[], &TableLimits::STANDARD);
        assert!(result.is_err(), "{format:?}");
    }
}

fn expected(columns: &[(&str, ColumnType)]) -> Vec<ExpectedColumn> {
    columns.iter().map(|(name, kind)| ExpectedColumn { name: (*name).to_owned(), column_type: *kind }).collect()
}

fn mixed_columns() -> Vec<ExpectedColumn> {
    expected(&[("n", ColumnType::Numeric), ("c", ColumnType::Categorical), ("b", ColumnType::Boolean)])
}

#[test]
fn one_row_is_the_same_by_json_rows_by_columns_and_by_csv() {
    let rows = json!([
        {"b": true, "n": 0.1, "c": "x", "extra": 1},
        {"n": null, "c": 1.0, "b": null, "more": [2]},
        {"n": 1e-7, "c": null, "b": false},
        {"n": 8.41e21, "c": true, "b": false}
    ]);
    let limits = TableLimits::STANDARD;
    let by_rows = from_json_rows(rows.as_array().unwrap(), &mixed_columns(), &limits).unwrap();
    assert_eq!(by_rows.ignored_columns, ["extra", "more"]);
    let names = ["c", "n", "b"].map(str::to_owned);
    let data: Vec<Vec<Value>> = vec![
        vec![json!("x"), json!(0.1), json!(true)],
        vec![json!(1), json!(null), json!(null)],
        vec![json!(" "), json!(1e-7), json!(false)],
        vec![json!("true"), json!(8.41e21), json!(false)],
    ];
    let by_columns = from_json_columns(&names, &data, &mixed_columns(), &limits).unwrap();
    let missing_markers = markers();
    let csv = CsvRows { delimiter: ',', header: true, missing_markers: &missing_markers };
    let text = b"extra,b,c,n\n1,TRUE,x,0.1\n,,1,NA\n,false,?,1e-7\n,False,true,8.41e21\n";
    let by_csv = from_csv(text, &csv, &mixed_columns(), &limits).unwrap();
    for table in [&by_columns.table, &by_csv.table] {
        assert!(same(&by_rows.table, table), "{:?} {table:?}", by_rows.table);
    }
    let bare = CsvRows { header: false, ..csv };
    assert!(same(
        &from_csv(b"0.1,x,true\n", &bare, &mixed_columns(), &limits).unwrap().table,
        &by_rows.table.select(&[0])
    ));
}

#[test]
fn every_mistake_of_a_request_has_its_row_and_column() {
    let limits = TableLimits::STANDARD;
    let rows = json!([{"n": "5", "b": 1}, 7, {"b": "true"}, {"n": [1], "b": false}]);
    let found = from_json_rows(rows.as_array().unwrap(), &mixed_columns(), &limits).unwrap_err();
    let found: Vec<_> = found.iter().map(|error| (error.row, error.column.as_deref())).collect();
    let expected = [
        (None, Some("c")),
        (Some(0), Some("n")),
        (Some(0), Some("b")),
        (Some(1), None),
        (Some(2), Some("n")),
        (Some(2), Some("b")),
        (Some(3), Some("n")),
    ];
    assert_eq!(found, {
        let mut sorted = expected.to_vec();
        sorted.sort_by_key(|error| (error.0, found.iter().position(|it| it == error)));
        sorted
    });
    let data = vec![vec![json!(1)], vec![json!(1), json!(2)]];
    let names = ["n", "c"].map(str::to_owned);
    let found = from_json_columns(&names, &data, &mixed_columns(), &limits).unwrap_err();
    assert_eq!(
        found.iter().map(|it| (it.row, it.column.as_deref())).collect::<Vec<_>>(),
        [(None, Some("b")), (Some(0), None)]
    );
    let missing_markers = markers();
    let csv = CsvRows { delimiter: ',', header: true, missing_markers: &missing_markers };
    let found = from_csv(b"n,c,b\n1,x,true\nabc,y,maybe\n1,2\n", &csv, &mixed_columns(), &limits).unwrap_err();
    let found: Vec<_> = found.iter().map(|it| (it.row, it.column.as_deref())).collect();
    assert_eq!(found, [(Some(1), Some("n")), (Some(1), Some("b")), (Some(2), None)]);
    let found = from_csv(b"n\n1\n", &csv, &mixed_columns(), &limits).unwrap_err();
    assert_eq!(found.iter().filter_map(|it| it.column.as_deref()).collect::<Vec<_>>(), ["c", "b"]);
    assert!(from_json_rows(&[], &mixed_columns(), &limits).is_err());
}

/// Equal up to the order of levels; NaN equals NaN, all other numbers to the bit.
fn same(a: &Table, b: &Table) -> bool {
    let equal = |a: &Column, b: &Column| match (&a.values, &b.values) {
        (Values::Numeric(a), Values::Numeric(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
        }
        (a, b) => a.column_type() == b.column_type() && (0..a.len().max(b.len())).all(|row| a.text(row) == b.text(row)),
    };
    a.rows() == b.rows()
        && a.columns().len() == b.columns().len()
        && a.columns().iter().zip(b.columns()).all(|(a, b)| a.name == b.name && equal(a, b))
}

prop_compose! {
    /// A table that CSV can say: no markers among the categories, at least one word in each column of them.
    fn any_table()(rows in 1_usize..60)(
        numbers in prop::collection::vec(prop::option::of(prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL), rows),
        words in prop::collection::vec(prop::option::of("x[a-z \",;\n\r\u{e9}]{0,8}y"), rows),
        flags in prop::collection::vec(prop::option::of(any::<bool>()), rows),
    ) -> Table {
        let mut words = words;
        words[0] = Some("word".to_owned());
        let mut flags = flags;
        flags[0] = Some(true);
        let mut levels: Vec<String> = words.iter().flatten().cloned().collect();
        levels.sort();
        levels.dedup();
        let code = |word: &Option<String>| word.as_ref().map_or(MISSING, |word| levels.binary_search(word).unwrap() as u32);
        let codes = words.iter().map(code).collect();
        Table::new(vec![
            Column { name: "number".to_owned(), values: Values::Numeric(numbers.iter().map(|it| it.unwrap_or(f64::NAN)).collect()) },
            Column { name: "word".to_owned(), values: Values::Categorical { codes, levels } },
            Column { name: "flag".to_owned(), values: Values::Boolean(flags) },
        ]).unwrap()
    }
}

proptest! {
    #[test]
    fn a_table_written_as_csv_is_read_back_the_same(table in any_table()) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(table.columns().iter().map(|column| &column.name)).unwrap();
        for row in 0..table.rows() {
            let fields = table.columns().iter().map(|column| column.values.text(row).unwrap_or_default());
            writer.write_record(fields).unwrap();
        }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        prop_assert!(same(&table, &table_of(&text)), "{text}");
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in [CSV, TableFormat::Ndjson, TableFormat::Parquet, TableFormat::ArrowStream] {
            let _ = profile_with(MemorySource::new(bytes.clone()), &format, &[], &TableLimits::STANDARD);
        }
    }
}
