//! The datatypes of tensors that are read.

use crate::ml::table::ValueKind;

/// What the elements of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp32,
    Fp64,
    Bytes,
}

impl Datatype {
    pub(super) const ALL: [Datatype; 12] = [
        Datatype::Bool,
        Datatype::Uint8,
        Datatype::Uint16,
        Datatype::Uint32,
        Datatype::Uint64,
        Datatype::Int8,
        Datatype::Int16,
        Datatype::Int32,
        Datatype::Int64,
        Datatype::Fp32,
        Datatype::Fp64,
        Datatype::Bytes,
    ];

    /// As the protocol writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Datatype::Bool => "BOOL",
            Datatype::Uint8 => "UINT8",
            Datatype::Uint16 => "UINT16",
            Datatype::Uint32 => "UINT32",
            Datatype::Uint64 => "UINT64",
            Datatype::Int8 => "INT8",
            Datatype::Int16 => "INT16",
            Datatype::Int32 => "INT32",
            Datatype::Int64 => "INT64",
            Datatype::Fp32 => "FP32",
            Datatype::Fp64 => "FP64",
            Datatype::Bytes => "BYTES",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Datatype::ALL.into_iter().find(|datatype| datatype.name() == name)
    }

    /// Whether elements may be fractions.
    pub(super) fn is_floating(self) -> bool {
        matches!(self, Datatype::Fp32 | Datatype::Fp64)
    }

    /// Bytes of one element in binary; `None` where each has a length of its own.
    pub(super) fn width(self) -> Option<usize> {
        match self {
            Datatype::Bool | Datatype::Uint8 | Datatype::Int8 => Some(1),
            Datatype::Uint16 | Datatype::Int16 => Some(2),
            Datatype::Uint32 | Datatype::Int32 | Datatype::Fp32 => Some(4),
            Datatype::Uint64 | Datatype::Int64 | Datatype::Fp64 => Some(8),
            Datatype::Bytes => None,
        }
    }

    /// What its elements are to a table.
    pub(super) fn kind(self) -> ValueKind {
        match self {
            Datatype::Bool => ValueKind::Boolean,
            Datatype::Bytes => ValueKind::Text,
            _ => ValueKind::Number,
        }
    }

    /// The least and the greatest whole number it holds; `None` for what is not whole or no number. The ends of 64 bits
    /// are rounded as every number of a table is.
    pub(super) fn range(self) -> Option<(f64, f64)> {
        match self {
            Datatype::Uint8 => Some((0.0, f64::from(u8::MAX))),
            Datatype::Uint16 => Some((0.0, f64::from(u16::MAX))),
            Datatype::Uint32 => Some((0.0, f64::from(u32::MAX))),
            Datatype::Uint64 => Some((0.0, u64::MAX as f64)),
            Datatype::Int8 => Some((f64::from(i8::MIN), f64::from(i8::MAX))),
            Datatype::Int16 => Some((f64::from(i16::MIN), f64::from(i16::MAX))),
            Datatype::Int32 => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
            Datatype::Int64 => Some((i64::MIN as f64, i64::MAX as f64)),
            Datatype::Bool | Datatype::Fp32 | Datatype::Fp64 | Datatype::Bytes => None,
        }
    }

    /// The number as a tensor of this datatype holds it; `None` if it does not. NaN is missing and passes.
    pub(super) fn hold(self, number: f64) -> Option<f64> {
        match (self.range(), self) {
            _ if number.is_nan() => Some(number),
            (Some((least, most)), _) => (number.fract() == 0.0 && (least..=most).contains(&number)).then_some(number),
            // What is too large for the datatype becomes infinite, which no column takes.
            (None, Datatype::Fp32) => Some(f64::from(number as f32)),
            (None, _) => Some(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for datatype in Datatype::ALL {
            assert_eq!(Datatype::named(datatype.name()), Some(datatype));
        }
        for unknown in ["FP16", "BF16", "STRING", "fp32", ""] {
            assert_eq!(Datatype::named(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_number_is_what_the_datatype_can_hold() {
        assert_eq!(Datatype::Fp32.hold(0.1), Some(0.100_000_001_490_116_12));
        assert_eq!(Datatype::Fp32.hold(1e39), Some(f64::INFINITY));
        assert_eq!((Datatype::Fp64.hold(0.1), Datatype::Int8.hold(-128.0)), (Some(0.1), Some(-128.0)));
        for (datatype, number) in [
            (Datatype::Int8, 128.0),
            (Datatype::Uint8, -1.0),
            (Datatype::Int64, 1.5),
            (Datatype::Uint32, 4_294_967_296.0),
            (Datatype::Int64, f64::INFINITY),
        ] {
            assert_eq!(datatype.hold(number), None, "{datatype:?} {number}");
        }
        assert!(Datatype::Int8.hold(f64::NAN).is_some_and(f64::is_nan));
    }
}
