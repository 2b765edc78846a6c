//! Memory that begins on a cache line.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::{LANES, prefer_large_pages};

/// One cache line of values.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LANES]);

/// A slice of f32 whose first value lies on a cache line and whose length is a multiple of [`LANES`]. A vector
/// loaded from a multiple of [`LANES`] never straddles two lines, which would halve the speed of loads.
#[derive(Clone, Default)]
pub struct Buffer {
    lines: Vec<Line>,
}

impl Buffer {
    /// Zeros; `length` is rounded up to whole lines.
    pub fn zeros(length: usize) -> Self {
        let count = length.div_ceil(LANES);
        let mut lines = Vec::with_capacity(count);
        prefer_large_pages(&mut lines);
        lines.resize(count, Line([0.0; LANES]));
        Self { lines }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a line is exactly `LANES` values (`repr(C)`, its size is its alignment), so the lines are one run
        // of initialized values that lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LANES) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * LANES) }
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_whole_lines_of_zeros_on_a_line() {
        for (asked, given) in [(0, 0), (1, 16), (16, 16), (17, 32)] {
            let buffer = Buffer::zeros(asked);
            assert_eq!(&*buffer, vec![0.0; given]);
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
        }
        let mut buffer = Buffer::zeros(20);
        buffer[19] = 2.0;
        assert_eq!(buffer.clone(), buffer);
        assert_ne!(Buffer::zeros(20), buffer);
    }
}
