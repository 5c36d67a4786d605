//! Raw heads to boxes in input px.
//!
//! With σ the sigmoid: centre = (2σ(xy) − ½ + cell)·stride, size = (2σ(wh))²·anchor, the rest σ.

use tch::{Device, Kind, TchError, Tensor};

use super::anchors::AnchorScale;
use super::network::NetworkError;

pub use super::detection::{Detection, NmsOptions, non_max_suppression};

/// heads: [B, A, H, W, 5 + nc] per scale, raw → [B, Σ A·H·W, 5 + nc]: centre, size (px), objectness, classes.
pub fn decode(heads: &[Tensor], scales: &[AnchorScale]) -> Result<Tensor, NetworkError> {
    let mut parts = Vec::with_capacity(heads.len());
    for (head, scale) in heads.iter().zip(scales) {
        let (batch, anchors, rows, cols, outputs) = head.size5()?;
        let y = head.f_sigmoid()?;
        let centres = y.f_narrow(4, 0, 2)?.f_mul_scalar(2.0)?.f_add(&cells(rows, cols, head.device())?)?;
        let sizes = y.f_narrow(4, 2, 2)?.f_mul_scalar(2.0)?.f_square()?.f_mul(&anchor_sizes(scale, head.device())?)?;
        let rest = y.f_narrow(4, 4, outputs - 4)?;
        let boxes = Tensor::f_cat(&[centres.f_mul_scalar(f64::from(scale.stride))?, sizes, rest], 4)?;
        parts.push(boxes.f_view([batch, anchors * rows * cols, outputs])?);
    }
    Ok(Tensor::f_cat(&parts, 1)?)
}

/// For each image of the batch the rows of [`decode`] whose objectness exceeds `confidence`: all that
/// [`non_max_suppression`] looks at.
pub fn rows_above(heads: &[Tensor], scales: &[AnchorScale], confidence: f32) -> Result<Vec<Vec<f32>>, NetworkError> {
    let decoded = decode(heads, scales)?;
    let (batch, _, outputs) = decoded.size3()?;
    (0..batch)
        .map(|image| {
            let rows = decoded.f_get(image)?;
            let above = rows.f_select(1, 4)?.f_gt(f64::from(confidence))?.f_nonzero()?.f_view([-1])?;
            let rows = rows.f_index_select(0, &above)?.f_to_device(Device::Cpu)?.f_contiguous()?;
            let mut numbers = vec![0.0_f32; (rows.size2()?.0 * outputs) as usize];
            let length = numbers.len();
            rows.f_view([-1])?.f_copy_data(&mut numbers, length)?;
            Ok(numbers)
        })
        .collect()
}

/// The boxes of the first image of a batch after non-maximum suppression, best first.
pub fn detect(heads: &[Tensor], scales: &[AnchorScale], options: &NmsOptions) -> Result<Vec<Detection>, NetworkError> {
    let nc = heads.first().map_or(0, |head| head.size().last().map_or(0, |outputs| (outputs - 5).max(0)));
    let rows = rows_above(heads, scales, options.confidence)?;
    Ok(rows.first().map(|rows| non_max_suppression(rows, nc as usize, options)).unwrap_or_default())
}

/// (column − ½, row − ½) of every cell, [H, W, 2].
fn cells(rows: i64, cols: i64, device: Device) -> Result<Tensor, TchError> {
    let side = |n: i64| Tensor::f_arange(n, (Kind::Float, device))?.f_sub_scalar(0.5);
    let xs = side(cols)?.f_view([1, cols])?.f_expand([rows, cols], false)?;
    let ys = side(rows)?.f_view([rows, 1])?.f_expand([rows, cols], false)?;
    Tensor::f_stack(&[xs, ys], 2)
}

/// (width, height) px of every anchor, [A, 1, 1, 2].
fn anchor_sizes(scale: &AnchorScale, device: Device) -> Result<Tensor, TchError> {
    let flat: Vec<f32> = scale.anchors.iter().flatten().copied().collect();
    Tensor::f_from_slice(&flat)?.f_view([-1, 1, 1, 2])?.f_to_device(device)
}
