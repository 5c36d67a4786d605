//! What a run was made of when it began: its data, models and settings, so that a run that goes on notices what was changed
//! under it in between, and does not end in numbers that belong to nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crc::{CRC_64_XZ, Crc, Digest, Table};
use serde::{Deserialize, Serialize};

use super::TrainError;
use super::config::RunConfig;
use super::folder::RunFolder;
use super::record::MAX_KEPT_BYTES;
use super::trainer::Trainer;
use crate::dataset::Samples;
use crate::files::{self, atomic};

const CRC: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);

/// Settings that are groups of settings; another table is one value, such as a length in epochs or in steps.
const GROUPS: [&str; 2] = ["hyp", "imitation"];
/// Changes that are named; more are counted.
const NAMED: usize = 4;

/// By the name under which a change is told: what it was, in few words. `fingerprint.json` in a run's folder.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(BTreeMap<String, String>);

impl Fingerprint {
    pub fn of(trainer: &Trainer) -> Result<Self, TrainError> {
        let plan = &trainer.plan;
        let mut parts = BTreeMap::new();
        let splits = [("train", Some(&plan.train)), ("val", Some(&plan.val)), ("test", plan.test.as_ref())];
        for (name, samples) in splits {
            if let Some(samples) = samples {
                parts.insert(name.to_owned(), of_samples(samples));
            }
        }
        // A baseline has no teacher.
        let teacher = trainer.distiller().and(plan.config.teacher.as_deref());
        for (name, path) in [("teacher", teacher), ("student", Some(plan.config.student.as_path()))] {
            // A published model has a name and no file.
            if let Some(path) = path.filter(|path| path.is_file()) {
                parts.insert(name.to_owned(), of_file(path)?);
            }
        }
        parts.extend(of_config(&plan.config)?);
        Ok(Self(parts))
    }

    pub fn write(&self, folder: &RunFolder) -> Result<(), TrainError> {
        Ok(atomic::write_json(&folder.fingerprint(), self)?)
    }

    /// An error that names what is no longer as it was when the run in a folder began. One of an earlier version did not say.
    pub fn check(&self, folder: &RunFolder) -> Result<(), TrainError> {
        let path = folder.fingerprint();
        let Some(text) = files::read_text_if_there(&path, MAX_KEPT_BYTES)? else { return Ok(()) };
        let before: Self = serde_json::from_str(&text)
            .map_err(|error| TrainError::State { path, what: error.to_string().replace('\n', " ") })?;
        let changes = before.changes(self)?;
        if changes.is_empty() {
            return Ok(());
        }
        let mut what = changes.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
        if changes.len() > NAMED {
            what += &format!("; and {} more", changes.len() - NAMED);
        }
        Err(TrainError::Changed { path: folder.path().to_owned(), what })
    }

    fn changes(&self, now: &Self) -> Result<Vec<String>, TrainError> {
        let (mut before, Self(now)) = (self.0.clone(), now);
        // A setting that an earlier version did not know was what it is by default.
        for (name, value) in of_config(&RunConfig::default())? {
            before.entry(name).or_insert(value);
        }
        let names = before.keys().chain(now.keys().filter(|name| !before.contains_key(*name)));
        let none = "nothing".to_owned();
        let change = |name: &String| {
            let [old, new] = [&before, now].map(|parts| parts.get(name).unwrap_or(&none));
            (old != new).then(|| format!("{name} was {old}, is {new}"))
        };
        Ok(names.filter_map(change).collect())
    }
}

/// Whatever was changed in the run of a folder, it goes on with it.
pub fn accept_changes(folder: &RunFolder) -> Result<(), TrainError> {
    let path = folder.fingerprint();
    match fs::remove_file(&path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(atomic::WriteError { path, cause }.into()),
        _ => Ok(()),
    }
}

/// Names and sizes of the images' files and every ground truth.
fn of_samples(samples: &Samples) -> String {
    let mut digest = CRC.digest();
    samples.names.iter().for_each(|name| add(&mut digest, name.as_bytes()));
    for sample in &samples.samples {
        add(&mut digest, sample.image.file_name().unwrap_or_default().as_encoded_bytes());
        let bytes = fs::metadata(&sample.image).map_or(0, |file| file.len());
        digest.update(&bytes.to_le_bytes());
        digest.update(&(sample.labels.len() as u64).to_le_bytes());
        for label in &sample.labels {
            digest.update(&(label.class as u64).to_le_bytes());
            label.bbox.as_xyxy().iter().for_each(|side| digest.update(&side.to_le_bytes()));
        }
    }
    format!("{} images with {} ground truths ({:016x})", samples.samples.len(), samples.labels(), digest.finalize())
}

