//! The imitated cells: whose boxes they come from, where they lie, how many there are.

use tch::Kind;

use super::data::percent;
use super::report::{Check, Preflight};
use super::steps::{Steps, Stop};
use super::subject::{Extents, Subject};
use crate::dataset::{BatchImage, Label, TrainBatch};
use crate::geometry::{BoundingBox, Size};
use crate::imitation::loss::{BatchMask, MaskChoice, MaskSource};
use crate::imitation::mask::{ANCHOR_T, IouConvention, LevelRule};
use crate::train::TrainError;
use crate::yolo::anchors::AnchorScale;

/// Share of the images that may mark nothing before a person should know.
const MANY: f64 = 0.1;

pub(super) fn check(
    subject: &mut dyn Subject,
    Extents { whole, .. }: &Extents,
    preflight: &mut Preflight,
    steps: &mut Steps<'_>,
) -> Result<(), Stop> {
    let Some(distiller) = subject.trainer().distiller() else { return Ok(()) };
    let (names, source) = (distiller.names(), distiller.mask_source());
    steps.at("masks", 0.0)?;
    let masks = subject.masks(whole)?;
    let images = rows(&masks)?;
    match source {
        MaskSource::Iou | MaskSource::Box => {
            preflight.checks.push(own_boxes(subject, whole, &images)?);
            steps.at("masks, decided again cell by cell", 0.5)?;
            preflight.checks.push(place(subject, whole, source)?);
        }
        MaskSource::Teacher | MaskSource::None => {
            for id in ["mask-own-boxes", "mask-place"] {
                preflight.leave_out(id, "The mask does not come from ground truths.");
            }
        }
    }
    match source {
        MaskSource::Iou | MaskSource::Box => preflight.checks.push(cells(whole, &masks, &images, &names, source)),
        MaskSource::Teacher => preflight.checks.push(sure_cells(&masks, &names)),
        MaskSource::None => preflight.leave_out("mask-cells", "Without a mask every cell counts."),
    }
    Ok(())
}

/// A few images of a batch, by their places, that have an imitated cell at every scale where any has one; at least one.
/// Where every cell counts it is one with ground truths. The masks may be wrong in every way: nobody has looked at them yet.
pub(super) fn telling(masks: &[BatchMask], batch: &TrainBatch) -> Result<Vec<usize>, TrainError> {
    if masks.iter().all(|mask| mask.is_whole) {
        return Ok(vec![batch.images.iter().position(|image| !image.labels.is_empty()).unwrap_or(0)]);
    }
    telling_of(masks, batch.images.len())
}

fn telling_of(masks: &[BatchMask], images: usize) -> Result<Vec<usize>, TrainError> {
    let mut of_scales: Vec<Vec<bool>> = Vec::new();
    for mask in masks {
        let imitates = mask.cells.f_flatten(1, -1)?.f_gt(0.0)?.f_any_dim(1, false)?;
        let mut imitates = Vec::<bool>::try_from(imitates)?;
        imitates.resize(images, false);
        of_scales.push(imitates);
    }
    of_scales.retain(|imitates| imitates.contains(&true));
    let mut telling = Vec::new();
    while !of_scales.is_empty() {
        // The image of the most scales that none before it has, the first of equals.
        let scales = |image: &usize| of_scales.iter().filter(|imitates| imitates[*image]).count();
        let Some(best) = (0..images).rev().max_by_key(scales) else { break };
        telling.push(best);
        of_scales.retain(|imitates| !imitates[best]);
    }
    if telling.is_empty() {
        telling.push(0);
    }
    Ok(telling)
}

/// [B, cells] of every scale side by side, one row an image.
fn rows(masks: &[BatchMask]) -> Result<Vec<Vec<f32>>, TrainError> {
    let mut images: Vec<Vec<f32>> = Vec::new();
    for mask in masks {
        let batch = mask.cells.size().first().copied().unwrap_or(0);
        images.resize(batch as usize, Vec::new());
        for (image, row) in images.iter_mut().enumerate() {
            let cells = mask.cells.f_select(0, image as i64)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([-1])?;
            row.extend(Vec::<f32>::try_from(cells)?);
        }
    }
    Ok(images)
}

