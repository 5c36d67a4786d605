//! One option of a run: its key in `config.toml`, what it is called and does, which values it takes. A line of
//! `options!` makes the field, its default and all of this; the command line, the form, the check before a run and the
//! change of a recipe follow from it.

use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::glossary::Term;
use crate::imitation::choice::{Loss, MaskSource};
use crate::imitation::mask::{IouConvention, LevelRule};
use crate::inspect::Tap;
use crate::story::{Line, say};

/// What is said of an option.
#[derive(Debug)]
pub struct About {
    pub part: Part,
    /// In `config.toml`.
    pub key: &'static str,
    /// In the form.
    pub name: &'static str,
    /// A sentence.
    pub help: &'static str,
    /// What the command line says instead, where it has other words; empty where it says the same.
    pub cli: &'static str,
    pub option: CliOption,
    /// What the command line calls a value; empty calls it as the key.
    pub unit: &'static str,
    pub range: Range,
    /// Where the form has it.
    pub place: Place,
    /// What the window says of it in place of the sentence.
    pub term: Option<Term>,
    /// The first value of an optional number that is switched on.
    pub first: f64,
    /// Whether it matters to losses of features alone.
    pub of_features: bool,
    /// Whether the command line says its default, which is the program's own.
    pub says_default: bool,
    /// Whether its sentence names its values, so that the command line need not.
    pub says_values: bool,
    /// Whether it changes no weight of a run, or says only where something lies.
    pub free: bool,
}

impl About {
    pub const fn new(part: Part, key: &'static str, name: &'static str, help: &'static str) -> Self {
        Self {
            part,
            key,
            name,
            help,
            cli: "",
            option: CliOption::Key,
            unit: "",
            range: Range::ANY,
            place: match part {
                Part::Run => Place::Optimisation,
                Part::Imitation => Place::Imitation,
                Part::Hyp => Place::Hyperparameters,
            },
            term: None,
            first: 1.0,
            of_features: false,
            says_default: false,
            says_values: false,
            free: false,
        }
    }

    /// What the window says of it.
    pub fn explanation(&self) -> &'static str {
        self.term.map_or(self.help, Term::explanation)
    }
}

/// Its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CliOption {
    /// The key, with hyphens.
    Key,
    Named(&'static str),
    /// Without a value: it turns the default over.
    Flag(&'static str),
    /// The command line has something of its own for it, or nothing.
    Apart,
}

/// The part of a run that an option is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Run,
    Imitation,
    Hyp,
}

/// A place in the form: always in sight, or in a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Essential,
    Imitation,
    Optimisation,
    Hyperparameters,
    Augmentation,
    Machine,
}

/// The numbers that an option takes; none that is not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub low: f64,
    pub high: f64,
    /// Whether `low` itself is outside.
    above: bool,
}

impl Range {
    pub const ANY: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, above: false };
    pub const SHARE: Self = Self::of(0.0, 1.0);
    pub const NOT_NEGATIVE: Self = Self { low: 0.0, ..Self::ANY };
    pub const POSITIVE: Self = Self { low: 0.0, above: true, ..Self::ANY };
    pub const AT_LEAST_ONE: Self = Self { low: 1.0, ..Self::ANY };

    pub const fn of(low: f64, high: f64) -> Self {
        Self { low, high, above: false }
    }

    /// Whether a value is one of them; what is no number always is.
    pub fn holds(&self, value: &Value) -> bool {
        let number = match value {
            Value::Whole(whole) => *whole as f64,
            Value::Real(real) => *real,
            _ => return true,
        };
        number.is_finite() && (self.low..=self.high).contains(&number) && !(self.above && number == self.low)
    }

    /// What is said where it is not.
    pub fn needed(&self) -> Line {
        let Self { low, high, above } = *self;
        if high.is_finite() {
            say!("a number from {low} to {high} is needed", low = low, high = high)
        } else if above {
            say!("a number greater than {low} is needed", low = low)
        } else if low.is_finite() {
            say!("a number not below {low} is needed", low = low)
        } else {
            say!("a finite number is needed")
        }
    }
}

/// The value of an option, whatever its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Left to the program.
    Nothing,
    Whole(u64),
    Real(f64),
    Switch(bool),
    /// One of a few names, or what else is written.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Whole(whole) => whole.fmt(f),
            Self::Real(real) => real.fmt(f),
            Self::Switch(on) => on.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// One of the names that an option takes, and what it means.
#[derive(Clone, Debug)]
pub struct Choice {
    pub name: String,
    pub explanation: String,
}

impl Choice {
    pub fn of(name: &str, explanation: &str) -> Self {
        Self { name: name.to_owned(), explanation: explanation.to_owned() }
    }
}

/// Which values an option takes.
#[derive(Clone, Debug)]
pub enum Kind {
    /// What only code of its own sets.
    Apart,
    Whole,
    Real,
    Switch,
    /// The names, and whether they have a text in other languages.
    Choice(Vec<Choice>, bool),
    Text,
    Optional(Box<Kind>),
}

/// A type that options have.
pub trait Setting {
    fn kind() -> Kind {
        Kind::Apart
    }

