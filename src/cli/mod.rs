//! The command line: arguments in, the library's answers out. One file per subcommand, thin.

/// As the standard one, which panics where a line cannot be written: a terminal that is gone or a full disk behind standard
/// error stops no work.
macro_rules! eprintln {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($text)*)));
    }};
}

mod bench;
mod console;
mod convert;
mod figure_args;
mod handover;
mod inspect;
mod line;
mod manual;
mod preflight;
mod replay;
mod review;
mod run_args;
mod run_options;
mod search;
mod story;
mod subject_args;
mod survey;
mod train;
mod val;
mod values;
mod window;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use console::{INTERRUPTED, Interrupted, say};

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
    Review(Box<review::ReviewArgs>),
    Replay(replay::ReplayArgs),
    Bench(bench::BenchArgs),
    #[command(hide = true)]
    Manual(manual::ManualArgs),
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
    let outcome = console::start_threads().and_then(|()| match cli.command {
        Some(Command::Preflight(args)) => preflight::run(&args),
        Some(Command::Inspect(args)) => inspect::run(&args),
        Some(Command::Story(args)) => story::run(&args),
        Some(Command::Convert(args)) => convert::run(&args),
        Some(Command::Train(args)) => train::run(&args),
        Some(Command::Search(args)) => search::run(&args),
        Some(Command::Handover(args)) => handover::run(&args),
        Some(Command::Val(args)) => val::run(&args),
        Some(Command::Survey(args)) => survey::run(&args),
        Some(Command::Review(args)) => review::run(&args),
        Some(Command::Replay(args)) => replay::run(args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Manual(args)) => manual::run(&args),
        None => window::run(cli.window),
    });
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
}
