//! The file behind a checkpoint: a zip as `torch.save` writes it, or plain bytes. It hands out checked ranges.
//!
//! Of the zip only stored entries are handed out, so a size in the directory is held against the file's own and no small
//! file can claim to hold a large one. TorchScript compresses its code, never its data: [`Source::texts`] alone unpacks,
//! up to a bound. An entry that is read whole is held against its checksum.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use zip::read::{ArchiveOffset, Config, ZipReadOptions};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::error::CheckpointError;

/// What may be read while the zip's directory is parsed: ten times that of the largest YOLOv5, and what bounds memory.
const MAX_DIRECTORY: u64 = 4 << 20;
/// Pickles and notes are read whole; those of real models are below 1 MB.
const MAX_SMALL: u64 = 16 << 20;

/// A range of bytes of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Extent {
    /// The zip's entry that `offset` counts from; the file itself where there is none.
    entry: Option<usize>,
    offset: u64,
    pub length: u64,
}

impl Extent {
    pub fn of_file(offset: u64, length: u64) -> Self {
        Self { entry: None, offset, length }
    }

    /// A range inside this one.
    pub fn part(self, start: u64, length: u64) -> Self {
        Self { offset: self.offset + start, length, ..self }
    }
}

#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    length: u64,
    content: Mutex<Content>,
    /// The zip's folder that holds everything, with its slash.
    folder: String,
    /// By name inside the zip, without the folder that holds everything.
    entries: HashMap<String, Entry>,
}

/// An entry of a zip.
#[derive(Debug)]
struct Entry {
    index: usize,
    /// None where it is compressed.
    stored: Option<Extent>,
}

#[derive(Debug)]
enum Content {
    Plain(File),
    Zip(Box<ZipArchive<BufReader<Metered>>>),
}

impl Source {
    pub fn plain(path: &Path, file: File) -> Result<Self, CheckpointError> {
        let length = length_of(path, &file)?;
        let content = Mutex::new(Content::Plain(file));
        Ok(Self { path: path.to_owned(), length, content, folder: String::new(), entries: HashMap::new() })
    }

    pub fn zip(path: &Path, file: File) -> Result<Self, CheckpointError> {
        let damaged = |what: String| CheckpointError::Damaged { path: path.to_owned(), what };
        let length = length_of(path, &file)?;
        let (file, meter) = Metered::new(file, MAX_DIRECTORY);
        // Nothing precedes the zip. Where the crate looks for its beginning itself, it takes a wrong one when the first
        // directory header is as long (76 bytes) as the zip64 records that torch.save always adds.
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let archive = ZipArchive::with_config(config, BufReader::new(file)).map_err(|error| match error {
            ZipError::Io(cause) => damaged(cause.to_string()),
            error => damaged(format!("{error}; it may be truncated")),
        })?;
        meter.lift();
        if archive.has_duplicate_names() {
            return Err(damaged("two of its entries have one name".to_owned()));
        }
        let mut all = Vec::with_capacity(archive.len());
        for index in 0..archive.len() {
            let entry = archive.by_index_data(index).map_err(|error| damaged(error.to_string()))?;
            let name = entry.name().map_err(|error| damaged(error.to_string()))?.into_owned();
            if entry.header_start().checked_add(entry.compressed_size()).is_none_or(|end| end > length) {
                return Err(damaged(format!("entry '{name}' claims {} bytes, the file has {length}", entry.size())));
            }
            let stored = entry.compression() == CompressionMethod::Stored && entry.compressed_size() == entry.size();
            let stored = stored.then_some(Extent { entry: Some(index), offset: 0, length: entry.size() });
            all.push((name, Entry { index, stored }));
        }
        let folder = all.iter().find_map(|(name, _)| {
            let folder = name.strip_suffix("data.pkl")?;
            (folder.is_empty() || folder.ends_with('/')).then(|| folder.to_owned())
        });
        let folder = folder.ok_or_else(|| CheckpointError::NotACheckpoint {
            path: path.to_owned(),
            what: "it is a zip without the data.pkl of torch.save",
        })?;
        let entries = all.into_iter().filter_map(|(name, entry)| Some((name.strip_prefix(&folder)?.to_owned(), entry)));
        let entries = entries.collect();
        let content = Mutex::new(Content::Zip(Box::new(archive)));
        Ok(Self { path: path.to_owned(), length, content, folder, entries })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the whole file.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn entry(&self, name: &str) -> Option<Extent> {
        self.entries.get(name)?.stored
    }

    /// The zip's files, in its order and under their whole names; none as the range of a compressed one.
    pub fn files(&self) -> Vec<(String, Option<Extent>)> {
        let files = self.entries.iter().filter(|(name, _)| !name.is_empty() && !name.ends_with('/'));
        let mut files: Vec<_> =
            files.map(|(name, entry)| (entry.index, format!("{}{name}", self.folder), entry)).collect();
        files.sort_by_key(|(index, ..)| *index);
        files.into_iter().map(|(_, name, entry)| (name, entry.stored)).collect()
    }

    pub fn has_folder(&self, name: &str) -> bool {
        self.entries.keys().any(|entry| entry.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')))
    }

    pub fn damaged(&self, what: impl Into<String>) -> CheckpointError {
        CheckpointError::Damaged { path: self.path.clone(), what: what.into() }
    }

    pub fn not_a_model(&self, what: impl Into<String>) -> CheckpointError {
        CheckpointError::Model { path: self.path.clone(), what: what.into() }
    }

    /// The whole of a small entry, none where the zip has no such one.
    pub fn read_small(&self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        match self.entry(name) {
            Some(extent) if extent.length > MAX_SMALL => {
                Err(self.damaged(format!("'{name}' has {} bytes, more than a model needs", extent.length)))
            }
            Some(extent) => self.read(extent).map(Some),
            None => Ok(None),
        }
    }

    /// The texts of a folder's files by their name without folder and extension, compressed or not: `most` bytes in all.
    pub fn texts(&self, folder: &str, extension: &str, most: usize) -> Result<Vec<(String, String)>, CheckpointError> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        let Content::Zip(archive) = &mut *content else { return Ok(Vec::new()) };
        let mut left = most as u64;
        let mut texts = Vec::new();
        for (name, entry) in &self.entries {
            let Some(name) = name.strip_prefix(folder).and_then(|name| name.strip_suffix(extension)) else { continue };
            let unreadable = |error: String| self.damaged(format!("'{folder}{name}{extension}': {error}"));
            let unpacked = archive.by_index(entry.index).map_err(|error| unreadable(error.to_string()))?;
            let mut text = String::new();
            unpacked.take(left + 1).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
            left = left
                .checked_sub(text.len() as u64)
                .ok_or_else(|| self.damaged(format!("the texts in its folder {folder} have more than {most} bytes")))?;
            texts.push((name.to_owned(), text));
        }
        Ok(texts)
    }

    /// The bytes of a range. Safe to call from several threads.
    pub fn read(&self, extent: Extent) -> Result<Vec<u8>, CheckpointError> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        match (&mut *content, extent.entry) {
            (Content::Plain(file), _) => read_range(file, extent, self.length),
            (Content::Zip(archive), Some(entry)) => read_entry(archive, entry, extent),
            (Content::Zip(_), None) => Err(io::ErrorKind::InvalidInput.into()),
        }
        .map_err(|cause| match cause.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it ends early; it is truncated"),
            io::ErrorKind::InvalidData => self.damaged(cause.to_string()),
            _ => CheckpointError::read(&self.path, cause),
        })
    }
}

