//! What a run is asked to do. It is what `config.toml` in a run's folder says, whole, so that the folder alone
//! repeats the run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::hyp::{HypFile, Hyperparameters};
use crate::dataset::{BatchOptions, Batches};
use crate::geometry::Size;
pub use crate::imitation::lambda::{Decay, Lambda, Norm};
use crate::imitation::loss::{Loss, MaskChoice, MaskSource, Reads};
use crate::imitation::mask::{IouConvention, LevelRule, Psi};
use crate::inspect::{AdapterChoice, CompareRequest, ImitationChoice, Tap};

/// How long a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Length {
    Epochs(u32),
    Steps(u64),
}

/// Where the adapters' weights come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterStart {
    /// The ridge fit over the cells of so many training images.
    LeastSquares {
        images: usize,
    },
    Random,
}

/// The imitation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImitationConfig {
    pub loss: Loss,
    pub mask_source: MaskSource,
    pub lambda: Lambda,
    /// λ grows linearly from 0 over so many steps.
    pub warmup_steps: u64,
    pub decay: Decay,
    /// From this step on λ is 0.
    pub stop_step: Option<u64>,
    pub psi: f32,
    pub level_rule: LevelRule,
    pub iou: IouConvention,
    pub tap: Tap,
    pub norm: Norm,
    /// Side of the adapters' kernels: 1 or 3. The tap head has no adapters.
    pub adapter_kernel: u32,
    pub adapter_start: AdapterStart,
    /// The adapters' learning rate as a multiple of the student's.
    pub adapter_lr: f64,
    /// Features are divided by the teacher's standard deviation per channel before the difference.
    pub normalise: bool,
}

/// ‖λ ∇imitation‖ / ‖∇detection‖ unless asked otherwise.
pub const GRADIENT_RATIO: f64 = 0.5;

impl Default for ImitationConfig {
    fn default() -> Self {
        Self::of(Loss::default())
    }
}

impl ImitationConfig {
    /// A loss as it is used unless a person says otherwise.
    pub fn of(loss: Loss) -> Self {
        let defaults = loss.defaults();
        let ImitationChoice { compared, mask } = ImitationChoice::of(loss);
        Self {
            loss,
            mask_source: mask.source,
            lambda: defaults.lambda,
            warmup_steps: 0,
            decay: defaults.decay,
            stop_step: None,
            psi: mask.psi.get(),
            level_rule: mask.rule,
            iou: mask.convention,
            tap: compared.tap,
            norm: Norm::PerScale,
            adapter_kernel: 1,
            adapter_start: AdapterStart::LeastSquares { images: 64 },
            adapter_lr: 1.0,
            normalise: false,
        }
    }

    /// What is compared and which cells count, as a picture shows it.
    pub fn choice(&self) -> ImitationChoice {
        let compared = CompareRequest { tap: self.tap, adapter: AdapterChoice::default(), loss: self.loss };
        let (psi, rule) = (Psi::saturating(self.psi), self.level_rule);
        ImitationChoice { compared, mask: MaskChoice { source: self.mask_source, psi, rule, convention: self.iou } }
    }

    /// The same with another loss: what belongs to the loss (tap, mask source, λ and its decay) becomes that loss's own.
    #[must_use]
    pub fn with_loss(self, loss: Loss) -> Self {
        let Self { mask_source, lambda, decay, tap, .. } = Self::of(loss);
        Self { loss, mask_source, lambda, decay, tap, ..self }
    }

