//! `distillscope [IMAGE]`: the window.

use std::path::PathBuf;

use clap::Args;

use crate::device::DeviceChoice;
use crate::language::Language;
use crate::shell;

#[derive(Debug, Args)]
pub(super) struct WindowArgs {
    /// The image to open; without any argument the sample session opens
    image: Option<PathBuf>,
    /// A YOLO dataset: its data.yaml, or a folder of images
    #[arg(long, value_name = "DATA")]
    data: Option<PathBuf>,
    /// The teacher's weights (.pt, .safetensors or TorchScript)
    #[arg(long, value_name = "WEIGHTS")]
    teacher: Option<PathBuf>,
    /// The student's weights (.pt or .safetensors)
    #[arg(long, value_name = "WEIGHTS")]
    student: Option<PathBuf>,
    /// Where the models run: auto (CUDA when there is a driver), cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// Print on exit how long the window's frames took over the last minute
    #[arg(long)]
    profile: bool,
}

pub(super) fn run(args: WindowArgs) -> anyhow::Result<()> {
    needs_display()?;
    for path in [&args.image, &args.data, &args.teacher, &args.student].into_iter().flatten() {
        super::console::existing(path)?;
    }
    shell::run(shell::Options {
        image: args.image,
        data: args.data,
        teacher: args.teacher,
        student: args.student,
        device: args.device.to_string(),
        profile: args.profile,
        system_language: Language::of_system(),
        ..shell::Options::default()
    })?;
    super::console::leave(0)
}

/// Says why no window can open.
pub(super) fn needs_display() -> anyhow::Result<()> {
    if !has_display() {
        anyhow::bail!(
            "no display: neither WAYLAND_DISPLAY nor DISPLAY is set, so no window can open. \
             `distillscope inspect`, `train`, `val` and `replay --summary` work without one, see `distillscope --help`"
        );
    }
    Ok(())
}

fn has_display() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