/// The same images in the opposite order must give the same masks in the opposite order.
fn own_boxes(subject: &dyn Subject, batch: &TrainBatch, forth: &[Vec<f32>]) -> Result<Check, TrainError> {
    let mut reversed = TrainBatch { pixels: Vec::new(), ..batch.clone() };
    reversed.images.reverse();
    let back = rows(&subject.masks(&reversed)?)?;
    let wrong = forth.iter().zip(back.iter().rev()).filter(|(a, b)| a != b).count();
    let message = format!("the masks of {} images follow their images when these change places", forth.len());
    let check =
        Check::green("mask-own-boxes", "Does each image's mask come from its own boxes?", wrong as f64, message);
    if forth.len() != batch.images.len() {
        let message = format!("{} images have {} masks", batch.images.len(), forth.len());
        return Ok(Check { message, ..check }.red("Every image needs a mask of its own."));
    }
    let message = format!("{wrong} of {} images have another image's mask when they change places", forth.len());
    Ok(if wrong == 0 {
        check
    } else {
        Check { message, ..check }.red(
            "The mask is made from the first image's boxes, or from all boxes: select the ground truths of each image.",
        )
    })
}

/// Every cell decided once more from the definition, on an input that is wider than it is high.
fn place(subject: &dyn Subject, batch: &TrainBatch, source: MaskSource) -> Result<Check, TrainError> {
    let trainer = subject.trainer();
    let config = &trainer.plan.config.imitation;
    let anchors = trainer.student().scales();
    let stride = anchors.iter().map(|scale| scale.stride).max().unwrap_or(32);
    let height = (batch.input.height / 2).next_multiple_of(stride);
    let wide = Size::new(batch.input.width, height);
    let cut = |image: &BatchImage| {
        let inside = |label: &Label| {
            let bbox = label.bbox.clipped(wide.width as f32, wide.height as f32);
            (bbox.width() >= 1.0 && bbox.height() >= 1.0).then_some(Label { bbox, ..*label })
        };
        BatchImage { labels: image.labels.iter().filter_map(inside).collect(), ..image.clone() }
    };
    let wide_batch = TrainBatch {
        input: wide,
        pixels: Vec::new(),
        images: batch.images.iter().map(cut).collect(),
        warnings: Vec::new(),
        ..*batch
    };
    let masks = subject.masks(&wide_batch)?;
    let strides = trainer.distiller().map_or_else(Vec::new, |distiller| distiller.strides());
    let (mut cells, mut wrong) = (0, 0);
    for (mask, stride) in masks.iter().zip(strides) {
        let Some(index) = anchors.iter().position(|scale| scale.stride == stride) else { continue };
        let (rows, cols) = anchors[index].shape(wide.width, wide.height);
        let shape = [wide_batch.images.len() as i64, 1, rows as i64, cols as i64];
        if mask.cells.size() != shape {
            let message = format!("the mask of stride {stride} is {:?} for a map of {shape:?}", mask.cells.size());
            let check = Check::green("mask-place", TITLE, f64::NAN, message);
            return Ok(check.red("Rows and columns are exchanged: y comes first."));
        }
        let found = rows_of(mask)?;
        for (image, labelled) in wide_batch.images.iter().enumerate() {
            let boxes: Vec<BoundingBox> = labelled.labels.iter().map(|label| label.bbox).collect();
            let choice = config.choice().mask;
            let wanted = match source {
                MaskSource::Box => centres_inside(stride, (rows, cols), &boxes),
                _ => by_definition(anchors, index, (rows, cols), wide, &boxes, choice),
            };
            let found = &found[image * rows * cols..][..rows * cols];
            cells += wanted.iter().filter(|decided| **decided == Some(true)).count();
            wrong += wanted.iter().zip(found).filter(|(w, f)| w.is_some_and(|w| w != (**f > 0.0))).count();
        }
    }
    let message = format!(
        "{cells} imitated cells, decided again one by one from the boxes on a {} × {} px input: \
                           the same",
        wide.width, wide.height
    );
    let check = Check::green("mask-place", TITLE, wrong as f64, message);
    let message =
        format!("{wrong} cells are decided otherwise than their boxes and anchors say ({cells} should be imitated)");
    Ok(if wrong == 0 {
        check
    } else {
        Check { message, ..check }.red(
            "Look at the layer Mask: it may be transposed, made with anchors in cells instead of pixels, or from boxes \
             that a conversion has spoiled.",
        )
    })
}