    /// What cannot be together, in one sentence.
    pub fn contradiction(&self) -> Option<String> {
        let (loss, tap) = (self.loss, self.tap.name());
        match (loss.reads(), self.tap) {
            (Reads::Head, Tap::Neck | Tap::Backbone) => Some(format!(
                "the imitation loss {loss} compares heads, not the {tap}; features and correlation compare it"
            )),
            (Reads::Features, Tap::Head) => Some(format!(
                "the imitation loss {loss} compares neck or backbone, not the head; answers and logits do"
            )),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// With Nesterov's momentum.
    Sgd,
    Adam,
    #[default]
    AdamW,
}

/// Where the optimisation's values come from unless a person says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// For runs of up to 50 epochs: AdamW from lr0 0.003, every batch a step, warm-up over a tenth of the steps, cosine per
    /// step. Measured on three data sets, it leaves a student 0.05 to 0.10 mAP50-95 ahead of YOLOv5's in 20 epochs.
    #[default]
    Short,
    /// YOLOv5 v7.0's own: SGD from lr0 0.01, gradients gathered over 64 images, warm-up over 3 epochs and at least 100 steps, a
    /// line per epoch.
    Yolov5,
}

/// The longest run, in epochs, for which [`Recipe::Short`] is meant.
pub const SHORT_EPOCHS: u32 = 50;

impl Recipe {
    pub const ALL: [Self; 2] = [Self::Short, Self::Yolov5];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Yolov5 => "yolov5",
        }
    }

    /// The one for a run of this length; a length in steps counts as short as long as nobody knows the data (see
    /// [`super::plan::usual_recipe`]).
    pub const fn of_length(length: Length) -> Self {
        match length {
            Length::Epochs(epochs) if epochs > SHORT_EPOCHS => Self::Yolov5,
            Length::Epochs(_) | Length::Steps(_) => Self::Short,
        }
    }

    const fn values(self) -> RecipeValues {
        match self {
            Self::Short => RecipeValues {
                optimizer: OptimizerKind::AdamW,
                nominal_batch: 0,
                lr_schedule: LrSchedule::CosinePerStep,
                warmup_share: 0.1,
            },
            Self::Yolov5 => RecipeValues {
                optimizer: OptimizerKind::Sgd,
                nominal_batch: 64,
                lr_schedule: LrSchedule::LinearPerEpoch,
                warmup_share: 0.0,
            },
        }
    }

    pub fn hyp(self) -> Hyperparameters {
        let yolov5 = Hyperparameters::default();
        match self {
            Self::Yolov5 => yolov5,
            Self::Short => Hyperparameters {
                lr0: 0.003,
                weight_decay: 0.02,
                warmup_momentum: yolov5.momentum,
                warmup_bias_lr: 0.0,
                ..yolov5
            },
        }
    }
}

/// What a recipe says beside its hyperparameters; the fields of [`RunConfig`] explain them.
struct RecipeValues {
    optimizer: OptimizerKind,
    nominal_batch: usize,
    lr_schedule: LrSchedule,
    warmup_share: f64,
}

/// Whoever gives this hyperparameter means epochs, and no share of the run's steps.
pub const WARMUP_EPOCHS: &str = "warmup_epochs";

/// How the learning rate falls from `lr0` to `lr0 · lrf`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LrSchedule {
    /// A cosine over the steps.
    #[default]
    CosinePerStep,
    /// YOLOv5's: a line over the epochs, one value an epoch.
    LinearPerEpoch,
    /// YOLOv5's `--cos-lr`.
    CosinePerEpoch,
}

/// What the forward passes compute with. Weights and losses are float32 in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Amp {
    /// bfloat16 on a GPU that has it, float16 on an older one, float32 on the CPU.
    #[default]
    Auto,
    /// float32.
    Off,
    /// float16 with a loss scaler; on a GPU alone.
    Fp16,
    /// bfloat16, which needs no loss scaler.
    Bf16,
}

/// What happens when a loss or a gradient is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum NonFinite {
    /// The run ends and says which term and step; the last good weights are kept.
    #[default]
    Stop,
    /// The step is left out, with a warning.
    Skip,
}

/// The image whose difference maps are kept through time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotConfig {
    pub image: PathBuf,
    /// Steps from one map to the next.
    pub every: u64,
}

impl SnapshotConfig {
    /// Steps from one map to the next, unless told otherwise.
    pub const EVERY: u64 = 25;
}

