//! The boxes of the ground truths; what is soloed or pointed at lies on top.

use crate::drawing::{Content, Frame, Ink, Item, Kind, Stroke, Tag};
use crate::inspect::SceneLabel;

pub(super) const LAYER: Kind = Kind { name: "labels", items, legend: |_| Vec::new() };

fn items(content: &Content<'_>) -> Vec<Item> {
    let solo = content.solo.filter(|solo| content.labels.iter().any(|(number, _)| number == solo));
    let rank = |number: usize| match number {
        number if Some(number) == solo => 2,
        number if Some(number) == content.pointed => 1,
        _ => 0,
    };
    let mut labels = content.labels.clone();
    labels.sort_by_key(|(number, _)| rank(*number));
    let frame = |(number, label): (usize, &SceneLabel)| {
        let stroke = match solo {
            _ if content.labels_step_back => Stroke::Quiet,
            _ if rank(number) > 0 => Stroke::Strong,
            Some(_) => Stroke::Faint,
            None => Stroke::Solid,
        };
        let named = matches!(stroke, Stroke::Solid | Stroke::Strong);
        let tag = named.then(|| Tag::Truth { number, name: label.name.clone() });
        Item::Frame(Frame { tag, ..Frame::new(label.bbox, Ink::Truth(number), stroke) })
    };
    labels.into_iter().map(frame).collect()
}
