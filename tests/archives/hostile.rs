//! Archives that must be refused, each with what its refusal says.

use std::io::Write;

use image::ImageFormat;

use super::pictures::{color, encoded, grey, png};
use super::{Member, Zip};

/// One kind of attack or mistake.
pub struct Hostile {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    /// A part of the reason that is given.
    pub reason: &'static str,
}

fn picture(seed: u8) -> Vec<u8> {
    png(&grey(4, 4, |y, x| seed.wrapping_add((y * 16 + x * 3) as u8)))
}

/// Two pictures of either class.
fn right() -> Zip {
    let mut zip = Zip::default();
    for (index, name) in ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"].into_iter().enumerate() {
        zip.add(&Member::deflated(name, &picture(index as u8 * 40)));
    }
    zip
}

fn with(member: &Member) -> Vec<u8> {
    right().add(member).finish()
}

fn named(name: &str) -> Vec<u8> {
    with(&Member::stored(name, b"x"))
}

/// Archives that are wrong as such, or have a file that no archive may have.
pub fn archives() -> Vec<Hostile> {
    let plain = Member::deflated("cat/9.png", &picture(9));
    let hostile = |name, bytes, reason| Hostile { name, bytes, reason };
    let changed =
        |at: usize, value: &'static [u8]| right().ended(|end| end[at..at + value.len()].copy_from_slice(value));
    let whole = right().finish();
    let mut torn = whole.clone();
    let directory = torn.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    torn[directory + 1] = b'?';
    vec![
        hostile("nothing", Vec::new(), "not a ZIP archive"),
        hostile("text", b"this is no archive, however long it goes on".to_vec(), "no end"),
        hostile("an end alone, cut off", b"PK\x05\x06\0\0\0\0".to_vec(), "not a ZIP archive"),
        hostile("an archive without files", Zip::default().finish(), "no picture"),
        hostile("cut off in the middle", whole[..whole.len() / 2].to_vec(), "no end"),
        hostile("bytes behind the end", [&whole[..], b"MZ"].concat(), "behind its end"),
        hostile("bytes before the first file", [b"#!/bin/sh\n", &whole[..]].concat(), "put before"),
        hostile("a directory beyond the end", changed(16, &[0xf0, 0xff, 0xff, 0x7f]), "directory does not end"),
        hostile("more entries than the directory has", changed(8, &[200, 0, 200, 0]), "too short"),
        hostile("fewer entries than the directory has", changed(8, &[2, 0, 2, 0]), "more bytes than its entries"),
        hostile("a damaged directory", torn, "damaged"),
        hostile("a part of several volumes", changed(4, &[1, 0]), "volumes"),
        hostile("a ZIP64 end that is not there", changed(16, &[0xff; 4]), "ZIP64"),
        hostile("a path that leads out", named("../../etc/passwd"), "leads out"),
        hostile("a path that leads out in the middle", named("cat/../../x.png"), "leads out"),
        hostile("an absolute path", named("/etc/passwd"), "absolute"),
        hostile("a path with a drive", named("C:/x.png"), "absolute"),
        hostile("a backslash", named("cat\\..\\x.png"), "backslash"),
        hostile("a NUL character", named("cat/x.png\0.txt"), "control character"),
        hostile("a line break", named("cat/x\n.png"), "control character"),
        hostile("an empty part of a path", named("cat//x.png"), "empty or a dot"),
        hostile("a dot in a path", named("./cat/x.png"), "empty or a dot"),
        hostile("a file without a name", named(""), "no name"),
        hostile("a long path", named(&format!("cat/{}.png", "x".repeat(1000))), "1008 bytes"),
        hostile("a deep path", named(&format!("{}x.png", "a/".repeat(33))), "33 folders deep"),
        hostile("a name that is not UTF-8", with(&Member { name: b"cat/\xff.png".to_vec(), ..plain.clone() }), "UTF-8"),
        hostile("a symbolic link", with(&Member { mode: 0o120_777, ..plain.clone() }), "symbolic link"),
        hostile("a device", with(&Member { mode: 0o020_666, ..plain.clone() }), "neither a file nor a folder"),
        hostile("a folder with contents", with(&Member { name: b"cat/x/".to_vec(), ..plain.clone() }), "folder with"),
        hostile("a path that comes twice", named("cat/1.png"), "two files of this path"),
        hostile("a path that differs by capitals", named("Cat/1.PNG"), "only capitals"),
        hostile("an encrypted file", with(&Member { flags: 1, ..plain.clone() }), "encrypted"),
        hostile("another compression", with(&Member { method: 12, ..plain.clone() }), "bzip2"),
        hostile("an unknown compression", with(&Member { method: 77, ..plain.clone() }), "method 77"),
        hostile("files that share their bytes", overlapping(), "run into those of another"),
        hostile(
            "a file within the directory",
            with(&Member { compressed: 1 << 20, ..plain.clone() }),
            "run into those",
        ),
        hostile(
            "a file beyond the end",
            with(&Member { start: Some(u32::MAX - 1), ..plain.clone() }),
            "run into those",
        ),
        hostile("a bomb", bomb(), "more than 200 times"),
        hostile("sizes beyond the limit", huge(), "at most"),
    ]
}