/// A run. Paths are as given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// The data.yaml.
    pub data: PathBuf,
    /// `None` trains without imitation.
    pub teacher: Option<PathBuf>,
    /// A checkpoint, a model yaml, or the name of a published model (yolov5n …): the latter two start from random
    /// weights.
    pub student: PathBuf,
    /// Draw the student's weights anew although a checkpoint is given.
    pub from_scratch: bool,
    pub length: Length,
    /// Side of the square input, px.
    pub imgsz: u32,
    pub batch: usize,
    /// Gradients are gathered until about so many images have gone through; 0 steps after every batch.
    pub nominal_batch: usize,
    pub seed: u64,
    pub recipe: Recipe,
    pub optimizer: OptimizerKind,
    pub lr_schedule: LrSchedule,
    /// Warm-up as a share of the run's steps; 0 counts `hyp.warmup_epochs`, with the recipe yolov5 at least 100 steps.
    pub warmup_share: f64,
    pub ema: bool,
    /// Layers whose parameters stay as they are (0 freezes `model.0.*`).
    pub freeze: Vec<usize>,
    pub amp: Amp,
    /// Whether a GPU's float32 convolutions may round their factors to 10 bits (TF32): several times faster, 1e-3 off.
    pub tf32: bool,
    /// Tensors in the order [B, H, W, C]; `None` takes what is faster on the device.
    pub channels_last: Option<bool>,
    pub non_finite: NonFinite,
    /// Epochs from one evaluation to the next; the last epoch is always evaluated.
    pub evaluate_every: u32,
    /// Whether student and teacher are evaluated before the first step. Without it nothing says where the student came from,
    /// and a run that ends below its start is not told.
    pub evaluate_start: bool,
    pub snapshot: Option<SnapshotConfig>,
    /// "auto", "cpu", "cuda" or "cuda:N".
    pub device: String,
    /// Cores for libtorch; `None` leaves it its own choice.
    pub threads: Option<u16>,
    /// Threads that make batches.
    pub workers: usize,
    pub imitation: ImitationConfig,
    pub hyp: Hyperparameters,
}

impl Default for RunConfig {
    fn default() -> Self {
        let recipe = Recipe::Short;
        let RecipeValues { optimizer, nominal_batch, lr_schedule, warmup_share } = recipe.values();
        Self {
            data: PathBuf::new(),
            teacher: None,
            student: PathBuf::new(),
            from_scratch: false,
            length: Length::Epochs(20),
            imgsz: 640,
            batch: 16,
            nominal_batch,
            seed: 0,
            recipe,
            optimizer,
            lr_schedule,
            warmup_share,
            ema: true,
            freeze: Vec::new(),
            amp: Amp::Auto,
            tf32: true,
            channels_last: None,
            non_finite: NonFinite::Stop,
            evaluate_every: 1,
            evaluate_start: true,
            snapshot: None,
            device: "auto".to_owned(),
            threads: None,
            workers: Batches::default_workers(),
            imitation: ImitationConfig::default(),
            hyp: recipe.hyp(),
        }
    }
}

/// No model has so many.
const MAX_LAYERS: usize = 10_000;

/// Layers that are named as YOLOv5's `--freeze` names them: one number N means the first N layers, several mean those layers,
/// and `5,` means layer 5 alone. Fails with a sentence on what is no number.
pub fn frozen_layers(text: &str) -> Result<Vec<usize>, String> {
    let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
    let number = |part: &str| {
        let layer = part.parse().ok().filter(|layer| *layer < MAX_LAYERS);
        layer.ok_or_else(|| format!("'{part}' is no number of a layer"))
    };
    let numbers = parts.map(number).collect::<Result<Vec<usize>, _>>()?;
    Ok(match numbers.as_slice() {
        [first] if !text.contains(',') => (0..*first).collect(),
        _ => numbers,
    })
}

/// The inverse of [`frozen_layers`].
pub fn frozen_text(layers: &[usize]) -> String {
    match layers {
        [only] if *only > 0 => format!("{only},"),
        _ if layers.iter().enumerate().all(|(at, layer)| at == *layer) && !layers.is_empty() => {
            layers.len().to_string()
        }
        _ => layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}

/// What a run's student is before its first step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    Checkpoint(PathBuf),
    /// Weights drawn at random: a model without an opinion.
    Random,
}

