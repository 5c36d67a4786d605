//! One run at a time in a folder.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::TrainError;
use crate::files::atomic::WriteError;

/// How the names of files begin that are not whole yet.
const TEMPORARY: &str = ".tmp";

/// A folder that belongs to one run, for as long as this lives: the lock is the system's, on the folder itself, and ends with
/// its process however that ends.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    /// `None` where the system locks no folders.
    held: Option<File>,
    /// Whether the folder was made for the run.
    is_new: bool,
}

impl FolderLock {
    /// Makes the folder where it is not there. What writes cut short left in it and in `weights` is removed: nobody else
    /// writes there now.
    pub fn take(path: &Path) -> Result<Self, TrainError> {
        if path.exists() && !path.is_dir() {
            return Err(TrainError::Config(format!("{}: is no folder; a run needs one", path.display())));
        }
        let is_new = !path.exists();
        fs::create_dir_all(path).map_err(|cause| WriteError { path: path.to_owned(), cause })?;
        let held = match File::open(path).map(|folder| (folder.try_lock(), folder)) {
            Ok((Ok(()), folder)) => Some(folder),
            Ok((Err(TryLockError::WouldBlock), _)) => return Err(TrainError::Locked(path.to_owned())),
            // A file system without locks is no reason not to train.
            Ok((Err(TryLockError::Error(_)), _)) | Err(_) => None,
        };
        if held.is_some() {
            clear_temporaries(path);
            clear_temporaries(&path.join("weights"));
        }
        Ok(Self { path: path.to_owned(), held, is_new })
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        if self.is_new {
            // Of a run that never began nothing stays: a folder with anything in it is not removed.
            let _ = fs::remove_dir(&self.path);
        }
        drop(self.held.take());
    }
}

fn clear_temporaries(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_runs() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("run");
        let lock = FolderLock::take(&path).unwrap();
        let error = FolderLock::take(&path).unwrap_err().to_string();
        assert!(error.contains("another run is at work in this folder"), "{error}");
        drop(lock);
        assert!(!path.exists(), "nothing came of it");
        fs::create_dir_all(path.join("weights")).unwrap();
        for name in [".tmpA1b2C3", "weights/.tmpX", "weights/last.pt", ".tmpfolder/x"] {
            fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
            fs::write(path.join(name), "x").unwrap();
        }
        drop(FolderLock::take(&path).unwrap());
        let left = ["weights/last.pt", ".tmpfolder/x"].map(|name| path.join(name).exists());
        assert_eq!(
            (left, path.join(".tmpA1b2C3").exists(), path.join("weights/.tmpX").exists()),
            ([true; 2], false, false)
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = FolderLock::take(&file.path().join("run")).unwrap_err().to_string();
        assert!(error.contains("run: cannot be written"), "{error}");
    }
}
