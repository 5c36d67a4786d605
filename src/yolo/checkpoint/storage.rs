//! Tensors in a file: where their elements lie and how bytes become numbers.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::description::{Dtype, TensorInfo};
use super::error::CheckpointError;
use super::source::{Extent, Source};

/// A tensor with its place: an element `[i, j, …]` is at `offset + i·stride[0] + j·stride[1] + …` of the storage,
/// all counted in elements.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub info: TensorInfo,
    /// The whole storage in the file; several tensors may share it.
    pub storage: Extent,
    offset: u64,
    strides: Vec<u64>,
}

impl Stored {
    /// Checks every element against the storage's real length. A tensor never has more elements than its storage,
    /// so an expanded one (stride 0) cannot make a small file large.
    pub fn new(info: TensorInfo, storage: Extent, offset: u64, strides: Vec<u64>) -> Result<Self, String> {
        let size = info.dtype.size() as u64;
        let tensor = Self { info, storage, offset, strides };
        let shape = &tensor.info.shape;
        let count = shape.iter().try_fold(1_usize, |count, side| count.checked_mul(*side));
        let bytes_to = |end: u64| end.checked_mul(size).is_some_and(|end| end <= storage.length);
        let fits = match (count, tensor.last()) {
            (Some(0), _) => true,
            (Some(count), Some(last)) => bytes_to(count as u64) && last.checked_add(1).is_some_and(bytes_to),
            _ => false,
        };
        if fits && tensor.strides.len() == shape.len() {
            Ok(tensor)
        } else {
            Err(format!("tensor {} of shape {shape:?} does not fit its storage", tensor.info.name))
        }
    }

    /// A tensor that fills its storage in row-major order.
    pub fn row_major(info: TensorInfo, storage: Extent) -> Result<Self, String> {
        let mut strides = vec![1_u64; info.shape.len()];
        for axis in (1..strides.len()).rev() {
            strides[axis - 1] = strides[axis].saturating_mul(info.shape[axis] as u64);
        }
        Self::new(info, storage, 0, strides)
    }

    /// Index of the last element in the storage; none where it overflows.
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

    /// The elements' bytes, little-endian and in row-major order.
    pub fn bytes(&self, source: &Source) -> Result<Vec<u8>, CheckpointError> {
        if self.info.numel() == 0 {
            return Ok(Vec::new());
        }
        let size = self.info.dtype.size();
        let last = self.last().unwrap_or(self.offset);
        let span = self.storage.part(self.offset * size as u64, (last - self.offset + 1) * size as u64);
        let bytes = source.read(span)?;
        if self.is_contiguous() {
            return Ok(bytes);
        }
        let mut ordered = Vec::with_capacity(self.info.numel() * size);
        for at in self.places() {
            let at = (at - self.offset) as usize * size;
            ordered.extend_from_slice(&bytes[at..at + size]);
        }
        Ok(ordered)
    }

    /// Index in the storage of every element, in row-major order.
    fn places(&self) -> impl Iterator<Item = u64> {
        let mut index = vec![0_usize; self.info.shape.len()];
        (0..self.info.numel()).map(move |_| {
            let at = index.iter().zip(&self.strides).map(|(i, stride)| *i as u64 * stride).sum::<u64>();
            for (i, side) in index.iter_mut().zip(&self.info.shape).rev() {
                *i += 1;
                if *i < *side {
                    break;
                }
                *i = 0;
            }
            self.offset + at
        })
    }

    /// Puts new elements, in row-major order, into the bytes of the whole storage. `given` marks the bytes that got a
    /// value already, for storages may be shared; a second value there has to be the same.
    pub fn put(&self, values: &[f32], storage: &mut [u8], given: &mut [bool]) -> Result<(), String> {
        let TensorInfo { name, dtype, .. } = &self.info;
        let (count, size) = (self.info.numel(), dtype.size());
        if values.len() != count {
            return Err(format!("tensor {name} has {count} elements, but {} values were given", values.len()));
        }
        let bytes = from_f32(values, *dtype)
            .map_err(|value| format!("a value of tensor {name}, {value}, cannot be stored as {dtype}"))?;
        for (place, new) in self.places().zip(bytes.chunks_exact(size)) {
            let at = place as usize * size..(place as usize + 1) * size;
            if given[at.clone()].contains(&true) && storage[at.clone()] != *new {
                return Err(format!("tensor {name} shares elements with another that was given other values"));
            }
            storage[at.clone()].copy_from_slice(new);
            given[at].fill(true);
        }
        Ok(())
    }

