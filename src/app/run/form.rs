//! The set-up of a run: filled from what is open until a person says otherwise, and why it cannot start.

use std::path::{Path, PathBuf};

use crate::imitation::choice::{Mismatch, Reads};
use crate::imitation::mask::Psi;
use crate::inspect::{AdapterChoice, ImitationChoice};
use crate::language::{t, tr};
use crate::train::config::{
    AdapterStart, Experiment, ImitationConfig, Lambda, Length, Norm, Recipe, RunConfig, SnapshotConfig,
};

const SEEDS: u32 = 3;

/// What is open in the window, as far as a run can take it over.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenThings {
    pub data: PathBuf,
    pub teacher: Option<PathBuf>,
    pub student: PathBuf,
    pub image: Option<PathBuf>,
    /// px
    pub imgsz: u32,
    pub device: String,
    /// What the picture shows.
    pub imitation: ImitationChoice,
}

/// Nothing is open.
impl Default for OpenThings {
    fn default() -> Self {
        let RunConfig { data, teacher, student, imgsz, device, imitation, .. } = RunConfig::default();
        Self { data, teacher, student, image: None, imgsz, device, imitation: imitation.choice() }
    }
}

/// The fields that a person has set: they no longer follow what is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Own {
    data: bool,
    teacher: bool,
    student: bool,
    imgsz: bool,
    device: bool,
    loss: bool,
    mask_source: bool,
    psi: bool,
    rule: bool,
    iou: bool,
    tap: bool,
    snapshot: bool,
    recipe: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    pub experiment: Experiment,
    own: Own,
    /// What the picture shows, and at which input size.
    shown: (ImitationChoice, u32),
    /// Why the loss cannot compare the two models of the run, as far as they are known.
    pub refusal: Option<Mismatch>,
}

impl Default for Form {
    fn default() -> Self {
        let config = RunConfig::default();
        let shown = (config.imitation.choice(), config.imgsz);
        let experiment = Experiment { config, out: PathBuf::new(), paired: false, seeds: 1, resume: false };
        Self { experiment, own: Own::default(), shown, refusal: None }
    }
}

/// Something in which the next run is not what the picture shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    pub field: String,
    pub shown: String,
    pub run: String,
}

/// Where in the form something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Data,
    Teacher,
    Student,
    Length,
    ImageSize,
    Batch,
    Weight,
    Pairs,
    Out,
    Imitation,
    Optimisation,
    Hyperparameters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    pub field: Field,
    pub why: &'static str,
}

impl Form {
    /// Takes over what is open, but for what a person has set.
    pub fn follow(&mut self, open: &OpenThings) {
        self.shown = (open.imitation.clone(), open.imgsz);
        let config = &mut self.experiment.config;
        let ImitationChoice { compared, mask } = &open.imitation;
        if !self.own.loss && config.imitation.loss != compared.loss {
            config.imitation = std::mem::take(&mut config.imitation).with_loss(compared.loss);
            // What was set for the loss before is not meant for this one.
            (self.own.mask_source, self.own.tap) = (false, false);
        }
        let own = self.own;
        let imitation = &mut config.imitation;
        keep(own.data, &mut config.data, &open.data);
        keep(own.teacher, &mut config.teacher, &open.teacher);
        keep(own.student, &mut config.student, &open.student);
        keep(own.imgsz, &mut config.imgsz, &open.imgsz);
        keep(own.device, &mut config.device, &open.device);
        // Tap and mask source belong to a loss.
        keep(own.loss || own.mask_source, &mut imitation.mask_source, &mask.source);
        keep(own.loss || own.tap, &mut imitation.tap, &compared.tap);
        keep(own.psi, &mut imitation.psi, &mask.psi.get());
        keep(own.rule, &mut imitation.level_rule, &mask.rule);
        keep(own.iou, &mut imitation.iou, &mask.convention);
        if !own.snapshot {
            config.snapshot = open.image.clone().map(|image| SnapshotConfig { image, every: SnapshotConfig::EVERY });
        }
    }

