//! The canvas in an invisible window: hover, zoom, pan, solo and layers as a hand would use them.

use std::collections::BTreeSet;
use std::sync::Arc;

use distillscope::app::command::Command;
use distillscope::app::view::{Camera, Hover, Layer, Pin, RangeMode, ScaleChoice, ViewSettings};
use distillscope::geometry::{BoundingBox, Letterbox, Size};
use distillscope::imitation::difference::{DifferenceKind, FeatureStack};
use distillscope::imitation::loss::Loss;
use distillscope::imitation::mask::{ImitationMask, IouConvention, IouField, LevelRule, Psi};
use distillscope::inspect::{Comparison, ScaleComparison, Scene, SceneLabel, Tap};
use distillscope::ui::canvas::Canvas;
use distillscope::ui::canvas::model::CanvasModel;
use distillscope::ui::style;
use distillscope::yolo::anchors::AnchorScale;
use distillscope::yolo::assign::{Target, assign};
use egui::{Event, Modifiers, MouseWheelSource, MouseWheelUnit, Pos2, TouchPhase, Vec2, pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;

/// What an app would hold around the canvas.
struct Desk {
    canvas: Canvas,
    scene: Option<Arc<Scene>>,
    anchors: Vec<AnchorScale>,
    field: Arc<IouField>,
    mask: ImitationMask,
    mask_version: u64,
    comparison: Option<Arc<Comparison>>,
    view: ViewSettings,
    camera: Camera,
    hover: Option<Hover>,
    pin: Option<Pin>,
    solo: Option<usize>,
    message: Option<&'static str>,
    commands: Vec<Command>,
    styled: bool,
}

impl Desk {
    fn show(ui: &mut egui::Ui, desk: &mut Self) {
        // Fonts are there from the next frame on.
        if !std::mem::replace(&mut desk.styled, true) {
            style::install(ui.ctx());
            return;
        }
        let model = CanvasModel {
            scene: desk.scene.as_ref(),
            anchors: &desk.anchors,
            field: Some(&desk.field),
            mask: Some(&desk.mask),
            mask_version: desk.mask_version,
            comparison: desk.comparison.as_ref(),
            measures: None,
            weighed: None,
            found: None,
            snapshot: None,
            run: None,
            pull: None,
            view: &desk.view,
            camera: desk.camera,
            hover: desk.hover,
            pin: desk.pin,
            solo: desk.solo,
            names: &[],
            best: None,
            outlined: false,
            message: desk.message,
        };
        for command in desk.canvas.show(ui, &model) {
            match &command {
                Command::SetCamera(camera) => desk.camera = *camera,
                Command::Hover(hover) => desk.hover = *hover,
                Command::Pin(pin) => desk.pin = *pin,
                Command::Solo(solo) => desk.solo = *solo,
                other => panic!("the canvas never asks for {other:?}"),
            }
            desk.commands.push(command);
        }
    }
}

fn label(class: usize, bbox: BoundingBox) -> SceneLabel {
    SceneLabel { class, name: format!("class {class}"), bbox }
}

fn features(stride: u32, input: Size, seed: u32) -> Arc<FeatureStack> {
    let (rows, cols) = ((input.height / stride) as usize, (input.width / stride) as usize);
    let value = |i: usize| ((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 16) as f32 / 65536.0 - 0.5;
    Arc::new(FeatureStack::new(4, rows, cols, (0..4 * rows * cols).map(value).collect()).expect("four channels"))
}

/// A 640 × 640 input with a box of 200 px in the middle and one of 40 px inside it, three scales, two models.
fn desk() -> Desk {
    desk_of(Size::square(640))
}

fn desk_of(input: Size) -> Desk {
    let size = Size::new(64, 48);
    let picture = Arc::new(image::RgbImage::from_pixel(64, 48, image::Rgb([90, 120, 60])));
    let scene = Scene {
        path: "street.jpg".into(),
        size,
        letterbox: Letterbox::fit(size, input, true),
        input: Arc::clone(&picture),
        display: picture,
        labels: vec![
            label(0, BoundingBox::new(220.0, 220.0, 420.0, 420.0)),
            label(1, BoundingBox::new(300.0, 300.0, 340.0, 340.0)),
        ],
        warnings: Vec::new(),
    };
    let scale = |stride: u32| AnchorScale { stride, anchors: vec![[stride as f32, 2.0 * stride as f32], [64.0, 64.0]] };
    let anchors = vec![scale(8), scale(16), scale(32)];
    let field = Arc::new(IouField::compute(&anchors, input, &scene.boxes(), IouConvention::Exact));
    let mask = field.mask(Psi::default(), LevelRule::PerScale);
    let scales = [8, 16, 32].map(|stride| ScaleComparison {
        stride,
        teacher: Some(features(stride, input, 1)),
        student: Some(features(stride, input, 2)),
        adapted: Some(features(stride, input, 3)),
        adapter: "least-squares",
        fit: None,
        outputs: 0,
        teacher_head: None,
        student_head: None,
        loss: None,
        sureness: None,
    });
    let comparison = Comparison {
        tap: Tap::Neck,
        loss: Loss::default(),
        scales: scales.to_vec(),
        head_pull: None,
        teacher_detections: None,
        student_detections: None,
        teacher_seconds: None,
        student_seconds: None,
        forward: None,
        parts: distillscope::inspect::CompareParts::ALL,
        notes: Vec::new(),
    };
    Desk {
        canvas: Canvas::default(),
        scene: Some(Arc::new(scene)),
        anchors,
        field,
        mask,
        mask_version: 0,
        comparison: Some(Arc::new(comparison)),
        view: ViewSettings { difference: Some(DifferenceKind::SquaredL2), ..ViewSettings::default() },
        camera: Camera::Fit,
        hover: None,
        pin: None,
        solo: None,
        message: None,
        commands: Vec::new(),
        styled: false,
    }
}

fn window(desk: Desk) -> Harness<'static, Desk> {
    // Frames of a real window, so that clicks are quick enough to be double and a wheel has the time to come to rest.
    let builder = Harness::builder().with_size(vec2(1000.0, 600.0)).with_step_dt(1.0 / 60.0).with_max_steps(60);
    let mut harness = builder.build_ui_state(Desk::show, desk);
    harness.run();
    harness.state_mut().commands.clear();
    harness
}

/// Where an input px of a fitted 640 × 640 input lies in a pane.
fn at(harness: &Harness<'_, Desk>, pane: &str, x: f32, y: f32) -> Pos2 {
    let body = harness.get_by_label(pane).rect();
    let zoom = body.width().min(body.height()) / 640.0;
    body.center() + vec2(x - 320.0, y - 320.0) * zoom
}

fn press_with(harness: &Harness<'_, Desk>, pos: Pos2, pressed: bool, modifiers: Modifiers) {
    let button = egui::PointerButton::Primary;
    harness.event_modifiers(Event::PointerButton { pos, button, pressed, modifiers }, modifiers);
}

fn press(harness: &Harness<'_, Desk>, pos: Pos2, pressed: bool) {
    press_with(harness, pos, pressed, Modifiers::NONE);
}

fn click_with(harness: &mut Harness<'_, Desk>, pos: Pos2, modifiers: Modifiers) {
    harness.hover_at(pos);
    harness.step();
    press_with(harness, pos, true, modifiers);
    harness.step();
    press_with(harness, pos, false, modifiers);
    harness.run();
}

fn scroll(harness: &mut Harness<'_, Desk>, points: f32, modifiers: Modifiers) {
    let (unit, phase, source) = (MouseWheelUnit::Point, TouchPhase::Move, MouseWheelSource::Wheel);
    harness.event(Event::MouseWheel { unit, delta: vec2(0.0, points), phase, source, modifiers });
    harness.run();
}

#[test]
fn every_scale_has_a_pane_and_one_scale_has_one() {
    let mut harness = window(desk());
    let widths = ["P3 pane", "P4 pane", "P5 pane"].map(|pane| harness.get_by_label(pane).rect().width());
    assert!(widths.iter().all(|width| (width - widths[0]).abs() < 0.01), "{widths:?}");
    harness.state_mut().view.scales = ScaleChoice::Stride(16);
    harness.run();
    assert!(harness.query_by_label("P3 pane").is_none());
    assert!(harness.get_by_label("P4 pane").rect().width() > 2.0 * widths[0]);
    harness.state_mut().view.layer = Layer::Image;
    harness.run();
    harness.get_by_label("Image pane");
}

#[test]
fn the_pointer_is_told_in_input_px_once_and_so_is_its_leaving() {
    let mut harness = window(desk());
    let there = at(&harness, "P4 pane", 100.0, 500.0);
    harness.hover_at(there);
    harness.run();
    harness.run();
    let hover = harness.state().hover.expect("over the picture");
    assert_eq!(hover.stride, 16);
    assert!((hover.x - 100.0).abs() < 0.1 && (hover.y - 500.0).abs() < 0.1, "{hover:?}");
    assert_eq!(harness.state().commands, [Command::Hover(Some(hover))]);
    harness.hover_at(pos2(1.0, 1.0));
    harness.run();
    harness.run();
    assert_eq!(harness.state().commands, [Command::Hover(Some(hover)), Command::Hover(None)]);
}

#[test]
fn the_wheel_zooms_around_the_pointer_in_all_panes() {
    let mut harness = window(desk());
    let there = at(&harness, "P5 pane", 200.0, 300.0);
    harness.hover_at(there);
    harness.run();
    let before = harness.state().hover.expect("over the picture");
    scroll(&mut harness, 200.0, Modifiers::NONE);
    let after = harness.state().hover.expect("still over the picture");
    assert!((before.x - after.x).abs() < 0.1 && (before.y - after.y).abs() < 0.1, "{before:?} {after:?}");
    let Camera::Free { zoom, .. } = harness.state().camera else { panic!("zoomed") };
    let fit = harness.get_by_label("P3 pane").rect().width() / 640.0;
    assert!(zoom > 1.5 * fit, "{zoom} from {fit}");
    // The same view in another pane: the same input px lies at the same place of its own.
    let (p3, p5) = (harness.get_by_label("P3 pane").rect(), harness.get_by_label("P5 pane").rect());
    harness.hover_at(there + (p3.center() - p5.center()));
    harness.run();
    let linked = harness.state().hover.expect("over the picture");
    assert_eq!(linked.stride, 8);
    assert!((linked.x - after.x).abs() < 0.1 && (linked.y - after.y).abs() < 0.1);
}

#[test]
fn wheel_with_control_and_pinch_zoom_too_and_zooming_out_ends_at_the_fit() {
    for event in [None, Some(Event::Zoom(1.5))] {
        let mut harness = window(desk());
        let there = at(&harness, "P3 pane", 320.0, 320.0);
        harness.hover_at(there);
        harness.run();
        match event {
            Some(event) => {
                harness.event(event);
                harness.run();
            }
            None => scroll(&mut harness, 120.0, Modifiers::CTRL),
        }
        assert!(matches!(harness.state().camera, Camera::Free { .. }));
        scroll(&mut harness, -2000.0, Modifiers::NONE);
        assert_eq!(harness.state().camera, Camera::Fit);
    }
}

#[test]
fn a_double_click_fits_and_leaves_solo_and_pin_as_they_were() {
    let elsewhere = Pin { stride: 16, row: 3, col: 5 };
    for (solo, pin) in [(None, None), (Some(1), Some(elsewhere))] {
        let mut desk = desk();
        desk.pin = pin;
        desk.camera = Camera::Free { center: [320.0, 320.0], zoom: 1.0 };
        desk.solo = solo;
        let mut harness = window(desk);
        let middle = harness.get_by_label("P3 pane").rect().center();
        harness.hover_at(middle);
        harness.step();
        for _ in 0..2 {
            press(&harness, middle, true);
            press(&harness, middle, false);
            harness.step();
        }
        harness.run();
        let state = harness.state();
        assert_eq!((state.camera, state.solo, state.pin), (Camera::Fit, solo, pin));
        assert!(state.commands.iter().any(|command| matches!(command, Command::Pin(Some(_)))), "the first half pins");
    }
}

#[test]
fn a_drag_pans_and_never_loses_the_picture() {
    let mut desk = desk();
    desk.camera = Camera::Free { center: [320.0, 320.0], zoom: 2.0 };
    let mut harness = window(desk);
    let body = harness.get_by_label("P4 pane").rect();
    let drag = |harness: &mut Harness<'_, Desk>, by: Vec2| {
        let start = body.center();
        harness.hover_at(start);
        harness.step();
        press(harness, start, true);
        harness.step();
        harness.hover_at(start + by);
        harness.step();
        press(harness, start + by, false);
        harness.run();
    };
    drag(&mut harness, vec2(40.0, -20.0));
    assert_eq!(harness.state().camera, Camera::Free { center: [300.0, 330.0], zoom: 2.0 });
    for _ in 0..10 {
        drag(&mut harness, vec2(400.0, 0.0));
    }
    let Camera::Free { center, zoom } = harness.state().camera else { panic!("still free") };
    assert!((center[0] - body.width() / 2.0 / zoom).abs() < 0.01, "the left edge of the picture at the left edge");
    assert_eq!((harness.state().solo, harness.state().pin), (None, None), "a drag is no click");
}

