//! Ground truths: which file belongs to an image, and what it says.
//!
//! Three formats, one result: boxes in image px, clipped to the image. What is skipped or put right is a warning; a box
//! is never dropped without one. The formats' own rules are in the submodules.

mod coco;
mod voc;
mod yolo_txt;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use self::coco::CocoFile;
use super::error::{DatasetError, Warning, Warnings};
use super::text;
use crate::geometry::{BoundingBox, Size};

/// A text or XML label file larger than this describes no single image.
const MAX_FILE_BYTES: u64 = 32 << 20;

/// Boxes of one image that are used; what is done for each pair of box and anchor takes seconds beyond it.
const MAX_BOXES: usize = 20_000;

/// One ground truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    /// Index into the data's names.
    pub class: usize,
    /// Image px, inside the image, of positive width and height.
    pub bbox: BoundingBox,
}

/// The ground truths of one image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    pub labels: Vec<Label>,
    /// What the classes are called: the names that were asked for, else those that the file itself carries.
    pub names: Vec<String>,
    /// The file that was read; `None` where the image has none.
    pub source: Option<PathBuf>,
    pub warnings: Vec<Warning>,
}

enum Format {
    YoloTxt,
    Voc,
    Coco,
}

/// Reads the labels of `image`, whose decoded size is `size`.
///
/// They come from `explicit` (a label file of any format, or a folder of label files) or from where [`find_labels`]
/// finds them. An image without labels is a background: no labels, no error. `names` are the data's class names; empty
/// where none are known.
pub fn labels_for_image(
    image: &Path,
    explicit: Option<&Path>,
    size: Size,
    names: &[String],
) -> Result<Labels, DatasetError> {
    let source = match explicit {
        Some(folder) if folder.is_dir() => label_file_in(folder, image),
        Some(file) => Some(file.to_owned()),
        None => find_labels(image),
    };
    let Some(source) = source else {
        return Ok(Labels { names: names.to_vec(), ..Labels::default() });
    };
    let mut reading = Reading::new(&source, size, names);
    match format_of(&source)? {
        Format::YoloTxt => yolo_txt::read(&text::read(&source, MAX_FILE_BYTES)?, &mut reading),
        Format::Voc => voc::read(&text::read(&source, MAX_FILE_BYTES)?, &mut reading),
        Format::Coco => CocoFile::shared(&source)?.read(image, &mut reading),
    }
    Ok(reading.finish(source))
}

/// The label file that belongs to an image: by YOLOv5's rule (the last folder named `images` becomes `labels`), else a
/// `.txt` or `.xml` beside it, else an `.xml` in a folder `annotations` above it, as VOC data sets have.
pub fn find_labels(image: &Path) -> Option<PathBuf> {
    let beside = image.parent()?;
    in_place_of_images(image, "labels")
        .map(|path| path.with_extension("txt"))
        .filter(|path| path.is_file())
        .or_else(|| label_file_in(beside, image))
        .or_else(|| {
            let name = Path::new(image.file_name()?).with_extension("xml");
            let mirrored = ["annotations", "Annotations"]
                .into_iter()
                .filter_map(|folder| in_place_of_images(image, folder).map(|path| path.with_file_name(&name)));
            let above = beside.ancestors().take(3).flat_map(|folder| {
                ["annotations", "Annotations"].map(|annotations| folder.join(annotations).join(&name))
            });
            mirrored.chain(above).find(|path| path.is_file())
        })
}

/// How many boxes an image's label file lists, without checking them: quick enough for a list of thousands.
/// `None` where there is no such file or it cannot be read.
pub fn label_count(image: &Path) -> Option<usize> {
    let source = find_labels(image)?;
    let content = text::read(&source, MAX_FILE_BYTES).ok()?;
    Some(match format_of(&source).ok()? {
        Format::Voc => content.matches("<object>").count(),
        Format::YoloTxt | Format::Coco => text::lines(&content).filter(|(_, line)| !line.trim().is_empty()).count(),
    })
}

/// `image` with its last parent folder called `images` replaced.
fn in_place_of_images(image: &Path, replacement: &str) -> Option<PathBuf> {
    let images = image.ancestors().skip(1).find(|folder| folder.file_name().is_some_and(|name| name == "images"))?;
    let inside = image.strip_prefix(images).ok()?;
    Some(images.with_file_name(replacement).join(inside))
}

fn label_file_in(folder: &Path, image: &Path) -> Option<PathBuf> {
    let beside = folder.join(image.file_name()?);
    ["txt", "xml"].into_iter().map(|extension| beside.with_extension(extension)).find(|path| path.is_file())
}

fn format_of(path: &Path) -> Result<Format, DatasetError> {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    match extension.as_ref().and_then(|extension| extension.to_str()) {
        Some("txt") => return Ok(Format::YoloTxt),
        Some("xml") => return Ok(Format::Voc),
        Some("json") => return Ok(Format::Coco),
        _ => {}
    }
    let mut start = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(text::open(path, coco::MAX_FILE_BYTES)?, 256), &mut start)
        .map_err(|cause| DatasetError::read(path, cause))?;
    Ok(match text::decode(start).trim_start().chars().next() {
        Some('<') => Format::Voc,
        Some('{' | '[') => Format::Coco,
        _ => Format::YoloTxt,
    })
}

