//! An inspection as a whole: what `distillscope inspect` writes, as JSON and as tensors.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;

use super::compare::named;
use super::records::{Comparison, DetectionView, Tap};
use super::scene::Scene;
use crate::files::tensors::{Elements, NamedTensor};
use crate::grid::Grid;
use crate::imitation::difference::{DifferenceError, DifferenceKind, MaskedStatistics, difference, masked_statistics};
use crate::imitation::loss::{Loss, LossOnScale, MaskChoice, MaskSource};
use crate::imitation::mask::{AnchorCell, ImitationMask, IouConvention, IouField, LevelRule, ScaleMask};
use crate::inspect::records::ForwardReport;
use crate::yolo::anchors::AnchorScale;

/// λ of the loss that is reported: the loss is proportional to it.
pub const LAMBDA: f64 = 1.0;

/// A scene, its mask and what two models say of it.
#[derive(Debug)]
pub struct Inspection {
    pub(crate) scene: Arc<Scene>,
    pub(crate) anchors: Vec<AnchorScale>,
    pub(crate) choice: MaskChoice,
    pub(crate) field: IouField,
    pub(crate) mask: ImitationMask,
    pub(crate) comparison: Arc<Comparison>,
    /// Squared L2 per scale; `None` where the features cannot be compared.
    pub(crate) differences: Vec<Option<Grid>>,
    /// The imitation loss per scale; `None` where it cannot be formed.
    pub(crate) losses: Vec<Option<LossOnScale>>,
    pub(crate) device: String,
}

/// Schema `distillscope.inspect/1`.
#[derive(Clone, Debug, Serialize)]
pub struct InspectionReport {
    pub schema: &'static str,
    pub image: ImageReport,
    pub letterbox: LetterboxReport,
    pub psi: f32,
    pub level_rule: LevelRule,
    pub iou: IouConvention,
    pub tap: Tap,
    pub imitation: ImitationReport,
    pub device: String,
    pub forward: Option<ForwardReport>,
    pub lambda: f64,
    pub labels: Vec<LabelReport>,
    pub scales: Vec<ScaleReport>,
    /// Sum over the scales; `None` where no scale could be compared.
    pub loss_total: Option<f64>,
    pub seconds: SecondsReport,
    pub notes: Vec<String>,
}

