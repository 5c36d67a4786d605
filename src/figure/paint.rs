//! The painter of pictures as SVG.

use image::RgbImage;

use super::picture::{map_uri, photo_uri};
use super::raster::FigureError;
use super::spec::Detail;
use super::svg::{Place, Style, Svg, at, opaque, words};
use super::text::{Text, WEAK, widths};
use crate::drawing::{Fill, Frame, Ground, Heatmap, Ink, Item, Picture, Region, Sign, Stroke, Tag};
use crate::geometry::BoundingBox;
use crate::palette::ink_on;

const TAG: f32 = 10.5;
const TAG_PAD: f32 = 3.5;
/// Ground truths up to which a small picture numbers them.
const TAGGED: usize = 12;
/// Ground truths up to which a large picture names them; it numbers any more.
const NAMED: usize = 32;
/// How far the marks of a cross stand off their place, and how long they are.
const APART: f32 = 4.0;
const REACH: f32 = 8.0;

fn color(ink: Ink) -> String {
    opaque(ink.color(Ground::Paper))
}

/// Opens a group that ends at the picture's border, with the photograph in it; `k`: figure units per input px.
pub(super) fn photograph(svg: &mut Svg, photo: &RgbImage, grey: bool, k: f32, place: Place) -> Result<(), FigureError> {
    let (number, new) = svg.number("photo", &format!("{:x} {grey}", photo.as_raw().as_ptr() as usize));
    let id = format!("photo{number}");
    if new {
        let (width, height) = (photo.width().to_string(), photo.height().to_string());
        let uri = photo_uri(photo, grey)?;
        let attributes = words([("id", &id), ("width", &width), ("height", &height), ("xlink:href", &uri)]);
        svg.define("image", attributes, "", Vec::new());
    }
    let (x, y, ..) = place;
    let clip = format!("picture{}", svg.number("picture", &format!("{x} {y}")).0);
    svg.define("clipPath", words([("id", &clip)]), "rect", vec![at(place)]);
    svg.open("g", words([("clip-path", &format!("url(#{clip})"))]));
    let transform = format!("translate({x:.2} {y:.2}) scale({k})");
    svg.add("use", words([("xlink:href", &format!("#{id}")), ("transform", &transform)]));
    Ok(())
}

/// Everything over a photograph; `k`: figure units per input px.
pub(super) fn picture(svg: &mut Svg, picture: &Picture, detail: Detail, k: f32, at: Place) -> Result<(), FigureError> {
    let (x, y, width, _) = at;
    // Thinner where a picture is small or crowded.
    let line = if width >= 400.0 && picture.frames().count() <= 40 { 2.0 } else { 1.4 };
    for item in picture.items() {
        match item {
            // It is printed in grey.
            Item::Muted(_) => {}
            Item::Map { map, opacity } => heatmap(svg, map, *opacity, k, (x, y))?,
            Item::Grid { stride, .. } => cell_lines(svg, *stride as f32 * k, at),
            Item::Region { region: cells, ink, fill } => region(svg, cells, *ink, *fill, k, (x, y)),
            Item::Frame(frame) => outline(svg, frame, k, (x, y), line),
            Item::Cross { around, ink, .. } => cross(svg, around, *ink, k, (x, y), line),
        }
    }
    tags(svg, picture, detail, k, at);
    Ok(())
}

fn heatmap(svg: &mut Svg, map: &Heatmap, opacity: f32, k: f32, (x, y): (f32, f32)) -> Result<(), FigureError> {
    let [width, height] = map.covered();
    let more = words([
        ("opacity", &format!("{opacity:.3}")),
        ("preserveAspectRatio", "none"),
        ("image-rendering", "optimizeSpeed"),
        ("style", "image-rendering:pixelated"),
        ("xlink:href", &map_uri(map)?),
    ]);
    svg.add("image", [at((x, y, width * k, height * k)), more].concat());
    Ok(())
}

