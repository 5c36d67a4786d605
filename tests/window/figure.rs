//! Saving a figure from the window: the sheet by the names that a screen reader says, what is asked of the worker, and
//! that the figure shows what the state holds. No model and no worker: the test draws what the worker would.

use std::sync::Arc;

use distillscope::app::command::Command;
use distillscope::app::derive::figure::drawing;
use distillscope::app::figure::FigureWhat;
use distillscope::app::settings::Settings;
use distillscope::app::state::Overlay;
use distillscope::app::view::{ChannelView, Layer, Pin, RangeMode, ScaleChoice};
use distillscope::colormap::ColorMap;
use distillscope::drawing::Picture;
use distillscope::figure::drawing::Drawing;
use distillscope::figure::{Background, Figure, FigureFormat, Look, SvgText};
use distillscope::geometry::{BoundingBox, Size};
use distillscope::grid::Grid;
use distillscope::imitation::difference::{DifferenceKind, FeatureStack};
use distillscope::imitation::loss::Loss;
use distillscope::imitation::mask::{IouConvention, IouField, LevelRule, Psi};
use distillscope::inspect::{Comparison, Role, ScaleComparison, Tap};
use distillscope::shell::{App, Backend, Options};
use distillscope::train::event::{RunId, Snapshot, SnapshotScale, StepRecord, Variant};
use distillscope::train::history::Plot;
use distillscope::ui::canvas::Canvas;
use distillscope::ui::canvas::model::{CanvasModel, canvas_model};
use distillscope::ui::style;
use distillscope::worker::{EarlierRun, FigureJob, FigurePreview, Job, JobKind, ModelBrief, Report};
use distillscope::yolo::anchors::default_anchors;
use distillscope::yolo::detection::Detection;
use egui::accesskit::Toggled;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use image::RgbaImage;

use crate::common::{Fake, Screen, card, half_mean, open, scene};

struct Window {
    harness: Screen,
    fake: Fake,
}

impl Window {
    fn open(settings: Settings) -> Self {
        let options = Options { image: Some("a.jpg".into()), device: "auto".into(), ..Options::default() };
        let (harness, fake) = open([1600.0, 1000.0], settings, options);
        Self { harness, fake }
    }

    /// On an image with two ground truths and the default anchors; figures go into a folder that is named.
    fn on_scene() -> Self {
        let mut settings = Settings::default();
        settings.figure.folder = "figures".into();
        let mut window = Self::open(settings);
        window.report(Report::Scene(scene()));
        let job = window.fake.0.borrow().jobs.iter().rev().find(|job| matches!(job, Job::Field { .. })).cloned();
        let Some(Job::Field { scene, anchors, convention }) = job else { panic!("no field was asked for") };
        let field = Arc::new(IouField::compute(&anchors, scene.input_size(), &scene.boxes(), convention));
        window.report(Report::Field { scene, anchors, convention, field });
        window
    }

    /// The same, with two models that have seen the image.
    fn compared() -> Self {
        let mut window = Self::on_scene();
        for role in Role::ALL {
            window.load(role);
        }
        // The paper's imitation, seen as plain squares.
        window.set(Command::SetLoss(Loss::FEATURES));
        window.set(Command::SetRule(LevelRule::PerScale));
        window.set(Command::SetDifference(Some(DifferenceKind::SquaredL2)));
        let job = window.fake.0.borrow().jobs.iter().rev().find(|job| matches!(job, Job::Compare { .. })).cloned();
        let Some(Job::Compare { scene, request, .. }) = job else { panic!("no comparison was asked for") };
        window.report(Report::Compared { scene, request, comparison: comparison() });
        window
    }

    fn load(&mut self, role: Role) {
        let path = std::path::PathBuf::from(format!("{}.pt", role.name()));
        let names = vec!["cell".to_owned()];
        let brief = ModelBrief { path: path.clone(), names: names.clone(), anchors: default_anchors() };
        self.set(Command::OpenModel(role, path.clone()));
        self.report(Report::Described { role, brief });
        self.report(Report::Loaded { role, card: card(path, &names, &default_anchors()) });
    }

