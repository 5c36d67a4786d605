//! What a run is, as options: shared by everything that sets one up.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::line::Line;
use super::run_options::{self, RunOptions, order};
use crate::device::DeviceChoice;
use crate::files;
use crate::imitation::loss::Loss;
use crate::inspect::Tap;
use crate::train::config::option::{Part, Setting, Value};
use crate::train::config::{Field, Lambda, Length, LrSchedule, RunConfig, names_its_loss};
use crate::train::hyp::{HypFile, Hyperparameters};
use crate::train::memory::largest_batch;
use crate::train::plan::{usual_loss, usual_recipe};

/// A config.toml is a page long.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The data.yaml
    #[arg(long, value_name = "DATA", display_order = order("data"))]
    data: Option<PathBuf>,
    /// The teacher: .pt, .safetensors or TorchScript; none trains without imitation
    #[arg(long, value_name = "WEIGHTS", display_order = order("teacher"))]
    teacher: Option<PathBuf>,
    /// The student: .pt or .safetensors; a model yaml or a name such as yolov5n starts from random weights
    #[arg(long, value_name = "WEIGHTS", display_order = order("student"))]
    student: Option<PathBuf>,
    /// Everything from a run's config.toml; other options change it
    #[arg(long, value_name = "FILE", display_order = order("student") + 1)]
    config: Option<PathBuf>,
    #[command(flatten)]
    length: LengthArgs,
    /// Images a step; auto tries how many a GPU's memory takes [default: 16]
    #[arg(long, value_name = "N", value_parser = parse_batch, display_order = order("batch"))]
    batch: Option<Batch>,
    /// Weight of the imitation loss [default: the loss's own; 1 for answers]
    #[arg(long, value_name = "LAMBDA", allow_negative_numbers = true, conflicts_with = "lambda_ratio",
        display_order = order("mask_source") + 1)]
    lambda: Option<f64>,
    /// Set lambda so that the imitation's gradient has this share of the detection's norm; it never rises above its first value
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true, display_order = order("mask_source") + 1)]
    lambda_ratio: Option<f64>,
    /// Hyperparameters: any of YOLOv5's hyp.*.yaml
    #[arg(long, value_name = "FILE", display_order = order("normalise") + 1)]
    hyp: Option<PathBuf>,
    /// Change one hyperparameter, as lr0=0.005; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_assignment, display_order = order("normalise") + 2)]
    set: Vec<(String, f64)>,
    /// Without any augmentation
    #[arg(long, display_order = order("normalise") + 3)]
    no_augmentation: bool,
    /// The learning rate falls as YOLOv5's cosine, per epoch
    #[arg(long, conflicts_with = "lr_schedule", display_order = order("lr_schedule") + 1)]
    cos_lr: bool,
    /// Where the models run: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", display_order = order("device"))]
    device: Option<DeviceChoice>,
    #[command(flatten)]
    options: RunOptions,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct LengthArgs {
    /// Passes over the data [default: 20]
    #[arg(long, value_name = "N", display_order = order("from_scratch") + 1)]
    epochs: Option<u32>,
    /// Batches
    #[arg(long, value_name = "N", display_order = order("from_scratch") + 2)]
    steps: Option<u64>,
}

fn parse_assignment(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let number: Option<f64> = value.trim().parse().ok().filter(|number: &f64| number.is_finite());
    Ok((name.trim().to_owned(), number.ok_or_else(|| format!("'{value}' is not a number"))?))
}