/// A coloured line on a dark casing, readable on any photograph.
fn outline(svg: &mut Svg, frame: &Frame, k: f32, (x, y): (f32, f32), line: f32) {
    let b = &frame.bbox;
    let at = (x + b.x1 * k, y + b.y1 * k, (b.width() * k).max(0.0), (b.height() * k).max(0.0));
    let color = color(frame.ink);
    let (solid, thin) = (Style::line(&color, line), Style::line(&color, line * 0.7));
    let style = match frame.stroke {
        Stroke::Solid | Stroke::Strong => solid,
        Stroke::Dashed => Style { dash: "4 3", ..thin },
        Stroke::Quiet => return svg.rect(at, Style { opacity: 0.6, ..thin }),
        Stroke::Faint => return svg.rect(at, Style { opacity: 0.45, ..thin }),
    };
    svg.rect(at, Style { opacity: 0.55, ..Style::line("#000000", style.width + 1.4) });
    svg.rect(at, style);
}

/// Lines between cells of a side, over a picture.
fn cell_lines(svg: &mut Svg, cell: f32, (x, y, width, height): Place) {
    if cell < 3.0 {
        return;
    }
    let inside = |whole: f32| (1..).map(move |index| index as f32 * cell).take_while(move |at| *at < whole - 0.5);
    let down = inside(width).map(|at| format!("M{:.2} {y:.2}v{height:.2}", x + at));
    let across = inside(height).map(|at| format!("M{x:.2} {:.2}h{width:.2}", y + at));
    let path: String = down.chain(across).collect();
    svg.path(&path, Style { opacity: 0.45, ..Style::line("#ffffff", 0.6) });
}

/// A line on a dark casing with square ends.
fn cased(svg: &mut Svg, path: &str, color: &str, line: f32) {
    let style = Style { cap: "square", ..Style::line(color, line) };
    svg.path(path, Style { stroke: "#000000", width: line + 1.4, opacity: 0.7, ..style });
    svg.path(path, style);
}

/// Cells, or the edges between those inside and those outside.
fn region(svg: &mut Svg, region: &Region, ink: Ink, fill: Fill, k: f32, at: (f32, f32)) {
    let path = if fill == Fill::Outline { edges(region, k, at) } else { cells(region, fill, k, at) };
    match fill {
        _ if path.is_empty() => {}
        Fill::Outline => cased(svg, &path, &color(ink), 1.2),
        _ => svg.path(&path, Style { opacity: fill.opacity(), ..Style::fill(&color(ink)) }),
    }
}

fn edges(region: &Region, k: f32, (x, y): (f32, f32)) -> String {
    let line = |edge| {
        let [[x1, y1], [x2, y2]] = region.ends(edge);
        let (length, letter) = if y1 == y2 { (x2 - x1, 'h') } else { (y2 - y1, 'v') };
        format!("M{:.2} {:.2}{letter}{:.2}", x + x1 * k, y + y1 * k, length * k)
    };
    region.edges.iter().map(line).collect()
}

fn cells(region: &Region, fill: Fill, k: f32, (x, y): (f32, f32)) -> String {
    let bars = |cell: BoundingBox| {
        let (side, left, top) = (cell.width() * k, x + cell.x1 * k, y + cell.y1 * k);
        fill.bars().iter().map(move |(from, width)| {
            let (left, width) = (left + from * side, width * side);
            format!("M{left:.2} {top:.2}h{width:.2}v{side:.2}h{:.2}z", -width)
        })
    };
    region.boxes().flat_map(bars).collect()
}

/// Four marks that point at a place from its sides.
fn cross(svg: &mut Svg, around: &BoundingBox, ink: Ink, k: f32, (x, y): (f32, f32), line: f32) {
    let (left, right) = (x + around.x1 * k - APART, x + around.x2 * k + APART);
    let (top, bottom) = (y + around.y1 * k - APART, y + around.y2 * k + APART);
    let (cx, cy) = ((left + right) / 2.0, (top + bottom) / 2.0);
    let across = [left - REACH, right].map(|from| format!("M{from:.2} {cy:.2}h{REACH}"));
    let down = [top - REACH, bottom].map(|from| format!("M{cx:.2} {from:.2}v{REACH}"));
    cased(svg, &across.into_iter().chain(down).collect::<String>(), &color(ink), line);
}