    fn app(&self) -> &App<Fake> {
        self.harness.state().as_ref().expect("the first frame makes it")
    }

    fn report(&mut self, report: Report) {
        self.fake.0.borrow_mut().reports.push_back(report);
        self.harness.run_steps(3);
    }

    /// Carries a command out, with what it asks of the worker.
    fn set(&mut self, command: Command) {
        let app = self.harness.state_mut().as_mut().expect("an app");
        let effects = distillscope::app::update::apply(&mut app.state, command);
        for effect in effects {
            if let distillscope::app::update::effect::Effect::Send(job) = effect {
                self.fake.send(job);
            }
        }
        self.harness.run_steps(3);
    }

    fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run_steps(3);
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run_steps(3);
    }

    fn overlay(&self) -> Option<Overlay> {
        self.app().state.overlay
    }

    /// The number of the newest preview, and how many were asked for.
    fn previews(&self) -> (Option<u64>, usize) {
        let jobs = &self.fake.0.borrow().jobs;
        let serials: Vec<u64> = jobs
            .iter()
            .filter_map(|job| match job {
                Job::FigurePreview { serial, .. } => Some(*serial),
                _ => None,
            })
            .collect();
        (serials.last().copied(), serials.len())
    }

    fn saved(&self) -> FigureJob {
        let jobs = &self.fake.0.borrow().jobs;
        let figure = jobs.iter().rev().find_map(|job| match job {
            Job::Figure(job) => Some(job.clone()),
            _ => None,
        });
        figure.expect("a figure was asked for")
    }

    /// The figure of the view, drawn as the worker would.
    fn view(&mut self) -> Figure {
        self.set(Command::OpenFigure(Some(FigureWhat::View)));
        self.click("Save the figure");
        let mut figures = self.saved().what.draw(&Look::default()).expect("a figure");
        assert_eq!(figures.len(), 1);
        self.set(Command::Dismiss);
        figures.remove(0).1
    }
}

/// Two channels a scale. The teacher's first one is the number of the cell by hundreds, its second one 0; the student is 0,
/// and so the squared difference is the square of that number.
fn comparison() -> Arc<Comparison> {
    let scales = [8_u32, 16, 32].map(|stride| {
        let side = 640 / stride as usize;
        let cells = side * side;
        let stack =
            |values: Vec<f32>| Some(Arc::new(FeatureStack::new(2, side, side, values).expect("2 x side x side")));
        let squares = (0..cells).map(|index| (index as f32 / 100.0).powi(2)).collect();
        let ramp = (0..2 * cells).map(|index| if index < cells { index as f32 / 100.0 } else { 0.0 }).collect();
        ScaleComparison {
            stride,
            teacher: stack(ramp),
            student: stack(vec![0.0; 2 * cells]),
            adapted: stack(vec![0.0; 2 * cells]),
            adapter: "least-squares",
            fit: None,
            outputs: 0,
            teacher_head: None,
            student_head: None,
            loss: half_mean(Grid::from_values(side, side, squares).expect("side x side")),
            sureness: None,
        }
    });
    Arc::new(Comparison {
        tap: Tap::Neck,
        loss: Loss::FEATURES,
        scales: scales.to_vec(),
        head_pull: None,
        teacher_detections: Some(Vec::new()),
        student_detections: Some(Vec::new()),
        teacher_seconds: None,
        student_seconds: None,
        forward: None,
        parts: distillscope::inspect::CompareParts::ALL,
        notes: Vec::new(),
    })
}

