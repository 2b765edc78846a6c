//! Where bytes of a few kinds are in a text.

/// Bytes that are looked at together.
const CHUNK: usize = 64;
/// Places of a chunk that are written down at once, whether there are as many or not: texts with about so many in a chunk
/// need no branch that cannot be foretold.
const AT_ONCE: usize = 8;

/// The places of all bytes that are one of three, ascending.
///
/// `text` must have less than 4 GiB; places beyond are not given.
pub fn places_of(text: &[u8], wanted: [u8; 3]) -> Vec<u32> {
    let text = &text[..text.len().min(u32::MAX as usize)];
    let mut places = Vec::new();
    let mut count = 0;
    let mut note = |first: usize, mut mask: u64| {
        if places.len() < count + CHUNK {
            places.resize((count + CHUNK).max(2 * places.len()), 0);
        }
        let found = mask.count_ones() as usize;
        let mut next = |out: &mut u32| {
            *out = first as u32 + mask.trailing_zeros();
            mask &= mask.wrapping_sub(1);
        };
        // What is written beyond those that there are is overwritten by those of the next chunk, or cut off.
        places[count..count + AT_ONCE].iter_mut().for_each(&mut next);
        if found > AT_ONCE {
            places[count + AT_ONCE..count + found].iter_mut().for_each(&mut next);
        }
        count += found;
    };
    let (chunks, rest) = text.as_chunks::<CHUNK>();
    for (index, chunk) in chunks.iter().enumerate() {
        note(index * CHUNK, mask_of(chunk, wanted));
    }
    if !rest.is_empty() {
        let mut chunk = [0; CHUNK];
        chunk[..rest.len()].copy_from_slice(rest);
        // Bytes that are not there are none that is wanted.
        note(chunks.len() * CHUNK, mask_of(&chunk, wanted) & (u64::MAX >> (CHUNK - rest.len())));
    }
    places.truncate(count);
    places
}

/// A bit for each byte, the lowest for the first: whether it is one of those.
#[cfg(target_arch = "x86_64")]
fn mask_of(chunk: &[u8; CHUNK], wanted: [u8; 3]) -> u64 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};

    let (quarters, _) = chunk.as_chunks::<16>();
    quarters.iter().enumerate().fold(0, |mask, (index, quarter)| {
        // SAFETY: every processor of this kind has SSE2; sixteen bytes are there to be read, which need not be aligned.
        let found = unsafe {
            let bytes = _mm_loadu_si128(quarter.as_ptr().cast());
            let is = |byte: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8));
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(is(wanted[0]), is(wanted[1])), is(wanted[2])))
        };
        mask | u64::from(found as u16) << (16 * index)
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn mask_of(chunk: &[u8; CHUNK], wanted: [u8; 3]) -> u64 {
    chunk.iter().enumerate().fold(0, |mask, (index, byte)| mask | u64::from(wanted.contains(byte)) << index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::places_of;

    proptest! {
        #[test]
        fn places_are_those_of_the_bytes_one_by_one(
            text in prop::collection::vec(prop_oneof![3 => Just(b','), 1 => Just(b'\n'), 6 => any::<u8>()], 0..400),
            wanted in prop_oneof![Just([b',', b'\n', b'\r']), any::<[u8; 3]>()],
        ) {
            let expected: Vec<u32> =
                (0..).zip(&text).filter(|(_, byte)| wanted.contains(byte)).map(|(place, _)| place).collect();
            prop_assert_eq!(places_of(&text, wanted), expected);
        }
    }

    #[test]
    fn a_text_may_be_all_of_them_or_end_anywhere() {
        for length in 0..200 {
            assert_eq!(places_of(&vec![b';'; length], [b';', 0, 0]), (0..length as u32).collect::<Vec<_>>());
            assert!(places_of(&vec![1; length], [0, 2, 3]).is_empty());
        }
    }
}
