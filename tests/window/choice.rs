//! One choice of what is imitated, shown and run alike: by the names that a screen reader says, with the numbers of the two
//! models of the sample session.

use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;

use distillscope::app::command::Command;
use distillscope::app::run::RunTab;
use distillscope::app::settings::Settings;
use distillscope::app::update::apply;
use distillscope::app::update::effect::Effect;
use distillscope::app::view::Layer;
use distillscope::imitation::choice::{Loss, MaskSource};
use distillscope::imitation::difference::DifferenceKind;
use distillscope::imitation::mask::{IouField, LevelRule};
use distillscope::inspect::{ImitationChoice, Inspection, Probe, Role, Scene, SceneRequest, Tap, compare, probe};
use distillscope::shell::{App, Backend, Options};
use distillscope::train::config::{Experiment, ImitationConfig};
use distillscope::worker::{Job, ModelBrief, Report};
use distillscope::yolo::anchors::{AnchorScale, default_anchors};
use distillscope::yolo::checkpoint;
use distillscope::yolo::network::Network;
use egui_kittest::kittest::{NodeT, Queryable};

use crate::common::{Fake, Screen, card, open};

struct Window {
    harness: Screen,
    fake: Fake,
}

fn sample(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data").join(path)
}

fn file(role: Role) -> PathBuf {
    sample(&format!("models/{}.pt", role.name()))
}

impl Window {
    /// On the sample session, its models named and not yet described.
    fn open() -> Self {
        let options = Options {
            image: Some(sample("images/val/bay_000.jpg")),
            data: Some(sample("data.yaml")),
            teacher: Some(file(Role::Teacher)),
            student: Some(file(Role::Student)),
            device: "cpu".into(),
            ..Options::default()
        };
        let (harness, fake) = open([1600.0, 1000.0], Settings::default(), options);
        let mut window = Self { harness, fake };
        window.set(Command::SetRunTab(RunTab::SetUp));
        window
    }

    fn app(&self) -> &App<Fake> {
        self.harness.state().as_ref().expect("the first frame makes it")
    }

    fn choice(&self) -> &ImitationChoice {
        &self.app().state.imitation
    }

    fn config(&self) -> &ImitationConfig {
        &self.app().state.runs.form.experiment.config.imitation
    }

    fn set(&mut self, command: Command) {
        for effect in apply(&mut self.harness.state_mut().as_mut().expect("an app").state, command) {
            if let Effect::Send(job) = effect {
                self.fake.send(job);
            }
        }
        self.harness.run_steps(3);
    }

    fn edit(&mut self, change: impl Fn(&mut Experiment)) {
        let mut experiment = self.app().state.runs.form.experiment.clone();
        change(&mut experiment);
        self.set(Command::EditRun(Box::new(experiment)));
    }

    fn report(&mut self, report: Report) {
        self.fake.0.borrow_mut().reports.push_back(report);
        self.harness.run_steps(3);
    }

    fn describe(&mut self, role: Role, names: &[&str], anchors: &[AnchorScale]) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let brief = ModelBrief { path: file(role), names, anchors: anchors.to_vec() };
        self.report(Report::Described { role, brief });
    }

    fn says(&self, label: &str) -> bool {
        self.harness.query_all_by_label(label).next().is_some()
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run_steps(3);
    }

    fn chosen(&self, list: &str) -> Option<String> {
        self.harness.get_by_label(list).accesskit_node().value()
    }

    fn last_job<T>(&self, of: impl Fn(&Job) -> Option<T>) -> T {
        self.fake.0.borrow().jobs.iter().rev().find_map(of).expect("it was asked for")
    }

    fn answer_field(&mut self) {
        let (scene, anchors, convention) = self.last_job(|job| match job {
            Job::Field { scene, anchors, convention } => Some((Arc::clone(scene), anchors.clone(), *convention)),
            _ => None,
        });
        let field = Arc::new(IouField::compute(&anchors, scene.input_size(), &scene.boxes(), convention));
        self.report(Report::Field { scene, anchors, convention, field });
    }

    /// What the worker would answer to the newest question for a comparison.
    fn compare(&mut self, probes: &[Probe; 2]) {
        let (scene, request, parts) = self.last_job(|job| match job {
            Job::Compare { scene, request, parts } => Some((Arc::clone(scene), request.clone(), *parts)),
            _ => None,
        });
        let comparison = compare(Some(&probes[0]), Some(&probes[1]), &request, parts).expect("a comparison");
        self.report(Report::Compared { scene, request, comparison: Arc::new(comparison) });
    }
}

