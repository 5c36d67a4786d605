//! A split as training and evaluation use it: every image with its size and its ground truths. Or a folder, for a survey.
//!
//! Headers and label files are read here, once, before anything starts; pixels are not. What cannot be used is left
//! out with a warning that names it, but a class that the data does not have is an error: such a run would train
//! towards nothing.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::data_yaml::DataYaml;
use super::error::{DatasetError, Warning};
use super::image::{CUT_SHORT, image_size, is_cut_short};
use super::label::{Label, labels_for_image};
use super::listing::{images_beside, is_image, list_images};
use super::split::Split;
use crate::geometry::{Letterbox, Size};

/// Images between two reports of progress.
const CHUNK: usize = 256;

/// One image and its ground truths.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub image: PathBuf,
    /// As decoded, EXIF orientation applied.
    pub size: Size,
    /// Image px; empty for a background.
    pub labels: Vec<Label>,
}

/// An image that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub image: PathBuf,
    pub why: String,
}

/// The images of a split in upstream's order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Class names by index.
    pub names: Vec<String>,
    pub samples: Vec<Sample>,
    /// What was left out or put right.
    pub warnings: Vec<Warning>,
    /// Images that were left out; each has its warning too.
    pub left_out: Vec<LeftOut>,
}

impl Samples {
    /// Reads a split. `progress` hears how many images of how many are read, and may break it off; what is read by
    /// then is given back.
    pub fn load(
        data: &DataYaml,
        split: Split,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, DatasetError> {
        Self::read(&data.sources(split)?, Some(&data.names), progress, |skipped, reason| DatasetError::EmptySplit {
            path: data.file.clone(),
            split,
            skipped,
            reason,
        })
    }

    /// Reads images that no data.yaml describes: those of a folder and the folders in it, or, of an image, those beside
    /// it. Their classes have no names and may be any number.
    pub fn load_images(
        source: &Path,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, DatasetError> {
        let sources = if is_image(source) { images_beside(source)? } else { vec![source.to_owned()] };
        Self::read(&sources, None, progress, |skipped, reason| DatasetError::NoImages {
            path: source.to_owned(),
            skipped,
            reason,
        })
    }

    /// A split of a data.yaml, or images that none describes; those have the class names that are given, and numbers beyond.
    pub fn open(
        source: &Path,
        split: Option<Split>,
        names: &[String],
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, DatasetError> {
        if let Some(split) = split {
            return Self::load(&DataYaml::load(source)?, split, progress);
        }
        let mut samples = Self::load_images(source, progress)?;
        let highest = samples.samples.iter().flat_map(|sample| &sample.labels).map(|label| label.class).max();
        let beyond = names.len()..highest.map_or(0, |class| class + 1);
        samples.names = names.iter().cloned().chain(beyond.map(|class| format!("class {class}"))).collect();
        Ok(samples)
    }

    /// `none` is the error where no image can be used, from how many were left out and why the first was.
    fn read(
        sources: &[PathBuf],
        names: Option<&[String]>,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
        none: impl FnOnce(usize, Option<Box<Warning>>) -> DatasetError,
    ) -> Result<Self, DatasetError> {
        let mut images = Vec::new();
        let listing = list_images(sources, &mut |batch| {
            images.extend_from_slice(batch);
            ControlFlow::Continue(())
        })?;
        let mut samples =
            Self { names: names.unwrap_or_default().to_vec(), warnings: listing.warnings, ..Self::default() };
        let mut first_left_out = None;
        for (index, chunk) in images.chunks(CHUNK).enumerate() {
            if progress(index * CHUNK, images.len()).is_break() {
                return Ok(samples);
            }
            let read: Vec<_> = chunk.par_iter().map(|image| read(image, names)).collect();
            for (image, outcome) in chunk.iter().zip(read) {
                match outcome {
                    Ok((sample, warnings)) => {
                        samples.samples.push(sample);
                        samples.warnings.extend(warnings);
                    }
                    Err(error @ DatasetError::UnknownClass { .. }) => return Err(error),
                    Err(error) => {
                        let warning = error.blame(image);
                        first_left_out.get_or_insert_with(|| Box::new(warning.clone()));
                        let Warning { file, line, message } = warning;
                        samples.left_out.push(LeftOut { image: image.clone(), why: message.clone() });
                        samples.warnings.push(Warning { file, line, message: format!("left out: {message}") });
                    }
                }
            }
        }
        if samples.samples.is_empty() { Err(none(samples.left_out.len(), first_left_out)) } else { Ok(samples) }
    }

    /// Ground truths over all images.
    pub fn labels(&self) -> usize {
        self.samples.iter().map(|sample| sample.labels.len()).sum()
    }

    /// Width and height of every ground truth in px of an input that its image is letterboxed to.
    pub fn sizes_in(&self, input: Size) -> Vec<[f64; 2]> {
        let sizes = self.samples.iter().flat_map(|sample| {
            let scale = f64::from(Letterbox::fit(sample.size, input, true).scale);
            let side = move |side: f32| f64::from(side) * scale;
            sample.labels.iter().map(move |label| [side(label.bbox.width()), side(label.bbox.height())])
        });
        sizes.collect()
    }
}

/// Without `names` any class will do.
fn read(image: &Path, names: Option<&[String]>) -> Result<(Sample, Vec<Warning>), DatasetError> {
    let size = image_size(image)?;
    let labels = labels_for_image(image, None, size, names.unwrap_or_default())?;
    if let Some(names) = names
        && let Some(label) = labels.labels.iter().find(|label| label.class >= names.len())
    {
        return Err(DatasetError::UnknownClass {
            path: labels.source.unwrap_or_else(|| image.to_owned()),
            line: line_of(&labels.warnings, label.class),
            class: label.class,
            classes: names.len(),
        });
    }
    let mut warnings = labels.warnings;
    if is_cut_short(image)? {
        warnings.push(Warning { file: image.to_owned(), line: None, message: CUT_SHORT.to_owned() });
    }
    Ok((Sample { image: image.to_owned(), size, labels: labels.labels }, warnings))
}

/// Where the label reader met a class that has no name.
fn line_of(warnings: &[Warning], class: usize) -> Option<usize> {
    let message = format!("class {class} is not among ");
    warnings.iter().find(|warning| warning.message.starts_with(&message))?.line
}
