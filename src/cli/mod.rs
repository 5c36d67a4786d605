//! The command line: arguments in, the library's answers out. One file per subcommand, thin.

/// As the standard ones, which panic where a line cannot be written: a terminal that is gone or a full disk behind standard
/// error stops no work.
macro_rules! eprint {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!($($text)*));
    }};
}
macro_rules! eprintln {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($text)*)));
    }};
}

mod bench;
mod convert;
mod figure_args;
mod handover;
mod inspect;
mod line;
mod manual;
mod preflight;
mod replay;
mod run_args;
mod search;
mod story;
mod subject_args;
mod survey;
mod train;
mod val;
mod window;

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use crate::dataset::Split;
use crate::device::{self, DeviceChoice, DeviceStatus};
use crate::format;
use crate::geometry::Size;
use crate::imitation::loss::Loss;
use crate::train::event::RunControl;

#[derive(Debug, Parser)]
#[command(
    name = "distillscope",
    version,
    about = "See what a YOLOv5 teacher would teach a YOLOv5 student, and where",
    long_about = "An instrument for fine-grained feature imitation. Without a subcommand it opens the window: \
                  the anchors of every scale, the IoU imitation mask of every ground truth, and the difference \
                  between teacher and student features.",
    after_help = "Examples:\n  distillscope                                     the sample session\n  \
                  distillscope street.jpg --teacher l.pt --student s.pt\n  \
                  distillscope inspect --image street.jpg --teacher l.pt --student s.pt --json -",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    window: window::WindowArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    Inspect(Box<inspect::InspectArgs>),
    Story(Box<story::StoryArgs>),
    Convert(convert::ConvertArgs),
    Preflight(Box<preflight::PreflightArgs>),
    Train(Box<train::TrainArgs>),
    Search(Box<search::SearchArgs>),
    Handover(Box<handover::HandoverArgs>),
    Val(val::ValArgs),
    Survey(survey::SurveyArgs),
    Replay(replay::ReplayArgs),
    Bench(bench::BenchArgs),
    #[command(hide = true)]
    Manual(manual::ManualArgs),
}

/// Threads of either kind: more are a slip, and each costs a stack.
const MAX_THREADS: i64 = 256;
/// Images that go through a network together.
const MAX_BATCH: i64 = 4096;

/// What every subcommand that runs a model takes.
#[derive(Debug, Args)]
struct ModelArgs {
    /// Where the models run: auto (CUDA when there is a driver), cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// Cores that libtorch may use on the CPU [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_THREADS))]
    threads: Option<u16>,
}

impl ModelArgs {
    /// Bounds libtorch's threads, then finds the device.
    fn device(&self) -> anyhow::Result<(tch::Device, DeviceStatus)> {
        if let Some(threads) = self.threads {
            tch::set_num_threads(i32::from(threads));
        }
        Ok(device::resolve(self.device)?)
    }
}

/// Reads the arguments, runs what they ask for, and says in one line what went wrong.
pub fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("DISTILLSCOPE_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error")),
        )
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            eprintln!("distillscope: {}", one_line(&error));
            return ExitCode::from(MISUSED);
        }
        // What was asked for: help, or the version.
        Err(error) => error.exit(),
    };
    let outcome = match cli.command {
        Some(Command::Preflight(args)) => preflight::run(&args),
        Some(Command::Inspect(args)) => inspect::run(&args),
        Some(Command::Story(args)) => story::run(&args),
        Some(Command::Convert(args)) => convert::run(&args),
        Some(Command::Train(args)) => train::run(&args),
        Some(Command::Search(args)) => search::run(&args),
        Some(Command::Handover(args)) => handover::run(&args),
        Some(Command::Val(args)) => val::run(&args),
        Some(Command::Survey(args)) => survey::run(&args),
        Some(Command::Replay(args)) => replay::run(args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Manual(args)) => manual::run(&args),
        None => window::run(cli.window),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            // The whole chain on one line; causes that repeat their effect are said once.
            let mut line = error.to_string();
            for cause in error.chain().skip(1).map(ToString::to_string) {
                if !line.contains(&cause) {
                    line = format!("{line}: {cause}");
                }
            }
            say(line);
            ExitCode::FAILURE
        }
    }
}