fn overlap(a: Place, b: Place) -> bool {
    a.0 < b.0 + b.2 && b.0 < a.0 + a.2 && a.1 < b.1 + b.3 && b.1 < a.1 + a.3
}

/// What a tag can say, from the longest; `truths`: how many ground truths the picture has tags for.
fn texts(tag: &Tag, detail: Detail, truths: usize) -> Vec<String> {
    match tag {
        Tag::Truth { number, name } if detail == Detail::Full && truths <= NAMED => {
            vec![format!("{number} {name}"), number.to_string()]
        }
        Tag::Truth { number, .. } if detail == Detail::Full || (detail == Detail::Small && truths <= TAGGED) => {
            vec![number.to_string()]
        }
        Tag::Truth { .. } => Vec::new(),
        Tag::Found { name, score, .. } => vec![format!("{name} {score:.2}"), format!("{score:.2}")],
        Tag::Size([width, height]) => vec![format!("{width:.0}×{height:.0}")],
        Tag::Value(text) => vec![text.clone()],
    }
}

/// Tags beside their boxes.
fn tags(svg: &mut Svg, picture: &Picture, detail: Detail, k: f32, picture_at: Place) {
    let tagged = || picture.frames().filter_map(|frame| Some((frame, frame.tag.as_ref()?)));
    let truths = tagged().filter(|(_, tag)| matches!(tag, Tag::Truth { .. })).count();
    let said: Vec<(&Frame, Vec<Text>)> = tagged()
        .map(|(frame, tag)| (frame, texts(tag, detail, truths).into_iter().map(|text| Text::bold(text, TAG)).collect()))
        .collect();
    let all: Vec<Text> = said.iter().flat_map(|(_, texts)| texts).cloned().collect();
    let mut measured = widths(&all).into_iter().map(|width| width + 2.0 * TAG_PAD);
    let mut taken = Vec::new();
    for (frame, texts) in &said {
        let widths: Vec<f32> = measured.by_ref().take(texts.len()).collect();
        let Some((choice, area)) = place_tag(&frame.bbox, &widths, k, picture_at, &mut taken) else {
            continue;
        };
        let plate = frame.ink.color(Ground::Paper);
        svg.add("rect", [at(area), words([("rx", "1.5"), ("fill", &opaque(plate))])].concat());
        svg.text(&texts[choice], area.0 + TAG_PAD, area.1 + TAG, &opaque(ink_on(plate)), "start");
    }
}

/// The first of a box's tags, given by width, that finds a place beside it: inside the picture and over no other tag.
fn place_tag(
    b: &BoundingBox,
    choices: &[f32],
    k: f32,
    picture: Place,
    taken: &mut Vec<Place>,
) -> Option<(usize, Place)> {
    let height = TAG + 4.0;
    let (picture_right, picture_bottom) = (picture.0 + picture.2, picture.1 + picture.3);
    let (left, right) = (picture.0 + b.x1 * k, picture.0 + b.x2 * k);
    let (top, bottom) = (picture.1 + b.y1 * k, picture.1 + b.y2 * k);
    let found = choices.iter().enumerate().find_map(|(choice, &width)| {
        let places = [
            (left - 1.0, top - height),
            (right - width + 1.0, top - height),
            (left - 1.0, bottom),
            (right - width + 1.0, bottom),
            (left, top),
            (left, bottom - height),
            (right, top),
            (left - width, top),
        ];
        let area = places
            .into_iter()
            .map(|(x, y)| (x.min(picture_right - width).max(picture.0), y, width, height))
            .filter(|area| area.0 + width <= picture_right && area.1 >= picture.1 && area.1 + height <= picture_bottom)
            .find(|&area| !taken.iter().any(|&other| overlap(area, other)))?;
        Some((choice, area))
    });
    taken.extend(found.map(|(_, area)| area));
    found
}

