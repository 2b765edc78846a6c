//! Many numbers as one text, to the bit: base64 of their bytes, the lowest first. A third the size of decimals.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// Characters for so many numbers.
pub(super) fn characters(numbers: u64) -> u64 {
    numbers.saturating_mul(4).div_ceil(3).saturating_mul(4)
}

pub(super) fn serialize<S: Serializer>(numbers: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = STANDARD_NO_PAD.decode(text).map_err(D::Error::custom)?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(D::Error::custom(format!("{} bytes are no whole numbers of 4", bytes.len())));
    }
    Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Packed(#[serde(with = "super")] Vec<f32>);

    #[test]
    fn numbers_come_back_to_the_bit() {
        let numbers = vec![0.1, -0.0, f32::MIN_POSITIVE / 8.0, f32::MAX, -3.5, f32::INFINITY, 1.0 / 3.0];
        let text = serde_json::to_string(&Packed(numbers.clone())).unwrap();
        let back: Packed = serde_json::from_str(&text).unwrap();
        let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back.0), bits(&numbers));
        assert!(text.len() as u64 <= super::characters(7) + 2, "{text}");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["\"?\"", "\"AAA\"", "\"AAAAAAA\"", "[1.0]"] {
            assert!(serde_json::from_str::<Packed>(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Packed>("\"\"").unwrap().0, Vec::<f32>::new());
    }
}
