//! The pinned cell in words: why it is in the mask or not, what it costs, and which channels carry the error.

use std::sync::Arc;

use crate::app::state::State;
use crate::app::view::Pin;
use crate::format::significant;
use crate::imitation::choice::MaskSource;
use crate::imitation::difference::{cell_errors, top_channels};
use crate::imitation::explain::{self, CellAt, CellReason, TruthReason, Verdict};
use crate::imitation::mask::{ImitationMask, LevelRule, Psi};
use crate::inspect::{Comparison, ScaleComparison, Scene, Tap};
use crate::language::{Language, t};
use crate::yolo::anchors::AnchorScale;

/// Channels that are named.
const CHANNELS: usize = 5;
/// Objects that the headline names.
const NAMED: usize = 3;

/// Everything that is said of a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    pub pin: Pin,
    /// "P4".
    pub scale: String,
    pub hits: usize,
    /// What a person takes home.
    pub headline: String,
    pub truths: Vec<TruthLines>,
    pub cost: Option<Cost>,
    /// The channels with the largest error, worst first; none without a difference.
    pub channels: Vec<ChannelError>,
}

/// One ground truth at the cell.
#[derive(Clone, Debug, PartialEq)]
pub struct TruthLines {
    pub gt: usize,
    pub name: String,
    pub is_owner: bool,
    /// The verdict and the numbers that it rests on.
    pub verdict: String,
    /// Every anchor's IoU, M of the scale and of all scales.
    pub numbers: String,
}

/// A cell's part of the imitation loss of its scale, at λ = 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    pub loss: &'static str,
    /// What the cell adds, and the loss of the scale.
    pub part: f64,
    pub all: f64,
    /// How much the cell counts, 0 to 1.
    pub weight: f64,
}

/// One channel at the cell.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelError {
    /// The teacher's channel.
    pub channel: usize,
    /// What a head's channel is; a neck's has no name.
    pub name: Option<String>,
    pub teacher: f32,
    /// After the adapter.
    pub student: f32,
    /// Of the cell's squared error, 0..=1; `None` where that is 0.
    pub share: Option<f64>,
}

impl Cost {
    fn of(state: &State, pin: Pin) -> Option<Self> {
        let measures = state.measures.as_ref()?;
        let scale = measures.scale(pin.stride)?;
        let (part, weight) = scale.part_at(pin.row, pin.col)?;
        let all = scale.loss.as_ref()?.loss.unwrap_or(0.0);
        Some(Self { loss: measures.loss_name(), part: f64::from(part), all, weight: f64::from(weight) })
    }

    /// Of the loss; `None` where that is 0.
    pub fn share(&self) -> Option<f64> {
        (self.all > 0.0).then(|| self.part / self.all)
    }

    pub fn sentence(&self, scale: &str) -> String {
        let (loss, all, weight) = (self.loss, significant(self.all), significant(self.weight));
        match self.share().filter(|_| self.part > 0.0) {
            Some(share) => t!(
                "{share} % of {loss} on {scale}: adds {part} of {all} at λ = 1; the cell counts with weight {weight}.",
                share = significant(100.0 * share),
                loss,
                scale,
                part = significant(self.part),
                all,
                weight,
            ),
            None => t!(
                "Adds nothing to {loss} on {scale}, which is {all} at λ = 1; the cell counts with weight {weight}.",
                loss,
                scale,
                all,
                weight,
            ),
        }
    }
}

/// The explanation of the last frame, made anew when something that it is made from has changed.
#[derive(Debug, Default)]
pub struct Explained(Option<(Sources, Option<Explanation>)>);

impl Explained {
    /// What [`explanation`] says.
    pub fn of(&mut self, state: &State) -> Option<&Explanation> {
        let sources = Sources::of(state);
        if self.0.as_ref().map(|(known, _)| known) != sources.as_ref() {
            self.0 = sources.map(|sources| (sources, explanation(state)));
        }
        self.0.as_ref()?.1.as_ref()
    }
}

