//! What the program reads from a person's disk: images, their labels, and the `data.yaml` that ties them together.
//!
//! Nothing in these files is trusted. Sizes are bounded before memory is spent on them, a bad line is a [`Warning`]
//! that names its file and line while the rest of the file is used, and only a file that cannot be used at all is a
//! [`DatasetError`]. Boxes leave this module in image px, pixels as 8-bit RGB. Nothing here downloads, writes, or
//! knows of a network's tensors.

pub mod augment;
mod batches;
mod data_yaml;
mod error;
mod image;
mod jpeg;
mod label;
mod listing;
mod png;
mod resize;
mod rows;
mod samples;
mod split;
mod text;
mod tiff;
mod webp;

pub(crate) use self::image::guarded;
pub use self::image::{
    CUT_SHORT, MAX_PIXELS, MAX_SIDE, PIXELS_OF_ANY_FILE, PIXELS_PER_BYTE, decode, image_size, is_cut_short, letterbox,
    resized, shrink_to, thumbnail,
};
pub(crate) use self::png::check as check_png;
pub use augment::Augmentation;
pub use batches::{BatchImage, BatchOptions, Batches, TrainBatch};
pub use data_yaml::DataYaml;
pub use error::{DatasetError, Warning};
pub use label::{Label, Labels, find_labels, label_count, labels_for_image};
pub use listing::{IMAGE_EXTENSIONS, Listing, images_beside, is_image, list_images};
pub use samples::{LeftOut, Sample, Samples};
pub use split::Split;