/// The sample session with both models, and what each says of its first image at 320 px.
fn on_sample() -> (Window, [Probe; 2]) {
    let mut window = Window::open();
    window.set(Command::SetInputSize(320));
    let models = Role::ALL.map(|role| {
        let checkpoint = checkpoint::open(&file(role)).expect("a sample model");
        Network::load(&checkpoint, tch::Device::Cpu).expect("weights").0
    });
    for (role, model) in Role::ALL.into_iter().zip(&models) {
        window.report(Report::Loaded { role, card: card(file(role), model.names(), model.scales()) });
    }
    let request: SceneRequest = window.app().state.requested.scene.clone().expect("a scene is wanted");
    let scene = Arc::new(Scene::load(&request).expect("a sample image"));
    window.report(Report::Scene(Arc::clone(&scene)));
    window.answer_field();
    let probes = models.map(|model| probe(&model, &scene.input).expect("a forward pass"));
    window.compare(&probes);
    (window, probes)
}

#[test]
fn a_first_start_shows_what_start_would_train() {
    let mut window = Window::open();
    assert_eq!(window.chosen("Imitation loss").as_deref(), Some("answers"));
    assert_eq!(window.chosen("Mask source").as_deref(), Some("none"));
    assert!(window.says("The run imitates what the picture shows."));
    assert!(window.says("answers reads the raw heads: there is no tap and no adapter to choose."));
    for absent in ["neck", "backbone", "least squares"] {
        assert!(!window.says(absent), "{absent}");
    }
    assert_eq!(*window.config(), ImitationConfig::default());
    window.edit(|experiment| experiment.out = "runs/run-1".into());
    window.click("Start");
    let experiment = window.last_job(|job| match job {
        Job::Run { experiment, .. } => Some(experiment.clone()),
        _ => None,
    });
    assert_eq!(experiment.config.imitation.choice(), *window.choice());
}

#[test]
fn a_choice_in_the_inspector_is_the_runs_even_where_it_was_once_a_default() {
    let mut window = Window::open();
    // Found in its list as a person finds it.
    window.click("Imitation loss");
    window.harness.get_all_by_label("features").last().expect("an entry").click();
    window.harness.run_steps(3);
    window.click("per-scale");
    let config = window.config();
    assert_eq!((config.loss, config.tap, config.level_rule), (Loss::FEATURES, Tap::Neck, LevelRule::PerScale));
    assert_eq!((config.mask_source, config.lambda), (MaskSource::Iou, Loss::FEATURES.defaults().lambda));
    assert!(window.says("The run imitates what the picture shows."));
    // Now there is a tap to choose, and never the head.
    assert!(window.says("backbone") && !window.says("head"));
    // By its name: it lies below what the panel shows.
    window.harness.get_by_label("backbone").click_accesskit();
    window.harness.run_steps(3);
    assert_eq!(window.config().tap, Tap::Backbone);
}

