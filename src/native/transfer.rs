//! Between host and device. Every number that a training step brings back goes through [`read`], and every small array of a
//! batch through one [`Upload`]: on a GPU each crossing is a wait or a launch of its own.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

use tch::{Device, Kind, TchError, Tensor};

use super::ffi;

thread_local! {
    static READS: Cell<u64> = const { Cell::new(0) };
    static CONSTANTS: RefCell<Vec<Constant>> = const { RefCell::new(Vec::new()) };
}

/// The models of a process have a few constants each; one that went through many models begins anew.
const MOST_CONSTANTS: usize = 256;
/// Every array begins where any of the kinds may.
const ALIGNMENT: usize = 8;

struct Constant {
    bytes: Vec<u8>,
    kind: Kind,
    tensor: Tensor,
}

/// The values of scalars, in one read: the device is waited for once. Counted in [`reads`].
pub fn read(scalars: &[&Tensor]) -> Result<Vec<f64>, TchError> {
    if scalars.is_empty() {
        return Ok(Vec::new());
    }
    READS.set(READS.get() + 1);
    let scalars: Vec<Tensor> =
        scalars.iter().map(|scalar| scalar.f_detach()?.f_to_kind(Kind::Double)).collect::<Result<_, _>>()?;
    Vec::try_from(Tensor::f_stack(&scalars, 0)?)
}

/// How often this thread has read from a device.
pub fn reads() -> u64 {
    READS.get()
}

/// What a tensor is made of.
pub trait Number: Copy {
    const KIND: Kind;
    fn put(self, bytes: &mut Vec<u8>);
}

impl Number for f32 {
    const KIND: Kind = Kind::Float;

    fn put(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_ne_bytes());
    }
}

impl Number for i64 {
    const KIND: Kind = Kind::Int64;

    fn put(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_ne_bytes());
    }
}

/// Small arrays that reach a device in one copy, from pinned memory where it is a GPU.
#[derive(Debug, Default)]
pub struct Upload {
    bytes: Vec<u8>,
}

/// An array's place in an upload.
#[derive(Clone, Copy, Debug)]
pub struct Part<T> {
    from: usize,
    bytes: usize,
    number: PhantomData<T>,
}

impl Upload {
    pub fn put<T: Number>(&mut self, values: &[T]) -> Part<T> {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        let from = self.bytes.len();
        self.bytes.reserve(size_of_val(values));
        values.iter().for_each(|value| value.put(&mut self.bytes));
        Part { from, bytes: self.bytes.len() - from, number: PhantomData }
    }

    pub fn send(self, device: Device) -> Result<Uploaded, TchError> {
        Ok(Uploaded(sent(&self.bytes, device)?))
    }
}

/// An upload that has arrived, or is on its way while the device is given more to do.
#[derive(Debug)]
pub struct Uploaded(Tensor);

impl Uploaded {
    pub fn device(&self) -> Device {
        self.0.device()
    }

    /// The array, one-dimensional; it shares the upload's memory.
    pub fn get<T: Number>(&self, part: Part<T>) -> Result<Tensor, TchError> {
        if part.bytes == 0 {
            return Tensor::f_empty([0], (T::KIND, self.0.device()));
        }
        self.0.f_narrow(0, part.from as i64, part.bytes as i64)?.f_view_dtype(T::KIND)
    }
}

fn sent(bytes: &[u8], device: Device) -> Result<Tensor, TchError> {
    let host = ffi::bytes(bytes, device.is_cuda())?;
    if device.is_cuda() { host.f_to_device_(device, Kind::Uint8, true, false) } else { Ok(host) }
}

/// The bytes of a batch's images on the device, one-dimensional.
pub fn pixels(bytes: &[u8], device: Device) -> Result<Tensor, TchError> {
    sent(bytes, device)
}

/// Numbers that stay the same from step to step: sent once a thread, found again ever after.
pub fn constant<T: Number>(values: &[T], device: Device) -> Result<Tensor, TchError> {
    let mut upload = Upload::default();
    let part = upload.put(values);
    CONSTANTS.with_borrow_mut(|known| {
        let same = |one: &&Constant| one.kind == T::KIND && one.tensor.device() == device && one.bytes == upload.bytes;
        if let Some(found) = known.iter().find(same) {
            return Ok(found.tensor.shallow_clone());
        }
        if known.len() >= MOST_CONSTANTS {
            known.clear();
        }
        let bytes = upload.bytes.clone();
        let tensor = upload.send(device)?.get(part)?;
        known.push(Constant { bytes, kind: T::KIND, tensor: tensor.shallow_clone() });
        Ok(tensor)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_together_arrives_apart() {
        let mut upload = Upload::default();
        let (one, none) = (upload.put(&[1.5_f32]), upload.put::<i64>(&[]));
        let (two, three) = (upload.put(&[-7_i64, 1 << 40]), upload.put(&[0.25_f32, f32::MIN_POSITIVE, -0.0]));
        let sent = upload.send(Device::Cpu).expect("sent");
        assert_eq!(Vec::<f32>::try_from(sent.get(one).expect("a part")).expect("floats"), [1.5]);
        assert_eq!(sent.get(none).expect("a part").size(), [0]);
        assert_eq!(Vec::<i64>::try_from(sent.get(two).expect("a part")).expect("whole numbers"), [-7, 1 << 40]);
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let three = Vec::<f32>::try_from(sent.get(three).expect("a part")).expect("floats");
        assert_eq!(bits(three), bits(vec![0.25, f32::MIN_POSITIVE, -0.0]));
        assert_eq!(Upload::default().send(Device::Cpu).expect("nothing").0.size(), [0]);
    }

    #[test]
    fn scalars_are_read_at_once_and_counted() {
        let before = reads();
        let exact = Tensor::from(0.1_f32);
        let found = read(&[&exact, &Tensor::from(3_i64), &Tensor::from(f32::NAN)]).expect("numbers");
        assert_eq!((found[0], found[1]), (f64::from(0.1_f32), 3.0));
        assert!(found[2].is_nan());
        assert!(read(&[]).expect("nothing").is_empty());
        assert_eq!(reads() - before, 1);
    }

    #[test]
    fn a_constant_is_sent_once() {
        let of = |values: &[f32]| constant(values, Device::Cpu).expect("a constant");
        assert_eq!(of(&[1.0, 2.0]).data_ptr(), of(&[1.0, 2.0]).data_ptr());
        assert_ne!(of(&[1.0, 2.0]).data_ptr(), of(&[1.0, 3.0]).data_ptr());
        // The same bytes as another kind of number are another constant.
        let whole = constant(&[i64::from_ne_bytes([0; 8])], Device::Cpu).expect("a constant");
        assert_eq!((whole.kind(), of(&[0.0, 0.0]).kind()), (Kind::Int64, Kind::Float));
    }
}
