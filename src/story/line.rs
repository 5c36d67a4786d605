//! A line of the story: a template and what goes into it. The English template is the key of its translation, so that
//! a figure says a line in English and the window in its own language.

use std::fmt::Display;

use crate::format::filled;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Numbers, names and signs: the same in every language.
    Plain(String),
    /// The values go where their names stand in braces; they are said in the same language.
    Said { template: &'static str, values: Vec<(&'static str, Line)> },
}

impl<T: Display> From<T> for Line {
    fn from(value: T) -> Self {
        Self::Plain(value.to_string())
    }
}

impl Line {
    /// A word or a sentence that has a translation, and no values.
    pub fn word(english: &'static str) -> Self {
        Self::Said { template: english, values: Vec::new() }
    }

    /// As figures say it.
    pub fn english(&self) -> String {
        self.said(&|english| english)
    }

    /// The line in another language; `tr` knows the texts of its templates.
    pub fn said(&self, tr: &dyn Fn(&'static str) -> &'static str) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Said { template, values } => filled(tr(template), |name| {
                values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.said(tr))
            }),
        }
    }
}

/// A line: `say!("step {step}", step = 3)`. `tests/language.rs` finds the templates by this name.
macro_rules! say {
    ($english:literal) => { $crate::story::Line::word($english) };
    ($english:literal, $($name:ident = $value:expr),+ $(,)?) => {
        $crate::story::Line::Said {
            template: $english,
            values: vec![$((stringify!($name), $crate::story::Line::from($value))),+],
        }
    };
}

pub(crate) use say;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_in_two_languages_its_values_too() {
        let line = say!("{count} of {what}", count = 3, what = say!("cells"));
        assert_eq!(line.english(), "3 of cells");
        let german = |english: &'static str| match english {
            "{count} of {what}" => "von {what} {count}",
            "cells" => "Zellen",
            other => other,
        };
        assert_eq!(line.said(&german), "von Zellen 3");
        assert_eq!(Line::from("F = ψ · M").said(&german), "F = ψ · M");
    }
}
