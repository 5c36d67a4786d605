//! The options of a run as `config.toml` has them, on the command line: an argument a line of its tables.

use clap::builder::{BoolValueParser, PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::train::config::option::{CliOption, Kind, Part, Value};
use crate::train::config::{Field, RunConfig};

/// The options that were given, in the order of the tables.
#[derive(Clone, Debug, Default)]
pub(super) struct RunOptions(Vec<(Field, Value)>);

impl RunOptions {
    pub fn given(&self) -> impl Iterator<Item = (Field, &Value)> {
        self.0.iter().map(|(field, value)| (*field, value))
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.given().find(|(field, _)| field.about.key == key).map(|(_, value)| value)
    }
}

/// What it is called without its hyphens; `None` where the command line has something of its own.
pub(super) fn name(field: Field) -> Option<String> {
    match field.about.option {
        CliOption::Key if field.about.part == Part::Hyp => None,
        CliOption::Key => Some(field.about.key.replace('_', "-")),
        CliOption::Named(name) | CliOption::Flag(name) => Some(name.to_owned()),
        CliOption::Apart => None,
    }
}

/// Its place in `--help`: that of `config.toml`, where the imitation stands behind the batch. Between two of them there is
/// room for more.
pub(super) fn order(key: &str) -> usize {
    let place = |key: &str| RunConfig::OPTIONS.iter().position(|option| option.about.key == key);
    let within = RunConfig::fields()
        .filter(|field| field.about.part == Part::Imitation)
        .position(|field| field.about.key == key);
    match (place(key), within) {
        (Some(place), _) => 100 * place,
        (None, within) => 100 * place("nominal_batch").unwrap_or_default() + 2 + 2 * within.unwrap_or_default(),
    }
}

fn argument(field: Field) -> Option<Arg> {
    let about = &field.about;
    let help = if about.cli.is_empty() { about.help.trim_end_matches('.') } else { about.cli };
    let arg = Arg::new(about.key).long(name(field)?).display_order(order(about.key));
    if matches!(about.option, CliOption::Flag(_)) {
        return Some(arg.help(help).action(ArgAction::SetTrue));
    }
    let help = match (about.says_default, (field.get)(&RunConfig::default())) {
        (true, Value::Switch(on)) => format!("{help} [default: {on}]"),
        _ => help.to_owned(),
    };
    let unit = if about.unit.is_empty() { about.key.to_uppercase() } else { about.unit.to_owned() };
    let negative = matches!((field.kind)(), Kind::Real);
    Some(
        arg.help(help)
            .value_name(unit)
            .hide_possible_values(about.says_values)
            .allow_negative_numbers(negative)
            .value_parser(parser(field, &(field.kind)())),
    )
}

fn parser(field: Field, kind: &Kind) -> ValueParser {
    match kind {
        Kind::Optional(kind) => parser(field, kind),
        Kind::Switch => BoolValueParser::new().map(Value::Switch).into(),
        Kind::Choice(choices, _) => {
            let choices = choices.iter().map(|choice| {
                let value = PossibleValue::new(choice.name.clone());
                if choice.explanation.is_empty() {
                    value
                } else {
                    value.help(choice.explanation.trim_end_matches('.').to_owned())
                }
            });
            PossibleValuesParser::new(choices).map(Value::Text).into()
        }
        _ => ValueParser::new(move |text: &str| field.read(text)),
    }
}

impl Args for RunOptions {
    fn augment_args(command: Command) -> Command {
        // What follows stands behind all of them.
        command.args(RunConfig::fields().filter_map(argument)).next_display_order(100 * RunConfig::OPTIONS.len())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RunOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |field: Field| {
            name(field)?;
            let value = match (field.about.option, (field.get)(&RunConfig::default())) {
                (CliOption::Flag(_), Value::Switch(on)) => {
                    matches.get_flag(field.about.key).then_some(Value::Switch(!on))
                }
                _ => matches.get_one(field.about.key).cloned(),
            };
            Some((field, value?))
        };
        Ok(Self(RunConfig::fields().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
