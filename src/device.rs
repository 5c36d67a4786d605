//! Where models run: CUDA when a driver is there, the CPU otherwise, and why.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use thiserror::Error;

use crate::native;

/// What the user asked for: `auto`, `cpu`, `cuda` or `cuda:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceChoice {
    #[default]
    Auto,
    Cpu,
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.to_owned());
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            other => {
                let index = other.strip_prefix("cuda:").ok_or_else(unknown)?;
                index.parse().map(Self::Cuda).map_err(|_| unknown())
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

#[derive(Clone, Debug, Error, PartialEq)]
pub enum DeviceError {
    #[error("unknown device '{0}': use auto, cpu, cuda or cuda:N")]
    Unknown(String),
    #[error("cuda:{index} is not here: {reason}; use --device cpu")]
    NoCuda { index: usize, reason: String },
}

/// Where the models run, and why there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceStatus {
    /// "CPU", "CUDA:0".
    pub label: String,
    pub is_cuda: bool,
    /// One sentence.
    pub reason: String,
    pub cuda_devices: usize,
}

/// The device for a choice. The first call looks for the driver and loads libtorch's CUDA half.
pub fn resolve(choice: DeviceChoice) -> Result<(tch::Device, DeviceStatus), DeviceError> {
    let cuda = cuda();
    let devices = *cuda.as_ref().unwrap_or(&0);
    let status =
        |label: String, is_cuda, reason: String| DeviceStatus { label, is_cuda, reason, cuda_devices: devices };
    let on_cuda = |index: usize| {
        let reason = format!("CUDA device {index} of {devices}");
        (tch::Device::Cuda(index), status(format!("CUDA:{index}"), true, reason))
    };
    let on_cpu = |reason: String| (tch::Device::Cpu, status("CPU".to_owned(), false, reason));
    match (choice, cuda) {
        (DeviceChoice::Auto, Ok(_)) => Ok(computes(0).map_or_else(on_cpu, |()| on_cuda(0))),
        (DeviceChoice::Auto, Err(reason)) => Ok(on_cpu(reason.clone())),
        (DeviceChoice::Cpu, _) => Ok(on_cpu("the CPU was chosen".to_owned())),
        (DeviceChoice::Cuda(index), Ok(count)) if index < *count => {
            computes(index).map_err(|reason| DeviceError::NoCuda { index, reason })?;
            Ok(on_cuda(index))
        }
        (DeviceChoice::Cuda(index), Ok(count)) => {
            Err(DeviceError::NoCuda { index, reason: format!("CUDA devices found: {count}, counted from 0") })
        }
        (DeviceChoice::Cuda(index), Err(reason)) => Err(DeviceError::NoCuda { index, reason: reason.clone() }),
    }
}

/// How many CUDA devices libtorch can use (at least one), or why it can use none.
fn cuda() -> &'static Result<usize, String> {
    static CUDA: OnceLock<Result<usize, String>> = OnceLock::new();
    CUDA.get_or_init(|| {
        load_cuda()?;
        match tch::Cuda::device_count() {
            count if count > 0 => {
                // What is looked at is exact; a training run allows TF32 for as long as it lasts.
                native::allow_tf32(false).map_err(|error| error.to_string())?;
                Ok(count as usize)
            }
            _ => Err("an NVIDIA driver is installed but no CUDA device is usable".to_owned()),
        }
    })
}

/// Why a GPU that is there computes nothing: one that is too old for this libtorch, or whose driver is. A full one computes, and
/// says that it is full where that matters.
fn computes(index: usize) -> Result<(), String> {
    let options = (tch::Kind::Float, tch::Device::Cuda(index));
    let tried = tch::Tensor::f_ones([1], options).and_then(|one| one.f_add_scalar(1.0)?.f_double_value(&[0]));
    match tried.map_err(|error| error.to_string()) {
        Err(text) if !text.to_lowercase().contains("out of memory") => {
            let line = text.lines().next().unwrap_or_default();
            Err(format!(
                "the GPU is found, but this libtorch cannot compute on it ({line}); a newer driver or another GPU may"
            ))
        }
        _ => Ok(()),
    }
}

/// Nothing in the program refers to libtorch_cuda, so the linker leaves it out; opened before the first use of
/// CUDA, it registers itself. On a machine without the driver it is never touched.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "opening a shared library runs its initialisers; both are NVIDIA's and PyTorch's own")]
fn load_cuda() -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: the driver's library has no precondition on being opened; nothing is called in it.
    unsafe { Library::open(Some("libcuda.so.1"), RTLD_LAZY | RTLD_LOCAL) }
        .map_err(|_| "no NVIDIA driver on this machine".to_owned())?;
    // SAFETY: opened once, before any CUDA call, and never closed.
    let library = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) }.map_err(|error| {
        format!(
            "an NVIDIA driver is installed, but libtorch's CUDA half cannot be opened ({error}); `make setup` gets it for a \
             build from source, a torch with CUDA for the wheel; the bundle has none"
        )
    })?;
    std::mem::forget(library);
    Ok(())
}

