//! The image list: what a listing says, what the search leaves of it, and the thumbnails of what is on screen.
//!
//! A list may hold a hundred thousand images, so the search works in slices and thumbnails are asked for row by row
//! and forgotten again.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;

use crate::worker::DatasetBrief;

/// Where a thumbnail stands.
#[derive(Clone, Debug)]
pub enum Thumbnail {
    Asked {
        /// Seconds since the start.
        at: f64,
        times: u8,
    },
    Ready {
        picture: Arc<RgbImage>,
        /// Labels of the image; `None` without a label file.
        labels: Option<usize>,
        /// Of a JPEG a part is missing.
        cut_short: bool,
    },
}

#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// What was asked for: a data.yaml, a folder, or an image whose folder is listed.
    pub source: Option<PathBuf>,
    pub brief: Option<DatasetBrief>,
    images: Vec<PathBuf>,
    /// The paths as the search reads them.
    lowered: Vec<String>,
    /// More images are on their way.
    pub listing: bool,
    filter: String,
    /// Images that match the search, by index; in the order of the list.
    pub shown: Vec<usize>,
    /// Images that the search has looked at.
    searched: usize,
    pub selected: Option<usize>,
    /// Grows when the selected row is to be scrolled into view.
    pub reveal: u64,
    /// The first image to arrive is to be opened.
    pub open_first: bool,
    thumbnails: HashMap<PathBuf, Thumbnail>,
}

impl Dataset {
    /// Images that one slice of the search looks at: about a millisecond.
    const SLICE: usize = 20_000;
    const MAX_THUMBNAILS: usize = 1024;
    /// Seconds after which a thumbnail that never came is asked for again, and how often.
    const PATIENCE: f64 = 4.0;
    const TRIES: u8 = 2;

    /// Empties the list for a new source.
    pub fn begin(&mut self, source: PathBuf) {
        *self = Self {
            source: Some(source),
            listing: true,
            filter: std::mem::take(&mut self.filter),
            reveal: self.reveal,
            ..Self::default()
        };
    }

    pub fn images(&self) -> &[PathBuf] {
        &self.images
    }

    pub fn image(&self, index: usize) -> Option<&PathBuf> {
        self.images.get(index)
    }

    pub fn names(&self) -> &[String] {
        self.brief.as_ref().map_or(&[], |brief| &brief.names)
    }

    pub fn splits(&self) -> &[String] {
        self.brief.as_ref().map_or(&[], |brief| &brief.splits)
    }

    pub fn split(&self) -> Option<&String> {
        self.brief.as_ref()?.split.as_ref()
    }

    pub fn filter(&self) -> &str {
        &self.filter
    }

    pub fn extend(&mut self, images: Vec<PathBuf>, done: bool) {
        self.lowered.extend(images.iter().map(|image| image.to_string_lossy().to_lowercase()));
        self.images.extend(images);
        self.listing &= !done;
        self.search_on();
    }

