//! The names of files: read, and held against what a name may be.

use super::ArchiveLimits;

/// The upper half of code page 437, which names without the UTF-8 flag are in.
const CODE_PAGE_437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
/// The longest piece of a path that a problem repeats.
const SHOWN_CHARS: usize = 200;

/// The name as text. Many writers put UTF-8 without saying so; what is not UTF-8 is then of the old code page.
///
/// # Errors
/// If it says that it is UTF-8 and is not.
pub(super) fn decoded(raw: &[u8], says_utf8: bool) -> Result<String, String> {
    match std::str::from_utf8(raw) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) if says_utf8 => Err("its name is not valid UTF-8, which it says to be".to_owned()),
        Err(_) => Ok(raw.iter().map(|&byte| character(byte)).collect()),
    }
}

fn character(byte: u8) -> char {
    match byte.checked_sub(128) {
        None => char::from(byte),
        Some(upper) => CODE_PAGE_437.chars().nth(usize::from(upper)).unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

/// # Errors
/// Why a path is no name of a file within an archive.
pub(super) fn check(path: &str, limits: &ArchiveLimits) -> Result<(), String> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let drive = path.as_bytes().get(1) == Some(&b':') && path.starts_with(|c: char| c.is_ascii_alphabetic());
    if path.len() > limits.max_path_bytes {
        return Err(format!("its path has {} bytes; at most {} are allowed", path.len(), limits.max_path_bytes));
    }
    if path.is_empty() {
        return Err("it has no name".to_owned());
    }
    if path.contains('\\') {
        return Err("its path has a backslash; parts are divided by forward slashes".to_owned());
    }
    if path.chars().any(char::is_control) {
        return Err("its path has a control character".to_owned());
    }
    if path.starts_with('/') || drive {
        return Err("its path is absolute; paths are within the archive".to_owned());
    }
    let parts = || path.split('/');
    if parts().any(|part| part == "..") {
        return Err("its path leads out of the archive".to_owned());
    }
    if parts().any(|part| part.is_empty() || part == ".") {
        return Err("a part of its path is empty or a dot".to_owned());
    }
    let folders = parts().count().saturating_sub(1);
    if folders > limits.max_depth {
        return Err(format!("it lies {folders} folders deep; at most {} are allowed", limits.max_depth));
    }
    Ok(())
}

/// What is one file to a system that does not tell capitals apart.
pub(super) fn folded(path: &str) -> String {
    path.to_lowercase()
}

/// A path that is short enough to be repeated, without control characters.
pub(super) fn shown(path: &str) -> String {
    path.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_utf8_or_of_the_old_code_page() {
        // python3: bytes(range(128, 256)).decode("cp437")
        assert_eq!(CODE_PAGE_437.chars().count(), 128);
        assert_eq!(decoded(b"caf\x82/\x81.png", false).unwrap(), "café/ü.png");
        assert_eq!(decoded("café".as_bytes(), false).unwrap(), "café");
        assert!(decoded(b"caf\x82", true).is_err());
        assert_eq!(character(0xff), '\u{a0}');
    }

    #[test]
    fn a_path_to_be_shown_is_short_and_plain() {
        assert_eq!(shown("a\0b\n"), "a\u{fffd}b\u{fffd}");
        assert_eq!(shown(&"x".repeat(1000)).len(), SHOWN_CHARS);
    }
}
