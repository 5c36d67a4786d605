//! Other files from files: bytes and words are changed by mutatis; where a checksum, a length or a directory would stop a blind
//! change, the file is taken apart before it and put together again after.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Cursor, Read, Write};
use std::ops::Range;

use crc::{CRC_32_ISO_HDLC, Crc};
use mutatis::{Session, mutators as m};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// What a file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Plain,
    /// Entries with checksums, and a directory of them.
    Zip,
    /// A JSON header after its length, then data.
    SafeTensors,
    /// Chunks with lengths and checksums.
    Png,
    /// Chunks with lengths, in one that has their sum.
    Riff,
}

/// A file in parts, each with its name.
#[derive(Clone, Debug)]
pub struct Parts {
    shape: Shape,
    parts: Vec<(Vec<u8>, Vec<u8>)>,
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

impl Parts {
    /// A file that does not come apart is one part.
    pub fn of(shape: Shape, bytes: Vec<u8>) -> Self {
        let apart = match shape {
            Shape::Plain => None,
            Shape::Zip => unzipped(&bytes),
            Shape::SafeTensors => header_and_data(&bytes),
            Shape::Png => png_chunks(&bytes),
            Shape::Riff => riff_chunks(&bytes),
        };
        match apart {
            Some(parts) if !parts.is_empty() => Self { shape, parts },
            _ => Self { shape: Shape::Plain, parts: vec![(Vec::new(), bytes)] },
        }
    }