impl RunArgs {
    /// The `config.toml` that is given.
    pub(super) fn config_file(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The imitation: its loss first, which brings values of its own. Without one it is that of the config, of the tap, or
    /// what fits the two models.
    fn imitation(&self, config: &mut RunConfig) -> anyhow::Result<()> {
        if self.config.is_none() && self.options.get("loss").is_none() {
            let reads_features = self.options.get("tap").is_some_and(|tap| *tap != Tap::Head.value());
            let loss = if reads_features {
                Loss::FEATURES
            } else {
                let usual = usual_loss(config.teacher.as_deref(), &config.student)?;
                if let Some(reason) = usual.reason {
                    eprintln!("distillscope: note: {reason}: the imitation is {} at the neck", usual.loss);
                }
                usual.loss
            };
            config.imitation = std::mem::take(&mut config.imitation).with_loss(loss);
        }
        for (field, value) in self.options.given().filter(|(field, _)| field.about.part == Part::Imitation) {
            field.choose(config, value).map_err(anyhow::Error::msg)?;
        }
        if let Some(lambda) = self.lambda {
            config.imitation.lambda = Lambda::Fixed(lambda);
        }
        if let Some(ratio) = self.lambda_ratio {
            config.imitation.lambda = Lambda::GradientRatio(ratio);
        }
        match config.imitation.contradiction() {
            Some(what) => bail!("{}", what.english()),
            None => Ok(()),
        }
    }

    /// The first option that says how a teacher is imitated.
    fn of_imitation(&self) -> Option<String> {
        let weights = [("lambda", self.lambda.is_some()), ("lambda-ratio", self.lambda_ratio.is_some())];
        let weight = weights.into_iter().find(|(_, given)| *given).map(|(name, _)| name.to_owned());
        let mut given = self.options.given().filter(|(field, _)| field.about.part == Part::Imitation);
        weight.or_else(|| given.find_map(|(field, _)| run_options::name(field)))
    }

    /// The configuration, from `--config` where it is given, changed by every other option.
    pub(super) fn config(&self) -> anyhow::Result<RunConfig> {
        let mut config = match &self.config {
            Some(file) => {
                let text = files::read_text(file, MAX_CONFIG_BYTES)?;
                if !names_its_loss(&text) {
                    bail!(
                        "{}: written by version 0.1.0, which did not name its loss and whose lambda could rise; add loss = \
                         \"logits\" (tap head) or \"features\" (neck) below [imitation] to mean it",
                        file.display()
                    );
                }
                RunConfig::parse(&text)
                    .map_err(|error| anyhow::anyhow!("{}: {}", file.display(), files::toml_problem(&error)))?
            }
            None => RunConfig::default(),
        };
        fn set<T: Clone>(field: &mut T, value: &Option<T>) {
            if let Some(value) = value {
                *field = value.clone();
            }
        }
        if self.config.is_none() {
            for (name, value) in [("data", &self.data), ("teacher", &self.teacher), ("student", &self.student)] {
                if value.is_none() {
                    bail!("--{name} is missing; see --help for an example");
                }
            }
        }
        set(&mut config.data, &self.data);
        set(&mut config.student, &self.student);
        if let Some(teacher) = &self.teacher {
            config.teacher = (teacher.as_os_str() != "none").then(|| teacher.clone());
        }
        if let (None, Some(option)) = (&config.teacher, self.of_imitation()) {
            bail!(
                "--{option} says how a teacher is imitated, and --teacher none leaves nothing to imitate; leave one of them out"
            );
        }
        if let Some(epochs) = self.length.epochs {
            config.length = Length::Epochs(epochs);
        }
        if let Some(steps) = self.length.steps {
            config.length = Length::Steps(steps);
        }
        if let Some(Batch::Images(images)) = self.batch {
            config.batch = images;
        }
        let of_run = |field: &Field| field.about.part == Part::Run;
        let (recipe, others): (Vec<_>, Vec<_>) =
            self.options.given().filter(|(field, _)| of_run(field)).partition(|(field, _)| field.about.key == "recipe");
        if self.config.is_none() && recipe.is_empty() {
            config = with_usual_recipe(config)?;
        }
        for (field, value) in recipe {
            field.choose(&mut config, value).map_err(anyhow::Error::msg)?;
        }
        self.imitation(&mut config)?;
        if let Some(file) = &self.hyp {
            config.take_hyp(changed_hyp(&config.hyp, file)?);
        }
        if self.no_augmentation {
            config.hyp = config.hyp.without_augmentation();
        }
        for (name, value) in &self.set {
            let Some(field) = RunConfig::field(name).filter(|field| field.about.part == Part::Hyp) else {
                bail!("--set {name}: no hyperparameter has this name")
            };
            field.choose(&mut config, &Value::Real(*value)).map_err(anyhow::Error::msg)?;
        }
        // After what the hyperparameters say of the warm-up.
        for (field, value) in others {
            (field.set)(&mut config, value).map_err(anyhow::Error::msg)?;
        }
        if self.cos_lr {
            config.lr_schedule = LrSchedule::CosinePerEpoch;
        }
        if let Some(device) = self.device {
            config.device = device.to_string();
        }
        if self.batch == Some(Batch::Auto) {
            config.batch = largest(&config)?;
            if self.options.get("recipe").is_none() && self.config.is_none() {
                config = with_usual_recipe(config)?;
            }
        }
        Ok(config)
    }
}

fn with_usual_recipe(config: RunConfig) -> anyhow::Result<RunConfig> {
    let usual = usual_recipe(config.length, &config.data, config.batch)?;
    Ok(config.with_recipe(usual))
}

/// Images a step, as they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batch {
    Auto,
    Images(usize),
}

fn parse_batch(text: &str) -> Result<Batch, String> {
    let number = || text.parse().ok().filter(|images| (1..=super::values::MAX_BATCH as usize).contains(images));
    match text {
        "auto" => Ok(Batch::Auto),
        _ => number()
            .map(Batch::Images)
            .ok_or_else(|| format!("'{text}' is neither auto nor 1 to {}", super::values::MAX_BATCH)),
    }
}

/// The batch that fits, found under a line that says what is tried.
fn largest(config: &RunConfig) -> anyhow::Result<usize> {
    let line = Line::start();
    let found = largest_batch(config, super::values::MAX_BATCH as usize, &mut |what, _| {
        line.draw(what);
        ControlFlow::Continue(())
    });
    drop(line);
    let found = found?.context("stopped before a batch was found")?;
    eprintln!("batches of {found} images fit");
    Ok(found)
}

