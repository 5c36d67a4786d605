//! What a picture shows, as data: the lists by hand, and both painters of one list against each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use distillscope::app::view::Camera;
use distillscope::colormap::ColorMap;
use distillscope::drawing::layers::{self, picture};
use distillscope::drawing::{
    BestAnchor, Content, Fill, Found, Ground, Heatmap, Ink, Item, Picture, Pin, Pointer, Positives, Region, Stroke,
};
use distillscope::figure::{Detail, FigureSpec, Lead, Panel, render};
use distillscope::geometry::{BoundingBox, Size};
use distillscope::grid::Grid;
use distillscope::inspect::{DetectionView, Role, SceneLabel};
use distillscope::ui::canvas::paint;
use distillscope::ui::canvas::projection::Projection;
use egui::epaint::{ClippedShape, Mesh, Shape};
use egui::{Color32, Rect, TextureId, pos2, vec2};
use image::RgbImage;

fn labels() -> Vec<SceneLabel> {
    let label = |name: &str, x: f32| SceneLabel {
        class: 0,
        name: name.to_owned(),
        bbox: BoundingBox::new(x, 8.0, x + 24.0, 40.0),
    };
    vec![label("car", 4.0), label("dog", 36.0)]
}

/// A 64 × 64 input with two objects; one scale of 2 × 2 cells of 32 px with one anchor of 20 × 10 px; the upper row
/// is masked, the left column are positives.
fn small(labels: &[SceneLabel]) -> Content<'_> {
    let mask = Arc::new(Region::of((2, 2), 32, |cell| cell < 2));
    let found = DetectionView { name: "car".to_owned(), score: 0.5, bbox: BoundingBox::new(5.0, 9.0, 27.0, 39.0) };
    let grid = Grid::from_values(2, 2, vec![1.0, 2.0, 0.0, 0.0]).expect("2 x 2");
    Content {
        stride: 32,
        shape: (2, 2),
        anchors: &[[20.0, 10.0]],
        map: Some(Arc::new(Heatmap::new(grid, 32.0, ColorMap::Viridis))),
        opacity: 0.5,
        positives: None,
        mask: Some(mask),
        labels: labels.iter().enumerate().collect(),
        found: vec![Found { role: Role::Student, detections: vec![found], named: false }],
        pin: Some(Pin { stride: 16, row: 1, col: 3 }),
        ..Content::default()
    }
}

fn names(picture: &Picture) -> Vec<(&str, usize)> {
    picture.layers.iter().map(|layer| (layer.name, layer.items.len())).collect()
}

type Seen = (Ink, Stroke, [f32; 4]);

fn frames(picture: &Picture) -> Vec<Seen> {
    picture.frames().map(|frame| (frame.ink, frame.stroke, frame.bbox.as_xyxy())).collect()
}

fn regions(picture: &Picture) -> Vec<(Ink, Fill, usize, usize)> {
    let region = |item: &Item| match item {
        Item::Region { region, ink, fill } => Some((*ink, *fill, region.count(), region.edges.len())),
        _ => None,
    };
    picture.items().filter_map(region).collect()
}

const CAR: [f32; 4] = [4.0, 8.0, 28.0, 40.0];
const DOG: [f32; 4] = [36.0, 8.0, 60.0, 40.0];

#[test]
fn the_list_of_a_small_inspection_by_hand() {
    let labels = labels();
    let drawn = picture(&small(&labels));
    assert_eq!(names(&drawn), [("map", 1), ("mask", 1), ("labels", 2), ("detections", 1), ("cell", 2)]);
    // Row 1 and column 3 of 16 px each.
    let cell = [48.0, 16.0, 64.0, 32.0];
    assert_eq!(
        frames(&drawn),
        [
            (Ink::Truth(0), Stroke::Solid, CAR),
            (Ink::Truth(1), Stroke::Solid, DOG),
            (Ink::Model(Role::Student), Stroke::Dashed, [5.0, 9.0, 27.0, 39.0]),
            (Ink::Cell, Stroke::Strong, cell),
        ]
    );
    // Two cells beside each other: a rectangle.
    assert_eq!(regions(&drawn), [(Ink::White, Fill::Outline, 2, 4)]);
    assert_eq!(drawn.map().expect("a map").covered(), [64.0, 64.0]);
    let said: Vec<String> = layers::legend(&[&drawn, &drawn]).into_iter().map(|entry| entry.text).collect();
    assert_eq!(said, ["outline of the mask", "found by the student", "the cell that is explained"]);
}

