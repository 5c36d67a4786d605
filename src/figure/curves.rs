//! Which lines a plot has, and its lines as files.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::plot::{PlotFigure, PlotLine, PlotPanel};
use crate::axis::AxisScale;
use crate::format::{csv_field, significant};
use crate::language::t;
use crate::palette;
use crate::train::history::{Curve, Plot, RunHistory, Window, decimate, difference, moving_average, pairs, span};

/// Which curves are shown, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CurveView {
    pub shown: Vec<Plot>,
    /// One of them alone, over the whole place.
    pub large: Option<Plot>,
    /// Weight of the moving average, 0..=0.99.
    pub smoothing: f64,
    pub x: AxisScale,
    pub y: AxisScale,
    /// Imitation − baseline instead of the runs themselves.
    pub difference: bool,
}

impl CurveView {
    pub const MOST: usize = 6;
    pub const MAX_SMOOTHING: f64 = 0.99;

    /// Weight of the average of a plot: what is not noisy stays as it is.
    pub fn smoothing_of(&self, plot: Plot) -> f64 {
        match plot {
            Plot::Map | Plot::Lambda | Plot::LearningRate => 0.0,
            _ => self.smoothing,
        }
    }

    /// As it can be drawn, whatever a file says.
    pub fn checked(mut self) -> Self {
        self.shown = Plot::ALL.into_iter().filter(|plot| self.shown.contains(plot)).take(Self::MOST).collect();
        self.smoothing = if self.smoothing.is_finite() { self.smoothing.clamp(0.0, Self::MAX_SMOOTHING) } else { 0.0 };
        self
    }
}

impl Default for CurveView {
    fn default() -> Self {
        Self {
            shown: vec![Plot::Total, Plot::Box, Plot::Objectness, Plot::Class, Plot::Distance, Plot::Map],
            large: None,
            smoothing: 0.9,
            x: AxisScale::Linear,
            y: AxisScale::Linear,
            difference: false,
        }
    }
}

/// Runs, and what of them is shown.
#[derive(Clone, Copy, Debug)]
pub struct CurveSet<'a> {
    pub histories: &'a [Arc<RunHistory>],
    pub view: &'a CurveView,
}

/// One line of a plot. Runs have colours, the two of a pair share one and differ in their strokes, the curves of one run in their
/// shades.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub plot: Plot,
    /// Key of the run.
    pub history: u64,
    /// Key of the run that is subtracted.
    pub minus: Option<u64>,
    /// Among the curves that the run has in this plot.
    pub index: usize,
    /// How many they are.
    pub of: usize,
    /// "P3"; empty where a run has one curve.
    pub name: String,
    pub run: String,
    /// Colour of the run.
    pub color: usize,
    pub dashed: bool,
    /// Changes with the values.
    pub version: u64,
}

/// The colour of a run: a pair has one.
pub fn color_of(histories: &[Arc<RunHistory>], history: &RunHistory) -> usize {
    let mut seen: Vec<(u64, u64)> = Vec::new();
    for other in histories {
        let pair = (other.experiment, other.id.seed);
        if !seen.contains(&pair) {
            seen.push(pair);
        }
    }
    seen.iter().position(|pair| *pair == (history.experiment, history.id.seed)).unwrap_or(0)
}

/// The lines of a plot, of all runs that are to be seen.
pub fn lines(runs: CurveSet<'_>, plot: Plot) -> Vec<Line> {
    let histories = runs.histories;
    let of_run = |history: &Arc<RunHistory>, minus: Option<&Arc<RunHistory>>| -> Vec<Line> {
        let of = history.of(plot).count();
        let curves = history.of(plot).enumerate().map(|(index, curve)| Line {
            plot,
            history: history.key,
            minus: minus.map(|other| other.key),
            index,
            of,
            name: curve.name.clone(),
            run: history.name.clone(),
            color: color_of(histories, history),
            dashed: minus.is_none() && history.is_baseline(),
            version: history.version + minus.map_or(0, |other| other.version),
        });
        curves.collect()
    };
    if runs.view.difference {
        let pairs = pairs(histories).filter(|(history, _)| history.visible);
        return pairs.flat_map(|(history, other)| of_run(history, Some(other))).collect();
    }
    histories.iter().filter(|history| history.visible).flat_map(|history| of_run(history, None)).collect()
}

/// What holds for whole runs: the accuracy of their teacher.
#[derive(Clone, Debug, PartialEq)]
pub struct TeacherLevel {
    /// "mAP50"
    pub name: &'static str,
    pub value: f64,
}

