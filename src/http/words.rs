//! Numbers as people read them.

/// With commas between thousands.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// Three digits after the point; small numbers keep three significant ones.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        small if small < 0.000_1 => format!("{value:.1e}"),
        small if small < 0.1 => {
            let digits = (2.0 - small.log10().floor()) as usize;
            format!("{value:.digits$}")
        }
        large if large >= 1_000.0 => format!("{value:.0}"),
        _ => format!("{value:.3}"),
    }
}

/// A share in percent, with no more digits than it has.
pub(super) fn share(value: f64) -> String {
    let digits = short(value * 100.0);
    let whole = digits.split_once('.').filter(|(_, after)| after.bytes().all(|digit| digit == b'0'));
    format!("{} %", whole.map_or(digits.as_str(), |(before, _)| before))
}

/// ` [low, high]`, or nothing.
pub(super) fn interval(ci: Option<[f64; 2]>) -> String {
    ci.map_or(String::new(), |[low, high]| format!(" [{}, {}]", short(low), short(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!((count(7), count(1_234), count(1_000_000)), ("7".into(), "1,234".into(), "1,000,000".into()));
        for (value, text) in
            [(0.0, "0"), (0.5, "0.500"), (0.012_34, "0.0123"), (-0.25, "-0.250"), (12_345.6, "12346"), (1e-7, "1.0e-7")]
        {
            assert_eq!(short(value), text);
        }
        assert_eq!((share(0.95), share(1.0), share(0.001_23)), ("95 %".into(), "100 %".into(), "0.123 %".into()));
        assert_eq!((share(0.0231), interval(Some([0.1, 0.25]))), ("2.310 %".into(), " [0.100, 0.250]".into()));
    }
}
