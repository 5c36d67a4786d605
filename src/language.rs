//! The language of the window. The English sentence in the code is the key; `assets/lang/` has one file for every other
//! language.
//!
//! The language in force belongs to the thread, so that windows beside each other may differ and every other thread is
//! English; crates for this (rust-i18n, fluent) keep one locale for the whole process, or ask for keys in place of
//! sentences.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::format::{filled, grouped, placeholder};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    #[default]
    English,
    Chinese,
}

/// Text by the English sentence.
type Catalogue = HashMap<String, String>;

static CHINESE: LazyLock<Catalogue> = LazyLock::new(|| catalogue(include_str!("../assets/lang/zh-CN.toml")));

/// A file that cannot be read costs its language, never the window.
fn catalogue(text: &str) -> Catalogue {
    toml::from_str(text).unwrap_or_else(|error| {
        tracing::error!(%error, "a language cannot be read");
        Catalogue::new()
    })
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// As those who speak it call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "简体中文",
        }
    }

    /// What the desktop is set to.
    pub fn of_system() -> Self {
        Self::of_locale(&sys_locale::get_locale().unwrap_or_default())
    }

    /// The language of a locale such as "zh_CN.UTF-8"; English where there is no text for it.
    pub fn of_locale(locale: &str) -> Self {
        match locale.split(['_', '-', '.', '@']).next() {
            Some("zh") => Self::Chinese,
            _ => Self::English,
        }
    }

    fn catalogue(self) -> Option<&'static Catalogue> {
        match self {
            Self::English => None,
            Self::Chinese => Some(&CHINESE),
        }
    }
}

/// What a person has chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LanguageChoice {
    #[default]
    #[serde(rename = "system")]
    System,
    #[serde(rename = "en")]
    English,
    #[serde(rename = "zh-CN")]
    Chinese,
}

impl LanguageChoice {
    pub const ALL: [Self; 3] = [Self::System, Self::English, Self::Chinese];

    /// `None` leaves it to the system.
    pub const fn language(self) -> Option<Language> {
        match self {
            Self::System => None,
            Self::English => Some(Language::English),
            Self::Chinese => Some(Language::Chinese),
        }
    }
}

thread_local! {
    static SPOKEN: Cell<Language> = const { Cell::new(Language::English) };
}

/// From now on this thread speaks a language.
pub fn speak(language: Language) {
    SPOKEN.set(language);
}

pub fn spoken() -> Language {
    SPOKEN.get()
}

/// What a function gives in another language than the one in force.
pub fn within<T>(language: Language, text: impl FnOnce() -> T) -> T {
    let before = SPOKEN.replace(language);
    let found = text();
    SPOKEN.set(before);
    found
}

/// A sentence in the language in force; as it is where there is no other text for it.
pub fn tr(english: &str) -> &str {
    let catalogue = spoken().catalogue();
    catalogue.and_then(|catalogue| catalogue.get(english)).map_or(english, String::as_str)
}

/// The same, with `{name}` replaced by the value of that name: their order may differ from language to language.
pub fn fill(english: &str, values: &[(&str, &dyn Display)]) -> String {
    filled(tr(english), |name| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()))
}

/// "1 box", "7 boxes". A language without plurals has the text of "{count} boxes" alone.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    if spoken() != Language::English {
        fill(&format!("{{count}} {many}"), &[("count", &grouped(count))])
    } else if count == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", grouped(count))
    }
}

/// The names of the placeholders of a sentence.
pub fn placeholders(mut text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    while let Some((_, name, after)) = placeholder(text) {
        names.push(name);
        text = after;
    }
    names.sort_unstable();
    names
}

/// Every key of a language's catalogue and its text; none for English.
pub fn entries(language: Language) -> impl Iterator<Item = (&'static str, &'static str)> {
    language.catalogue().into_iter().flatten().map(|(key, text)| (key.as_str(), text.as_str()))
}

/// A sentence in the language in force: `t!("No cell")`, or with values `t!("step {step}", step)`,
/// `t!("{count} more", count = all - 1)`. `tests/window/language.rs` finds the sentences by this name.
macro_rules! t {
    ($english:literal) => { $crate::language::tr($english) };
    ($english:literal, $($name:ident $(= $value:expr)?),+ $(,)?) => {
        $crate::language::fill($english, &[
            $((stringify!($name), &$crate::language::value!($name $(= $value)?) as &dyn std::fmt::Display)),+
        ])
    };
}

macro_rules! value {
    ($name:ident) => {
        $name
    };
    ($name:ident = $value:expr) => {
        $value
    };
}

/// A sentence that [`tr`] translates where it is shown: of a constant, or where the English one is an id too.
macro_rules! key {
    ($english:literal) => {
        $english
    };
}

pub(crate) use {key, t, value};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_read_by_its_language() {
        for locale in ["zh_CN.UTF-8", "zh", "zh-Hans", "zh_TW"] {
            assert_eq!(Language::of_locale(locale), Language::Chinese, "{locale}");
        }
        for locale in ["", "C", "POSIX", "C.UTF-8", "en_GB.UTF-8", "de_DE", "zhuang"] {
            assert_eq!(Language::of_locale(locale), Language::English, "{locale}");
        }
    }

    #[test]
    fn values_go_where_their_names_stand() {
        let (step, rate) = (3, "fast");
        assert_eq!(t!("{rate} at step {step}, {rate}", step, rate), "fast at step 3, fast");
        assert_eq!(t!("{count} of {nothing}", count = 1 + 1), "2 of {nothing}");
        assert_eq!(placeholders("a {b} c {a}{b"), ["a", "b"]);
    }

    #[test]
    fn counts_read_like_prose() {
        assert_eq!(counted(1, "box", "boxes"), "1 box");
        assert_eq!(counted(0, "box", "boxes"), "0 boxes");
        assert_eq!(within(Language::Chinese, || counted(1000, "box", "boxes")), "1,000 个框");
    }

    #[test]
    fn a_language_belongs_to_its_thread() {
        assert_eq!(spoken(), Language::English);
        assert_eq!(within(Language::Chinese, || t!("Quit")), "退出");
        assert_eq!(t!("Quit"), "Quit");
        speak(Language::Chinese);
        assert_eq!(std::thread::spawn(spoken).join().expect("a language"), Language::English);
        assert_eq!(tr("no such sentence"), "no such sentence");
        speak(Language::English);
    }
}
