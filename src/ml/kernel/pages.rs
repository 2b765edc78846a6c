//! Memory in large pages.
//!
//! The system hands out memory page by page when it is first written to. For what is written once, such as new rows of a
//! matrix, that takes as long as the work itself; in pages of 2 MiB instead of 4 KiB it is done several times as fast.

/// Smaller memory is left as it is: a page of it might be mostly unused.
const WORTH_LARGE_PAGES: usize = 8 << 20;

/// Asks for large pages for all of the memory that the vector has, where the system has them. Nothing but speed depends
/// on whether it does.
pub fn prefer_large_pages<T>(values: &mut Vec<T>) {
    let bytes = values.capacity() * size_of::<T>();
    if bytes >= WORTH_LARGE_PAGES {
        advise(values.as_mut_ptr().cast(), bytes);
    }
}

/// Whole pages, the one in which the memory begins among them: memory of one kind can grow without being moved.
#[cfg(target_os = "linux")]
fn advise(start: *mut u8, bytes: usize) {
    use rustix::mm::{Advice, madvise};

    const PAGE: usize = 4096;
    let before = start.addr() % PAGE;
    // SAFETY: the advice changes which pages hold memory that this process has, never what is in it. Addresses that do
    // not belong to the process, or a page size that is larger, give an error.
    let _ = unsafe {
        madvise(start.wrapping_sub(before).cast(), (before + bytes).next_multiple_of(PAGE), Advice::LinuxHugepage)
    };
}

#[cfg(not(target_os = "linux"))]
fn advise(_: *mut u8, _: usize) {}

#[cfg(test)]
mod tests {
    use super::{WORTH_LARGE_PAGES, prefer_large_pages};

    #[test]
    fn what_is_in_the_memory_stays() {
        for count in [0, 1000, WORTH_LARGE_PAGES / 8 - 1, WORTH_LARGE_PAGES / 8, WORTH_LARGE_PAGES / 4 + 77] {
            let mut values: Vec<u64> = (0..count as u64).collect();
            prefer_large_pages(&mut values);
            values.reserve_exact(WORTH_LARGE_PAGES / 8);
            prefer_large_pages(&mut values);
            values.extend(count as u64..count as u64 + 1000);
            assert!(values.iter().copied().eq(0..count as u64 + 1000));
        }
    }
}
