//! Values that several subcommands take: sizes, splits, devices, losses.

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::dataset::Split;
use crate::device::{self, DeviceChoice, DeviceStatus};
use crate::geometry::Size;
use crate::imitation::loss::Loss;
use crate::yolo::checkpoint::Checkpoint;
use crate::yolo::network::Network;

/// Threads of either kind: more are a slip, and each costs a stack.
pub(super) const MAX_THREADS: i64 = 256;

/// Images that go through a network together.
pub(super) const MAX_BATCH: i64 = 4096;

/// What every subcommand that runs a model takes.
#[derive(Debug, Args)]
pub(super) struct ModelArgs {
    /// Where the models run: auto (CUDA when there is a driver), cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: DeviceChoice,
    /// Cores that libtorch may use on the CPU [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_THREADS))]
    pub(super) threads: Option<u16>,
}

impl ModelArgs {
    /// Bounds libtorch's threads, then finds the device.
    pub(super) fn device(&self) -> anyhow::Result<(tch::Device, DeviceStatus)> {
        if let Some(threads) = self.threads {
            tch::set_num_threads(i32::from(threads));
        }
        Ok(device::resolve(self.device)?)
    }
}

/// A checkpoint's model as it is run: batch-norms folded, float32. What of it is missing is said.
pub(super) fn load_model(checkpoint: &Checkpoint, device: tch::Device) -> anyhow::Result<Network> {
    let (network, report) = Network::load(checkpoint, device)?;
    if !report.is_complete() {
        super::console::say(format_args!("{}: {report}", checkpoint.path.display()));
    }
    Ok(network.folded(tch::Kind::Float)?)
}

/// Parses an input size: one number for a square, or HEIGHT,WIDTH.
pub(super) fn parse_input_size(text: &str) -> Result<Size, String> {
    let side = |part: &str| {
        part.trim()
            .parse::<u32>()
            .ok()
            .filter(|side| (32..=8192).contains(side))
            .ok_or_else(|| format!("'{part}' is no size between 32 and 8192 px"))
    };
    match text.split_once(',') {
        None => side(text).map(Size::square),
        Some((height, width)) => Ok(Size::new(side(width)?, side(height)?)),
    }
}

pub(super) fn parse_split(text: &str) -> Result<Split, String> {
    let split = Split::ALL.into_iter().find(|split| split.name() == text);
    split.ok_or_else(|| format!("'{text}' is none of train, val and test"))
}

/// The size rounded up to whole cells of the largest stride, as YOLOv5 does, with a line on stderr where it changed.
pub(super) fn round_up_to_stride(size: Size, stride: u32) -> Size {
    let rounded = Size::new(size.width.next_multiple_of(stride), size.height.next_multiple_of(stride));
    if rounded != size {
        eprintln!(
            "distillscope: input {}x{} is no multiple of the largest stride {stride}; using {}x{}",
            size.width, size.height, rounded.width, rounded.height
        );
    }
    rounded
}

/// Reads the name of an imitation loss; `--help` lists those that there are.
pub(super) fn loss_parser() -> impl TypedValueParser<Value = Loss> {
    PossibleValuesParser::new(Loss::ALL.map(|loss| PossibleValue::new(loss.name()).help(loss.explanation())))
        .map(|name| name.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_height_before_width() {
        assert_eq!(parse_input_size("640"), Ok(Size::square(640)));
        assert_eq!(parse_input_size("384,640"), Ok(Size::new(640, 384)));
        assert!(parse_input_size("0").is_err());
        assert!(parse_input_size("640x640").is_err());
        assert!(parse_input_size("99999999").is_err());
    }

    #[test]
    fn sizes_grow_to_whole_cells() {
        assert_eq!(round_up_to_stride(Size::new(641, 320), 64), Size::new(704, 320));
    }
}
