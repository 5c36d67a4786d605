//! Tensors in a file: where their elements lie and how bytes become numbers.

use std::fs::File;
use std::path::Path;

use half::{bf16, f16};

use super::container::{Extent, read_extent};
use super::description::{Dtype, TensorInfo};
use super::{CheckpointError, MAX_TENSOR_BYTES};

/// A tensor with its place: an element `[i, j, …]` is at `offset + i·stride[0] + j·stride[1] + …` of the storage,
/// all counted in elements.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub info: TensorInfo,
    /// The whole storage in the file; several tensors may share it.
    pub storage: Extent,
    pub offset: u64,
    pub strides: Vec<u64>,
}

impl Stored {
    /// Checks every element against the storage's real length.
    pub fn new(info: TensorInfo, storage: Extent, offset: u64, strides: Vec<u64>) -> Result<Self, String> {
        let tensor = Self { info, storage, offset, strides };
        let size = tensor.info.dtype.size() as u64;
        let count = tensor.info.shape.iter().try_fold(1_u64, |count, side| count.checked_mul(*side as u64));
        let count = count.filter(|count| count.checked_mul(size).is_some_and(|bytes| bytes <= MAX_TENSOR_BYTES));
        let fits = match (count, tensor.last()) {
            (Some(0), _) => true,
            (Some(_), Some(last)) => last
                .checked_add(1)
                .and_then(|end| end.checked_mul(size))
                .is_some_and(|end| end <= tensor.storage.length),
            _ => false,
        };
        if fits && tensor.strides.len() == tensor.info.shape.len() {
            Ok(tensor)
        } else {
            Err(format!("tensor {} of shape {:?} does not fit its storage", tensor.info.name, tensor.info.shape))
        }
    }

    /// Index of the last element in the storage; `None` where it overflows.
    fn last(&self) -> Option<u64> {
        self.info.shape.iter().zip(&self.strides).try_fold(self.offset, |at, (side, stride)| {
            (*side as u64).checked_sub(1)?.checked_mul(*stride)?.checked_add(at)
        })
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.info.shape.iter().zip(&self.strides).rev().all(|(side, stride)| {
            let fits = *side <= 1 || *stride == expected;
            expected *= *side as u64;
            fits
        })
    }

    /// The elements' bytes in row-major order.
    pub fn bytes(&self, path: &Path, file: &File) -> Result<Vec<u8>, CheckpointError> {
        if self.info.numel() == 0 {
            return Ok(Vec::new());
        }
        let size = self.info.dtype.size();
        let last = self.last().unwrap_or(self.offset);
        let extent = Extent {
            offset: self.storage.offset + self.offset * size as u64,
            length: (last - self.offset + 1) * size as u64,
        };
        let bytes = read_extent(path, file, extent)?;
        if self.is_contiguous() {
            return Ok(bytes);
        }
        let mut ordered = Vec::with_capacity(self.info.numel() * size);
        let mut index = vec![0_usize; self.info.shape.len()];
        for _ in 0..self.info.numel() {
            let at: u64 = index.iter().zip(&self.strides).map(|(i, stride)| *i as u64 * stride).sum();
            let at = at as usize * size;
            ordered.extend_from_slice(&bytes[at..at + size]);
            for (i, side) in index.iter_mut().zip(&self.info.shape).rev() {
                *i += 1;
                if *i < *side {
                    break;
                }
                *i = 0;
            }
        }
        Ok(ordered)
    }
}

/// Little-endian elements as float32.
pub(super) fn to_f32(bytes: &[u8], dtype: Dtype) -> Vec<f32> {
    fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
    }
    match dtype {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        Dtype::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
        Dtype::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
        Dtype::I16 => each(bytes, |b| f32::from(i16::from_le_bytes(b))),
        Dtype::I8 => each(bytes, |b| f32::from(i8::from_le_bytes(b))),
        Dtype::U8 | Dtype::Bool => each(bytes, |b: [u8; 1]| f32::from(b[0])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn info(shape: &[usize], dtype: Dtype) -> TensorInfo {
        TensorInfo { name: "t".to_owned(), shape: shape.to_vec(), dtype }
    }

    #[test]
    fn a_transposed_tensor_is_read_in_row_major_order() {
        let mut file = tempfile::tempfile().unwrap();
        for value in 0..8_i32 {
            file.write_all(&(value as f32).to_le_bytes()).unwrap();
        }
        let storage = Extent { offset: 0, length: 32 };
        // Element [i, j] at 1 + i + 3 j: a 3 x 2 view of 1..=6 laid out column by column.
        let tensor = Stored::new(info(&[3, 2], Dtype::F32), storage, 1, vec![1, 3]).unwrap();
        let bytes = tensor.bytes(Path::new("t"), &file).unwrap();
        assert_eq!(to_f32(&bytes, Dtype::F32), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn tensors_beyond_their_storage_are_refused() {
        let storage = Extent { offset: 0, length: 32 };
        let new = |shape: &[usize], offset, strides: &[u64]| {
            Stored::new(info(shape, Dtype::F32), storage, offset, strides.to_vec())
        };
        assert!(new(&[8], 0, &[1]).is_ok());
        assert!(new(&[9], 0, &[1]).is_err());
        assert!(new(&[8], 1, &[1]).is_err());
        assert!(new(&[2, 2], 0, &[u64::MAX, 1]).is_err());
        assert!(new(&[usize::MAX, 16], 0, &[0, 0]).is_err());
        assert!(new(&[2, 2], 0, &[1]).is_err());
        assert!(new(&[0, 5], 99, &[5, 1]).is_ok(), "nothing to read");
        // A huge tensor of one repeated element is bounded too.
        assert!(new(&[1 << 40], 0, &[0]).is_err());
    }

    #[test]
    fn halves_and_integers_become_floats() {
        assert_eq!(to_f32(&[0x00, 0x3c, 0x00, 0xc0], Dtype::F16), [1.0, -2.0]);
        assert_eq!(to_f32(&[0x80, 0x3f], Dtype::BF16), [1.0]);
        assert_eq!(to_f32(&(-3_i64).to_le_bytes(), Dtype::I64), [-3.0]);
        assert_eq!(to_f32(&0.5_f64.to_le_bytes(), Dtype::F64), [0.5]);
    }
}
