//! Archives of pictures as tables: what is read of right ones, and that wrong ones are refused with their reason.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use evenkeel::ml::observe::Stop;
use evenkeel::ml::picture::{PictureShape, PictureSpec, Resize};
use evenkeel::ml::table::{
    ColumnType, MemorySource, Profile, ReadError, ReadOptions, Table, TableFormat, TableLimits, UnseenPictures, Values,
    head, load, profile, target_classes,
};

use crate::archives::pictures::{color, crosses, grey, png};
use crate::archives::{Member, Zip, hostile};

const GREY: PictureSpec =
    PictureSpec { shape: PictureShape { height: 4, width: 4, channels: 1 }, resize: Resize::Stretch };

fn go_on(_: u64) -> ControlFlow<Stop> {
    ControlFlow::Continue(())
}

fn options<'a>(format: &'a TableFormat, limits: &'a TableLimits, pictures: Option<PictureSpec>) -> ReadOptions<'a> {
    ReadOptions { format, missing_markers: &[], limits, pictures }
}

fn profiled_with(bytes: Vec<u8>, manifest: Option<&str>, limits: &TableLimits) -> Result<Profile, ReadError> {
    let format = TableFormat::Zip { manifest: manifest.map(str::to_owned) };
    profile(MemorySource::new(bytes), &options(&format, limits, None), &BTreeMap::new(), &mut go_on)
}

fn profiled(bytes: Vec<u8>) -> Result<Profile, ReadError> {
    profiled_with(bytes, None, &TableLimits::STANDARD)
}

fn loaded(bytes: Vec<u8>, pictures: Option<PictureSpec>) -> Table {
    let format = TableFormat::Zip { manifest: None };
    let options = options(&format, &TableLimits::STANDARD, pictures);
    let found = profile(MemorySource::new(bytes.clone()), &options, &BTreeMap::new(), &mut go_on).unwrap();
    let mut columns: Vec<(String, ColumnType)> =
        found.columns.iter().map(|column| (column.name.clone(), column.column_type)).collect();
    columns.push(("path".to_owned(), ColumnType::Categorical));
    let table = load(MemorySource::new(bytes), &options, &columns, &mut go_on).unwrap();
    assert_eq!(table.rows() as u64, found.rows);
    table
}

fn texts(table: &Table, column: &str) -> Vec<String> {
    let values = &table.column(column).unwrap().values;
    (0..table.rows()).map(|row| values.text(row).unwrap_or_else(|| "-".to_owned())).collect()
}

/// Everything that an error says.
fn told(error: &ReadError) -> String {
    match error {
        ReadError::Malformed { problems, .. } => problems
            .iter()
            .map(|problem| format!("{:?}: {}", problem.column, problem.detail))
            .collect::<Vec<_>>()
            .join("\n"),
        other => other.to_string(),
    }
}

fn picture(value: u8) -> Vec<u8> {
    png(&grey(4, 4, |y, x| value + (y * 4 + x) as u8))
}

#[test]
fn hostile_archives_are_refused_with_their_reason() {
    let mut kinds = 0;
    for hostile in hostile::archives().into_iter().chain(hostile::datasets()).chain(hostile::files()) {
        kinds += 1;
        let said = match profiled(hostile.bytes) {
            Err(error) => told(&error),
            Ok(found) => match target_classes(&found, found.usual_target()) {
                Err(error) => error.to_string(),
                Ok(classes) => panic!("{}: {classes:?}", hostile.name),
            },
        };
        assert!(said.contains(hostile.reason), "{}: expected {:?} in {said}", hostile.name, hostile.reason);
    }
    assert!(kinds > 80, "{kinds}");
}

