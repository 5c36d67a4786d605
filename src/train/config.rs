//! What a run is asked to do. It is what `config.toml` in a run's folder says, whole, so that the folder alone
//! repeats the run. Its options stand in two tables here and one in `hyperparameters`, a line an option ([`option`]);
//! `fields` goes through all of them.

mod fields;
mod file;
mod hyperparameters;
pub mod option;
mod values;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::dataset::{BatchOptions, Batches};
use crate::geometry::Size;
use crate::glossary::Term;
pub use crate::imitation::lambda::{Decay, Lambda, Norm};
use crate::imitation::loss::{Loss, MaskChoice, MaskSource, Reads};
use crate::imitation::mask::{IouConvention, LevelRule, Psi};
use crate::inspect::{AdapterChoice, CompareRequest, ImitationChoice, Tap};
use crate::story::{Line, say};
use option::{About, CliOption, Part, Place, Range, Setting, Spec, options};

pub use fields::{Field, Origin, Problem};
pub use file::names_its_loss;
pub use hyperparameters::Hyperparameters;
pub use values::{
    AdapterStart, Amp, Length, LrSchedule, NonFinite, OptimizerKind, Recipe, SHORT_EPOCHS, SnapshotConfig,
    frozen_layers, frozen_text,
};

options! {
    /// The imitation.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct ImitationConfig by loss: Loss, at config => config.imitation, in Part::Imitation;

    loss: Loss = loss, "Imitation", "What the student imitates; tap, mask and λ become those that belong to it.",
        { option: CliOption::Named("imitation"), unit: "LOSS",
          cli: "What is imitated [default: answers; correlation where the heads of both models cannot be compared]" };
    mask_source: MaskSource = loss.defaults().mask_source,
        "Mask source", "Which cells count in the imitation, and how much.",
        { unit: "SOURCE", cli: "Which cells count: iou, teacher, box or none [default: the loss's own]" };
    /// The weight of the imitation loss.
    lambda: Lambda = loss.defaults().lambda;
    warmup_steps: u64 = 0, "λ warm-up", "lambda grows from 0 over so many steps.",
        { term: Some(Term::LambdaWarmUp), option: CliOption::Named("lambda-warmup"), unit: "STEPS" };
    decay: Decay = loss.defaults().decay, "λ decay", "How λ fades to 0 until the end, or until the stop step.",
        { option: CliOption::Named("lambda-decay"), unit: "DECAY", cli: "How lambda fades towards the end" };
    stop_step: Option<u64> = None, "Stop step", "From this step on the imitation has no weight.",
        { option: CliOption::Named("lambda-stop"), unit: "STEP", first: 1000.0, cli: "From this step on lambda is 0" };
    psi: f32 = Psi::default().get(),
        "ψ", "A cell is imitated where an anchor's IoU exceeds psi times the ground truth's best; 0..1.",
        { range: Range::SHARE, term: Some(Term::Psi) };
    level_rule: LevelRule = ImitationChoice::of(loss).mask.rule,
        "Level rule", "Which best: per-scale, global or assigned.", { term: Some(Term::LevelRule), unit: "RULE", says_values: true };
    iou: IouConvention = ImitationChoice::of(loss).mask.convention,
        "IoU", "exact or seed, as in inspect.", { term: Some(Term::IouConvention), unit: "CONVENTION", says_values: true };
    tap: Tap = ImitationChoice::of(loss).compared.tap, "Tap", "Where features and correlation take their features: neck or backbone.",
        { term: Some(Term::Tap), of_features: true };
    norm: Norm = Norm::PerScale,
        "Norm", "Which number of cells divides the sum: each scale's own, or that of all scales.",
        { cli: "Which number of cells divides the loss" };
    adapter_kernel: u32 = 1, "Adapter's kernel", "Side of the convolution that maps student to teacher channels.",
        { of_features: true, unit: "SIDE", cli: "Side of the adapters' kernels: 1 or 3" };
    adapter_start: AdapterStart = AdapterStart::LeastSquares { images: 64 },
        "Adapter starts", "From the ridge fit over so many training images, or at random.",
        { of_features: true, unit: "START",
          cli: "Where the adapters start: least-squares, least-squares:IMAGES, or random" };
    adapter_lr: f64 = 1.0, "Adapter's rate", "The adapters' learning rate as a multiple of the student's.",
        { of_features: true, unit: "FACTOR", range: Range::NOT_NEGATIVE };
    normalise: bool = false, "Normalise", "Divide features by the teacher's standard deviation per channel.",
        { of_features: true, unit: "BOOL" };
}