/// `hyp` as the `file` changes it; keys that mean nothing here are told.
pub(super) fn changed_hyp(hyp: &Hyperparameters, file: &Path) -> anyhow::Result<HypFile> {
    let found = hyp.changed_by(file)?;
    for name in &found.unknown {
        super::console::warn(format_args!("{}: '{name}' is not used", file.display()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::{OptimizerKind, Recipe, SnapshotConfig};

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        run: RunArgs,
    }

    fn configured(options: &[&str]) -> RunConfig {
        use clap::Parser;
        let named = ["train", "--data", "d.yaml", "--teacher", "none", "--student", "yolov5n"];
        let command = Command::try_parse_from(named.iter().chain(options)).expect("options");
        command.run.config().expect("a config")
    }

    #[test]
    fn a_recipe_gives_way_to_the_hyp_file_and_that_to_options() {
        let short = configured(&[]);
        assert_eq!((short.recipe, short.optimizer, short.hyp.lr0), (Recipe::Short, OptimizerKind::AdamW, 0.003));
        let long = configured(&["--epochs", "51"]);
        assert_eq!((long.recipe, long.optimizer, long.nominal_batch), (Recipe::Yolov5, OptimizerKind::Sgd, 64));
        let asked = configured(&["--epochs", "51", "--recipe", "short", "--optimizer", "adam", "--cos-lr"]);
        assert_eq!((asked.recipe, asked.optimizer), (Recipe::Short, OptimizerKind::Adam));
        assert_eq!((asked.lr_schedule, asked.hyp.weight_decay), (LrSchedule::CosinePerEpoch, 0.02));

        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("hyp.yaml");
        std::fs::write(&file, "lr0: 0.02\nbox: 0.1\nwarmup_epochs: 3.0\n").expect("a file");
        let file = file.to_str().expect("a name");
        let hyp = configured(&["--hyp", file]);
        assert_eq!((hyp.hyp.lr0, hyp.hyp.box_gain, hyp.hyp.weight_decay), (0.02, 0.1, 0.02));
        // Its warm-up is counted in epochs, and wins over the recipe's share of the steps too.
        assert_eq!((hyp.hyp.warmup_epochs, hyp.warmup_share), (3.0, 0.0));
        let both = configured(&["--hyp", file, "--set", "lr0=0.004", "--warmup-share", "0.2"]);
        assert_eq!((both.hyp.lr0, both.hyp.box_gain, both.warmup_share), (0.004, 0.1, 0.2));
        assert_eq!(configured(&["--set", "warmup_epochs=1"]).warmup_share, 0.0);

        // A file's own values stand, whatever the length; an option changes them.
        let written = folder.path().join("config.toml");
        std::fs::write(&written, toml::to_string(&both).expect("a text")).expect("a file");
        let written = written.to_str().expect("a name");
        let again = configured(&["--config", written, "--epochs", "90"]);
        assert_eq!((again.recipe, again.hyp), (Recipe::Short, both.hyp));
        let other = configured(&["--config", written, "--recipe", "yolov5"]);
        assert_eq!((other.optimizer, other.hyp.lr0, other.hyp.weight_decay), (OptimizerKind::Sgd, 0.004, 0.0005));
    }

    #[test]
    fn a_batch_is_a_number_or_auto() {
        assert_eq!((parse_batch("auto"), parse_batch("4096")), (Ok(Batch::Auto), Ok(Batch::Images(4096))));
        for text in ["", "0", "4097", "-1", "1.5", "AUTO "] {
            assert!(parse_batch(text).is_err_and(|error| error.contains("1 to 4096")), "{text}");
        }
    }

    #[test]
    fn without_a_teacher_nothing_says_how_it_is_imitated() {
        use clap::Parser;
        let named = ["train", "--data", "d.yaml", "--teacher", "none", "--student", "yolov5n"];
        for option in [["--imitation", "features"], ["--lambda", "1"], ["--psi", "0.4"], ["--normalise", "true"]] {
            let command = Command::try_parse_from(named.iter().chain(&option)).expect("options");
            let error = command.run.config().expect_err("nothing to imitate").to_string();
            assert!(error.starts_with(option[0]) && error.contains("--teacher none"), "{error}");
        }
    }

    #[test]
    fn one_frozen_number_means_the_first_layers() {
        assert_eq!(configured(&["--freeze", "3"]).freeze, [0, 1, 2]);
        assert_eq!(configured(&["--freeze", "0,2,5"]).freeze, [0, 2, 5]);
    }

    #[test]
    fn a_snapshot_is_an_image_and_perhaps_a_number_of_steps() {
        let parsed = |text: &str| {
            text.parse::<SnapshotConfig>().map(|config| (config.image.display().to_string(), config.every))
        };
        assert_eq!(parsed("a.jpg"), Ok(("a.jpg".to_owned(), 25)));
        assert_eq!(parsed("a.jpg:5"), Ok(("a.jpg".to_owned(), 5)));
        assert_eq!(parsed(r"C:\a.jpg"), Ok((r"C:\a.jpg".to_owned(), 25)));
        assert!(parsed("a.jpg:0").is_err() && parsed(":5").is_err());
    }
}
