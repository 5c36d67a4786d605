//! The cell that is pinned: under the pointer, or where a ground truth fits best.

use crate::app::measures::cell_at;
use crate::app::state::State;
use crate::app::view::{Pin, ScaleChoice};
use crate::imitation::mask::ScaleMask;

/// The cell under the pointer.
pub(super) fn pointed(state: &State) -> Option<Pin> {
    let hover = state.hover?;
    let index = state.strides().position(|stride| stride == hover.stride)?;
    let mask = state.mask.as_ref()?.scales.get(index)?;
    let (row, col) = cell_at(&state.scales()[index], mask, hover.x, hover.y)?;
    Some(Pin { stride: hover.stride, row, col })
}

/// The cell that the soloed ground truth or the first one fits best, on the scale that is shown alone or on any.
pub(super) fn fitting(state: &State) -> Option<Pin> {
    let mask = state.mask.as_ref()?;
    let gt = state.solo.unwrap_or(0);
    let best = |(scale, mask): (u32, &ScaleMask)| {
        let record = mask.gts.get(gt)?;
        let best = record.best?;
        Some((record.max_iou, Pin { stride: scale, row: best.row, col: best.col }))
    };
    let shown = |stride: u32| match state.view.scales {
        ScaleChoice::Stride(only) => stride == only,
        ScaleChoice::All => true,
    };
    let scales = state.strides().zip(&mask.scales).filter(|(stride, _)| shown(*stride));
    scales.filter_map(best).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, pin)| pin)
}

pub(super) fn stepped_pin(pin: Pin, rows: isize, cols: isize) -> Option<Pin> {
    Some(Pin { row: pin.row.checked_add_signed(rows)?, col: pin.col.checked_add_signed(cols)?, ..pin })
}
