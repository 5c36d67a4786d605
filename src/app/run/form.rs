//! The set-up of a run: filled from what is open until a person says otherwise, and why it cannot start.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::imitation::choice::{Mismatch, Reads};
use crate::imitation::mask::Psi;
use crate::inspect::{AdapterChoice, ImitationChoice};
use crate::language::{t, tr};
use crate::train::config::{
    AdapterStart, Experiment, Field, ImitationConfig, Length, Norm, Origin, Recipe, RunConfig, SnapshotConfig,
};
use crate::train::hyp::HypFile;

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

impl OpenThings {
    /// The run with all of it.
    fn on(&self, config: &RunConfig) -> RunConfig {
        let ImitationChoice { compared, mask } = &self.imitation;
        let image = self.image.clone();
        RunConfig {
            data: self.data.clone(),
            teacher: self.teacher.clone(),
            student: self.student.clone(),
            imgsz: self.imgsz,
            device: self.device.clone(),
            snapshot: image.map(|image| SnapshotConfig { image, every: SnapshotConfig::EVERY }),
            imitation: ImitationConfig {
                loss: compared.loss,
                tap: compared.tap,
                mask_source: mask.source,
                psi: mask.psi.get(),
                level_rule: mask.rule,
                iou: mask.convention,
                ..config.imitation.clone()
            },
            ..config.clone()
        }
    }
}

/// Options that follow what is open until somebody sets them; the loss does too, and brings these two along.
const FOLLOWING: [&str; 9] = ["data", "teacher", "student", "imgsz", "device", "snapshot", "psi", "level_rule", "iou"];
const OF_LOSS: [&str; 2] = ["mask_source", "tap"];
/// What makes the run's imitation another than the picture's.
const OF_PICTURE: [&str; 10] =
    ["loss", "mask_source", "psi", "level_rule", "iou", "tap", "imgsz", "norm", "normalise", "adapter_start"];

#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    pub experiment: Experiment,
    /// The options that somebody has set, by their keys: they follow nothing any more.
    chosen: BTreeMap<&'static str, Origin>,
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
        Self { experiment, chosen: BTreeMap::new(), shown, refusal: None }
    }
}

/// Something in which the next run is not what the picture shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    pub field: String,
    pub shown: String,
    pub run: String,
}

/// Why a run cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Of the option, or "seeds" or "out".
    pub key: &'static str,
    pub why: Cow<'static, str>,
}

impl Problem {
    /// Without the value that is wrong.
    pub fn brief(&self) -> &'static str {
        match self.why {
            Cow::Borrowed(why) => why,
            Cow::Owned(_) => t!("A value of the set-up is out of its range."),
        }
    }
}

impl Form {
    /// Takes over what is open, but for what a person has set.
    pub fn follow(&mut self, open: &OpenThings) {
        self.shown = (open.imitation.clone(), open.imgsz);
        let config = &mut self.experiment.config;
        let loss = open.imitation.compared.loss;
        if !self.chosen.contains_key("loss") && config.imitation.loss != loss {
            config.imitation = std::mem::take(&mut config.imitation).with_loss(loss);
            // What was set for the loss before is not meant for this one.
            self.chosen.retain(|key, _| !OF_LOSS.contains(key));
        }
        let window = open.on(config);
        for field in RunConfig::fields().filter(|field| follows(&self.chosen, field.about.key)) {
            (field.copy)(config, &window);
        }
    }

    /// Takes over what a person has changed; those options follow nothing from now on.
    pub fn edit(&mut self, experiment: Experiment) {
        let (was, is) = (&self.experiment.config, &experiment.config);
        let follows_length = was.recipe == is.recipe && was.length != is.length && !self.chosen.contains_key("recipe");
        // Whoever sets epochs of warm-up means epochs, and no share of the steps.
        let in_epochs = was.recipe == is.recipe
            && was.hyp.warmup_epochs != is.hyp.warmup_epochs
            && was.warmup_share == is.warmup_share;
        // What another recipe or loss brought along is nobody's own choice.
        let others = was.recipe != is.recipe || was.imitation.loss != is.imitation.loss;
        let brought =
            others.then(|| RunConfig { imitation: ImitationConfig::of(is.imitation.loss), ..RunConfig::of(is.recipe) });
        for field in RunConfig::fields().filter(|field| !(field.same)(was, is)) {
            let is_brought = brought.as_ref().is_some_and(|brought| (field.same)(is, brought));
            if !is_brought || ["recipe", "loss"].contains(&field.about.key) {
                self.chosen.insert(field.about.key, Origin::Yours);
            }
        }
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
        let keys = RunConfig::fields().map(|field| field.about.key).filter(|key| *key != "snapshot");
        self.chosen.extend(keys.map(|key| (key, Origin::File)));
        self.experiment.config = config;
    }

    /// Takes over what a `hyp.*.yaml` says.
    pub fn take_hyp(&mut self, file: HypFile) {
        let names = file.names.clone();
        let mut experiment = self.experiment.clone();
        experiment.config.take_hyp(file);
        self.edit(experiment);
        let named = names.iter().filter_map(|name| RunConfig::field(name));
        self.chosen.extend(named.map(|field| (field.about.key, Origin::File)));
    }