#[test]
fn a_solo_is_the_last_and_the_strongest_and_what_is_pointed_at_lies_below_it() {
    let labels = labels();
    let of = |solo, pointed, labels_step_back| {
        let content = Content { solo, pointed, labels_step_back, ..small(&labels) };
        let frames = picture(&content).without(&["detections", "cell"]);
        frames.frames().map(|frame| (frame.ink, frame.stroke, frame.tag.is_some())).collect::<Vec<_>>()
    };
    let [car, dog] = [Ink::Truth(0), Ink::Truth(1)];
    assert_eq!(of(Some(0), None, false), [(dog, Stroke::Faint, false), (car, Stroke::Strong, true)]);
    assert_eq!(of(None, Some(0), false), [(dog, Stroke::Solid, true), (car, Stroke::Strong, true)]);
    assert_eq!(of(Some(0), Some(1), false), [(dog, Stroke::Strong, true), (car, Stroke::Strong, true)]);
    assert_eq!(of(None, None, true), [(car, Stroke::Quiet, false), (dog, Stroke::Quiet, false)]);
    assert_eq!(of(Some(7), None, false)[0].1, Stroke::Solid, "a ground truth that is not there");
}

#[test]
fn positives_take_the_place_of_the_outline_and_anchors_stand_on_their_cell() {
    let labels = labels();
    let base = small(&labels);
    let mask = base.mask.clone().expect("a mask");
    let positives = Some(Arc::new(Positives::against(&mask, [(0, 0), (1, 0)].into_iter())));
    let drawn = picture(&Content { positives, muted: 0.5, anchors_at: Some((1, 0)), ..base });
    let expected = [("photograph", 1), ("map", 1), ("positives", 4), ("anchors", 3)];
    assert_eq!(names(&drawn)[..4], expected);
    // Cell (0, 0) is both, (1, 0) a positive alone, (0, 1) masked alone; the anchors' cell is tinted.
    assert_eq!(
        regions(&drawn),
        [
            (Ink::Positive, Fill::Tinted, 1, 4),
            (Ink::Positive, Fill::Striped, 1, 4),
            (Ink::White, Fill::Outline, 1, 4),
            (Ink::Positive, Fill::Outline, 2, 4),
            (Ink::Cell, Fill::Tinted, 1, 4),
        ]
    );
    // 20 × 10 px around (16, 48).
    assert_eq!(frames(&drawn)[0], (Ink::Anchor { index: 0, of: 1 }, Stroke::Solid, [6.0, 43.0, 26.0, 53.0]));
    let said: Vec<String> = layers::legend(&[&drawn]).into_iter().map(|entry| entry.text).take(4).collect();
    assert_eq!(said, ["the mask alone", "YOLOv5's positives alone", "both", "the cell, and its anchors around it"]);
}

#[test]
fn the_best_anchor_is_marked_with_its_value_and_the_pointer_elsewhere_with_a_cross() {
    let pointer = |elsewhere| Some(Pointer { x: 40.0, y: 10.0, elsewhere });
    let best = BestAnchor { ink: Ink::White, anchor: [8.0, 4.0], cell: (0, 1), value: Some("M = 0.5".to_owned()) };
    let base = Content { stride: 32, shape: (2, 2), ..Content::default() };
    let drawn = picture(&Content { best: vec![best.clone()], pointer: pointer(true), ..base.clone() });
    assert_eq!(names(&drawn), [("best", 3), ("pointer", 2)]);
    let cell = [32.0, 0.0, 64.0, 32.0];
    assert_eq!(
        frames(&drawn),
        [
            (Ink::White, Stroke::Dashed, [44.0, 14.0, 52.0, 18.0]),
            (Ink::Cell, Stroke::Strong, cell),
            (Ink::White, Stroke::Solid, cell),
        ]
    );
    let quiet = Content { best: vec![BestAnchor { value: None, ..best }], pointer: pointer(false), ..base };
    assert_eq!(names(&picture(&quiet)), [("best", 1), ("pointer", 1)]);
    assert!(picture(&Content::default()).layers.is_empty());
}