/// What an explanation is made from.
#[derive(Debug)]
struct Sources {
    pin: Pin,
    scene: Arc<Scene>,
    /// It follows from the IoUs and the anchors.
    mask: Arc<ImitationMask>,
    psi: Psi,
    rule: LevelRule,
    comparison: Option<Arc<Comparison>>,
    source: MaskSource,
    cost: Option<Cost>,
    names: Vec<String>,
    language: Language,
}

impl Sources {
    /// `None` where there is nothing to explain.
    fn of(state: &State) -> Option<Self> {
        let pin = state.pin?;
        Some(Self {
            pin,
            scene: Arc::clone(state.scene.as_ref()?),
            mask: Arc::clone(state.mask.as_ref()?),
            psi: state.imitation.mask.psi,
            rule: state.imitation.mask.rule,
            comparison: state.comparison.clone(),
            source: state.imitation.mask.source,
            cost: Cost::of(state, pin),
            names: state.names().to_vec(),
            language: state.spoken(),
        })
    }
}

impl PartialEq for Sources {
    fn eq(&self, other: &Self) -> bool {
        let same_comparison = match (&self.comparison, &other.comparison) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        same_comparison
            && Arc::ptr_eq(&self.scene, &other.scene)
            && Arc::ptr_eq(&self.mask, &other.mask)
            && (self.pin, self.psi, self.rule, self.source, self.cost, &self.names, self.language)
                == (other.pin, other.psi, other.rule, other.source, other.cost, &other.names, other.language)
    }
}

/// The pinned cell explained; `None` where nothing is pinned, or the masks are not there yet.
pub fn explanation(state: &State) -> Option<Explanation> {
    let pin = state.pin?;
    let (scene, field) = (state.scene.as_ref()?, state.field.as_ref()?);
    let index = state.strides().position(|stride| stride == pin.stride)?;
    let scales = state.scales();
    let cell = CellAt { scale: index, row: pin.row, col: pin.col };
    let reason =
        explain::explain(field, scales, &scene.boxes(), cell, state.imitation.mask.psi, state.imitation.mask.rule)?;
    let name = |gt: usize| scene.labels.get(gt).map_or("", |label| label.name.as_str());
    let truths = reason.truths.iter().map(|truth| TruthLines {
        gt: truth.gt,
        name: name(truth.gt).to_owned(),
        is_owner: truth.is_owner(),
        verdict: verdict(truth, scales, index, state.imitation.mask.psi, state.imitation.mask.rule),
        numbers: numbers(truth, scales, index),
    });
    let scale = scales[index].name();
    // Under the other rules each scale has its own measure of a good fit.
    let measure = (state.imitation.mask.rule != LevelRule::Global).then_some(scale.as_str());
    let cost = Cost::of(state, pin);
    let comparison = state.comparison.as_ref();
    let channels = comparison.and_then(|comparison| {
        let compared = comparison.scale(pin.stride)?;
        let heads = (comparison.tap == Tap::Head).then(|| state.names());
        Some(channels(compared, heads, pin.row, pin.col))
    });
    // Where something else decides what counts, membership in the IoU mask is no answer.
    let headline = match cost.filter(|_| !state.imitation.is_by_iou()) {
        Some(Cost { loss, weight, .. }) => {
            t!("{loss} counts this cell with weight {weight}.", loss, weight = significant(weight))
        }
        None => headline(&reason, scene.labels.is_empty(), measure, |gt| format!("{} ({gt})", name(gt))),
    };
    Some(Explanation {
        pin,
        headline,
        scale,
        hits: reason.hits,
        truths: truths.collect(),
        cost,
        channels: channels.unwrap_or_default(),
    })
}

