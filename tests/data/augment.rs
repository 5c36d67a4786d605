//! Augmentation gives what YOLOv5's loader gives for the same draws (`scripts/golden_augment.py`).

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use distillscope::dataset::augment::{Augmentation, Key, Layout, Plan, Scene, Tile, Warp, fitted, jitter};
use distillscope::dataset::{Label, Sample, decode};
use distillscope::geometry::{BoundingBox, Size};
use image::{Rgb, RgbImage};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    samples: Vec<GoldenSample>,
    cases: Vec<Case>,
    hsv: Vec<Cube>,
}

#[derive(Deserialize)]
struct GoldenSample {
    width: u32,
    height: u32,
    /// Class, centre and size as shares.
    labels: Vec<(usize, f64, f64, f64, f64)>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    input: u32,
    scene: GoldenScene,
    mixup: Option<GoldenMixup>,
    hsv: Option<[f64; 3]>,
    #[serde(default)]
    flip_vertical: bool,
    #[serde(default)]
    flip_horizontal: bool,
    /// Class and corners in input px.
    labels: Vec<(usize, f32, f32, f32, f32)>,
    /// Of the pixels; those of the others lie in a PNG.
    hash: Option<String>,
}

#[derive(Deserialize)]
struct GoldenMixup {
    share: f64,
    scene: GoldenScene,
}

#[derive(Deserialize)]
struct GoldenScene {
    sample: Option<usize>,
    tiles: Option<[usize; 4]>,
    center: Option<(u32, u32)>,
    warp: GoldenWarp,
}

#[derive(Deserialize)]
struct GoldenWarp {
    perspective: [f64; 2],
    degrees: f64,
    scale: f64,
    shear: [f64; 2],
    translate: [f64; 2],
}

#[derive(Deserialize)]
struct Cube {
    gains: [f64; 3],
    hash: String,
}

impl GoldenScene {
    fn scene(&self) -> Scene {
        let GoldenWarp { perspective, degrees, scale, shear, translate } = self.warp;
        let layout = match self.tiles {
            Some(tiles) => Layout::Mosaic { tiles, center: self.center.unwrap() },
            None => Layout::Letterbox(self.sample.unwrap()),
        };
        Scene { layout, warp: Warp { perspective, degrees, scale, shear, translate } }
    }
}

impl GoldenSample {
    fn tile(&self, input: Size) -> Tile {
        let (w, h) = (self.width as f32, self.height as f32);
        let labels = self.labels.iter().map(|&(class, xc, yc, width, height)| {
            let [xc, yc, width, height] = [xc, yc, width, height].map(|share| share as f32);
            Label { class, bbox: BoundingBox::from_center(xc * w, yc * h, width * w, height * h) }
        });
        let size = Size::new(self.width, self.height);
        let sample = Sample { image: PathBuf::new(), size, labels: labels.collect() };
        Tile::new(&sample, Arc::new(fitted(noise(self.width, self.height), input)))
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/augment")
}

fn golden() -> Golden {
    serde_json::from_str(&fs::read_to_string(folder().join("cases.json")).unwrap()).unwrap()
}

/// The same noise as in the generator.
fn noise(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([0, 1, 2].map(|c: u32| {
            let mixed = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77) ^ c.wrapping_mul(0xC2B2_AE3D);
            ((mixed ^ (mixed >> 15)).wrapping_mul(0x2C1B_3C6D) >> 24) as u8
        }))
    })
}

/// What a plan makes of the tiles, in memory that was something else before.
pub fn picture(plan: &Plan, input: Size, tile: &mut dyn FnMut(usize) -> Option<Tile>) -> (RgbImage, Vec<Label>) {
    let mut image = RgbImage::from_pixel(input.width, input.height, Rgb([17; 3]));
    let labels = plan.apply(input, tile, &mut image).unwrap();
    (image, labels)
}

fn fnv1a(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
    format!("{:016x}", bytes.iter().fold(0xCBF2_9CE4_8422_2325, step))
}