/// Many entries of one file's bytes: with deflate they would be gigabytes (Fifield, A better zip bomb, 2019).
fn overlapping() -> Vec<u8> {
    let mut zip = right();
    let start = zip.bytes.len() as u32;
    let kernel = Member::deflated("cat/k.png", &picture(1));
    zip.add(&kernel);
    for index in 0..20 {
        let name = format!("cat/k{index}.png").into_bytes();
        let empty = Member { data: Vec::new(), local_name: Some(Vec::new()), ..kernel.clone() };
        zip.add(&Member { name, start: Some(start), ..empty });
    }
    zip.finish()
}

/// Zeros that deflate to a thousandth.
fn bomb() -> Vec<u8> {
    let mut zip = right();
    let zeros = vec![0; 8 << 20];
    for index in 0..10 {
        zip.add(&Member::deflated(&format!("cat/bomb{index}.bmp"), &zeros));
    }
    zip.finish()
}

/// Files that say that they are of gigabytes.
fn huge() -> Vec<u8> {
    let mut zip = right();
    for index in 0..8 {
        let member = Member::deflated(&format!("cat/huge{index}.bmp"), &vec![0; 1 << 16]);
        zip.add(&Member { size: 0xf000_0000, ..member });
    }
    zip.finish()
}

/// Archives in good order whose contents are no dataset.
pub fn datasets() -> Vec<Hostile> {
    let csv = |text: &str| {
        let pictures = ["a/1.png", "a/2.png", "a/3.png"].into_iter().enumerate();
        let files = pictures.map(|(index, name)| (name, picture(index as u8 * 50)));
        Zip::of(files.chain([("manifest.csv", text.as_bytes().to_vec())]))
    };
    let hostile = |name, bytes, reason| Hostile { name, bytes, reason };
    let folders = |names: &[&'static str]| {
        Zip::of(names.iter().enumerate().map(|(index, name)| (*name, picture(index as u8 * 30))))
    };
    vec![
        hostile("an archive in an archive", Zip::of([("pictures.zip", right().finish())]), "no picture"),
        hostile("texts alone", Zip::of([("cat/readme.txt", b"hello".to_vec())]), "no picture"),
        hostile("leftovers alone", folders(&["__MACOSX/cat/._1.png", "cat/._2.png"]), "no picture"),
        hostile("pictures in no folder", folders(&["1.png", "cat/2.png"]), "in no folder"),
        hostile("one class", folders(&["cat/1.png", "cat/2.png"]), "exactly two are needed"),
        hostile("three classes", folders(&["cat/1.png", "dog/2.png", "cow/3.png"]), "cow"),
        hostile("a row without its picture", csv("path,label\na/1.png,0\na/9.png,1\n"), "no file \"a/9.png\""),
        hostile("a row that leads out", csv("path,label\na/1.png,0\n../a/2.png,1\n"), "no file"),
        hostile("two rows of one picture", csv("path,label\na/1.png,0\n./a/1.png,1\n"), "row 1 has this picture"),
        hostile("a row without a path", csv("path,label\na/1.png,0\n,1\n"), "names no picture"),
        hostile("a manifest without paths", csv("file,label\na/1.png,0\na/2.png,1\n"), "needs this column"),
        hostile("a manifest with pictures", csv("path,image,label\na/1.png,x,0\na/2.png,y,1\n"), "must not have"),
        hostile("a manifest that is cut off", csv("path,label\na/1.png,\"0\n"), "never closed"),
        hostile("a manifest without rows", csv("path,label\n"), "no rows"),
        hostile("a label that is missing", csv("path,label\na/1.png,0\na/2.png,1\na/3.png,\n"), "no value in 1 rows"),
        hostile(
            "two manifests",
            Zip::of([("manifest.csv", b"path\n".to_vec()), ("manifest.ndjson", b"{}".to_vec())]),
            "several manifests",
        ),
        hostile("a manifest that is no table", csv("\u{0}\u{1}\u{2}"), "NUL"),
    ]
}