    /// Where the value of an option comes from.
    pub fn origin(&self, field: Field) -> Origin {
        let followed = || follows(&self.chosen, field.about.key).then_some(Origin::Window);
        self.chosen.get(field.about.key).copied().or_else(followed).unwrap_or_else(|| field.origin())
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
        OF_PICTURE.iter().any(|key| self.chosen.contains_key(key))
    }

    /// The run imitates what the picture shows again, from the next [`Self::follow`] on.
    pub fn follow_picture(&mut self) {
        self.chosen.retain(|key, _| !OF_PICTURE.contains(key));
        let imitation = &mut self.experiment.config.imitation;
        let ImitationConfig { norm, normalise, adapter_start, .. } = ImitationConfig::of(imitation.loss);
        (imitation.norm, imitation.normalise, imitation.adapter_start) = (norm, normalise, adapter_start);
    }

    /// Everything that stands in the way of a start, what is wrong with the set-up first.
    pub fn problems(&self) -> Vec<Problem> {
        let Experiment { config, out, .. } = &self.experiment;
        let mut found = self.set_up_problems();
        let idleness = config.imitation.idleness().filter(|_| config.teacher.is_some());
        found.extend(idleness.map(|why| Problem { key: "lambda", why: why.said(&tr).into() }));
        if out.as_os_str().is_empty() {
            found.push(Problem { key: "out", why: t!("Choose a folder for the results.").into() });
        }
        found
    }

    /// What is wrong with the set-up, wherever its results go and whatever the imitation weighs.
    pub fn set_up_problems(&self) -> Vec<Problem> {
        let Experiment { config, paired, seeds, .. } = &self.experiment;
        let empty = |path: &Path| path.as_os_str().is_empty();
        let is_yaml = config.data.extension().is_some_and(|e| e == "yaml" || e == "yml");
        let checks = [
            ("data", !empty(&config.data), t!("Open a dataset (data.yaml), or choose one here.")),
            ("data", is_yaml || empty(&config.data), t!("A run needs a data.yaml, which says what to train on.")),
            ("teacher", !paired || config.teacher.is_some(), t!("Paired runs compare with and without a teacher.")),
            ("student", !empty(&config.student), t!("Open a student, or choose one here.")),
            ("imgsz", config.imgsz.is_multiple_of(32), t!("The image size is a multiple of 32 px.")),
            ("seeds", *seeds > 0, t!("At least one seed is needed.")),
            (
                "loss",
                config.teacher.is_none() || self.refusal.is_none(),
                t!("The imitation loss cannot compare the heads of these two models; take one that reads the neck."),
            ),
        ];
        let failed = checks.into_iter().filter(|(_, holds, _)| !holds);
        let of_values = config.problems().into_iter();
        failed
            .map(|(key, _, why)| Problem { key, why: why.into() })
            .chain(of_values.map(|problem| Problem { key: problem.key, why: problem.line.said(&tr).into() }))
            .collect()
    }
}

fn follows(chosen: &BTreeMap<&str, Origin>, key: &str) -> bool {
    let with_loss = OF_LOSS.contains(&key) && !chosen.contains_key("loss");
    (with_loss || FOLLOWING.contains(&key)) && !chosen.contains_key(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imitation::choice::{Loss, MaskSource};
    use crate::imitation::mask::LevelRule;
    use crate::inspect::Tap;
    use crate::train::config::Lambda;

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

    fn whys(form: &Form) -> Vec<&'static str> {
        form.problems().into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn what_is_open_fills_the_form() {
        let mut form = Form::default();
        assert_eq!(whys(&form), ["data", "student", "out"]);
        form.follow(&open());
        let config = &form.experiment.config;
        assert_eq!(
            (config.imgsz, config.imitation.psi, config.teacher.as_deref()),
            (320, 0.7, Some(Path::new("l.pt")))
        );
        let snapshot = SnapshotConfig { image: "a.jpg".into(), every: 25 };
        assert_eq!(config.snapshot, Some(snapshot));
        assert_eq!(whys(&form), ["out"]);
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
        assert_eq!(whys(&form), Vec::<&str>::new());
        let wrong = |change: &dyn Fn(&mut Experiment)| {
            let mut form = form.clone();
            change(&mut form.experiment);
            whys(&form)
        };
        assert_eq!(wrong(&|c| c.config.imgsz = 333), ["imgsz"]);
        assert_eq!(wrong(&|c| c.config.batch = 0), ["batch"]);
        assert_eq!(wrong(&|c| c.config.length = Length::Steps(0)), ["length"]);
        assert_eq!(wrong(&|c| c.config.imitation.lambda = Lambda::GradientRatio(0.0)), ["lambda"]);
        assert_eq!(wrong(&|c| c.config.imitation.lambda = Lambda::Fixed(0.0)), ["lambda"]);
        assert_eq!(wrong(&|c| c.config.hyp.lr0 = f64::NAN), ["lr0"]);
        assert_eq!(wrong(&|c| c.config.data = "images".into()), ["data"]);
        assert_eq!(
            wrong(&|c| {
                c.paired = true;
                c.config.teacher = None;
            }),
            ["teacher"]
        );
    }
}