impl TeacherLevel {
    pub fn label(&self) -> String {
        t!("teacher {name}", name = self.name)
    }
}

/// The levels of a plot: each once, of all runs that are to be seen.
pub fn levels(runs: CurveSet<'_>, plot: Plot) -> Vec<TeacherLevel> {
    let mut found: Vec<TeacherLevel> = Vec::new();
    if plot != Plot::Map || runs.view.difference {
        return found;
    }
    let seen = runs.histories.iter().filter(|history| history.visible);
    for teacher in seen.filter_map(|history| history.measured.as_ref()?.teacher.as_ref()) {
        let both = [("mAP50", teacher.map50), ("mAP50-95", teacher.map50_95)];
        for level in both.map(|(name, value)| TeacherLevel { name, value }) {
            // A file keeps fewer digits than the run itself.
            if !found.iter().any(|known| known.name == level.name && (known.value - level.value).abs() < 1e-4) {
                found.push(level);
            }
        }
    }
    found
}

/// Between which values λ moved in the runs that are to be seen; `None` where it did not.
pub fn moved_lambda(runs: CurveSet<'_>) -> Option<(f64, f64)> {
    let seen = runs.histories.iter().filter(|history| history.visible && !history.is_baseline());
    let ranges = seen.filter_map(|history| history.lambda);
    let all = ranges.reduce(|(low, high), (l, h)| (f64::min(low, l), f64::max(high, h)))?;
    (all.1 > 1.1 * all.0).then_some(all)
}

/// What has to be known to read a plot whose values λ is a factor of.
pub fn lambda_note(runs: CurveSet<'_>, plot: Plot) -> Option<String> {
    let (low, high) = moved_lambda(runs).filter(|_| matches!(plot, Plot::Total | Plot::Imitation))?;
    Some(t!("λ moved between {low} and {high}", low = significant(low), high = significant(high)))
}

impl Line {
    /// Its values; computed where it is a difference.
    pub fn curve<'a>(&self, histories: &'a [Arc<RunHistory>]) -> Option<Cow<'a, Curve>> {
        let curve = |key| histories.iter().find(|history| history.key == key)?.of(self.plot).nth(self.index);
        let own = curve(self.history)?;
        match self.minus {
            None => Some(Cow::Borrowed(own)),
            Some(other) => Some(Cow::Owned(difference(own, curve(other)?))),
        }
    }

    /// "run-1 · imitation P3".
    pub fn label(&self) -> String {
        let run = if self.minus.is_some() { t!("{run} − baseline", run = self.run) } else { self.run.clone() };
        if self.name.is_empty() { run } else { format!("{run} {}", self.name) }
    }
}

/// Plots as they are to be written: runs as they stood when it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveExport {
    pub histories: Vec<Arc<RunHistory>>,
    pub view: CurveView,
    pub plots: Vec<Plot>,
}

/// Points of the widest figure; more cannot be told apart.
const BUCKETS: usize = 800;

/// The curves of a run that the story shows.
pub fn story_panels(history: Arc<RunHistory>) -> Vec<PlotPanel> {
    let plots = vec![Plot::Total, Plot::Distance, Plot::Map];
    let view = CurveView { shown: plots.clone(), ..CurveView::default() };
    let export = CurveExport { histories: vec![history], view, plots };
    export.figure().panels.into_iter().filter(|panel| !panel.lines.is_empty()).collect()
}

impl CurveExport {
    /// One plot, or all that are shown.
    pub fn of(runs: CurveSet<'_>, plot: Option<Plot>) -> Self {
        let view = runs.view.clone();
        let plots = plot.map_or_else(|| view.shown.clone(), |plot| vec![plot]);
        Self { histories: runs.histories.to_vec(), view, plots }
    }

    /// "imitation": of a file, without its extension.
    pub fn name(&self) -> String {
        let name = match self.plots.as_slice() {
            [plot] => plot.name().replace(' ', "-"),
            _ => "curves".to_owned(),
        };
        name.replace('λ', "lambda")
    }