fn add(digest: &mut Digest<'_, u64, Table<16>>, text: &[u8]) {
    digest.update(text);
    digest.update(&[0]);
}

fn of_file(path: &Path) -> Result<String, TrainError> {
    let mut file = files::open(path, u64::MAX)?;
    let (mut digest, mut bytes, mut part) = (CRC.digest(), 0, vec![0; 1 << 20]);
    loop {
        let read =
            file.read(&mut part).map_err(|cause| TrainError::Read { path: path.display().to_string(), cause })?;
        if read == 0 {
            return Ok(format!("a file of {bytes} bytes ({:016x})", digest.finalize()));
        }
        digest.update(&part[..read]);
        bytes += read;
    }
}

/// Every setting that a weight depends on, by its name in `config.toml`.
fn of_config(config: &RunConfig) -> Result<BTreeMap<String, String>, TrainError> {
    let table = toml::Table::try_from(config).map_err(|error| TrainError::Config(error.to_string()))?;
    let mut parts = BTreeMap::new();
    for (name, value) in table {
        match value {
            // What changes no weight, or says only where something lies: its content counts.
            _ if RunConfig::field(&name).is_some_and(|field| field.about.free) => {}
            toml::Value::Table(values) if GROUPS.contains(&name.as_str()) => {
                parts.extend(values.into_iter().map(|(inner, value)| (format!("{name}.{inner}"), value.to_string())));
            }
            value => drop(parts.insert(name, value.to_string())),
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Label, Sample};
    use crate::geometry::{BoundingBox, Size};
    use crate::train::config::Length;

    #[test]
    fn a_change_is_named_and_what_changes_no_weight_is_free() {
        let of = |config: &RunConfig| Fingerprint(of_config(config).expect("parts"));
        let config = RunConfig { data: "a.yaml".into(), ..RunConfig::default() };
        let mut other = RunConfig { data: "b.yaml".into(), workers: 7, threads: Some(2), ..config.clone() };
        let changes = |before: &Fingerprint, now: &Fingerprint| before.changes(now).expect("changes");
        assert_eq!(changes(&of(&config), &of(&other)), Vec::<String>::new());
        other.imgsz = 320;
        other.hyp.lr0 = 0.5;
        assert_eq!(changes(&of(&config), &of(&other)), ["hyp.lr0 was 0.003, is 0.5", "imgsz was 640, is 320"]);
        other.imitation.stop_step = Some(9);
        assert!(changes(&of(&config), &of(&other)).contains(&"imitation.stop_step was nothing, is 9".to_owned()));
        // A length in steps is no length in epochs that was taken away.
        let steps = RunConfig { length: Length::Steps(3), ..config.clone() };
        assert_eq!(changes(&of(&steps), &of(&steps)), Vec::<String>::new());
        assert_eq!(changes(&of(&config), &of(&steps)).len(), 1);
        // As of a version that knew no recipes; and data that there were not.
        let mut old = of(&config);
        old.0.remove("recipe").expect("a setting");
        assert_eq!(changes(&old, &of(&config)), Vec::<String>::new());
        let mut tested = of(&config);
        tested.0.insert("test".to_owned(), "3 images".to_owned());
        assert_eq!(changes(&old, &tested), ["test was nothing, is 3 images"]);
    }

    #[test]
    fn images_and_ground_truths_count_and_where_they_lie_does_not() {
        let label = |class| Label { class, bbox: BoundingBox::new(0.0, 0.0, 8.0, 8.0) };
        let of = |folder: &str, classes: &[usize]| {
            let sample = Sample {
                image: Path::new(folder).join("1.png"),
                size: Size::square(64),
                labels: classes.iter().map(|class| label(*class)).collect(),
            };
            of_samples(&Samples { names: vec!["a".into()], samples: vec![sample], ..Samples::default() })
        };
        assert!(of("/nowhere", &[0, 1]).starts_with("1 images with 2 ground truths ("));
        assert_eq!(of("/nowhere", &[0, 1]), of("/elsewhere", &[0, 1]));
        assert_ne!(of("/nowhere", &[0, 1]), of("/nowhere", &[1, 1]));
    }
}