/// The sentence that is understood without any number. `of`: the scale by whose measure an anchor fits well.
fn headline(reason: &CellReason, unlabelled: bool, of: Option<&str>, name: impl Fn(usize) -> String) -> String {
    let owners: Vec<usize> = reason.owners().map(|truth| truth.gt).collect();
    if !owners.is_empty() {
        let mut names: Vec<String> = owners.iter().take(NAMED).map(|&gt| name(gt)).collect();
        if owners.len() > NAMED {
            names.push(t!("{count} more", count = owners.len() - NAMED));
        }
        let objects = listed(&names);
        return match of {
            Some(scale) => t!("Imitated: an anchor here fits {objects} well enough for {scale}.", objects, scale),
            None => t!("Imitated: an anchor here fits {objects} well enough.", objects),
        };
    }
    let elsewhere = |truth: &TruthReason| matches!(truth.verdict, Verdict::OtherScale | Verdict::Unassigned { .. });
    let why = if unlabelled {
        t!("Not imitated: this image has no labelled object.")
    } else if reason.truths.is_empty() {
        t!("Not imitated: no labelled object is near.")
    } else if reason.truths.iter().all(elsewhere) {
        t!("Not imitated: what is labelled here is left to another scale.")
    } else if let Some(scale) = of {
        return t!("Not imitated: no anchor here fits a labelled object well enough for {scale}.", scale);
    } else {
        t!("Not imitated: no anchor here fits a labelled object well enough.")
    };
    why.to_owned()
}

/// "a", "a and b", "a, b and c".
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => t!("{first} and {last}", first = first.join(t!(", ")), last),
    }
}

fn verdict(truth: &TruthReason, scales: &[AnchorScale], index: usize, psi: Psi, rule: LevelRule) -> String {
    let number = |value: f32| significant(f64::from(value));
    let scale = scales[index].name();
    let of_all = rule == LevelRule::Global;
    let most = if of_all { truth.all_max } else { truth.scale_max };
    let product = format!("{psi} × {} = {}", number(most), number(truth.threshold));
    let (anchor, best) = truth.best();
    let shape = |anchor: usize| {
        let [width, height] = scales[index].anchors[anchor];
        format!("{anchor} ({width:.0}×{height:.0})")
    };
    match &truth.verdict {
        Verdict::Marked { anchors } => {
            let which: Vec<String> = anchors.iter().map(|&anchor| shape(anchor)).collect();
            let (iou, which) = (above(best, truth.threshold), listed(&which));
            if anchors.len() == 1 {
                t!("IoU {iou} > {product}: marked by anchor {which}", iou, product, which)
            } else {
                t!("IoU {iou} > {product}: marked by anchors {which}", iou, product, which)
            }
        }
        Verdict::Below => {
            t!(
                "left out: the best IoU here is {iou}, of anchor {anchor}; the threshold is {product}",
                iou = number(best),
                anchor = shape(anchor),
                product
            )
        }
        Verdict::OtherScale => {
            let other = scales.get(truth.best_scale).map_or_else(String::new, AnchorScale::name);
            t!(
                "rule global: left to {other}, which fits it better; the best IoU on {scale} is {iou}, the threshold {product}",
                other,
                scale,
                iou = number(truth.scale_max),
                product
            )
        }
        Verdict::Unassigned { ratio } => {
            t!(
                "rule assigned: {scale} is left out for it, since a side is off by {ratio} ≥ {most}",
                scale,
                ratio = number(*ratio),
                most = crate::imitation::mask::ANCHOR_T
            )
        }
    }
}

/// A number that is larger than another, with as many digits as it takes to see that.
fn above(value: f32, than: f32) -> String {
    let (value, than) = (f64::from(value), f64::from(than));
    let short = significant(value);
    if short == significant(than) { format!("{value:.7}") } else { short }
}

fn numbers(truth: &TruthReason, scales: &[AnchorScale], index: usize) -> String {
    let number = |value: f32| significant(f64::from(value));
    let ious = scales[index].anchors.iter().zip(&truth.ious);
    let ious: Vec<String> =
        ious.map(|([width, height], &iou)| format!("{width:.0}×{height:.0}: {}", number(iou))).collect();
    let best = scales.get(truth.best_scale).map_or_else(String::new, AnchorScale::name);
    t!(
        "IoU here {ious} · M on {scale} {most}, of all scales {all} ({best})",
        ious = ious.join(", "),
        scale = scales[index].name(),
        most = number(truth.scale_max),
        all = number(truth.all_max),
        best
    )
}

