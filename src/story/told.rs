//! What one image adds to the story: its numbers, step by step, as plain text. No picture and no feature is here, so
//! that a figure and a frame of the window say the same.

use super::Step;
use crate::format::{significant, tick};

/// Between the factors of a product.
const PRODUCT: &str = " · ";

/// An image, its mask and what is known of models and run. Boxes and anchors in input px.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// The file's name.
    pub image: String,
    /// Width and height of the file, and of the network's input.
    pub size: [u32; 2],
    pub input: [u32; 2],
    /// Input px per image px, and what is added at the left and above.
    pub scale: f32,
    pub padding: [f32; 2],
    /// Ground truths.
    pub objects: usize,
    pub psi: f32,
    pub level_rule: String,
    pub tap: String,
    /// Weight of the imitation loss.
    pub lambda: f64,
    /// The one ground truth that steps 3 to 7 are about.
    pub truth: Option<TruthTold>,
    pub scales: Vec<ScaleTold>,
    /// The scale on which it is told: an index into `scales`.
    pub at: usize,
    /// The cell whose anchors are shown, on that scale.
    pub cell: Cell,
    pub run: Option<RunTold>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pub row: usize,
    pub col: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TruthTold {
    pub number: usize,
    pub name: String,
    pub size: [f32; 2],
    /// M of the level rule: over all scales where that is `global`, else of the scale on which it is told.
    pub best_iou: f32,
    pub best_anchor: [f32; 2],
    /// F, infinite where the rule leaves the scale out.
    pub threshold: f32,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScaleTold {
    /// "P3".
    pub name: String,
    pub stride: u32,
    pub rows: usize,
    pub cols: usize,
    pub anchors: Vec<[f32; 2]>,
    /// Of the one ground truth: M on this scale and the cells that it marks here.
    pub max_iou: f32,
    pub cells: usize,
    /// N: cells that any ground truth marks.
    pub mask_cells: usize,
    pub teacher_channels: Option<usize>,
    pub student_channels: Option<usize>,
    /// Of d = Σ (A(student) − teacher)²: its sum inside the mask, and its means inside and outside.
    pub sum_inside: Option<f64>,
    pub mean_inside: Option<f64>,
    pub mean_outside: Option<f64>,
}

/// A run as far as it has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunTold {
    pub name: String,
    /// Steps done.
    pub step: u64,
    /// Total loss and L at λ = 1, of the first step and of the last one.
    pub total: Option<[f64; 2]>,
    pub distance: Option<[f64; 2]>,
    /// mAP50-95 and mAP50 at the first evaluation and at the best one.
    pub map: Option<[f64; 2]>,
    pub map50: Option<[f64; 2]>,
}

impl ScaleTold {
    /// λ / (2N) · Σ I·d; 0 where nothing is marked, `None` without a difference.
    pub fn loss(&self, lambda: f64) -> Option<f64> {
        let sum = self.sum_inside?;
        Some(if self.mask_cells == 0 { 0.0 } else { lambda / (2.0 * self.mask_cells as f64) * sum })
    }
}

impl Told {
    /// The scale on which the one ground truth is told.
    pub fn scale_at(&self) -> Option<&ScaleTold> {
        self.scales.get(self.at)
    }

    /// The imitation loss over the scales; `None` where no scale could be compared.
    pub fn loss(&self) -> Option<f64> {
        let losses = self.scales.iter().filter_map(|scale| scale.loss(self.lambda));
        losses.fold(None, |total, loss| Some(total.unwrap_or(0.0) + loss))
    }