#[test]
fn plans_give_the_pixels_and_boxes_of_the_reference() {
    let golden = golden();
    for case in &golden.cases {
        let name = &case.name;
        let plan = Plan {
            scene: case.scene.scene(),
            mixup: case.mixup.as_ref().map(|mixup| (mixup.scene.scene(), mixup.share)),
            hsv: case.hsv,
            flip_vertical: case.flip_vertical,
            flip_horizontal: case.flip_horizontal,
        };
        let input = Size::square(case.input);
        let (image, labels) = picture(&plan, input, &mut |index| Some(golden.samples[index].tile(input)));

        match &case.hash {
            Some(hash) => assert_eq!(fnv1a(&image), *hash, "{name}: pixels"),
            None => {
                let expected = decode(&folder().join(format!("{name}.png"))).unwrap();
                assert_eq!(image.dimensions(), expected.dimensions(), "{name}");
                let off = |by: u8| image.iter().zip(expected.iter()).filter(|(a, b)| a.abs_diff(**b) >= by).count();
                assert_eq!(off(2), 0, "{name}: no byte may differ by more than a level");
                // Float32 in another order may round the other way: one byte in a thousand.
                assert!(off(1) * 1000 <= image.len(), "{name}: {} of {} bytes differ", off(1), image.len());
            }
        }

        assert_eq!(labels.len(), case.labels.len(), "{name}: {labels:?}");
        for (label, &(class, x1, y1, x2, y2)) in labels.iter().zip(&case.labels) {
            assert_eq!(label.class, class, "{name}");
            // The reference ends boxes a thousandth of a pixel before the border.
            let apart =
                label.bbox.as_xyxy().iter().zip([x1, y1, x2, y2]).fold(0.0, |most, (a, b)| (a - b).abs().max(most));
            assert!(apart < 2e-3, "{name}: {label:?}, expected {x1} {y1} {x2} {y2}");
        }
    }
}

/// The level at (x, y) of four tiles around `center` on a canvas of 144 × 112; grey elsewhere.
fn mosaic_pixel(tiles: &[RgbImage; 4], center: (i64, i64), (x, y): (i64, i64)) -> [f64; 3] {
    for (index, tile) in tiles.iter().enumerate() {
        let (width, height) = (i64::from(tile.width()), i64::from(tile.height()));
        let (u, v) = (x - center.0 + (1 - index as i64 % 2) * width, y - center.1 + (1 - index as i64 / 2) * height);
        let on_canvas = (0..144).contains(&x) && (0..112).contains(&y);
        if on_canvas && (0..width).contains(&u) && (0..height).contains(&v) {
            return tile.get_pixel(u as u32, v as u32).0.map(f64::from);
        }
    }
    [114.0; 3]
}