    pub fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        self.shown.clear();
        self.searched = 0;
        self.search_on();
        self.reveal += 1;
    }

    /// Looks at the next slice; call until [`Dataset::is_searching`] says no.
    pub fn search_on(&mut self) {
        let needle = self.filter.trim().to_lowercase();
        let end = self.lowered.len().min(self.searched + Self::SLICE);
        let slice = self.searched..end;
        self.shown.extend(slice.filter(|&index| needle.is_empty() || self.lowered[index].contains(&needle)));
        self.searched = end;
    }

    pub fn is_searching(&self) -> bool {
        self.searched < self.images.len()
    }

    /// Where an image stands in the list, searched from an index on.
    pub fn position(&self, image: &Path, from: usize) -> Option<usize> {
        let rest = self.images.get(from..)?;
        rest.iter().position(|other| other == image).map(|at| from + at)
    }

    /// The row of the selected image among those shown.
    pub fn selected_row(&self) -> Option<usize> {
        self.shown.binary_search(&self.selected?).ok()
    }

    pub fn select(&mut self, index: usize) {
        self.selected = Some(index);
        self.reveal += 1;
    }

    /// The image that is `step` rows on; the list's ends hold.
    pub fn stepped(&self, step: isize) -> Option<usize> {
        let last = self.shown.len().checked_sub(1)?;
        let row = match self.selected {
            None => 0,
            Some(selected) => match self.shown.binary_search(&selected) {
                Ok(row) => row.saturating_add_signed(step).min(last),
                // The selected image does not match the search: go to its nearest neighbour that does.
                Err(row) => row.saturating_add_signed(step.min(0)).min(last),
            },
        };
        self.shown.get(row).copied()
    }

    pub fn thumbnail(&self, image: &Path) -> Option<&Thumbnail> {
        self.thumbnails.get(image)
    }

    pub fn insert_thumbnail(&mut self, image: PathBuf, thumbnail: Thumbnail) {
        self.thumbnails.insert(image, thumbnail);
    }

    /// Whether a visible row still lacks its thumbnail.
    pub fn wants_thumbnails(&self, rows: Range<usize>, now: f64) -> bool {
        self.rows(rows).any(|image| self.is_wanted(image, now))
    }

    fn rows(&self, rows: Range<usize>) -> impl Iterator<Item = &PathBuf> {
        let rows = self.shown.get(rows.start..rows.end.min(self.shown.len())).unwrap_or_default();
        rows.iter().filter_map(|&index| self.images.get(index))
    }

    fn is_wanted(&self, image: &Path, now: f64) -> bool {
        match self.thumbnails.get(image) {
            None => true,
            Some(Thumbnail::Asked { at, times }) => *times < Self::TRIES && now - at > Self::PATIENCE,
            Some(Thumbnail::Ready { .. }) => false,
        }
    }

    /// Notes that the thumbnails of these rows are asked for, and names them; forgets others when there are many.
    pub fn ask_thumbnails(&mut self, rows: Range<usize>, now: f64) -> Vec<PathBuf> {
        let wanted: Vec<PathBuf> =
            self.rows(rows.clone()).filter(|image| self.is_wanted(image, now)).cloned().collect();
        if self.thumbnails.len() + wanted.len() > Self::MAX_THUMBNAILS {
            let visible: Vec<PathBuf> = self.rows(rows).cloned().collect();
            self.thumbnails.retain(|image, _| visible.contains(image));
        }
        for image in &wanted {
            let times = match self.thumbnails.get(image) {
                Some(Thumbnail::Asked { times, .. }) => times + 1,
                _ => 1,
            };
            self.thumbnails.insert(image.clone(), Thumbnail::Asked { at: now, times });
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(names: &[&str]) -> Dataset {
        let mut dataset = Dataset::default();
        dataset.begin("d".into());
        dataset.extend(names.iter().map(PathBuf::from).collect(), true);
        dataset
    }

    #[test]
    fn the_search_is_case_blind_and_keeps_the_order() {
        let mut dataset = dataset(&["a/Cat.jpg", "a/dog.jpg", "a/cat2.jpg"]);
        dataset.set_filter(" cAt".into());
        assert_eq!(dataset.shown, [0, 2]);
        dataset.extend(vec!["a/CAT3.jpg".into()], true);
        assert_eq!(dataset.shown, [0, 2, 3]);
        dataset.set_filter(String::new());
        assert_eq!(dataset.shown, [0, 1, 2, 3]);
    }

    #[test]
    fn a_long_list_is_searched_in_slices() {
        let mut dataset = Dataset::default();
        dataset.begin("d".into());
        dataset.extend((0..100_000).map(|i| format!("{i}.jpg").into()).collect(), true);
        let mut slices = 1;
        while dataset.is_searching() {
            dataset.search_on();
            slices += 1;
        }
        assert_eq!((slices, dataset.shown.len()), (5, 100_000));
    }

    #[test]
    fn steps_stay_in_the_list_and_in_the_search() {
        let mut dataset = dataset(&["a", "b", "c", "bb"]);
        assert_eq!(dataset.stepped(1), Some(0));
        dataset.select(1);
        assert_eq!([dataset.stepped(1), dataset.stepped(-1), dataset.stepped(10)], [Some(2), Some(0), Some(3)]);
        dataset.set_filter("b".into());
        dataset.select(2);
        assert_eq!([dataset.stepped(1), dataset.stepped(-1)], [Some(3), Some(1)]);
        assert_eq!(Dataset::default().stepped(1), None);
    }

    #[test]
    fn a_thumbnail_is_asked_for_once_and_again_when_it_never_comes() {
        let mut dataset = dataset(&["a", "b", "c"]);
        assert_eq!(dataset.ask_thumbnails(0..2, 0.0).len(), 2);
        assert_eq!(dataset.ask_thumbnails(0..3, 1.0), [PathBuf::from("c")]);
        let picture = Arc::new(RgbImage::new(1, 1));
        dataset.insert_thumbnail("a".into(), Thumbnail::Ready { picture, labels: Some(3), cut_short: false });
        assert_eq!(dataset.ask_thumbnails(0..2, 5.0), [PathBuf::from("b")]);
        assert!(!dataset.wants_thumbnails(0..2, 100.0), "two tries are enough");
    }
}
