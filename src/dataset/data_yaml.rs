//! `data.yaml`: class names and where the images of each split are.
//!
//! Keys that are not for this program are ignored; `download` above all is never followed. Where upstream depends on the
//! folder that it is started in, the folder of the file itself comes first here, so that a data set can be opened from
//! anywhere.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::DatasetError;
use super::split::Split;
use super::text;
use crate::files;

const MAX_FILE_BYTES: u64 = 16 << 20;
/// No detector has more classes, and no list should be sized by a number out of a file.
const MAX_CLASSES: usize = 65_536;

/// A data set's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataYaml {
    /// The file itself.
    pub file: PathBuf,
    /// Class names by index.
    pub names: Vec<String>,
    /// The entry `path`, as written.
    path: String,
    /// Folders and lists of [`Split::ALL`], as written.
    splits: [Vec<String>; 3],
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    nc: Option<usize>,
    #[serde(default)]
    names: Option<Names>,
    #[serde(default)]
    train: Places,
    #[serde(default)]
    val: Places,
    #[serde(default)]
    test: Places,
}

impl DataYaml {
    /// Reads the file. That the splits exist is only checked by [`DataYaml::sources`]: a data set without its test
    /// images can be trained on.
    pub fn load(file: &Path) -> Result<Self, DatasetError> {
        let fail = |message: String| DatasetError::Yaml { path: file.to_owned(), message };
        let content = text::read(file, MAX_FILE_BYTES)?;
        // The parser's own budget bounds what aliases can expand to.
        let raw: Raw = serde_saphyr::from_str(&content).map_err(|error| fail(files::yaml_problem(&error)))?;
        Ok(Self {
            file: file.to_owned(),
            names: names(raw.names, raw.nc).map_err(fail)?,
            path: raw.path.unwrap_or_default(),
            splits: [raw.train.0, raw.val.0, raw.test.0],
        })
    }

    /// Whether the file has an entry for `split`.
    pub fn has(&self, split: Split) -> bool {
        !self.splits[split as usize].is_empty()
    }

    /// The folders and lists of a split, for [`super::listing::list_images`]. Every one of them exists.
    ///
    /// An entry is looked for under `path` as seen from the file's folder, the working folder, the folder above the
    /// file's (a repository that keeps it in `data/`), and a folder `datasets` beside either. A leading `../` too much,
    /// as some exporters write it, is forgiven.
    pub fn sources(&self, split: Split) -> Result<Vec<PathBuf>, DatasetError> {
        let entries = &self.splits[split as usize];
        if entries.is_empty() {
            return Err(DatasetError::NoSplit { path: self.file.clone(), split });
        }
        let roots = self.roots();
        entries
            .iter()
            .map(|entry| {
                let shorter = entry.strip_prefix("../").unwrap_or(entry);
                let mut tried: Vec<PathBuf> = Vec::new();
                for candidate in
                    roots.iter().map(|root| root.join(entry)).chain(roots.iter().map(|root| root.join(shorter)))
                {
                    let candidate = tidy(&candidate);
                    if candidate.exists() {
                        return Ok(candidate);
                    }
                    if !tried.contains(&candidate) {
                        tried.push(candidate);
                    }
                }
                Err(DatasetError::SplitNotFound { path: self.file.clone(), split, entry: entry.clone(), tried })
            })
            .collect()
    }

    fn roots(&self) -> Vec<PathBuf> {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let bases = [
            folder.to_owned(),
            PathBuf::new(),
            folder.join(".."),
            folder.join("../datasets"),
            PathBuf::from("../datasets"),
        ];
        bases.iter().map(|base| base.join(&self.path)).collect()
    }
}

/// Without the parts that say "here". `..` stays: behind a link it is not the folder before it.
fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

fn names(names: Option<Names>, nc: Option<usize>) -> Result<Vec<String>, String> {
    if let Some(nc) = nc.filter(|nc| *nc > MAX_CLASSES) {
        return Err(format!("nc: {nc} classes are more than {MAX_CLASSES}"));
    }
    let names = match (names, nc) {
        (None, None) => return Err("there is no 'names:' in it; list the classes' names".into()),
        (None, Some(nc)) => (0..nc).map(|class| format!("class {class}")).collect(),
        (Some(Names::List(list)), _) => list,
        (Some(Names::Map(map)), _) => from_map(map)?,
    };
    match nc {
        Some(nc) if nc != names.len() => Err(format!("nc is {nc}, but there are {} names", names.len())),
        _ if names.is_empty() => Err("names: the list is empty".into()),
        _ if names.len() > MAX_CLASSES => Err(format!("names: more than {MAX_CLASSES} classes")),
        _ => Ok(names),
    }
}

fn from_map(map: Vec<(String, String)>) -> Result<Vec<String>, String> {
    let mut by_class = BTreeMap::new();
    for (key, name) in map {
        let class: usize =
            key.trim().parse().map_err(|_| format!("names: the key '{key}' is not a class index from 0 up"))?;
        if by_class.insert(class, name).is_some() {
            return Err(format!("names: class {class} is named twice"));
        }
    }
    if let Some(gap) = by_class.keys().zip(0..).find_map(|(class, expected)| (*class != expected).then_some(expected)) {
        return Err(format!("names: class {gap} has no name, but higher ones have"));
    }
    Ok(by_class.into_values().collect())
}

/// Names as they stand; texts throughout, because a class may well be called `no` or `7`.
enum Names {
    List(Vec<String>),
    Map(Vec<(String, String)>),
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NamesVisitor;
        impl<'de> Visitor<'de> for NamesVisitor {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names as a list or as a map from class index to name")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Names, A::Error> {
                let mut list = Vec::new();
                while let Some(name) = elements.next_element()? {
                    list.push(name);
                }
                Ok(Names::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Names, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    map.push(entry);
                }
                Ok(Names::Map(map))
            }
        }
        deserializer.deserialize_any(NamesVisitor)
    }
}

/// One place, several, or none.
#[derive(Default)]
struct Places(Vec<String>);

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PlacesVisitor;
        impl<'de> Visitor<'de> for PlacesVisitor {
            type Value = Places;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a folder, a .txt list, or a list of these")
            }

            fn visit_str<E>(self, place: &str) -> Result<Places, E> {
                Ok(Places(if place.is_empty() { Vec::new() } else { vec![place.to_owned()] }))
            }

            fn visit_unit<E>(self) -> Result<Places, E> {
                Ok(Places::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Places, A::Error> {
                let mut places = Vec::new();
                while let Some(place) = elements.next_element()? {
                    places.push(place);
                }
                Ok(Places(places))
            }
        }
        deserializer.deserialize_any(PlacesVisitor)
    }
}
