//! Hyperparameters under the names of YOLOv5's `hyp.*.yaml`; such a file loads as it is.

use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::dataset::Augmentation;
use crate::files::{self, ReadError};

/// A hyp.yaml is a page long.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Debug, Error)]
pub enum HypError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{path}: not a hyp.yaml: {cause}")]
    Yaml { path: String, cause: String },
    #[error("hyperparameter {name} is {value}; {expected}")]
    Value { name: &'static str, value: f64, expected: &'static str },
}

/// What a run trains with; the defaults are YOLOv5's for low augmentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hyperparameters {
    /// First learning rate.
    pub lr0: f64,
    /// Last learning rate, as a share of the first.
    pub lrf: f64,
    /// SGD's momentum, Adam's beta1.
    pub momentum: f64,
    pub weight_decay: f64,
    pub warmup_epochs: f64,
    pub warmup_momentum: f64,
    pub warmup_bias_lr: f64,
    /// Gains of the three terms.
    #[serde(rename = "box")]
    pub box_gain: f64,
    pub cls: f64,
    pub cls_pw: f64,
    pub obj: f64,
    pub obj_pw: f64,
    /// Largest ratio of a ground truth's side to an anchor's.
    pub anchor_t: f64,
    /// Focal loss gamma; 0 is plain cross-entropy.
    pub fl_gamma: f64,
    pub label_smoothing: f64,
    pub hsv_h: f64,
    pub hsv_s: f64,
    pub hsv_v: f64,
    pub degrees: f64,
    pub translate: f64,
    pub scale: f64,
    pub shear: f64,
    pub perspective: f64,
    pub flipud: f64,
    pub fliplr: f64,
    pub mosaic: f64,
    pub mixup: f64,
    /// Needs segments, which a detection data set has not; kept so that the file loads.
    pub copy_paste: f64,
    /// Unused by YOLOv5 v7.0 too; kept so that the file loads.
    pub iou_t: f64,
}

impl Default for Hyperparameters {
    fn default() -> Self {
        Self {
            lr0: 0.01,
            lrf: 0.01,
            momentum: 0.937,
            weight_decay: 0.0005,
            warmup_epochs: 3.0,
            warmup_momentum: 0.8,
            warmup_bias_lr: 0.1,
            box_gain: 0.05,
            cls: 0.5,
            cls_pw: 1.0,
            obj: 1.0,
            obj_pw: 1.0,
            anchor_t: 4.0,
            fl_gamma: 0.0,
            label_smoothing: 0.0,
            hsv_h: 0.015,
            hsv_s: 0.7,
            hsv_v: 0.4,
            degrees: 0.0,
            translate: 0.1,
            scale: 0.5,
            shear: 0.0,
            perspective: 0.0,
            flipud: 0.0,
            fliplr: 0.5,
            mosaic: 1.0,
            mixup: 0.0,
            copy_paste: 0.0,
            iou_t: 0.2,
        }
    }
}

/// What a `hyp.*.yaml` makes of the values before it.
#[derive(Clone, Debug, PartialEq)]
pub struct HypFile {
    pub hyp: Hyperparameters,
    /// The hyperparameters that it names.
    pub names: Vec<String>,
    /// Its keys that are not known here.
    pub unknown: Vec<String>,
}

impl Hyperparameters {
    /// Reads a `hyp.*.yaml`; keys that it lacks keep these values.
    pub fn changed_by(&self, path: &Path) -> Result<HypFile, HypError> {
        let name = || path.display().to_string();
        let text = files::read_text(path, MAX_BYTES)?;
        let yaml = |error: serde_saphyr::Error| HypError::Yaml { path: name(), cause: files::yaml_problem(&error) };
        // For what is wrong with a value: of the text, with its line.
        let _: Self = serde_saphyr::from_str(&text).map_err(yaml)?;
        let keys: std::collections::BTreeMap<String, serde_json::Value> =
            serde_saphyr::from_str(&text).map_err(yaml)?;
        let mut values = serde_json::to_value(self).unwrap_or_default();
        let (mut names, mut unknown) = (Vec::new(), Vec::new());
        for (key, value) in keys {
            match values.get_mut(&key) {
                Some(known) => {
                    *known = value;
                    names.push(key);
                }
                None => unknown.push(key),
            }
        }
        let hyp: Self = serde_json::from_value(values)
            .map_err(|error| HypError::Yaml { path: name(), cause: error.to_string() })?;
        hyp.check()?;
        Ok(HypFile { hyp, names, unknown })
    }

    /// That every value means something.
    pub fn check(&self) -> Result<(), HypError> {
        let positive = [("lr0", self.lr0), ("anchor_t", self.anchor_t)];
        for (name, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return Err(HypError::Value { name, value, expected: "a number greater than 0 is needed" });
            }
        }
        let shares = [
            ("momentum", self.momentum),
            ("warmup_momentum", self.warmup_momentum),
            ("label_smoothing", self.label_smoothing),
            ("flipud", self.flipud),
            ("fliplr", self.fliplr),
            ("mosaic", self.mosaic),
            ("mixup", self.mixup),
            ("hsv_h", self.hsv_h),
            ("hsv_s", self.hsv_s),
            ("hsv_v", self.hsv_v),
            ("translate", self.translate),
        ];
        for (name, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return Err(HypError::Value { name, value, expected: "a number from 0 to 1 is needed" });
            }
        }
        let not_negative = [
            ("lrf", self.lrf),
            ("weight_decay", self.weight_decay),
            ("warmup_epochs", self.warmup_epochs),
            ("warmup_bias_lr", self.warmup_bias_lr),
            ("box", self.box_gain),
            ("cls", self.cls),
            ("cls_pw", self.cls_pw),
            ("obj", self.obj),
            ("obj_pw", self.obj_pw),
            ("fl_gamma", self.fl_gamma),
            ("degrees", self.degrees),
            ("scale", self.scale),
            ("shear", self.shear),
            ("perspective", self.perspective),
        ];
        for (name, value) in not_negative {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(HypError::Value { name, value, expected: "a number not below 0 is needed" });
            }
        }
        Ok(())
    }

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
        Self {
            hsv_h: 0.0,
            hsv_s: 0.0,
            hsv_v: 0.0,
            degrees: 0.0,
            translate: 0.0,
            scale: 0.0,
            shear: 0.0,
            perspective: 0.0,
            flipud: 0.0,
            fliplr: 0.0,
            mosaic: 0.0,
            mixup: 0.0,
            copy_paste: 0.0,
            ..self
        }
    }
}