    fn value(&self) -> Value {
        Value::Nothing
    }

    /// Takes a value over; an error says why it cannot.
    fn take(&mut self, _: &Value) -> Result<(), String> {
        Ok(())
    }
}

/// How values of a type are read and made.
macro_rules! settings {
    ($kind:expr, $variant:ident, $value:expr, $taken:expr; $($type:ty),+) => {
        $(impl $crate::train::config::option::Setting for $type {
            fn kind() -> $crate::train::config::option::Kind {
                $kind
            }

            fn value(&self) -> $crate::train::config::option::Value {
                $crate::train::config::option::Value::$variant($value(self))
            }

            fn take(&mut self, value: &$crate::train::config::option::Value) -> Result<(), String> {
                let $crate::train::config::option::Value::$variant(value) = value else {
                    return Err("is a value of another kind".to_owned());
                };
                *self = $taken(value)?;
                Ok(())
            }
        })+
    };
}

impl Setting for PathBuf {}

settings!(
    Kind::Whole, Whole, |whole: &Self| *whole as u64,
    |whole: &u64| Self::try_from(*whole).map_err(|_| format!("{whole} is too large"));
    u16, u32, usize
);
settings!(Kind::Whole, Whole, |whole: &Self| *whole, |whole: &u64| Ok::<_, String>(*whole); u64);
settings!(Kind::Real, Real, |real: &Self| *real, |real: &f64| Ok::<_, String>(*real); f64);
settings!(Kind::Real, Real, |real: &Self| f64::from(*real), |real: &f64| Ok::<_, String>(*real as Self); f32);
settings!(Kind::Switch, Switch, |on: &Self| *on, |on: &bool| Ok::<_, String>(*on); bool);
settings!(Kind::Text, Text, Self::clone, |text: &String| Ok::<_, String>(text.clone()); String);
// What the window explains in its own language.
settings!(
    Kind::Choice(Self::ALL.map(|value| Choice::of(value.name(), value.explanation())).to_vec(), true),
    Text, |value: &Self| value.name().to_owned(),
    |name: &String| {
        Self::ALL.into_iter().find(|value| value.name() == name).ok_or_else(|| format!("there is no '{name}'"))
    };
    Loss, MaskSource, Tap, LevelRule, IouConvention
);

impl<T: Setting + Default> Setting for Option<T> {
    fn kind() -> Kind {
        Kind::Optional(Box::new(T::kind()))
    }

    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Nothing, Setting::value)
    }

    fn take(&mut self, value: &Value) -> Result<(), String> {
        *self = match value {
            Value::Nothing => None,
            value => {
                let mut taken = T::default();
                taken.take(value)?;
                Some(taken)
            }
        };
        Ok(())
    }
}

/// What an enumeration says of its values.
pub(super) fn named_kind<T: ValueEnum>() -> Kind {
    let choices = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let help = |value: &PossibleValue| value.get_help().map(ToString::to_string).unwrap_or_default();
    Kind::Choice(choices.map(|value| Choice::of(value.get_name(), &help(&value))).collect(), false)
}

pub(super) fn named<T: ValueEnum>(value: &T) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// An option of a configuration `C`.
#[derive(Debug)]
pub struct Spec<C> {
    pub about: About,
    pub kind: fn() -> Kind,
    pub get: fn(&C) -> Value,
    /// Sets it alone; an error says why the value is none of its.
    pub set: fn(&mut C, &Value) -> Result<(), String>,
    /// Takes it over from another configuration.
    pub copy: fn(&mut C, &C),
    pub same: fn(&C, &C) -> bool,
}

/// A table of options: `key: type = default, "Name", "What it does.", { … };`, the braces with what else [`About`] says. A
/// line with neither name nor sentence is a field that only code sets. `at` is where the table lies in a [`RunConfig`].
///
/// [`RunConfig`]: super::RunConfig
macro_rules! options {
    (
        $(#[$meta:meta])*
        pub struct $Name:ident by $by:ident: $By:ty, at $config:ident => $place:expr, in $part:expr;
        $($(#[$attr:meta])* $field:ident: $type:ty = $default:expr
            $(, $name:literal, $help:literal $(, { $($with:tt)* })?)?;)*
    ) => {
        $(#[$meta])*
        pub struct $Name {
            $($(#[$attr])* $(#[doc = $help])? pub $field: $type,)*
        }

        impl $Name {
            /// Its options in the order of `config.toml`.
            pub const OPTIONS: &'static [Spec<RunConfig>] = &[$($(Spec {
                about: About { $($($with)*,)? ..About::new($part, stringify!($field), $name, $help) },
                kind: <$type as Setting>::kind,
                get: |$config| Setting::value(&$place.$field),
                set: |$config, value| Setting::take(&mut $place.$field, value),
                copy: |$config, other| {
                    let to = &mut $place.$field;
                    let $config = other;
                    to.clone_from(&$place.$field);
                },
                same: |$config, other| {
                    let this = &$place.$field;
                    let $config = other;
                    *this == $place.$field
                },
            },)?)*];

            /// As a run has it of which a person says nothing.
            pub fn of($by: $By) -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

pub(crate) use {options, settings};
