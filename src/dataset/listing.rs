//! The images of a split, in upstream's order, in batches.
//!
//! A folder of 100,000 files must not keep a window waiting: the caller gets the first images at once, and can stop.
//! Labels are not looked at here.

use std::collections::HashSet;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::error::{DatasetError, Warning, Warnings};
use super::text;

/// Extensions that make a file an image, in lower case.
pub const IMAGE_EXTENSIONS: [&str; 8] = ["bmp", "jpeg", "jpg", "mpo", "png", "tif", "tiff", "webp"];

/// A batch fills a list on screen; the first is small so that it comes soon.
const FIRST_BATCH: usize = 64;
const BATCH: usize = 2048;
/// Folders in folders; no data set has more.
const MAX_DEPTH: usize = 32;
const MAX_LIST_BYTES: u64 = 256 << 20;

/// Whether the file's extension is an image's.
pub fn is_image(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| IMAGE_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// The images in an image's own folder, sorted; not those below it: a photo on a desktop is no data set of all the
/// folders there.
pub fn images_beside(image: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let folder = image.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>())
        .map_err(|cause| DatasetError::read(folder, cause))?;
    let mut images: Vec<PathBuf> = entries.into_iter().filter(|path| is_image(path)).collect();
    images.sort();
    Ok(images)
}

/// What a listing came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Images handed to the caller.
    pub images: usize,
    /// Whether the caller stopped it.
    pub stopped: bool,
    /// Folders and list entries that could not be followed.
    pub warnings: Vec<Warning>,
}

/// Hands the images of `sources` to `visit`, in batches of at most a few thousand, until it breaks.
///
/// A source is a folder (read with all its subfolders but hidden ones), a `.txt` list of images (an entry that begins
/// with `./` lies relative to the list's folder; any other relative one there, else in the working folder), or an
/// image. Each source comes sorted by path, and an image that two sources name comes once. A source that
/// is missing is an error.
pub fn list_images(
    sources: &[PathBuf],
    visit: &mut dyn FnMut(&[PathBuf]) -> ControlFlow<()>,
) -> Result<Listing, DatasetError> {
    let mut lister = Lister {
        visit,
        batch: Vec::new(),
        listing: Listing::default(),
        seen: (sources.len() > 1).then(HashSet::new),
        walked: HashSet::new(),
    };
    for source in sources {
        let metadata = std::fs::metadata(source).map_err(|cause| DatasetError::read(source, cause))?;
        let flow = if metadata.is_dir() {
            lister.walked.extend(std::fs::canonicalize(source));
            lister.folder(source, 0).map_err(|cause| DatasetError::read(source, cause))?
        } else if is_image(source) {
            lister.image(source.clone())
        } else {
            lister.list(source)?
        };
        if flow.is_break() {
            return Ok(lister.listing);
        }
    }
    let _ = lister.flush();
    Ok(lister.listing)
}

struct Lister<'a> {
    visit: &'a mut dyn FnMut(&[PathBuf]) -> ControlFlow<()>,
    batch: Vec<PathBuf>,
    listing: Listing,
    /// Kept only where an image can be named twice.
    seen: Option<HashSet<PathBuf>>,
    /// The real paths of the folders that were walked.
    walked: HashSet<PathBuf>,
}

impl Lister<'_> {
    fn flush(&mut self) -> ControlFlow<()> {
        if self.batch.is_empty() {
            return ControlFlow::Continue(());
        }
        self.listing.images += self.batch.len();
        let flow = (self.visit)(&self.batch);
        self.batch.clear();
        self.listing.stopped = flow.is_break();
        flow
    }

    fn image(&mut self, path: PathBuf) -> ControlFlow<()> {
        if let Some(seen) = &mut self.seen
            && !seen.insert(path.clone())
        {
            return ControlFlow::Continue(());
        }
        self.batch.push(path);
        let full = if self.listing.images == 0 { FIRST_BATCH } else { BATCH };
        if self.batch.len() >= full { self.flush() } else { ControlFlow::Continue(()) }
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> std::io::Result<ControlFlow<()>> {
        // A folder sorts as its name with a slash, which makes the whole walk come in the order of the full paths.
        let mut found: Vec<(OsString, bool)> = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let mut name = entry.file_name();
            if name.as_encoded_bytes().first() == Some(&b'.') {
                continue;
            }
            let kind = entry.file_type()?;
            // Only a link needs a look at what it points to: a dangling one is no folder.
            let is_folder = kind.is_dir()
                || (kind.is_symlink() && std::fs::metadata(entry.path()).is_ok_and(|target| target.is_dir()));
            if is_folder {
                name.push("/");
                found.push((name, true));
            } else if is_image(Path::new(&name)) {
                found.push((name, false));
            }
        }
        found.sort_unstable();
        for (name, is_folder) in found {
            let path = folder.join(&name);
            // Each real folder is walked once: links that lead back would come round for ever, and links beside each other
            // would double the walk at every level.
            if is_folder && !self.is_first_visit(&path, folder) {
                continue;
            }
            let flow = if !is_folder {
                self.image(path)
            } else if depth + 1 >= MAX_DEPTH {
                self.warn(&path, format!("folders more than {MAX_DEPTH} deep are left out"));
                ControlFlow::Continue(())
            } else {
                // One folder that may not be read does not spoil the others.
                self.folder(&path, depth + 1).unwrap_or_else(|cause| {
                    self.warn(&path, format!("left out: {cause}"));
                    ControlFlow::Continue(())
                })
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn is_first_visit(&mut self, folder: &Path, above: &Path) -> bool {
        let Ok(real) = std::fs::canonicalize(folder) else { return true };
        let leads_back = std::fs::canonicalize(above).is_ok_and(|above| above.starts_with(&real));
        let is_first = self.walked.insert(real);
        if !is_first && !leads_back {
            self.warn(folder, "left out: a link to a folder that was read already".to_owned());
        }
        is_first
    }

    fn list(&mut self, list: &Path) -> Result<ControlFlow<()>, DatasetError> {
        let content = text::read(list, MAX_LIST_BYTES)?;
        let folder = list.parent().unwrap_or(Path::new(""));
        let mut warnings = Warnings::new(list);
        let mut paths = Vec::new();
        for (number, line) in text::lines(&content) {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if !is_image(Path::new(line)) {
                warnings.add(number, format!("'{line}' does not end like an image; left out"));
                continue;
            }
            let beside = folder.join(line.strip_prefix("./").unwrap_or(line));
            let elsewhere = !line.starts_with("./") && Path::new(line).is_relative() && !beside.exists();
            paths.push(if elsewhere && Path::new(line).exists() { PathBuf::from(line) } else { beside });
        }
        self.listing.warnings.extend(warnings.into_vec());
        // By the bytes, as folders are; paths compare by their parts.
        paths.sort_unstable_by(|a: &PathBuf, b| a.as_os_str().cmp(b.as_os_str()));
        paths.dedup();
        for path in paths {
            if self.image(path).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn warn(&mut self, file: &Path, message: String) {
        if self.listing.warnings.len() < Warnings::MAX {
            self.listing.warnings.push(Warning { file: file.to_owned(), line: None, message });
        }
    }
}
