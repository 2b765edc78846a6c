//! Makes a hard set of small coloured pictures from a seed, as an archive with a folder for each class.
//!
//! ```sh
//! cargo run --release --example cluttered_pictures -- clutter.zip 20000 1
//! ```
//!
//! Every picture has shapes of a few colours, any size and direction, plain or striped, on an uneven, unevenly lit ground. One in
//! a hundred has a striped disc among them; the others have plain discs and striped squares, bars, rings, ... No pixel, no
//! colour, no shape and no texture alone tells the classes apart, so that a linear model finds nothing, and a network that has
//! seen 120 striped discs has not seen them in all places, colours and directions.

mod archive;
mod scene;

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;

use archive::Archive;
use evenkeel::ml::seed::Seed;
use scene::{SIDE, Scene};

/// One picture in so many is positive.
const ONE_IN: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, count, seed] = arguments.as_slice() else {
        return Err("usage: cluttered_pictures FILE PICTURES SEED".into());
    };
    let (count, seed): (usize, u64) = (count.parse()?, seed.parse()?);
    let mut archive = Archive::new(BufWriter::new(File::create(path)?));
    for number in 0..count {
        let is_striped_disc = number % ONE_IN == 0;
        let mut rng = Seed(seed).stream(&format!("picture {number}"));
        let pixels = Scene::draw(is_striped_disc, &mut rng);
        let mut png = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new(&mut png);
        let (side, color) = (SIDE as u32, image::ExtendedColorType::Rgb8);
        image::ImageEncoder::write_image(encoder, &pixels, side, side, color)?;
        let folder = if is_striped_disc { "striped_disc" } else { "other" };
        archive.add(&format!("{folder}/{number:06}.png"), &png)?;
    }
    archive.finish()?;
    Ok(())
}