/// Where the map of a panel lies, in figure units: x, y, width.
fn place_of_map(figure: &Figure) -> [f32; 3] {
    let element = figure.svg.split("<image x=").nth(1).expect("a map");
    let number = |name: &str| {
        let text = element.split(&format!("{name}\"")).nth(1).expect(name);
        text.split('"').next().expect("a value").parse::<f32>().expect("a number")
    };
    let x = element.split('"').nth(1).expect("x").parse().expect("a number");
    [x, number(" y="), number(" width=")]
}

/// The colour in the middle of a cell of a map of so many columns.
fn color_at(figure: &Figure, cols: usize, row: usize, col: usize) -> [u8; 3] {
    let picture = image::load_from_memory(&figure.png(1.0).expect("a PNG")).expect("a picture").to_rgb8();
    let [x, y, width] = place_of_map(figure);
    let cell = width / cols as f32;
    let at = |start: f32, index: usize| (start + (index as f32 + 0.5) * cell) as u32;
    picture.get_pixel(at(x, col), at(y, row)).0
}

/// P5 alone, opaque and without boxes: every pixel of a cell is its colour.
fn bare(window: &mut Window, layer: Layer) {
    window.set(Command::SetLayer(layer));
    window.set(Command::SetScales(ScaleChoice::Stride(32)));
    window.set(Command::SetOpacity(1.0));
    if window.app().state.view.labels {
        window.set(Command::ToggleLabels);
    }
}

#[test]
fn the_view_has_the_colours_of_the_grid() {
    let mut window = Window::compared();
    bare(&mut window, Layer::Difference);
    // P5 has 400 cells: d goes from 0 to 3.99² = 15.92. Cell (3, 7) is number 67: 0.67² = 0.4489, share 0.0282 of 255 is 7.
    let magma = ColorMap::Magma.table();
    let figure = window.view();
    assert_eq!(color_at(&figure, 20, 3, 7), magma[7]);
    assert_eq!(color_at(&figure, 20, 19, 19), magma[255]);
    // Locked from 0 to 1, another map: 0.4489 of 255 is 114; what lies above is the last colour.
    window.set(Command::SetRange(RangeMode::Locked { low: 0.0, high: 1.0 }));
    window.set(Command::SetColorMap(Some(ColorMap::Viridis)));
    let figure = window.view();
    let viridis = ColorMap::Viridis.table();
    assert_eq!([color_at(&figure, 20, 3, 7), color_at(&figure, 20, 9, 9)], [viridis[114], viridis[255]]);
    // One channel has a sign: student − teacher is −0.67 of ±3.99, (1 − 0.67 / 3.99) / 2 of 255 is 106.
    window.set(Command::SetRange(RangeMode::Auto));
    window.set(Command::SetColorMap(None));
    window.set(Command::SetChannels(ChannelView::One(0)));
    let figure = window.view();
    assert_eq!(color_at(&figure, 20, 3, 7), ColorMap::BlueRed.table()[106]);
    assert!(figure.svg.contains("channel 0, s − t"));
}

#[test]
fn opacity_mixes_the_map_with_the_photograph_as_on_screen() {
    let mut window = Window::compared();
    bare(&mut window, Layer::Teacher);
    window.set(Command::SetOpacity(0.5));
    let figure = window.view();
    // ‖f‖ of the last cell is the largest: inferno's last colour, half of it, and half of a grey of 114.
    let expected = ColorMap::Inferno.table()[255].map(|part| (f32::from(part) + 114.0) / 2.0);
    let found = color_at(&figure, 20, 19, 19);
    for (found, expected) in found.into_iter().zip(expected) {
        assert!((f32::from(found) - expected).abs() <= 1.0, "{found} {expected}");
    }
}