#[test]
fn one_folder_is_one_class() {
    let bytes = Zip::of([
        ("set/cat/1.png", picture(1)),
        ("set/dog/deep/2.png", picture(2)),
        ("set/.DS_Store", vec![1]),
        ("set/readme.txt", b"hello".to_vec()),
        ("set/cat/3.JPG", picture(3)),
    ]);
    let found = profiled(bytes.clone()).unwrap();
    let names: Vec<_> = found.columns.iter().map(|column| (column.name.as_str(), column.column_type)).collect();
    assert_eq!(names, [("image", ColumnType::Image), ("label", ColumnType::Categorical)]);
    assert_eq!(found.usual_target(), "label");
    let image = found.columns[0].image.clone().unwrap();
    assert_eq!((image.grey, image.color, image.sizes.len(), image.sizes[0].count), (3, 0, 1, 3));
    assert_eq!(image.formats, BTreeMap::from([("png".to_owned(), 3)]));
    let others: Vec<_> = image.other_files.iter().map(|file| (file.path.as_str(), file.reason.as_str())).collect();
    let expected = [("set/.DS_Store", "what a file manager left behind"), ("set/readme.txt", "no picture by its name")];
    assert_eq!((others, image.other_files_count), (expected.to_vec(), 2));
    let table = loaded(bytes, Some(GREY));
    assert_eq!(texts(&table, "label"), ["cat", "dog", "cat"]);
    assert_eq!(texts(&table, "path"), ["set/cat/1.png", "set/dog/deep/2.png", "set/cat/3.JPG"]);
    let Values::Pictures(pictures) = &table.column("image").unwrap().values else { panic!("no pictures") };
    assert_eq!(pictures.get(1), (2..18).collect::<Vec<u8>>());
}

/// Only what is asked for is looked at: of an archive with files that cannot be read, too.
#[test]
fn rows_are_had_without_their_pictures() {
    let manifest = b"path,label,site\na.png,x,1\nb.png,y,2\nc.png,x,3\nd.png,y,4\n".to_vec();
    let bytes = Zip::of([
        ("manifest.csv", manifest),
        ("a.png", picture(1)),
        ("b.png", picture(2)[..30].to_vec()),
        ("c.png", picture(3)),
        ("d.png", picture(4)),
    ]);
    let whole = loaded(bytes.clone(), Some(GREY));
    let format = TableFormat::Zip { manifest: None };
    let options = options(&format, &TableLimits::STANDARD, None);
    let found = profiled(bytes.clone()).unwrap();
    let unreadable = found.columns.iter().find_map(|column| column.image.clone()).unwrap().unreadable;
    let columns: Vec<(String, ColumnType)> =
        whole.columns().iter().map(|column| (column.name.clone(), column.values.column_type())).collect();
    let paths = unreadable.iter().map(|file| file.path.as_str());
    let unseen = UnseenPictures::open(MemorySource::new(bytes), &options, paths).unwrap();
    let table = unseen.table(&options, &columns).unwrap();
    assert_eq!(texts(&table, "image"), ["a.png", "c.png", "d.png"]);
    for column in ["label", "site", "path"] {
        assert_eq!(texts(&table, column), texts(&whole, column));
    }
    let Values::Pictures(pictures) = &whole.column("image").unwrap().values else { panic!("no pictures") };
    let some = unseen.read(&[2, 0, 2], &GREY, &mut go_on).unwrap();
    assert_eq!(some, pictures.select(&[2, 0, 2]));
    let stopped = unseen.read(&[0], &GREY, &mut |_| ControlFlow::Break(Stop::Cancelled));
    assert!(matches!(stopped, Err(ReadError::Stopped(Stop::Cancelled))));
}

#[test]
fn names_of_folders_are_texts_whatever_they_look_like() {
    let bytes = Zip::of([("NA/1.png", picture(1)), ("1/2.png", picture(2)), ("1/3.png", picture(3))]);
    let found = profiled(bytes.clone()).unwrap();
    let classes = target_classes(&found, "label").unwrap();
    assert_eq!(classes, BTreeMap::from([("1".to_owned(), 2), ("NA".to_owned(), 1)]));
    assert_eq!(texts(&loaded(bytes, None), "image"), ["NA/1.png", "1/2.png", "1/3.png"]);
}

#[test]
fn folders_of_parts_become_a_column_to_split_by() {
    let names = ["train/cat/1.png", "Test/cat/2.png", "val/dog/3.png", "train/dog/4.png"];
    let bytes = Zip::of(names.into_iter().zip(0..).map(|(name, index)| (name, picture(index))));
    let table = loaded(bytes, None);
    assert_eq!(texts(&table, "split"), ["train", "test", "validation", "train"]);
    assert_eq!(texts(&table, "label"), ["cat", "cat", "dog", "dog"]);
}

