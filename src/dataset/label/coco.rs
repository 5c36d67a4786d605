//! COCO JSON: one file for a whole folder of images, so it is indexed once and then asked image by image.
//!
//! Only `bbox` is read, `[x, y, width, height]` in px with x and y from 0; segmentations, key points and captions are
//! not. A crowd region marks many objects with one box and would teach wrong sizes: it is counted, not used.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Reading, excerpt};
use crate::dataset::error::DatasetError;
use crate::dataset::text;

/// Twice COCO's own largest.
pub(super) const MAX_FILE_BYTES: u64 = 1 << 30;

/// The annotations of a file, by image.
#[derive(Debug)]
pub(super) struct CocoFile {
    images: Vec<ImageBoxes>,
    /// Images by the last part of their file name.
    by_name: HashMap<String, Vec<usize>>,
    /// Names in the order of their ids: classes where the data gives no names.
    categories: Vec<String>,
    /// Annotations of images that the file does not list.
    orphans: usize,
}

#[derive(Debug)]
struct ImageBoxes {
    file_name: String,
    width: f64,
    height: f64,
    annotations: Vec<Annotation>,
}

#[derive(Debug)]
struct Annotation {
    id: Value,
    /// Index into [`CocoFile::categories`].
    category: Option<usize>,
    /// x, y, width, height; `None` where the file has no four numbers.
    bbox: Option<[f32; 4]>,
    crowd: bool,
}

impl CocoFile {
    /// The index of `path`. The last one stays in memory, as a data set's images ask for the same file in turn; a file
    /// that has changed is read again.
    pub(super) fn shared(path: &Path) -> Result<Arc<Self>, DatasetError> {
        type Key = (PathBuf, u64, Option<SystemTime>);
        static LAST: Mutex<Option<(Key, Arc<CocoFile>)>> = Mutex::new(None);
        let metadata = std::fs::metadata(path).map_err(|cause| DatasetError::read(path, cause))?;
        let key = (path.to_owned(), metadata.len(), metadata.modified().ok());
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, file)) = last.as_ref()
            && *known == key
        {
            return Ok(Arc::clone(file));
        }
        let bytes = text::read_bytes(path, MAX_FILE_BYTES)?;
        let json = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        let file = Self::parse(json).map_err(|cause| DatasetError::Coco { path: path.to_owned(), cause })?;
        let file = Arc::new(file);
        *last = Some((key, Arc::clone(&file)));
        Ok(file)
    }

    fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let FileEntry { images, annotations, mut categories } = serde_json::from_slice(json)?;
        categories.sort_by_cached_key(|category| category.id.key());
        let category_of: HashMap<_, _> =
            categories.iter().enumerate().map(|(index, category)| (category.id.key(), index)).collect();
        let image_of: HashMap<_, _> = images.iter().enumerate().map(|(index, image)| (image.id.key(), index)).collect();
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        let mut boxes = Vec::with_capacity(images.len());
        for (index, image) in images.into_iter().enumerate() {
            // A file written on Windows names its folders the other way.
            let file_name = image.file_name.replace('\\', "/");
            let base = file_name.rsplit('/').next().unwrap_or_default().to_owned();
            by_name.entry(base).or_default().push(index);
            let (width, height) = (image.width.number(), image.height.number());
            boxes.push(ImageBoxes { file_name, width, height, annotations: Vec::new() });
        }
        let mut orphans = 0;
        for entry in annotations {
            let Some(&image) = image_of.get(&entry.image_id.key()) else {
                orphans += 1;
                continue;
            };
            boxes[image].annotations.push(Annotation {
                category: category_of.get(&entry.category_id.key()).copied(),
                bbox: entry.bbox.corner_and_size(),
                crowd: entry.iscrowd.number() > 0.0,
                id: entry.id,
            });
        }
        let categories = categories.into_iter().map(|category| category.name).collect();
        Ok(Self { images: boxes, by_name, categories, orphans })
    }

    /// The entry whose file name is the end of `image`'s path, the longest if several are; else the only entry of that
    /// base name, wherever its folder.
    fn find(&self, image: &Path) -> Option<&ImageBoxes> {
        let candidates = self.by_name.get(image.file_name()?.to_str()?)?;
        let entries = || candidates.iter().map(|&index| &self.images[index]);
        entries()
            .filter(|entry| image.ends_with(&entry.file_name))
            .max_by_key(|entry| entry.file_name.len())
            .or_else(|| entries().next().filter(|_| candidates.len() == 1))
    }

    pub(super) fn read(&self, image: &Path, reading: &mut Reading) {
        if reading.names.is_empty() {
            reading.own_names.clone_from(&self.categories);
        }
        if self.orphans > 0 {
            reading.warn(None, format!("annotations of images that the file does not list: {}", self.orphans));
        }
        let Some(entry) = self.find(image) else {
            let name = image.file_name().unwrap_or_default().to_string_lossy();
            return reading.warn(None, format!("the file does not list the image {name}"));
        };
        reading.check_size(None, entry.width, entry.height);
        let mut crowds = 0;
        for annotation in &entry.annotations {
            if annotation.crowd {
                crowds += 1;
                continue;
            }
            let what = format!("annotation {}", annotation.id);
            let Some([x, y, width, height]) = annotation.bbox.map(|bbox| bbox.map(f64::from)) else {
                reading.warn(None, format!("{what} skipped: its bbox is not a list of 4 numbers"));
                continue;
            };
            let Some(category) = annotation.category else {
                reading.warn(None, format!("{what} skipped: the file has no such category"));
                continue;
            };
            let class = if reading.names.is_empty() {
                category
            } else if let Some(class) = reading.class_named(&self.categories[category]) {
                class
            } else {
                let name = excerpt(&self.categories[category]);
                reading.warn(None, format!("{what} skipped: the data's names do not have '{name}'"));
                continue;
            };
            reading.push(None, &what, class, [x, y, x + width, y + height]);
        }
        if crowds > 0 {
            reading.warn(None, format!("crowd regions not used: {crowds}"));
        }
    }
}