#[test]
fn outside_the_mask_there_is_a_veil_and_the_range_is_that_of_the_inside() {
    let mut window = Window::compared();
    bare(&mut window, Layer::Difference);
    window.set(Command::SetInsideMask(true));
    let figure = window.view();
    // Black of 170 / 255 over 114: 114 · 85 / 255 = 38.
    assert_eq!(color_at(&figure, 20, 0, 0), [38; 3]);
    let mask = window.app().state.mask.clone().expect("a mask");
    let inside: Vec<usize> = (0..400).filter(|&cell| mask.scales[2].count[cell] > 0).collect();
    let last = *inside.last().expect("a cell");
    assert_eq!(color_at(&figure, 20, last / 20, last % 20), ColorMap::Magma.table()[255]);
    assert!(figure.svg.contains("outside the mask") && figure.svg.contains("outline of the mask"));
}

#[test]
fn the_small_print_says_what_the_picture_depends_on() {
    let mut window = Window::compared();
    window.set(Command::SetPsi(0.3));
    window.set(Command::SetRule(LevelRule::Global));
    window.set(Command::SetLayer(Layer::Difference));
    let figure = window.view();
    for fact in [
        "a.jpg",
        "input 640×640 px",
        "ψ = 0.3",
        "level rule global",
        "IoU exact",
        "teacher teacher.pt",
        "student student.pt",
        "tap neck",
        "adapter least-squares",
        "λ = 1",
    ] {
        assert!(figure.svg.contains(fact), "{fact}");
    }
    // All three scales, each with its mean of d over the cells of the mask and the rest.
    let boxes = scene().boxes();
    let field = IouField::compute(&default_anchors(), Size::square(640), &boxes, IouConvention::Exact);
    let mask = field.mask(Psi::saturating(0.3), LevelRule::Global);
    for (scale, name) in mask.scales.iter().zip(["P3", "P4", "P5"]) {
        let d = |cell: usize| (cell as f64 / 100.0).powi(2);
        let inside = |&cell: &usize| scale.count[cell] > 0;
        let cells: Vec<f64> = (0..scale.count.len()).filter(inside).map(d).collect();
        assert!(figure.svg.contains(&format!(">{name} · stride")), "{name}");
        if !cells.is_empty() {
            let mean = distillscope::format::significant(cells.iter().sum::<f64>() / cells.len() as f64);
            let loss = distillscope::format::significant(cells.iter().sum::<f64>() / (2.0 * cells.len() as f64));
            assert!(figure.svg.contains(&format!("{mean},")), "{name}: {mean}");
            assert!(figure.svg.contains(&loss), "{name}: {loss}");
        }
    }
}

#[test]
fn a_solo_has_its_own_mask_and_colour_and_a_pinned_cell_is_marked() {
    let mut window = Window::compared();
    bare(&mut window, Layer::Mask);
    window.set(Command::Solo(Some(1)));
    window.set(Command::Pin(Some(Pin { stride: 32, row: 9, col: 10 })));
    let figure = window.view();
    // The 16 × 16 box marks 8 cells of P5, each by one anchor.
    assert!(figure.svg.contains("8 of 400 cells (2.0 %)"));
    assert!(figure.svg.contains("Imitation mask, object 1 small, P5"));
    assert!(figure.svg.contains("stroke=\"#56b4e9\""), "the second ground truth's colour outlines its mask");
    assert!(figure.svg.contains("the cell that is explained"));
}

#[test]
fn positives_are_set_against_the_mask() {
    let mut window = Window::on_scene();
    bare(&mut window, Layer::Mask);
    assert!(!window.view().svg.contains("positives alone"));
    window.set(Command::TogglePositives);
    let figure = window.view();
    for text in ["the mask alone", "positives alone", ">both<"] {
        assert!(figure.svg.contains(text), "{text}");
    }
    // YOLOv5 assigns the 400 × 300 box, which stands in the corner of four cells, to three of them on P5: striped or tinted.
    assert!(figure.svg.contains("fill=\"#ff4040\""));
}

