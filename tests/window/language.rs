//! The window in two languages: no sentence without a text, no text without a sentence, no character without a glyph,
//! and a switch that takes effect at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use distillscope::app::command::Command;
use distillscope::app::settings::Settings;
use distillscope::app::update::apply;
use distillscope::colormap::ColorMap;
use distillscope::geometry::{BoundingBox, Letterbox, Size};
use distillscope::imitation::choice::{Loss, MaskSource};
use distillscope::imitation::difference::DifferenceKind;
use distillscope::imitation::mask::{IouConvention, IouField, LevelRule};
use distillscope::inspect::{Role, Scene, SceneLabel, Tap};
use distillscope::language::{self, Language, LanguageChoice};
use distillscope::preflight::report::Status;
use distillscope::shell::Options;
use distillscope::story::{
    Accuracy, PullShares, RunLambda, RunSettings, Step, StoryNumbers, StoryRun, StoryScale, StoryTruth, StoryVerdict,
};
use distillscope::train::config::RunConfig;
use distillscope::train::event::Variant;
use distillscope::worker::{Job, Report};
use egui::{FontFamily, FontId, Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use image::RgbImage;

use crate::common::{Fake, Screen, open};

/// What work that is under way says of itself, outside the window's code.
const STAGES: &[&str] = &[
    "reading the description",
    "reading the runs",
    "reading the weights",
    "running the teacher",
    "running the student",
    "comparing features",
    "reading the labels",
    "augmenting",
    "reading train",
    "reading val",
    "loading the models",
    "fitting the adapters",
    "evaluating",
    "evaluating the student as it starts",
    "evaluating the teacher",
    "evaluating on test",
    "reading test",
    "paused",
    "ground truths, classes and anchors",
    "masks",
    "losses and gradients",
    "teacher and adapters",
    "the input of both models",
    "masks, decided again cell by cell",
    "both losses",
    "the detection loss's gradient",
    "the imitation's gradient",
    "a smaller batch",
    "the same images twice",
    "images without boxes",
    "a step with the imitation and one without",
    "the teacher's loss",
    "the losses of the student and of random weights",
    "the teacher's statistics",
    "a step of the optimizer",
    "the student before",
    "the student after",
    "drawing",
    "writing",
];

/// What workers name as the subject of an error.
const SUBJECTS: &[&str] = &[
    "the image",
    "the teacher",
    "the student",
    "the comparison",
    "the device",
    "the dataset",
    "the batch",
    "the run",
    "the search",
    "the preflight",
    "the survey",
    "the review",
    "the figure",
    "an internal error",
];

/// Why the models are where they are.
const DEVICES: &[&str] = &[
    "the CPU was chosen",
    "no NVIDIA driver on this machine",
    "an NVIDIA driver is installed but no CUDA device is usable",
    "CUDA is not available on this system",
];

/// Names and formulas that are the same in every language.
const PROPER: &[&str] = &["L1", "cividis", "viridis", "inferno", "magma", "F = ψ · M", "I · d"];

// ---- sentences in the sources

fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push((path.display().to_string(), code(&fs::read_to_string(&path).expect("a source"))));
            }
        }
    }
    found
}

