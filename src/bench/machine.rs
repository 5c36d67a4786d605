//! What was measured on.

use std::path::Path;
use std::time::Duration;
use std::{env, fs, thread};

use serde::Serialize;
use tch::Device;

use crate::device::{self, DeviceStatus};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// As the processor calls itself; its architecture where the system does not tell.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Threads that libtorch takes for one operation on the CPU.
    pub threads: usize,
    pub system: &'static str,
    /// Processes that wanted a core before it began, a mean over the last minute; `None` where the system does not tell.
    pub load: Option<f64>,
    /// As the library in use says; `None` where the system does not tell which one that is.
    pub libtorch: Option<String>,
    /// "CPU", "CUDA:0".
    pub device: String,
    /// Why there.
    pub reason: String,
    /// The GPU's name, where the models run on one.
    pub gpu: Option<String>,
}

impl Machine {
    pub(super) fn of(device: Device, status: &DeviceStatus, load: Option<f64>) -> Self {
        Self {
            cpu: cpu(),
            cores: cores(),
            threads: tch::get_num_threads().max(1) as usize,
            system: env::consts::OS,
            load,
            libtorch: libtorch(),
            device: status.label.clone(),
            reason: status.reason.clone(),
            gpu: match device {
                Device::Cuda(index) => device::gpu_name(index),
                _ => None,
            },
        }
    }
}

impl Machine {
    /// That something else is at work too, where it is.
    pub(super) fn warning(&self) -> Option<String> {
        let load = self.load.filter(|load| *load > 0.5 * self.cores as f64)?;
        let Self { cores, .. } = self;
        Some(format!(
            "other programs are at work (load {load:.1} on {cores} cores): times are longer than they need be"
        ))
    }
}

/// Processes that want a core, a mean over the last minute.
pub(super) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// As the processor calls itself; its architecture where the system does not tell.
pub(super) fn cpu() -> String {
    let found = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    value(&found, "model name").unwrap_or(env::consts::ARCH).to_owned()
}

/// That this process may use.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What all cores together have spent on this process; `None` where the system does not tell.
pub(super) fn cpu_time() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::try_from(spent).ok()
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// The most memory that this process has held at once, bytes; `None` where the system does not tell.
pub(super) fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes: u64 = value(&status, "VmHWM")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kibibytes)
}

/// The value of the first line "key : value".
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.trim() == key).map(|(_, v)| v.trim())
}

/// The version file beside the libtorch that is loaded into this process.
fn libtorch() -> Option<String> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let library = maps.lines().find(|line| line.contains("/libtorch_cpu.so"))?;
    let folder = Path::new(&library[library.find('/')?..]).parent()?.parent()?;
    // PyPI's wheel has the one, the archive for C++ the other.
    let wheel = fs::read_to_string(folder.join("version.py")).ok().and_then(|text| python_version(&text));
    wheel.or_else(|| Some(fs::read_to_string(folder.join("build-version")).ok()?.trim().to_owned()))
}

/// 2.11.0 of `__version__ = '2.11.0'`.
fn python_version(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    Some(line.split_once('=')?.1.trim().trim_matches(['\'', '"']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_keys() {
        let text = "processor\t: 0\nmodel name\t: A CPU @ 2.0 GHz\nmodel name\t: another\nVmHWM:\t  1234 kB\n";
        assert_eq!(value(text, "model name"), Some("A CPU @ 2.0 GHz"));
        assert_eq!(value(text, "VmHWM"), Some("1234 kB"));
        assert_eq!(value(text, "model"), None);
    }

    #[test]
    fn a_busy_machine_is_told() {
        let status = DeviceStatus::default();
        let with = |load| Machine { cores: 4, ..Machine::of(Device::Cpu, &status, load) }.warning();
        assert_eq!((with(None), with(Some(1.9))), (None, None));
        assert!(with(Some(2.5)).is_some_and(|warning| warning.contains("load 2.5 on 4 cores")));
    }

    #[test]
    fn a_wheel_says_its_version() {
        let text = "__all__ = ['__version__']\n__version__ = '2.11.0+cpu'\ndebug = False\n";
        assert_eq!(python_version(text).as_deref(), Some("2.11.0+cpu"));
        assert_eq!(python_version("debug = False"), None);
    }
}