/// Files that cannot be read as pictures: an archive of nothing else is refused, of which this says why.
pub fn files() -> Vec<Hostile> {
    let sample = color(16, 16, |y, x| [(y * 16) as u8, (x * 16) as u8, 7]);
    let [png, jpeg, gif, bmp, tiff, webp] =
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP]
            .map(|format| encoded(&sample, format));
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let patched = |bytes: &[u8], at: usize, value: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + value.len()].copy_from_slice(value);
        bytes
    };
    // The checksum of a PNG's header covers its sides.
    let sides = |width: u32, height: u32| {
        let mut bytes = patched(&png, 16, &[width.to_be_bytes(), height.to_be_bytes()].concat());
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        bytes
    };
    let all = |name, contents: Vec<u8>, reason| {
        let files = ["cat/1.png", "cat/2.png", "dog/1.png"].map(|name| (name, contents.clone()));
        Hostile { name, bytes: Zip::of(files), reason }
    };
    let lying = |name, change: &dyn Fn(&mut Member), reason| {
        let mut zip = Zip::default();
        for path in ["cat/1.png", "cat/2.png", "dog/1.png"] {
            let mut member = Member::deflated(path, &png);
            change(&mut member);
            zip.add(&member);
        }
        Hostile { name, bytes: zip.finish(), reason }
    };
    let mut avif = vec![0, 0, 0, 0x1c];
    avif.extend(b"ftypavif\0\0\0\0avifmif1miaf");
    let mut twice = Vec::new();
    flate2::write::ZlibEncoder::new(&mut twice, flate2::Compression::best()).write_all(&[0; 100]).unwrap();
    vec![
        all("empty files", Vec::new(), "empty"),
        all("texts named like pictures", b"hello, I am a text".to_vec(), "no picture"),
        all("an archive named like a picture", right().finish(), "no picture"),
        all("a program named like a picture", [b"MZ\x90\0".as_slice(), &[0; 100]].concat(), "no picture"),
        all("an SVG, which is a program", b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(), "no picture"),
        all("a format that is not read", avif, "not read"),
        all("a PNG cut off", half(&png), "damaged"),
        all("a PNG of its signature", png[..8].to_vec(), "damaged"),
        all("a JPEG cut off", half(&jpeg), "damaged"),
        all("a GIF cut off", gif[..20].to_vec(), "damaged"),
        all("a BMP cut off", half(&bmp), "damaged"),
        all("a TIFF cut off", half(&tiff), "damaged"),
        all("a WebP cut off", half(&webp), "damaged"),
        all("a PNG with a wrong checksum", patched(&png, 29, &[1, 2, 3, 4]), "damaged"),
        all("a PNG of other compressed bytes", patched(&png, 45, &twice[..8]), "damaged"),
        all("a PNG that says that it is immense", sides(100_000, 100_000), "more than are allowed"),
        all("a PNG that says that it is of the largest number", sides(0x7fff_ffff, 0x7fff_ffff), "allowed"),
        all("a PNG without width", sides(0, 16), "damaged"),
        all("a PNG that is wider than its pixels", sides(17, 16), "damaged"),
        all("a PNG that is one long line", sides(20_000, 1), "a side"),
        all("a BMP that says that it is immense", patched(&bmp, 18, &[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]), "allowed"),
        all("a BMP of negative width", patched(&bmp, 18, &[0xff; 4]), "damaged"),
        all("a GIF that says that it is immense", patched(&gif, 6, &[0xff, 0xff, 0xff, 0xff]), "allowed"),
        all("a TIFF whose directory is elsewhere", patched(&tiff, 4, &[0xff, 0xff, 0xff, 0x7f]), "damaged"),
        lying("files larger than they say", &|member| member.size -= 1, "more than the"),
        lying("files smaller than they say", &|member| member.size += 1, "the directory says"),
        lying("a wrong checksum", &|member| member.crc ^= 1, "checksum"),
        lying("another name in the own header", &|m| m.local_name = Some(b"dog/2.png".to_vec()), "another name"),
        lying("another compression in the own header", &|member| member.local_method = Some(0), "packed otherwise"),
        lying("another size in the own header", &|member| member.local_size = Some(7), "another size"),
        lying(
            "compressed bytes cut off",
            &|m| {
                m.data.truncate(20);
                m.compressed = 20
            },
            "cut off",
        ),
        lying("compressed bytes damaged", &|m| m.data[..4].copy_from_slice(&[0xff; 4]), "damaged"),
        lying(
            "bytes behind the compressed ones",
            &|m| {
                m.data.extend([0; 3]);
                m.compressed += 3
            },
            "behind",
        ),
    ]
}