#[test]
fn every_layer_has_its_figure() {
    let mut window = Window::compared();
    for layer in Layer::ALL {
        window.set(Command::SetLayer(layer));
        for scales in [ScaleChoice::All, ScaleChoice::Stride(16)] {
            window.set(Command::SetScales(scales));
            let figure = window.view();
            assert_eq!(figure.svg.contains(">P4 · stride 16"), layer != Layer::Image, "{layer:?}");
            assert_eq!(
                figure.svg.contains(">P5 · stride 32"),
                layer != Layer::Image && scales == ScaleChoice::All,
                "{layer:?}"
            );
        }
    }
}

#[test]
fn a_moment_of_a_run_is_named_with_its_run_its_step_and_its_weight() {
    let mut window = Window::on_scene();
    let steps =
        (0..3).map(|step| StepRecord { step, lambda: 0.25, distance: vec![Some(1.0)], ..StepRecord::default() });
    window.report(Report::EarlierRun(Box::new(EarlierRun {
        folder: "runs/run-1".into(),
        scales: vec!["P3".into()],
        steps: steps.collect(),
        ..EarlierRun::default()
    })));
    let app = window.harness.state_mut().as_mut().expect("an app");
    let snapshot = Snapshot {
        step: 2,
        image: "a.jpg".into(),
        scales: vec![SnapshotScale {
            stride: 32,
            difference: Grid::from_fn(20, 20, |row, col| (row * 20 + col) as f32),
        }],
        truths: Vec::new(),
        seconds: 0.0,
    };
    let history = Arc::make_mut(app.state.runs.histories.last_mut().expect("a run"));
    history.receive(distillscope::train::event::RunEvent::Snapshot(Arc::new(snapshot)));
    assert_eq!(history.id, RunId { seed: 0, variant: Variant::Imitation });
    window.set(Command::ToggleSnapshots);
    bare(&mut window, Layer::Difference);
    let figure = window.view();
    for text in
        ["run runs · run-1, step 2", "λ = 0.25", "adapter trained", "Difference of student and teacher, P5, step 2"]
    {
        assert!(figure.svg.contains(text), "{text}");
    }
    // 67 of 0 to 399: 43 of 255.
    assert_eq!(color_at(&figure, 20, 3, 7), ColorMap::Magma.table()[43]);
}

#[test]
fn the_sheet_opens_by_key_changes_by_click_and_asks_the_worker() {
    let mut window = Window::compared();
    window.press(Modifiers::COMMAND, Key::E);
    assert_eq!(window.overlay(), Some(Overlay::Figure));
    let (first, count) = window.previews();
    assert_eq!((first.is_some(), count), (true, 1), "one preview, and not one a frame");
    window.click("SVG");
    window.click("4×");
    window.click("transparent");
    window.click("column");
    window.click("replace");
    let settings = &window.app().state.figure.sheet.settings;
    assert_eq!(settings.choice.formats, [FigureFormat::Png]);
    assert_eq!((settings.choice.scale, settings.replace), (4, true));
    assert_eq!(settings.choice.look, Look { background: Background::Transparent, width_mm: Some(88.0) });
    // The look changed twice, and a scale is no other picture.
    assert_eq!(window.previews().1, 3);
    window.click("Save the figure");
    let job = window.saved();
    assert_eq!((job.name.as_str(), job.folder.to_str(), job.replace), ("a-mask", Some("figures"), true));
    assert_eq!(job.choice, window.app().state.figure.sheet.settings.choice);
    window.report(Report::FigureSaved(vec!["figures/a-mask.png".into()]));
    window.harness.get_by_label("saved in figures/a-mask.png");
    assert_eq!(window.overlay(), Some(Overlay::Figure), "the next one is a click away");
    window.press(Modifiers::COMMAND, Key::E);
    assert_eq!(window.overlay(), None);
}

#[test]
fn without_a_format_a_figure_cannot_be_saved_and_the_sheet_says_so() {
    let mut window = Window::on_scene();
    window.press(Modifiers::COMMAND, Key::E);
    window.click("PNG");
    window.click("SVG");
    window.harness.get_by_label("Choose PNG, SVG or both.");
    assert!(window.harness.get_by_label("Save the figure").accesskit_node().is_disabled());
    window.click("PNG");
    assert!(!window.harness.get_by_label("Save the figure").accesskit_node().is_disabled());
    window.click("outlines");
    assert_eq!(window.app().state.figure.sheet.settings.choice.svg_text, SvgText::Text, "there is no SVG");
}