impl Experiment {
    /// With paths that mean the same from every folder, so that what is written down can be gone on with from anywhere.
    #[must_use]
    pub fn with_whole_paths(mut self) -> Self {
        let RunConfig { data, teacher, student, snapshot, .. } = &mut self.config;
        let paths =
            [data, student].into_iter().chain(teacher).chain(snapshot.as_mut().map(|snapshot| &mut snapshot.image));
        // What is not there stays as it was given: for the error that names it, and since a student may be a model's name.
        for path in paths.filter(|path| path.exists()) {
            if let Ok(whole) = std::path::absolute(&*path) {
                *path = whole;
            }
        }
        self
    }

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
    pub fn start(&self) -> Start {
        // What is no checkpoint is a yaml, or a published model's name.
        let extension = self.student.extension().map(|extension| extension.to_ascii_lowercase());
        match extension {
            Some(extension) if !self.from_scratch && extension != "yaml" && extension != "yml" => {
                Start::Checkpoint(self.student.clone())
            }
            _ => Start::Random,
        }
    }

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

    /// The optimisation as another recipe has it. What differs from the present recipe is somebody's choice and stays.
    #[must_use]
    pub fn with_recipe(mut self, recipe: Recipe) -> Self {
        fn follow<T: PartialEq>(value: &mut T, from: T, to: T) {
            if *value == from {
                *value = to;
            }
        }
        let (from, to) = (self.recipe.values(), recipe.values());
        follow(&mut self.optimizer, from.optimizer, to.optimizer);
        follow(&mut self.nominal_batch, from.nominal_batch, to.nominal_batch);
        follow(&mut self.lr_schedule, from.lr_schedule, to.lr_schedule);
        follow(&mut self.warmup_share, from.warmup_share, to.warmup_share);
        let (hyp, from, to) = (&mut self.hyp, self.recipe.hyp(), recipe.hyp());
        follow(&mut hyp.lr0, from.lr0, to.lr0);
        follow(&mut hyp.lrf, from.lrf, to.lrf);
        follow(&mut hyp.momentum, from.momentum, to.momentum);
        follow(&mut hyp.weight_decay, from.weight_decay, to.weight_decay);
        follow(&mut hyp.warmup_epochs, from.warmup_epochs, to.warmup_epochs);
        follow(&mut hyp.warmup_momentum, from.warmup_momentum, to.warmup_momentum);
        follow(&mut hyp.warmup_bias_lr, from.warmup_bias_lr, to.warmup_bias_lr);
        self.recipe = recipe;
        self
    }

    /// Takes the values of a `hyp.*.yaml` over.
    pub fn take_hyp(&mut self, file: HypFile) {
        if file.names.iter().any(|name| name == WARMUP_EPOCHS) {
            self.warmup_share = 0.0;
        }
        self.hyp = file.hyp;
    }

    /// Images over which gradients are gathered.
    pub const fn nominal(&self) -> usize {
        if self.nominal_batch == 0 { self.batch } else { self.nominal_batch }
    }

    /// The gradient ratio that is kept, or the usual one where λ is fixed.
    pub fn gradient_ratio(&self) -> f64 {
        match self.imitation.lambda {
            Lambda::GradientRatio(ratio) if ratio > 0.0 => ratio,
            _ => GRADIENT_RATIO,
        }
    }