#[test]
fn a_click_pins_the_cell_under_it_and_a_second_one_lets_it_go() {
    let mut harness = window(desk());
    // Row 500 / 16, column 100 / 16; the same place on P3.
    let (p4, p3) = (at(&harness, "P4 pane", 100.0, 500.0), at(&harness, "P3 pane", 100.0, 500.0));
    for (time, place, expected) in [
        (0.0, p4, Some(Pin { stride: 16, row: 31, col: 6 })),
        (10.0, p3, Some(Pin { stride: 8, row: 62, col: 12 })),
        (20.0, p3, None),
    ] {
        harness.input_mut().time = Some(time);
        click_with(&mut harness, place, Modifiers::NONE);
        assert_eq!((harness.state().pin, harness.state().solo), (expected, None));
    }
    // The layer without a scale takes the finest one.
    harness.state_mut().view.layer = Layer::Image;
    harness.run();
    let there = at(&harness, "Image pane", 100.0, 500.0);
    harness.input_mut().time = Some(30.0);
    click_with(&mut harness, there, Modifiers::NONE);
    assert_eq!(harness.state().pin, Some(Pin { stride: 8, row: 62, col: 12 }));
}

#[test]
fn a_pinned_cell_is_marked_in_every_pane() {
    let meshes = |pin: Option<Pin>| {
        let mut desk = desk();
        desk.view.layer = Layer::Iou;
        desk.pin = pin;
        let harness = window(desk);
        let shapes = &harness.output().shapes;
        let colored = |clipped: &&egui::epaint::ClippedShape| match &clipped.shape {
            egui::Shape::Mesh(mesh) => mesh.vertices.iter().any(|v| v.color == distillscope::palette::PIN),
            _ => false,
        };
        shapes.iter().filter(colored).count()
    };
    assert_eq!((meshes(None), meshes(Some(Pin { stride: 32, row: 9, col: 9 }))), (0, 3));
}