    /// Takes over what a person has changed; those fields follow nothing from now on.
    pub fn edit(&mut self, experiment: Experiment) {
        let (was, is) = (&self.experiment.config, &experiment.config);
        let own = &mut self.own;
        own.data |= was.data != is.data;
        own.teacher |= was.teacher != is.teacher;
        own.student |= was.student != is.student;
        own.imgsz |= was.imgsz != is.imgsz;
        own.device |= was.device != is.device;
        own.loss |= was.imitation.loss != is.imitation.loss;
        own.mask_source |= was.imitation.mask_source != is.imitation.mask_source;
        own.psi |= was.imitation.psi != is.imitation.psi;
        own.rule |= was.imitation.level_rule != is.imitation.level_rule;
        own.iou |= was.imitation.iou != is.imitation.iou;
        own.tap |= was.imitation.tap != is.imitation.tap;
        own.snapshot |= was.snapshot != is.snapshot;
        own.recipe |= was.recipe != is.recipe;
        let follows_length = !own.recipe && was.length != is.length;
        // Whoever sets epochs of warm-up means epochs, and no share of the steps.
        let in_epochs = was.recipe == is.recipe
            && was.hyp.warmup_epochs != is.hyp.warmup_epochs
            && was.warmup_share == is.warmup_share;
        let was_paired = std::mem::replace(&mut self.experiment, experiment).paired;
        let config = &mut self.experiment.config;
        if in_epochs {
            config.warmup_share = 0.0;
        }
        // How many epochs so many steps are is known once the data are read; until then they change no recipe.
        if let (true, Length::Epochs(_)) = (follows_length, config.length) {
            let recipe = Recipe::of_length(config.length);
            *config = std::mem::take(config).with_recipe(recipe);
        }
        // One pair says little: a difference needs a spread.
        if self.experiment.paired && !was_paired && self.experiment.seeds == 1 {
            self.experiment.seeds = SEEDS;
        }
        if !self.experiment.paired && was_paired {
            self.experiment.seeds = 1;
        }
    }

    /// Takes over a whole configuration as a person's own choice: nothing of it follows what is open, or its length.
    pub fn take(&mut self, config: RunConfig) {
        self.own = Own {
            data: true,
            teacher: true,
            student: true,
            imgsz: true,
            device: true,
            loss: true,
            mask_source: true,
            psi: true,
            rule: true,
            iou: true,
            tap: true,
            snapshot: self.own.snapshot,
            recipe: true,
        };
        self.experiment.config = config;
    }

    /// Everything in which the next run is not what the picture shows; nothing where it trains without imitation.
    pub fn departures(&self) -> Vec<Departure> {
        let config = &self.experiment.config;
        let (ImitationChoice { compared, mask }, imgsz) = &self.shown;
        let imitation = &config.imitation;
        if config.teacher.is_none() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut differ = |field: &str, shown: &str, run: &str| {
            if shown != run {
                found.push(Departure { field: field.to_owned(), shown: shown.to_owned(), run: run.to_owned() });
            }
        };
        differ(t!("loss"), compared.loss.name(), imitation.loss.name());
        differ(t!("mask source"), tr(mask.source.name()), tr(imitation.mask_source.name()));
        differ("ψ", &mask.psi.to_string(), &Psi::saturating(imitation.psi).to_string());
        differ(t!("level rule"), tr(mask.rule.name()), tr(imitation.level_rule.name()));
        differ("IoU", mask.convention.name(), imitation.iou.name());
        differ(t!("tap"), tr(compared.tap.name()), tr(imitation.tap.name()));
        if imitation.loss.reads() == Reads::Features {
            let of_picture = match compared.adapter {
                AdapterChoice::LeastSquares => t!("least squares"),
                AdapterChoice::None => t!("none"),
                AdapterChoice::Run(_) => t!("of a run"),
            };
            let of_run = match imitation.adapter_start {
                AdapterStart::LeastSquares { .. } => t!("least squares"),
                AdapterStart::Random => t!("random"),
            };
            differ(t!("adapter"), of_picture, of_run);
            differ(t!("normalise"), t!("off"), if imitation.normalise { t!("on") } else { t!("off") });
        }
        differ(
            t!("norm"),
            t!("per scale"),
            if imitation.norm == Norm::PerScale { t!("per scale") } else { t!("all scales") },
        );
        differ(t!("input size"), &format!("{imgsz} px"), &format!("{} px", config.imgsz));
        found
    }

