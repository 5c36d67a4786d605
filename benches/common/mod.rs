//! What both window benches draw: 100 boxes on a 640 px input and feature maps of yolov5l's size.

use std::sync::Arc;

use distillscope::geometry::{BoundingBox, Letterbox, Size};
use distillscope::imitation::difference::FeatureStack;
use distillscope::imitation::loss::Loss;
use distillscope::inspect::{Comparison, ScaleComparison, Scene, SceneLabel, Tap};

pub const INPUT: Size = Size::square(640);

pub fn scene() -> Arc<Scene> {
    let picture = Arc::new(image::RgbImage::from_pixel(1280, 960, image::Rgb([90, 120, 60])));
    let size = Size::new(1280, 960);
    let labels = (0..100_usize).map(|k| {
        let (x, y) = ((k * 61 % 600) as f32 + 20.0, (k * 97 % 440) as f32 + 100.0);
        let bbox = BoundingBox::from_center(x, y, 12.0 + (k * 7 % 90) as f32, 12.0 + (k * 13 % 70) as f32);
        SceneLabel { class: k, name: format!("class {k}"), bbox }
    });
    Arc::new(Scene {
        path: "bench.jpg".into(),
        size,
        letterbox: Letterbox::fit(size, INPUT, true),
        input: Arc::clone(&picture),
        display: picture,
        labels: labels.collect(),
        warnings: Vec::new(),
    })
}

/// yolov5l's neck: 256, 512 and 1024 channels.
pub fn comparison() -> Arc<Comparison> {
    let stack = |stride: u32, seed: u32| {
        let (channels, side) = (32 * stride as usize, (640 / stride) as usize);
        let value = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) ^ seed) as f32 / u32::MAX as f32;
        let values = (0..channels * side * side).map(value).collect();
        FeatureStack::new(channels, side, side, values).map(Arc::new).ok()
    };
    let scales = [8, 16, 32].map(|stride| ScaleComparison {
        stride,
        teacher: stack(stride, 1),
        student: stack(stride, 2),
        adapted: stack(stride, 3),
        adapter: "least-squares",
        fit: None,
        outputs: 0,
        teacher_head: None,
        student_head: None,
        loss: None,
        sureness: None,
    });
    Arc::new(Comparison {
        tap: Tap::Neck,
        loss: Loss::FEATURES,
        scales: scales.to_vec(),
        head_pull: None,
        teacher_detections: None,
        student_detections: None,
        teacher_seconds: None,
        student_seconds: None,
        forward: None,
        parts: distillscope::inspect::CompareParts::ALL,
        notes: Vec::new(),
    })
}
