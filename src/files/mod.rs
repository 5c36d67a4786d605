//! Reading what a person names: regular files only, and never more of them than a bound.
//!
//! A pipe would block, a device may never end, and a size is a claim until it has been read. Every reader of this program
//! begins here, each with a bound of its own (`docs/limits.md` lists them).

pub mod atomic;
pub mod tensorboard;
pub mod tensors;

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a file is not read.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("{}: {cause}", path.display())]
    Io { path: PathBuf, cause: io::Error },
    #[error("{}: not a file", path.display())]
    NotAFile { path: PathBuf },
    #[error("{}: {bytes} bytes are more than the {limit} that this kind of file may have", path.display())]
    TooLarge { path: PathBuf, bytes: u64, limit: u64 },
}

impl ReadError {
    /// The error without the file's name.
    pub fn what(&self) -> String {
        match self {
            Self::Io { cause, .. } => cause.to_string(),
            Self::NotAFile { .. } => "not a file".to_owned(),
            Self::TooLarge { bytes, limit, .. } => format!("{bytes} bytes, at most {limit} are possible"),
        }
    }

    fn io(path: &Path, cause: io::Error) -> Self {
        Self::Io { path: path.to_owned(), cause }
    }

    /// Whether there is no such file at all.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if cause.kind() == io::ErrorKind::NotFound)
    }
}

/// Opens a regular file of at most `limit` bytes, also behind a link.
pub fn open(path: &Path, limit: u64) -> Result<File, ReadError> {
    // Looked at before it is opened, for opening some devices does something; and after, for it may be another by then.
    let regular = |metadata: io::Result<std::fs::Metadata>| match metadata {
        Ok(metadata) if metadata.is_file() => Ok(metadata.len()),
        Ok(_) => Err(ReadError::NotAFile { path: path.to_owned() }),
        Err(cause) => Err(ReadError::io(path, cause)),
    };
    regular(std::fs::metadata(path))?;
    let file = options().open(path).map_err(|cause| ReadError::io(path, cause))?;
    let bytes = regular(file.metadata())?;
    if bytes > limit {
        return Err(ReadError::TooLarge { path: path.to_owned(), bytes, limit });
    }
    Ok(file)
}

/// The bytes of a regular file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    // The limit holds even if the file grows while it is read.
    let file = open(path, limit)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|cause| ReadError::io(path, cause))?;
    match bytes.len() as u64 {
        length if length > limit => Err(ReadError::TooLarge { path: path.to_owned(), bytes: length, limit }),
        _ => Ok(bytes),
    }
}

/// The text of a regular file of at most `limit` bytes.
pub fn read_text(path: &Path, limit: u64) -> Result<String, ReadError> {
    let not_text = |_| ReadError::io(path, io::Error::new(io::ErrorKind::InvalidData, "not UTF-8 text"));
    String::from_utf8(read(path, limit)?).map_err(not_text)
}

/// The same; `None` where there is no such file.
pub fn read_text_if_there(path: &Path, limit: u64) -> Result<Option<String>, ReadError> {
    match read_text(path, limit) {
        Err(error) if error.is_missing() => Ok(None),
        other => other.map(Some),
    }
}

/// What a YAML parser says, in one line and without the excerpt of the file that follows it.
pub fn yaml_problem(error: &serde_saphyr::Error) -> String {
    error.without_snippet().to_string().lines().next().unwrap_or_default().to_owned()
}

/// What a TOML parser says, in one line: where it is, without the excerpt of the file, and what.
pub fn toml_problem(error: &toml::de::Error) -> String {
    let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    let text = error.to_string();
    match text.lines().next().and_then(|first| first.strip_prefix("TOML parse error at ")) {
        Some(place) => format!("{place}: {message}"),
        None => message,
    }
}

/// A pipe that took the place of a file does not block.
#[cfg(unix)]
fn options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    options
}

#[cfg(not(unix))]
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    options
}

/// The last part of a path, as text.
pub fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_bound() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "12345").expect("a file");
        assert_eq!(read_text(&path, 5).expect("five bytes"), "12345");
        let error = read(&path, 4).expect_err("too large").to_string();
        assert!(error.ends_with("a.txt: 5 bytes are more than the 4 that this kind of file may have"), "{error}");
        assert!(read(&folder.path().join("none"), 4).expect_err("missing").is_missing());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        std::os::unix::fs::symlink("/dev/zero", &link).expect("a link");
        for path in [pipe.as_path(), &link, Path::new("/dev/zero"), folder.path()] {
            let error = read(path, 1 << 20).expect_err("no file");
            assert!(matches!(error, ReadError::NotAFile { .. }), "{error}");
        }
    }
}
