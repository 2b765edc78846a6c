//! What the operating system says of this process.

/// Memory and open files, as far as they can be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ProcessLoad {
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_files: Option<u64>,
}

impl ProcessLoad {
    /// Linux says it in `/proc`; other systems say nothing here.
    pub(super) fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").ok();
        let open = std::fs::read_dir("/proc/self/fd").ok();
        Self {
            resident_bytes: status.as_deref().and_then(resident_bytes),
            // The directory that is being read is one of them.
            open_files: open.map(|files| (files.count() as u64).saturating_sub(1)),
        }
    }
}

/// Of a line such as `VmRSS:     10240 kB`.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(resident_bytes("VmPeak:\t 9 kB\nVmRSS:\t   10240 kB\n"), Some(10_485_760));
        assert_eq!(resident_bytes("VmRSS: much"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_uses_memory_and_files() {
        let load = ProcessLoad::now();
        assert!(load.resident_bytes.is_some_and(|bytes| bytes > 1 << 20), "{load:?}");
        assert!(load.open_files.is_some_and(|files| files > 0), "{load:?}");
    }
}
