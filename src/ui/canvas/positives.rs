//! The line under a picture that counts mask and positives.

use std::sync::Arc;

use egui::{Align2, FontId, Galley, Painter, Rect, pos2, vec2};

use super::lines::Lines;
use super::paint;
use crate::drawing::layers::SIGNS;
use crate::language::t;
use crate::palette::{self, Palette};

/// Height of the legend, in points.
pub const LEGEND: f32 = 18.0;

/// What a screen reader and a hint say; counts: of the mask alone, of positives alone, of both.
pub fn sentence(scale: &str, [mask, positives, both]: [usize; 3]) -> String {
    t!(
        "{scale}: {mask} cells of the mask alone, {positives} of YOLOv5's positives alone, {both} both",
        scale,
        mask,
        positives,
        both
    )
}

/// The three signs with their counts, in one line.
pub fn legend(painter: &Painter, place: Rect, palette: &Palette, counts: [usize; 3]) {
    let font = FontId::proportional(palette::SMALL);
    // The longest words that fit, else the signs and the numbers speak for themselves.
    let words =
        [[t!("mask alone"), t!("positives alone"), t!("both")], [t!("mask"), t!("positives"), t!("both")], [""; 3]];
    let texts = |words: [&str; 3]| {
        [0, 1, 2].map(|i| {
            painter.layout_no_wrap(
                format!("{} {}", words[i], counts[i]).trim_start().to_owned(),
                font.clone(),
                palette.text_weak,
            )
        })
    };
    const SIGN: f32 = 12.0;
    const APART: f32 = 12.0;
    let width = |texts: &[Arc<Galley>; 3]| {
        texts.iter().map(|text| SIGN + palette::HALF + text.size().x + APART).sum::<f32>() - APART
    };
    let fitting = words.into_iter().map(texts).find(|texts| width(texts) <= place.width());
    let all = fitting.unwrap_or_else(|| texts(words[2]));
    let painter = painter.with_clip_rect(place);
    let mut lines = Lines::new(&painter);
    let middle = place.center().y;
    let mut x = place.left();
    for (index, text) in all.into_iter().enumerate() {
        let sign = Rect::from_center_size(pos2(x + SIGN / 2.0, middle), vec2(SIGN, SIGN));
        paint::sign(&mut lines, SIGNS[index], sign);
        let at = Align2::LEFT_CENTER.anchor_size(pos2(sign.right() + palette::HALF, middle), text.size());
        x = at.right() + APART;
        painter.galley(at.min, text, palette.text_weak);
    }
    lines.paint(&painter);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_said_in_words() {
        let said = sentence("P3", [1, 2, 3]);
        assert_eq!(said, "P3: 1 cells of the mask alone, 2 of YOLOv5's positives alone, 3 both");
    }
}
