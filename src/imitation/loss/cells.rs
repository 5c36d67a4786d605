//! A loss on plain numbers: the terms of one image, over which a mask may change from frame to frame.

use tch::{Device, Kind, TchError, Tensor};

use super::terms::Terms;
use crate::grid::Grid;

/// [`super::terms::Term`] of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct CellTerm {
    pub name: &'static str,
    pub factor: f64,
    pub value: Grid,
    pub weight: Grid,
    pub masked: bool,
}

/// [`super::terms::Terms`] of one image and scale.
#[derive(Clone, Debug, PartialEq)]
pub struct CellTerms {
    pub terms: Vec<CellTerm>,
    /// How much a cell counts before any mask, 0 to 1.
    pub emphasis: Grid,
}

/// What a loss says of one image and scale under a mask, at λ = 1.
#[derive(Clone, Debug, PartialEq)]
pub struct LossOnScale {
    /// `None` where no cell counts.
    pub loss: Option<f64>,
    /// Every term's name and its part of the loss.
    pub parts: Vec<(&'static str, f64)>,
    /// Per cell its part of the loss: the sum over the cells is the loss.
    pub map: Grid,
    /// Per cell how much it counts, 0 to 1.
    pub weights: Grid,
}

impl CellTerms {
    /// Of a batch of one image.
    pub fn of(terms: &Terms) -> Result<Self, TchError> {
        let of_term = |term: &super::terms::Term| {
            Ok(CellTerm {
                name: term.name,
                factor: term.factor,
                value: plain(&term.value)?,
                weight: plain(&term.weight)?,
                masked: term.masked,
            })
        };
        let parts = terms.terms.iter().map(of_term).collect::<Result<_, TchError>>()?;
        Ok(Self { terms: parts, emphasis: plain(&terms.emphasis)? })
    }

    /// mask: one weight a cell, 0 to 1, row by row.
    pub fn under(&self, mask: &[f32]) -> LossOnScale {
        let (cols, rows) = (self.emphasis.width(), self.emphasis.height());
        let mut map = vec![0.0_f32; cols * rows];
        let mut parts = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            let share = |cell: usize| if term.masked { mask.get(cell).copied().unwrap_or(0.0) } else { 1.0 };
            let sum = |grid: &Grid| -> f64 {
                let weighted = grid.values().iter().enumerate().filter(|(cell, _)| share(*cell) > 0.0);
                weighted.map(|(cell, value)| f64::from(share(cell)) * f64::from(*value)).sum()
            };
            let weight = sum(&term.weight);
            if weight <= 0.0 {
                continue;
            }
            parts.push((term.name, term.factor * sum(&term.value) / weight));
            for (cell, (map, &value)) in map.iter_mut().zip(term.value.values()).enumerate() {
                if share(cell) > 0.0 {
                    *map += (term.factor * f64::from(share(cell)) * f64::from(value) / weight) as f32;
                }
            }
        }
        let grid = |values| Grid::from_values(cols, rows, values).unwrap_or_else(|| Grid::filled(cols, rows, f32::NAN));
        let weights = self.emphasis.values().iter().enumerate();
        let weights = weights.map(|(cell, emphasis)| emphasis * mask.get(cell).copied().unwrap_or(0.0)).collect();
        LossOnScale {
            loss: (!parts.is_empty()).then(|| parts.iter().map(|(_, part)| part).sum()),
            parts,
            map: grid(map),
            weights: grid(weights),
        }
    }
}

/// [1, 1, H, W]
fn plain(map: &Tensor) -> Result<Grid, TchError> {
    let (_, _, rows, cols) = map.size4()?;
    let flat = map.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([-1])?;
    let values = Vec::<f32>::try_from(flat)?;
    let (rows, cols) = (rows as usize, cols as usize);
    Ok(Grid::from_values(cols, rows, values).unwrap_or_else(|| Grid::filled(cols, rows, f32::NAN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(values: [f32; 3]) -> Grid {
        Grid::from_values(3, 1, values.to_vec()).expect("three cells")
    }

    /// Two terms by hand: 0.5 · (2·1 + 0·… + 6·0.5) / (1 + 0.5) inside, and 2 · (3 + 1 + 2) / 6 everywhere.
    #[test]
    fn a_map_sums_to_the_loss() {
        let term = |name, factor, value, weight, masked| CellTerm { name, factor, value, weight, masked };
        let terms = CellTerms {
            terms: vec![
                term("inside", 0.5, grid([2.0, f32::NAN, 6.0]), grid([1.0, 1.0, 1.0]), true),
                term("everywhere", 2.0, grid([3.0, 1.0, 2.0]), grid([2.0, 2.0, 2.0]), false),
            ],
            emphasis: grid([1.0, 1.0, 0.5]),
        };
        let found = terms.under(&[1.0, 0.0, 0.5]);
        let inside = 0.5 * (2.0 + 3.0) / 1.5;
        assert_eq!(found.parts, [("inside", inside), ("everywhere", 2.0)]);
        assert!((found.loss.expect("a loss") - (inside + 2.0)).abs() < 1e-12);
        let sum: f64 = found.map.values().iter().map(|value| f64::from(*value)).sum();
        assert!((sum - (inside + 2.0)).abs() < 1e-6, "{sum}");
        assert_eq!(found.weights.values(), [1.0, 0.0, 0.25]);
        // Nothing in the mask: the masked term says nothing, the other stays.
        assert_eq!(terms.under(&[0.0; 3]).parts, [("everywhere", 2.0)]);
        let alone = CellTerms { terms: terms.terms[..1].to_vec(), emphasis: terms.emphasis.clone() };
        assert_eq!(alone.under(&[0.0; 3]).loss, None);
    }
}