#[test]
fn a_failed_save_says_why_in_the_sheet_and_as_a_message() {
    let mut window = Window::on_scene();
    window.press(Modifiers::COMMAND, Key::E);
    window.click("Save the figure");
    let message = "figures: the folder cannot be made: Permission denied; choose another one";
    window.report(Report::Failed { kind: JobKind::Figure, what: "the figure".into(), failure: message.into() });
    window.harness.get_by_label(message);
    assert_eq!(window.app().state.messages.unread, 1);
    // Another choice takes the complaint away.
    window.click("transparent");
    assert!(window.harness.query_by_label(message).is_none());
}

#[test]
fn what_is_not_there_cannot_be_chosen() {
    let mut window = Window::on_scene();
    window.press(Modifiers::COMMAND, Key::E);
    for label in ["the plots", "the survey"] {
        assert!(window.harness.get_by_label(label).accesskit_node().is_disabled(), "{label}");
    }
    let toggled = |window: &Window, label: &str| window.harness.get_by_label(label).accesskit_node().toggled();
    assert_eq!(toggled(&window, "this view"), Some(Toggled::True));
    window.click("the story");
    assert_eq!(window.app().state.figure.sheet.what, FigureWhat::Story);
    assert_eq!(toggled(&window, "the story"), Some(Toggled::True));
    window.harness.get_by_label_contains("8 figures; not told yet:");
    assert_eq!(
        Command::OpenFigure(Some(FigureWhat::Curves(Some(Plot::Total)))).disabled(&window.app().state),
        Some("There are no curves yet.")
    );
}

#[test]
fn the_story_of_the_window_has_every_step_that_can_be_told() {
    let mut window = Window::compared();
    window.set(Command::OpenFigure(Some(FigureWhat::Story)));
    window.click("Save the figure");
    let job = window.saved();
    assert_eq!(job.name, "a-story");
    let figures = job.what.draw(&Look::default()).expect("figures");
    let names: Vec<&str> = figures.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), 12);
    assert_eq!((names[0], names[11]), ("01-image", "12-loss"));
    // The small object is told of: the large one leaves nothing around it.
    assert!(figures[5].1.svg.contains("ψ · M = 0.5 · 0.353 = 0.17"));
}

#[test]
fn a_preview_is_shown_and_an_older_one_is_not() {
    let mut window = Window::on_scene();
    window.press(Modifiers::COMMAND, Key::E);
    let serial = window.previews().0.expect("a preview");
    let preview = || FigurePreview { picture: Arc::new(RgbaImage::new(36, 72)), units: [100.0, 200.0] };
    window.report(Report::FigurePreview { serial: serial + 1, preview: Ok(preview()) });
    window.harness.get_by_label("Drawing…");
    window.report(Report::FigurePreview { serial, preview: Ok(preview()) });
    window.harness.get_by_label("Preview of the figure");
    // Two pixels a unit.
    window.harness.get_by_label("200×400 px");
    window.set(Command::SetLayer(Layer::Iou));
    window.report(Report::FigurePreview { serial: serial + 1, preview: Err("too wide".into()) });
    window.harness.get_by_label("too wide");
}