#[test]
fn a_click_with_shift_solos_the_smallest_box_under_it_and_the_next_one_ends_it() {
    let mut harness = window(desk());
    let click = |harness: &mut Harness<'_, Desk>, place| click_with(harness, place, Modifiers::SHIFT);
    let inner = at(&harness, "P3 pane", 320.0, 320.0);
    click(&mut harness, inner);
    assert_eq!(harness.state().solo, Some(1));
    // Long enough after the first for no double click.
    harness.input_mut().time = Some(10.0);
    let outer = at(&harness, "P5 pane", 250.0, 250.0);
    click(&mut harness, outer);
    assert_eq!(harness.state().solo, Some(0));
    harness.input_mut().time = Some(20.0);
    click(&mut harness, outer);
    assert_eq!(harness.state().solo, None);
}

#[test]
fn textures_are_made_when_they_change_and_at_no_other_time() {
    let ctx = egui::Context::default();
    let mut desk = desk();
    let screen = egui::Rect::from_min_size(Pos2::ZERO, vec2(1000.0, 600.0));
    let changed = |desk: &mut Desk| {
        let input = egui::RawInput { screen_rect: Some(screen), ..egui::RawInput::default() };
        let mut output = ctx.run_ui(input, |ui| Desk::show(ui, desk));
        // The font's atlas is texture 0.
        let made = output.textures_delta.set.keys().filter(|id| **id != egui::TextureId::Managed(0)).count();
        output.textures_delta.clear();
        made
    };
    assert_eq!(changed(&mut desk), 0, "fonts come first");
    assert_eq!(changed(&mut desk), 4, "a photograph, and a map a scale");
    assert_eq!(changed(&mut desk), 0);
    desk.mask_version += 1;
    assert_eq!(changed(&mut desk), 3, "a map a scale");
    assert_eq!(changed(&mut desk), 0);
    desk.view.opacity = 0.3;
    desk.camera = Camera::Free { center: [100.0, 100.0], zoom: 3.0 };
    assert_eq!(changed(&mut desk), 0, "opacity and camera need no new texture");
    desk.view.range = RangeMode::Locked { low: 0.0, high: 1.0 };
    assert_eq!(changed(&mut desk), 3);
    desk.view.layer = Layer::Teacher;
    assert_eq!(changed(&mut desk), 3);
    desk.mask_version += 1;
    assert_eq!(changed(&mut desk), 0, "features do not depend on the mask");
    desk.view.inside_mask = true;
    assert_eq!(changed(&mut desk), 3);
    let repeated = desk.comparison.as_deref().cloned();
    desk.comparison = repeated.map(Arc::new);
    assert_eq!(changed(&mut desk), 3, "another comparison");
}

