//! What one image adds to the story: its numbers, step by step, as lines of text. No picture and no feature is here,
//! so that a figure and a frame of the window say the same.

use super::line::say;
use super::{Line, Step, StoryRun};
use crate::format::{significant, tick};

/// Between the factors of a product.
const PRODUCT: &str = " · ";

/// An image, its mask and what is known of models and run. Boxes and anchors in input px.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoryNumbers {
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
    pub level_rule: &'static str,
    pub tap: &'static str,
    /// Weight of the imitation loss.
    pub lambda: f64,
    /// The one ground truth that steps 3 to 7 are about.
    pub truth: Option<StoryTruth>,
    pub scales: Vec<StoryScale>,
    /// The scale on which it is told: an index into `scales`.
    pub at: usize,
    /// The cell whose anchors are shown, on that scale.
    pub cell: Cell,
    /// Over all scales, of raw squares inside the mask and of `answers`; `None` where heads cannot be compared, and of raw
    /// squares where no cell is marked.
    pub raw: Option<PullShares>,
    pub answers: Option<PullShares>,
    /// The imitation loss that is chosen, where it is another than the story's, and its value here at λ = 1.
    pub chosen: Option<(&'static str, f64)>,
    pub run: Option<StoryRun>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pub row: usize,
    pub col: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoryTruth {
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
pub struct StoryScale {
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
    /// Of this scale's raw heads.
    pub raw: Option<PullShares>,
    pub answers: Option<PullShares>,
}

/// How much of its squared pull at the raw heads a loss spends where there is nothing to learn, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PullShares {
    /// On class scores of anchors at which the teacher sees nothing.
    pub unseen: f64,
    /// On objectness and class scores that mean the same to both, within 0.05 after the sigmoid.
    pub same: f64,
}

impl StoryScale {
    /// λ / (2N) · Σ I·d; 0 where nothing is marked, `None` without a difference.
    pub fn loss(&self, lambda: f64) -> Option<f64> {
        let sum = self.sum_inside?;
        Some(if self.mask_cells == 0 { 0.0 } else { lambda / (2.0 * self.mask_cells as f64) * sum })
    }
}

impl StoryNumbers {
    /// The scale on which the one ground truth is told.
    pub fn scale_at(&self) -> Option<&StoryScale> {
        self.scales.get(self.at)
    }

    /// The imitation loss over the scales; `None` where no scale could be compared.
    pub fn loss(&self) -> Option<f64> {
        let losses = self.scales.iter().filter_map(|scale| scale.loss(self.lambda));
        losses.fold(None, |total, loss| Some(total.unwrap_or(0.0) + loss))
    }

    /// What has to be loaded before a step can be told, in a sentence; `None` where nothing is missing.
    pub fn missing(&self, step: Step) -> Option<&'static str> {
        let has =
            |channels: fn(&StoryScale) -> Option<usize>| self.scales.iter().any(|scale| channels(scale).is_some());
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
            Step::Answers => self.answers.is_none().then(|| {
                let differ = "The heads of teacher and student cannot be compared: their anchors or classes differ.";
                self.missing(Step::Features).unwrap_or(differ)
            }),
            Step::Run => {
                self.run.is_none().then_some("Start a run, or open an earlier one: its curves are shown here.")
            }
            Step::BeforeAfter => self
                .run
                .as_ref()
                .is_none_or(|run| run.map.known().is_empty())
                .then_some("Start a run with a val split, or open an earlier one: its mAP is shown here."),
        }
    }

    /// The numbers of a step, a line each.
    pub fn numbers(&self, step: Step) -> Vec<Line> {
        match step {
            Step::Image => self.image(),
            Step::CellAnchors => self.cell_anchors(),
            Step::ScaleAnchors => self.each(|scale| {
                let (shape, anchors) = (format!("{}×{}", scale.cols, scale.rows), sides(&scale.anchors));
                Some(say!(
                    "stride {stride}, {shape} cells: {anchors}",
                    stride = scale.stride,
                    shape = shape,
                    anchors = anchors
                ))
            }),
            Step::Iou => self.iou(),
            Step::Best => self.best(),
            Step::Threshold => self.threshold(),
            Step::Mask => self.mask(),
            Step::Union => self.each(|scale| {
                let all = (scale.rows * scale.cols).max(1);
                let share = format!("{:.1}", 100.0 * scale.mask_cells as f64 / all as f64);
                Some(say!("N = {count} of {all} cells ({share} %)", count = scale.mask_cells, all = all, share = share))
            }),
            Step::Features => self.each(|scale| {
                let (teacher, student) = (scale.teacher_channels?, scale.student_channels?);
                Some(say!("student {student} channels, teacher {teacher}", student = student, teacher = teacher))
            }),
            Step::Difference => self.each(|scale| {
                let all = (scale.rows * scale.cols) as f64;
                let outside = all - scale.mask_cells as f64;
                let sum = scale.sum_inside? + scale.mean_outside.map_or(0.0, |mean| mean * outside);
                Some(say!("mean of d = {mean}", mean = significant(sum / all.max(1.0))))
            }),
            Step::Inside => self.each(|scale| {
                let mean = |mean: Option<f64>| mean.map_or_else(|| say!("none"), |mean| significant(mean).into());
                scale.sum_inside?;
                let (inside, outside) = (mean(scale.mean_inside), mean(scale.mean_outside));
                Some(say!("mean of d inside {inside}, outside {outside}", inside = inside, outside = outside))
            }),
            Step::Loss => self.loss_terms(),
            Step::Answers => self.pulls(),
            Step::Run => self.run.as_ref().map(StoryRun::losses).unwrap_or_default(),
            Step::BeforeAfter => self.run.as_ref().map(StoryRun::accuracies).unwrap_or_default(),
        }
    }

    /// What a step was made with, for its small print. A step of the run has the run's own settings.
    pub fn facts(&self, step: Step) -> Vec<Line> {
        if let Some(run) = self.run.as_ref().filter(|_| step.is_of_run()) {
            let mut facts = vec![Line::from(&self.image)];
            facts.retain(|_| !self.image.is_empty());
            facts.extend(run.settings.facts());
            facts.push(say!("run {run}, step {step}", run = &run.name, step = run.step));
            return facts;
        }
        vec![
            Line::from(&self.image),
            say!("input {size} px", size = pair(self.input)),
            format!("ψ = {}", self.psi).into(),
            say!("level rule {rule}", rule = Line::word(self.level_rule)),
            say!("tap {tap}", tap = Line::word(self.tap)),
            format!("λ = {}", tick(self.lambda)).into(),
        ]
    }

    /// A line for each scale that has something to say.
    fn each(&self, say: impl Fn(&StoryScale) -> Option<Line>) -> Vec<Line> {
        let line = |scale: &StoryScale| Some(say!("{scale}: {what}", scale = &scale.name, what = say(scale)?));
        self.scales.iter().filter_map(line).collect()
    }

    fn image(&self) -> Vec<Line> {
        let [left, above] = self.padding;
        let size = pair(self.size);
        let objects = match self.objects {
            1 => say!("{size} px, 1 object", size = size),
            count => say!("{size} px, {count} objects", size = size, count = count),
        };
        let scale = significant(f64::from(self.scale));
        vec![
            objects,
            say!("input {size} px", size = pair(self.input)),
            say!("scale {scale}, padding {left} and {above} px", scale = scale, left = left, above = above),
        ]
    }

    fn cell_anchors(&self) -> Vec<Line> {
        let Some(scale) = self.scale_at() else { return Vec::new() };
        let Cell { row, col } = self.cell;
        let center = |index: usize| (index as f32 + 0.5) * scale.stride as f32;
        let anchors = scale.anchors.len();
        vec![
            say!(
                "{scale}: stride s = {stride}, row j = {row}, column i = {col}",
                scale = &scale.name,
                stride = scale.stride,
                row = row,
                col = col
            ),
            say!("centre ({x}, {y}) px", x = center(col), y = center(row)),
            format!("{} px", sides(&scale.anchors)).into(),
            say!(
                "{shape} cells × {anchors} anchors = {count} boxes",
                shape = format!("{}×{}", scale.cols, scale.rows),
                anchors = anchors,
                count = scale.rows * scale.cols * anchors
            ),
        ]
    }

    /// "object 3, car, 400×300 px".
    fn object(&self) -> Option<Line> {
        let truth = self.truth.as_ref()?;
        let [width, height] = truth.size;
        let size = format!("{width:.0}×{height:.0}");
        let name = shortened(&truth.name);
        Some(say!("object {number}, {name}, {size} px", number = truth.number, name = name, size = size))
    }

    fn iou(&self) -> Vec<Line> {
        let best = |scale: &StoryScale| {
            let count = scale.anchors.len();
            say!("{scale}: the best of {count} anchors a cell", scale = &scale.name, count = count)
        };
        self.object().into_iter().chain(self.scale_at().map(best)).collect()
    }

    /// "P3 12, P4 0": of every scale a number.
    fn list(&self, number: impl Fn(&StoryScale) -> String) -> Option<String> {
        let each: Vec<String> = self.scales.iter().map(|scale| format!("{} {}", scale.name, number(scale))).collect();
        (each.len() > 1).then(|| each.join(", "))
    }

    fn best(&self) -> Vec<Line> {
        let (Some(truth), Some(scale)) = (&self.truth, self.scale_at()) else { return Vec::new() };
        let [width, height] = truth.best_anchor;
        let most = |scale: &StoryScale| significant(f64::from(scale.max_iou));
        let mut lines = vec![
            say!("M = {best} on {scale}", best = most(scale), scale = &scale.name),
            say!("by the anchor {size}", size = format!("{width:.0}×{height:.0}")),
        ];
        lines.extend(self.list(most).map(|each| say!("M of each scale: {each}", each = each)));
        lines.extend(self.object());
        lines
    }

    fn threshold(&self) -> Vec<Line> {
        let (Some(truth), Some(scale)) = (&self.truth, self.scale_at()) else { return Vec::new() };
        let fine = f64::from(truth.threshold);
        let product = if fine.is_finite() {
            let best = significant(f64::from(truth.best_iou));
            Line::from(format!("ψ{PRODUCT}M = {}{PRODUCT}{best} = {}", self.psi, significant(fine)))
        } else {
            say!("the rule {rule} leaves {scale} out", rule = Line::word(self.level_rule), scale = &scale.name)
        };
        let above = match scale.cells {
            1 => say!("1 cell of {scale} is above it", scale = &scale.name),
            count => say!("{count} cells of {scale} are above it", count = count, scale = &scale.name),
        };
        vec![product, above]
    }

    fn mask(&self) -> Vec<Line> {
        let Some(scale) = self.scale_at() else { return Vec::new() };
        let all = scale.rows * scale.cols;
        let mut lines =
            vec![say!("{count} of {all} cells of {scale}", count = scale.cells, all = all, scale = &scale.name)];
        let each = self.list(|scale| scale.cells.to_string());
        lines.extend(each.map(|each| say!("cells of each scale: {each}", each = each)));
        lines.extend(self.object());
        lines
    }

    /// The sum, term by term.
    fn loss_terms(&self) -> Vec<Line> {
        let (lambda, written) = (self.lambda, tick(self.lambda));
        let mut lines = self.each(|scale| {
            let (sum, loss) = (scale.sum_inside?, scale.loss(lambda)?);
            Some(match scale.mask_cells {
                0 => say!("no cell in the mask, 0"),
                cells => {
                    let (sum, loss) = (significant(sum), significant(loss));
                    format!("{written} / (2{PRODUCT}{cells}){PRODUCT}{sum} = {loss}").into()
                }
            })
        });
        let terms: Vec<String> = self.scales.iter().filter_map(|s| s.loss(lambda)).map(significant).collect();
        if let Some(total) = self.loss() {
            lines.push(format!("L = {} = {}", terms.join(" + "), significant(total)).into());
        }
        if let Some((loss, value)) = self.chosen {
            let value = significant(value);
            lines.push(say!("the loss that is chosen, {loss}: {value} at λ = 1", loss = loss, value = value));
        }
        lines
    }

    /// Raw squares against `answers`.
    fn pulls(&self) -> Vec<Line> {
        let Some(answers) = self.answers else { return Vec::new() };
        let Some(raw) = self.raw else { return vec![say!("no cell in the mask, 0")] };
        let mut lines = vec![
            say!(
                "class scores where the teacher sees nothing: {raw} % of the raw squares in the mask, {answers} % of the \
                 pull of answers",
                raw = percent(raw.unseen),
                answers = percent(answers.unseen)
            ),
            say!(
                "scores that mean the same to both, within 0.05: {raw} % of the raw squares, {answers} % of the pull of answers",
                raw = percent(raw.same),
                answers = percent(answers.same)
            ),
        ];
        lines.extend(self.each(|scale| {
            let (raw, answers) = (scale.raw?, scale.answers?);
            Some(say!(
                "raw {unseen} % and {same} %, answers {unseen_answers} % and {same_answers} %",
                unseen = percent(raw.unseen),
                same = percent(raw.same),
                unseen_answers = percent(answers.unseen),
                same_answers = percent(answers.same)
            ))
        }));
        lines
    }
}