#[derive(Deserialize)]
struct FileEntry {
    images: Vec<ImageEntry>,
    #[serde(default)]
    annotations: Vec<AnnotationEntry>,
    #[serde(default)]
    categories: Vec<CategoryEntry>,
}

#[derive(Deserialize)]
struct ImageEntry {
    id: Value,
    file_name: String,
    #[serde(default)]
    width: Value,
    #[serde(default)]
    height: Value,
}

#[derive(Deserialize)]
struct AnnotationEntry {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    image_id: Value,
    #[serde(default)]
    category_id: Value,
    #[serde(default)]
    bbox: Value,
    #[serde(default)]
    iscrowd: Value,
}

#[derive(Deserialize)]
struct CategoryEntry {
    id: Value,
    name: String,
}

/// Any JSON value, kept as far as this format has a use for it: an annotation of a wrong type must not cost the file.
#[derive(Clone, Debug, Default, PartialEq)]
enum Value {
    #[default]
    Missing,
    Whole(i64),
    Real(f64),
    Text(String),
    /// A list's first five elements, what is no number as NaN.
    List(Vec<f64>),
}

/// An id as a key. Ids are whole numbers by the format, and texts with some writers.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Whole(i64),
    Text(String),
}

impl Value {
    fn key(&self) -> Key {
        match self {
            Self::Whole(value) => Key::Whole(*value),
            Self::Real(value) if value.fract() == 0.0 => Key::Whole(*value as i64),
            other => Key::Text(other.to_string()),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Self::Whole(value) => *value as f64,
            Self::Real(value) => *value,
            Self::Missing | Self::Text(_) | Self::List(_) => f64::NAN,
        }
    }

    fn corner_and_size(&self) -> Option<[f32; 4]> {
        match self {
            Self::List(values) => {
                let values: [f64; 4] = values.as_slice().try_into().ok()?;
                values.iter().all(|value| value.is_finite()).then(|| values.map(|value| value as f32))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("without an id"),
            Self::Whole(value) => write!(f, "{value}"),
            Self::Real(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
            Self::List(values) => write!(f, "{values:?}"),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Whole(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Real(value as f64), Value::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Real(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Missing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut values = Vec::with_capacity(4);
        while values.len() < 5 {
            let Some(element) = elements.next_element::<Value>()? else {
                return Ok(Value::List(values));
            };
            values.push(element.number());
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Missing)
    }
}