#[test]
fn layers_have_names_of_their_own() {
    let mut names: Vec<&str> = layers::LAYERS.iter().map(|kind| kind.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

/// Points, and figure units, per input px of an input of 64 × 64 px.
const ZOOM: f32 = 10.0;
const TEXTURE: TextureId = TextureId::User(7);

/// Everything that both painters know, over four cells a side.
fn everything(positives: bool) -> Picture {
    let label = |x: f32| SceneLabel { class: 0, name: "a".to_owned(), bbox: BoundingBox::new(x, 9.0, x + 21.0, 30.0) };
    let labels = [label(3.0), label(37.0)];
    let mask = Arc::new(Region::of((4, 4), 16, |cell| [0, 1, 4, 10].contains(&cell)));
    let found = DetectionView { name: "a".to_owned(), score: 0.5, bbox: BoundingBox::new(12.0, 33.0, 41.0, 60.0) };
    let set = || Arc::new(Positives::against(&mask, [(0, 0), (2, 1)].into_iter()));
    picture(&Content {
        stride: 16,
        shape: (4, 4),
        anchors: &[[20.0, 10.0], [14.0, 26.0]],
        map: Some(Arc::new(Heatmap::new(Grid::filled(4, 4, 1.0), 16.0, ColorMap::Viridis))),
        opacity: 0.5,
        positives: positives.then(set),
        mask: Some(Arc::clone(&mask)),
        anchors_at: Some((1, 1)),
        labels: labels.iter().enumerate().collect(),
        found: vec![Found { role: Role::Student, detections: vec![found], named: false }],
        pin: Some(Pin { stride: 8, row: 6, col: 2 }),
        ..Content::default()
    })
}

fn shapes(drawn: &Picture) -> Vec<Mesh> {
    let body = Rect::from_min_size(pos2(0.0, 0.0), vec2(640.0, 640.0));
    let projection = Projection::new(Camera::Fit, Size::square(64), body);
    let input = egui::RawInput { screen_rect: Some(body), ..egui::RawInput::default() };
    let output = egui::Context::default().run_ui(input, |ui| {
        paint::picture(&ui.painter().with_clip_rect(body), &projection, drawn, Some(TEXTURE), false);
    });
    let mesh = |shape: ClippedShape| match shape.shape {
        Shape::Mesh(mesh) => Some(Mesh::clone(&mesh)),
        _ => None,
    };
    output.shapes.into_iter().filter_map(mesh).collect()
}

/// The rectangles of a colour in input px.
fn quads(meshes: &[Mesh], color: Color32) -> Vec<[f32; 4]> {
    let of = |mesh: &Mesh| {
        let quads = mesh.vertices.chunks(4).filter(|quad| quad[0].color == color).map(|quad| {
            let corners = quad.iter().map(|vertex| vertex.pos);
            let rect = Rect::from_points(&corners.collect::<Vec<_>>());
            [rect.left(), rect.top(), rect.right(), rect.bottom()].map(|at| at / ZOOM)
        });
        quads.collect::<Vec<_>>()
    };
    meshes.iter().filter(|mesh| mesh.texture_id != TEXTURE).flat_map(of).collect()
}

/// The SVG of the same picture.
struct Drawn {
    svg: String,
    /// Where the picture begins.
    origin: [f32; 2],
}

impl Drawn {
    fn of(picture: Picture) -> Self {
        let photo = RgbImage::new(64, 64);
        let panel = Panel {
            title: String::new(),
            accent: None,
            note: String::new(),
            photo: &photo,
            grey: false,
            picture,
            detail: Detail::Least,
            bar: None,
        };
        let spec = FigureSpec {
            title: String::new(),
            lead: Lead::default(),
            facts: Vec::new(),
            panels: vec![panel],
            columns: 1,
            panel_side: 64.0 * ZOOM,
            legend: Vec::new(),
        };
        let svg = render(&spec).expect("a figure").svg;
        let clip = svg.split("<clipPath").nth(1).expect("the picture's border");
        let origin = [" x", " y"].map(|name| number(clip, name));
        Self { svg, origin }
    }

    /// Elements with these words in them.
    fn elements(&self, name: &str, words: &str) -> Vec<&str> {
        let all = self.svg.split('<').filter(|element| element.starts_with(name));
        all.filter(|element| element.contains(words)).collect()
    }

    fn rect(&self, element: &str) -> [f32; 4] {
        let [x, y, width, height] = [" x", " y", " width", " height"].map(|name| number(element, name));
        let [x, y] = [x - self.origin[0], y - self.origin[1]];
        [x, y, x + width, y + height].map(|at| at / ZOOM)
    }

    /// The lines of "M x y h length" and the like.
    fn lines(&self, path: &str) -> Vec<[f32; 4]> {
        let moves = path.split('M').skip(1);
        let line = |text: &str| {
            let (start, length) = text.split_once(['h', 'v']).expect("a line");
            let (x, y) = start.trim().split_once(' ').expect("two numbers");
            let [x, y, length] = [x, y, length].map(|text| text.trim().parse::<f32>().expect("a number"));
            let [x, y] = [x - self.origin[0], y - self.origin[1]];
            let end = if text.contains('h') { [x + length, y] } else { [x, y + length] };
            [x, y, end[0], end[1]].map(|at| at / ZOOM)
        };
        moves.map(line).collect()
    }
}

fn attribute<'t>(element: &'t str, name: &str) -> &'t str {
    let text = element.split(&format!("{name}=\"")).nth(1).unwrap_or_else(|| panic!("{name} of {element}"));
    text.split('"').next().expect("a value")
}

fn number(element: &str, name: &str) -> f32 {
    attribute(element, name).parse().expect("a number")
}