/// Which imitation loss `loss` is.
#[derive(Clone, Debug, Serialize)]
pub struct ImitationReport {
    pub loss: Loss,
    pub mask_source: MaskSource,
    pub formula: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub struct ImageReport {
    pub path: String,
    pub width: u32,
    pub height: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct LetterboxReport {
    pub scale: f32,
    pub pad_x: f32,
    pub pad_y: f32,
    pub width: u32,
    pub height: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct LabelReport {
    pub class: usize,
    pub name: String,
    /// Input px.
    pub xyxy: [f32; 4],
}

#[derive(Clone, Debug, Serialize)]
pub struct ScaleReport {
    pub name: String,
    pub stride: u32,
    pub rows: usize,
    pub cols: usize,
    pub anchors: Vec<[f32; 2]>,
    pub gts: Vec<GtReport>,
    pub mask_cells: usize,
    pub count_sum: u64,
    /// The imitation loss at λ = 1; 0 where no cell counts.
    pub loss: Option<f64>,
    /// What its terms give, by name; together they are `loss`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub loss_terms: BTreeMap<&'static str, f64>,
    pub difference: Option<DifferenceReport>,
}

#[derive(Clone, Debug, Serialize)]
pub struct GtReport {
    pub gt: usize,
    pub max_iou: f32,
    /// `None` where the level rule leaves the scale out.
    pub threshold: Option<f32>,
    pub cells: usize,
    pub best: Option<AnchorCell>,
}

#[derive(Clone, Debug, Serialize)]
pub struct DifferenceReport {
    pub kind: &'static str,
    pub adapter: &'static str,
    pub mean_inside: Option<f64>,
    pub mean_outside: Option<f64>,
    pub sum_inside: f64,
    /// Of a least-squares adapter: the teacher's variance that it explains, on the cells it saw and left out of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r2_leave_one_out: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct SecondsReport {
    pub teacher: Option<f64>,
    pub student: Option<f64>,
}

impl Inspection {
    pub fn new(
        scene: Arc<Scene>,
        anchors: Vec<AnchorScale>,
        choice: MaskChoice,
        comparison: Arc<Comparison>,
        device: String,
    ) -> Result<Self, DifferenceError> {
        let field = IouField::compute(&anchors, scene.input_size(), &scene.boxes(), choice.convention);
        let mask = field.mask(choice.psi, choice.rule);
        let differences = anchors
            .iter()
            .map(|scale| {
                let pair = comparison.scale(scale.stride).and_then(|s| s.teacher.as_ref().zip(s.adapted.as_ref()));
                pair.map(|(teacher, student)| difference(DifferenceKind::SquaredL2, teacher, student)).transpose()
            })
            .collect::<Result<_, _>>()?;
        let boxes = scene.boxes();
        let loss_of = |(scale, mask): (&AnchorScale, &ScaleMask)| {
            comparison.scale(scale.stride)?.loss_under(choice.source, mask, &boxes)
        };
        let losses = anchors.iter().zip(&mask.scales).map(loss_of).collect();
        Ok(Self { scene, anchors, choice, field, mask, comparison, differences, losses, device })
    }

    /// Of a scale's squared L2.
    pub(crate) fn statistics(&self, scale: usize) -> Option<MaskedStatistics> {
        let grid = self.differences[scale].as_ref()?;
        Some(masked_statistics(grid, &self.mask.scales[scale].count))
    }

    pub fn report(&self) -> InspectionReport {
        let scales: Vec<ScaleReport> = (0..self.anchors.len()).map(|scale| self.scale_report(scale)).collect();
        let losses: Vec<f64> = scales.iter().filter_map(|scale| scale.loss).collect();
        let letterbox = self.scene.letterbox;
        InspectionReport {
            schema: "distillscope.inspect/1",
            image: ImageReport {
                path: self.scene.path.display().to_string(),
                width: self.scene.size.width,
                height: self.scene.size.height,
            },
            letterbox: LetterboxReport {
                scale: letterbox.scale,
                pad_x: letterbox.pad_x,
                pad_y: letterbox.pad_y,
                width: letterbox.input.width,
                height: letterbox.input.height,
            },
            psi: self.choice.psi.get(),
            level_rule: self.choice.rule,
            iou: self.choice.convention,
            tap: self.comparison.tap,
            imitation: ImitationReport {
                loss: self.comparison.loss,
                mask_source: self.choice.source,
                formula: self.comparison.loss.formula(),
            },
            device: self.device.clone(),
            forward: self.comparison.forward,
            lambda: LAMBDA,
            labels: self
                .scene
                .labels
                .iter()
                .map(|label| LabelReport { class: label.class, name: label.name.clone(), xyxy: label.bbox.as_xyxy() })
                .collect(),
            loss_total: (!losses.is_empty()).then(|| losses.iter().sum()),
            scales,
            seconds: SecondsReport {
                teacher: self.comparison.teacher_seconds,
                student: self.comparison.student_seconds,
            },
            notes: self.comparison.notes.clone(),
        }
    }

    fn scale_report(&self, scale: usize) -> ScaleReport {
        let (anchors, mask) = (&self.anchors[scale], &self.mask.scales[scale]);
        let compared = self.comparison.scale(anchors.stride);
        let statistics = self.statistics(scale);
        let gts = mask.gts.iter().enumerate().map(|(gt, record)| GtReport {
            gt,
            max_iou: record.max_iou,
            threshold: record.threshold.is_finite().then_some(record.threshold),
            cells: record.cells,
            best: record.best,
        });
        ScaleReport {
            name: anchors.name().to_lowercase(),
            stride: anchors.stride,
            rows: mask.rows,
            cols: mask.cols,
            anchors: anchors.anchors.clone(),
            gts: gts.collect(),
            mask_cells: mask.mask_cells,
            count_sum: mask.count_sum,
            loss: self.losses[scale].as_ref().map(|found| LAMBDA * found.loss.unwrap_or(0.0)),
            loss_terms: self.losses[scale].iter().flat_map(|found| found.parts.iter().copied()).collect(),
            difference: statistics.zip(compared).map(|(found, compared)| DifferenceReport {
                kind: DifferenceKind::SquaredL2.name(),
                adapter: compared.adapter,
                mean_inside: found.mean_inside,
                mean_outside: found.mean_outside,
                sum_inside: found.sum_inside,
                r2: compared.fit.as_ref().map(|fit| fit.r2),
                r2_leave_one_out: compared.fit.as_ref().map(|fit| fit.r2_leave_one_out),
            }),
        }
    }

    /// Input, IoU maps, masks, features, differences and heads, with ψ and its company as metadata.
    pub fn tensors(&self) -> (Vec<NamedTensor>, HashMap<String, String>) {
        let mut tensors = vec![self.input()];
        let gts = self.scene.labels.len();
        for (index, anchors) in self.anchors.iter().enumerate() {
            let name = anchors.name().to_lowercase();
            let mask = &self.mask.scales[index];
            let map = [mask.rows, mask.cols];
            let mut iou = Vec::with_capacity(gts * anchors.anchors.len() * mask.count.len());
            let mut masks = Vec::with_capacity(gts * mask.count.len());
            for gt in 0..gts {
                for anchor in 0..anchors.anchors.len() {
                    iou.extend_from_slice(self.field.map(index, gt, anchor).values());
                }
                let own = self.field.gt_mask(gt, self.choice.psi, self.choice.rule);
                masks.extend(own.scales[index].count.iter().map(|hits| u8::from(*hits > 0)));
            }
            tensors.push(NamedTensor::f32(format!("{name}.iou"), [gts, anchors.anchors.len(), map[0], map[1]], iou));
            tensors.push(NamedTensor {
                name: format!("{name}.mask"),
                shape: vec![gts, map[0], map[1]],
                elements: Elements::U8(masks),
            });
            tensors.push(NamedTensor {
                name: format!("{name}.count"),
                shape: map.to_vec(),
                elements: Elements::I32(mask.count.clone()),
            });
            if let Some(loss) = &self.losses[index] {
                tensors.push(NamedTensor::f32(format!("{name}.imitation"), map, loss.map.values().to_vec()));
                tensors.push(NamedTensor::f32(format!("{name}.weight"), map, loss.weights.values().to_vec()));
            }
            if let Some(difference) = &self.differences[index] {
                tensors.push(NamedTensor::f32(format!("{name}.difference"), map, difference.values().to_vec()));
            }
            let Some(compared) = self.comparison.scale(anchors.stride) else { continue };
            for (who, stack) in [("teacher", &compared.teacher), ("student", &compared.student)] {
                if let Some(stack) = stack {
                    let shape = [stack.channels(), stack.rows(), stack.cols()];
                    tensors.push(NamedTensor::f32(format!("{name}.{who}"), shape, stack.values().to_vec()));
                }
            }
            for (who, head) in [("teacher", &compared.teacher_head), ("student", &compared.student_head)] {
                if let Some(head) = head {
                    let shape = [head.anchors, head.rows, head.cols, head.outputs];
                    tensors.push(NamedTensor::f32(format!("{name}.head.{who}"), shape, head.values.clone()));
                }
            }
        }
        let metadata = [
            ("psi", self.choice.psi.to_string()),
            ("level_rule", self.choice.rule.to_string()),
            ("iou", self.choice.convention.to_string()),
            ("tap", self.comparison.tap.name().to_owned()),
            ("loss", self.comparison.loss.to_string()),
            ("mask_source", self.choice.source.to_string()),
        ];
        (tensors, metadata.map(|(key, value)| (key.to_owned(), value)).into())
    }

    /// What the student detects, by the names of its classes; `None` without a student.
    pub fn student_found(&self, names: &[String]) -> Option<Vec<DetectionView>> {
        self.comparison.student_detections.as_deref().map(|found| named(found, names))
    }

    /// `[3, H, W]` in 0..1.
    fn input(&self) -> NamedTensor {
        let pixels = &self.scene.input;
        let (width, height) = (pixels.width() as usize, pixels.height() as usize);
        let planes = (0..3).flat_map(|channel| pixels.pixels().map(move |pixel| f32::from(pixel[channel]) / 255.0));
        NamedTensor::f32("input", [3, height, width], planes.collect())
    }
}

impl InspectionReport {
    /// A few lines for a terminal.
    pub fn summary(&self) -> String {
        let mut lines = vec![format!(
            "{}: {} ground truths, psi {}, {} masks, tap {}, loss {} ({}), {}",
            self.image.path,
            self.labels.len(),
            self.psi,
            self.level_rule,
            self.tap.name(),
            self.imitation.loss,
            self.imitation.mask_source,
            self.device
        )];
        for scale in &self.scales {
            let share = 100.0 * scale.mask_cells as f64 / (scale.rows * scale.cols).max(1) as f64;
            let loss = scale.loss.map_or_else(|| "not compared".to_owned(), |loss| format!("loss {loss:.4}"));
            let fit = scale.difference.as_ref().and_then(|difference| difference.r2_leave_one_out);
            let fit = fit.map_or_else(String::new, |r2| format!(", adapter explains {:.0} %", 100.0 * r2.max(0.0)));
            lines.push(format!(
                "  {} {}x{}: {} cells in the mask ({share:.1} %), {loss}{fit}",
                scale.name, scale.rows, scale.cols, scale.mask_cells
            ));
        }
        if let Some(total) = self.loss_total {
            lines.push(format!("  imitation loss at lambda 1: {total:.4}"));
        }
        lines.join("\n")
    }
}