/// ‖λ ∇imitation‖ / ‖∇detection‖ unless asked otherwise.
pub const GRADIENT_RATIO: f64 = 0.5;

impl Default for ImitationConfig {
    fn default() -> Self {
        Self::of(Loss::default())
    }
}

impl ImitationConfig {
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

    /// Whether λ is 0 in every step.
    pub fn is_idle(&self) -> bool {
        matches!(self.lambda, Lambda::Fixed(0.0) | Lambda::GradientRatio(0.0)) || self.stop_step == Some(0)
    }

    /// Why a run would imitate nothing although it has a teacher.
    pub fn idleness(&self) -> Option<Line> {
        self.is_idle().then(|| {
            say!("lambda is 0 in every step, so nothing would be imitated; give a lambda above 0, or leave the teacher out")
        })
    }

    /// What cannot be together, in one sentence.
    pub fn contradiction(&self) -> Option<Line> {
        let (loss, tap) = (self.loss.name(), Line::word(self.tap.name()));
        match (self.loss.reads(), self.tap) {
            (Reads::Head, Tap::Neck | Tap::Backbone) => Some(say!(
                "the imitation loss {loss} compares heads, not the {tap}; features and correlation compare it",
                loss = loss,
                tap = tap
            )),
            (Reads::Features, Tap::Head) => Some(say!(
                "the imitation loss {loss} compares neck or backbone, not the head; answers and logits do",
                loss = loss
            )),
            _ => None,
        }
    }
}