#[test]
fn on_stage_the_step_is_saved_and_the_talk_goes_on() {
    let mut window = Window::on_scene();
    window.press(Modifiers::NONE, Key::F5);
    window.press(Modifiers::NONE, Key::End);
    for _ in 0..5 {
        window.press(Modifiers::NONE, Key::ArrowLeft);
    }
    // The union of the masks is the eighth of the thirteen that there are without a run.
    window.press(Modifiers::COMMAND, Key::E);
    assert_eq!(window.app().state.figure.sheet.what, FigureWhat::Step);
    // Keys of the talk wait while the sheet lies over it.
    window.press(Modifiers::NONE, Key::ArrowLeft);
    window.click("Save the figure");
    let job = window.saved();
    assert_eq!(job.name, "a-08-union");
    assert_eq!(job.what.draw(&Look::default()).expect("a figure").len(), 1);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!((window.overlay(), window.app().state.talk.on), (None, true));
    window.click("Save this step as a figure…");
    assert_eq!(window.overlay(), Some(Overlay::Figure));
}

/// What the canvas draws of the state, and what the figure of it is painted from, a picture a pane.
fn both_pictures(window: &Window) -> [Vec<Picture>; 2] {
    let state = &window.app().state;
    let view = state.canvas_view();
    let mut canvas = Canvas::default();
    let context = egui::Context::default();
    let input = egui::RawInput::default();
    // The first frame has no fonts yet.
    for _ in 0..2 {
        let model = CanvasModel { hover: None, ..canvas_model(state, &view, None) };
        style::install(&context);
        let _ = context.run_ui(input.clone(), |ui| {
            let _ = canvas.show(ui, &model);
        });
    }
    let strides: Vec<u32> = match (view.layer, view.scales) {
        (Layer::Image, _) => vec![0],
        (_, ScaleChoice::Stride(stride)) => vec![stride],
        (_, ScaleChoice::All) => state.scales().iter().map(|scale| scale.stride).collect(),
    };
    let on_screen = strides.into_iter().filter_map(|stride| canvas.picture(stride).cloned()).collect();
    let Ok(Drawing::View(view)) = drawing(state, FigureWhat::View) else { panic!("the view can be drawn") };
    [on_screen, view.pictures().expect("pictures")]
}

#[test]
fn the_window_and_its_figure_are_painted_from_one_list() {
    let mut window = Window::compared();
    let app = window.harness.state_mut().as_mut().expect("an app");
    let comparison = Arc::make_mut(app.state.comparison.as_mut().expect("compared"));
    let found = |x: f32| Detection { bbox: BoundingBox::new(x, 50.0, x + 90.0, 200.0), score: 0.75, class: 0 };
    comparison.teacher_detections = Some(vec![found(100.0)]);
    comparison.student_detections = Some(vec![found(110.0), found(300.0)]);
    let mut layers = std::collections::BTreeSet::new();
    let mut same = |window: &mut Window, what: &str| {
        for layer in Layer::ALL {
            window.set(Command::SetLayer(layer));
            let [on_screen, on_paper] = both_pictures(window);
            assert_eq!(on_screen, on_paper, "{layer:?}, {what}");
            assert_eq!(on_paper.len(), if layer == Layer::Image { 1 } else { 3 });
            layers.extend(on_paper.iter().flat_map(|picture| &picture.layers).map(|layer| layer.name));
        }
    };
    same(&mut window, "as it opens");
    window.set(Command::SetOpacity(0.35));
    window.set(Command::SetInsideMask(true));
    window.set(Command::Pin(Some(Pin { stride: 16, row: 20, col: 7 })));
    same(&mut window, "inside the mask, with a cell");
    window.set(Command::Solo(Some(1)));
    window.set(Command::ToggleBoxes(Role::Teacher));
    window.set(Command::ToggleBoxes(Role::Student));
    same(&mut window, "with a solo and detections");
    window.set(Command::TogglePositives);
    window.set(Command::SetChannels(ChannelView::One(0)));
    window.set(Command::SetRange(RangeMode::Locked { low: -1.0, high: 2.0 }));
    window.set(Command::SetColorMap(Some(ColorMap::Magma)));
    same(&mut window, "with positives, of one channel, in a locked range");
    let expected = ["anchors", "cell", "detections", "labels", "map", "mask", "photograph", "positives"];
    assert!(layers.iter().eq(&expected), "{layers:?}");
}
