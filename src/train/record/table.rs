//! A CSV file of records: kept as text, written whole.
//!
//! Every field is a number, so nothing is ever quoted. A number that is not known is an empty field.

use std::fmt;
use std::path::{Path, PathBuf};

use super::columns::{self, Column};
use super::{RESULTS, RecordError, STEPS};
use crate::files;
use crate::files::atomic::{self, WriteError};
use crate::train::event::{EpochRecord, StepRecord};
use crate::train::record::MAX_TABLE_BYTES;

/// How numbers stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// All digits, and no space.
    Exact,
    /// As YOLOv5 writes `results.csv`: five significant digits, right-aligned to 20 characters.
    Aligned,
}

pub(super) struct Table<R> {
    path: PathBuf,
    columns: Vec<Column<R>>,
    style: Style,
    text: String,
    saved: bool,
}

impl<R> fmt::Debug for Table<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("path", &self.path).field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

impl Table<StepRecord> {
    pub fn steps(folder: &Path, scales: &[String]) -> Self {
        Self::new(folder.join(STEPS), columns::of_steps(scales), Style::Exact)
    }
}

impl Table<EpochRecord> {
    pub fn results(folder: &Path, scales: &[String]) -> Self {
        Self::new(folder.join(RESULTS), columns::of_results(scales), Style::Aligned)
    }
}

impl<R> Table<R> {
    /// A table without rows.
    fn new(path: PathBuf, columns: Vec<Column<R>>, style: Style) -> Self {
        let names: Vec<String> = columns
            .iter()
            .map(|column| match style {
                Style::Exact => column.name.clone(),
                Style::Aligned => format!("{:>20}", column.name),
            })
            .collect();
        Self { path, columns, style, text: names.join(",") + "\n", saved: false }
    }

    pub fn push(&mut self, record: &R) {
        let fields: Vec<String> = self
            .columns
            .iter()
            .map(|column| match ((column.get)(record), self.style) {
                (None, _) => String::new(),
                (Some(value), Style::Exact) if column.whole => value.to_string(),
                // With an exponent where that is shorter.
                (Some(value), Style::Exact) => format!("{value:?}"),
                // Beside spaces pandas would take them for text.
                (Some(value), Style::Aligned) if !value.is_finite() => value.to_string(),
                (Some(value), Style::Aligned) if column.whole => format!("{value:>20}"),
                (Some(value), Style::Aligned) => format!("{:>20}", five_digits(value)),
            })
            .collect();
        self.text += &fields.join(",");
        self.text.push('\n');
        self.saved = false;
    }

    /// The file's content as it is to be.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes the file where there is something new.
    pub fn save(&mut self) -> Result<(), WriteError> {
        if !self.saved {
            atomic::write(&self.path, self.text.as_bytes())?;
            self.saved = true;
        }
        Ok(())
    }

    /// What a record knows, as tags and values; columns named in `but` are left out.
    pub fn scalars(&self, record: &R, prefix: &str, but: &[&str]) -> Vec<(String, f32)> {
        let columns = self.columns.iter().filter(|column| !but.contains(&column.name.as_str()));
        columns.filter_map(|column| Some((format!("{prefix}{}", column.name), (column.get)(record)? as f32))).collect()
    }
}

/// A table's text and its header's names.
pub(super) struct Text {
    path: PathBuf,
    text: String,
}

impl Text {
    pub fn read(path: PathBuf) -> Result<Self, RecordError> {
        let text = files::read_text(&path, MAX_TABLE_BYTES)?;
        Ok(Self::new(path, text))
    }

    /// `path` is what errors call it.
    pub fn new(path: PathBuf, text: String) -> Self {
        Self { path, text }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.text.lines().next().unwrap_or_default().split(',').map(str::trim)
    }

    /// What follows this prefix in the columns' names: the scales.
    pub fn after(&self, prefix: &str) -> Vec<String> {
        self.names().filter_map(|name| name.strip_prefix(prefix)).map(str::to_owned).collect()
    }

    /// The rows as records. Columns of other names are passed over, and such that came later may be missing.
    pub fn records<R: Default>(&self, columns: &[Column<R>]) -> Result<Vec<R>, RecordError> {
        let names: Vec<&str> = self.names().collect();
        let mut places = Vec::with_capacity(columns.len());
        for column in columns {
            match names.iter().position(|name| *name == column.name) {
                Some(place) => places.push((column, place)),
                None if column.late => {}
                None => return Err(RecordError::Column { path: self.path.clone(), name: column.name.clone() }),
            }
        }
        let rows = self.text.lines().zip(1..).skip(1);
        rows.map(|(line, number)| {
            record(line, names.len(), &places).map_err(|what| RecordError::Row {
                path: self.path.clone(),
                line: number,
                what,
            })
        })
        .collect()
    }
}

fn record<R: Default>(line: &str, width: usize, places: &[(&Column<R>, usize)]) -> Result<R, String> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    if fields.len() != width {
        return Err(format!("the header has {width} fields, this line {}", fields.len()));
    }
    let mut record = R::default();
    for (column, place) in places {
        let (name, field) = (&column.name, fields[*place]);
        if field.is_empty() {
            continue;
        }
        match field.parse::<f64>() {
            Ok(value) if !column.whole || (value >= 0.0 && value.fract() == 0.0) => (column.set)(&mut record, value),
            Ok(_) => return Err(format!("{name} is {field}, not a whole number")),
            Err(_) => return Err(format!("{name} is '{field}', not a number")),
        }
    }
    // A number that is empty here but known to the record was not allowed to be missing.
    let missing = places.iter().find(|(column, place)| fields[*place].is_empty() && (column.get)(&record).is_some());
    match missing {
        Some((column, _)) => Err(format!("{} is missing", column.name)),
        None => Ok(record),
    }
}

/// Five significant digits, as C's `%.5g` writes them.
fn five_digits(value: f64) -> String {
    let scientific = format!("{value:.4e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let without_zeros = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    match exponent.parse::<i32>() {
        Ok(decade @ -4..=4) => without_zeros(&format!("{value:.*}", (4 - decade).unsigned_abs() as usize)),
        Ok(decade) => {
            let sign = if decade < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", without_zeros(digits), decade.abs())
        }
        Err(_) => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by Python: `"%.5g" % value`.
    #[test]
    fn numbers_are_those_of_python() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (0.052_341_9, "0.052342"),
            (0.000_123_456_78, "0.00012346"),
            (0.000_099_999_9, "0.0001"),
            (0.000_012_345_6, "1.2346e-05"),
            (-1.5e-10, "-1.5e-10"),
            (99_999.4, "99999"),
            (99_999.6, "1e+05"),
            (123_456.0, "1.2346e+05"),
            (2.345_678_9, "2.3457"),
            (12_345.5, "12346"),
            (12_344.5, "12344"),
            (1e100, "1e+100"),
        ] {
            assert_eq!(five_digits(value), text, "{value}");
        }
    }
}
