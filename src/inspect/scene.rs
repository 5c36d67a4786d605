//! A scene: the image, its labels and how it is fitted into the network's input.

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use thiserror::Error;

use crate::dataset::{self, DatasetError, Warning};
use crate::files::file_name;
use crate::geometry::{BoundingBox, Letterbox, Size};

/// Where a scene's labels come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LabelSource {
    /// The label file that belongs to the image by YOLOv5's folder rule, or one beside it.
    #[default]
    Beside,
    File(PathBuf),
}

#[derive(Clone, Debug, PartialEq)]
pub struct SceneRequest {
    pub image: PathBuf,
    pub labels: LabelSource,
    /// Class names in the data's order; VOC labels are matched by them.
    pub names: Vec<String>,
    /// Network input, already a multiple of the largest stride.
    pub input: Size,
}

/// A ground truth of the scene.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneLabel {
    pub class: usize,
    pub name: String,
    /// Input px.
    pub bbox: BoundingBox,
}

#[derive(Debug, Error)]
pub enum SceneError {
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

/// Everything that is known of an image before a model has looked at it.
#[derive(Clone, Debug)]
pub struct Scene {
    pub path: PathBuf,
    /// Size of the decoded file, orientation applied.
    pub size: Size,
    pub letterbox: Letterbox,
    /// The letterboxed pixels that the models see.
    pub input: Arc<RgbImage>,
    /// The image for the screen, its long side at most [`Scene::DISPLAY_SIDE`].
    pub display: Arc<RgbImage>,
    pub labels: Vec<SceneLabel>,
    pub warnings: Vec<Warning>,
}

impl Scene {
    /// Long side in px above which the picture on screen is a reduced copy: an upload of it stays within a frame.
    pub const DISPLAY_SIDE: u32 = 2048;

    /// Decodes, letterboxes and reads the labels.
    pub fn load(request: &SceneRequest) -> Result<Self, SceneError> {
        let image = dataset::decode(&request.image)?;
        let size = Size::new(image.width(), image.height());
        let letterbox = Letterbox::fit(size, request.input, true);
        let input = dataset::letterbox(&image, &letterbox)?;
        let explicit = match &request.labels {
            LabelSource::Beside => None,
            LabelSource::File(path) => Some(path.as_path()),
        };
        let mut found = dataset::labels_for_image(&request.image, explicit, size, &request.names)?;
        if dataset::is_cut_short(&request.image)? {
            let message = dataset::CUT_SHORT.to_owned();
            found.warnings.insert(0, Warning { file: request.image.clone(), line: None, message });
        }
        let names = if request.names.is_empty() { found.names.as_slice() } else { request.names.as_slice() };
        let labels = found
            .labels
            .iter()
            .map(|label| SceneLabel {
                class: label.class,
                name: class_name(names, label.class),
                bbox: letterbox.to_input(&label.bbox),
            })
            .collect();
        let display = dataset::shrink_to(&image, Self::DISPLAY_SIDE).map_or_else(|| Arc::new(image), Arc::new);
        Ok(Self {
            path: request.image.clone(),
            size,
            letterbox,
            input: Arc::new(input),
            display,
            labels,
            warnings: found.warnings,
        })
    }

    /// The ground truths' boxes in input px, in the order of the labels.
    pub fn boxes(&self) -> Vec<BoundingBox> {
        self.labels.iter().map(|label| label.bbox).collect()
    }

    pub fn input_size(&self) -> Size {
        self.letterbox.input
    }

    pub fn file_name(&self) -> String {
        file_name(&self.path)
    }
}

/// The name of a class, or its number where the list does not reach.
pub fn class_name(names: &[String], class: usize) -> String {
    names.get(class).cloned().unwrap_or_else(|| format!("class {class}"))
}
