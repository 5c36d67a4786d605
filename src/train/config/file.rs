//! `config.toml` and `experiment.toml`, of this version and of earlier ones.

use super::{Experiment, Recipe, RunConfig, WARMUP_EPOCHS};
use crate::imitation::loss::{Loss, MaskSource};
use crate::inspect::Tap;

impl Experiment {
    /// Reads a `experiment.toml`, as [`RunConfig::parse`] does.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let mut table: toml::Table = toml::from_str(text)?;
        if let Some(config) = table.get_mut("config").and_then(toml::Value::as_table_mut) {
            upgrade(config);
            fill(config)?;
        }
        table.try_into()
    }
}

impl RunConfig {
    /// Reads a `config.toml`; what it leaves open is its recipe's or, where it names none, that of its length. One of version
    /// 0.1.0 did not name its loss, which is the one of its tap, raw heads or features; nor its recipe, which was YOLOv5's.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let mut table: toml::Table = toml::from_str(text)?;
        if is_current(&table) {
            // As it is, from text: an error then names its line.
            let _: Self = toml::from_str(text)?;
        }
        upgrade(&mut table);
        fill(&mut table)?;
        table.try_into()
    }
}

/// Whether a `config.toml` says which imitation loss it means; those of version 0.1.0 do not.
pub fn names_its_loss(text: &str) -> bool {
    toml::from_str(text).is_ok_and(|table: toml::Table| imitation_of(&table).is_none_or(|own| own.contains_key("loss")))
}

fn imitation_of(config: &toml::Table) -> Option<&toml::Table> {
    config.get("imitation").and_then(toml::Value::as_table)
}

/// `cos_lr` is what version 0.1.0 always wrote and no later one does.
fn is_current(config: &toml::Table) -> bool {
    !config.contains_key("cos_lr") && imitation_of(config).is_none_or(|own| own.contains_key("loss"))
}

/// Writes down what version 0.1.0 left unsaid.
fn upgrade(config: &mut toml::Table) {
    if let Some(cosine) = config.remove("cos_lr") {
        let schedule = if cosine.as_bool() == Some(true) { "cosine-per-epoch" } else { "linear-per-epoch" };
        config.insert("recipe".to_owned(), Recipe::Yolov5.name().into());
        config.insert("lr_schedule".to_owned(), schedule.into());
        config.insert("warmup_share".to_owned(), 0.0.into());
        config.entry("optimizer").or_insert_with(|| "sgd".into());
        config.entry("nominal_batch").or_insert(16.into());
    }

    let Some(imitation) = config.get_mut("imitation").and_then(toml::Value::as_table_mut) else { return };
    if imitation.contains_key("loss") {
        return;
    }
    let head = imitation.get("tap").and_then(toml::Value::as_str).is_none_or(|tap| tap == Tap::Head.name());
    imitation.insert("loss".to_owned(), Loss::usual_at(head).name().into());
    imitation.entry("mask_source").or_insert_with(|| MaskSource::Iou.name().into());
    imitation.entry("tap").or_insert_with(|| Tap::Head.name().into());
}

/// Writes down what a file leaves to its recipe or, where it names none, to that of its length.
fn fill(config: &mut toml::Table) -> Result<(), toml::de::Error> {
    let recipe = match (config.get("recipe"), config.get("length")) {
        (Some(recipe), _) => recipe.clone().try_into()?,
        (None, Some(length)) => Recipe::of_length(length.clone().try_into()?),
        (None, None) => Recipe::of_length(RunConfig::default().length),
    };
    let in_epochs = config.get("hyp").is_some_and(|hyp| hyp.get(WARMUP_EPOCHS).is_some());
    let filled = RunConfig::default().with_recipe(recipe);
    let filled = toml::Table::try_from(filled).map_err(<toml::de::Error as serde::de::Error>::custom)?;
    if in_epochs {
        config.entry("warmup_share").or_insert(0.0.into());
    }
    for (name, value) in filled {
        match (config.get_mut(&name).and_then(toml::Value::as_table_mut), value) {
            (Some(own), toml::Value::Table(values)) if name == "hyp" => {
                for (name, value) in values {
                    own.entry(name).or_insert(value);
                }
            }
            // A loss of its own has defaults of its own.
            (None, value) if name != "imitation" => drop(config.entry(name).or_insert(value)),
            _ => {}
        }
    }
    Ok(())
}