/// Straight and turned warps take ways of their own, and both meet seams, tiles that end early and late, and the border.
#[test]
fn a_pixel_is_the_mean_of_the_four_around_the_place_it_comes_from_also_across_seams() {
    let input = Size::new(72, 56);
    let tiles = [(50, 40), (72, 56), (33, 56), (60, 21)].map(|(width, height)| noise(width, height));
    let center = (75, 61);
    let turned = Warp { perspective: [0.0; 2], degrees: 17.0, scale: 0.7, shear: [3.0, -5.0], translate: [0.1, -0.07] };
    let straight = Warp { degrees: 0.0, shear: [0.0; 2], ..turned };
    let warps = [
        straight,
        Warp { scale: 1.43, ..straight },
        Warp { scale: 0.31, ..straight },
        turned,
        Warp { degrees: 180.0, scale: 0.45, ..turned },
        Warp { perspective: [0.003, -0.004], ..straight },
        Warp { perspective: [-0.002, 0.003], ..turned },
    ];
    for (warp, flips) in warps.into_iter().zip([0_u8, 1, 2, 3].into_iter().cycle()) {
        let plan = Plan {
            scene: Scene { layout: Layout::Mosaic { tiles: [0, 1, 2, 3], center }, warp },
            mixup: None,
            hsv: None,
            flip_vertical: flips & 1 != 0,
            flip_horizontal: flips & 2 != 0,
        };
        let mut tile = |index: usize| Some(Tile { image: Arc::new(tiles[index].clone()), labels: Vec::new() });
        let (image, _) = picture(&plan, input, &mut tile);

        let m = warp.matrix(Size::new(144, 112), input);
        let mut off_by_one = 0;
        for (x, y, found) in image.enumerate_pixels() {
            let x = f64::from(if plan.flip_horizontal { 71 - x } else { x });
            let y = f64::from(if plan.flip_vertical { 55 - y } else { y });
            // (x, y) = ((m0 u + m1 v + m2) / (m6 u + m7 v + m8), …) as two equations in u and v, by Cramer's rule.
            let row = |i: usize, at: f64| std::array::from_fn::<f64, 3, _>(|k| m[i][k] - at * m[2][k]);
            let ([a, b, e], [c, d, f]) = (row(0, x), row(1, y));
            let (u, v) = ((b * f - d * e) / (a * d - b * c), (c * e - a * f) / (a * d - b * c));
            let (left, top) = (u.floor(), v.floor());
            let at = |dx: i64, dy: i64| {
                mosaic_pixel(&tiles, (i64::from(center.0), i64::from(center.1)), (left as i64 + dx, top as i64 + dy))
            };
            let (corners, right, below) = ([at(0, 0), at(1, 0), at(0, 1), at(1, 1)], u - left, v - top);
            for channel in 0..3 {
                let [a, b, c, d] = corners.map(|corner| corner[channel]);
                let exact = (a * (1.0 - right) + b * right) * (1.0 - below) + (c * (1.0 - right) + d * right) * below;
                let apart = (f64::from(found[channel]) - exact).abs();
                assert!(apart < 0.501, "{warp:?}, ({x}, {y}): {} instead of {exact}", found[channel]);
                off_by_one += usize::from(f64::from(found[channel]) != exact.round_ties_even());
            }
        }
        assert!(off_by_one * 1000 <= image.len(), "{warp:?}: {off_by_one} of {} bytes differ", image.len());
    }
}

#[test]
fn a_warp_that_maps_all_into_one_point_or_nowhere_leaves_grey() {
    let input = Size::square(32);
    for warp in [
        Warp { scale: 0.0, ..Warp::default() },
        Warp { translate: [3.0, 0.0], ..Warp::default() },
        Warp { translate: [0.0, -3.0], degrees: 4.0, ..Warp::default() },
        Warp { scale: f64::NAN, ..Warp::default() },
    ] {
        let scene = Scene { layout: Layout::Letterbox(0), warp };
        let plan = Plan { scene, mixup: None, hsv: None, flip_vertical: false, flip_horizontal: true };
        let tile = Tile { image: Arc::new(noise(32, 32)), labels: Vec::new() };
        let (image, _) = picture(&plan, input, &mut |_| Some(tile.clone()));
        assert!(image.iter().all(|level| *level == 114), "{warp:?}");
    }
}

#[test]
fn colours_are_jittered_as_opencv_does_it_to_the_byte() {
    let level = |index: u32| (index * 255 / 63) as u8;
    for cube in golden().hsv {
        // 64 levels of each channel, blue fastest, in rows of 512.
        let mut image = RgbImage::from_fn(512, 512, |x, y| {
            let index = y * 512 + x;
            Rgb([level(index / 4096), level(index / 64 % 64), level(index % 64)])
        });
        jitter(&mut image, cube.gains);
        assert_eq!(fnv1a(&image), cube.hash, "gains {:?}", cube.gains);
    }
}

const LOW: Augmentation = Augmentation {
    hsv_h: 0.015,
    hsv_s: 0.7,
    hsv_v: 0.4,
    degrees: 5.0,
    translate: 0.1,
    scale: 0.5,
    shear: 2.0,
    perspective: 0.001,
    flipud: 0.5,
    fliplr: 0.5,
    mosaic: 1.0,
    mixup: 1.0,
};

