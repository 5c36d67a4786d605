//! All options of a run: the table of the run, that of its imitation and its hyperparameters, one after the other; and
//! which values are none.

use super::option::{Kind, Range, Spec, Value};
use super::{Hyperparameters, ImitationConfig, Lambda, Length, Recipe, RunConfig, WARMUP_EPOCHS};
use crate::language::key;
use crate::story::{Line, say};

/// One option of a run, whichever table it stands in.
pub type Field = &'static Spec<RunConfig>;

impl RunConfig {
    pub fn fields() -> impl Iterator<Item = Field> {
        Self::OPTIONS.iter().chain(ImitationConfig::OPTIONS).chain(Hyperparameters::OPTIONS)
    }

    pub fn field(key: &str) -> Option<Field> {
        Self::fields().find(|field| field.about.key == key)
    }
}

impl Spec<RunConfig> {
    /// Sets it as a person does: another recipe or loss brings its own values along, and epochs of warm-up are meant as such.
    pub fn choose(&self, config: &mut RunConfig, value: &Value) -> Result<(), String> {
        let mut chosen = config.clone();
        (self.set)(&mut chosen, value)?;
        let (recipe, loss) = (chosen.recipe, chosen.imitation.loss);
        if recipe != config.recipe {
            chosen = config.clone().with_recipe(recipe);
        } else if loss != config.imitation.loss {
            chosen.imitation = chosen.imitation.with_loss(loss);
        } else if self.about.key == WARMUP_EPOCHS {
            chosen.warmup_share = 0.0;
        }
        *config = chosen;
        Ok(())
    }

    /// A value as it is written on a command line.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        let value = match (self.kind)() {
            Kind::Optional(kind) => read(&kind, text),
            kind => read(&kind, text),
        }?;
        if !self.about.range.holds(&value) {
            return Err(format!("{value} is not in its range: {}", self.about.range.needed().english()));
        }
        (self.set)(&mut RunConfig::default(), &value)?;
        Ok(value)
    }

    /// Where a value comes from that nobody has chosen.
    pub fn origin(&self) -> Origin {
        let [short, yolov5] = Recipe::ALL.map(RunConfig::of);
        if (self.same)(&short, &yolov5) { Origin::Default } else { Origin::Recipe }
    }
}

fn read(kind: &Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Whole => text.parse().map(Value::Whole).map_err(|error| error.to_string()),
        Kind::Real => text.parse().map(Value::Real).map_err(|error| error.to_string()),
        Kind::Switch => text.parse().map(Value::Switch).map_err(|error| error.to_string()),
        Kind::Apart | Kind::Choice(..) | Kind::Text | Kind::Optional(_) => Ok(Value::Text(text.to_owned())),
    }
}

/// Where the value of an option comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    Recipe,
    /// What is open in the window.
    Window,
    File,
    Yours,
}

impl Origin {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => key!("the default"),
            Self::Recipe => key!("from the recipe"),
            Self::Window => key!("as the window has it"),
            Self::File => key!("from a file"),
            Self::Yours => key!("set by you"),
        }
    }
}

/// A value that a run cannot have.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub key: &'static str,
    /// With the name that the form has.
    pub line: Line,
    /// With the key that `config.toml` has.
    pub english: String,
}

impl Problem {
    fn said(key: &'static str, line: Line) -> Self {
        Self { key, english: line.english(), line }
    }
}

impl RunConfig {
    /// What is wrong with its values, before any file is looked at.
    pub fn problems(&self) -> Vec<Problem> {
        let outside = |key: &'static str, name: &'static str, value: &Value, range: Range| {
            let called =
                |name: Line| say!("{name} is {value}; {needed}", name = name, value = value, needed = range.needed());
            let problem =
                || Problem { key, line: called(Line::word(name)), english: called(Line::from(key)).english() };
            (!range.holds(value)).then(problem)
        };
        let of_field = |field: Field| outside(field.about.key, field.about.name, &(field.get)(self), field.about.range);
        let mut found: Vec<Problem> = Self::fields().filter_map(of_field).collect();
        if matches!(self.length, Length::Epochs(0) | Length::Steps(0)) {
            found.push(Problem::said("length", say!("a run of 0 epochs or steps does nothing; give at least 1")));
        }
        let imitation = &self.imitation;
        let (Lambda::Fixed(weight) | Lambda::GradientRatio(weight)) = imitation.lambda;
        found.extend(outside("lambda", "λ", &Value::Real(weight), Range::NOT_NEGATIVE));
        if !matches!(imitation.adapter_kernel, 1 | 3) {
            let why = say!("an adapter's kernel is 1 or 3, not {kernel}", kernel = imitation.adapter_kernel);
            found.push(Problem::said("adapter_kernel", why));
        }
        found.extend(imitation.contradiction().map(|why| Problem::said("tap", why)));
        found
    }
}
