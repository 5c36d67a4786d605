//! Hyperparameters under the names of YOLOv5's `hyp.*.yaml`.

use serde::{Deserialize, Serialize};

use super::RunConfig;
use super::option::{About, Part, Place, Range, Setting, Spec, Value, options};
use super::values::Recipe;
use crate::dataset::Augmentation;

options! {
    /// What a run trains with.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    pub struct Hyperparameters by recipe: Recipe, at config => config.hyp, in Part::Hyp;

    lr0: f64 = recipe.either(0.003, 0.01), "lr0", "First learning rate.", { range: Range::POSITIVE };
    lrf: f64 = 0.01, "lrf", "Last learning rate, as a share of the first.", { range: Range::NOT_NEGATIVE };
    momentum: f64 = 0.937, "momentum", "SGD's momentum, Adam's β₁.", { range: Range::SHARE };
    weight_decay: f64 = recipe.either(0.02, 0.0005),
        "weight_decay", "Of the weights; biases and batch norms have none.", { range: Range::NOT_NEGATIVE };
    warmup_epochs: f64 = 3.0,
        "warmup_epochs", "Epochs over which the learning rate and the momentum warm up.", { range: Range::NOT_NEGATIVE };
    warmup_momentum: f64 = recipe.either(0.937, 0.8),
        "warmup_momentum", "The momentum at the first step.", { range: Range::SHARE };
    warmup_bias_lr: f64 = recipe.either(0.0, 0.1),
        "warmup_bias_lr", "The biases' learning rate at the first step.", { range: Range::NOT_NEGATIVE };
    #[serde(rename = "box")]
    box_gain: f64 = 0.05, "box", "Gain of the box loss.", { key: "box", range: Range::NOT_NEGATIVE };
    cls: f64 = 0.5, "cls", "Gain of the class loss.", { range: Range::NOT_NEGATIVE };
    cls_pw: f64 = 1.0, "cls_pw", "Weight of positives in the class loss.", { range: Range::NOT_NEGATIVE };
    obj: f64 = 1.0, "obj", "Gain of the objectness loss.", { range: Range::NOT_NEGATIVE };
    obj_pw: f64 = 1.0, "obj_pw", "Weight of positives in the objectness loss.", { range: Range::NOT_NEGATIVE };
    anchor_t: f64 = 4.0,
        "anchor_t", "Largest ratio of a ground truth's side to an anchor's.", { range: Range::POSITIVE };
    fl_gamma: f64 = 0.0, "fl_gamma", "Focal loss γ; 0 is plain cross-entropy.", { range: Range::NOT_NEGATIVE };
    label_smoothing: f64 = 0.0, "label_smoothing", "Softens the classes' targets.", { range: Range::SHARE };
    hsv_h: f64 = 0.015, "hsv_h", "Jitter of the hue.", { range: Range::SHARE, place: Place::Augmentation };
    hsv_s: f64 = 0.7, "hsv_s", "Jitter of the saturation.", { range: Range::SHARE, place: Place::Augmentation };
    hsv_v: f64 = 0.4, "hsv_v", "Jitter of the brightness.", { range: Range::SHARE, place: Place::Augmentation };
    degrees: f64 = 0.0, "degrees", "Rotation, ± degrees.", { range: Range::NOT_NEGATIVE, place: Place::Augmentation };
    translate: f64 = 0.1,
        "translate", "Shift, ± share of the image.", { range: Range::SHARE, place: Place::Augmentation };
    scale: f64 = 0.5, "scale", "Zoom, ± share.", { range: Range::NOT_NEGATIVE, place: Place::Augmentation };
    shear: f64 = 0.0, "shear", "Shear, ± degrees.", { range: Range::NOT_NEGATIVE, place: Place::Augmentation };
    perspective: f64 = 0.0, "perspective", "Perspective, ± share; 0 to 0.001.",
        { range: Range::NOT_NEGATIVE, place: Place::Augmentation };
    flipud: f64 = 0.0,
        "flipud", "Probability of an upside-down flip.", { range: Range::SHARE, place: Place::Augmentation };
    fliplr: f64 = 0.5, "fliplr", "Probability of a left-right flip.", { range: Range::SHARE, place: Place::Augmentation };
    mosaic: f64 = 1.0,
        "mosaic", "Probability of a mosaic of four images.", { range: Range::SHARE, place: Place::Augmentation };
    mixup: f64 = 0.0,
        "mixup", "Probability of a blend of two mosaics.", { range: Range::SHARE, place: Place::Augmentation };
    /// Needs segments, which a detection data set has not; kept so that the file loads.
    copy_paste: f64 = 0.0;
    /// Unused by YOLOv5 v7.0 too; kept so that the file loads.
    iou_t: f64 = 0.2;
}

/// YOLOv5's, for low augmentation.
impl Default for Hyperparameters {
    fn default() -> Self {
        Self::of(Recipe::Yolov5)
    }
}

impl Recipe {
    pub fn hyp(self) -> Hyperparameters {
        Hyperparameters::of(self)
    }
}

impl Hyperparameters {
    pub fn augmentation(&self) -> Augmentation {
        Augmentation {
            hsv_h: self.hsv_h,
            hsv_s: self.hsv_s,
            hsv_v: self.hsv_v,
            degrees: self.degrees,
            translate: self.translate,
            scale: self.scale,
            shear: self.shear,
            perspective: self.perspective,
            flipud: self.flipud,
            fliplr: self.fliplr,
            mosaic: self.mosaic,
            mixup: self.mixup,
        }
    }

    /// The same without any augmentation: a plain run.
    pub fn without_augmentation(self) -> Self {
        let mut plain = RunConfig { hyp: Self { copy_paste: 0.0, ..self }, ..RunConfig::default() };
        for option in Self::OPTIONS.iter().filter(|option| option.about.place == Place::Augmentation) {
            // A number is what each of them is.
            let _ = (option.set)(&mut plain, &Value::Real(0.0));
        }
        plain.hyp
    }
}