#[test]
fn a_manifest_names_pictures_and_says_more() {
    let csv = "age,path,label,site\n3,a/1.png,sick,n\n5,b/2.png,well,s\n,./a/3.png,well,n\n";
    let files = ["in/a/1.png", "in/b/2.png", "in/a/3.png", "in/a/4.png"].into_iter().zip(0..);
    let files = files.map(|(name, index)| (name, picture(index)));
    let bytes = Zip::of(files.chain([("in/manifest.csv", csv.into())]));
    let found = profiled(bytes.clone()).unwrap();
    let names: Vec<_> = found.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!((names, found.usual_target(), found.rows), (vec!["image", "age", "label", "site"], "label", 3));
    assert_eq!((found.columns[1].column_type, found.columns[1].missing), (ColumnType::Numeric, 1));
    let image = found.columns[0].image.clone().unwrap();
    assert_eq!(image.manifest.as_deref(), Some("in/manifest.csv"));
    assert_eq!(image.other_files[0].reason, "no row of the manifest names it");
    let table = loaded(bytes, Some(GREY));
    assert_eq!(texts(&table, "age"), ["3", "5", "-"]);
    assert_eq!(texts(&table, "path"), ["in/a/1.png", "in/b/2.png", "in/a/3.png"]);
}

#[test]
fn a_manifest_may_be_ndjson_of_any_name() {
    let lines = "{\"file_name\": \"1.png\", \"y\": true}\n{\"file_name\": \"2.png\", \"y\": false}\n";
    let bytes = Zip::of([("1.png", picture(1)), ("2.png", picture(2)), ("meta/rows.jsonl", lines.into())]);
    let found = profiled_with(bytes.clone(), Some("meta/rows.jsonl"), &TableLimits::STANDARD).unwrap();
    assert_eq!((found.rows, found.usual_target()), (2, "y"));
    let missing = profiled_with(bytes.clone(), Some("manifest.csv"), &TableLimits::STANDARD).unwrap_err();
    assert!(told(&missing).contains("no file \"manifest.csv\""), "{}", told(&missing));
    let picture = profiled_with(bytes, Some("1.png"), &TableLimits::STANDARD).unwrap_err();
    assert!(told(&picture).contains("ends in .csv"), "{}", told(&picture));
}

#[test]
fn broken_pictures_are_listed_and_left_out() {
    let csv = "path,label,n\na.png,0,10\nb.png,1,11\nc.png,0,12\nd.png,1,13\n";
    let mut zip = Zip::default();
    zip.add(&Member::deflated("a.png", &picture(1))).add(&Member::deflated("b.png", b"\x89PNG\r\n\x1a\nbroken"));
    zip.add(&Member::deflated("c.png", &picture(3)));
    zip.add(&Member { crc: 5, ..Member::deflated("d.png", &picture(3)) });
    zip.add(&Member::stored("manifest.csv", csv.as_bytes()));
    let found = profiled(zip.finish()).unwrap();
    let image = found.columns[0].image.clone().unwrap();
    let files: Vec<_> = image.unreadable.iter().map(|file| file.path.as_str()).collect();
    assert_eq!((files, image.unreadable_count, found.rows), (vec!["b.png", "d.png"], 2, 2));
    let numbers = found.columns[2].numeric.clone().unwrap();
    assert_eq!((numbers.min, numbers.max), (10.0, 12.0));
    assert_eq!(texts(&loaded(zip.finish(), None), "n"), ["10", "12"]);
}

#[test]
fn the_summary_counts_what_is_in_the_pictures() {
    let red = png(&color(2, 2, |_, _| [255, 0, 0]));
    let csv = "path,label\na.png,0\nb.png,1\nc.png,1\nd.png,0\n";
    let bytes = Zip::of([
        ("a.png", red.clone()),
        ("b.png", red.clone()),
        ("c.png", png(&color(3, 5, |_, _| [7, 7, 7]))),
        ("d.png", red),
        ("manifest.csv", csv.into()),
    ]);
    let found = profiled(bytes).unwrap();
    let image = found.columns[0].image.clone().unwrap();
    assert_eq!((image.grey, image.color, image.duplicates, image.conflicting_duplicates), (1, 3, 2, 1));
    let sizes: Vec<_> = image.sizes.iter().map(|size| (size.height, size.width, size.count)).collect();
    assert_eq!((sizes, image.other_sizes, found.columns[0].distinct), (vec![(2, 2, 3), (3, 5, 1)], 0, 2));
    // 36 values of which 12 are 255, and one value per pixel of what is grey: 15 times 7.
    let mean = (12.0 * 255.0 + 15.0 * 7.0) / 51.0 / 255.0;
    let squares = (12.0 * 255.0 * 255.0 + 15.0 * 49.0) / 51.0 / 255.0 / 255.0;
    assert!((image.mean - mean).abs() < 1e-12 && (image.std - f64::sqrt(squares - mean * mean)).abs() < 1e-12);
}

