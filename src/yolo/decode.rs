//! Raw heads to boxes in input px, and back for models that only hand out boxes.
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

/// The inverse of [`decode`], for an input of `rows` × `cols` px. Where a probability has saturated in float32 its
/// logit is bounded: about 16.6 upward, −87 downward.
pub fn undecode(decoded: &Tensor, scales: &[AnchorScale], rows: i64, cols: i64) -> Result<Vec<Tensor>, NetworkError> {
    let (batch, count, outputs) = decoded.size3()?;
    let mut heads = Vec::with_capacity(scales.len());
    let mut start = 0;
    for scale in scales {
        let stride = i64::from(scale.stride);
        let (rows, cols, anchors) = (rows / stride, cols / stride, scale.anchors.len() as i64);
        let length = anchors * rows * cols;
        if start + length > count {
            break;
        }
        let boxes = decoded.f_narrow(1, start, length)?.f_to_kind(Kind::Double)?;
        let boxes = boxes.f_view([batch, anchors, rows, cols, outputs])?;
        start += length;
        let centres = boxes.f_narrow(4, 0, 2)?.f_div_scalar(stride as f64)?;
        let centres = centres.f_sub(&cells(rows, cols, decoded.device())?)?.f_div_scalar(2.0)?;
        let sizes = boxes.f_narrow(4, 2, 2)?.f_div(&anchor_sizes(scale, decoded.device())?)?;
        // An anchor without a side leaves no trace of the raw value: 0 / 0.
        let sizes = sizes.f_clamp_min(0.0)?.f_sqrt()?.f_div_scalar(2.0)?.f_nan_to_num(0.5, None, None)?;
        let sigmoids = Tensor::f_cat(&[centres, sizes, boxes.f_narrow(4, 4, outputs - 4)?], 4)?;
        let below_one = 1.0 - f64::from(f32::EPSILON) / 2.0;
        let logits = sigmoids.f_clamp(f64::from(f32::MIN_POSITIVE), below_one)?.f_logit(None)?;
        heads.push(logits.f_to_kind(Kind::Float)?);
    }
    if start != count || heads.len() != scales.len() {
        return Err(NetworkError::TorchScript(format!("{count} boxes for an input of {rows}×{cols} px")));
    }
    Ok(heads)
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