    /// Whether some of what departs would follow the picture if it were let.
    pub fn can_follow(&self) -> bool {
        let Self { own, experiment, .. } = self;
        let imitation = &experiment.config.imitation;
        let set = own.loss || own.mask_source || own.psi || own.rule || own.iou || own.tap || own.imgsz;
        set || imitation.norm != Norm::PerScale
            || imitation.normalise
            || imitation.adapter_start == AdapterStart::Random
    }

    /// The run imitates what the picture shows again, from the next [`Self::follow`] on.
    pub fn follow_picture(&mut self) {
        let Own { data, teacher, student, device, snapshot, recipe, .. } = self.own;
        self.own = Own { data, teacher, student, device, snapshot, recipe, ..Own::default() };
        let imitation = &mut self.experiment.config.imitation;
        let ImitationConfig { norm, normalise, adapter_start, .. } = ImitationConfig::of(imitation.loss);
        (imitation.norm, imitation.normalise, imitation.adapter_start) = (norm, normalise, adapter_start);
    }

    /// Everything that stands in the way of a start, the first field first.
    pub fn problems(&self) -> Vec<Problem> {
        let Experiment { config, out, paired, seeds, .. } = &self.experiment;
        let imitation = &config.imitation;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let weight = match imitation.lambda {
            Lambda::Fixed(lambda) => (lambda.is_finite() && lambda >= 0.0, t!("λ is a number not below 0.")),
            Lambda::GradientRatio(ratio) => (positive(ratio), t!("The gradient ratio is a number above 0.")),
        };
        let long = match config.length {
            Length::Epochs(epochs) => epochs > 0,
            Length::Steps(steps) => steps > 0,
        };
        let empty = |path: &Path| path.as_os_str().is_empty();
        let is_yaml = config.data.extension().is_some_and(|e| e == "yaml" || e == "yml");
        let checks = [
            (Field::Data, !empty(&config.data), t!("Open a dataset (data.yaml), or choose one here.")),
            (Field::Data, is_yaml || empty(&config.data), t!("A run needs a data.yaml, which says what to train on.")),
            (
                Field::Teacher,
                !paired || config.teacher.is_some(),
                t!("Paired runs compare with and without a teacher."),
            ),
            (Field::Student, !empty(&config.student), t!("Open a student, or choose one here.")),
            (Field::Length, long, t!("A run has at least one step.")),
            (Field::ImageSize, (32..=4096).contains(&config.imgsz), t!("The image size is 32 to 4096 px.")),
            (Field::ImageSize, config.imgsz.is_multiple_of(32), t!("The image size is a multiple of 32 px.")),
            (Field::Batch, config.batch > 0, t!("A batch has at least one image.")),
            (Field::Weight, weight.0, weight.1),
            (Field::Pairs, *seeds > 0, t!("At least one seed is needed.")),
            (Field::Out, !empty(out), t!("Choose a folder for the results.")),
            (Field::Imitation, (0.0..=1.0).contains(&imitation.psi), t!("ψ lies between 0 and 1.")),
            (
                Field::Imitation,
                imitation.contradiction().is_none(),
                t!("The imitation does not compare what this tap gives."),
            ),
            (
                Field::Imitation,
                config.teacher.is_none() || self.refusal.is_none(),
                t!("The imitation loss cannot compare the heads of these two models; take one that reads the neck."),
            ),
            (Field::Imitation, matches!(imitation.adapter_kernel, 1 | 3), t!("The adapter's kernel is 1 or 3.")),
            (Field::Imitation, positive(imitation.adapter_lr), t!("The adapters' learning rate is above 0.")),
            (Field::Optimisation, config.evaluate_every > 0, t!("Evaluate every epoch or less often.")),
            (Field::Hyperparameters, config.hyp.check().is_ok(), t!("A hyperparameter is out of its range.")),
        ];
        checks.into_iter().filter(|(_, holds, _)| !holds).map(|(field, _, why)| Problem { field, why }).collect()
    }
}