    /// What has to be loaded before a step can be told, in a sentence; `None` where nothing is missing.
    pub fn missing(&self, step: Step) -> Option<&'static str> {
        let has = |channels: fn(&ScaleTold) -> Option<usize>| self.scales.iter().any(|scale| channels(scale).is_some());
        match step {
            Step::Image | Step::CellAnchors | Step::ScaleAnchors => None,
            Step::Iou | Step::Best | Step::Threshold | Step::Mask | Step::Union => {
                (self.objects == 0).then_some("This image has no labels: open its labels, or an image that has some.")
            }
            Step::Features => match (has(|scale| scale.teacher_channels), has(|scale| scale.student_channels)) {
                (true, true) => None,
                (false, true) => Some("Open a teacher: its features are not there yet."),
                (true, false) => Some("Open a student: its features are not there yet."),
                (false, false) => Some("Open a teacher and a student: features are what they see."),
            },
            Step::Difference | Step::Inside | Step::Loss => self.missing(Step::Features).or_else(|| {
                let none = self.scales.iter().all(|scale| scale.sum_inside.is_none());
                none.then_some("Teacher and student cannot be subtracted here: choose the least-squares adapter.")
            }),
            Step::Run => {
                self.run.is_none().then_some("Start a run, or open an earlier one: its curves are shown here.")
            }
            Step::BeforeAfter => self
                .run
                .as_ref()
                .is_none_or(|run| run.map.is_none())
                .then_some("Start a run with a val split, or open an earlier one: its mAP is shown here."),
        }
    }

    /// The numbers of a step, a line each.
    pub fn numbers(&self, step: Step) -> Vec<String> {
        match step {
            Step::Image => self.image(),
            Step::CellAnchors => self.cell_anchors(),
            Step::ScaleAnchors => self.each(|scale| {
                Some(format!("stride {}, {}×{} cells: {}", scale.stride, scale.cols, scale.rows, sides(&scale.anchors)))
            }),
            Step::Iou => self.iou(),
            Step::Best => self.best(),
            Step::Threshold => self.threshold(),
            Step::Mask => self.mask(),
            Step::Union => self.each(|scale| {
                let all = (scale.rows * scale.cols).max(1);
                let share = 100.0 * scale.mask_cells as f64 / all as f64;
                Some(format!("N = {} of {all} cells ({share:.1} %)", scale.mask_cells))
            }),
            Step::Features => self.each(|scale| {
                let (teacher, student) = (scale.teacher_channels?, scale.student_channels?);
                Some(format!("student {student} channels, teacher {teacher}"))
            }),
            Step::Difference => self.each(|scale| {
                let all = (scale.rows * scale.cols) as f64;
                let outside = all - scale.mask_cells as f64;
                let sum = scale.sum_inside? + scale.mean_outside.map_or(0.0, |mean| mean * outside);
                Some(format!("mean of d = {}", significant(sum / all.max(1.0))))
            }),
            Step::Inside => self.each(|scale| {
                let mean = |mean: Option<f64>| mean.map_or_else(|| "none".to_owned(), significant);
                scale.sum_inside?;
                Some(format!("mean of d inside {}, outside {}", mean(scale.mean_inside), mean(scale.mean_outside)))
            }),
            Step::Loss => self.loss_terms(),
            Step::Run => self.run_lines(),
            Step::BeforeAfter => self.before_after(),
        }
    }

    /// What a figure was made with, for its small print.
    pub fn facts(&self, step: Step) -> Vec<String> {
        let mut facts = vec![self.image.clone()];
        facts.push(format!("input {}×{} px", self.input[0], self.input[1]));
        facts.push(format!("ψ = {}", self.psi));
        facts.push(format!("level rule {}", self.level_rule));
        facts.push(format!("tap {}", self.tap));
        facts.push(format!("λ = {}", tick(self.lambda)));
        if let Some(run) = self.run.as_ref().filter(|_| matches!(step, Step::Run | Step::BeforeAfter)) {
            facts.push(format!("run {}, step {}", run.name, run.step));
        }
        facts
    }

    /// A line for each scale that has something to say.
    fn each(&self, say: impl Fn(&ScaleTold) -> Option<String>) -> Vec<String> {
        self.scales.iter().filter_map(|scale| Some(format!("{}: {}", scale.name, say(scale)?))).collect()
    }

    fn image(&self) -> Vec<String> {
        let [width, height] = self.size;
        let [left, above] = self.padding;
        let objects = if self.objects == 1 { "1 object".to_owned() } else { format!("{} objects", self.objects) };
        vec![
            format!("{width}×{height} px, {objects}"),
            format!("input {}×{} px", self.input[0], self.input[1]),
            format!("scale {}, padding {left} and {above} px", significant(f64::from(self.scale))),
        ]
    }

    fn cell_anchors(&self) -> Vec<String> {
        let Some(scale) = self.scale_at() else { return Vec::new() };
        let Cell { row, col } = self.cell;
        let center = |index: usize| (index as f32 + 0.5) * scale.stride as f32;
        let count = scale.rows * scale.cols * scale.anchors.len();
        vec![
            format!("{}: stride s = {}, row j = {row}, column i = {col}", scale.name, scale.stride),
            format!("centre ({}, {}) px", center(col), center(row)),
            format!("{} px", sides(&scale.anchors)),
            format!("{}×{} cells × {} anchors = {count} boxes", scale.cols, scale.rows, scale.anchors.len()),
        ]
    }

    /// "object 3, car, 400×300 px".
    fn object(&self) -> Option<String> {
        let truth = self.truth.as_ref()?;
        let [width, height] = truth.size;
        Some(format!("object {}, {}, {width:.0}×{height:.0} px", truth.number, truth.name))
    }

    fn iou(&self) -> Vec<String> {
        let shown =
            self.scale_at().map(|scale| format!("{}: the best of {} anchors a cell", scale.name, scale.anchors.len()));
        self.object().into_iter().chain(shown).collect()
    }

    fn best(&self) -> Vec<String> {
        let (Some(truth), Some(scale)) = (&self.truth, self.scale_at()) else { return Vec::new() };
        let [width, height] = truth.best_anchor;
        let each: Vec<String> =
            self.scales.iter().map(|s| format!("{} {}", s.name, significant(f64::from(s.max_iou)))).collect();
        let mut lines = vec![
            format!("M = {} on {}", significant(f64::from(scale.max_iou)), scale.name),
            format!("by the anchor {width:.0}×{height:.0}"),
        ];
        if self.scales.len() > 1 {
            lines.push(format!("M of each scale: {}", each.join(", ")));
        }
        lines.extend(self.object());
        lines
    }

    fn threshold(&self) -> Vec<String> {
        let (Some(truth), Some(scale)) = (&self.truth, self.scale_at()) else { return Vec::new() };
        let fine = f64::from(truth.threshold);
        let product = if fine.is_finite() {
            let best = significant(f64::from(truth.best_iou));
            format!("ψ{PRODUCT}M = {}{PRODUCT}{best} = {}", self.psi, significant(fine))
        } else {
            format!("the rule {} leaves {} out", self.level_rule, scale.name)
        };
        vec![product, format!("{} cells of {} are above it", scale.cells, scale.name)]
    }

    fn mask(&self) -> Vec<String> {
        let Some(scale) = self.scale_at() else { return Vec::new() };
        let all = scale.rows * scale.cols;
        let mut lines = vec![format!("{} of {all} cells of {}", scale.cells, scale.name)];
        if self.scales.len() > 1 {
            let each: Vec<String> = self.scales.iter().map(|s| format!("{} {}", s.name, s.cells)).collect();
            lines.push(format!("cells of each scale: {}", each.join(", ")));
        }
        lines.extend(self.object());
        lines
    }

    /// The sum, term by term.
    fn loss_terms(&self) -> Vec<String> {
        let (lambda, written) = (self.lambda, tick(self.lambda));
        let mut lines = self.each(|scale| {
            let (sum, loss) = (scale.sum_inside?, scale.loss(lambda)?);
            Some(match scale.mask_cells {
                0 => "no cell in the mask, 0".to_owned(),
                cells => {
                    format!("{written} / (2{PRODUCT}{cells}){PRODUCT}{} = {}", significant(sum), significant(loss))
                }
            })
        });
        let terms: Vec<String> = self.scales.iter().filter_map(|s| s.loss(lambda)).map(significant).collect();
        if let Some(total) = self.loss() {
            lines.push(format!("L = {} = {}", terms.join(" + "), significant(total)));
        }
        lines
    }

    fn run_lines(&self) -> Vec<String> {
        let Some(run) = &self.run else { return Vec::new() };
        let mut lines = vec![format!("{}, step {}", run.name, run.step)];
        let from_to = |what: &str, ends: Option<[f64; 2]>| {
            let [first, last] = ends?;
            Some(format!("{what}: from {} to {}", significant(first), significant(last)))
        };
        lines.extend(from_to("total", run.total));
        lines.extend(from_to("L at λ = 1", run.distance));
        lines
    }

    fn before_after(&self) -> Vec<String> {
        let Some(run) = &self.run else { return Vec::new() };
        let gain = |what: &str, ends: Option<[f64; 2]>| {
            let [first, best] = ends?;
            Some(format!("{what}: {first:.3} at the first evaluation, {best:.3} at the best"))
        };
        gain("mAP50-95", run.map).into_iter().chain(gain("mAP50", run.map50)).collect()
    }
}