fn hex(color: Color32) -> String {
    let [r, g, b, _] = color.to_array();
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Lines in whole input px; fillings, and marks and dashes, which are shorter than two, left out.
fn whole(lines: impl IntoIterator<Item = [f32; 4]>) -> BTreeSet<[i32; 4]> {
    let long = |[x1, y1, x2, y2]: &[f32; 4]| (x2 - x1).max(y2 - y1) >= 2.0 && (x2 - x1).min(y2 - y1) < 1.0;
    lines.into_iter().filter(long).map(|line| line.map(|at| at.round() as i32)).collect()
}

fn sides([x1, y1, x2, y2]: [f32; 4]) -> [[f32; 4]; 4] {
    [[x1, y1, x2, y1], [x1, y2, x2, y2], [x1, y1, x1, y2], [x2, y1, x2, y2]]
}

fn around(rects: &[[f32; 4]]) -> [f32; 4] {
    let fold = |at: usize, by: fn(f32, f32) -> f32| rects.iter().map(|rect| rect[at]).reduce(by).expect("something");
    [fold(0, f32::min), fold(1, f32::min), fold(2, f32::max), fold(3, f32::max)]
}

#[test]
fn both_painters_draw_the_same_lines_at_the_same_places() {
    for positives in [false, true] {
        let drawn = everything(positives);
        let (screen, paper) = (shapes(&drawn), Drawn::of(drawn.clone()));
        let mut seen = 0;
        for ink in [
            Ink::White,
            Ink::Positive,
            Ink::Cell,
            Ink::Truth(0),
            Ink::Truth(1),
            Ink::Anchor { index: 0, of: 2 },
            Ink::Anchor { index: 1, of: 2 },
        ] {
            let on_screen = whole(quads(&screen, ink.color(Ground::Screen)));
            let stroke = format!("stroke=\"{}\"", hex(ink.color(Ground::Paper)));
            let rects = paper.elements("rect", &stroke).into_iter().filter(|rect| rect.contains("stroke-width"));
            let rects = rects.flat_map(|rect| sides(paper.rect(rect)));
            let paths = paper.elements("path", &stroke).into_iter().filter(|path| !path.contains("stroke-opacity"));
            let paths = paths.flat_map(|path| paper.lines(attribute(path, " d")));
            let on_paper = whole(rects.chain(paths).collect::<Vec<_>>());
            assert_eq!(on_screen, on_paper, "{ink:?}");
            seen += on_paper.len();
        }
        assert!(seen > 20, "{seen}");
    }
}

#[test]
fn both_painters_dash_fill_and_place_alike() {
    let drawn = everything(true);
    let (screen, paper) = (shapes(&drawn), Drawn::of(drawn));
    let near = |a: [f32; 4], b: [f32; 4]| assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.3), "{a:?} {b:?}");
    let student = Ink::Model(Role::Student);
    let dashed = paper.elements("rect", &hex(student.color(Ground::Paper)));
    let dashed = dashed.into_iter().find(|rect| rect.contains("dasharray")).expect("a detection");
    near(around(&quads(&screen, student.color(Ground::Screen))), paper.rect(dashed));

    for fill in [Fill::Striped, Fill::Tinted] {
        let color = Ink::Positive.color(Ground::Screen).gamma_multiply(fill.opacity());
        // Stripes have the colour of the outline too: they are wider than it, and higher than wide.
        let bars = quads(&screen, color);
        let bars = bars.into_iter().filter(|[x1, y1, x2, y2]| (x2 - x1) > 2.0 && (y2 - y1) > 15.0);
        let opacity = format!("fill-opacity=\"{}\"", fill.opacity());
        let filled = paper.elements("path", &opacity).into_iter().find(|path| path.contains("#ff4040"));
        let path = attribute(filled.expect("cells"), " d");
        let corners = path.split('M').skip(1).map(|bar| {
            let numbers: Vec<f32> =
                bar.split([' ', 'h', 'v', 'z']).filter_map(|text| text.trim().parse().ok()).collect();
            let [x, y] = [numbers[0] - paper.origin[0], numbers[1] - paper.origin[1]];
            [x, y, x + numbers[2], y + numbers[3]].map(|at| at / ZOOM)
        });
        let (bars, corners): (Vec<_>, Vec<_>) = (bars.collect(), corners.collect());
        assert_eq!(bars.len(), if fill == Fill::Striped { 3 } else { 1 });
        assert_eq!(bars.len(), corners.len());
        bars.into_iter().zip(corners).for_each(|(bar, corner)| near(bar, corner));
    }

    let map = screen.iter().find(|mesh| mesh.texture_id == TEXTURE).expect("a map").calc_bounds();
    let image = paper.elements("image", " x=");
    near([map.left(), map.top(), map.right(), map.bottom()].map(|at| at / ZOOM), paper.rect(image[0]));
}