/// A file without its unit tests and its whole lines of comment.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\n").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// The string literal that a text begins with, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix('"')?.chars();
    loop {
        match rest.next()? {
            '"' => return Some((value, rest.as_str())),
            '\\' => match rest.next()? {
                'n' => value.push('\n'),
                '\n' => rest = rest.as_str().trim_start().chars(),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
}

/// The literals that directly follow a word such as `t!(`.
fn literals_after(code: &str, word: &str) -> Vec<String> {
    code.match_indices(word)
        .filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        .filter_map(|(at, found)| Some(literal(code[at + found.len()..].trim_start())?.0))
        .collect()
}

/// The plurals of `counted(count, "box", "boxes")`.
fn plurals(code: &str) -> Vec<String> {
    let call = |(at, _): (usize, &str)| {
        let rest = &code[at..];
        let (_, rest) = literal(&rest[rest.find('"')?..])?;
        let (many, rest) = literal(rest.strip_prefix(',')?.trim_start())?;
        rest.trim_start().trim_start_matches(',').trim_start().starts_with(')').then_some(many)
    };
    let calls = code.match_indices("counted(").filter(|(at, _)| !code[..*at].ends_with("fn "));
    calls.filter_map(call).map(|many| format!("{{count}} {many}")).collect()
}

/// Whole sentences without a value in them: questions and advice.
fn sentences(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find('"') {
        let Some((text, after)) = literal(&rest[at..]) else { break };
        if text.ends_with(['.', '?']) && text.contains(' ') && !text.contains('{') {
            found.push(text);
        }
        rest = after;
    }
    found
}

/// Every sentence that the window can show, and where it comes from.
fn keys() -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for (path, code) in sources("") {
        let marked = ["t!(", "key!("].into_iter().flat_map(|word| literals_after(&code, word));
        keys.extend(marked.chain(plurals(&code)).map(|key| (key, path.clone())));
    }
    for (path, code) in sources("preflight").into_iter().chain(sources("story")) {
        let said = sentences(&code).into_iter().chain(literals_after(&code, "say!("));
        keys.extend(said.map(|key| (key, path.clone())));
    }
    for (path, code) in sources("train") {
        keys.extend(literals_after(&code, "say!(").into_iter().map(|key| (key, path.clone())));
    }
    // What other modules say in constants, as the command line and files say it too.
    let mut plain: Vec<&str> = STAGES.to_vec();
    plain.extend(SUBJECTS.iter().chain(DEVICES));
    plain.extend(Role::ALL.map(Role::name));
    plain.extend(Tap::ALL.iter().flat_map(|tap| [tap.name(), tap.explanation()]));
    plain.extend(LevelRule::ALL.iter().flat_map(|rule| [rule.name(), rule.explanation()]));
    plain.extend(Loss::ALL.iter().map(|loss| loss.explanation()));
    plain.extend(MaskSource::ALL.iter().map(|source| source.explanation()));
    plain.extend(IouConvention::ALL.iter().map(|convention| convention.explanation()));
    plain.extend(DifferenceKind::ALL.iter().flat_map(|kind| [kind.label(), kind.explanation()]));
    plain.extend(ColorMap::ALL.iter().map(|map| map.name()));
    plain.extend([Variant::Imitation, Variant::Baseline].map(Variant::name));
    plain.extend([Status::Green, Status::Amber, Status::Red].map(Status::name));
    plain.extend(Step::ALL.iter().flat_map(|step| [step.title(), step.sentence(), step.formula()]));
    plain.extend(["least-squares", "trained"]);
    for option in RunConfig::fields().map(|field| &field.about) {
        // Hyperparameters are called by their keys in every language.
        plain.extend((option.name != option.key).then_some(option.name));
        plain.push(option.explanation());
    }
    keys.extend(plain.into_iter().map(|key| (key.to_owned(), "a constant".to_owned())));
    keys.retain(|key, _| !PROPER.contains(&key.as_str()));
    keys
}

#[test]
fn every_sentence_has_a_text_and_every_text_a_sentence() {
    let keys = keys();
    assert!(keys.len() > 900, "the sources were not understood: {} sentences", keys.len());
    let texts: BTreeMap<&str, &str> = language::entries(Language::Chinese).collect();
    let missing = keys.iter().filter(|(key, _)| !texts.contains_key(key.as_str()));
    let missing: Vec<String> = missing.map(|(key, path)| format!("{key:?} of {path}")).collect();
    assert!(missing.is_empty(), "without a Chinese text:\n{}", missing.join("\n"));
    let unused: Vec<&&str> = texts.keys().filter(|text| !keys.contains_key(**text)).collect();
    assert!(unused.is_empty(), "nobody says {unused:#?}");
}

#[test]
fn a_text_has_the_values_of_its_sentence() {
    for (key, text) in language::entries(Language::Chinese) {
        let names = |text| language::placeholders(text).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(names(key), names(text), "{key:?} and {text:?}");
        assert!(!text.trim().is_empty(), "{key:?}");
    }
}

#[test]
fn the_scan_sees_sentences_however_they_are_written() {
    let code =
        "t!(\n  \"a \\\n   b\", x) counted(n, \"box\", \"boxes\") format!(\"no\") key!(\"c \\\"d\\\"\") lit!(\"e\")";
    assert_eq!(literals_after(code, "t!("), ["a b"]);
    assert_eq!(literals_after(code, "key!("), ["c \"d\""]);
    assert_eq!(plurals(code), ["{count} boxes"]);
    assert_eq!(sentences("x(\"Is it so?\", \"No {a}.\", \"id\", \"Do this.\")"), ["Is it so?", "Do this."]);
}

#[test]
fn every_character_has_a_glyph_in_both_faces() {
    let mut letters: BTreeSet<char> = Language::ALL.iter().flat_map(|language| language.name().chars()).collect();
    letters.extend(language::entries(Language::Chinese).flat_map(|(_, text)| text.chars()));
    assert!(letters.len() > 500, "{}", letters.len());
    let ctx = egui::Context::default();
    distillscope::ui::style::install(&ctx);
    let output = ctx.run_ui(egui::RawInput::default(), |ui| {
        ui.fonts_mut(|fonts| {
            for family in [FontFamily::Proportional, distillscope::ui::style::bold()] {
                let font = FontId::new(13.0, family);
                let boxes: String = letters.iter().filter(|letter| !fonts.has_glyph(&font, **letter)).collect();
                assert_eq!(boxes, "", "shown as boxes");
            }
        });
    });
    // There is no screen that wants them.
    let mut textures = output.textures_delta;
    textures.clear();
}

// ---- the window

struct Window {
    harness: Screen,
    fake: Fake,
}

impl Window {
    /// On an image with one ground truth.
    fn open(settings: Settings, system: Language) -> Self {
        let options = Options {
            image: Some("a.jpg".into()),
            system_language: system,
            device: "auto".into(),
            ..Options::default()
        };
        let (harness, fake) = open([1600.0, 1000.0], settings, options);
        let mut window = Self { harness, fake };
        window.report(Report::Scene(scene()));
        let job = window.fake.0.borrow().jobs.iter().rev().find(|job| matches!(job, Job::Field { .. })).cloned();
        let Some(Job::Field { scene, anchors, convention }) = job else { panic!("no field was asked for") };
        let field = Arc::new(IouField::compute(&anchors, scene.input_size(), &scene.boxes(), convention));
        window.report(Report::Field { scene, anchors, convention, field });
        window
    }

    fn report(&mut self, report: Report) {
        self.fake.0.borrow_mut().reports.push_back(report);
        self.harness.run_steps(3);
    }

    fn set(&mut self, command: Command) {
        apply(&mut self.harness.state_mut().as_mut().expect("the first frame makes it").state, command);
        self.harness.run_steps(3);
    }

    fn language(&self) -> LanguageChoice {
        self.harness.state().as_ref().expect("the first frame makes it").state.language
    }

    /// Finds a command by some letters in the palette, whose field has this name, and runs it.
    fn find(&mut self, field: &str, letters: &str) {
        self.harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
        self.harness.run_steps(3);
        self.harness.get_by_label(field).type_text(letters);
        self.harness.run_steps(2);
        self.harness.key_press(Key::Enter);
        self.harness.run_steps(3);
    }

    fn shows(&self, label: &str) -> bool {
        self.harness.query_all_by_label(label).next().is_some()
    }

    /// Everything that is to be read in it.
    fn labels(&self) -> BTreeSet<String> {
        fn walk(node: &egui_kittest::Node<'_>, into: &mut BTreeSet<String>) {
            into.extend(node.accesskit_node().label());
            into.extend(node.accesskit_node().value());
            node.children().for_each(|child| walk(&child, into));
        }
        let mut labels = BTreeSet::new();
        walk(&self.harness.root(), &mut labels);
        labels
    }
}

fn scene() -> Arc<Scene> {
    let size = Size::square(640);
    let picture = Arc::new(RgbImage::from_pixel(640, 640, image::Rgb([114; 3])));
    Arc::new(Scene {
        path: PathBuf::from("a.jpg"),
        size,
        letterbox: Letterbox::fit(size, size, true),
        input: Arc::clone(&picture),
        display: picture,
        labels: vec![SceneLabel {
            class: 0,
            name: "猫".into(),
            bbox: BoundingBox::from_center(320.0, 320.0, 100.0, 80.0),
        }],
        warnings: Vec::new(),
    })
}

#[test]
fn the_window_changes_its_language_at_once_and_back() {
    let mut window = Window::open(Settings::default(), Language::English);
    let english = ["Start", "Anchors", "UNDER THE POINTER", "GROUND TRUTHS (1)", "Open teacher…", "Messages"];
    let chinese = ["开始", "锚框", "指针所在位置", "真值框 (1)", "打开教师模型…", "消息"];
    let shown = |window: &Window, labels: [&str; 6]| labels.map(|label| window.shows(label));
    assert_eq!((shown(&window, english), shown(&window, chinese)), ([true; 6], [false; 6]));

    window.find("Find a command", "chinese");
    assert_eq!(window.language(), LanguageChoice::Chinese);
    assert_eq!((shown(&window, english), shown(&window, chinese)), ([false; 6], [true; 6]));

    // Whoever knows a command by its English name finds it in Chinese too.
    window.find("查找命令", "language english");
    assert_eq!(window.language(), LanguageChoice::English);
    assert_eq!((shown(&window, english), shown(&window, chinese)), ([true; 6], [false; 6]));
}

#[test]
fn the_systems_language_is_spoken_until_another_is_chosen() {
    let mut window = Window::open(Settings::default(), Language::Chinese);
    assert!(window.shows("开始") && !window.shows("Start"));
    window.set(Command::SetLanguage(LanguageChoice::English));
    assert!(window.shows("Start") && !window.shows("开始"));
    let settings = Settings { language: LanguageChoice::Chinese, ..Settings::default() };
    assert!(Window::open(settings, Language::English).shows("开始"));
}

/// Two English words in a row are a sentence that nobody has translated; edges of windows are named by egui.
fn is_sentence(label: &str) -> bool {
    let is_word = |word: &str| word.len() > 2 && word.chars().all(|c| c.is_ascii_lowercase());
    let words: Vec<&str> = label.split_whitespace().collect();
    words.windows(2).any(|pair| pair.iter().all(|word| is_word(word)))
}

/// Everything that the story can say: of one object with a threshold or left out, compared or not, with runs that helped and
/// that failed, whose λ faded, grew and stayed, and of which a part is not known.
fn stories() -> Vec<StoryNumbers> {
    let shares = Some(PullShares { unseen: 0.8, same: 0.01 });
    let scale = |name: &str, mask_cells| StoryScale {
        name: name.into(),
        stride: 16,
        rows: 2,
        cols: 2,
        anchors: vec![[30.0, 61.0]],
        max_iou: 0.8,
        cells: mask_cells,
        mask_cells,
        teacher_channels: Some(4),
        student_channels: Some(2),
        sum_inside: Some(2.0),
        mean_inside: (mask_cells > 0).then_some(2.0),
        mean_outside: Some(0.5),
        raw: shares,
        answers: shares,
    };
    let truth = StoryTruth { number: 3, name: "猫".into(), threshold: 0.4, best_iou: 0.8, ..StoryTruth::default() };
    let all =
        Accuracy { before: Some(0.3), last: Some(0.2), best: Some(0.25), teacher: Some(0.5), baseline: Some(0.1) };
    let verdict = |helps: Option<bool>, seeds_needed: Option<usize>| StoryVerdict {
        metric: "mAP50-95".into(),
        split: "val".into(),
        pairs: 5,
        mean: 0.01,
        interval: Some([-0.01, 0.03]),
        helps,
        seeds_needed,
    };
    let settings = RunSettings {
        input: Some([320; 2]),
        loss: Some("answers"),
        tap: Some(Tap::Head.name()),
        mask_source: Some("iou"),
        psi: Some(0.5),
        level_rule: Some(LevelRule::Global.name()),
        lambda: Some(RunLambda::GradientRatio(0.5)),
    };
    let failed = StoryRun {
        name: "run-1".into(),
        step: 9,
        epochs: 2,
        settings: settings.clone(),
        detection: Some([2.0, 1.0]),
        distance: Some([2.0, 3.0]),
        lambda: Some([1.0, 0.1]),
        map: all,
        map50: all,
        verdict: Some(verdict(Some(false), None)),
    };
    let runs = [
        failed.clone(),
        StoryRun {
            epochs: 1,
            lambda: Some([0.1, 1.0]),
            map: Accuracy { before: None, ..all },
            settings: RunSettings { mask_source: Some("none"), lambda: Some(RunLambda::Fixed(1.0)), ..settings },
            verdict: Some(verdict(Some(true), None)),
            ..failed.clone()
        },
        StoryRun {
            settings: RunSettings::default(),
            lambda: None,
            verdict: Some(verdict(None, Some(9))),
            ..failed.clone()
        },
        StoryRun { verdict: Some(verdict(None, None)), ..failed.clone() },
        StoryRun { verdict: Some(StoryVerdict { interval: None, pairs: 1, ..verdict(None, None) }), ..failed },
    ];
    let story = StoryNumbers {
        image: "a.jpg".into(),
        objects: 1,
        level_rule: LevelRule::Assigned.name(),
        tap: Tap::Neck.name(),
        truth: Some(truth.clone()),
        scales: vec![scale("P4", 1), scale("P5", 0)],
        raw: shares,
        answers: shares,
        chosen: Some(("answers", 0.5)),
        ..StoryNumbers::default()
    };
    let left_out = StoryTruth { threshold: f32::INFINITY, ..truth };
    let alone = StoryNumbers { objects: 2, at: 1, truth: Some(left_out), raw: None, ..story.clone() };
    let with_runs = runs.map(|run| StoryNumbers { run: Some(run), ..story.clone() });
    [story, alone].into_iter().chain(with_runs).collect()
}

#[test]
fn the_numbers_of_the_story_are_said_in_both_languages() {
    let lines =
        |step| stories().into_iter().flat_map(move |numbers| [numbers.numbers(step), numbers.facts(step)]).flatten();
    for line in Step::ALL.into_iter().flat_map(lines) {
        assert_eq!(line.said(&language::tr), line.english(), "this thread speaks English");
        let said = language::within(Language::Chinese, || line.said(&language::tr));
        assert!(!is_sentence(&said), "{said}");
    }
    let said = |numbers: &StoryNumbers, step: Step| -> Vec<String> {
        language::within(Language::Chinese, || {
            numbers.numbers(step).iter().map(|line| line.said(&language::tr)).collect()
        })
    };
    let stories = stories();
    let (numbers, left_out) = (&stories[0], &stories[1]);
    assert_eq!(said(numbers, Step::Threshold)[1], "P4 有 1 个单元超过它");
    assert_eq!(said(left_out, Step::Threshold)[0], "按规则“按分配”，P5 不参与");
    assert_eq!(said(numbers, Step::Inside)[1], "P5：d 的均值：掩码内 无，掩码外 0.500");
}

#[test]
fn nothing_that_is_to_be_read_stays_english() {
    use distillscope::app::run::RunTab;
    use distillscope::app::view::{Layer, Pin};

    let mut window = Window::open(Settings::default(), Language::Chinese);
    let mut seen = window.labels();
    window.set(Command::Pin(Some(Pin { stride: 8, row: 40, col: 40 })));
    window.set(Command::TogglePositives);
    for layer in Layer::ALL {
        window.set(Command::SetLayer(layer));
        seen.extend(window.labels());
    }
    for tab in RunTab::ALL {
        window.set(Command::SetRunTab(tab));
        seen.extend(window.labels());
    }
    window.set(Command::ToggleTalk);
    for step in Step::ALL {
        window.set(Command::SeekTalk(step as usize));
        seen.extend(window.labels());
    }
    window.set(Command::ToggleTalk);
    for over in [Command::ToggleKeys, Command::TogglePalette, Command::ToggleMessages, Command::OpenFigure(None)] {
        window.set(over.clone());
        seen.extend(window.labels());
        window.set(Command::Dismiss);
    }
    assert!(seen.len() > 300, "{}", seen.len());
    let texts: BTreeMap<&str, &str> = language::entries(Language::Chinese).collect();
    let has_a_text = |label: &str| texts.get(label).is_some_and(|text| *text != label);
    let is_name = |label: &str| label == IouConvention::Seed.name() || label.contains("channels last");
    let left_out = |label: &str| is_name(label) || label.starts_with("Resize window ");
    let is_english = |label: &&String| !left_out(label) && (has_a_text(label) || is_sentence(label));
    let english: Vec<&String> = seen.iter().filter(is_english).collect();
    assert!(english.is_empty(), "{english:#?}");
}