/// `heads`: the class names, where the channels are those of a head.
fn channels(scale: &ScaleComparison, heads: Option<&[String]>, row: usize, col: usize) -> Vec<ChannelError> {
    let (Some(teacher), Some(student)) = (scale.teacher.as_deref(), scale.adapted.as_deref()) else {
        return Vec::new();
    };
    let errors = cell_errors(teacher, student, row, col).unwrap_or_default();
    let total: f64 = errors.iter().sum();
    let outputs = scale.outputs;
    let line = |channel: usize| {
        let name = heads.filter(|_| outputs > 0).map(|names| output_name(channel, outputs, names));
        let (teacher, student) = (teacher.get(channel, row, col)?, student.get(channel, row, col)?);
        let share = (total > 0.0).then(|| errors[channel] / total);
        Some(ChannelError { channel, name, teacher, student, share })
    };
    top_channels(&errors, CHANNELS).into_iter().filter_map(line).collect()
}

/// What a head's channel is: its anchor, and of the anchor's outputs the box, the objectness or a class.
fn output_name(channel: usize, outputs: usize, names: &[String]) -> String {
    let what = match channel % outputs {
        0 => "x".to_owned(),
        1 => "y".to_owned(),
        2 => "w".to_owned(),
        3 => "h".to_owned(),
        4 => t!("objectness").to_owned(),
        output => crate::inspect::class_name(names, output - 5),
    };
    t!("anchor {anchor} {what}", anchor = channel / outputs, what)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::app::measures::Measures;
    use crate::app::state::{AnchorOwner, MaskAnchors};
    use crate::app::view::ChannelView;
    use crate::geometry::{BoundingBox, Letterbox, Size};
    use crate::grid::Grid;
    use crate::imitation::choice::{CellTerm, CellTerms, Loss};
    use crate::imitation::difference::{DifferenceKind, FeatureStack};
    use crate::imitation::mask::{IouConvention, IouField};
    use crate::inspect::{Comparison, ImitationChoice, Scene, SceneLabel};

    fn scales() -> Vec<AnchorScale> {
        vec![
            AnchorScale { stride: 8, anchors: vec![[8.0, 8.0], [16.0, 8.0]] },
            AnchorScale { stride: 16, anchors: vec![[16.0, 16.0]] },
        ]
    }

    /// An input of 32 × 16 px; on P4 both models see six channels on 1 × 2 cells, all 0 but for the student's at the
    /// first cell: 1, −3, 2, 0, 0, 0.5.
    fn state(rule: LevelRule) -> State {
        state_by(rule, MaskSource::Iou)
    }

    fn state_by(rule: LevelRule, source: MaskSource) -> State {
        let (size, anchors) = (Size::new(32, 16), scales());
        let label = |name: &str, bbox| SceneLabel { class: 0, name: name.into(), bbox };
        let picture = Arc::new(image::RgbImage::new(32, 16));
        let scene = Scene {
            path: "a.png".into(),
            size,
            letterbox: Letterbox::fit(size, size, true),
            input: Arc::clone(&picture),
            display: picture,
            labels: vec![
                label("cell", BoundingBox::new(8.0, 0.0, 16.0, 8.0)),
                label("edge", BoundingBox::new(0.0, 0.0, 32.0, 4.0)),
            ],
            warnings: Vec::new(),
        };
        let field = IouField::compute(&anchors, size, &scene.boxes(), IouConvention::Exact);
        let mask = field.mask(Psi::default(), rule);
        let at_first = [1.0, -3.0, 2.0, 0.0, 0.0, 0.5];
        let student = at_first.iter().flat_map(|&value| [value, 0.0]).collect();
        let stack = |values| Some(Arc::new(FeatureStack::new(6, 1, 2, values).expect("6 x 1 x 2")));
        // Half the mean of Σc d² over what counts: 1 + 9 + 4 + 0.25 at the first cell.
        let row = |values: [f32; 2]| Grid::from_values(2, 1, values.to_vec()).expect("1 x 2");
        let (value, weight) = (row([14.25, 0.0]), row([1.0, 1.0]));
        let term = CellTerm { name: "squared", factor: 0.5, value, weight, masked: true };
        let terms = CellTerms { terms: vec![term], emphasis: row([1.0, 0.75]) };
        let comparison = Arc::new(Comparison {
            tap: Tap::Head,
            loss: Loss::LOGITS,
            scales: vec![ScaleComparison {
                stride: 16,
                teacher: stack(vec![0.0; 12]),
                student: None,
                adapted: stack(student),
                adapter: "none",
                fit: None,
                outputs: 6,
                teacher_head: None,
                student_head: None,
                loss: Some(Arc::new(terms)),
                sureness: None,
            }],
            head_pull: None,
            teacher_detections: None,
            student_detections: None,
            teacher_seconds: None,
            student_seconds: None,
            forward: None,
            parts: crate::inspect::CompareParts::ALL,
            notes: Vec::new(),
        });
        let mut measures = Measures::new(&comparison, Some(DifferenceKind::L1), ChannelView::All);
        measures.weigh(&anchors, Some(&mask), source, &scene.boxes());
        let mut imitation = ImitationChoice::default();
        (imitation.mask.rule, imitation.mask.source) = (rule, source);
        State {
            scene: Some(Arc::new(scene)),
            anchors: Some(MaskAnchors { scales: anchors, owner: AnchorOwner::Default, note: None }),
            field: Some(Arc::new(field)),
            mask: Some(Arc::new(mask)),
            imitation,
            comparison: Some(comparison),
            measures: Some(measures),
            ..State::default()
        }
    }

    fn at(rule: LevelRule, stride: u32, row: usize, col: usize) -> Explanation {
        let pin = Some(Pin { stride, row, col });
        explanation(&State { pin, ..state(rule) }).expect("a cell of the map")
    }

    fn verdicts(explanation: &Explanation) -> Vec<&str> {
        explanation.truths.iter().map(|truth| truth.verdict.as_str()).collect()
    }

    #[test]
    fn every_verdict_in_words() {
        let marked = at(LevelRule::PerScale, 8, 0, 1);
        assert_eq!(marked.headline, "Imitated: an anchor here fits cell (0) and edge (1) well enough for P3.");
        assert_eq!(
            verdicts(&marked),
            [
                "IoU 1.00 > 0.5 × 1.00 = 0.500: marked by anchor 0 (8×8)",
                "IoU 0.333 > 0.5 × 0.333 = 0.167: marked by anchors 0 (8×8) and 1 (16×8)"
            ]
        );
        assert_eq!(marked.truths[0].numbers, "IoU here 8×8: 1.00, 16×8: 0.500 · M on P3 1.00, of all scales 1.00 (P3)");

        let beside = at(LevelRule::PerScale, 8, 0, 2);
        let below = "left out: the best IoU here is 0.200, of anchor 1 (16×8); the threshold is 0.5 × 1.00 = 0.500";
        assert_eq!(beside.headline, "Imitated: an anchor here fits edge (1) well enough for P3.");
        assert_eq!((beside.hits, verdicts(&beside)[1]), (2, below));

        let coarse = at(LevelRule::Global, 16, 0, 0);
        assert_eq!(
            verdicts(&coarse),
            [
                "IoU 0.200 > 0.5 × 0.333 = 0.167: marked by anchor 0 (16×16)",
                "rule global: left to P3, which fits it better; the best IoU on P4 is 0.250, the threshold \
                 0.5 × 1.00 = 0.500"
            ]
        );
        let assigned = at(LevelRule::Assigned, 16, 0, 1);
        assert_eq!(verdicts(&assigned), ["rule assigned: P4 is left out for it, since a side is off by 4.00 ≥ 4"]);
        assert_eq!(assigned.headline, "Not imitated: what is labelled here is left to another scale.");
        let far = at(LevelRule::PerScale, 8, 1, 3);
        assert_eq!((far.headline.as_str(), far.truths.len()), ("Not imitated: no labelled object is near.", 0));
    }

    #[test]
    fn an_explanation_is_kept_until_what_it_is_made_from_changes() {
        let mut state = State { pin: Some(Pin { stride: 16, row: 0, col: 0 }), ..state(LevelRule::PerScale) };
        let mut explained = Explained::default();
        assert_eq!(explained.of(&state).cloned(), explanation(&state));
        // The text lies where it lay: nothing was made anew.
        let place = |explained: &mut Explained, state: &State| {
            explained.of(state).map(|explanation| explanation.headline.as_ptr())
        };
        let before = place(&mut explained, &state);
        assert_eq!(place(&mut explained, &state), before);
        state.now += 1.0;
        state.view.opacity = 0.5;
        assert_eq!(place(&mut explained, &state), before);
        state.imitation.mask.psi = Psi::saturating(1.0);
        assert_eq!(explained.of(&state).cloned(), explanation(&state));
        state.comparison = None;
        assert_eq!(explained.of(&state).map(|explanation| explanation.channels.len()), Some(0));
        state.pin = Some(Pin { stride: 16, row: 0, col: 1 });
        assert_eq!(explained.of(&state).map(|explanation| explanation.pin.col), Some(1));
        state.pin = None;
        assert_eq!(explained.of(&state), None);
        assert!(explained.0.is_none(), "and nothing is held");
    }

    #[test]
    fn a_cell_without_a_fitting_anchor_says_so_whatever_else_is_left_out() {
        let pin = Some(Pin { stride: 8, row: 0, col: 1 });
        let mut state = State { pin, ..state(LevelRule::Global) };
        state.imitation.mask.psi = Psi::saturating(1.0);
        let strict = explanation(&state).expect("a cell of the map");
        assert_eq!(strict.headline, "Not imitated: no anchor here fits a labelled object well enough.");
        assert_eq!(explanation(&State { pin: Some(Pin { stride: 8, row: 2, col: 0 }), ..state }), None);
    }

    #[test]
    fn the_cost_of_a_cell_by_hand() {
        // Of two cells the first alone differs: all of 14.25 / (2 · 2).
        let cost = at(LevelRule::PerScale, 16, 0, 0).cost.expect("both models");
        assert_eq!(cost, Cost { loss: "logits", part: 3.5625, all: 3.5625, weight: 1.0 });
        assert_eq!(
            cost.sentence("P4"),
            "100 % of logits on P4: adds 3.56 of 3.56 at λ = 1; the cell counts with weight 1.00."
        );
        // The assigned rule leaves the second cell out, and the first has all of 14.25 / 2.
        let outside = at(LevelRule::Assigned, 16, 0, 1).cost.expect("both models");
        assert_eq!(outside, Cost { loss: "logits", part: 0.0, all: 7.125, weight: 0.0 });
        assert_eq!(
            outside.sentence("P4"),
            "Adds nothing to logits on P4, which is 7.12 at λ = 1; the cell counts with weight 0."
        );
        assert_eq!(at(LevelRule::PerScale, 8, 0, 0).cost, None, "no features on this scale");
    }

    /// Outside of the IoU mask, and counted all the same.
    #[test]
    fn where_no_iou_decides_the_weight_is_the_answer() {
        let pin = Some(Pin { stride: 16, row: 0, col: 1 });
        let found = explanation(&State { pin, ..state_by(LevelRule::Assigned, MaskSource::None) }).expect("a cell");
        assert_eq!(found.headline, "logits counts this cell with weight 0.750.");
        assert_eq!((found.hits, found.cost.map(|cost| cost.all)), (0, Some(3.5625)));
    }

    #[test]
    fn the_worst_channels_with_their_share_and_what_a_head_calls_them() {
        let found = at(LevelRule::PerScale, 16, 0, 0).channels;
        assert_eq!(found.iter().map(|line| line.channel).collect::<Vec<_>>(), [1, 2, 0, 5, 3]);
        assert_eq!((found[0].teacher, found[0].student, found[0].share), (0.0, -3.0, Some(9.0 / 14.25)));
        let names: Vec<&str> = found.iter().filter_map(|line| line.name.as_deref()).collect();
        assert_eq!(names, ["anchor 0 y", "anchor 0 w", "anchor 0 x", "anchor 0 class 0", "anchor 0 h"]);
        assert_eq!(output_name(6 + 4, 6, &[]), "anchor 1 objectness");
        // Where nothing differs there is nothing to share.
        assert_eq!(at(LevelRule::PerScale, 16, 0, 1).channels[0].share, None);
    }

    #[test]
    fn a_close_call_shows_the_digits_that_decide_it() {
        assert_eq!(above(0.5, 0.25), "0.500");
        assert_eq!(above(0.310_04, 0.310_01), "0.3100400");
    }
}
