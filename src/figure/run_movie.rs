//! A run through its time: the map of each recorded moment over the curves up to it.

use std::sync::Arc;

use crate::figure::curves::{CurveExport, CurveSet, CurveView};
use crate::figure::drawing::{Subject, ViewDrawing};
use crate::figure::plot::{PlotFigure, PlotLine, PlotPanel};
use crate::figure::{Figure, FigureError, Frames, Lead, Look, stacked};
use crate::format::significant;
use crate::train::config::RunConfig;
use crate::train::event::Snapshot;
use crate::train::history::{Plot, RunHistory};
use crate::train::replay::Replay;

/// What is still to come is so much paler.
const PALE: f32 = 0.75;

/// The maps of one run, and the curves of it and of those beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Movie {
    view: ViewDrawing,
    history: Arc<RunHistory>,
    curves: CurveExport,
}

impl Movie {
    /// Of the runs' curves, and the maps of one of them, which lie over the subject's image.
    pub fn of(runs: CurveSet<'_>, history: &Arc<RunHistory>, subject: Subject) -> Self {
        let evaluated = runs.histories.iter().any(|history| history.visible && history.of(Plot::Map).next().is_some());
        let plots = vec![Plot::Distance, if evaluated { Plot::Map } else { Plot::Total }];
        let view = CurveView { shown: plots.clone(), large: None, difference: false, ..runs.view.clone() };
        let curves = CurveExport { histories: runs.histories.to_vec(), view, plots };
        Self { view: ViewDrawing::of_snapshots(subject, history), history: Arc::clone(history), curves }
    }

    /// Of recorded runs: the maps of the first that has any, and the curves of all.
    pub fn of_replays(replays: Vec<Replay>) -> Result<Self, FigureError> {
        let nothing = || FigureError::Nothing("the file has no maps: only a run with a teacher records any".to_owned());
        let replays: Vec<Arc<Replay>> = replays.into_iter().map(Arc::new).collect();
        // Runs of one configuration are the two of a pair.
        let number = |replay: &Replay| replays.iter().position(|other| other.experiment() == replay.experiment());
        let of = |(key, replay): (u64, &Arc<Replay>)| {
            Arc::new(RunHistory::of_replay(key, number(replay).unwrap_or(0) as u64, Arc::clone(replay)))
        };
        let histories: Vec<Arc<RunHistory>> = (0..).zip(&replays).map(of).collect();
        let history = histories.iter().find(|history| !history.snapshots.is_empty()).ok_or_else(nothing)?;
        let replay = replays.iter().find(|replay| replay.id == history.id).ok_or_else(nothing)?;
        let imitation = RunConfig::parse(&replay.config).unwrap_or_default().imitation;
        let subject = Subject::of_replay(replay, replay.mask, imitation.tap, imitation.lambda.nominal());
        Ok(Self::of(CurveSet { histories: &histories, view: &CurveView::default() }, history, subject))
    }

    pub fn stem(&self) -> String {
        format!("{}-movie", self.view.stem())
    }

    fn lead(&self, snapshot: &Snapshot) -> Lead {
        let step = snapshot.step as f64;
        // The sum of the scales at that step.
        let distances = self.history.of(Plot::Distance).filter_map(|curve| Some(curve.at(step)?.1));
        let distance = distances.filter(|value| value.is_finite()).reduce(|sum, value| sum + value);
        let evaluated = self.history.epochs.iter().filter(|epoch| epoch.step <= snapshot.step);
        let map = evaluated.filter_map(|epoch| epoch.evaluation.as_ref()).next_back().map(|found| found.map50_95);
        let mut numbers = Vec::new();
        numbers.extend(distance.map(|distance| format!("distance {} at λ = 1", significant(distance))));
        numbers.extend(map.map(|map| format!("mAP50-95 {}", significant(map))));
        let sentence = format!("Step {} of {}", snapshot.step, self.history.steps_done.max(snapshot.step));
        Lead { sentence, formula: numbers.join(" · "), numbers: Vec::new() }
    }

    /// The curves with what comes after a step pale.
    fn plots(&self, step: u64) -> PlotFigure {
        let mut figure = self.curves.figure();
        figure.title = "Until here".to_owned();
        figure.facts.clear();
        for panel in &mut figure.panels {
            until(panel, self.curves.view.x.place(step as f64));
        }
        figure
    }
}

/// Every line to its end, pale, and over it what it was up to a place.
fn until(panel: &mut PlotPanel, place: f64) {
    let whole = std::mem::take(&mut panel.lines);
    let pale = whole.iter().map(|line| PlotLine {
        label: String::new(),
        color: line.color.map(|part| (f32::from(part) + PALE * (255.0 - f32::from(part))).round() as u8),
        band: Vec::new(),
        missing: Vec::new(),
        ..line.clone()
    });
    let so_far = whole.iter().map(|line| PlotLine {
        points: line.points.iter().copied().filter(|[x, _]| *x <= place).collect(),
        band: line.band.iter().copied().filter(|[x, ..]| *x <= place).collect(),
        missing: line.missing.iter().copied().filter(|x| *x <= place).collect(),
        ..line.clone()
    });
    panel.lines = pale.chain(so_far).collect();
}

impl Frames for Movie {
    fn frames(&self) -> usize {
        self.history.snapshots.len()
    }

    fn figure(&self, frame: usize, look: &Look) -> Result<Figure, FigureError> {
        let snapshot = self.history.snapshots.get(frame);
        let snapshot = snapshot.ok_or_else(|| FigureError::Nothing(format!("there is no moment {frame}")))?;
        let map = self.view.at(snapshot, self.lead(snapshot), look)?;
        let curves = self.plots(snapshot.step).render_as(&Lead::default(), look)?;
        stacked(&[map, curves])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::AxisScale;

    #[test]
    fn what_is_to_come_is_pale_and_keeps_the_axes() {
        let line = PlotLine {
            label: "P3".to_owned(),
            color: [0, 55, 255],
            dashed: false,
            points: vec![[0.0, 4.0], [10.0, 2.0], [20.0, 1.0]],
            band: vec![[0.0, 3.0, 5.0], [20.0, 0.0, 2.0]],
            missing: vec![15.0],
        };
        let (x, y) = (AxisScale::Linear, AxisScale::Linear);
        let text = String::new();
        let mut panel =
            PlotPanel { title: text.clone(), x_label: text.clone(), y_label: text, x, y, lines: vec![line.clone()] };
        until(&mut panel, 10.0);
        let [pale, own] = panel.lines.as_slice() else { panic!("two lines") };
        // 0 + 0.75 · 255, 55 + 0.75 · 200.
        assert_eq!((pale.color, pale.label.as_str(), &pale.points), ([191, 205, 255], "", &line.points));
        assert_eq!((own.color, own.label.as_str()), (line.color, "P3"));
        assert_eq!((own.points.as_slice(), own.band.len(), own.missing.len()), (&line.points[..2], 1, 0));
    }
}
