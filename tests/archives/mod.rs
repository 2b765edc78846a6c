//! ZIP archives of pictures for tests: right ones, and ones that lie in every part.

// Each test program uses a part of it.
#![allow(dead_code, clippy::allow_attributes)]

pub mod hostile;
pub mod pictures;

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

pub const UTF8: u16 = 1 << 11;
const UNIX: u16 = 3 << 8;

/// A file as it is written; what is changed afterwards is a lie.
#[derive(Debug, Clone)]
pub struct Member {
    pub name: Vec<u8>,
    /// In its own header, where that says otherwise.
    pub local_name: Option<Vec<u8>>,
    pub flags: u16,
    pub method: u16,
    pub local_method: Option<u16>,
    pub crc: u32,
    pub size: u32,
    pub local_size: Option<u32>,
    /// As it lies in the archive.
    pub data: Vec<u8>,
    pub compressed: u32,
    /// Unix permissions and kind.
    pub mode: u32,
    /// Where it is said to begin.
    pub start: Option<u32>,
}

impl Member {
    pub fn stored(name: &str, contents: &[u8]) -> Self {
        let mut crc = flate2::Crc::new();
        crc.update(contents);
        Self {
            name: name.as_bytes().to_vec(),
            local_name: None,
            flags: UTF8,
            method: 0,
            local_method: None,
            crc: crc.sum(),
            size: contents.len() as u32,
            local_size: None,
            data: contents.to_vec(),
            compressed: contents.len() as u32,
            mode: 0o100_644,
            start: None,
        }
    }

    pub fn deflated(name: &str, contents: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(contents).unwrap();
        let data = encoder.finish().unwrap();
        Self { method: 8, compressed: data.len() as u32, data, ..Self::stored(name, contents) }
    }
}

/// An archive that grows.
#[derive(Debug, Clone, Default)]
pub struct Zip {
    pub bytes: Vec<u8>,
    directory: Vec<u8>,
    pub count: u16,
}

impl Zip {
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Vec<u8> {
        let mut zip = Self::default();
        for (name, contents) in files {
            zip.add(&Member::deflated(name, &contents));
        }
        zip.finish()
    }

    pub fn add(&mut self, member: &Member) -> &mut Self {
        let start = self.bytes.len() as u32;
        let local_name = member.local_name.as_ref().unwrap_or(&member.name);
        let local_size = member.local_size.unwrap_or(member.size);
        let numbers = |method: u16, size: u32, name: &[u8]| {
            let mut out = Vec::new();
            out.extend(member.flags.to_le_bytes());
            out.extend(method.to_le_bytes());
            out.extend([0; 4]);
            out.extend(member.crc.to_le_bytes());
            out.extend(member.compressed.to_le_bytes());
            out.extend(size.to_le_bytes());
            out.extend((name.len() as u16).to_le_bytes());
            out.extend(0_u16.to_le_bytes());
            out
        };
        self.bytes.extend(b"PK\x03\x04\x14\x00");
        self.bytes.extend(numbers(member.local_method.unwrap_or(member.method), local_size, local_name));
        self.bytes.extend(local_name);
        self.bytes.extend(&member.data);
        self.directory.extend(b"PK\x01\x02");
        self.directory.extend((UNIX | 20).to_le_bytes());
        self.directory.extend(20_u16.to_le_bytes());
        self.directory.extend(numbers(member.method, member.size, &member.name));
        self.directory.extend([0; 6]);
        self.directory.extend((member.mode << 16).to_le_bytes());
        self.directory.extend(member.start.unwrap_or(start).to_le_bytes());
        self.directory.extend(&member.name);
        self.count += 1;
        self
    }

    pub fn finish(&self) -> Vec<u8> {
        self.ended(|_| ())
    }

    /// With an end that is changed before it is written: its bytes from the signature on.
    pub fn ended(&self, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut end = b"PK\x05\x06\x00\x00\x00\x00".to_vec();
        end.extend(self.count.to_le_bytes());
        end.extend(self.count.to_le_bytes());
        end.extend((self.directory.len() as u32).to_le_bytes());
        end.extend((self.bytes.len() as u32).to_le_bytes());
        end.extend(0_u16.to_le_bytes());
        change(&mut end);
        [self.bytes.as_slice(), &self.directory, &end].concat()
    }

    /// With a ZIP64 end, as writers make it that do not know beforehand how much there will be.
    pub fn finish_64(&self) -> Vec<u8> {
        let (start, length) = (self.bytes.len() as u64, self.directory.len() as u64);
        let mut end = b"PK\x06\x06".to_vec();
        end.extend(44_u64.to_le_bytes());
        end.extend([45, 0, 45, 0]);
        end.extend([0; 8]);
        end.extend(u64::from(self.count).to_le_bytes());
        end.extend(u64::from(self.count).to_le_bytes());
        end.extend(length.to_le_bytes());
        end.extend(start.to_le_bytes());
        end.extend(b"PK\x06\x07\x00\x00\x00\x00");
        end.extend((start + length).to_le_bytes());
        end.extend(1_u32.to_le_bytes());
        end.extend(b"PK\x05\x06\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00");
        [self.bytes.as_slice(), &self.directory, &end].concat()
    }
}