const TITLE: &str = "Do the masks lie where the boxes are?";

fn rows_of(mask: &BatchMask) -> Result<Vec<f32>, TrainError> {
    Ok(Vec::<f32>::try_from(mask.cells.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([-1])?)?)
}

/// Membership of every cell of a scale, row by row, in float64 and without any short cut; `None` where the last bits of
/// float32 decide.
fn by_definition(
    anchors: &[AnchorScale],
    scale: usize,
    (rows, cols): (usize, usize),
    input: Size,
    boxes: &[BoundingBox],
    choice: MaskChoice,
) -> Vec<Option<bool>> {
    let mut member = vec![Some(false); rows * cols];
    for bbox in boxes {
        let maps: Vec<Vec<f64>> = anchors.iter().map(|s| best_ious(s, input, bbox, choice.convention)).collect();
        let best = |map: &Vec<f64>| map.iter().copied().fold(0.0, f64::max);
        let top = match choice.rule {
            LevelRule::Global => maps.iter().map(best).fold(0.0, f64::max),
            LevelRule::PerScale | LevelRule::Assigned => best(&maps[scale]),
        };
        if choice.rule == LevelRule::Assigned && !is_assigned(&anchors[scale], bbox) {
            continue;
        }
        let threshold = f64::from(choice.psi.get()) * top;
        for (member, iou) in member.iter_mut().zip(&maps[scale]) {
            let near = (iou - threshold).abs() < 1e-5;
            *member = match *member {
                Some(true) => Some(true),
                _ if near && *iou > 0.0 => None,
                before => {
                    if *iou > threshold {
                        Some(true)
                    } else {
                        before
                    }
                }
            };
        }
    }
    member
}

/// Whether the centre of each cell lies in a ground truth, row by row; `None` where the last bits of float32 decide.
fn centres_inside(stride: u32, (rows, cols): (usize, usize), boxes: &[BoundingBox]) -> Vec<Option<bool>> {
    let centre = |cell: usize| (cell as f64 + 0.5) * f64::from(stride);
    let decided = |(row, col): (usize, usize)| {
        let (x, y) = (centre(col), centre(row));
        let sides = boxes.iter().map(|bbox| {
            let [x1, y1, x2, y2] = bbox.as_xyxy().map(f64::from);
            // How far inside of the nearest edge.
            [x - x1, x2 - x, y - y1, y2 - y].into_iter().fold(f64::INFINITY, f64::min)
        });
        let deepest = sides.fold(f64::NEG_INFINITY, f64::max);
        if deepest.abs() < 1e-3 { None } else { Some(deepest > 0.0) }
    };
    (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col))).map(decided).collect()
}

fn is_assigned(scale: &AnchorScale, bbox: &BoundingBox) -> bool {
    scale.anchors.iter().any(|[w, h]| {
        let ratios = [bbox.width() / w, bbox.height() / h];
        ratios.into_iter().all(|ratio| ratio.max(1.0 / ratio) < ANCHOR_T)
    })
}

