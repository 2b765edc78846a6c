//! Tensors in binary: little-endian, row by row, without padding. A boolean is one byte, a text its length in four
//! bytes and then itself.

use super::datatype::Datatype;
use super::tensor::{Elements, Texts};

/// Bytes of the length before each text.
const LENGTH_BYTES: usize = 4;

/// Reads as many elements as a shape has. Allocates by what is there, never by what is claimed.
///
/// # Errors
/// Where sizes do not agree, and the first element that is wrong.
pub(super) fn read(datatype: Datatype, count: usize, bytes: &[u8]) -> Result<Elements, String> {
    if let Some(width) = datatype.width() {
        check_size(datatype, count, width, bytes.len())?;
    }
    let numbers = match datatype {
        Datatype::Bool => return booleans(bytes),
        Datatype::Bytes => return texts(count, bytes),
        Datatype::Uint8 => bytes.iter().map(|&byte| f64::from(byte)).collect(),
        Datatype::Int8 => bytes.iter().map(|&byte| f64::from(byte.cast_signed())).collect(),
        Datatype::Uint16 => numbers(bytes, |bytes| f64::from(u16::from_le_bytes(bytes))),
        Datatype::Int16 => numbers(bytes, |bytes| f64::from(i16::from_le_bytes(bytes))),
        Datatype::Uint32 => numbers(bytes, |bytes| f64::from(u32::from_le_bytes(bytes))),
        Datatype::Int32 => numbers(bytes, |bytes| f64::from(i32::from_le_bytes(bytes))),
        Datatype::Fp32 => numbers(bytes, |bytes| f64::from(f32::from_le_bytes(bytes))),
        Datatype::Uint64 => numbers(bytes, |bytes| u64::from_le_bytes(bytes) as f64),
        Datatype::Int64 => numbers(bytes, |bytes| i64::from_le_bytes(bytes) as f64),
        Datatype::Fp64 => numbers(bytes, f64::from_le_bytes),
    };
    Ok(Elements::Numbers(numbers))
}

fn check_size(datatype: Datatype, count: usize, width: usize, found: usize) -> Result<(), String> {
    match count.checked_mul(width) {
        Some(expected) if expected == found => Ok(()),
        Some(expected) => {
            Err(format!("expected {expected} bytes for {count} elements of {}, found {found}", datatype.name()))
        }
        None => Err(format!("{count} elements of {} are more than can be sent", datatype.name())),
    }
}

fn numbers<const WIDTH: usize>(bytes: &[u8], number: impl Fn([u8; WIDTH]) -> f64) -> Vec<f64> {
    bytes.as_chunks::<WIDTH>().0.iter().map(|&chunk| number(chunk)).collect()
}

fn booleans(bytes: &[u8]) -> Result<Elements, String> {
    let flag = |(index, byte): (usize, &u8)| match byte {
        0 => Ok(Some(false)),
        1 => Ok(Some(true)),
        byte => Err(format!("expected the byte 0 or 1 for each BOOL, found {byte} at element {index}")),
    };
    bytes.iter().enumerate().map(flag).collect::<Result<_, _>>().map(Elements::Booleans)
}

fn texts(count: usize, bytes: &[u8]) -> Result<Elements, String> {
    let mut texts = Texts::default();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<LENGTH_BYTES>() {
        let index = texts.len();
        if index == count {
            return Err(format!("expected {count} texts, found {} bytes after the last", rest.len()));
        }
        let length = u32::from_le_bytes(*length) as usize;
        let Some((text, after)) = after.split_at_checked(length) else {
            let left = after.len();
            return Err(format!("element {index} is said to have {length} bytes; {left} are left"));
        };
        texts.push_bytes(text)?;
        rest = after;
    }
    match (texts.len() == count, rest.len()) {
        (true, 0) => Ok(Elements::Texts(texts)),
        (true, left) => Err(format!("expected {count} texts, found {left} bytes after the last")),
        (false, 0) => Err(format!("expected {count} texts, found {}", texts.len())),
        (false, left) => Err(format!("expected a length of four bytes before element {}, found {left}", texts.len())),
    }
}