/// Of a share, with a digit where it is small: "78", "0.2".
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent < 9.95 { format!("{percent:.1}") } else { format!("{percent:.0}") }
}

/// Letters of a class's name that a line has room for.
const NAME: usize = 28;

/// A name that is no longer than a line holds.
fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME { name.to_owned() } else { name.chars().take(NAME - 1).chain(['…']).collect() }
}

/// "640×480".
fn pair([width, height]: [u32; 2]) -> String {
    format!("{width}×{height}")
}

/// "10×13, 16×30 and 33×23" without the "and".
fn sides(anchors: &[[f32; 2]]) -> String {
    anchors.iter().map(|[width, height]| format!("{width:.0}×{height:.0}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{Accuracy, RunSettings};

    fn scale(name: &str, stride: u32, cells: usize, sum_inside: Option<f64>) -> StoryScale {
        StoryScale {
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
            raw: Some(PullShares { unseen: 0.8, same: 0.25 }),
            answers: Some(PullShares { unseen: 0.004, same: 0.01 }),
        }
    }

    fn english(lines: Vec<Line>) -> Vec<String> {
        lines.iter().map(Line::english).collect()
    }

    fn numbers() -> StoryNumbers {
        StoryNumbers {
            image: "a.jpg".into(),
            size: [640, 480],
            input: [640, 640],
            scale: 1.0,
            padding: [0.0, 80.0],
            objects: 2,
            psi: 0.5,
            level_rule: "per-scale",
            tap: "neck",
            lambda: 2.0,
            truth: Some(StoryTruth {
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
            raw: Some(PullShares { unseen: 0.786, same: 0.301 }),
            answers: Some(PullShares { unseen: 0.0042, same: 0.096 }),
            chosen: None,
            run: None,
        }
    }

    #[test]
    fn the_threshold_is_psi_times_the_best() {
        let lines = english(numbers().numbers(Step::Threshold));
        assert_eq!(lines, ["ψ · M = 0.5 · 0.836 = 0.418", "50 cells of P5 are above it"]);
        let mut left_out = numbers();
        left_out.truth.as_mut().expect("a truth").threshold = f32::INFINITY;
        left_out.scales[1].cells = 1;
        let lines = english(left_out.numbers(Step::Threshold));
        assert_eq!(lines, ["the rule per-scale leaves P5 out", "1 cell of P5 is above it"]);
    }

    #[test]
    fn the_loss_is_summed_term_by_term_and_an_empty_mask_costs_nothing() {
        // 2 / (2 · 50) · 100 = 2.
        assert_eq!(numbers().loss(), Some(2.0));
        let lines = english(numbers().numbers(Step::Loss));
        assert_eq!(lines, ["P4: no cell in the mask, 0", "P5: 2 / (2 · 50) · 100 = 2.00", "L = 0 + 2.00 = 2.00"]);
    }

    #[test]
    fn numbers_of_anchors_by_hand() {
        let lines = english(numbers().numbers(Step::CellAnchors));
        assert_eq!(lines[1], "centre (336, 304) px");
        assert_eq!(lines[2..], ["116×90, 373×326 px", "20×20 cells × 2 anchors = 800 boxes"]);
        // Means: (100 + 0.5 · 350) / 400 over all cells of P5, 2 inside.
        assert_eq!(numbers().numbers(Step::Difference)[1].english(), "P5: mean of d = 0.688");
        assert_eq!(numbers().numbers(Step::Inside)[1].english(), "P5: mean of d inside 2.00, outside 0.500");
    }

    #[test]
    fn what_is_missing_is_said_and_nothing_else() {
        let full = numbers();
        let missing: Vec<Step> = Step::ALL.into_iter().filter(|step| full.missing(*step).is_some()).collect();
        assert_eq!(missing, [Step::Run, Step::BeforeAfter]);
        let unlabelled = StoryNumbers { objects: 0, ..numbers() };
        assert!(unlabelled.missing(Step::Iou).is_some_and(|why| why.contains("labels")));
        let mut alone = numbers();
        alone.scales.iter_mut().for_each(|scale| scale.teacher_channels = None);
        assert!(alone.missing(Step::Features).is_some_and(|why| why.contains("teacher")));
        let mut apart = numbers();
        apart.scales.iter_mut().for_each(|scale| scale.sum_inside = None);
        assert_eq!(apart.missing(Step::Features), None);
        assert!(apart.missing(Step::Loss).is_some_and(|why| why.contains("adapter")));
    }

    #[test]
    fn a_line_has_room_for_a_part_of_a_long_name() {
        let mut long = numbers();
        long.truth.as_mut().expect("a truth").name = "交通信号灯".repeat(10);
        let line = long.numbers(Step::Iou)[0].english();
        assert!(line.contains("…, 400×300 px") && line.chars().count() < 60, "{line}");
        assert_eq!(numbers().numbers(Step::Iou)[0].english(), "object 0, car, 400×300 px");
    }

    #[test]
    fn a_step_of_the_run_has_the_runs_settings_and_no_other_step_has() {
        let settings = RunSettings { psi: Some(0.25), mask_source: Some("iou"), ..RunSettings::default() };
        let map = Accuracy { last: Some(0.1), best: Some(0.3), ..Accuracy::default() };
        let run = StoryRun { name: "run-1".into(), step: 340, settings, map, ..StoryRun::default() };
        let numbers = StoryNumbers { run: Some(run), ..numbers() };
        let facts = |step| english(numbers.facts(step)).join(" · ");
        assert_eq!(facts(Step::Run), "a.jpg · ψ = 0.25 · run run-1, step 340");
        assert_eq!(facts(Step::Iou), "a.jpg · input 640×640 px · ψ = 0.5 · level rule per-scale · tap neck · λ = 2");
        assert!(Step::ALL.iter().all(|step| !numbers.numbers(*step).is_empty()));
    }

    #[test]
    fn raw_squares_are_set_against_answers() {
        let lines = english(numbers().numbers(Step::Answers));
        assert!(lines[0].ends_with("79 % of the raw squares in the mask, 0.4 % of the pull of answers"), "{lines:?}");
        assert!(lines[1].ends_with("30 % of the raw squares, 9.6 % of the pull of answers"), "{lines:?}");
        assert_eq!(lines[2], "P4: raw 80 % and 25 %, answers 0.4 % and 1.0 %");
        let differ = StoryNumbers { answers: None, ..numbers() };
        assert!(differ.missing(Step::Answers).is_some_and(|why| why.contains("anchors or classes differ")));
        let unmarked = StoryNumbers { raw: None, ..numbers() };
        assert_eq!(english(unmarked.numbers(Step::Answers)), ["no cell in the mask, 0"]);
    }

    #[test]
    fn another_loss_that_is_chosen_is_named_beside_the_storys() {
        let chosen = StoryNumbers { chosen: Some(("answers", 0.25)), ..numbers() };
        let line = english(chosen.numbers(Step::Loss)).pop();
        assert_eq!(line.as_deref(), Some("the loss that is chosen, answers: 0.250 at λ = 1"));
    }
}
