//! A run in the story: what it was made with, what its losses did, and where its student stands, as lines of text.

use super::Line;
use super::line::say;
use crate::format::{significant, tick};

/// What a run was made with. `None` is what it does not say: settings of the window are never put in its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSettings {
    /// Width and height of the network's input, px.
    pub input: Option<[u32; 2]>,
    /// The imitation loss.
    pub loss: Option<&'static str>,
    pub tap: Option<&'static str>,
    pub mask_source: Option<&'static str>,
    /// Of the mask source `iou` alone.
    pub psi: Option<f32>,
    pub level_rule: Option<&'static str>,
    pub lambda: Option<RunLambda>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RunLambda {
    Fixed(f64),
    /// ‖λ ∇imitation‖ / ‖∇detection‖
    GradientRatio(f64),
}

/// One kind of mAP on val, 0 to 1, each where it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accuracy {
    /// The student before its first step.
    pub before: Option<f64>,
    /// At the last evaluation, and the best of any.
    pub last: Option<f64>,
    pub best: Option<f64>,
    pub teacher: Option<f64>,
    /// The baseline without imitation at its last evaluation.
    pub baseline: Option<f64>,
}

/// What the pairs of a experiment say together.
#[derive(Clone, Debug, PartialEq)]
pub struct StoryVerdict {
    /// "mAP50-95", and "val" or "test".
    pub metric: String,
    pub split: String,
    pub pairs: usize,
    /// Mean difference, with imitation minus without, and its 95 % interval; none for one pair.
    pub mean: f64,
    pub interval: Option<[f64; 2]>,
    /// `None`: it cannot be told yet.
    pub helps: Option<bool>,
    pub seeds_needed: Option<usize>,
}

/// A run as far as it has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoryRun {
    pub name: String,
    /// Steps done.
    pub step: u64,
    pub settings: RunSettings,
    /// Means of the first and of the last epoch, equal after one: of box, objectness and class together; of the imitation
    /// at λ = 1; of λ.
    pub detection: Option<[f64; 2]>,
    pub distance: Option<[f64; 2]>,
    pub lambda: Option<[f64; 2]>,
    /// Epochs done.
    pub epochs: usize,
    /// mAP50-95 and mAP50.
    pub map: Accuracy,
    pub map50: Accuracy,
    pub verdict: Option<StoryVerdict>,
}

impl RunSettings {
    pub fn facts(&self) -> Vec<Line> {
        let named = |name: Option<&'static str>| name.map(Line::word);
        let marked = self.mask_source == Some("iou");
        let facts = [
            self.input.map(|[width, height]| say!("trained at {size} px", size = format!("{width}×{height}"))),
            self.loss.map(|loss| say!("loss {loss}", loss = loss)),
            named(self.tap).map(|tap| say!("tap {tap}", tap = tap)),
            self.mask_source.filter(|_| !marked).map(|source| say!("mask source {source}", source = source)),
            self.psi.filter(|_| marked).map(|psi| format!("ψ = {psi}").into()),
            named(self.level_rule).filter(|_| marked).map(|rule| say!("level rule {rule}", rule = rule)),
            self.lambda.map(|lambda| match lambda {
                RunLambda::Fixed(lambda) => format!("λ = {}", tick(lambda)).into(),
                RunLambda::GradientRatio(ratio) => say!("gradient ratio {ratio}", ratio = tick(ratio)),
            }),
        ];
        facts.into_iter().flatten().collect()
    }
}

