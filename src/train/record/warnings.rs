//! `warnings.txt`: each warning once, after how often it came and a tab.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::{RecordError, WARNINGS};
use crate::files;
use crate::files::atomic::{self, WriteError};
use crate::train::record::MAX_TABLE_BYTES;

#[derive(Debug)]
pub(super) struct Warnings {
    path: PathBuf,
    /// Text and count, in the order of first appearance.
    list: Vec<(String, u64)>,
    by_text: HashMap<String, usize>,
    saved: bool,
}

impl Warnings {
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join(WARNINGS), list: Vec::new(), by_text: HashMap::new(), saved: false }
    }

    /// Those of a run that goes on.
    pub fn read(folder: &Path) -> Result<Self, RecordError> {
        let mut warnings = Self::new(folder);
        let path = warnings.path.clone();
        let text = files::read_text_if_there(&path, MAX_TABLE_BYTES)?.unwrap_or_default();
        for (line, number) in text.lines().zip(1..) {
            let parts = line.split_once('\t').and_then(|(count, text)| Some((count.parse().ok()?, text)));
            let Some((count, text)) = parts else {
                let what = "not a count, a tab and a warning".to_owned();
                return Err(RecordError::Row { path, line: number, what });
            };
            warnings.add_times(text, count);
        }
        Ok(warnings)
    }

    pub fn add(&mut self, text: &str) {
        // One warning, one line.
        self.add_times(&text.lines().collect::<Vec<_>>().join(" "), 1);
    }

    fn add_times(&mut self, text: &str, count: u64) {
        match self.by_text.get(text) {
            Some(index) => self.list[*index].1 += count,
            None => {
                self.by_text.insert(text.to_owned(), self.list.len());
                self.list.push((text.to_owned(), count));
            }
        }
        self.saved = false;
    }

    /// Writes the file where there is something new.
    pub fn save(&mut self) -> Result<(), WriteError> {
        if !self.saved {
            let mut text = String::new();
            for (warning, count) in &self.list {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{count}\t{warning}");
            }
            atomic::write(&self.path, text.as_bytes())?;
            self.saved = true;
        }
        Ok(())
    }
}
