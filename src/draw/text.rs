//! Text of pictures: what XML allows, no longer than there is room.

/// At most `max` characters that XML can hold.
pub(super) fn fit(text: &str, max: usize) -> String {
    let clean: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| is_xml(*c)).collect();
    if clean.len() <= max {
        return clean.into_iter().collect();
    }
    clean.into_iter().take(max.saturating_sub(1)).chain(std::iter::once('…')).collect()
}

/// The text as the content of an XML element or of a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let clean = fit(text, 2_000);
    clean.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// XML 1.0, section 2.2.
fn is_xml(c: char) -> bool {
    !matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

/// About how wide text is, in units of its size: sans-serif letters are somewhat more than half as wide as high.
pub(super) fn width(text: &str, size: i32) -> i32 {
    (text.chars().count() as f64 * 0.54 * f64::from(size)).ceil() as i32
}

/// A number as an axis shows it: four significant digits at most, no trailing zeros.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor();
    if !(-4.0..6.0).contains(&magnitude) {
        return format!("{value:.1e}");
    }
    let digits = (3.0 - magnitude).max(0.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_and_control_characters_go() {
        assert_eq!(fit("a\u{0}b\nc", 9), "a b c");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(escape("<a b='c'>&\""), "&lt;a b=&#39;c&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (-0.1, "-0.1"),
            (1234.5, "1234"),
            (200_000.0, "200000"),
            (3e7, "3.0e7"),
            (0.000_02, "2.0e-5"),
            (0.30000000000000004, "0.3"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