#[cfg(target_os = "windows")]
#[expect(unsafe_code, reason = "opening a shared library runs its initialisers; both are NVIDIA's and PyTorch's own")]
fn load_cuda() -> Result<(), String> {
    // SAFETY: the driver's library has no precondition on being opened; nothing is called in it.
    unsafe { libloading::Library::new("nvcuda.dll") }.map_err(|_| "no NVIDIA driver on this machine".to_owned())?;
    // SAFETY: opened once, before any CUDA call, and never closed.
    let library = unsafe { libloading::Library::new("torch_cuda.dll") }
        .map_err(|error| format!("an NVIDIA driver is installed, but torch_cuda.dll cannot be opened ({error})"))?;
    std::mem::forget(library);
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "windows")))]
fn load_cuda() -> Result<(), String> {
    Err("CUDA is not available on this system".to_owned())
}

/// A GPU as the driver, and libtorch after it, counts them.
#[cfg(target_os = "linux")]
struct Gpu {
    driver: libloading::os::unix::Library,
    /// CUdevice.
    device: std::ffi::c_int,
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the driver answers through C functions alone")]
impl Gpu {
    fn open(index: usize) -> Option<Self> {
        use libloading::os::unix::{Library, Symbol};
        use std::ffi::{c_int, c_uint};

        // SAFETY: the driver's library has no precondition on being opened.
        let driver = unsafe { Library::new("libcuda.so.1") }.ok()?;
        let mut device = 0;
        // SAFETY: the signatures are those of NVIDIA's cuda.h, where CUresult and CUdevice are C ints and 0 is success.
        let found = unsafe {
            let init: Symbol<unsafe extern "C" fn(c_uint) -> c_int> = driver.get(b"cuInit\0").ok()?;
            let get: Symbol<unsafe extern "C" fn(*mut c_int, c_int) -> c_int> = driver.get(b"cuDeviceGet\0").ok()?;
            init(0) == 0 && get(&raw mut device, c_int::try_from(index).ok()?) == 0
        };
        found.then_some(Self { driver, device })
    }

    fn name(&self) -> Option<String> {
        use libloading::os::unix::Symbol;
        use std::ffi::{CStr, c_char, c_int};

        let mut name = [0 as c_char; 256];
        // SAFETY: as in `open`; the driver writes no more than it is told to.
        unsafe {
            let tell: Symbol<unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int> =
                self.driver.get(b"cuDeviceGetName\0").ok()?;
            let answered = tell(name.as_mut_ptr(), name.len() as c_int, self.device) == 0;
            // The driver ends the name with a zero; the last place is one whatever it did.
            name[name.len() - 1] = 0;
            answered.then(|| CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned())
        }
    }

    fn attribute(&self, attribute: std::ffi::c_int) -> Option<i32> {
        use libloading::os::unix::Symbol;
        use std::ffi::c_int;

        let mut value = 0;
        // SAFETY: as in `open`; CUdevice_attribute is an enum, a C int.
        let answered = unsafe {
            let tell: Symbol<unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int> =
                self.driver.get(b"cuDeviceGetAttribute\0").ok()?;
            tell(&raw mut value, attribute, self.device) == 0
        };
        answered.then_some(value)
    }
}

/// What the driver calls the GPU of this index.
#[cfg(target_os = "linux")]
pub fn gpu_name(index: usize) -> Option<String> {
    Gpu::open(index)?.name()
}

/// Its compute capability, major and minor.
#[cfg(target_os = "linux")]
pub fn compute_capability(index: usize) -> Option<(i32, i32)> {
    // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR.
    const CAPABILITY: [i32; 2] = [75, 76];
    let gpu = Gpu::open(index)?;
    Some((gpu.attribute(CAPABILITY[0])?, gpu.attribute(CAPABILITY[1])?))
}

#[cfg(not(target_os = "linux"))]
pub fn gpu_name(_index: usize) -> Option<String> {
    None
}

#[cfg(not(target_os = "linux"))]
pub fn compute_capability(_index: usize) -> Option<(i32, i32)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for text in ["auto", "cpu", "cuda:3"] {
            assert_eq!(text.parse::<DeviceChoice>().map(|d| d.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x"] {
            assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error_that_offers_the_cpu() {
        let error = resolve(DeviceChoice::Cuda(99)).expect_err("no machine has a hundred GPUs");
        assert!(error.to_string().contains("--device cpu"), "{error}");
        assert!(resolve(DeviceChoice::Cpu).is_ok_and(|(device, _)| device == tch::Device::Cpu));
    }
}
