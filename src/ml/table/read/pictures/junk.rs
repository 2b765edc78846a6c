//! Files of an archive that are no pictures.

/// What file managers leave behind.
const LEFTOVERS: [&str; 4] = [".DS_Store", "Thumbs.db", "ehthumbs.db", "desktop.ini"];
/// How the names of pictures end, in lower case.
const EXTENSIONS: [&str; 10] = ["png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "tif", "tiff", "gif"];

/// Whether a file is nothing that a user put into an archive.
pub(super) fn is_junk(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.split('/').any(|part| part == "__MACOSX") || name.starts_with("._") || LEFTOVERS.contains(&name)
}

/// Whether a file is a picture by its name.
pub(super) fn is_picture(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_told_from_pictures() {
        for path in ["__MACOSX/a/._1.png", "a/.DS_Store", "a/Thumbs.db", "a/._1.png"] {
            assert!(is_junk(path), "{path}");
        }
        assert!(!is_junk("a/1.png") && !is_junk("a/MACOSX.png"));
        assert!(is_picture("a/1.PNG") && is_picture("a/b.c/1.x.jpeg"));
        assert!(!is_picture("a/readme.txt") && !is_picture("png") && !is_picture("a.png/x"));
    }
}
