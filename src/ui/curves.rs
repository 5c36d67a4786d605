//! What the lines of the runs' plots draw: computed when a line's values, the window or the smoothing change, and kept.

use std::collections::HashMap;

use egui::Color32;
use egui_plot::PlotPoint;

use crate::app::run::Runs;
use crate::axis::AxisScale;
use crate::figure::curves::Line;
use crate::palette::{self, Palette};
use crate::train::history::{Missing, Plot, Window, decimate, moving_average, span};

/// Which line a drawing is of.
type Key = (Plot, u64, Option<u64>, usize);

/// A line as it is drawn.
pub struct Drawn {
    version: u64,
    window: Window,
    smoothing: f64,
    /// Drawn in this frame.
    used: bool,
    /// The values, or their average.
    pub line: Vec<PlotPoint>,
    /// The values themselves, where the line is an average and no band shows them.
    pub raw: Vec<PlotPoint>,
    /// x, smallest and largest value.
    pub band: [Vec<f64>; 3],
    pub missing: Vec<(f64, Missing)>,
    /// Places on the y axis.
    pub range: Option<(f64, f64)>,
}

#[derive(Default)]
pub struct Lines(HashMap<Key, Drawn>);

impl Lines {
    /// A frame begins.
    pub fn begin(&mut self) {
        self.0.values_mut().for_each(|drawn| drawn.used = false);
    }

    /// A frame ends: what it has not drawn is forgotten.
    pub fn end(&mut self) {
        self.0.retain(|_, drawn| drawn.used);
    }

    pub fn get(&self, line: &Line) -> Option<&Drawn> {
        self.0.get(&key_of(line))
    }

    /// Brings a line's drawing up to date.
    pub fn update(&mut self, runs: &Runs, line: &Line, window: Window) -> Option<&Drawn> {
        let key = key_of(line);
        let smoothing = runs.view.smoothing_of(line.plot);
        let fresh = |drawn: &Drawn| (drawn.version, drawn.window, drawn.smoothing) == (line.version, window, smoothing);
        if !self.0.get(&key).is_some_and(fresh) {
            let curve = line.curve(&runs.histories)?;
            let raw = decimate(&curve.steps, &curve.values, window);
            let points = |line: Vec<[f64; 2]>| line.into_iter().map(PlotPoint::from).collect::<Vec<_>>();
            let column = |index: usize| raw.band.iter().map(|band| band[index]).collect::<Vec<_>>();
            let band = if smoothing > 0.0 { [0, 1, 2].map(column) } else { Default::default() };
            let values = raw.line.iter().map(|point| point[1]);
            let range = values.fold(None, |range: Option<(f64, f64)>, value| {
                Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
            });
            // An average is smooth enough for one bucket every two pixels.
            let coarse = Window { buckets: (window.buckets / 2).max(1), ..window };
            let average = || decimate(&curve.steps, &moving_average(&curve.values, smoothing), coarse).line;
            let average = (smoothing > 0.0).then(average);
            let (line_points, raw_points) = match average {
                Some(average) if band[0].is_empty() => (points(average), points(raw.line)),
                Some(average) => (points(average), Vec::new()),
                None => (points(raw.line), Vec::new()),
            };
            let drawn = Drawn {
                version: line.version,
                window,
                smoothing,
                used: true,
                line: line_points,
                raw: raw_points,
                band,
                missing: raw.missing,
                range,
            };
            self.0.insert(key, drawn);
        }
        let drawn = self.0.get_mut(&key)?;
        drawn.used = true;
        Some(drawn)
    }
}

fn key_of(line: &Line) -> Key {
    (line.plot, line.history, line.minus, line.index)
}

pub fn color_of(palette: &Palette, line: &Line) -> Color32 {
    palette::line_color(palette, line.color, line.index, line.of, line.minus.is_some())
}

/// Places of the first and the last step of all visible runs on an axis.
pub fn all_steps(runs: &Runs, x: AxisScale) -> (f64, f64) {
    let curves = runs.histories.iter().filter(|history| history.visible).flat_map(|history| &history.curves);
    let ends = curves.filter_map(|curve| span(&curve.steps, x));
    let (low, high) = ends.reduce(|(a, b), (c, d)| (f64::min(a, c), f64::max(b, d))).unwrap_or((0.0, 1.0));
    if high > low { (low, high) } else { (low - 0.5, low + 0.5) }
}