#[test]
fn the_range_on_screen_is_there_to_be_locked() {
    let mut harness = window(desk());
    let hits = harness.state().mask.scales.iter().flat_map(|scale| &scale.count).max().copied();
    assert_eq!(harness.state().canvas.range(), hits.map(|hits| (0.0, hits as f32)));
    harness.state_mut().view.layer = Layer::Anchors;
    harness.run();
    assert_eq!(harness.state().canvas.range(), None);
}

#[test]
fn a_fitted_view_can_be_zoomed_by_a_key() {
    let harness = window(desk());
    let body = harness.get_by_label("P3 pane").rect();
    let fit = body.width().min(body.height()) / 640.0;
    let Some(Camera::Free { center, zoom }) = harness.state().canvas.zoomed(2.0) else { panic!("zoomed") };
    assert_eq!(center, [320.0, 320.0]);
    assert!((zoom - 2.0 * fit).abs() < 1e-4);
    assert_eq!(harness.state().canvas.zoomed(0.5), Some(Camera::Fit));
    assert_eq!(Canvas::default().zoomed(2.0), None);
}

#[test]
fn without_a_scene_there_is_advice_or_the_message() {
    let mut empty = desk();
    empty.scene = None;
    let mut harness = window(empty);
    harness.get_by_label_contains("Drop an image");
    harness.state_mut().message = Some("Loading street.jpg…");
    harness.run();
    harness.get_by_label("Loading street.jpg…");
    harness.state_mut().scene = desk().scene;
    harness.run();
    harness.get_by_label("P3 pane");
    harness.get_by_label("Loading street.jpg…");
}