/// What the readers of all formats share: the image's size, the class names, and the rules that a box must pass.
struct Reading<'a> {
    size: Size,
    /// The data's names; a reader may fill them from its file only where there are none.
    names: &'a [String],
    own_names: Vec<String>,
    /// The index of every name, the data's or the file's own; made where a name is asked for.
    by_name: Option<HashMap<String, usize>>,
    labels: Vec<Label>,
    /// Boxes past [`MAX_BOXES`].
    beyond: usize,
    seen: HashSet<(usize, [u32; 4])>,
    warnings: Warnings,
}

impl<'a> Reading<'a> {
    fn new(file: &Path, size: Size, names: &'a [String]) -> Self {
        Self {
            size,
            names,
            own_names: Vec::new(),
            by_name: None,
            labels: Vec::new(),
            beyond: 0,
            seen: HashSet::new(),
            warnings: Warnings::new(file),
        }
    }

    fn warn(&mut self, line: Option<usize>, message: impl Into<String>) {
        self.warnings.add(line, message);
    }

    /// Takes a box given by its corners in image px, or says why not. `what` begins the warning: "box" or an id.
    fn push(&mut self, line: Option<usize>, what: &str, class: usize, [x1, y1, x2, y2]: [f64; 4]) {
        if ![x1, y1, x2, y2].iter().all(|value| value.is_finite()) {
            return self.warn(line, format!("{what} skipped: its coordinates are not finite"));
        }
        let (width, height) = (x2 - x1, y2 - y1);
        if width <= 0.0 || height <= 0.0 {
            return self.warn(
                line,
                format!("{what} skipped: width {} and height {} must be greater than 0", round(width), round(height)),
            );
        }
        let limits = [self.size.width, self.size.height].map(f64::from);
        let clip = |value: f64, limit: f64| value.clamp(0.0, limit);
        let corners = [clip(x1, limits[0]), clip(y1, limits[1]), clip(x2, limits[0]), clip(y2, limits[1])];
        let [left, top, right, bottom] = corners.map(|value| value as f32);
        if right <= left || bottom <= top {
            return self.warn(line, format!("{what} skipped: it lies outside the image"));
        }
        // A file that rounds to four digits reaches past the border by this much without anybody having meant it.
        let slack = limits.map(|limit| limit * 1e-4);
        if x1 < -slack[0] || y1 < -slack[1] || x2 > limits[0] + slack[0] || y2 > limits[1] + slack[1] {
            self.warn(line, format!("{what} reaches past the image; clipped to it"));
        }
        if self.labels.len() >= MAX_BOXES {
            self.beyond += 1;
            return;
        }
        let bbox = BoundingBox::new(left, top, right, bottom);
        if !self.seen.insert((class, bbox.as_xyxy().map(f32::to_bits))) {
            return self.warn(line, format!("{what} skipped: the same box of the same class comes earlier"));
        }
        self.labels.push(Label { class, bbox });
    }

    /// The class of a name: its place among the data's names, or, without those, among the names met so far.
    fn class_named(&mut self, name: &str) -> Option<usize> {
        // Of equal names the first counts.
        let names = self.names;
        let by_name = self
            .by_name
            .get_or_insert_with(|| names.iter().enumerate().rev().map(|(at, name)| (name.clone(), at)).collect());
        if let Some(known) = by_name.get(name) {
            return Some(*known);
        }
        if !self.names.is_empty() {
            return None;
        }
        let next = self.own_names.len();
        by_name.insert(name.to_owned(), next);
        self.own_names.push(name.to_owned());
        Some(next)
    }

    /// Warns where a file was made for an image of another size. Sizes of zero are left unsaid by their writers.
    fn check_size(&mut self, line: Option<usize>, width: f64, height: f64) {
        let expected = [self.size.width, self.size.height].map(f64::from);
        if width > 0.0 && height > 0.0 && [width, height] != expected {
            let Size { width: w, height: h } = self.size;
            self.warn(line, format!("made for an image of {width} × {height} px, but the image has {w} × {h}"));
        }
    }

    fn finish(mut self, source: PathBuf) -> Labels {
        if self.beyond > 0 {
            self.warn(None, format!("{} boxes left out: an image has at most {MAX_BOXES}", self.beyond));
        }
        Labels {
            labels: self.labels,
            names: if self.names.is_empty() { self.own_names } else { self.names.to_vec() },
            source: Some(source),
            warnings: self.warnings.into_vec(),
        }
    }
}

/// Three decimals at most: what a person needs to find the number in the file.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// What a file may say between two tags or in a name, cut to what a message can hold.
fn excerpt(text: &str) -> String {
    const MAX: usize = 40;
    let mut short: String = text.chars().take(MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