#[test]
fn zip64_and_stored_files_are_read() {
    let mut zip = Zip::default();
    for (name, value) in [("cat/1.png", 1), ("dog/2.png", 2)] {
        zip.add(&Member::stored(name, &picture(value)));
    }
    assert_eq!(profiled(zip.finish_64()).unwrap().rows, 2);
}

#[test]
fn the_first_rows_need_no_more_than_their_pictures() {
    // Pictures that cannot be read from the second block on: nobody looks at them.
    let mut good = Zip::default();
    for index in 0..200_u32 {
        let contents = if index < 64 { picture(index as u8) } else { b"broken".to_vec() };
        good.add(&Member::deflated(&format!("{}/{index}.png", if index % 3 == 0 { "a" } else { "b" }), &contents));
    }
    let format = TableFormat::Zip { manifest: None };
    let columns = [("image".to_owned(), ColumnType::Image), ("label".to_owned(), ColumnType::Categorical)];
    let some =
        head(MemorySource::new(good.finish()), &options(&format, &TableLimits::STANDARD, None), &columns, 3).unwrap();
    assert_eq!(
        (texts(&some, "image"), texts(&some, "label").concat()),
        (["a/0.png", "b/1.png", "b/2.png"].map(str::to_owned).to_vec(), "abb".to_owned())
    );
}

/// What makes the limits narrower, and what is said then.
type Case<'a> = (&'a dyn Fn(&mut TableLimits), &'a str);

#[test]
fn each_limit_is_reached() {
    let small = |change: &dyn Fn(&mut TableLimits)| {
        let mut limits = TableLimits::STANDARD;
        change(&mut limits);
        let bytes = Zip::of([("cat/1.png", picture(1)), ("cat/2.png", picture(2)), ("dog/3.png", picture(3))]);
        profiled_with(bytes, None, &limits).map(|found| found.rows).map_err(|error| told(&error))
    };
    assert_eq!(small(&|_| ()), Ok(3));
    let bytes = picture(1).len() as u64;
    let cases: [Case; 6] = [
        (&|limits| limits.pictures.max_files = 2, "3 entries; at most 2"),
        (&|limits| limits.max_decompressed_bytes = 100, "at most 100 are allowed"),
        (&|limits| limits.pictures.max_file_bytes = 20, "at most 20 are read"),
        (&|limits| limits.pictures.decode.max_side = 3, "3 a side"),
        (&|limits| limits.pictures.decode.max_pixels = 15, "15 in all"),
        (&|limits| limits.pictures.decode.max_bytes = 15, "15 bytes once decoded"),
    ];
    for (change, expected) in cases {
        let said = small(change).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(small(&|limits| limits.pictures.max_file_bytes = bytes), Ok(3));
    let long = Zip::of([("cat/1.png", picture(1)), ("manifest.csv", b"path,label\ncat/1.png,x\n".to_vec())]);
    let mut limits = TableLimits::STANDARD;
    limits.pictures.max_manifest_bytes = 10;
    let said = told(&profiled_with(long, None, &limits).unwrap_err());
    assert!(said.contains("at most 10 are read"), "{said}");
}

#[test]
fn work_can_be_stopped_between_pictures() {
    let bytes = crosses(200, 5);
    let format = TableFormat::Zip { manifest: None };
    let mut seen = Vec::new();
    let mut step = |rows| {
        seen.push(rows);
        if rows >= 128 { ControlFlow::Break(Stop::Cancelled) } else { ControlFlow::Continue(()) }
    };
    let options = options(&format, &TableLimits::STANDARD, Some(GREY));
    let columns = [("image".to_owned(), ColumnType::Image)];
    let stopped = load(MemorySource::new(bytes), &options, &columns, &mut step);
    assert!(matches!(stopped, Err(ReadError::Stopped(Stop::Cancelled))));
    assert_eq!(seen, [64, 128]);
}

#[test]
fn the_table_does_not_depend_on_the_number_of_threads() {
    let bytes = crosses(150, 4);
    let table = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| loaded(bytes.clone(), Some(GREY)))
    };
    assert_eq!(table(1), table(3));
}