    /// The file again, with whatever depends on its parts.
    fn whole(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.shape {
            Shape::Plain => bytes.extend(self.parts.iter().flat_map(|(_, part)| part)),
            Shape::Zip => return zipped(&self.parts),
            Shape::SafeTensors => {
                for (index, (_, part)) in self.parts.iter().enumerate() {
                    if index == 0 {
                        bytes.extend((part.len() as u64).to_le_bytes());
                    }
                    bytes.extend(part);
                }
            }
            Shape::Png => {
                bytes.extend(PNG);
                for (kind, part) in &self.parts {
                    let chunk = [kind.as_slice(), part].concat();
                    bytes.extend((part.len() as u32).to_be_bytes());
                    bytes.extend(&chunk);
                    bytes.extend(CRC.checksum(&chunk).to_be_bytes());
                }
            }
            Shape::Riff => {
                let mut chunks = b"WEBP".to_vec();
                for (kind, part) in &self.parts {
                    chunks.extend(kind);
                    chunks.extend((part.len() as u32).to_le_bytes());
                    chunks.extend(part);
                    chunks.resize(chunks.len().next_multiple_of(2), 0);
                }
                bytes.extend(b"RIFF");
                bytes.extend((chunks.len() as u32).to_le_bytes());
                bytes.extend(chunks);
            }
        }
        Some(bytes)
    }
}

fn unzipped(bytes: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let entry = |index| {
        let entry = archive.by_index(index).ok()?;
        let name = entry.name().ok()?.as_bytes().to_vec();
        let mut content = Vec::new();
        entry.take(1 << 20).read_to_end(&mut content).ok()?;
        Some((name, content))
    };
    (0..bytes.len().min(archive_length(bytes)?)).map(entry).collect()
}

fn archive_length(bytes: &[u8]) -> Option<usize> {
    Some(ZipArchive::new(Cursor::new(bytes)).ok()?.len())
}

fn zipped(parts: &[(Vec<u8>, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in parts {
        zip.start_file(String::from_utf8_lossy(name), stored).ok()?;
        zip.write_all(content).ok()?;
    }
    Some(zip.finish().ok()?.into_inner())
}

fn header_and_data(bytes: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (header, data) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some(vec![(Vec::new(), header.to_vec()), (Vec::new(), data.to_vec())])
}

fn png_chunks(bytes: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut rest = bytes.strip_prefix(PNG)?;
    let mut chunks = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (kind, after) = after.split_at_checked(4)?;
        let (data, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        chunks.push((kind.to_vec(), data.to_vec()));
        rest = after.get(4..)?;
    }
    Some(chunks)
}

fn riff_chunks(bytes: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut rest = bytes.strip_prefix(b"RIFF")?.get(8..)?;
    let mut chunks = Vec::new();
    while let Some((kind, after)) = rest.split_first_chunk::<4>() {
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let (data, _) = after.split_at_checked(length)?;
        chunks.push((kind.to_vec(), data.to_vec()));
        rest = after.get(length.next_multiple_of(2)..).unwrap_or_default();
    }
    Some(chunks)
}

/// What is seldom met and often wrong.
const WORDS: &[&str] = &[
    "0",
    "-1",
    "-0",
    "1e-320",
    "1e999",
    "-1e999",
    "nan",
    "NaN",
    "inf",
    "-inf",
    ".nan",
    "255",
    "256",
    "65536",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "0x10",
    "1_0",
    "true",
    "null",
    "~",
    "[]",
    "{}",
    "\"",
    "'",
    "\"\"",
    "{",
    "[",
    "]",
    "}",
    ":",
    ",",
    "\n",
    "\r",
    "\t",
    "\0",
    "#",
    "&a",
    "*a",
    "<<",
    "---",
    "|",
    "!!binary",
    "<",
    ">",
    "</",
    "/>",
    "<![CDATA[",
    "<!--",
    "&amp;",
    "&#0;",
    "\u{feff}",
    "\u{1b}[2J",
    "é",
    "鳥",
    "..",
    "/",
    "./",
    "%00",
];

/// Makes files.
pub struct Mutator {
    session: Session,
}

impl Mutator {
    pub fn new(seed: u64, name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, name).hash(&mut hasher);
        Self { session: Session::new().seed(hasher.finish()) }
    }

    /// Below `most`.
    fn draw(&mut self, most: usize) -> usize {
        let number: u64 = self.session.generate().unwrap_or_default();
        (number % (most.max(1) as u64)) as usize
    }

    /// A file that is not among those of the corpus, but like one of them.
    pub fn mutate(&mut self, corpus: &[Parts]) -> Vec<u8> {
        let mut parts = corpus[self.draw(corpus.len())].clone();
        if self.draw(8) == 0 {
            // As a blind hand would, checksums and all.
            let mut bytes = parts.whole().unwrap_or_default();
            self.change(&mut bytes, corpus);
            return bytes;
        }
        if parts.parts.len() > 1 && self.draw(8) == 0 {
            let last = parts.parts.len() - 1;
            let mut order: Vec<usize> = (0..=last).collect();
            let _ = self.session.mutate_with(&mut m::vec(m::mrange(0..=last)), &mut order);
            parts.parts = order.into_iter().map(|index| parts.parts[index].clone()).collect();
        }
        for _ in 0..=self.draw(4) {
            if !parts.parts.is_empty() {
                // The first parts say most.
                let among = if self.draw(2) == 0 { parts.parts.len().min(4) } else { parts.parts.len() };
                let index = self.draw(among);
                self.change(&mut parts.parts[index].1, corpus);
            }
        }
        parts.whole().unwrap_or_default()
    }

    fn range(&mut self, bytes: &[u8], most: usize) -> Range<usize> {
        let start = self.draw(bytes.len() + 1);
        start..(start + 1 + self.draw(most)).min(bytes.len()).max(start)
    }

    fn change(&mut self, bytes: &mut Vec<u8>, corpus: &[Parts]) {
        match self.draw(16) {
            0..=5 => {
                let range = self.range(bytes, 16);
                let mut window = bytes[range.clone()].to_vec();
                let _ = self.session.mutate(&mut window);
                bytes.splice(range, window);
            }
            6..=8 => self.change_words(bytes),
            9..=10 => {
                let range = self.word(bytes);
                let word = WORDS[self.draw(WORDS.len())];
                bytes.splice(range, word.bytes());
            }
            // A number as binary files have it.
            11 => {
                let number: u64 = self.session.generate().unwrap_or_default();
                let value = [0, 1, u64::MAX, 1 << 31, number, number % 300, u64::MAX >> 1, 1 << 16][self.draw(8)];
                let width = [1, 2, 4, 8][self.draw(4)];
                let at = self.draw(bytes.len() + 1);
                let range = at..(at + width).min(bytes.len());
                let value = if self.draw(2) == 0 { value.to_le_bytes() } else { value.to_be_bytes() };
                bytes.splice(range, value[..width].iter().copied());
            }
            // A piece of another file, or of this one again.
            12..=13 => {
                let other = &corpus[self.draw(corpus.len())].parts;
                let (_, from) = &other[self.draw(other.len())];
                let range = self.range(from, 64);
                let at = self.range(bytes, 8);
                bytes.splice(at, from[range].iter().copied());
            }
            14 => {
                let range = self.range(bytes, 64);
                let times = 1 + self.draw(16);
                let again = bytes[range.clone()].repeat(times);
                bytes.splice(range.end..range.end, again);
            }
            _ => {
                let range = self.range(bytes, 256);
                match self.draw(4) {
                    0 => bytes.truncate(range.start),
                    _ => drop(bytes.drain(range)),
                }
            }
        }
    }

    /// A run of letters and digits, or what stands between two.
    fn word(&mut self, bytes: &[u8]) -> Range<usize> {
        let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-+".contains(byte);
        let at = self.draw(bytes.len() + 1);
        let start = bytes[..at].iter().rposition(|byte| !is_inside(byte)).map_or(0, |place| place + 1);
        let end = bytes[at..].iter().position(|byte| !is_inside(byte)).map_or(bytes.len(), |place| at + place);
        // A word of a megabyte would cost what a thousand short files do.
        start.max(at.saturating_sub(256))..end.min(at + 256)
    }

    /// Words that follow one another, one of them changed, moved or gone.
    fn change_words(&mut self, bytes: &mut Vec<u8>) {
        let range = self.range(bytes, 80);
        let mut words: Vec<Vec<u8>> = bytes[range.clone()]
            .chunk_by(|a, b| a.is_ascii_alphanumeric() == b.is_ascii_alphanumeric())
            .map(<[u8]>::to_vec)
            .collect();
        let _ = self.session.mutate(&mut words);
        bytes.splice(range, words.concat());
    }
}