#[test]
fn a_departure_is_said_in_the_set_up_and_beside_the_picture_until_the_run_follows() {
    let mut window = Window::open();
    window.edit(|experiment| {
        experiment.config.imitation.psi = 0.3;
        experiment.config.imitation.mask_source = MaskSource::Box;
    });
    let sentence = "The run departs from the picture. mask source: none in the picture, box in the run; \
                    ψ: 0.5 in the picture, 0.3 in the run.";
    assert!(window.says(sentence));
    assert!(window.says("Next run departs: mask source, ψ"));
    window.click("Follow the picture");
    assert!(!window.says(sentence) && !window.says("Next run departs: mask source, ψ"));
    assert_eq!(*window.config(), ImitationConfig::default());

    // The other way round, from the badge on.
    window
        .edit(|experiment| experiment.config.imitation = experiment.config.imitation.clone().with_loss(Loss::FEATURES));
    window.set(Command::SetRunTab(RunTab::Curves));
    window.click("Next run departs: loss, mask source, tap");
    assert_eq!(window.app().state.runs.tab, RunTab::SetUp);
    window.click("Show what the run imitates");
    assert_eq!(window.choice().compared.loss, Loss::FEATURES);
    assert!(window.says("The run imitates what the picture shows."));
}

#[test]
fn models_whose_heads_differ_are_compared_at_the_neck_and_a_loss_of_heads_is_refused_before_the_start() {
    let mut window = Window::open();
    window.edit(|experiment| experiment.out = "runs/run-1".into());
    let mut other = default_anchors();
    other[1].anchors[0] = [31.0, 61.0];
    window.describe(Role::Teacher, &["cell"], &other);
    window.describe(Role::Student, &["cell"], &default_anchors());
    let reason = "correlation at the neck, because the anchors of teacher and student differ at P4.";
    // In the inspector and in the set-up.
    assert_eq!(window.harness.query_all_by_label(reason).count(), 2);
    assert_eq!(window.app().state.messages.get(0).map(|message| message.text.as_str()), Some(reason));
    assert_eq!((window.config().loss, window.config().tap), (Loss::CORRELATION, Tap::Neck));
    assert!(window.says("Ready to start."));

    window.set(Command::SetLoss(Loss::ANSWERS));
    let refusal =
        "answers compares heads, but the anchors of teacher and student differ at P4; correlation compares the neck.";
    assert_eq!(window.harness.query_all_by_label(refusal).count(), 2);
    assert!(!window.says("Ready to start."));
    let why = Command::StartRun.disabled(&window.app().state).expect("a reason");
    assert!(why.contains("take one that reads the neck"), "{why}");
    window.click("Take correlation");
    assert_eq!((window.choice().compared.loss, window.config().loss), (Loss::CORRELATION, Loss::CORRELATION));
    assert!(window.says("Ready to start."));
}

#[test]
fn models_of_other_classes_in_another_order_are_refused_by_logits_alone() {
    let mut window = Window::open();
    window.describe(Role::Teacher, &["a", "b"], &default_anchors());
    window.describe(Role::Student, &["b", "a"], &default_anchors());
    assert_eq!((window.app().state.heads_differ.as_ref(), window.choice().compared.loss), (None, Loss::ANSWERS));
    window.set(Command::SetLoss(Loss::LOGITS));
    let refusal = "logits compares heads, but their classes differ in number or order (2 and 2 classes); \
                   correlation compares the neck.";
    assert!(window.says(refusal));
    window.edit(|experiment| experiment.config.teacher = None);
    assert!(window.app().state.runs.form.problems().iter().all(|problem| !problem.why.contains("heads")));
}