#[test]
fn every_layer_draws_what_it_is_given_however_little_it_is() {
    let strip = |desk: &mut Desk, step: usize| match step {
        0 => {}
        1 => desk.comparison = None,
        // Scales and ground truths that the field and the mask do not know yet.
        2 => desk.anchors.push(AnchorScale { stride: 64, anchors: vec![[128.0, 128.0]] }),
        3 => desk.solo = Some(7),
        4 => desk.field = Arc::new(IouField::compute(&[], Size::square(640), &[], IouConvention::Exact)),
        5 => desk.mask = ImitationMask { scales: Vec::new() },
        6 => desk.anchors.clear(),
        _ => desk.camera = Camera::Free { center: [f32::NAN, 1e30], zoom: -1.0 },
    };
    for input in [Size::square(640), Size::new(320, 96)] {
        for layer in Layer::ALL {
            let mut harness = window(desk_of(input));
            harness.state_mut().view = ViewSettings {
                layer,
                inside_mask: true,
                teacher_boxes: true,
                student_boxes: true,
                ..ViewSettings::default()
            };
            for step in 0..8 {
                strip(harness.state_mut(), step);
                harness.hover_at(pos2(150.0, 300.0));
                harness.run();
            }
        }
    }
}

#[test]
fn a_window_of_a_few_points_is_no_reason_to_fall() {
    let mut harness = window(desk());
    for size in [vec2(1.0, 1.0), vec2(40.0, 30.0), vec2(30.0, 900.0), vec2(900.0, 30.0)] {
        harness.set_size(size);
        harness.run();
    }
}