    /// How the batches of the run are made. `input`: what both models take; decoded images are kept up to `cache_bytes`.
    pub fn batch_options(&self, input: Size, cache_bytes: u64) -> BatchOptions {
        BatchOptions {
            input,
            batch: self.batch,
            augmentation: self.hyp.augmentation(),
            seed: self.seed,
            workers: self.workers.max(1),
            cache_bytes,
        }
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

/// A run and its baselines: for each seed the imitation and, beside it, the same without (λ = 0).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    pub config: RunConfig,
    /// The folder that everything goes into.
    pub out: PathBuf,
    /// Also run λ = 0.
    pub paired: bool,
    /// Seeds, from `config.seed` upward.
    pub seeds: u32,
    /// Go on with what lies in `out`: of what is asked for here, only more `seeds` than it has, and `paired` where it is not,
    /// are added; 0 seeds are those that it has.
    pub resume: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_of_the_first_version_keeps_its_loss() {
        let read = |text: &str| RunConfig::parse(text).expect("a config").imitation;
        let head = read("[imitation]\ntap = \"head\"\n[imitation.lambda]\ngradient-ratio = 5.0\n");
        assert_eq!((head.loss, head.mask_source, head.tap), (Loss::LOGITS, MaskSource::Iou, Tap::Head));
        assert_eq!(head.lambda, Lambda::GradientRatio(5.0));
        let neck = read("[imitation]\ntap = \"neck\"\n");
        assert_eq!((neck.loss, neck.tap), (Loss::FEATURES, Tap::Neck));
        // Its recipe was YOLOv5's, and its explicit values stand.
        let first = RunConfig::parse("cos_lr = true\nnominal_batch = 16\noptimizer = \"sgd\"\n").expect("a config");
        assert_eq!((first.recipe, first.lr_schedule), (Recipe::Yolov5, LrSchedule::CosinePerEpoch));
        assert_eq!((first.nominal_batch, first.warmup_share), (16, 0.0));
        // One that names its loss, and one that says nothing of imitation.
        assert_eq!(read("[imitation]\nloss = \"answers\"\n").loss, Loss::ANSWERS);
        assert_eq!(read("seed = 3\n"), ImitationConfig::default());
        assert!(RunConfig::parse("[imitation]\nloss = \"mse\"\n").is_err());
        assert!(!names_its_loss("[imitation]\npsi = 0.5\n") && names_its_loss("seed = 3\n"));
        // What is written is read back.
        for loss in Loss::ALL {
            let config = RunConfig { imitation: ImitationConfig::of(loss), ..RunConfig::default() };
            assert_eq!(RunConfig::parse(&toml::to_string(&config).expect("a text")).expect("a config"), config);
        }
    }

    #[test]
    fn recipes_are_the_methods() {
        let short = RunConfig::default();
        assert_eq!(short, RunConfig::default().with_recipe(Recipe::Short));
        let hyp = &short.hyp;
        assert_eq!((hyp.lr0, hyp.lrf, hyp.weight_decay, hyp.momentum), (0.003, 0.01, 0.02, 0.937));
        assert_eq!((short.optimizer, short.nominal_batch, short.warmup_share), (OptimizerKind::AdamW, 0, 0.1));
        let long = RunConfig { batch: 8, seed: 4, ..short }.with_recipe(Recipe::Yolov5);
        assert_eq!((long.optimizer, long.nominal_batch, long.batch, long.seed), (OptimizerKind::Sgd, 64, 8, 4));
        assert_eq!((long.hyp.lr0, long.hyp.weight_decay, long.hyp.warmup_bias_lr), (0.01, 0.0005, 0.1));
        assert_eq!((long.lr_schedule, long.warmup_share), (LrSchedule::LinearPerEpoch, 0.0));
        assert_eq!(long.hyp, Hyperparameters::default());
        assert_eq!(long.clone().with_recipe(Recipe::Short), RunConfig { batch: 8, seed: 4, ..RunConfig::default() });
        // Chosen values stay, among them those that no recipe speaks of.
        let mut chosen = RunConfig { optimizer: OptimizerKind::Adam, nominal_batch: 32, ..RunConfig::default() };
        (chosen.hyp.lr0, chosen.hyp.mosaic) = (0.002, 0.5);
        let chosen = chosen.with_recipe(Recipe::Yolov5);
        assert_eq!((chosen.optimizer, chosen.nominal_batch), (OptimizerKind::Adam, 32));
        assert_eq!((chosen.hyp.lr0, chosen.hyp.mosaic, chosen.hyp.weight_decay), (0.002, 0.5, 0.0005));
        let of = Recipe::of_length;
        assert_eq!([of(Length::Epochs(50)), of(Length::Epochs(51))], Recipe::ALL);
        assert_eq!(of(Length::Steps(100_000)), Recipe::Short);
    }

    #[test]
    fn what_a_file_leaves_open_is_its_recipes() {
        let read = |text: &str| RunConfig::parse(text).expect("a config");
        let of = |recipe| RunConfig::default().with_recipe(recipe);
        assert_eq!(read("recipe = \"yolov5\""), of(Recipe::Yolov5));
        assert_eq!(read("recipe = \"short\"\n[hyp]\nmosaic = 0.5").hyp.lr0, 0.003);
        assert_eq!(read("[length]\nepochs = 51").recipe, Recipe::Yolov5);
        assert_eq!(read("[length]\nepochs = 51").hyp, of(Recipe::Yolov5).hyp);
        assert_eq!(read(""), RunConfig::default());
        // Explicit values win, and whoever counts in epochs means epochs.
        let own = read("recipe = \"short\"\nnominal_batch = 32\n[hyp]\nlr0 = 0.001\nwarmup_epochs = 2.0\n");
        assert_eq!((own.nominal_batch, own.hyp.lr0, own.hyp.weight_decay), (32, 0.001, 0.02));
        assert_eq!((own.warmup_share, own.optimizer), (0.0, OptimizerKind::AdamW));
        // What version 0.1.0 had where a file of its own did not say.
        let first = read("cos_lr = false\n");
        assert_eq!((first.optimizer, first.nominal_batch), (OptimizerKind::Sgd, 16));
        assert_eq!((first.hyp, first.recipe), (Hyperparameters::default(), Recipe::Yolov5));
        let experiment =
            Experiment { config: of(Recipe::Yolov5), out: "out".into(), paired: true, seeds: 2, resume: false };
        let text = toml::to_string(&experiment).expect("a text");
        assert_eq!(Experiment::parse(&text).expect("a campaign"), experiment);
        let error = RunConfig::parse("seed = 1\nrecipe = \"quick\"\n").expect_err("no such recipe").to_string();
        assert!(error.contains("line 2") && error.contains("quick"), "{error}");
    }

    #[test]
    fn layers_are_frozen_as_yolov5_freezes_them() {
        assert_eq!(frozen_layers("3"), Ok(vec![0, 1, 2]));
        assert_eq!((frozen_layers("0"), frozen_layers("")), (Ok(vec![]), Ok(vec![])));
        assert_eq!((frozen_layers("0,4, 7"), frozen_layers("0 4 7")), (Ok(vec![0, 4, 7]), Ok(vec![0, 4, 7])));
        assert_eq!(frozen_layers("5,"), Ok(vec![5]));
        assert!(["model.3", "-1", "99999999999"].iter().all(|text| frozen_layers(text).is_err()));
        for (layers, text) in [(vec![], ""), (vec![0], "1"), (vec![0, 1, 2], "3"), (vec![5], "5,"), (vec![0, 4], "0 4")]
        {
            assert_eq!((frozen_text(&layers).as_str(), frozen_layers(text)), (text, Ok(layers)));
        }
    }

    #[test]
    fn a_run_starts_from_a_checkpoint_or_from_nothing() {
        let start = |student: &str, from_scratch| {
            RunConfig { student: student.into(), from_scratch, ..RunConfig::default() }.start()
        };
        assert_eq!(start("runs/v1.0/s.pt", false), Start::Checkpoint("runs/v1.0/s.pt".into()));
        assert_eq!(start("s.safetensors", false), Start::Checkpoint("s.safetensors".into()));
        for (student, from_scratch) in [("s.pt", true), ("yolov5n", false), ("models/yolov5n.yaml", false), ("", false)]
        {
            assert_eq!(start(student, from_scratch), Start::Random, "{student}");
        }
    }
}
