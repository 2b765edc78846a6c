//! Requests made up by changing good ones at random, one target per format: no panic, no growth, and every way of reading
//! the same bytes agrees. The same seed makes the same requests. A short run always; ten minutes each by
//! `./scripts/test --full`.

use std::time::{Duration, Instant};

use evenkeel::ml::seed::{Rng, Seed};
use evenkeel::ml::table::{
    ArrowBlocks, CsvBlock, CsvBlocks, LineBlocks, TableLimits, from_csv, parquet_row_count, quick_json, read_batches,
    read_csv, read_ndjson, read_parquet,
};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;

use crate::request_rows::{arrow_stream, batch, csv_rows, exact_json, inputs, parquet, told};

/// How long a target is fed.
#[derive(Clone, Copy)]
enum Budget {
    Runs(usize),
    Time(Duration),
}

const TEN_MINUTES: Budget = Budget::Time(Duration::from_secs(600));
/// What a process may hold more at the end than after the first tenth.
const MAX_GROWTH_KIB: u64 = 64 << 10;
/// What it may hold at any time.
const MAX_PEAK_KIB: u64 = 1 << 20;
const LIMITS: TableLimits =
    TableLimits { max_rows: 100_000, max_decompressed_bytes: 64 << 20, ..TableLimits::STANDARD };

/// Pieces that formats give a meaning to.
const WORDS: [&[u8]; 34] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\"",
    b"\\",
    b"\n",
    b"\r",
    b"\r\n",
    b"\"\"",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"true",
    b"NaN",
    b"-",
    b"1e999",
    b"1e-999",
    b"9007199254740993",
    b"0.1",
    b"-0",
    b"\"n\":",
    b"\"rows\":",
    b"NA",
    b"\xef\xbb\xbf",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xff",
    b"\x7f",
    b"PAR1",
    b"[[[[[[[[",
    b"                ",
];

/// Feeds `target` with `seeds` and what comes of them.
fn feed(name: &str, seeds: &[Vec<u8>], budget: Budget, target: fn(&[u8], usize)) {
    quiet_decoders();
    let mut rng = Seed(1).stream(name);
    let started = Instant::now();
    let done = |run: usize| match budget {
        Budget::Runs(runs) => run as f64 / runs as f64,
        Budget::Time(time) => started.elapsed().as_secs_f64() / time.as_secs_f64(),
    };
    seeds.iter().for_each(|seed| target(seed, 7));
    let (mut run, mut early) = (0, None);
    while done(run) < 1.0 {
        let mut bytes = seeds.choose(&mut rng).unwrap().clone();
        for _ in 0..rng.random_range(1..6) {
            change(&mut bytes, &mut rng);
        }
        target(&bytes, rng.random_range(1..40));
        if early.is_none() && done(run) > 0.1 {
            early = memory_kib("VmRSS:");
        }
        run += 1;
    }
    if let (Some(early), Some(late), Some(peak)) = (early, memory_kib("VmRSS:"), memory_kib("VmHWM:")) {
        assert!(late < early + MAX_GROWTH_KIB, "{name}: {early} KiB have become {late} KiB after {run} requests");
        assert!(peak < MAX_PEAK_KIB, "{name}: {peak} KiB at once");
    }
}

fn change(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let length = bytes.len();
    let at = rng.random_range(0..=length);
    match rng.random_range(0..8) {
        0 if length > 0 => bytes[at % length] ^= 1 << rng.random_range(0..8),
        1 if length > 0 => bytes[at % length] = rng.random(),
        2 => drop(bytes.splice(at..at, WORDS.choose(rng).unwrap().iter().copied())),
        3 => drop(bytes.drain(at..length.min(at + rng.random_range(1..9)))),
        4 => bytes.truncate(at),
        5 if length > 0 => {
            let piece = bytes[at % length..length.min(at % length + 60)].to_vec();
            let to = rng.random_range(0..=length);
            drop(bytes.splice(to..to, piece));
        }
        6 if at + 4 <= length => {
            let number: u32 = *[0, 1, 8, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX].choose(rng).unwrap();
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        _ => {
            let word = WORDS.choose(rng).unwrap();
            let end = length.min(at + word.len());
            drop(bytes.splice(at..end, word.iter().copied()));
        }
    }
}

/// Decoders that give up by panicking are caught; what they say would fill the log.
fn quiet_decoders() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.location().is_none_or(|place| place.file().contains("request_")) {
            usual(panic);
        }
    }));
}

/// A line of `/proc/self/status`, where there is such a thing.
fn memory_kib(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn json(bytes: &[u8], _: usize) {
    let exact = exact_json(bytes);
    if let Some(quick) = quick_json(bytes, &inputs(), &LIMITS) {
        assert_eq!(told(&quick.rows), told(&exact.unwrap()), "{:?}", String::from_utf8_lossy(bytes));
    }
}

fn ndjson(bytes: &[u8], size: usize) {
    // A mark counts at the very beginning, whatever the pieces are.
    let whole = read_ndjson(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes), &inputs(), &LIMITS);
    let mut blocks = LineBlocks::default();
    let mut found = Vec::new();
    for piece in bytes.chunks(size) {
        blocks.push(piece);
        found.extend(blocks.cut());
    }
    found.extend(blocks.rest());
    let found: Result<Vec<_>, _> = found.iter().map(|block| read_ndjson(block, &inputs(), &LIMITS)).collect();
    agree(bytes, whole.ok().map(|rows| told(&rows)), found.ok().map(|blocks| blocks.iter().map(told).collect()));
}