#[test]
fn positives_are_counted_against_the_mask_of_all_or_of_the_soloed_box() {
    let mut desk = desk();
    desk.view.positives = true;
    let counts = |desk: &Desk, scale: usize, gts: &[usize]| {
        let (input, anchors) = (Size::square(640), &desk.anchors[scale]);
        let boxes = desk.scene.as_ref().expect("a scene").boxes();
        let (rows, cols) = anchors.shape(640, 640);
        let targets: Vec<_> = gts.iter().map(|&gt| Target::new(0, 0, &boxes[gt], input)).collect();
        let positives: BTreeSet<_> =
            assign(&targets, anchors, rows, cols, 4.0).iter().map(|p| (p.row, p.col)).collect();
        let mut marked = BTreeSet::new();
        for &gt in gts {
            let threshold = desk.field.threshold(scale, gt, Psi::default(), LevelRule::PerScale);
            let largest = desk.field.largest(scale, Some(gt));
            let above = largest.values().iter().enumerate().filter(|(_, iou)| **iou > threshold);
            marked.extend(above.map(|(cell, _)| (cell / cols, cell % cols)));
        }
        let both = marked.intersection(&positives).count();
        let (mask, alone) = (marked.len() - both, positives.len() - both);
        format!("{}: {mask} cells of the mask alone, {alone} of YOLOv5's positives alone, {both} both", anchors.name())
    };
    let (all, solo) = ([0, 1, 2].map(|scale| counts(&desk, scale, &[0, 1])), counts(&desk, 1, &[1]));
    assert_ne!(all[1], solo);
    let mut window = window(desk);
    all.iter().for_each(|sentence| {
        window.get_by_label(sentence);
    });
    window.state_mut().solo = Some(1);
    window.run_steps(2);
    window.get_by_label(&solo);
    window.state_mut().view.positives = false;
    window.run_steps(2);
    assert!(window.query_by_label(&solo).is_none());
}
