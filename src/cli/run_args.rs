//! What a run is, as options: shared by everything that sets one up.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{ArgAction, Args};

use super::line::Line;
use crate::device::DeviceChoice;
use crate::files;
use crate::imitation::loss::{Loss, MaskSource};
use crate::imitation::mask::{IouConvention, LevelRule, Psi};
use crate::inspect::Tap;
use crate::train::config::{
    AdapterStart, Amp, Decay, Lambda, Length, LrSchedule, NonFinite, Norm, OptimizerKind, Recipe, RunConfig,
    SnapshotConfig, WARMUP_EPOCHS, frozen_layers, names_its_loss,
};
use crate::train::hyp::{HypFile, Hyperparameters};
use crate::train::memory::largest_batch;
use crate::train::plan::{usual_loss, usual_recipe};

/// A config.toml is a page long.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The data.yaml
    #[arg(long, value_name = "DATA")]
    data: Option<PathBuf>,
    /// The teacher: .pt, .safetensors or TorchScript; none trains without imitation
    #[arg(long, value_name = "WEIGHTS")]
    teacher: Option<PathBuf>,
    /// The student: .pt or .safetensors; a model yaml or a name such as yolov5n starts from random weights
    #[arg(long, value_name = "WEIGHTS")]
    student: Option<PathBuf>,
    /// Everything from a run's config.toml; other options change it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    length: LengthArgs,
    /// Side of the square input in px
    #[arg(long, value_name = "PX")]
    imgsz: Option<u32>,
    /// Images a step; auto tries how many a GPU's memory takes [default: 16]
    #[arg(long, value_name = "N", value_parser = parse_batch)]
    batch: Option<Batch>,
    /// Gradients are gathered over about so many images before the optimizer steps; 0 steps after every batch
    #[arg(long, value_name = "N")]
    nominal_batch: Option<usize>,
    /// What is imitated [default: answers; correlation where the heads of both models cannot be compared]
    #[arg(long, value_name = "LOSS", value_parser = super::values::loss_parser())]
    imitation: Option<Loss>,
    /// Which cells count: iou, teacher, box or none [default: the loss's own]
    #[arg(long, value_enum, value_name = "SOURCE")]
    mask_source: Option<MaskSource>,
    /// Weight of the imitation loss [default: the loss's own; 1 for answers]
    #[arg(long, value_name = "LAMBDA", allow_negative_numbers = true, conflicts_with = "lambda_ratio")]
    lambda: Option<f64>,
    /// Set lambda so that the imitation's gradient has this share of the detection's norm; it never rises above its first value
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true)]
    lambda_ratio: Option<f64>,
    /// lambda grows from 0 over so many steps
    #[arg(long, value_name = "STEPS")]
    lambda_warmup: Option<u64>,
    /// How lambda fades towards the end
    #[arg(long, value_enum, value_name = "DECAY")]
    lambda_decay: Option<Decay>,
    /// From this step on lambda is 0
    #[arg(long, value_name = "STEP")]
    lambda_stop: Option<u64>,
    /// A cell is imitated where an anchor's IoU exceeds psi times the ground truth's best; 0..1
    #[arg(long)]
    psi: Option<Psi>,
    /// Which best: per-scale, global or assigned
    #[arg(long, value_name = "RULE")]
    level_rule: Option<LevelRule>,
    /// exact or seed, as in inspect
    #[arg(long, value_name = "CONVENTION")]
    iou: Option<IouConvention>,
    /// Where features and correlation take their features: neck or backbone
    #[arg(long, value_enum)]
    tap: Option<Tap>,
    /// Which number of cells divides the loss
    #[arg(long, value_enum)]
    norm: Option<Norm>,
    /// Where the adapters start: least-squares, least-squares:IMAGES, or random
    #[arg(long, value_name = "START", value_parser = parse_start)]
    adapter_start: Option<AdapterStart>,
    /// Side of the adapters' kernels: 1 or 3
    #[arg(long, value_name = "SIDE")]
    adapter_kernel: Option<u32>,
    /// The adapters' learning rate as a multiple of the student's
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true)]
    adapter_lr: Option<f64>,
    /// Divide features by the teacher's standard deviation per channel
    #[arg(long, action = ArgAction::Set, value_name = "BOOL")]
    normalise: Option<bool>,
    /// Hyperparameters: any of YOLOv5's hyp.*.yaml
    #[arg(long, value_name = "FILE")]
    hyp: Option<PathBuf>,
    /// Change one hyperparameter, as lr0=0.005; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_assignment)]
    set: Vec<(String, f64)>,
    /// Without any augmentation
    #[arg(long)]
    no_augmentation: bool,
    /// Draw the student's weights anew although a checkpoint is given
    #[arg(long)]
    from_scratch: bool,
    /// What every random draw follows from
    #[arg(long)]
    seed: Option<u64>,
    /// Where the optimisation's values come from: short (AdamW, a cosine per step) or yolov5 (YOLOv5 v7.0 to the letter:
    /// SGD, a nominal batch of 64). --hyp, --set and other options win [default: short up to 50 epochs, yolov5 beyond]
    #[arg(long, value_enum)]
    recipe: Option<Recipe>,
    /// The optimizer
    #[arg(long, value_enum)]
    optimizer: Option<OptimizerKind>,
    /// How the learning rate falls
    #[arg(long, value_enum, value_name = "SCHEDULE")]
    lr_schedule: Option<LrSchedule>,
    /// The learning rate falls as YOLOv5's cosine, per epoch
    #[arg(long, conflicts_with = "lr_schedule")]
    cos_lr: bool,
    /// Warm-up as a share of the run's steps; 0 counts warmup_epochs
    #[arg(long, value_name = "SHARE")]
    warmup_share: Option<f64>,
    /// Keep the raw weights instead of their moving average
    #[arg(long)]
    no_ema: bool,
    /// Layers whose parameters stay as they are: N for the first N layers (10 is the backbone), 0,1,2 for these
    #[arg(long, value_name = "LAYERS", value_parser = parse_freeze)]
    freeze: Option<Frozen>,
    /// What the forward passes compute with [default: auto]
    #[arg(long, value_enum)]
    amp: Option<Amp>,
    /// Let a GPU's float32 convolutions use TF32 while it trains: faster, 1e-3 off [default: true]
    #[arg(long, action = ArgAction::Set, value_name = "BOOL")]
    tf32: Option<bool>,
    /// Keep channels last in memory [default: true]
    #[arg(long, action = ArgAction::Set, value_name = "BOOL")]
    channels_last: Option<bool>,
    /// What to do when a loss is not finite
    #[arg(long, value_enum)]
    non_finite: Option<NonFinite>,
    /// Epochs from one evaluation to the next
    #[arg(long, value_name = "EPOCHS")]
    evaluate_every: Option<u32>,
    /// Evaluate student and teacher before the first step [default: true]
    #[arg(long, action = ArgAction::Set, value_name = "BOOL")]
    evaluate_start: Option<bool>,
    /// Keep the difference maps of this image every 25 or EVERY steps, and record a replay with them
    #[arg(long, value_name = "IMAGE[:EVERY]", value_parser = parse_snapshot)]
    snapshot: Option<SnapshotConfig>,
    /// Where the models run: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
    /// Cores that libtorch may use on the CPU [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=super::values::MAX_THREADS))]
    threads: Option<u16>,
    /// Threads that make batches; they change no batch [default: all cores but one, at most 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=super::values::MAX_THREADS))]
    workers: Option<u16>,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct LengthArgs {
    /// Passes over the data [default: 20]
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Batches
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
}

