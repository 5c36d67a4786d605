//! A survey as text: a table for a person, rows for a spreadsheet.

use std::fmt::Write as _;

use super::{ObjectSize, Overlap, Survey};
use crate::imitation::mask::{LevelRule, Psi};

/// The ψ that a person is shown.
const SHOWN: [f32; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];

impl Survey {
    /// Cells and shares for a few ψ and every rule, then mask and positives at one ψ and rule.
    pub fn table(&self, psi: Psi, rule: LevelRule) -> String {
        let sizes = ObjectSize::ALL.map(|size| format!("{} {}", self.sizes.get(size), size.name()));
        let mut text = format!(
            "{} images, {} ground truths ({}), input {}x{} px, {} IoU\n\n{:<9}  {:>5}",
            self.images,
            self.ground_truths,
            sizes.join(", "),
            self.input[0],
            self.input[1],
            self.iou,
            "rule",
            "psi"
        );
        // Writing into a string cannot fail.
        for scale in &self.scales {
            let _ = write!(text, "  {:>10}  {:>7}", format!("{} cells", scale.name), "share");
        }
        let _ = write!(text, "  {:>12}", "without cell");
        let mut shown: Vec<usize> = SHOWN.map(|shown| self.nearest(Psi::saturating(shown))).to_vec();
        shown.push(self.nearest(psi));
        shown.sort_unstable();
        shown.dedup();
        for of_rule in &self.rules {
            for &at in &shown {
                let _ = write!(text, "\n{:<9}  {:>5.2}", of_rule.rule.name(), self.psis[at]);
                for scale in &of_rule.scales {
                    let _ = write!(text, "  {:>10}  {:>5.2} %", scale.cells[at], 100.0 * scale.share[at]);
                }
                let _ = write!(text, "  {:>12}", of_rule.without_cell[at]);
            }
        }
        let at = self.nearest(psi);
        let _ = write!(
            text,
            "\n\nmask (A) and YOLOv5's positive cells (B) at psi {:.2}, {rule}\n{:<5}  {:>10}  {:>10}  {:>10}",
            self.psis[at], "scale", "A alone", "B alone", "both"
        );
        for (scale, Overlap { only_mask, only_positives, both }) in self.scales.iter().zip(self.overlap(rule, at)) {
            let _ = write!(text, "\n{:<5}  {only_mask:>10}  {only_positives:>10}  {both:>10}", scale.name);
        }
        text
    }

    /// A row for each rule, ψ and scale, and one for all scales together.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "rule,psi,scale,cells,share,cells_small,cells_medium,cells_large,only_mask,only_positives,both,without_cell\n",
        );
        for of_rule in &self.rules {
            for (at, psi) in self.psis.iter().enumerate() {
                let mut all = Row { scale: "all", ..Row::default() };
                let overlaps = self.overlap(of_rule.rule, at);
                for ((scale, on_scale), overlap) in self.scales.iter().zip(&of_rule.scales).zip(overlaps) {
                    let row = Row {
                        scale: &scale.name,
                        map: self.images * (scale.rows * scale.cols) as u64,
                        cells: on_scale.cells[at],
                        by_size: ObjectSize::ALL.map(|size| on_scale.by_size.get(size)[at]),
                        overlap,
                    };
                    row.write(&mut text, of_rule.rule, *psi, None);
                    all.add(&row);
                }
                all.write(&mut text, of_rule.rule, *psi, Some(of_rule.without_cell[at]));
            }
        }
        text
    }
}

#[derive(Default)]
struct Row<'a> {
    scale: &'a str,
    /// Cells there are.
    map: u64,
    cells: u64,
    by_size: [u64; 3],
    overlap: Overlap,
}

impl Row<'_> {
    fn add(&mut self, other: &Row<'_>) {
        self.map += other.map;
        self.cells += other.cells;
        self.by_size.iter_mut().zip(other.by_size).for_each(|(own, other)| *own += other);
        self.overlap.only_mask += other.overlap.only_mask;
        self.overlap.only_positives += other.overlap.only_positives;
        self.overlap.both += other.overlap.both;
    }

    /// Ground truths without a cell belong to no scale: their field is empty in the rows of scales.
    fn write(&self, text: &mut String, rule: LevelRule, psi: f32, without_cell: Option<u64>) {
        let Self { scale, cells, by_size: [small, medium, large], overlap, .. } = self;
        let share = *cells as f64 / self.map.max(1) as f64;
        let Overlap { only_mask, only_positives, both } = overlap;
        let without_cell = without_cell.map_or_else(String::new, |count| count.to_string());
        let _ = writeln!(
            text,
            "{rule},{psi},{scale},{cells},{share},{small},{medium},{large},{only_mask},{only_positives},{both},{without_cell}"
        );
    }
}