impl Accuracy {
    /// Each that is known, with its name.
    pub fn known(&self) -> Vec<(&'static str, f64)> {
        let named = [
            ("before", self.before),
            ("last", self.last),
            ("best", self.best),
            ("teacher", self.teacher),
            ("baseline", self.baseline),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Whether the student is worse than it was, as far as three digits tell.
    pub fn is_below_start(&self) -> bool {
        self.before.zip(self.last).is_some_and(|(before, last)| before - last >= 5e-4)
    }

    fn line(&self, what: &'static str) -> Option<Line> {
        let each = self
            .known()
            .into_iter()
            .map(|(name, value)| say!("{name} {value}", name = Line::word(name), value = format!("{value:.3}")));
        let list = each.reduce(|list, next| say!("{list}, {next}", list = list, next = next))?;
        Some(say!("{what}: {list}", what = what, list = list))
    }
}

impl StoryVerdict {
    pub fn line(&self) -> Line {
        let Self { metric, split, pairs, mean, .. } = self;
        let mean = format!("{mean:+.3}");
        let Some([low, high]) = self.interval else {
            return say!(
                "one pair is no verdict: {metric} on {split} {mean} with imitation",
                metric = metric,
                split = split,
                mean = mean
            );
        };
        let measured = say!(
            "{metric} on {split} {mean}, 95 % interval {low} to {high}, {pairs} pairs",
            metric = metric,
            split = split,
            mean = mean,
            low = format!("{low:+.3}"),
            high = format!("{high:+.3}"),
            pairs = pairs
        );
        match (self.helps, self.seeds_needed) {
            (Some(true), _) => say!("imitation helps: {measured}", measured = measured),
            (Some(false), _) => say!("imitation hurts: {measured}", measured = measured),
            (None, Some(seeds)) => {
                say!(
                    "cannot tell yet: {measured}; about {seeds} pairs would settle it",
                    measured = measured,
                    seeds = seeds
                )
            }
            (None, None) => say!("cannot tell: {measured}", measured = measured),
        }
    }
}

impl StoryRun {
    /// What its losses did. What fell and what was faded are told apart: λ · L falls with λ alone too.
    pub(super) fn losses(&self) -> Vec<Line> {
        let mut lines = vec![match self.settings.loss {
            Some(loss) => say!("{run}, step {step}, loss {loss}", run = &self.name, step = self.step, loss = loss),
            None => say!("{run}, step {step}", run = &self.name, step = self.step),
        }];
        let [detection, distance] =
            [self.detection, self.distance].map(|means| means.map(|ends| ends.map(significant)));
        if let Some([first, last]) = detection {
            lines.push(match self.epochs {
                1 => say!("detection, mean of the first epoch: {first}", first = first),
                _ => say!("detection, epoch means: from {first} to {last}", first = first, last = last),
            });
        }
        if let Some([first, last]) = distance {
            lines.push(match self.epochs {
                1 => say!("L at λ = 1, mean of the first epoch: {first}", first = first),
                _ => say!("L at λ = 1, epoch means: from {first} to {last}", first = first, last = last),
            });
        }
        match self.lambda {
            Some([first, last]) if last < 0.99 * first => lines.push(say!(
                "λ faded from {first} to {last}: λ · L falls by that alone",
                first = significant(first),
                last = significant(last)
            )),
            Some([first, last]) if last > 1.01 * first => {
                lines.push(say!("λ grew from {first} to {last}", first = significant(first), last = significant(last)))
            }
            _ => {}
        }
        lines.extend(self.warning());
        lines
    }

    /// Where its student stands.
    pub(super) fn accuracies(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = self.map.line("mAP50-95").into_iter().chain(self.map50.line("mAP50")).collect();
        lines.extend(self.start_is_unknown());
        lines.extend(self.verdict.as_ref().map(StoryVerdict::line));
        lines.extend(self.warning());
        lines
    }

    /// Said where there is no evaluation of step 0, so that nobody takes another number for it.
    pub fn start_is_unknown(&self) -> Option<Line> {
        let known = self.map.before.is_some() || self.map.last.is_none();
        (!known)
            .then(|| say!("How good the student was before its first step is not known: this run did not record it."))
    }

    /// A student that is worse than it was.
    pub fn warning(&self) -> Option<Line> {
        let Accuracy { before: Some(before), last: Some(last), .. } = self.map else { return None };
        let [before, last] = [before, last].map(|value| format!("{value:.3}"));
        self.map.is_below_start().then(|| {
            say!(
                "The student is below its start: mAP50-95 {before} before, {last} at its last evaluation.",
                before = before,
                last = last
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn english(lines: &[Line]) -> Vec<String> {
        lines.iter().map(Line::english).collect()
    }

    /// The collapsed run of a learning rate that is far too high: better after epoch 2 than after epoch 1, and ruined.
    fn collapsed() -> StoryRun {
        let accuracy = |before, last, best, teacher| Accuracy {
            before: Some(before),
            last: Some(last),
            best: Some(best),
            teacher: Some(teacher),
            baseline: None,
        };
        StoryRun {
            name: "run-1".into(),
            step: 40,
            settings: RunSettings { loss: Some("logits"), ..RunSettings::default() },
            detection: Some([0.5, 0.25]),
            distance: Some([330.0, 369.0]),
            lambda: Some([0.5, 0.1]),
            epochs: 2,
            map: accuracy(0.260, 0.016, 0.016, 0.7),
            map50: accuracy(0.5, 0.038, 0.038, 0.9),
            verdict: None,
        }
    }

    #[test]
    fn a_collapsed_student_is_called_one() {
        let run = collapsed();
        let below = "The student is below its start: mAP50-95 0.260 before, 0.016 at its last evaluation.";
        assert_eq!(
            english(&run.accuracies()),
            [
                "mAP50-95: before 0.260, last 0.016, best 0.016, teacher 0.700",
                "mAP50: before 0.500, last 0.038, best 0.038, teacher 0.900",
                below
            ]
        );
        assert_eq!(
            english(&run.losses()),
            [
                "run-1, step 40, loss logits",
                "detection, epoch means: from 0.500 to 0.250",
                "L at λ = 1, epoch means: from 330 to 369",
                "λ faded from 0.500 to 0.100: λ · L falls by that alone",
                below
            ]
        );
    }

    #[test]
    fn a_run_that_helped_is_not_warned_of_and_one_without_a_start_says_so() {
        let helped = StoryRun { map: Accuracy { last: Some(0.3), ..collapsed().map }, ..collapsed() };
        assert_eq!((helped.warning(), helped.start_is_unknown()), (None, None));
        let level = Accuracy { before: Some(0.2604), last: Some(0.2600), ..Accuracy::default() };
        assert!(!level.is_below_start(), "three digits do not tell them apart");
        let old = Accuracy { before: None, teacher: None, ..collapsed().map };
        let old = StoryRun { map: old, map50: Accuracy::default(), ..collapsed() };
        assert_eq!(
            english(&old.accuracies()),
            [
                "mAP50-95: last 0.016, best 0.016",
                "How good the student was before its first step is not known: this run did not record it."
            ]
        );
    }

    #[test]
    fn what_pairs_say_is_said_with_its_interval() {
        let verdict = StoryVerdict {
            metric: "mAP50-95".into(),
            split: "val".into(),
            pairs: 5,
            mean: 0.012,
            interval: Some([0.004, 0.02]),
            helps: Some(true),
            seeds_needed: None,
        };
        let measured = "mAP50-95 on val +0.012, 95 % interval +0.004 to +0.020, 5 pairs";
        assert_eq!(verdict.line().english(), format!("imitation helps: {measured}"));
        let hurts = StoryVerdict { helps: Some(false), ..verdict.clone() };
        assert_eq!(hurts.line().english(), format!("imitation hurts: {measured}"));
        let unsure = StoryVerdict { helps: None, seeds_needed: Some(9), ..verdict.clone() };
        assert_eq!(unsure.line().english(), format!("cannot tell yet: {measured}; about 9 pairs would settle it"));
        let one = StoryVerdict { pairs: 1, interval: None, helps: None, ..verdict };
        assert_eq!(one.line().english(), "one pair is no verdict: mAP50-95 on val +0.012 with imitation");
    }

    #[test]
    fn settings_name_what_decided_the_mask() {
        let settings = RunSettings {
            input: Some([320, 320]),
            loss: Some("answers"),
            tap: Some("head"),
            mask_source: Some("none"),
            psi: Some(0.5),
            level_rule: Some("global"),
            lambda: Some(RunLambda::Fixed(1.0)),
        };
        assert_eq!(
            english(&settings.facts()),
            ["trained at 320×320 px", "loss answers", "tap head", "mask source none", "λ = 1"]
        );
        let lambda = Some(RunLambda::GradientRatio(0.5));
        let masked = RunSettings { mask_source: Some("iou"), input: None, lambda, ..settings };
        assert_eq!(
            english(&masked.facts()),
            ["loss answers", "tap head", "ψ = 0.5", "level rule global", "gradient ratio 0.5"]
        );
        assert!(RunSettings::default().facts().is_empty(), "nothing is invented");
    }
}