options! {
    /// A run. Paths are as given.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct RunConfig by recipe: Recipe, at config => *config, in Part::Run;

    data: PathBuf = PathBuf::new(), "Data", "A YOLO data.yaml with train and val.",
        { option: CliOption::Apart, place: Place::Essential, free: true };
    /// `None` trains without imitation.
    teacher: Option<PathBuf> = None, "Teacher", "Whose features are imitated; without one the student trains alone.",
        { option: CliOption::Apart, place: Place::Essential, free: true };
    /// A checkpoint, a model yaml, or the name of a published model (yolov5n …): the latter two start from random
    /// weights.
    student: PathBuf = PathBuf::new(),
        "Student", "What is trained: a checkpoint, or a model yaml to start from nothing.",
        { option: CliOption::Apart, place: Place::Essential, free: true };
    from_scratch: bool = false,
        "From scratch", "Draw the student's weights anew although a checkpoint is given.",
        { option: CliOption::Flag("from-scratch") };
    length: Length = Length::Epochs(20);
    imgsz: u32 = 640, "Image size", "Side of the square input in px.",
        { range: Range::of(32.0, 8192.0), unit: "PX", place: Place::Essential };
    batch: usize = 16, "Batch size", "The images that a step learns from.",
        { range: Range::of(1.0, 4096.0), option: CliOption::Apart, place: Place::Essential, term: Some(Term::Batch) };
    nominal_batch: usize = recipe.either(0, 64), "Nominal batch",
        "Gradients are gathered over about so many images before the optimizer steps; 0 steps after every batch.",
        { unit: "N", term: Some(Term::NominalBatch) };
    seed: u64 = 0, "Seed", "What every random draw follows from.", { term: Some(Term::Seed) };
    recipe: Recipe = recipe, "Recipe",
        "short: AdamW, a cosine per step, for up to 50 epochs. yolov5: as YOLOv5 trains. A choice fills in what nobody has changed below.",
        { cli: "Where the optimisation's values come from: short (AdamW, a cosine per step) or yolov5 (YOLOv5 v7.0 to the letter: SGD, a nominal batch of 64). --hyp, --set and other options win [default: short up to 50 epochs, yolov5 beyond]" };
    optimizer: OptimizerKind = recipe.either(OptimizerKind::AdamW, OptimizerKind::Sgd),
        "Optimizer", "SGD has Nesterov's momentum.", { cli: "The optimizer" };
    lr_schedule: LrSchedule = recipe.either(LrSchedule::CosinePerStep, LrSchedule::LinearPerEpoch),
        "Decay", "How the learning rate falls: along a cosine or a line, per step or per epoch.",
        { unit: "SCHEDULE", cli: "How the learning rate falls" };
    warmup_share: f64 = recipe.either(0.1, 0.0),
        "Warm-up", "Warm-up as a share of the run's steps; 0 counts warmup_epochs.",
        { unit: "SHARE", range: Range::SHARE };
    ema: bool = true, "Averaged weights", "Evaluate and save an exponential moving average of the weights.",
        { option: CliOption::Flag("no-ema"), term: Some(Term::Averaged),
          cli: "Keep the raw weights instead of their moving average" };
    freeze: Vec<usize> = Vec::new(), "Frozen layers",
        "Layers whose parameters stay as they are: N for the first N layers (10 is the backbone), 0,1,2 for these.",
        { unit: "LAYERS" };
    amp: Amp = Amp::Auto, "Precision",
        "What the forward passes compute with: auto is bf16 on a GPU that has it, fp16 with a loss scaler on an older one, off on the CPU; off is float32.",
        { cli: "What the forward passes compute with [default: auto]" };
    tf32: bool = true,
        "TF32", "Let a GPU's float32 convolutions use TF32 while it trains: faster, 1e-3 off.",
        { unit: "BOOL", says_default: true };
    /// Tensors in the order [B, H, W, C]; `None` takes what is faster on the device.
    channels_last: Option<bool> = None,
        "Channels last", "Order of tensors in memory: faster on some devices, the same numbers.",
        { unit: "BOOL", place: Place::Machine, free: true, cli: "Keep channels last in memory [default: true]" };
    non_finite: NonFinite = NonFinite::Stop,
        "If not finite", "Stop with the last good weights, or skip the step with a warning.",
        { free: true, cli: "What to do when a loss is not finite" };
    evaluate_every: u32 = 1,
        "Evaluate every", "Epochs from one evaluation to the next; the last is always evaluated.",
        { unit: "EPOCHS", range: Range::AT_LEAST_ONE, free: true, cli: "Epochs from one evaluation to the next" };
    /// Without it nothing says where the student came from, and a run that ends below its start goes unsaid.
    evaluate_start: bool = true,
        "Evaluate the start", "Evaluate student and teacher before the first step.",
        { unit: "BOOL", says_default: true, free: true };
    snapshot: Option<SnapshotConfig> = None,
        "Snapshots", "Steps from one difference map of the open image to the next.",
        { unit: "IMAGE[:EVERY]", place: Place::Machine, free: true,
          cli: "Keep the difference maps of this image every 25 or EVERY steps, and record a replay with them" };
    /// "auto", "cpu", "cuda" or "cuda:N".
    device: String = "auto".to_owned(), "Device", "Where the run computes.",
        { option: CliOption::Apart, place: Place::Machine, free: true };
    threads: Option<u16> = None, "Threads", "Cores for libtorch; off leaves it its own choice.",
        { unit: "N", range: Range::of(1.0, 256.0), place: Place::Machine, free: true,
          cli: "Cores that libtorch may use on the CPU [default: all]" };
    workers: usize = Batches::default_workers(),
        "Loader threads", "Threads that make batches; the result does not depend on them.",
        { unit: "N", range: Range::of(0.0, 256.0), place: Place::Machine, free: true,
          cli: "Threads that make batches; they change no batch [default: all cores but one, at most 16]" };
    imitation: ImitationConfig = ImitationConfig::default();
    hyp: Hyperparameters = Hyperparameters::of(recipe);
}

impl Default for RunConfig {
    fn default() -> Self {
        Self::of(Recipe::default())
    }
}

/// Whoever gives this hyperparameter means epochs, and no share of the run's steps.
pub const WARMUP_EPOCHS: &str = "warmup_epochs";

/// What a run's student is before its first step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    Checkpoint(PathBuf),
    /// Weights drawn at random: a model without an opinion.
    Random,
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

    /// The optimisation as another recipe has it. What differs from the present recipe is somebody's choice and stays.
    #[must_use]
    pub fn with_recipe(mut self, recipe: Recipe) -> Self {
        let (from, to) = (Self::of(self.recipe), Self::of(recipe));
        for field in Self::fields() {
            if (field.same)(&self, &from) {
                (field.copy)(&mut self, &to);
            }
        }
        self.recipe = recipe;
        self
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
