//! What a run has done for the image on screen: its student's detections before and after, for the end of a talk.
//!
//! They are asked for when the story comes to its run, so that they are there one step later.

use std::sync::Arc;

use crate::worker::{BeforeAfter, BeforeAfterRequest, Unknown};

#[derive(Clone, Debug, Default)]
pub struct BeforeAfterState {
    /// The newest question.
    pub(super) asked: Option<BeforeAfterRequest>,
    /// The newest answer, and to what: a newer question about the same may be on its way.
    pub(super) known: Option<(BeforeAfterRequest, Arc<BeforeAfter>)>,
}

impl BeforeAfterState {
    pub(super) fn answer(&mut self, request: BeforeAfterRequest, found: Arc<BeforeAfter>) {
        if self.asked.as_ref() == Some(&request) {
            self.known = Some((request, found));
        }
    }

    /// Neither is known, for one reason.
    pub(super) fn failed(&mut self, why: &str) {
        let unknown = || Err(Unknown::Failed(why.to_owned()));
        let found = BeforeAfter { before: unknown(), after: unknown(), names: Vec::new() };
        self.known = self.asked.clone().map(|asked| (asked, Arc::new(found)));
    }

    /// Asks again for what was not there the last time.
    pub(super) fn retry(&mut self) {
        if self.found().is_some_and(|found| found.before.is_err() || found.after.is_err()) {
            self.asked = None;
        }
    }

    /// Of what was asked for last, `None` before the answer.
    pub fn found(&self) -> Option<&BeforeAfter> {
        let (request, found) = self.known.as_ref()?;
        self.asked.as_ref().is_some_and(|asked| asked.is_of(request)).then_some(&**found)
    }
}