    /// The elements as float32, in row-major order.
    pub fn read_f32(&self, source: &Source) -> Result<Vec<f32>, CheckpointError> {
        Ok(to_f32(&self.bytes(source)?, self.info.dtype))
    }
}

/// Little-endian elements as float32.
fn to_f32(bytes: &[u8], dtype: Dtype) -> Vec<f32> {
    fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
    }
    match dtype {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F16 => each(bytes, f16::from_le_bytes).to_f32_vec(),
        Dtype::BF16 => each(bytes, bf16::from_le_bytes).to_f32_vec(),
        Dtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        Dtype::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
        Dtype::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
        Dtype::I16 => each(bytes, |b| f32::from(i16::from_le_bytes(b))),
        Dtype::I8 => each(bytes, |b| f32::from(i8::from_le_bytes(b))),
        Dtype::U8 | Dtype::Bool => each(bytes, |b: [u8; 1]| f32::from(b[0])),
    }
}

/// The inverse, rounding to nearest; the first value that does not fit is the error: it is finite and would become
/// infinite, or the type is one of whole numbers and this is none.
fn from_f32(values: &[f32], dtype: Dtype) -> Result<Vec<u8>, f32> {
    fn each<const N: usize>(values: &[f32], bytes: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
        values.iter().flat_map(|value| bytes(*value)).collect()
    }
    let bytes = match dtype {
        Dtype::F32 => each(values, f32::to_le_bytes),
        Dtype::F16 => each(values, |value| f16::from_f32(value).to_le_bytes()),
        Dtype::BF16 => each(values, |value| bf16::from_f32(value).to_le_bytes()),
        Dtype::F64 => each(values, |value| f64::from(value).to_le_bytes()),
        Dtype::I64 => each(values, |value| (value as i64).to_le_bytes()),
        Dtype::I32 => each(values, |value| (value as i32).to_le_bytes()),
        Dtype::I16 => each(values, |value| (value as i16).to_le_bytes()),
        Dtype::I8 => each(values, |value| (value as i8).to_le_bytes()),
        Dtype::U8 | Dtype::Bool => each(values, |value| [value as u8]),
    };
    let fits = |value: f32, stored: f32| match dtype {
        Dtype::Bool => value == 0.0 || value == 1.0,
        _ if dtype.is_float() => stored.is_finite() || !value.is_finite(),
        _ => stored == value,
    };
    let stored = to_f32(&bytes, dtype);
    match values.iter().zip(stored).find(|(value, stored)| !fits(**value, *stored)) {
        Some((value, _)) => Err(*value),
        None => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::path::Path;

    fn info(shape: &[usize], dtype: Dtype) -> TensorInfo {
        TensorInfo { name: "t".to_owned(), shape: shape.to_vec(), dtype }
    }

    #[test]
    fn a_transposed_tensor_is_read_in_row_major_order() {
        let mut file = tempfile::tempfile().unwrap();
        for value in 0..8_i32 {
            file.write_all(&(value as f32).to_le_bytes()).unwrap();
        }
        let source = Source::plain(Path::new("t"), file).unwrap();
        // Element [i, j] at 1 + i + 3 j: a 3 x 2 view of 1..=6 laid out column by column.
        let tensor = Stored::new(info(&[3, 2], Dtype::F32), Extent::of_file(0, 32), 1, vec![1, 3]).unwrap();
        assert_eq!(tensor.read_f32(&source).unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        // The storage need not begin where the file does.
        let tensor = Stored::row_major(info(&[2, 1], Dtype::F32), Extent::of_file(8, 8)).unwrap();
        assert_eq!(tensor.read_f32(&source).unwrap(), [2.0, 3.0]);
    }

    #[test]
    fn tensors_beyond_their_storage_are_refused() {
        let new = |shape: &[usize], offset, strides: &[u64]| {
            Stored::new(info(shape, Dtype::F32), Extent::of_file(0, 32), offset, strides.to_vec())
        };
        assert!(new(&[8], 0, &[1]).is_ok());
        assert!(new(&[9], 0, &[1]).is_err());
        assert!(new(&[8], 1, &[1]).is_err());
        assert!(new(&[2], u64::MAX, &[1]).is_err());
        assert!(new(&[2, 2], 0, &[u64::MAX, 1]).is_err());
        assert!(new(&[usize::MAX, 16], 0, &[0, 0]).is_err());
        assert!(new(&[2, 2], 0, &[1]).is_err(), "a stride is missing");
        assert!(new(&[9], 0, &[0]).is_err(), "more elements than the storage has");
        assert!(new(&[0, 5], 99, &[5, 1]).is_ok(), "nothing to read");
    }

    #[test]
    fn halves_and_integers_become_floats() {
        assert_eq!(to_f32(&[0x00, 0x3c, 0x00, 0xc0], Dtype::F16), [1.0, -2.0]);
        assert_eq!(to_f32(&[0x80, 0x3f], Dtype::BF16), [1.0]);
        assert_eq!(to_f32(&(-3_i64).to_le_bytes(), Dtype::I64), [-3.0]);
        assert_eq!(to_f32(&0.5_f64.to_le_bytes(), Dtype::F64), [0.5]);
        assert_eq!(to_f32(&[1, 0], Dtype::Bool), [1.0, 0.0]);
    }

    #[test]
    fn floats_become_halves_and_integers() {
        assert_eq!(from_f32(&[1.0, -2.0], Dtype::F16).unwrap(), [0x00, 0x3c, 0x00, 0xc0]);
        // 1 + 2⁻¹¹ is halfway between two halves, the even one is 1; 1 + 3·2⁻¹¹ rounds up to 1 + 2⁻⁹.
        assert_eq!(from_f32(&[1.000_488_3, 1.001_464_8], Dtype::F16).unwrap(), [0x00, 0x3c, 0x02, 0x3c]);
        assert_eq!(from_f32(&[1.0], Dtype::BF16).unwrap(), [0x80, 0x3f]);
        assert_eq!(from_f32(&[-3.0], Dtype::I64).unwrap(), (-3_i64).to_le_bytes());
        assert_eq!(from_f32(&[0.5], Dtype::F64).unwrap(), 0.5_f64.to_le_bytes());
        assert_eq!(from_f32(&[1.0, 0.0], Dtype::Bool).unwrap(), [1, 0]);
        assert_eq!(from_f32(&[f32::INFINITY], Dtype::F16).unwrap(), [0x00, 0x7c]);
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        assert_eq!(from_f32(&[1.0, 65520.0], Dtype::F16), Err(65520.0), "it would round to infinity");
        assert_eq!(from_f32(&[0.5], Dtype::I64), Err(0.5));
        assert_eq!(from_f32(&[128.0], Dtype::I8), Err(128.0));
        assert_eq!(from_f32(&[-1.0], Dtype::U8), Err(-1.0));
        assert_eq!(from_f32(&[2.0], Dtype::Bool), Err(2.0));
        assert!(from_f32(&[f32::NAN], Dtype::I32).is_err());
    }

    #[test]
    fn a_transposed_tensor_is_put_where_its_elements_are() {
        let tensor = Stored::new(info(&[3, 2], Dtype::U8), Extent::of_file(0, 8), 1, vec![1, 3]).unwrap();
        let (mut storage, mut given) = ([9; 8], [false; 8]);
        tensor.put(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0], &mut storage, &mut given).unwrap();
        assert_eq!(storage, [9, 1, 2, 3, 4, 5, 6, 9]);
        assert_eq!(given, [false, true, true, true, true, true, true, false]);
        let error = tensor.put(&[0.0; 5], &mut storage, &mut given).unwrap_err();
        assert_eq!(error, "tensor t has 6 elements, but 5 values were given");
    }

    #[test]
    fn a_shared_element_takes_one_value_only() {
        let first = Stored::new(info(&[2], Dtype::U8), Extent::of_file(0, 3), 0, vec![1]).unwrap();
        let second = Stored::new(info(&[2], Dtype::U8), Extent::of_file(0, 3), 1, vec![1]).unwrap();
        let (mut storage, mut given) = ([0; 3], [false; 3]);
        first.put(&[1.0, 2.0], &mut storage, &mut given).unwrap();
        second.put(&[2.0, 3.0], &mut storage, &mut given).unwrap();
        assert_eq!(storage, [1, 2, 3]);
        assert!(second.put(&[1.0, 3.0], &mut storage, &mut given).unwrap_err().contains("shares elements"));
    }
}
