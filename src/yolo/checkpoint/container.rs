//! The zip that `torch.save` writes: where each entry's bytes lie in the file.
//!
//! Entries are stored, never compressed, so a size in the directory can be checked against the file itself and no
//! small file can claim to hold a large one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::CheckpointError;

/// Largest pickle that is read into memory: those of real models are below 1 MB.
const MAX_PICKLE: u64 = 64 << 20;
const MAX_ENTRIES: usize = 1 << 17;

/// A range of bytes of the checkpoint file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub offset: u64,
    pub length: u64,
}

#[derive(Debug)]
pub(super) struct Container {
    /// By name inside the archive, without the folder that holds everything.
    entries: HashMap<String, Extent>,
}

impl Container {
    pub fn open(path: &Path, file: &File) -> Result<Self, CheckpointError> {
        let damaged = |what: String| CheckpointError::Damaged { path: path.to_owned(), what };
        let length = file.metadata().map_err(|cause| CheckpointError::read(path, cause))?.len();
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(error.to_string()))?;
        if archive.len() > MAX_ENTRIES {
            return Err(damaged(format!("{} entries are more than a model has", archive.len())));
        }
        let mut names = Vec::with_capacity(archive.len());
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(|error| damaged(error.to_string()))?;
            let name = entry.name().map_err(|error| damaged(error.to_string()))?.into_owned();
            if entry.compression() != CompressionMethod::Stored {
                return Err(damaged(format!("entry '{name}' is compressed, which torch.save never does")));
            }
            let extent = entry
                .data_start()
                .map(|offset| Extent { offset, length: entry.size() })
                .filter(|extent| extent.offset.checked_add(extent.length).is_some_and(|end| end <= length))
                .ok_or_else(|| {
                    damaged(format!("entry '{name}' claims more bytes than the file has; it is truncated"))
                })?;
            names.push((name, extent));
        }
        let root = names.iter().find_map(|(name, _)| name.strip_suffix("data.pkl")).map(str::to_owned);
        let root =
            root.ok_or_else(|| damaged("it is a zip without data.pkl, so not a PyTorch checkpoint".to_owned()))?;
        let entries = names
            .into_iter()
            .filter_map(|(name, extent)| Some((name.strip_prefix(&root)?.to_owned(), extent)))
            .collect();
        Ok(Self { entries })
    }

    pub fn entry(&self, name: &str) -> Option<Extent> {
        self.entries.get(name).copied()
    }

    /// Whether this is an archive of TorchScript code.
    pub fn is_torchscript(&self) -> bool {
        self.entries.keys().any(|name| name.starts_with("code/"))
    }

    /// A whole small entry.
    pub fn read_small(&self, path: &Path, file: &File, name: &str) -> Result<Vec<u8>, CheckpointError> {
        let extent = self.entry(name).filter(|extent| extent.length <= MAX_PICKLE);
        let extent = extent.ok_or_else(|| CheckpointError::Damaged {
            path: path.to_owned(),
            what: format!("entry '{name}' is missing or larger than {} MB", MAX_PICKLE >> 20),
        })?;
        read_extent(path, file, extent)
    }
}

/// Bytes of a checked range: its length is at most the file's.
pub(super) fn read_extent(path: &Path, mut file: &File, extent: Extent) -> Result<Vec<u8>, CheckpointError> {
    let mut bytes = vec![0; usize::try_from(extent.length).unwrap_or(0)];
    file.seek(SeekFrom::Start(extent.offset))
        .and_then(|_| file.read_exact(&mut bytes))
        .map_err(|cause| CheckpointError::read(path, cause))?;
    Ok(bytes)
}
