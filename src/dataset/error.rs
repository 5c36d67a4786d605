//! Why a file cannot be used, and what in one was skipped or put right.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::image::{MAX_PIXELS, MAX_SIDE, PIXELS_OF_ANY_FILE, PIXELS_PER_BYTE};
use super::split::Split;
use crate::files::ReadError;
use crate::geometry::Size;

/// Why a file or a folder cannot be used.
#[derive(Debug, Error)]
pub enum DatasetError {
    #[error("{}: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("{}: not a file", path.display())]
    NotAFile { path: PathBuf },
    #[error("{}: {bytes} bytes are more than the {limit} that this kind of file may have", path.display())]
    FileTooLarge { path: PathBuf, bytes: u64, limit: u64 },
    #[error("{}: not an image that can be read (JPEG, PNG, BMP, WebP or TIFF): {}", path.display(), one_line(cause))]
    Image { path: PathBuf, cause: ::image::ImageError },
    #[error(
        "{}: {} × {} pixels; an image has 1 to {MAX_PIXELS} pixels, at most {MAX_SIDE} on a side",
        path.display(), size.width, size.height
    )]
    ImageSize { path: PathBuf, size: Size },
    #[error(
        "{}: its {bytes} bytes claim {} × {} pixels; above {PIXELS_OF_ANY_FILE} pixels a file has at least a byte for every \
         {PIXELS_PER_BYTE}",
        path.display(), size.width, size.height
    )]
    ImageClaim { path: PathBuf, size: Size, bytes: u64 },
    #[error("{}: {what}", path.display())]
    ImageContent { path: PathBuf, what: String },
    #[error("{}: pixels of 32-bit floats have no agreed range; save the image with 8 or 16 bits", path.display())]
    FloatImage { path: PathBuf },
    #[error(
        "a letterbox made for {} × {} pixels in {} × {} does not fit an image of {} × {}",
        expected.width, expected.height, input.width, input.height, found.width, found.height
    )]
    Letterbox { expected: Size, input: Size, found: Size },
    #[error("{}: not a COCO annotation file: {cause}", path.display())]
    Coco { path: PathBuf, cause: serde_json::Error },
    #[error("{}: not a data.yaml: {message}", path.display())]
    Yaml { path: PathBuf, message: String },
    #[error("{}: there is no '{split}:' in it; name a folder, a .txt list, or a list of them", path.display())]
    NoSplit { path: PathBuf, split: Split },
    #[error("{}: '{split}: {entry}' was not found; tried {}", path.display(), join(tried))]
    SplitNotFound { path: PathBuf, split: Split, entry: String, tried: Vec<PathBuf> },
    #[error(
        "{}{}: class {class}, but the data has {classes} classes (0 to {}); correct the label or the names in data.yaml",
        path.display(), line.map(|line| format!(":{line}")).unwrap_or_default(), classes.saturating_sub(1)
    )]
    UnknownClass { path: PathBuf, line: Option<usize>, class: usize, classes: usize },
    #[error("{}: '{split}' has no image that can be used{}", path.display(), left_out(*skipped, reason))]
    EmptySplit { path: PathBuf, split: Split, skipped: usize, reason: Option<Box<Warning>> },
    #[error("{}: no image here can be used{}", path.display(), left_out(*skipped, reason))]
    NoImages { path: PathBuf, skipped: usize, reason: Option<Box<Warning>> },
    #[error("a thread that makes batches broke off ({message}); this is a fault in the program, please report it")]
    Worker { message: String },
}

impl From<ReadError> for DatasetError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { path, cause } => Self::Read { path, cause },
            ReadError::NotAFile { path } => Self::NotAFile { path },
            ReadError::TooLarge { path, bytes, limit } => Self::FileTooLarge { path, bytes, limit },
        }
    }
}

impl DatasetError {
    pub(super) fn read(path: &Path, cause: io::Error) -> Self {
        Self::Read { path: path.to_owned(), cause }
    }

    /// Whether the file itself cannot be had: where that is so of every file, the data are gone and not only damaged.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::NotAFile { .. })
    }

    /// The file that is to blame, and what is wrong with it without the file's name.
    pub fn blame(&self, image: &Path) -> Warning {
        let text = self.to_string();
        let path = match self {
            Self::Read { path, .. }
            | Self::NotAFile { path }
            | Self::FileTooLarge { path, .. }
            | Self::Image { path, .. }
            | Self::ImageSize { path, .. }
            | Self::ImageClaim { path, .. }
            | Self::ImageContent { path, .. }
            | Self::FloatImage { path }
            | Self::Coco { path, .. } => path.clone(),
            _ => image.to_owned(),
        };
        let message = text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&text).to_owned();
        Warning { file: path, line: None, message }
    }
}

/// A decoder's words; some end with a new line.
fn one_line(error: &::image::ImageError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How many images were left out, and what was wrong with the first.
pub(super) fn left_out(skipped: usize, first: &Option<Box<Warning>>) -> String {
    match first {
        None => format!(" ({skipped} were left out)"),
        Some(first) if skipped == 1 => format!(" (1 was left out: {first})"),
        Some(first) => format!(" ({skipped} were left out; the first: {first})"),
    }
}

pub(super) fn join(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Something in a file that was skipped or put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub file: PathBuf,
    /// Counted from 1; absent where the format has no lines worth naming.
    pub line: Option<usize>,
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The warnings of one file. A file of nothing but bad lines must not fill the memory, so they are counted after the
/// first hundred.
#[derive(Debug)]
pub(super) struct Warnings {
    file: PathBuf,
    list: Vec<Warning>,
    left_out: usize,
}

impl Warnings {
    pub(super) const MAX: usize = 100;

    pub(super) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), list: Vec::new(), left_out: 0 }
    }

    pub(super) fn add(&mut self, line: impl Into<Option<usize>>, message: impl Into<String>) {
        if self.list.len() < Self::MAX {
            self.list.push(Warning { file: self.file.clone(), line: line.into(), message: message.into() });
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn into_vec(mut self) -> Vec<Warning> {
        if self.left_out > 0 {
            let message = format!("and {} more warnings", self.left_out);
            self.list.push(Warning { file: self.file, line: None, message });
        }
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_reads_like_a_compilers() {
        let warning =
            Warning { file: "labels/a.txt".into(), line: Some(3), message: "expected 5 numbers, found 4".into() };
        assert_eq!(warning.to_string(), "labels/a.txt:3: expected 5 numbers, found 4");
        assert_eq!(Warning { line: None, ..warning }.to_string(), "labels/a.txt: expected 5 numbers, found 4");
    }

    #[test]
    fn warnings_past_the_hundredth_are_counted() {
        let mut warnings = Warnings::new(Path::new("a.txt"));
        for line in 1..=250 {
            warnings.add(line, "bad");
        }
        let list = warnings.into_vec();
        assert_eq!(list.len(), 101);
        assert_eq!(list[100].to_string(), "a.txt: and 150 more warnings");
    }
}