/// A line on standard error; whatever it quotes from a file stays on it.
fn say(what: impl Display) {
    /// A path has at most 4,096.
    const MOST: usize = 8_192;
    eprintln!("distillscope: {}", format::outside(&what.to_string(), MOST));
}

fn warn(warning: impl Display) {
    say(format_args!("warning: {warning}"));
}

/// Whether a result that goes to this path goes to standard output.
fn is_standard_output(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Parses an input size: one number for a square, or HEIGHT,WIDTH.
fn parse_input_size(text: &str) -> Result<Size, String> {
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

fn parse_split(text: &str) -> Result<Split, String> {
    let split = Split::ALL.into_iter().find(|split| split.name() == text);
    split.ok_or_else(|| format!("'{text}' is none of train, val and test"))
}

/// The size rounded up to whole cells of the largest stride, as YOLOv5 does, with a line on stderr where it changed.
fn round_up_to_stride(size: Size, stride: u32) -> Size {
    let rounded = Size::new(size.width.next_multiple_of(stride), size.height.next_multiple_of(stride));
    if rounded != size {
        eprintln!(
            "distillscope: input {}x{} is no multiple of the largest stride {stride}; using {}x{}",
            size.width, size.height, rounded.width, rounded.height
        );
    }
    rounded
}

/// Results go to standard output; a closed pipe behind it is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn existing(path: &Path) -> anyhow::Result<()> {
    if !path.exists() {
        anyhow::bail!("{}: no such file or folder", path.display());
    }
    Ok(())
}

/// What is wrong with the arguments, with the values that are possible, on one line.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let line = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    format!("{}; --help says more", line.strip_prefix("error: ").unwrap_or(&line))
}

/// The exit code of arguments that cannot be meant.
const MISUSED: u8 = 2;
/// The exit code of what was broken off by a signal.
const INTERRUPTED: u8 = 130;

/// What ended as it was asked to, before its work was done; everything that is to be said of it has been said.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;

/// Ctrl+C, a closed terminal (SIGHUP) and SIGTERM end a run after the step in hand, with a checkpoint; once more ends at once.
fn stop_on_interrupt(control: &Arc<RunControl>) -> anyhow::Result<()> {
    let stop = Arc::clone(control);
    Ok(ctrlc::set_handler(move || {
        if stop.is_stopped() {
            leave(INTERRUPTED.into());
        }
        eprintln!("\ndistillscope: stopping after this step; once more ends at once");
        stop.stop();
    })?)
}

/// Ends the process at once. A thread may still be inside libtorch, whose destructors must not run under it; every file has
/// been written whole.
#[expect(unsafe_code, reason = "the one way to leave without running the destructors of shared libraries")]
fn leave(code: i32) -> ! {
    // SAFETY: `_exit` ends the process; nothing of it runs afterwards.
    unsafe { libc::_exit(code) }
}

/// Reads the name of an imitation loss; `--help` lists those that there are.
fn loss_parser() -> impl TypedValueParser<Value = Loss> {
    PossibleValuesParser::new(Loss::ALL.map(|loss| PossibleValue::new(loss.name()).help(loss.explanation())))
        .map(|name| name.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_arguments_are_one_line() {
        let said = |arguments: &[&str]| {
            let wrong =
                Cli::try_parse_from([&["distillscope", "train"], arguments].concat()).expect_err("no such thing");
            one_line(&wrong)
        };
        assert_eq!(
            said(&["--out", "o", "--recipe", "fast"]),
            "invalid value 'fast' for '--recipe <RECIPE>' [possible values: short, yolov5]; --help says more"
        );
        assert_eq!(said(&[]), "the following required arguments were not provided: --out <DIR>; --help says more");
        assert!(said(&["--out", "o", "--lamda", "1"]).starts_with("unexpected argument '--lamda' found"));
    }

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
