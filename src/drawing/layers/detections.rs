//! What the models detect.

use crate::drawing::{Content, Found, Frame, Ink, Item, Kind, LegendEntry, Sign, Stroke, Tag};
use crate::inspect::{DetectionView, Role};

pub(super) const LAYER: Kind = Kind { name: "detections", items, legend };

fn items(content: &Content<'_>) -> Vec<Item> {
    let of = |found: &Found| {
        let (role, named) = (found.role, found.named);
        let frame = move |detection: &DetectionView| {
            let tag = Tag::Found { role, name: detection.name.clone(), score: detection.score, named };
            Item::Frame(Frame { tag: Some(tag), ..Frame::new(detection.bbox, Ink::Model(role), Stroke::Dashed) })
        };
        found.detections.iter().map(frame).collect::<Vec<_>>()
    };
    content.found.iter().flat_map(of).collect()
}

fn legend(items: &[Item]) -> Vec<LegendEntry> {
    let shown = |role| items.iter().any(|item| matches!(item, Item::Frame(frame) if frame.ink == Ink::Model(role)));
    let entry = |role: Role| LegendEntry::new(Sign::Dashed(Ink::Model(role)), format!("found by the {}", role.name()));
    Role::ALL.into_iter().filter(|role| shown(*role)).map(entry).collect()
}
