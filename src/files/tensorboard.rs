//! TensorBoard event files: a row of framed records, each an `Event` of TensorBoard's protobuf.
//!
//! Six of its messages with two or three fields each are all that scalars and a text need, so they are written by hand.
//! Format: `tensorboard/compat/proto/{event,summary,tensor}.proto`, and the record framing of TensorFlow's TFRecord.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crc::{CRC_32_ISCSI, Crc};

use super::atomic::WriteError;

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content<'a> {
    /// What every file begins with.
    Version,
    /// A run goes on at this event's step: what earlier files say of it and of later ones is void.
    Restart,
    /// Tag and value.
    Scalars(&'a [(String, f32)]),
    /// Markdown.
    Text { tag: &'a str, text: &'a str },
}

/// One record of an event file. `wall_time` is in seconds since 1970.
pub fn record(wall_time: f64, step: u64, content: Content<'_>) -> Vec<u8> {
    let event = event(wall_time, step, content);
    let length = (event.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(event.len() + 16);
    record.extend_from_slice(&length);
    record.extend_from_slice(&masked_crc(&length));
    record.extend_from_slice(&event);
    record.extend_from_slice(&masked_crc(&event));
    record
}

/// Rotated and shifted, as TFRecord wants it, so that a checksum over data with checksums in it stays a good one.
fn masked_crc(bytes: &[u8]) -> [u8; 4] {
    CRC32C.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// Fields by number; those that are zero or empty are left out, as proto3 does.
fn event(wall_time: f64, step: u64, content: Content<'_>) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, wall_time);
    event.whole(2, step);
    match content {
        Content::Version => event.bytes(3, b"brain.Event:2"),
        Content::Restart => event.message(7, |log| log.whole(1, 1)),
        Content::Scalars(scalars) => event.message(5, |summary| {
            for (tag, value) in scalars {
                summary.message(1, |entry| {
                    entry.bytes(1, tag.as_bytes());
                    entry.float(2, *value);
                });
            }
        }),
        Content::Text { tag, text } => event.message(5, |summary| {
            summary.message(1, |entry| {
                entry.bytes(1, tag.as_bytes());
                entry.message(8, |tensor| {
                    tensor.whole(1, 7); // DT_STRING
                    tensor.message(2, |shape| shape.message(2, |side| side.whole(1, 1)));
                    tensor.bytes(8, text.as_bytes());
                });
                entry.message(9, |metadata| metadata.message(1, |plugin| plugin.bytes(1, b"text")));
            });
        }),
    }
    event.0
}

/// A protobuf message in the making.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn whole(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.key(field, 0);
            self.varint(value);
        }
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn message(&mut self, field: u64, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(field, &inner.0);
    }
}

/// An event file that grows. It is not atomic: TensorBoard reads it while it grows, and skips a torn last record.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventFile {
    /// Starts a new file beside those that a folder has, under a name that sorts after theirs.
    pub fn create(folder: &Path) -> Result<Self, WriteError> {
        let second = seconds() as u64;
        for number in 0_u32.. {
            let path = folder.join(format!("events.out.tfevents.{second:010}.{number:04}.distillscope"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let mut events = Self { path, file: BufWriter::new(file) };
                    events.add(0, Content::Version)?;
                    return Ok(events);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(WriteError { path, cause }),
            }
        }
        Err(WriteError { path: folder.to_owned(), cause: ErrorKind::AlreadyExists.into() })
    }

    /// Adds an event of now.
    pub fn add(&mut self, step: u64, content: Content<'_>) -> Result<(), WriteError> {
        let written = self.file.write_all(&record(seconds(), step, content));
        written.map_err(|cause| WriteError { path: self.path.clone(), cause })
    }

    /// Hands everything to the system, so that TensorBoard sees it.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.file.flush().map_err(|cause| WriteError { path: self.path.clone(), cause })
    }
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720, B.4: 32 bytes of zeros and of ones.
        assert_eq!(CRC32C.checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(CRC32C.checksum(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn files_of_one_second_sort_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..3).map(|_| EventFile::create(folder.path()).unwrap().path).collect();
        assert!(paths.is_sorted() && paths[0] != paths[1], "{paths:?}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = EventFile::create(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/events.out.tfevents."), "{error}");
    }

    /// A device on which every write fails as on a full disk.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_names_the_file() {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut events = EventFile { path: "run/events".into(), file: BufWriter::new(file) };
        let error = events.add(1, Content::Version).and_then(|()| events.flush()).unwrap_err().to_string();
        assert!(error.starts_with("run/events: cannot be written: No space left"), "{error}");
    }
}