/// "10×13, 16×30 and 33×23" without the "and".
fn sides(anchors: &[[f32; 2]]) -> String {
    anchors.iter().map(|[width, height]| format!("{width:.0}×{height:.0}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(name: &str, stride: u32, cells: usize, sum_inside: Option<f64>) -> ScaleTold {
        ScaleTold {
            name: name.to_owned(),
            stride,
            rows: 20,
            cols: 20,
            anchors: vec![[116.0, 90.0], [373.0, 326.0]],
            max_iou: 0.836,
            cells,
            mask_cells: cells,
            teacher_channels: Some(4),
            student_channels: Some(2),
            sum_inside,
            mean_inside: sum_inside.map(|sum| sum / cells as f64),
            mean_outside: Some(0.5),
        }
    }

    fn told() -> Told {
        Told {
            image: "a.jpg".into(),
            size: [640, 480],
            input: [640, 640],
            scale: 1.0,
            padding: [0.0, 80.0],
            objects: 2,
            psi: 0.5,
            level_rule: "per-scale".into(),
            tap: "neck".into(),
            lambda: 2.0,
            truth: Some(TruthTold {
                number: 0,
                name: "car".into(),
                size: [400.0, 300.0],
                best_iou: 0.836,
                best_anchor: [373.0, 326.0],
                threshold: 0.418,
            }),
            scales: vec![scale("P4", 16, 0, Some(0.0)), scale("P5", 32, 50, Some(100.0))],
            at: 1,
            cell: Cell { row: 9, col: 10 },
            run: None,
        }
    }

    #[test]
    fn the_threshold_is_psi_times_the_best() {
        assert_eq!(told().numbers(Step::Threshold), ["ψ · M = 0.5 · 0.836 = 0.418", "50 cells of P5 are above it"]);
        let mut left_out = told();
        left_out.truth.as_mut().expect("a truth").threshold = f32::INFINITY;
        assert_eq!(left_out.numbers(Step::Threshold)[0], "the rule per-scale leaves P5 out");
    }

    #[test]
    fn the_loss_is_summed_term_by_term_and_an_empty_mask_costs_nothing() {
        // 2 / (2 · 50) · 100 = 2.
        assert_eq!(told().loss(), Some(2.0));
        let lines = told().numbers(Step::Loss);
        assert_eq!(lines, ["P4: no cell in the mask, 0", "P5: 2 / (2 · 50) · 100 = 2.00", "L = 0 + 2.00 = 2.00"]);
    }

    #[test]
    fn numbers_of_anchors_by_hand() {
        let lines = told().numbers(Step::CellAnchors);
        assert_eq!(lines[1], "centre (336, 304) px");
        assert_eq!(lines[2..], ["116×90, 373×326 px", "20×20 cells × 2 anchors = 800 boxes"]);
        // Means: (100 + 0.5 · 350) / 400 over all cells of P5, 2 inside.
        assert_eq!(told().numbers(Step::Difference)[1], "P5: mean of d = 0.688");
        assert_eq!(told().numbers(Step::Inside)[1], "P5: mean of d inside 2.00, outside 0.500");
    }

    #[test]
    fn what_is_missing_is_said_and_nothing_else() {
        let full = told();
        let missing: Vec<Step> = Step::ALL.into_iter().filter(|step| full.missing(*step).is_some()).collect();
        assert_eq!(missing, [Step::Run, Step::BeforeAfter]);
        let unlabelled = Told { objects: 0, ..told() };
        assert!(unlabelled.missing(Step::Iou).is_some_and(|why| why.contains("labels")));
        let mut alone = told();
        alone.scales.iter_mut().for_each(|scale| scale.teacher_channels = None);
        assert!(alone.missing(Step::Features).is_some_and(|why| why.contains("teacher")));
        let mut apart = told();
        apart.scales.iter_mut().for_each(|scale| scale.sum_inside = None);
        assert_eq!(apart.missing(Step::Features), None);
        assert!(apart.missing(Step::Loss).is_some_and(|why| why.contains("adapter")));
    }

    #[test]
    fn every_step_has_facts_with_the_settings() {
        let run = RunTold { name: "run-1".into(), step: 340, map: Some([0.1, 0.3]), ..RunTold::default() };
        let told = Told { run: Some(run), ..told() };
        let facts = told.facts(Step::Run).join(" · ");
        for fact in ["ψ = 0.5", "level rule per-scale", "tap neck", "λ = 2", "run run-1, step 340"] {
            assert!(facts.contains(fact), "{facts}");
        }
        assert!(!told.facts(Step::Iou).join("").contains("run-1"));
        assert_eq!(told.numbers(Step::BeforeAfter), ["mAP50-95: 0.100 at the first evaluation, 0.300 at the best"]);
        assert!(Step::ALL.iter().all(|step| !told.numbers(*step).is_empty()));
    }
}