/// Every loss under every mask source: what the window sums up is what an inspection of the same models reports.
#[test]
fn the_windows_numbers_are_those_of_an_inspection() {
    let (mut window, probes) = on_sample();
    for loss in Loss::ALL {
        window.set(Command::SetLoss(loss));
        window.compare(&probes);
        for source in MaskSource::ALL {
            window.set(Command::SetMaskSource(source));
            let state = &window.app().state;
            let measures = state.measures.as_ref().expect("measures");
            let inspection = Inspection::new(
                Arc::clone(state.scene.as_ref().expect("a scene")),
                state.scales().to_vec(),
                state.imitation.mask,
                Arc::clone(state.comparison.as_ref().expect("a comparison")),
                String::new(),
            );
            let report = inspection.expect("an inspection").report();
            assert_eq!((report.imitation.loss, report.imitation.mask_source), (loss, source));
            assert_eq!(measures.total_loss(), report.loss_total, "{loss}, {source}");
            assert!(report.loss_total.is_some_and(|total| total > 0.0), "{loss}, {source}");
            for (scale, reported) in measures.scales.iter().zip(&report.scales) {
                let found = scale.loss.as_ref().expect("a loss");
                // The map adds up to the scalar, as it is said.
                let sum: f64 = found.map.values().iter().map(|&part| f64::from(part)).sum();
                let value = reported.loss.expect("a loss");
                assert_eq!(found.loss.unwrap_or(0.0), value);
                assert!((sum - value).abs() <= 1e-5 * value.max(1e-3), "{loss}, {source}: {sum} {value}");
            }
        }
    }
}

/// The same from the command line, and what stands in the window.
#[test]
fn the_windows_loss_is_that_of_the_command_line() {
    let (mut window, probes) = on_sample();
    for (loss, options) in [
        (Loss::ANSWERS, ["--imitation", "answers", "--tap", "head"]),
        (Loss::FEATURES, ["--imitation", "features", "--tap", "neck"]),
    ] {
        window.set(Command::SetLoss(loss));
        window.compare(&probes);
        let output = Process::new(env!("CARGO_BIN_EXE_distillscope"))
            .arg("inspect")
            .arg("--image")
            .arg(sample("images/val/bay_000.jpg"))
            .arg("--teacher")
            .arg(file(Role::Teacher))
            .arg("--student")
            .arg(file(Role::Student))
            .args(options)
            .args(["--level-rule", "global", "--imgsz", "320", "--device", "cpu", "--json", "-"])
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let measures = window.app().state.measures.as_ref().expect("measures");
        let (of_window, of_program) =
            (measures.total_loss().expect("a loss"), report["loss_total"].as_f64().expect("a loss"));
        assert!((of_window / of_program - 1.0).abs() < 1e-5, "{loss}: {of_window} {of_program}");
    }
}

#[test]
fn the_layers_name_the_loss_that_they_show_and_the_iou_mask_stays_to_be_seen() {
    let (mut window, probes) = on_sample();
    let state = &window.app().state;
    assert_eq!((state.view.layer, state.view.difference, state.shows_weights()), (Layer::Mask, None, true));
    assert!(window.says("Shown: what each cell adds to answers on its scale; the cells of a map add up to the loss."));
    window.set(Command::SetLayer(Layer::IouMask));
    window.set(Command::SetLayer(Layer::Difference));
    assert_eq!(window.chosen("Difference shown").as_deref(), Some("loss answers"));
    window.set(Command::SetDifference(Some(DifferenceKind::Cosine)));
    assert_eq!(window.chosen("Difference shown").as_deref(), Some("cosine"));
    window.set(Command::SetDifference(None));
    // Where the IoU decides, its mask is the mask.
    window.set(Command::SetLoss(Loss::FEATURES));
    window.compare(&probes);
    assert!(!window.app().state.shows_weights());
    assert!(window.says("Shown: what each cell adds to features on its scale; the cells of a map add up to the loss."));
    window.set(Command::SetMaskSource(MaskSource::Teacher));
    assert!(window.app().state.shows_weights());
    let measures = window.app().state.measures.as_ref().expect("measures");
    let sureness = |stride| {
        let state = &window.app().state;
        let comparison = state.comparison.as_ref().expect("a comparison");
        comparison.scale(stride).and_then(|scale| scale.sureness.clone()).expect("a teacher")
    };
    for scale in &measures.scales {
        let found = &scale.loss.as_ref().expect("a loss").weights;
        assert_eq!(found.values(), sureness(scale.stride).values(), "soft, as sure as the teacher is");
    }
}