/// Appends numbers as FP64.
pub(super) fn write_numbers(numbers: &[f64], bytes: &mut Vec<u8>) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

/// Appends texts as BYTES.
pub(super) fn write_texts<'a>(texts: impl Iterator<Item = &'a str>, bytes: &mut Vec<u8>) {
    for text in texts {
        // Labels come from columns whose fields are far shorter.
        bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers_of(datatype: Datatype, bytes: &[u8]) -> Vec<f64> {
        match read(datatype, bytes.len() / datatype.width().unwrap(), bytes) {
            Ok(Elements::Numbers(numbers)) => numbers,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_datatype_is_read_as_numpy_writes_it() {
        // numpy.array([-2], dtype).tobytes(), numpy.array([65000], ...) and so on.
        assert_eq!(numbers_of(Datatype::Int8, &[0xfe, 1]), [-2.0, 1.0]);
        assert_eq!(numbers_of(Datatype::Uint8, &[0xfe]), [254.0]);
        assert_eq!(numbers_of(Datatype::Int16, &[0xfe, 0xff]), [-2.0]);
        assert_eq!(numbers_of(Datatype::Uint16, &[0xe8, 0xfd]), [65000.0]);
        assert_eq!(numbers_of(Datatype::Int32, &(-2_i32).to_le_bytes()), [-2.0]);
        assert_eq!(numbers_of(Datatype::Uint32, &u32::MAX.to_le_bytes()), [4_294_967_295.0]);
        assert_eq!(numbers_of(Datatype::Int64, &i64::MIN.to_le_bytes()), [-9_223_372_036_854_775_808.0]);
        assert_eq!(numbers_of(Datatype::Uint64, &u64::MAX.to_le_bytes()), [18_446_744_073_709_551_615.0]);
        assert_eq!(numbers_of(Datatype::Fp32, &0.1_f32.to_le_bytes()), [f64::from(0.1_f32)]);
        assert_eq!(numbers_of(Datatype::Fp64, &0.1_f64.to_le_bytes()), [0.1]);
        assert_eq!(read(Datatype::Bool, 2, &[1, 0]), Ok(Elements::Booleans(vec![Some(true), Some(false)])));
        assert_eq!(read(Datatype::Fp64, 0, &[]), Ok(Elements::Numbers(vec![])));
    }

    #[test]
    fn texts_read_back() {
        let mut bytes = Vec::new();
        write_texts(["red", "", "grün"].into_iter(), &mut bytes);
        let Ok(Elements::Texts(texts)) = read(Datatype::Bytes, 3, &bytes) else { panic!("no texts") };
        assert_eq!((texts.get(0), texts.get(1), texts.get(2)), ("red", "", "grün"));
    }

    #[test]
    fn sizes_that_do_not_agree_say_how() {
        let cases: [(Datatype, usize, &[u8], &str); 9] = [
            (Datatype::Fp64, 2, &[0; 15], "expected 16 bytes for 2 elements of FP64, found 15"),
            (Datatype::Fp64, usize::MAX / 4, &[0; 8], "more than can be sent"),
            (Datatype::Bool, 1, &[2], "found 2 at element 0"),
            (Datatype::Bytes, 1, &[0xff, 0xff, 0xff, 0xff, b'a'], "said to have 4294967295 bytes; 1 are left"),
            (Datatype::Bytes, 1, &[1, 0, 0, 0, 0xff], "expected UTF-8"),
            (Datatype::Bytes, 1, &[0, 0, 0, 0, 9], "expected 1 texts, found 1 bytes after the last"),
            (Datatype::Bytes, 1, &[0, 0, 0, 0, 0, 0, 0, 0], "expected 1 texts, found 4 bytes after the last"),
            (Datatype::Bytes, 2, &[0, 0, 0, 0], "expected 2 texts, found 1"),
            (Datatype::Bytes, 2, &[0, 0, 0, 0, 1], "expected a length of four bytes before element 1, found 1"),
        ];
        for (datatype, count, bytes, expected) in cases {
            let found = read(datatype, count, bytes).unwrap_err();
            assert!(found.contains(expected), "{datatype:?} {bytes:?}: {found}");
        }
    }
}
