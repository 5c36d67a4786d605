//! YOLO text: one box a line, `class xc yc width height`, as shares of the image's width and height.
//!
//! Also a class and a polygon, which becomes its bounding box, and a sixth column, which detectors write for their
//! confidence. Upstream rejects a whole file for one bad line, and reads a box in a file with polygons as a polygon of
//! two points; here every line stands for itself.

use super::{Reading, excerpt};
use crate::dataset::text;

/// A class index above this is a slip, and nothing should be sized by it.
const MAX_CLASS: f64 = 65_535.0;

pub(super) fn read(content: &str, reading: &mut Reading) {
    let mut confidence_line = None;
    for (number, line) in text::lines(content) {
        if line.trim().is_empty() {
            continue;
        }
        match parse(line) {
            Ok(row) => {
                if row.has_confidence {
                    confidence_line = confidence_line.or(Some(number));
                }
                take(row, number, reading);
            }
            Err(message) => reading.warn(Some(number), message),
        }
    }
    if let Some(number) = confidence_line {
        reading.warn(Some(number), "a sixth column, taken for a confidence, is not used: are these detections?");
    }
}

struct Row {
    class: usize,
    /// Corners as shares of the image.
    corners: [f64; 4],
    has_confidence: bool,
}

fn parse(line: &str) -> Result<Row, String> {
    let numbers = line
        .split_whitespace()
        .map(|word| match word.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(format!("line skipped: '{}' is not a finite number", excerpt(word))),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let (class, rest) = numbers.split_first().ok_or("line skipped: it is empty")?;
    let corners = match rest {
        [xc, yc, width, height] | [xc, yc, width, height, _] => {
            [xc - width / 2.0, yc - height / 2.0, xc + width / 2.0, yc + height / 2.0]
        }
        polygon if polygon.len() >= 6 && polygon.len().is_multiple_of(2) => bounds(polygon),
        _ if numbers.len() < 5 => {
            return Err(format!("expected 5 numbers, found {}", numbers.len()));
        }
        _ => {
            return Err(format!("expected 5 numbers, or a class and pairs of x and y, found {}", numbers.len()));
        }
    };
    if class.fract() != 0.0 || !(0.0..=MAX_CLASS).contains(class) {
        return Err(format!("line skipped: class {class} is not a whole number from 0 to {MAX_CLASS}"));
    }
    Ok(Row { class: *class as usize, corners, has_confidence: rest.len() == 5 })
}

/// Bounding box of `x y x y …`.
fn bounds(polygon: &[f64]) -> [f64; 4] {
    let mut corners = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for point in polygon.chunks_exact(2) {
        corners =
            [corners[0].min(point[0]), corners[1].min(point[1]), corners[2].max(point[0]), corners[3].max(point[1])];
    }
    corners
}

fn take(row: Row, number: usize, reading: &mut Reading) {
    let [x1, y1, x2, y2] = row.corners;
    if x1 >= 1.0 || y1 >= 1.0 {
        return reading.warn(
            Some(number),
            "line skipped: the box lies outside the image; coordinates are shares of its size, from 0 to 1",
        );
    }
    if !reading.names.is_empty() && row.class >= reading.names.len() {
        let classes = reading.names.len();
        reading.warn(Some(number), format!("class {} is not among the {classes} of the data", row.class));
    }
    let (width, height) = (f64::from(reading.size.width), f64::from(reading.size.height));
    reading.push(Some(number), "box", row.class, [x1 * width, y1 * height, x2 * width, y2 * height]);
}
