//! The container: a zip of stored entries, so that no small file can claim to hold a large one.

use std::io::{BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::error::ReplayError;
use super::limits;
use crate::files::{self, ReadError};
use crate::format::outside;
use crate::yolo::checkpoint::Metered;

pub const HEADER: &str = "replay.json";
pub const CONFIG: &str = "config.toml";
pub const STEPS: &str = "steps.csv";
pub const RESULTS: &str = "results.csv";
pub const IMAGE: &str = "image.png";
pub const MAPS: &str = "maps.f32";
pub const TRUTHS: &str = "truths.f64";

/// What may be read while the zip's directory is parsed: a replay's has seven entries.
const MAX_DIRECTORY: u64 = 1 << 20;

/// The entries as a file.
pub fn pack(entries: &[(&str, &[u8])]) -> Result<Vec<u8>, ReplayError> {
    let failed = |error: &dyn std::fmt::Display| ReplayError::Encode(error.to_string());
    let room = entries.iter().map(|(name, bytes)| bytes.len() + 2 * name.len() + 128).sum();
    let mut zip = ZipWriter::new(Cursor::new(Vec::with_capacity(room)));
    // No clock: the same run gives the same file.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        zip.start_file(*name, options).map_err(|error| failed(&error))?;
        zip.write_all(bytes).map_err(|error| failed(&error))?;
    }
    Ok(zip.finish().map_err(|error| failed(&error))?.into_inner())
}

/// An open file.
pub struct Entries {
    pub path: PathBuf,
    archive: ZipArchive<BufReader<Metered>>,
}

impl Entries {
    pub fn open(path: &Path) -> Result<Self, ReplayError> {
        let not = |what: String| ReplayError::NotAReplay { path: path.to_owned(), what };
        let file = files::open(path, limits::FILE).map_err(|error| match error {
            ReadError::Io { cause, .. } => ReplayError::Read { path: path.to_owned(), cause },
            error => not(error.what()),
        })?;
        let (file, meter) = Metered::new(file, MAX_DIRECTORY);
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let archive = ZipArchive::with_config(config, BufReader::new(file)).map_err(|error| match error {
            ZipError::Io(cause) => not(outside(&cause.to_string(), limits::LINE)),
            error => not(format!("{}; it may be cut short", outside(&error.to_string(), limits::LINE))),
        })?;
        meter.lift();
        if archive.has_duplicate_names() {
            return Err(not("two of its entries have one name".to_owned()));
        }
        Ok(Self { path: path.to_owned(), archive })
    }

    pub fn damaged(&self, entry: &'static str, what: impl AsRef<str>) -> ReplayError {
        ReplayError::Damaged { path: self.path.clone(), entry, what: outside(what.as_ref(), limits::LINE) }
    }

    pub fn has(&self, name: &str) -> bool {
        self.archive.index_for_name(name).is_some()
    }

    /// The bytes of an entry of at most `most`, held against their checksum.
    pub fn read(&mut self, name: &'static str, most: u64) -> Result<Vec<u8>, ReplayError> {
        self.read_entry(name, most).map_err(|what| self.damaged(name, what))
    }

    fn read_entry(&mut self, name: &str, most: u64) -> Result<Vec<u8>, String> {
        let index = self.archive.index_for_name(name).ok_or("it is missing")?;
        let data = self.archive.by_index_data(index).map_err(|error| error.to_string())?;
        let size = data.size();
        if data.compression() != CompressionMethod::Stored || data.compressed_size() != size {
            return Err("it is compressed, which a replay never is".to_owned());
        }
        if size > most {
            return Err(format!("it claims {size} bytes, {most} are possible"));
        }
        // It grows with what is really there: a size is a claim until it has been read.
        let mut bytes = Vec::new();
        let entry = self.archive.by_index(index).map_err(|error| error.to_string())?;
        entry.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 == size { Ok(bytes) } else { Err("it ends early".to_owned()) }
    }

    pub fn text(&mut self, name: &'static str, most: u64) -> Result<String, ReplayError> {
        let bytes = self.read(name, most)?;
        String::from_utf8(bytes).map_err(|_| self.damaged(name, "it is not UTF-8 text"))
    }
}
