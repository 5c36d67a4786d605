//! Raw heads to boxes in input px.
//!
//! With σ the sigmoid: centre = (2σ(xy) − ½ + cell)·stride, size = (2σ(wh))²·anchor, the rest σ.

use tch::{Device, Kind, TchError, Tensor};

use super::anchors::AnchorScale;
use super::network::NetworkError;

pub use super::detection::{Detection, NmsOptions, non_max_suppression};

/// heads: [B, A, H, W, 5 + nc] per scale, raw → [B, Σ A·H·W, 5 + nc]: centre, size (px), objectness, classes.
pub fn decode(heads: &[Tensor], scales: &[AnchorScale]) -> Result<Tensor, NetworkError> {
    Ok(boxes(&joined(heads)?, &places(heads, scales)?)?)
}

/// For each image of the batch the rows of [`decode`] whose objectness exceeds `confidence`: all that
/// [`non_max_suppression`] looks at, and all that is decoded. A GPU is waited for a few times a batch, however many
/// images it has.
pub fn rows_above(heads: &[Tensor], scales: &[AnchorScale], confidence: f32) -> Result<Vec<Vec<f32>>, NetworkError> {
    let raw = joined(heads)?;
    let (batch, rows, outputs) = raw.size3()?;
    let above =
        raw.f_select(2, 4)?.f_sigmoid()?.f_gt(f64::from(confidence))?.f_view([-1])?.f_nonzero()?.f_view([-1])?;
    let raw = raw.f_view([-1, outputs])?.f_index_select(0, &above)?;
    let place = places(heads, scales)?.f_index_select(0, &above.f_remainder(rows)?)?;
    let image = above.f_floor_divide_scalar(rows)?.f_to_kind(Kind::Float)?.f_unsqueeze(1)?;
    let found = Tensor::f_cat(&[image, boxes(&raw, &place)?], 1)?.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut numbers = vec![0.0_f32; found.numel()];
    let length = numbers.len();
    found.f_view([-1])?.f_copy_data(&mut numbers, length)?;
    let mut of_image = vec![Vec::new(); batch as usize];
    for row in numbers.chunks_exact(1 + outputs as usize) {
        of_image[row[0] as usize].extend_from_slice(&row[1..]);
    }
    Ok(of_image)
}

/// The boxes of the first image of a batch after non-maximum suppression, best first.
pub fn detect(heads: &[Tensor], scales: &[AnchorScale], options: &NmsOptions) -> Result<Vec<Detection>, NetworkError> {
    let nc = heads.first().map_or(0, |head| head.size().last().map_or(0, |outputs| (outputs - 5).max(0)));
    let rows = rows_above(heads, scales, options.confidence)?;
    Ok(rows.first().map(|rows| non_max_suppression(rows, nc as usize, options)).unwrap_or_default())
}

/// The heads of all scales in one, [B, Σ A·H·W, 5 + nc].
fn joined(heads: &[Tensor]) -> Result<Tensor, TchError> {
    let rows = |head: &Tensor| {
        let (batch, anchors, rows, cols, outputs) = head.size5()?;
        head.f_reshape([batch, anchors * rows * cols, outputs])
    };
    Tensor::f_cat(&heads.iter().map(rows).collect::<Result<Vec<_>, _>>()?, 1)
}

/// raw: [.., N, 5 + nc]; places: theirs, [N, 5].
fn boxes(raw: &Tensor, places: &Tensor) -> Result<Tensor, TchError> {
    let y = raw.f_sigmoid()?;
    let twice = |from: i64| y.f_narrow(-1, from, 2)?.f_mul_scalar(2.0);
    let centres = twice(0)?.f_add(&places.f_narrow(1, 0, 2)?)?.f_mul(&places.f_narrow(1, 2, 1)?)?;
    let sizes = twice(2)?.f_square()?.f_mul(&places.f_narrow(1, 3, 2)?)?;
    Tensor::f_cat(&[centres, sizes, y.f_narrow(-1, 4, y.size()[y.dim() - 1] - 4)?], -1)
}

/// What the rows of [`joined`] stand for, [Σ A·H·W, 5]: column − ½, row − ½, stride px, the anchor's width and height px.
fn places(heads: &[Tensor], scales: &[AnchorScale]) -> Result<Tensor, TchError> {
    let mut parts = Vec::with_capacity(heads.len());
    for (head, scale) in heads.iter().zip(scales) {
        let (_, anchors, rows, cols, _) = head.size5()?;
        let whole = |column: Tensor| column.f_expand([anchors, rows, cols], false)?.f_reshape([-1]);
        let side = |n: i64| Tensor::f_arange(n, (Kind::Float, Device::Cpu))?.f_sub_scalar(0.5);
        let anchor = |axis: usize| {
            Tensor::f_from_slice(&scale.anchors.iter().map(|anchor| anchor[axis]).collect::<Vec<f32>>())?
                .f_view([-1, 1, 1])
        };
        let stride = Tensor::f_from_slice(&[scale.stride as f32])?;
        let columns = [side(cols)?, side(rows)?.f_view([-1, 1])?, stride, anchor(0)?, anchor(1)?].map(whole);
        let columns = columns.into_iter().collect::<Result<Vec<_>, _>>()?;
        parts.push(Tensor::f_stack(&columns, 1)?);
    }
    let places = Tensor::f_cat(&parts, 0)?;
    heads.first().map_or(Ok(places.shallow_clone()), |head| places.f_to_device(head.device()))
}
