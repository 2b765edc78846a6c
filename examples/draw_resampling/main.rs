//! Draws what each resampling method does to the same two classes: `docs/resampling/pictures`.
//!
//! ```sh
//! cargo run --example draw_resampling
//! ```

mod picture;

use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/resampling/pictures");
    fs::create_dir_all(&folder)?;
    for (name, svg) in picture::all()? {
        fs::write(folder.join(format!("{name}.svg")), svg)?;
    }
    Ok(())
}