/// The largest IoU of a cell's anchors with a box, for every cell.
fn best_ious(scale: &AnchorScale, input: Size, bbox: &BoundingBox, convention: IouConvention) -> Vec<f64> {
    let (rows, cols) = scale.shape(input.width, input.height);
    let stride = f64::from(scale.stride);
    let [x1, y1, x2, y2] = bbox.as_xyxy().map(f64::from);
    // The seed port counts whole pixels: one more between two corners, and a centre half a pixel before.
    let (more, half) = match convention {
        IouConvention::Exact => (0.0, stride / 2.0),
        IouConvention::Seed => (1.0, (stride - 1.0) / 2.0),
    };
    let mut best = Vec::with_capacity(rows * cols);
    for row in 0..rows {
        for col in 0..cols {
            let (cx, cy) = (col as f64 * stride + half, row as f64 * stride + half);
            let iou = |[w, h]: &[f32; 2]| {
                let (w, h) = (f64::from(*w), f64::from(*h));
                let (left, right, top, bottom) = (cx - w / 2.0, cx + w / 2.0, cy - h / 2.0, cy + h / 2.0);
                let across = (x2.min(right) - x1.max(left) + more).max(0.0);
                let down = (y2.min(bottom) - y1.max(top) + more).max(0.0);
                let both = across * down;
                let union = (x2 - x1 + more) * (y2 - y1 + more) + (w + more) * (h + more) - both;
                if union > 0.0 { both / union } else { 0.0 }
            };
            best.push(scale.anchors.iter().map(iou).fold(0.0, f64::max));
        }
    }
    best
}

/// How much there is to imitate.
fn cells(batch: &TrainBatch, masks: &[BatchMask], images: &[Vec<f32>], names: &[String], source: MaskSource) -> Check {
    let (total, counted) = counts(masks, names);
    let message = format!("{total} cells of the batch are imitated, {counted}");
    let check = Check::green("mask-cells", CELLS, total as f64, message);
    let marks_nothing = |image: usize| images[image].iter().all(|cell| *cell == 0.0);
    let name = |image: usize| {
        batch.images[image].path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
    };
    let empty: Vec<usize> = (0..images.len()).filter(|image| batch.images[*image].labels.is_empty()).collect();
    let unmarked: Vec<usize> =
        (0..images.len()).filter(|image| !batch.images[*image].labels.is_empty() && marks_nothing(*image)).collect();
    let listed = |images: &[usize]| {
        let names: Vec<String> = images.iter().take(3).map(|image| name(*image)).collect();
        let more = if images.len() > 3 { format!(" and {} more", images.len() - 3) } else { String::new() };
        format!("{}{more}", names.join(", "))
    };
    let has_psi = source == MaskSource::Iou;
    if total == 0 {
        return check.red(if has_psi {
            "No cell is imitated: lower psi (1 marks nothing), or look at the labels."
        } else {
            "No cell is imitated: look at the labels, or choose the mask source iou."
        });
    }
    let (check, idle) = match masks.iter().zip(names).find(|(mask, _)| mask.count == 0) {
        Some((_, name)) => (check, Some(name)),
        None => (check, None),
    };
    if !unmarked.is_empty() {
        let mend = if has_psi { "lower psi or choose another level rule" } else { "choose the mask source iou" };
        let advice = format!("{} images with boxes mark no cell ({}): {mend}.", unmarked.len(), listed(&unmarked));
        return check.amber(advice);
    }
    if empty.len() as f64 > MANY * images.len() as f64 {
        let advice =
            format!("{} of {} images have no boxes and teach nothing ({}).", empty.len(), images.len(), listed(&empty));
        return check.amber(advice);
    }
    match idle {
        Some(name) => {
            check.amber(format!("Nothing is imitated at {name}: the rule gives its scale no object of this batch."))
        }
        None => check,
    }
}

const CELLS: &str = "Is there something to imitate?";

/// Imitated cells of the batch, and in words how they lie.
fn counts(masks: &[BatchMask], names: &[String]) -> (u64, String) {
    let total: u64 = masks.iter().map(|mask| mask.count).sum();
    let all: usize = masks.iter().map(|mask| mask.cells.numel()).sum();
    let per_scale: Vec<String> =
        names.iter().zip(masks).map(|(name, mask)| format!("{} at {name}", mask.count)).collect();
    let share = percent(total as f64 / all.max(1) as f64);
    (total, format!("{share} of its maps: {}", per_scale.join(", ")))
}

