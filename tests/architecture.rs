//! The shape of the source, held: which folder may name which, what `ml` must not touch, how long a file may be.

use std::fs;
use std::path::{Path, PathBuf};

/// From the top down. A folder may name itself and those after it.
const LAYERS: [&str; 6] = ["cli", "http", "jobs", "store", "records", "ml"];
/// Anyone may name these; they name none of the layers.
const LEAVES: [&str; 3] = ["clock", "draw", "telemetry"];
/// What the science must not know: runtimes, networks, files, the environment, the time.
const FORBIDDEN_IN_ML: [&str; 12] = [
    "tokio",
    "axum",
    "hyper",
    "tower",
    "sqlx",
    "object_store",
    "reqwest",
    "chrono",
    "std::fs",
    "std::env",
    "std::time",
    "std::net",
];
const MAX_LINES: usize = 450;

/// One source file: its path below `src` with forward slashes, and its text.
struct Source {
    path: String,
    text: String,
}

#[test]
fn dependencies_point_downward() {
    assert_none(sources().iter().flat_map(upward_names));
}

#[test]
fn ml_is_pure() {
    assert_none(sources().iter().flat_map(impure_names));
}

#[test]
fn files_are_short_documented_and_finished() {
    assert_none(sources().iter().flat_map(untidiness));
}

#[test]
fn every_folder_has_a_rank() {
    let known = |name: &str| LAYERS.contains(&name) || LEAVES.contains(&name) || ["lib", "main"].contains(&name);
    let strays: Vec<String> =
        sources().iter().map(|source| layer(source).to_owned()).filter(|name| !known(name)).collect();
    assert!(strays.is_empty(), "folders without a rank in LAYERS or LEAVES: {strays:?}");
}

#[test]
fn the_checks_can_fail() {
    let file = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    assert_eq!(upward_names(&file("ml/seed.rs", "use crate::store::Store;")).len(), 1);
    assert_eq!(upward_names(&file("store/jobs.rs", "use crate::{\n    http::error,\n};")).len(), 1);
    assert_eq!(upward_names(&file("store/jobs.rs", "let x: crate::jobs::X = y;")).len(), 1);
    assert_eq!(upward_names(&file("clock.rs", "use crate::ml::seed;")).len(), 1);
    assert!(upward_names(&file("http/mod.rs", "use crate::store::Store; // crate::cli")).is_empty());
    assert_eq!(impure_names(&file("ml/a.rs", "use tokio::sync::Mutex;")).len(), 1);
    assert_eq!(impure_names(&file("ml/a.rs", "use std::{\n    fs,\n    time::Instant,\n};")).len(), 2);
    assert_eq!(impure_names(&file("ml/a.rs", "use std::{collections::HashMap, env};")).len(), 1);
    assert!(impure_names(&file("ml/a.rs", "use std::collections::HashMap; // std::fs")).is_empty());
    assert!(impure_names(&file("ml/a.rs", "//! x\n#[cfg(test)]\nmod tests { use std::fs; }")).is_empty());
    assert!(impure_names(&file("jobs/a.rs", "use tokio::sync::Mutex;")).is_empty());
    assert_eq!(untidiness(&file("a.rs", "fn a() {}")).len(), 1);
    assert_eq!(untidiness(&file("a.rs", &format!("//! x\n{}", "\n".repeat(MAX_LINES)))).len(), 1);
    assert_eq!(untidiness(&file("a.rs", "//! x\nfn a() { todo!() }")).len(), 1);
}

/// Names of layers above the file's own.
fn upward_names(source: &Source) -> Vec<String> {
    let layer = layer(source);
    if ["lib", "main"].contains(&layer) {
        return Vec::new();
    }
    let code = expand_groups(&code(&source.text));
    LAYERS
        .iter()
        .filter(|target| may_not_name(layer, target))
        .filter(|target| names(&code, &format!("crate::{target}")) || names(&code, &format!("evenkeel::{target}")))
        .map(|target| format!("{}: names crate::{target}, which lies above {layer}", source.path))
        .collect()
}

fn may_not_name(layer: &str, target: &str) -> bool {
    let rank = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    match (rank(layer), rank(target)) {
        (Some(own), Some(other)) => other < own,
        (None, Some(_)) => true,
        _ => false,
    }
}

fn impure_names(source: &Source) -> Vec<String> {
    if layer(source) != "ml" || source.path.ends_with("tests.rs") {
        return Vec::new();
    }
    let production = source.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code = expand_groups(&code(production));
    FORBIDDEN_IN_ML
        .iter()
        .filter(|name| names(&code, name))
        .map(|name| format!("{}: names {name}, which ml must not know", source.path))
        .collect()
}

fn untidiness(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let lines = source.text.lines().count();
    if lines > MAX_LINES {
        found.push(format!("{}: {lines} lines, at most {MAX_LINES} are allowed", source.path));
    }
    if !source.text.starts_with("//!") {
        found.push(format!("{}: does not begin by saying what it is about (//!)", source.path));
    }
    let code = code(&source.text);
    for unfinished in ["todo!", "unimplemented!"] {
        if code.contains(unfinished) {
            found.push(format!("{}: has {unfinished}", source.path));
        }
    }
    found
}

/// The folder directly below `src`, or the stem of a file that lies there.
fn layer(source: &Source) -> &str {
    let first = source.path.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first)
}

/// The text without comments and white space at line ends. String literals stay: a path in one is as telling.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default().trim_end()).collect::<Vec<_>>().join("\n")
}

/// Adds every member of `use a::{b, c::d};` written out as `a::b`, `a::c`, so that a group hides nothing.
fn expand_groups(code: &str) -> String {
    let mut expanded = code.to_owned();
    for prefix in ["crate", "std", "evenkeel"] {
        let open = format!("use {prefix}::{{");
        for group in code.split(&open).skip(1) {
            for member in top_level_members(group) {
                expanded.push_str(&format!("\n{prefix}::{member};"));
            }
        }
    }
    expanded
}

/// The members of a group whose opening brace has been read.
fn top_level_members(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut members = vec![String::new()];
    for character in group.chars() {
        match character {
            '}' if depth == 0 => break,
            ',' if depth == 0 => members.push(String::new()),
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if let Some(member) = members.last_mut().filter(|_| character != ',' || depth > 0) {
            member.push(character);
        }
    }
    members.iter().map(|member| member.trim().to_owned()).filter(|member| !member.is_empty()).collect()
}

/// Whether `path` appears as a whole: not as a part of a longer word.
fn names(code: &str, path: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + path.len()..].chars().next();
        !before.is_some_and(|c| is_word(c) || c == '.') && !after.is_some_and(is_word)
    })
}

fn assert_none(found: impl Iterator<Item = String>) {
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 30, "only {} source files were found below {}", files.len(), root.display());
    files
        .iter()
        .map(|file| Source {
            path: file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/"),
            text: fs::read_to_string(file).unwrap(),
        })
        .collect()
}

#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}
