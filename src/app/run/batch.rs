//! The batch that is looked at: which one of the run that is set up, and what came of the last request.

use std::sync::Arc;

use std::borrow::Cow;

use crate::app::run::form::Form;
use crate::train::config::RunConfig;
use crate::train::config::option::Part;
use crate::worker::{BatchPreview, BatchRequest};

#[derive(Clone, Debug, Default)]
pub struct BatchView {
    /// Of the run, from 0.
    pub step: u64,
    /// Grows when the files are to be read again.
    pub reading: u64,
    /// The stride whose mask is shown; `None` shows where any scale is imitated.
    pub scale: Option<u32>,
    /// The newest batch that has come; it stays until another one does.
    pub shown: Option<Arc<BatchPreview>>,
    /// Why the newest request came to nothing.
    pub error: Option<String>,
    pub(in crate::app) requested: Option<BatchRequest>,
    answered: bool,
}

impl BatchView {
    /// Notes what is asked for; whether that is new.
    pub(in crate::app) fn ask(&mut self, request: &BatchRequest) -> bool {
        let is_new = self.requested.as_ref() != Some(request);
        if is_new {
            self.requested = Some(request.clone());
            (self.answered, self.error) = (false, None);
        }
        is_new
    }

    /// Takes the answer to the newest request; whether it is that.
    pub(in crate::app) fn answer(&mut self, request: &BatchRequest, preview: Arc<BatchPreview>) -> bool {
        let fits = self.requested.as_ref() == Some(request);
        if fits {
            self.shown = Some(preview);
            (self.answered, self.error) = (true, None);
        }
        fits
    }

    /// The newest request came to nothing.
    pub(in crate::app) fn failed(&mut self, why: String) {
        self.error = Some(why);
    }

    pub fn is_waiting(&self) -> bool {
        self.requested.is_some() && !self.answered && self.error.is_none()
    }

    /// The index of the scale whose mask is shown.
    pub fn scale_in(&self, preview: &BatchPreview) -> Option<usize> {
        preview.scales.iter().position(|scale| Some(scale.stride) == self.scale)
    }
}

impl Form {
    /// Why no batch can be made of this set-up.
    pub fn batch_problem(&self) -> Option<Cow<'static, str>> {
        let has_teacher = self.experiment.config.teacher.is_some();
        let matters = |key: &str| match key {
            "data" | "imgsz" | "batch" => true,
            // Either model says which anchors there are.
            "student" => !has_teacher,
            key => RunConfig::field(key).is_some_and(|field| field.about.part == Part::Hyp),
        };
        self.set_up_problems().into_iter().find(|problem| matters(problem.key)).map(|problem| problem.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::run::form::OpenThings;
    use crate::geometry::Size;

    #[test]
    fn only_the_newest_request_is_answered() {
        let preview = Arc::new(BatchPreview {
            epoch: 0,
            index: 0,
            per_epoch: 1,
            input: Size::square(64),
            names: Vec::new(),
            scales: Vec::new(),
            images: Vec::new(),
            warnings: Vec::new(),
            skipped: 0,
            left_out: 0,
        });
        let mut view = BatchView::default();
        let request = |step| BatchRequest::of(&Form::default().experiment.config, step, 0);
        assert!(!view.is_waiting());
        assert!(view.ask(&request(0)) && !view.ask(&request(0)) && view.ask(&request(1)));
        assert!(!view.answer(&request(0), Arc::clone(&preview)) && view.is_waiting() && view.shown.is_none());
        assert!(view.answer(&request(1), preview) && !view.is_waiting() && view.shown.is_some());
        view.ask(&request(2));
        view.failed("no such file".to_owned());
        assert!(!view.is_waiting() && view.shown.is_some(), "what was there stays beside the error");
    }

    #[test]
    fn a_batch_needs_data_and_a_model_and_no_folder_for_results() {
        let mut form = Form::default();
        assert!(form.batch_problem().is_some_and(|why| why.contains("data.yaml")));
        form.follow(&OpenThings { data: "d/data.yaml".into(), ..OpenThings::default() });
        assert_eq!(form.batch_problem().as_deref(), Some("Open a student, or choose one here."));
        form.experiment.config.teacher = Some("l.pt".into());
        assert_eq!(form.batch_problem(), None);
        form.experiment.config.batch = 0;
        assert_eq!(form.batch_problem().as_deref(), Some("Batch size is 0; a number from 1 to 4096 is needed"));
    }
}