/// How much there is to imitate where the teacher itself says it.
fn sure_cells(masks: &[BatchMask], names: &[String]) -> Check {
    let (total, counted) = counts(masks, names);
    let message = format!("the teacher sees an object in {total} cells of the batch, {counted}");
    Check::green("mask-cells", CELLS, total as f64, message)
        .or_red(total > 0, "The teacher sees nothing in these images: was it trained on data like these?")
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;
    use crate::imitation::mask::{IouField, Psi};

    #[test]
    fn a_few_images_tell_of_every_scale() {
        let mask = |cells: &[f32], side: i64| BatchMask {
            cells: Tensor::from_slice(cells).view([3, 1, side, side]),
            count: cells.iter().filter(|cell| **cell > 0.0).count() as u64,
            is_whole: false,
        };
        // Three images: the first imitates at the fine scale alone, the second at both, the third at the coarse one.
        let fine = || mask(&[0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 2);
        assert_eq!(telling_of(&[fine(), mask(&[0.0, 1.0, 1.0], 1)], 3).unwrap(), [1]);
        // Without the coarse scale in the second image it takes two, and the first comes first.
        assert_eq!(telling_of(&[fine(), mask(&[0.0, 0.0, 1.0], 1)], 3).unwrap(), [0, 2]);
        assert_eq!(telling_of(&[mask(&[0.0, 0.0, 0.0], 1)], 3).unwrap(), [0]);
        assert_eq!(telling_of(&[], 3).unwrap(), [0]);
        // A mask of too few images is another check's business.
        assert_eq!(telling_of(&[fine()], 5).unwrap(), [0]);
    }

    /// One box from 10, 4 to 30, 19 on 32 × 32 px at stride 8: centres 12, 20, 28 lie across it, 4 on its upper edge, 12 inside.
    #[test]
    fn centres_inside_a_box_by_hand() {
        let found = centres_inside(8, (4, 4), &[BoundingBox::new(10.0, 4.0, 30.0, 19.0)]);
        let (out, inside, edge) = (Some(false), Some(true), None);
        let expected =
            [[out, edge, edge, edge], [out, inside, inside, inside], [out, out, out, out], [out, out, out, out]];
        assert_eq!(found, expected.concat());
        assert!(centres_inside(8, (4, 4), &[]).iter().all(|cell| *cell == Some(false)));
    }

    /// The golden counts of the method: one box in the middle of 640 × 640 px, ψ = 0.5.
    #[test]
    fn cells_by_definition_are_the_golden_ones() {
        let coco = [
            (8, vec![[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]]),
            (16, vec![[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]]),
            (32, vec![[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]]),
        ];
        let anchors = coco.map(|(stride, anchors)| AnchorScale { stride, anchors });
        let count = |w: f32, h: f32, level, convention| -> Vec<usize> {
            let boxes = [BoundingBox::from_center(320.0, 320.0, w, h)];
            let choice = MaskChoice { rule: level, convention, ..MaskChoice::default() };
            (0..3)
                .map(|scale| {
                    let shape = anchors[scale].shape(640, 640);
                    let cells = by_definition(&anchors, scale, shape, Size::square(640), &boxes, choice);
                    assert!(cells.iter().all(Option::is_some), "no cell of these lies on its threshold");
                    cells.iter().filter(|cell| **cell == Some(true)).count()
                })
                .collect()
        };
        let (exact, seed) = (IouConvention::Exact, IouConvention::Seed);
        assert_eq!(count(400.0, 300.0, LevelRule::PerScale, exact), [1896, 428, 52]);
        assert_eq!(count(100.0, 80.0, LevelRule::Global, exact), [0, 28, 8]);
        assert_eq!(count(8.0, 8.0, LevelRule::PerScale, seed), [5, 12, 8]);
        // The window's own mask says the same where YOLOv5's assignment has its say.
        let boxes = [BoundingBox::from_center(320.0, 320.0, 100.0, 80.0)];
        let mask =
            IouField::compute(&anchors, Size::square(640), &boxes, exact).mask(Psi::default(), LevelRule::Assigned);
        let cells: Vec<usize> = mask.scales.iter().map(|scale| scale.mask_cells).collect();
        assert_eq!(count(100.0, 80.0, LevelRule::Assigned, exact), cells);
    }
}
