//! A ZIP archive whose files are stored as they are, which pictures in PNG are best.

use std::io::{self, Write};

use flate2::Crc;

/// Fields that all entries have alike: version 2.0, no flags, stored, the first of January 2026.
const ALIKE: [u8; 10] = [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x5c];

pub struct Archive<W> {
    out: W,
    written: u32,
    directory: Vec<u8>,
    files: u16,
}

impl<W: Write> Archive<W> {
    pub fn new(out: W) -> Self {
        Self { out, written: 0, directory: Vec::new(), files: 0 }
    }

    pub fn add(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut crc = Crc::new();
        crc.update(bytes);
        let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let name = u16::try_from(path.len()).map_err(io::Error::other)?;
        let mut about = ALIKE.to_vec();
        about.extend([crc.sum(), size, size].into_iter().flat_map(u32::to_le_bytes));
        about.extend([name, 0].into_iter().flat_map(u16::to_le_bytes));
        let local = [b"PK\x03\x04", about.as_slice(), path.as_bytes(), bytes].concat();
        // Comment, disk and attributes are empty; then where the file begins.
        let tail = [[0; 10].as_slice(), &self.written.to_le_bytes()].concat();
        self.directory.extend([b"PK\x01\x02\x14\x00", about.as_slice(), &tail, path.as_bytes()].concat());
        let length = u32::try_from(local.len()).map_err(io::Error::other)?;
        self.written = self.written.checked_add(length).ok_or_else(|| io::Error::other("more than 4 GiB"))?;
        self.files = self.files.checked_add(1).ok_or_else(|| io::Error::other("more than 65,535 files"))?;
        self.out.write_all(&local)
    }

    pub fn finish(mut self) -> io::Result<()> {
        let size = u32::try_from(self.directory.len()).map_err(io::Error::other)?;
        self.out.write_all(&self.directory)?;
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend([self.files; 2].into_iter().flat_map(u16::to_le_bytes));
        end.extend([size, self.written].into_iter().flat_map(u32::to_le_bytes));
        end.extend([0, 0]);
        self.out.write_all(&end)?;
        self.out.flush()
    }
}
