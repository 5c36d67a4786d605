//! The plots of a review: precision, recall and F1, calibration, and which class is taken for which.

use super::layout::heading_of;
use super::look::Look;
use super::plot::{PlotFigure, PlotLine, PlotPanel};
use super::raster::{Figure, FigureError};
use super::spec::Lead;
use super::svg::{Style, Svg, opaque};
use super::text::{HAIRLINE, INK, Text, WEAK};
use crate::axis::AxisScale;
use crate::palette;
use crate::review::confusion::Confusion;
use crate::review::report::BACKGROUND;
use crate::review::{ModelReview, Review};
use crate::train::evaluate::average_precision::{Curves, confidences};

/// From here on classes have no line of their own, but together those of one grey.
const MOST_CLASSES: usize = 20;
/// Of lines that stand for many, and of what a value should be.
const GREY: [u8; 3] = [150, 156, 165];

/// What a curve plots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plot {
    PrecisionRecall,
    F1,
    Precision,
    Recall,
}

impl Plot {
    const ALL: [Self; 4] = [Self::PrecisionRecall, Self::F1, Self::Precision, Self::Recall];

    /// Of the file.
    const fn name(self) -> &'static str {
        match self {
            Self::PrecisionRecall => "precision-recall",
            Self::F1 => "f1",
            Self::Precision => "precision",
            Self::Recall => "recall",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::PrecisionRecall => "Precision against recall, at IoU 0.5",
            Self::F1 => "F1 against confidence, at IoU 0.5",
            Self::Precision => "Precision against confidence, at IoU 0.5",
            Self::Recall => "Recall against confidence, at IoU 0.5",
        }
    }

    const fn axes(self) -> (&'static str, &'static str) {
        match self {
            Self::PrecisionRecall => ("recall", "precision"),
            Self::F1 => ("confidence", "F1"),
            Self::Precision => ("confidence", "precision"),
            Self::Recall => ("confidence", "recall"),
        }
    }

    fn values(self, curves: &Curves) -> Vec<f64> {
        match self {
            Self::PrecisionRecall => curves.precision_at_recall.clone(),
            Self::F1 => curves.f1(),
            Self::Precision => curves.precision.clone(),
            Self::Recall => curves.recall.clone(),
        }
    }
}

/// Every plot of a review and the name of its file. Without labels there is none.
pub fn figures(review: &Review, look: &Look) -> Result<Vec<(String, Figure)>, FigureError> {
    if !review.has_labels() {
        return Ok(Vec::new());
    }
    let plot = |panels: Vec<PlotPanel>, title: &str| {
        let facts = vec![format!("{} objects", review.objects.len())];
        PlotFigure { title: title.to_owned(), facts, panels }.render_as(&Lead::default(), look)
    };
    let mut figures = Vec::new();
    for kind in Plot::ALL {
        let panels = review.models.iter().map(|model| curve_panel(review, model, kind)).collect();
        figures.push((kind.name().to_owned(), plot(panels, kind.title())?));
    }
    let panels = review.models.iter().map(calibration_panel).collect();
    figures.push(("calibration".to_owned(), plot(panels, "Confidence and the share that is right, at IoU 0.5")?));
    for model in review.models.iter().filter(|model| !model.confusion.is_huge()) {
        let figure = confusion_figure(&model.role, &model.confusion, &review.names, look)?;
        figures.push((format!("confusion-{}", file_part(&model.role)), figure));
    }
    Ok(figures)
}

/// A role as a part of a file's name.
fn file_part(role: &str) -> String {
    role.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }).collect()
}

fn line(label: String, color: [u8; 3], dashed: bool, points: Vec<[f64; 2]>) -> PlotLine {
    PlotLine { label, color, dashed, points, band: Vec::new(), missing: Vec::new() }
}

fn curve_panel(review: &Review, model: &ModelReview, plot: Plot) -> PlotPanel {
    let (x_label, y_label) = plot.axes();
    let x = confidences();
    let points = |values: Vec<f64>| x.iter().zip(values).map(|(&x, y)| [x, y]).collect::<Vec<_>>();
    let known: Vec<(usize, &Curves)> =
        model.curves.iter().enumerate().filter_map(|(class, curves)| Some((class, curves.as_ref()?))).collect();
    let of_class = |&(class, curves): &(usize, &Curves)| {
        let values = points(plot.values(curves));
        if known.len() > MOST_CLASSES {
            return line(String::new(), GREY, false, values);
        }
        let hues = &palette::LIGHT.runs;
        let color = hues[class % hues.len()];
        line(review.names[class].clone(), [color.r(), color.g(), color.b()], class >= hues.len(), values)
    };
    let mut lines: Vec<PlotLine> = known.iter().map(of_class).collect();
    if known.len() > 1 {
        let mut mean = vec![0.0; x.len()];
        for (_, curves) in &known {
            for (mean, value) in mean.iter_mut().zip(plot.values(curves)) {
                *mean += value / known.len() as f64;
            }
        }
        let text = palette::LIGHT.text;
        lines.push(line("mean of the classes".to_owned(), [text.r(), text.g(), text.b()], false, points(mean)));
    }
    let figure = match plot {
        Plot::PrecisionRecall => format!("{}, mAP50 {:.3}", model.role, model.evaluation.map50),
        _ => model.role.clone(),
    };
    panel(figure, x_label, y_label, lines)
}

