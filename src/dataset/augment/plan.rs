//! What is drawn for one training image, and its application.

use super::canvas::Canvas;
use super::sampling::{self, Flips};
use super::tile::Tile;
use super::warp::Warp;
use super::{Augmentation, boxes, hsv};
use crate::dataset::error::DatasetError;
use crate::dataset::label::Label;
use crate::geometry::{BoundingBox, Size};
use crate::rng::Rng;

/// Shape of mixup's Beta distribution, both parameters.
const MIXUP_SHAPE: usize = 32;

/// What every draw for a training image follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub seed: u64,
    pub epoch: u32,
    /// Of the image in its epoch.
    pub position: usize,
}

/// Streams of their own, so that none moves another.
#[derive(Clone, Copy)]
enum Purpose {
    Scene,
    SecondScene,
    Mixup,
    Finish,
}

impl Key {
    fn rng(self, purpose: Purpose) -> Rng {
        Rng::of(&[self.seed, u64::from(self.epoch), self.position as u64, purpose as u64])
    }
}

/// Samples by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Letterbox(usize),
    Mosaic {
        /// Top left, top right, bottom left, bottom right.
        tiles: [usize; 4],
        /// Where they meet on the canvas of twice the input, px.
        center: (u32, u32),
    },
}

/// One picture before colour and flips.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scene {
    pub layout: Layout,
    pub warp: Warp,
}

/// Everything that is drawn for one training image.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub scene: Scene,
    /// A second scene, and the share of the first.
    pub mixup: Option<(Scene, f64)>,
    /// Factors of hue, saturation and value; `None` leaves the colours alone.
    pub hsv: Option<[f64; 3]>,
    pub flip_vertical: bool,
    pub flip_horizontal: bool,
}

impl Plan {
    /// The plan for `sample`, one of `samples`. A changed probability or range moves no other draw.
    pub fn draw(augmentation: &Augmentation, key: Key, sample: usize, samples: usize, input: Size) -> Self {
        let mut scene = key.rng(Purpose::Scene);
        let is_mosaic = scene.chance(augmentation.mosaic);
        let scene = Scene::draw(&mut scene, augmentation, is_mosaic, sample, samples, input);

        let mut mixup = key.rng(Purpose::Mixup);
        let is_mixed = mixup.chance(augmentation.mixup) && is_mosaic;
        let (partner, share) = (mixup.below(samples), beta(&mut mixup, MIXUP_SHAPE));
        let mixup = is_mixed.then(|| {
            let mut second = key.rng(Purpose::SecondScene);
            (Scene::draw(&mut second, augmentation, true, partner, samples, input), share)
        });

        let mut finish = key.rng(Purpose::Finish);
        let ranges = [augmentation.hsv_h, augmentation.hsv_s, augmentation.hsv_v];
        let gains = ranges.map(|range| 1.0 + range * finish.uniform(-1.0, 1.0));
        Self {
            scene,
            mixup,
            hsv: ranges.iter().any(|range| *range != 0.0).then_some(gains),
            flip_vertical: finish.chance(augmentation.flipud),
            flip_horizontal: finish.chance(augmentation.fliplr),
        }
    }

    /// Writes the picture of size `input` to `pixels`, RGB row by row, and gives back its ground truths in input px. `tile`
    /// reads a sample; where it has none, its place stays grey.
    pub fn apply(
        &self,
        input: Size,
        tile: &mut dyn FnMut(usize) -> Option<Tile>,
        pixels: &mut [u8],
    ) -> Result<Vec<Label>, DatasetError> {
        let flips = Flips { vertical: self.flip_vertical, horizontal: self.flip_horizontal };
        let mut labels = self.scene.render(input, flips, tile, pixels)?;
        if let Some((scene, share)) = &self.mixup {
            let mut second = vec![0; pixels.len()];
            labels.extend(scene.render(input, flips, tile, &mut second)?);
            mix(pixels, &second, *share);
        }
        if let Some(gains) = self.hsv {
            hsv::jitter(pixels, gains);
        }
        let (width, height) = (input.width as f32, input.height as f32);
        for BoundingBox { x1, y1, x2, y2 } in labels.iter_mut().map(|label| &mut label.bbox) {
            if self.flip_vertical {
                (*y1, *y2) = (height - *y2, height - *y1);
            }
            if self.flip_horizontal {
                (*x1, *x2) = (width - *x2, width - *x1);
            }
        }
        Ok(labels)
    }
}

impl Scene {
    fn draw(
        rng: &mut Rng,
        augmentation: &Augmentation,
        is_mosaic: bool,
        sample: usize,
        samples: usize,
        input: Size,
    ) -> Self {
        let mut center = |side: u32| rng.uniform(0.5 * f64::from(side), 1.5 * f64::from(side)) as u32;
        let (y, x) = (center(input.height), center(input.width));
        let mut tiles = [sample, rng.below(samples), rng.below(samples), rng.below(samples)];
        rng.shuffle(&mut tiles);
        let mut within = |range: f64| rng.uniform(-range, range);
        let warp = Warp {
            perspective: [within(augmentation.perspective), within(augmentation.perspective)],
            degrees: within(augmentation.degrees),
            scale: 1.0 + within(augmentation.scale),
            shear: [within(augmentation.shear), within(augmentation.shear)],
            translate: [within(augmentation.translate), within(augmentation.translate)],
        };
        let layout = if is_mosaic { Layout::Mosaic { tiles, center: (x, y) } } else { Layout::Letterbox(sample) };
        Self { layout, warp }
    }

    fn render(
        &self,
        input: Size,
        flips: Flips,
        tile: &mut dyn FnMut(usize) -> Option<Tile>,
        pixels: &mut [u8],
    ) -> Result<Vec<Label>, DatasetError> {
        let (canvas, mut labels) = match self.layout {
            Layout::Letterbox(sample) => Canvas::letterboxed(tile(sample), input)?,
            Layout::Mosaic { tiles, center } => Canvas::mosaic(tiles.map(tile), center, input),
        };
        let matrix = self.warp.matrix(canvas.size, input);
        sampling::render(&canvas, &matrix, flips, input, pixels);
        labels.retain_mut(|label| {
            let followed = boxes::follow(&label.bbox, &matrix, self.warp.scale, input);
            label.bbox = followed.unwrap_or(label.bbox);
            followed.is_some()
        });
        Ok(labels)
    }
}

/// `share` of `image` and the rest of `other`, cut to whole levels.
fn mix(image: &mut [u8], other: &[u8], share: f64) {
    for (level, other) in image.iter_mut().zip(other) {
        *level = (f64::from(*level) * share + f64::from(*other) * (1.0 - share)) as u8;
    }
}

/// Beta(shape, shape): x / (x + y) of two Gamma(shape), each the sum of `shape` exponentials.
fn beta(rng: &mut Rng, shape: usize) -> f64 {
    let mut gamma = || (0..shape).map(|_| -(1.0 - rng.unit()).ln()).sum::<f64>();
    let (x, y) = (gamma(), gamma());
    x / (x + y)
}