fn length_of(path: &Path, file: &File) -> Result<u64, CheckpointError> {
    Ok(file.metadata().map_err(|cause| CheckpointError::read(path, cause))?.len())
}

/// Seeks to a range and reads it, where `available` bytes are all there are.
fn read_range(from: &mut (impl Read + Seek), extent: Extent, available: u64) -> io::Result<Vec<u8>> {
    if extent.offset.checked_add(extent.length).is_none_or(|end| end > available) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let length = usize::try_from(extent.length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = vec![0; length];
    from.seek(SeekFrom::Start(extent.offset))?;
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_entry<R: Read + Seek>(archive: &mut ZipArchive<R>, entry: usize, extent: Extent) -> io::Result<Vec<u8>> {
    let data = archive.by_index_data(entry)?;
    let (size, crc32) = (data.size(), data.crc32());
    if extent.offset > 0 || extent.length < size {
        return read_range(&mut archive.by_index_seek(entry)?, extent, size);
    }
    // torch.save can be told to leave checksums out; it writes zeros then.
    let options = ZipReadOptions::new().ignore_crc32(crc32 == 0);
    let mut bytes = Vec::with_capacity(usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?);
    let checked = archive.by_index_with_options(entry, options)?.read_to_end(&mut bytes);
    checked.map_err(|error| match error.kind() {
        io::ErrorKind::Other => io::Error::new(io::ErrorKind::InvalidData, error),
        _ => error,
    })?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// A file of which only so many bytes can be read, until its [`Meter`] lifts that: what a zip's directory may take.
#[derive(Debug)]
pub(crate) struct Metered {
    file: File,
    left: Arc<AtomicU64>,
}

#[derive(Debug)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Metered {
    pub(crate) fn new(file: File, most: u64) -> (Self, Meter) {
        let left = Arc::new(AtomicU64::new(most));
        (Self { file, left: Arc::clone(&left) }, Meter(left))
    }
}

impl Meter {
    /// From now on everything can be read.
    pub(crate) fn lift(self) {
        self.0.store(u64::MAX, Ordering::Relaxed);
    }
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its directory is larger than it can be"));
        }
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self.file.read(&mut buffer[..most])?;
        if left != u64::MAX {
            self.left.store(left - count as u64, Ordering::Relaxed);
        }
        Ok(count)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