fn plan(augmentation: &Augmentation, position: usize) -> Plan {
    Plan::draw(augmentation, Key { seed: 3, epoch: 1, position }, 7, 100, Size::square(320))
}

#[test]
fn a_changed_probability_or_range_moves_no_other_draw() {
    let low = plan(&LOW, 0);
    let (second, share) = low.mixup.unwrap();
    assert_eq!(plan(&Augmentation { mixup: 0.0, ..LOW }, 0), Plan { mixup: None, ..low.clone() });
    assert_eq!(plan(&Augmentation { hsv_h: 0.0, hsv_s: 0.0, hsv_v: 0.0, ..LOW }, 0), Plan { hsv: None, ..low.clone() });
    let unflipped = Plan { flip_vertical: false, flip_horizontal: false, ..low.clone() };
    assert_eq!(plan(&Augmentation { flipud: 0.0, fliplr: 0.0, ..LOW }, 0), unflipped);
    let straight = |scene: Scene| Scene { warp: Warp { degrees: 0.0, ..scene.warp }, ..scene };
    let unturned = Plan { scene: straight(low.scene), mixup: Some((straight(second), share)), ..low.clone() };
    assert_eq!(plan(&Augmentation { degrees: 0.0, ..LOW }, 0), unturned);
    let single = Scene { layout: Layout::Letterbox(7), ..low.scene };
    assert_eq!(plan(&Augmentation { mosaic: 0.0, ..LOW }, 0), Plan { scene: single, mixup: None, ..low.clone() });
    assert_ne!(plan(&LOW, 1), low);
}

#[test]
fn draws_stay_within_their_ranges_and_fill_them() {
    let plans: Vec<Plan> = (0..4000).map(|position| plan(&LOW, position)).collect();
    let fills = |what: &str, low: f64, high: f64, of: &dyn Fn(&Plan) -> f64| {
        let values: Vec<f64> = plans.iter().map(of).collect();
        let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        let margin = 0.01 * (high - low);
        assert!(least >= low && least < low + margin, "{what}: least {least}");
        assert!(most <= high && most > high - margin, "{what}: most {most}");
    };
    fills("degrees", -5.0, 5.0, &|p| p.scene.warp.degrees);
    fills("scale", 0.5, 1.5, &|p| p.scene.warp.scale);
    fills("translate", -0.1, 0.1, &|p| p.scene.warp.translate[0]);
    fills("shear", -2.0, 2.0, &|p| p.scene.warp.shear[1]);
    fills("perspective", -0.001, 0.001, &|p| p.scene.warp.perspective[0]);
    fills("hue", 0.985, 1.015, &|p| p.hsv.unwrap()[0]);
    fills("saturation", 0.3, 1.7, &|p| p.hsv.unwrap()[1]);
    fills("value", 0.6, 1.4, &|p| p.hsv.unwrap()[2]);
    let mosaic = |p: &Plan| match p.scene.layout {
        Layout::Mosaic { tiles, center } => (tiles, center),
        Layout::Letterbox(_) => panic!("the probability of a mosaic is 1"),
    };
    fills("centre", 160.0, 480.0, &|p| f64::from(mosaic(p).1.0));
    fills("partner", 0.0, 99.0, &|p| mosaic(p).0[3] as f64);
    // The image itself is one of the four, in any place equally often.
    for place in 0..4 {
        let here = plans.iter().filter(|p| mosaic(p).0[place] == 7).count();
        assert!((900..1200).contains(&here), "place {place}: {here} of 4000");
    }
    // Beta(32, 32) has mean 1/2 and variance 1 / (4 · 65).
    let shares: Vec<f64> = plans.iter().map(|p| p.mixup.unwrap().1).collect();
    let mean = shares.iter().sum::<f64>() / 4000.0;
    let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / 4000.0;
    assert!((mean - 0.5).abs() < 0.005 && (variance * 260.0 - 1.0).abs() < 0.1, "{mean} {variance}");
}
