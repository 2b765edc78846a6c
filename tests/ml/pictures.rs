//! The pictures of the documentation are those that the program draws.

#[path = "../../examples/draw_resampling/picture.rs"]
mod picture;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const AGAIN: &str = "cargo run --example draw_resampling draws them again";

#[test]
fn the_pictures_of_the_resampling_methods_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/resampling/pictures");
    let pictures = picture::all().unwrap();
    for (name, svg) in &pictures {
        let kept = fs::read_to_string(folder.join(format!("{name}.svg"))).unwrap_or_default();
        assert!(kept == *svg, "{name}.svg is not current; {AGAIN}");
    }
    let kept: BTreeSet<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(kept, pictures.iter().map(|(name, _)| format!("{name}.svg")).collect(), "{AGAIN}");
}

#[test]
fn every_picture_is_shown_in_the_documentation() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/resampling");
    let pages: String = fs::read_dir(&docs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for (name, _) in picture::all().unwrap() {
        assert!(pages.contains(&format!("(pictures/{name}.svg)")), "no page shows {name}.svg");
    }
}