fn parse_start(text: &str) -> Result<AdapterStart, String> {
    match text.split_once(':') {
        None if text == "random" => Ok(AdapterStart::Random),
        None if text == "least-squares" => Ok(AdapterStart::LeastSquares { images: 64 }),
        Some(("least-squares", images)) => match images.parse() {
            Ok(images) if images > 0 => Ok(AdapterStart::LeastSquares { images }),
            _ => Err(format!("'{images}' is no number of images")),
        },
        _ => Err(format!("'{text}' is neither least-squares nor least-squares:IMAGES nor random")),
    }
}

/// Numbers of layers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frozen(Vec<usize>);

fn parse_freeze(text: &str) -> Result<Frozen, String> {
    frozen_layers(text).map(Frozen)
}

/// A colon belongs to the path where no number follows it.
fn parse_snapshot(text: &str) -> Result<SnapshotConfig, String> {
    let (image, every) = match text.rsplit_once(':') {
        Some((image, every)) if !every.is_empty() && every.bytes().all(|byte| byte.is_ascii_digit()) => {
            (image, every.parse().ok().filter(|every| *every > 0).ok_or("EVERY is no number of steps above 0")?)
        }
        _ => (text, SnapshotConfig::EVERY),
    };
    if image.is_empty() {
        Err("no image is named".to_owned())
    } else {
        Ok(SnapshotConfig { image: image.into(), every })
    }
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

    /// The loss, and what follows from it. Without one it is that of the config, of the tap, or what fits the two models.
    fn imitation(&self, config: &mut RunConfig) -> anyhow::Result<()> {
        let of_tap = match self.tap {
            Some(tap) if tap != Tap::Head => Some(Loss::FEATURES),
            _ => None,
        };
        let imitation = std::mem::take(&mut config.imitation);
        config.imitation = match self.imitation.or(of_tap.filter(|_| self.config.is_none())) {
            Some(loss) if loss != imitation.loss => imitation.with_loss(loss),
            Some(_) => imitation,
            None if self.config.is_some() => imitation,
            None => {
                let usual = usual_loss(config.teacher.as_deref(), &config.student)?;
                if let Some(reason) = usual.reason {
                    eprintln!("distillscope: note: {reason}: the imitation is {} at the neck", usual.loss);
                }
                imitation.with_loss(usual.loss)
            }
        };
        if let Some(source) = self.mask_source {
            config.imitation.mask_source = source;
        }
        if let Some(tap) = self.tap {
            config.imitation.tap = tap;
        }
        match config.imitation.contradiction() {
            Some(what) => bail!("{what}"),
            None => Ok(()),
        }
    }

    /// Options that say how a teacher is imitated, as far as they were given.
    fn of_imitation(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            ("--imitation", self.imitation.is_some()),
            ("--mask-source", self.mask_source.is_some()),
            ("--lambda", self.lambda.is_some()),
            ("--lambda-ratio", self.lambda_ratio.is_some()),
            ("--lambda-warmup", self.lambda_warmup.is_some()),
            ("--lambda-decay", self.lambda_decay.is_some()),
            ("--lambda-stop", self.lambda_stop.is_some()),
            ("--psi", self.psi.is_some()),
            ("--level-rule", self.level_rule.is_some()),
            ("--iou", self.iou.is_some()),
            ("--tap", self.tap.is_some()),
            ("--norm", self.norm.is_some()),
            ("--adapter-start", self.adapter_start.is_some()),
            ("--adapter-kernel", self.adapter_kernel.is_some()),
            ("--adapter-lr", self.adapter_lr.is_some()),
            ("--normalise", self.normalise.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)
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
        if let (None, Some(option)) = (&config.teacher, self.of_imitation().next()) {
            bail!(
                "{option} says how a teacher is imitated, and --teacher none leaves nothing to imitate; leave one of them out"
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
        match self.recipe {
            Some(recipe) => config = config.with_recipe(recipe),
            None if self.config.is_none() => {
                let usual = usual_recipe(config.length, &config.data, config.batch)?;
                config = config.with_recipe(usual);
            }
            None => {}
        }
        set(&mut config.imgsz, &self.imgsz);
        set(&mut config.nominal_batch, &self.nominal_batch);
        set(&mut config.seed, &self.seed);
        set(&mut config.optimizer, &self.optimizer);
        set(&mut config.amp, &self.amp);
        set(&mut config.tf32, &self.tf32);
        set(&mut config.non_finite, &self.non_finite);
        set(&mut config.evaluate_every, &self.evaluate_every);
        set(&mut config.evaluate_start, &self.evaluate_start);
        set(&mut config.workers, &self.workers.map(usize::from));
        if self.snapshot.is_some() {
            config.snapshot.clone_from(&self.snapshot);
        }
        config.from_scratch |= self.from_scratch;
        set(&mut config.lr_schedule, &self.lr_schedule);
        if self.cos_lr {
            config.lr_schedule = LrSchedule::CosinePerEpoch;
        }
        config.ema &= !self.no_ema;
        config.channels_last = self.channels_last.or(config.channels_last);
        config.threads = self.threads.or(config.threads);
        if let Some(device) = self.device {
            config.device = device.to_string();
        }
        if let Some(Frozen(layers)) = &self.freeze {
            config.freeze.clone_from(layers);
        }
        self.imitation(&mut config)?;
        let imitation = &mut config.imitation;
        if let Some(lambda) = self.lambda {
            imitation.lambda = Lambda::Fixed(lambda);
        }
        if let Some(ratio) = self.lambda_ratio {
            imitation.lambda = Lambda::GradientRatio(ratio);
        }
        set(&mut imitation.warmup_steps, &self.lambda_warmup);
        set(&mut imitation.decay, &self.lambda_decay);
        imitation.stop_step = self.lambda_stop.or(imitation.stop_step);
        if let Some(psi) = self.psi {
            imitation.psi = psi.get();
        }
        set(&mut imitation.level_rule, &self.level_rule);
        set(&mut imitation.iou, &self.iou);
        set(&mut imitation.norm, &self.norm);
        set(&mut imitation.adapter_start, &self.adapter_start);
        set(&mut imitation.adapter_kernel, &self.adapter_kernel);
        set(&mut imitation.adapter_lr, &self.adapter_lr);
        set(&mut imitation.normalise, &self.normalise);
        if let Some(file) = &self.hyp {
            config.take_hyp(changed_hyp(&config.hyp, file)?);
        }
        if self.no_augmentation {
            config.hyp = config.hyp.without_augmentation();
        }
        if !self.set.is_empty() {
            let mut values = serde_json::to_value(&config.hyp)?;
            for (name, value) in &self.set {
                match values.get_mut(name) {
                    Some(slot) => {
                        *slot = (*value).into();
                        if name == WARMUP_EPOCHS {
                            config.warmup_share = 0.0;
                        }
                    }
                    None => bail!("--set {name}: no hyperparameter has this name"),
                }
            }
            config.hyp = serde_json::from_value(values)?;
        }
        set(&mut config.warmup_share, &self.warmup_share);
        if self.batch == Some(Batch::Auto) {
            config.batch = largest(&config)?;
            if self.recipe.is_none() && self.config.is_none() {
                let usual = usual_recipe(config.length, &config.data, config.batch)?;
                config = config.with_recipe(usual);
            }
        }
        Ok(config)
    }
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
        let parsed = |text| parse_snapshot(text).map(|config| (config.image.display().to_string(), config.every));
        assert_eq!(parsed("a.jpg"), Ok(("a.jpg".to_owned(), 25)));
        assert_eq!(parsed("a.jpg:5"), Ok(("a.jpg".to_owned(), 5)));
        assert_eq!(parsed(r"C:\a.jpg"), Ok((r"C:\a.jpg".to_owned(), 25)));
        assert!(parsed("a.jpg:0").is_err() && parsed(":5").is_err());
    }
}