    fn runs(&self) -> CurveSet<'_> {
        CurveSet { histories: &self.histories, view: &self.view }
    }

    /// One value a row.
    pub fn csv(&self) -> String {
        let runs = self.runs();
        let mut text = String::from("run,plot,curve,step,value,smoothed\n");
        for line in self.plots.iter().flat_map(|plot| lines(runs, *plot)) {
            let Some(curve) = line.curve(runs.histories) else { continue };
            let smoothed = moving_average(&curve.values, self.view.smoothing_of(line.plot));
            let run = if line.minus.is_some() { format!("{} − baseline", line.run) } else { line.run.clone() };
            for ((step, value), smooth) in curve.steps.iter().zip(&curve.values).zip(smoothed) {
                // Writing into a string cannot fail.
                let _ = writeln!(
                    text,
                    "{},{},{},{step},{value},{smooth}",
                    csv_field(&run),
                    line.plot.name(),
                    csv_field(&line.name)
                );
            }
        }
        text
    }

    /// The plots as a figure.
    pub fn figure(&self) -> PlotFigure {
        let runs = self.runs();
        let panels = self.plots.iter().map(|plot| self.panel(runs, *plot)).collect();
        let mut facts = vec![format!("moving average, weight {}", self.view.smoothing)];
        if let Some((low, high)) = moved_lambda(runs)
            && self.plots.iter().any(|plot| matches!(plot, Plot::Total | Plot::Imitation))
        {
            facts.push(format!("λ between {} and {}", significant(low), significant(high)));
        }
        if self.view.difference {
            facts.insert(0, "imitation − baseline".to_owned());
        }
        let title = match self.plots.as_slice() {
            [plot] => format!("{} over steps", plot.name()),
            _ => "Distillation run".to_owned(),
        };
        PlotFigure { title, facts, panels }
    }

    fn panel(&self, runs: CurveSet<'_>, plot: Plot) -> PlotPanel {
        let drawn = lines(runs, plot).into_iter().filter_map(|line| {
            let curve = line.curve(runs.histories)?;
            let (low, high) = span(&curve.steps, self.view.x)?;
            let window = Window { low, high, buckets: BUCKETS, x: self.view.x, y: self.view.y };
            let smooth = moving_average(&curve.values, self.view.smoothing_of(line.plot));
            let raw = decimate(&curve.steps, &curve.values, window);
            let color = palette::line_color(&palette::LIGHT, line.color, line.index, line.of, line.minus.is_some());
            Some(PlotLine {
                label: line.label(),
                color: [color.r(), color.g(), color.b()],
                dashed: line.dashed,
                points: decimate(&curve.steps, &smooth, window).line,
                band: raw.band,
                missing: raw.missing.into_iter().map(|(x, _)| x).collect(),
            })
        });
        let mut drawn: Vec<PlotLine> = drawn.collect();
        let ends = drawn.iter().flat_map(|line| &line.points).map(|point| point[0]);
        let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (f64::min(l, x), f64::max(h, x)));
        let teacher = palette::LIGHT.teacher;
        for level in levels(runs, plot).into_iter().filter(|_| low <= high) {
            let y = self.view.y.place(level.value);
            drawn.push(PlotLine {
                label: level.label(),
                color: [teacher.r(), teacher.g(), teacher.b()],
                dashed: false,
                points: if y.is_finite() { vec![[low, y], [high, y]] } else { Vec::new() },
                band: Vec::new(),
                missing: Vec::new(),
            });
        }
        PlotPanel {
            title: plot.name().to_owned(),
            x_label: "step".to_owned(),
            y_label: plot.unit().to_owned(),
            x: self.view.x,
            y: self.view.y,
            lines: drawn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::evaluate::Evaluation;
    use crate::train::event::{EpochRecord, RunEvent, RunId, StartRecord, StepRecord, Variant};

    fn history(key: u64, variant: Variant, totals: &[f64]) -> Arc<RunHistory> {
        let mut history = RunHistory::new(key, 1, RunId { seed: 0, variant }, format!("a, {}", variant.name()));
        history.scales = vec!["P3".into(), "P4".into()];
        for (step, &total) in totals.iter().enumerate() {
            let distance = vec![Some(total), Some(total)];
            history.step(&StepRecord { step: step as u64, total, distance, ..Default::default() });
        }
        Arc::new(history)
    }

    fn runs() -> CurveExport {
        let histories = vec![history(1, Variant::Imitation, &[4.0, 2.0]), history(2, Variant::Baseline, &[5.0, 5.0])];
        CurveExport { histories, view: CurveView::default(), plots: Vec::new() }
    }

    #[test]
    fn pairs_have_one_colour_and_two_strokes() {
        let found = lines(runs().runs(), Plot::Distance);
        let looks: Vec<_> = found.iter().map(|l| (l.name.as_str(), l.color, l.index, l.dashed)).collect();
        assert_eq!(looks, [("P3", 0, 0, false), ("P4", 0, 1, false), ("P3", 0, 0, true), ("P4", 0, 1, true)]);
    }

    #[test]
    fn a_hidden_run_has_no_line() {
        let mut runs = runs();
        Arc::make_mut(&mut runs.histories[1]).visible = false;
        assert_eq!(lines(runs.runs(), Plot::Total).len(), 1);
    }

    #[test]
    fn where_lambda_moved_it_is_said_beside_what_it_is_a_factor_of() {
        let with_lambda = |values: &[f64]| {
            let mut history = RunHistory::new(1, 1, RunId { seed: 0, variant: Variant::Imitation }, "a".into());
            for (step, &lambda) in values.iter().enumerate() {
                history.step(&StepRecord { step: step as u64, lambda, ..Default::default() });
            }
            CurveExport { histories: vec![Arc::new(history)], view: CurveView::default(), plots: Vec::new() }
        };
        let faded = with_lambda(&[0.4, 0.2, 0.05]);
        assert_eq!(lambda_note(faded.runs(), Plot::Total).as_deref(), Some("λ moved between 0.0500 and 0.400"));
        assert_eq!(lambda_note(faded.runs(), Plot::Distance), None, "which is at λ = 1");
        assert_eq!(lambda_note(with_lambda(&[0.4, 0.4]).runs(), Plot::Total), None);
        assert_eq!(lambda_note(runs().runs(), Plot::Imitation), None, "λ was 0 throughout");
    }

    #[test]
    fn a_teacher_is_a_line_of_the_figure_and_counts_once() {
        let evaluation = |map: f64| Evaluation { map50: 2.0 * map, map50_95: map, ..Evaluation::default() };
        let runs = [1, 2].map(|key| {
            let mut history =
                RunHistory::new(key, 1, RunId { seed: key, variant: Variant::Imitation }, format!("run {key}"));
            let start = StartRecord { student: evaluation(0.1), teacher: Some(evaluation(0.3)) };
            history.receive(RunEvent::Start(Arc::new(start)));
            let epoch = EpochRecord { step: 20, evaluation: Some(evaluation(0.2)), ..EpochRecord::default() };
            history.receive(RunEvent::Epoch(Box::new(epoch)));
            Arc::new(history)
        });
        let view = CurveView::default();
        let export = CurveExport { histories: runs.to_vec(), view, plots: vec![Plot::Map] };
        let panel = export.figure().panels.swap_remove(0);
        let teacher: Vec<_> = panel.lines.iter().filter(|line| line.label.starts_with("teacher")).collect();
        assert_eq!(teacher.iter().map(|line| &*line.label).collect::<Vec<_>>(), ["teacher mAP50", "teacher mAP50-95"]);
        assert_eq!(teacher[1].points, [[0.0, 0.3], [20.0, 0.3]]);
        assert_eq!(panel.lines[1].points, [[0.0, 0.1], [20.0, 0.2]], "the student begins where it did");
    }

    #[test]
    fn the_difference_is_one_line_a_pair() {
        let mut runs = runs();
        runs.view.difference = true;
        let found = lines(runs.runs(), Plot::Total);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].curve(&runs.histories).expect("a curve").values, [-1.0, -3.0]);
    }

    #[test]
    fn a_csv_has_raw_and_smoothed_values_by_hand() {
        let runs = runs();
        let view = CurveView { smoothing: 0.5, ..CurveView::default() };
        let export = CurveExport { histories: runs.histories, view, plots: vec![Plot::Total] };
        assert_eq!(export.name(), "total");
        let text = export.csv();
        // Smoothed: 4; (½·4 + 2)/1.5.
        let expected = "run,plot,curve,step,value,smoothed\n\
                        \"a, imitation\",total,,1,4,4\n\"a, imitation\",total,,2,2,2.6666666666666665\n\
                        \"a, baseline\",total,,1,5,5\n\"a, baseline\",total,,2,5,5\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_figure_names_axes_and_runs() {
        let runs = runs();
        let plots = vec![Plot::Distance, Plot::Lambda];
        let export = CurveExport { histories: runs.histories, view: CurveView::default(), plots };
        let svg = export.figure().render().expect("a figure").svg;
        for text in ["loss at λ = 1", "step", "a, baseline P4", "stroke-dasharray"] {
            assert!(svg.contains(text), "{text}");
        }
    }
}
