//! What a comparison works out, and what it leaves out where nobody asks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use distillscope::geometry::Size;
use distillscope::imitation::loss::Loss;
use distillscope::inspect::{
    AdapterChoice, CompareParts, CompareRequest, Comparison, LabelSource, Probe, Scene, SceneRequest, Tap, compare,
    probe,
};
use distillscope::yolo::checkpoint;
use distillscope::yolo::network::Network;
use tch::{Device, Kind};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data").join(name)
}

/// The sample's teacher and student on its first picture.
fn probes() -> [Probe; 2] {
    let mut pictures: Vec<PathBuf> = std::fs::read_dir(sample("images/val"))
        .expect("the sample's pictures")
        .map(|entry| entry.expect("a picture").path())
        .collect();
    pictures.sort();
    let (labels, input) = (LabelSource::Beside, Size::square(128));
    let request = SceneRequest { image: pictures.remove(0), labels, names: Vec::new(), input };
    let scene = Scene::load(&request).expect("a scene");
    ["models/teacher.pt", "models/student.pt"].map(|name| {
        let checkpoint = checkpoint::open(&sample(name)).expect("a checkpoint");
        let (model, _) = Network::load(&checkpoint, Device::Cpu).expect("a network");
        probe(&model.folded(Kind::Float).expect("a folded network"), &scene.input).expect("a forward pass")
    })
}

fn compared([teacher, student]: &[Probe; 2], loss: Loss, tap: Tap, parts: CompareParts) -> Comparison {
    let request = CompareRequest { tap, adapter: AdapterChoice::LeastSquares, loss };
    compare(Some(teacher), Some(student), &request, parts).expect("a comparison")
}

#[test]
fn what_nobody_asks_for_is_left_out_and_changes_nothing_else() {
    let probes = probes();
    for (loss, tap) in [(Loss::ANSWERS, Tap::Head), (Loss::FEATURES, Tap::Neck)] {
        let [all, none] = [CompareParts::ALL, CompareParts::default()].map(|parts| compared(&probes, loss, tap, parts));
        assert!(all.head_pull.is_some() && none.head_pull.is_none());
        assert_eq!((all.parts, none.parts), (CompareParts::ALL, CompareParts::default()));
        assert_eq!((&all.teacher_detections, &all.notes), (&none.teacher_detections, &none.notes));
        assert_eq!(all.forward, none.forward);
        assert_eq!(all.scales.len(), none.scales.len());
        for (all, none) in all.scales.iter().zip(&none.scales) {
            assert!(none.teacher_head.is_none() && none.student_head.is_none());
            let (teacher, student) = (all.teacher_head.as_ref(), all.student_head.as_ref());
            assert_eq!(teacher.map(|head| head.outputs), Some(none.outputs));
            assert_eq!(student.map(|head| head.outputs), Some(none.outputs));
            assert_eq!((&all.teacher, &all.student, &all.adapted), (&none.teacher, &none.student, &none.adapted));
            assert_eq!((&all.fit, &all.sureness, all.adapter), (&none.fit, &none.sureness, none.adapter));
            let weights = vec![1.0; all.teacher.as_ref().map_or(0, |stack| stack.rows() * stack.cols())];
            let loss = |scale: &distillscope::inspect::ScaleComparison| scale.loss.as_ref().map(|l| l.under(&weights));
            assert!(loss(all).is_some() && loss(all) == loss(none));
        }
    }
}

#[test]
fn features_that_no_adapter_changed_are_held_once() {
    let probes = probes();
    for (loss, tap, shared) in [(Loss::ANSWERS, Tap::Head, true), (Loss::FEATURES, Tap::Neck, false)] {
        for scale in compared(&probes, loss, tap, CompareParts::default()).scales {
            let (own, adapted) = (scale.student.expect("features"), scale.adapted.expect("features"));
            assert_eq!(Arc::ptr_eq(&own, &adapted), shared, "{loss}");
        }
    }
}