fn csv(bytes: &[u8], size: usize) {
    let markers = vec!["NA".to_owned()];
    let whole = from_csv(bytes, &csv_rows(&markers), &inputs(), &LIMITS);
    let mut blocks = CsvBlocks::new(',');
    let mut found: Vec<CsvBlock> = Vec::new();
    for piece in bytes.chunks(size) {
        blocks.push(piece);
        found.extend(blocks.cut());
    }
    found.extend(blocks.rest());
    let read = |block: &CsvBlock| read_csv(block, &csv_rows(&markers), &inputs(), &LIMITS);
    let found: Result<Vec<_>, _> = found.iter().map(read).collect();
    agree(bytes, whole.ok().map(|rows| told(&rows.into())), found.ok().map(|blocks| blocks.iter().map(told).collect()));
}

/// A whole that can be read is the sum of its blocks. One that cannot be read has a block that cannot, or no rows.
fn agree(bytes: &[u8], whole: Option<Vec<Vec<String>>>, blocks: Option<Vec<Vec<Vec<String>>>>) {
    let rows = |told: &[Vec<String>]| told.get(1..).unwrap_or_default().to_vec();
    let sum = blocks.map(|blocks| blocks.iter().flat_map(|block| rows(block)).collect::<Vec<_>>());
    let text = String::from_utf8_lossy(bytes);
    match (whole, sum) {
        (Some(whole), Some(sum)) => assert_eq!(rows(&whole), sum, "{text:?}"),
        (None, Some(sum)) => assert!(sum.is_empty(), "{text:?}"),
        (Some(_), None) => panic!("a block of {text:?} cannot be read"),
        (None, None) => {}
    }
}

fn arrow(bytes: &[u8], size: usize) {
    let read = |size: usize| {
        let mut blocks = ArrowBlocks::new(1 << 20);
        let mut batches = Vec::new();
        for piece in bytes.chunks(size) {
            batches.extend(blocks.push(piece).ok()?);
        }
        blocks.finish().ok()?;
        Some(batches)
    };
    let whole = read(bytes.len().max(1));
    assert_eq!(whole, read(size), "in pieces of {size}: {bytes:?}");
    if let Some(batches) = whole.filter(|batches| batches.iter().map(|batch| batch.num_rows()).sum::<usize>() < 10_000)
    {
        let _ = read_batches(&batches, &inputs(), &LIMITS);
    }
}

fn parquet_file(bytes: &[u8], _: usize) {
    let bytes = bytes::Bytes::copy_from_slice(bytes);
    if parquet_row_count(&bytes).is_some_and(|rows| rows < 100_000) {
        let _ = read_parquet(bytes, &inputs(), &LIMITS);
    }
}

fn json_seeds() -> Vec<Vec<u8>> {
    let rows =
        r#"{"rows": [{"n": 1, "c": "x", "b": true, "m": -0.5e-3}, {"m":1e7,"extra":"y","n":null,"c":null,"b":null}]}"#;
    let columns = r#"{"threshold":0.5,"columns":["b","n","c","m","z"],"data":[[true,0.1,"tr\u00fcb",3,1],[null,8.41e21,true,3,""]]}"#;
    vec![rows.into(), columns.into()]
}

fn ndjson_seeds() -> Vec<Vec<u8>> {
    let lines = "{\"n\":1,\"c\":\"x\",\"b\":true,\"m\":0.25}\n{\"m\":1,\"extra\":\"y\",\"n\":null,\"c\":null,\"b\":null}\n\n\
                 {\"n\":12345678901234567,\"c\":1,\"b\":false,\"m\":0}";
    vec![lines.into()]
}

fn csv_seeds() -> Vec<Vec<u8>> {
    let plain = "m,b,c,n\n1,TRUE,x,0.1\n2.5,NA,,-1e-310\n-0.0,0,y,12345678901234567\n";
    let quoted = "\"m\",c,\"x,y\",n,b\r\n1,\"a \"\"b\"\"\nc\",,2,true\r\n,\"\",z,3,false\r\n";
    vec![plain.into(), quoted.into()]
}

fn arrow_seeds() -> Vec<Vec<u8>> {
    vec![arrow_stream(&[batch()]), arrow_stream(&[batch().slice(1, 2), batch()])]
}

fn parquet_seeds() -> Vec<Vec<u8>> {
    vec![parquet(&batch())]
}

#[test]
fn json_made_up() {
    feed("json", &json_seeds(), Budget::Runs(20_000), json);
}

#[test]
fn ndjson_made_up() {
    feed("ndjson", &ndjson_seeds(), Budget::Runs(5_000), ndjson);
}

#[test]
fn csv_made_up() {
    feed("csv", &csv_seeds(), Budget::Runs(3_000), csv);
}

#[test]
fn arrow_made_up() {
    feed("arrow", &arrow_seeds(), Budget::Runs(5_000), arrow);
}

#[test]
fn parquet_made_up() {
    feed("parquet", &parquet_seeds(), Budget::Runs(2_000), parquet_file);
}

#[test]
#[ignore = "ten minutes"]
fn ten_minutes_of_json() {
    feed("json", &json_seeds(), TEN_MINUTES, json);
}

#[test]
#[ignore = "ten minutes"]
fn ten_minutes_of_ndjson() {
    feed("ndjson", &ndjson_seeds(), TEN_MINUTES, ndjson);
}

#[test]
#[ignore = "ten minutes"]
fn ten_minutes_of_csv() {
    feed("csv", &csv_seeds(), TEN_MINUTES, csv);
}

#[test]
#[ignore = "ten minutes"]
fn ten_minutes_of_arrow() {
    feed("arrow", &arrow_seeds(), TEN_MINUTES, arrow);
}

#[test]
#[ignore = "ten minutes"]
fn ten_minutes_of_parquet() {
    feed("parquet", &parquet_seeds(), TEN_MINUTES, parquet_file);
}