fn keep<T: Clone + PartialEq>(own: bool, field: &mut T, open: &T) {
    if !own && field != open {
        *field = open.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imitation::choice::{Loss, MaskSource};
    use crate::imitation::mask::LevelRule;
    use crate::inspect::Tap;

    fn open() -> OpenThings {
        let mut imitation = ImitationChoice::default();
        imitation.mask.psi = Psi::saturating(0.7);
        OpenThings {
            data: "d/data.yaml".into(),
            teacher: Some("l.pt".into()),
            student: "s.pt".into(),
            image: Some("a.jpg".into()),
            imgsz: 320,
            device: "cpu".into(),
            imitation,
        }
    }

    fn whys(form: &Form) -> Vec<Field> {
        form.problems().into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn what_is_open_fills_the_form() {
        let mut form = Form::default();
        assert_eq!(whys(&form), [Field::Data, Field::Student, Field::Out]);
        form.follow(&open());
        let config = &form.experiment.config;
        assert_eq!(
            (config.imgsz, config.imitation.psi, config.teacher.as_deref()),
            (320, 0.7, Some(Path::new("l.pt")))
        );
        let snapshot = SnapshotConfig { image: "a.jpg".into(), every: 25 };
        assert_eq!(config.snapshot, Some(snapshot));
        assert_eq!(whys(&form), [Field::Out]);
    }

    #[test]
    fn what_a_person_set_stays() {
        let mut form = Form::default();
        form.follow(&open());
        let mut experiment = form.experiment.clone();
        experiment.config.teacher = None;
        experiment.config.imgsz = 640;
        form.edit(experiment);
        form.follow(&OpenThings { student: "other.pt".into(), ..open() });
        let config = &form.experiment.config;
        assert_eq!((config.imgsz, &config.teacher, &*config.student), (640, &None, Path::new("other.pt")));
    }

    fn edit(form: &mut Form, change: &dyn Fn(&mut ImitationConfig)) {
        let mut experiment = form.experiment.clone();
        change(&mut experiment.config.imitation);
        form.edit(experiment);
    }

    fn departing(form: &Form) -> Vec<[String; 3]> {
        form.departures().into_iter().map(|Departure { field, shown, run }| [field, shown, run]).collect()
    }

    #[test]
    fn a_run_imitates_what_the_picture_shows_even_where_that_is_no_default() {
        let mut form = Form::default();
        let mut open = open();
        // What the inspector of version 0.1.0 began with, here chosen by a person.
        open.imitation.set_loss(Loss::FEATURES);
        open.imitation.mask.rule = LevelRule::PerScale;
        form.follow(&open);
        let imitation = &form.experiment.config.imitation;
        assert_eq!(
            imitation.clone(),
            ImitationConfig { psi: 0.7, level_rule: LevelRule::PerScale, ..ImitationConfig::of(Loss::FEATURES) }
        );
        assert_eq!(imitation.choice(), open.imitation);
        assert!(departing(&form).is_empty() && !form.can_follow());
    }

    #[test]
    fn a_departure_is_named_with_both_values_until_the_run_follows_again() {
        let mut form = Form::default();
        let mut open = open();
        form.follow(&open);
        edit(&mut form, &|imitation| imitation.psi = 0.3);
        edit(&mut form, &|imitation| imitation.norm = Norm::AllScales);
        form.follow(&open);
        let text = |parts: [&str; 3]| parts.map(str::to_owned);
        assert_eq!(departing(&form), [text(["ψ", "0.7", "0.3"]), text(["norm", "per scale", "all scales"])]);
        // The picture comes to show what the run does; the run does not go along when it leaves again.
        open.imitation.mask.psi = Psi::saturating(0.3);
        form.follow(&open);
        assert_eq!(departing(&form).len(), 1);
        open.imitation.mask.psi = Psi::saturating(0.9);
        form.follow(&open);
        assert_eq!(departing(&form)[0], text(["ψ", "0.9", "0.3"]));
        form.follow_picture();
        form.follow(&open);
        assert!(departing(&form).is_empty() && !form.can_follow());
        // Nothing is imitated without a teacher.
        edit(&mut form, &|imitation| imitation.psi = 0.3);
        form.experiment.config.teacher = None;
        assert!(departing(&form).is_empty());
    }

    #[test]
    fn tap_and_mask_source_go_with_the_loss() {
        let mut form = Form::default();
        let mut open = open();
        form.follow(&open);
        // The run's own loss keeps its tap and its mask, whatever the picture shows.
        edit(&mut form, &|imitation| *imitation = imitation.clone().with_loss(Loss::FEATURES));
        form.follow(&open);
        let imitation = &form.experiment.config.imitation;
        assert_eq!((imitation.tap, imitation.mask_source), (Tap::Neck, MaskSource::Iou));
        let fields: Vec<String> = form.departures().into_iter().map(|departure| departure.field).collect();
        assert_eq!(fields, ["loss", "mask source", "tap"]);
        // A tap that was set for one loss is not kept for the next.
        let mut form = Form::default();
        open.imitation.set_loss(Loss::FEATURES);
        form.follow(&open);
        edit(&mut form, &|imitation| imitation.tap = Tap::Backbone);
        open.imitation.set_loss(Loss::ANSWERS);
        form.follow(&open);
        assert_eq!((form.experiment.config.imitation.contradiction(), departing(&form)), (None, Vec::new()));
    }

    #[test]
    fn the_recipe_follows_the_length_until_a_person_chooses_one() {
        let mut form = Form::default();
        let edit = |form: &mut Form, change: &dyn Fn(&mut RunConfig)| {
            let mut experiment = form.experiment.clone();
            change(&mut experiment.config);
            form.edit(experiment);
            let config = &form.experiment.config;
            (config.recipe, config.hyp.lr0, config.hyp.weight_decay)
        };
        assert_eq!(edit(&mut form, &|c| c.hyp.lr0 = 0.002), (Recipe::Short, 0.002, 0.02));
        // What a person changed stays.
        assert_eq!(edit(&mut form, &|c| c.length = Length::Epochs(51)), (Recipe::Yolov5, 0.002, 0.0005));
        assert_eq!(edit(&mut form, &|c| c.length = Length::Steps(9)), (Recipe::Yolov5, 0.002, 0.0005));
        assert_eq!(edit(&mut form, &|c| c.length = Length::Epochs(20)), (Recipe::Short, 0.002, 0.02));
        assert_eq!(edit(&mut form, &|c| *c = c.clone().with_recipe(Recipe::Yolov5)), (Recipe::Yolov5, 0.002, 0.0005));
        assert_eq!(edit(&mut form, &|c| c.length = Length::Epochs(10)), (Recipe::Yolov5, 0.002, 0.0005));
        edit(&mut form, &|c| *c = c.clone().with_recipe(Recipe::Short));
        assert_eq!(form.experiment.config.warmup_share, 0.1);
        edit(&mut form, &|c| c.hyp.warmup_epochs = 1.0);
        assert_eq!(form.experiment.config.warmup_share, 0.0);
    }

    #[test]
    fn pairs_begin_with_three_seeds() {
        let mut form = Form::default();
        form.edit(Experiment { paired: true, ..form.experiment.clone() });
        assert_eq!(form.experiment.seeds, 3);
        form.edit(Experiment { paired: false, ..form.experiment.clone() });
        assert_eq!(form.experiment.seeds, 1);
    }

    #[test]
    fn every_value_that_means_nothing_is_named() {
        let mut form = Form::default();
        form.follow(&open());
        form.experiment.out = "runs/1".into();
        assert_eq!(whys(&form), []);
        let wrong = |change: &dyn Fn(&mut Experiment)| {
            let mut form = form.clone();
            change(&mut form.experiment);
            whys(&form)
        };
        assert_eq!(wrong(&|c| c.config.imgsz = 333), [Field::ImageSize]);
        assert_eq!(wrong(&|c| c.config.batch = 0), [Field::Batch]);
        assert_eq!(wrong(&|c| c.config.length = Length::Steps(0)), [Field::Length]);
        assert_eq!(wrong(&|c| c.config.imitation.lambda = Lambda::GradientRatio(0.0)), [Field::Weight]);
        assert_eq!(wrong(&|c| c.config.imitation.lambda = Lambda::Fixed(0.0)), []);
        assert_eq!(wrong(&|c| c.config.hyp.lr0 = f64::NAN), [Field::Hyperparameters]);
        assert_eq!(wrong(&|c| c.config.data = "images".into()), [Field::Data]);
        assert_eq!(
            wrong(&|c| {
                c.paired = true;
                c.config.teacher = None;
            }),
            [Field::Teacher]
        );
    }
}