/// A sign of a legend, its upper left corner at (x, y).
pub(super) fn sign(svg: &mut Svg, sign: Sign, x: f32, y: f32) {
    let at = (x + 1.0, y + 1.0, 12.0, 9.0);
    // On white paper white is not seen.
    let color = |ink| if ink == Ink::White { WEAK.to_owned() } else { color(ink) };
    match sign {
        Sign::None => {}
        Sign::Fill(color) => svg.rect(at, Style::fill(&opaque(color))),
        Sign::Box(ink) => svg.rect(at, Style::line(&color(ink), 2.0)),
        Sign::Dashed(ink) => svg.rect(at, Style { dash: "3 2", ..Style::line(&color(ink), 1.4) }),
        Sign::Cell(ink, fill) => {
            let cell = Region::of((1, 1), 10, |_| true);
            for fill in [fill, Fill::Outline] {
                region(svg, &cell, ink, fill, 1.0, (x + 2.0, y));
            }
        }
        Sign::Outline => {
            svg.rect(at, Style { fill: "#8a9099", ..Style::line("#000000", 2.6) });
            svg.rect(at, Style::line("#ffffff", 1.2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_stay_inside_the_picture_and_apart() {
        let picture = (10.0, 20.0, 300.0, 200.0);
        let corners = [(0.0, 0.0), (290.0, 0.0), (0.0, 190.0), (290.0, 190.0), (140.0, 90.0), (141.0, 91.0)];
        let mut areas = Vec::new();
        for (x, y) in corners {
            let bbox = BoundingBox::new(x, y, x + 10.0, y + 10.0);
            let found = place_tag(&bbox, &[500.0, 60.0], 1.0, picture, &mut areas);
            assert_eq!(found.expect("there is room").0, 1, "the wide text fits nowhere");
        }
        for (index, &a) in areas.iter().enumerate() {
            assert!(a.0 >= 10.0 && a.1 >= 20.0 && a.0 + a.2 <= 310.0 && a.1 + a.3 <= 220.0, "{a:?}");
            assert!(areas[..index].iter().all(|&b| !overlap(a, b)), "{areas:?}");
        }
    }

    #[test]
    fn a_region_is_outlined_where_inside_meets_outside() {
        // Two cells side by side, on the edge of the map: one rectangle, no line between them.
        let region = Region::of((2, 3), 8, |cell| cell < 2);
        assert_eq!(edges(&region, 1.0, (0.0, 0.0)), "M0.00 0.00h16.00M0.00 8.00h16.00M0.00 0.00v8.00M16.00 0.00v8.00");
        assert_eq!(edges(&Region::of((2, 3), 8, |_| false), 1.0, (0.0, 0.0)), "");
    }

    #[test]
    fn cells_of_a_region_are_tinted_or_striped() {
        let region = Region::of((1, 2), 12, |cell| cell == 1);
        let path = |fill| cells(&region, fill, 1.0, (0.0, 0.0));
        assert_eq!(path(Fill::Outline), "");
        assert_eq!(path(Fill::Tinted), "M12.00 0.00h12.00v12.00h-12.00z");
        // Three stripes, half of the cell together.
        let striped = path(Fill::Striped);
        for stripe in ["M13.00 0.00h2.00v", "M17.00 0.00h2.00v", "M21.00 0.00h2.00v"] {
            assert!(striped.contains(stripe), "{striped}");
        }
    }

    #[test]
    fn a_tag_says_as_much_as_the_picture_has_room_for() {
        let tag = Tag::Truth { number: 3, name: "car".to_owned() };
        let said = |detail, truths| texts(&tag, detail, truths).join("|");
        assert_eq!([said(Detail::Full, 32), said(Detail::Full, 33)], ["3 car|3", "3"]);
        assert_eq!([said(Detail::Small, 12), said(Detail::Small, 13), said(Detail::Least, 1)], ["3", "", ""]);
        let found =
            Tag::Found { role: crate::inspect::Role::Student, name: "car".to_owned(), score: 0.876, named: false };
        assert_eq!(texts(&found, Detail::Least, 0), ["car 0.88", "0.88"]);
    }
}