fn calibration_panel(model: &ModelReview) -> PlotPanel {
    let point = |bin: &crate::review::calibration::Bin| Some([bin.confidence?, bin.precision?]);
    let points = model.calibration.bins.iter().filter_map(point).collect();
    let color = palette::LIGHT.accent;
    let lines = vec![
        line("as confident as right".to_owned(), GREY, true, vec![[0.0, 0.0], [1.0, 1.0]]),
        line("tenths of the confidence".to_owned(), [color.r(), color.g(), color.b()], false, points),
    ];
    let error = model.calibration.error.map_or_else(String::new, |error| format!(", error {error:.3}"));
    panel(format!("{}{error}", model.role), "mean confidence", "precision", lines)
}

fn panel(title: String, x_label: &str, y_label: &str, lines: Vec<PlotLine>) -> PlotPanel {
    let (x_label, y_label) = (x_label.to_owned(), y_label.to_owned());
    PlotPanel { title, x_label, y_label, x: AxisScale::Linear, y: AxisScale::Linear, lines }
}

/// Shares of each true class, with the counts where they are readable.
fn confusion_figure(role: &str, confusion: &Confusion, names: &[String], look: &Look) -> Result<Figure, FigureError> {
    const SMALL: f32 = 11.0;
    const NAME: f32 = 110.0;
    const BELOW: f32 = 20.0;
    /// Of all cells together, at most.
    const SIDE: f32 = 520.0;
    let count = confusion.background() + 1;
    let margin = look.margin();
    let inner = look.units().map_or(NAME + SIDE, |units| units - 2.0 * margin);
    let cell = ((inner - NAME) / count as f32).clamp(4.0, 64.0);
    let title = format!("Which class the {role} takes for which");
    let mut svg = Svg::default();
    let facts = ["rows: predicted".to_owned(), "columns: true".to_owned(), "colour: share of the column".to_owned()];
    let width = (NAME + cell * count as f32).max(inner.min(NAME + SIDE));
    let top = heading_of(&mut svg, &title, &Lead::default(), &facts, (margin, width)) + 16.0;
    let (none, all) = (palette::LIGHT.panel, palette::LIGHT.accent);
    let name = |class: usize| names.get(class).map_or(BACKGROUND, String::as_str);
    let column = |truth: usize| (0..count).map(|row| confusion.get(row, truth)).sum::<u64>();
    let sums: Vec<u64> = (0..count).map(column).collect();
    let readable = cell >= 1.4 * SMALL;
    for row in 0..count {
        let y = top + row as f32 * cell;
        if readable {
            let text = Text::new(name(row), SMALL).fitted(NAME - 8.0);
            svg.text(&text, margin + NAME - 8.0, y + cell / 2.0 + 4.0, WEAK, "end");
        }
        for (truth, sum) in sums.iter().enumerate() {
            let (x, value) = (margin + NAME + truth as f32 * cell, confusion.get(row, truth));
            let share = value as f64 / (*sum).max(1) as f64;
            let color = none.lerp_to_gamma(all, if value == 0 { 0.0 } else { 0.08 + 0.92 * share as f32 });
            svg.rect((x, y, cell, cell), Style { stroke: HAIRLINE, width: 0.5, ..Style::fill(&opaque(color)) });
            if readable && value > 0 {
                let text = Text::new(value.to_string(), SMALL).fitted(cell - 2.0);
                svg.text(&text, x + cell / 2.0, y + cell / 2.0 + 4.0, &opaque(palette::ink_on(color)), "middle");
            }
        }
    }
    let mut y = top + cell * count as f32;
    if readable {
        for truth in 0..count {
            let x = margin + NAME + (truth as f32 + 0.5) * cell;
            svg.text(&Text::new(name(truth), SMALL).fitted(cell - 2.0), x, y + 14.0, WEAK, "middle");
        }
        y += BELOW;
    }
    let passed_over: u64 = confusion.passed_over().iter().sum();
    if passed_over > 0 {
        let text = format!("not in it, on images where no box meets an object: {passed_over}");
        svg.text(&Text::new(text, SMALL).fitted(width), margin, y + 14.0, INK, "start");
        y += BELOW;
    }
    let (whole, height) = (width + 2.0 * margin, y + margin);
    svg.finish(&title, whole, height, look)
}
