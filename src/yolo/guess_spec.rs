//! Which published YOLOv5 a bare `state_dict` belongs to, told by the names and shapes of its tensors.
//!
//! The families are n, s, m, l and x with three scales (P5) or four (P6), with the stem of v6 and later or of v5.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::checkpoint::description::TensorInfo;
use super::spec::{ModelSpec, SpecError};

/// Name, depth multiple, width multiple.
const SIZES: [(&str, f64, f64); 5] =
    [("n", 0.33, 0.25), ("s", 0.33, 0.5), ("m", 0.67, 0.75), ("l", 1.0, 1.0), ("x", 1.33, 1.25)];

/// The spec whose every tensor is in the file with its shape.
pub(super) fn from_tensors(tensors: &[TensorInfo], fused: bool) -> Result<ModelSpec, SpecError> {
    let shapes: HashMap<&str, &[usize]> = tensors.iter().map(|t| (t.name.as_str(), t.shape.as_slice())).collect();
    let no_detect = || SpecError::Unrecognised("they have no Detect layer (model.N.m.0.bias)".to_owned());
    // The last layer's number; a P5 has 25 layers and a P6 34.
    let detect = (1..100).rev().find(|index| shapes.contains_key(format!("model.{index}.m.0.bias").as_str()));
    let detect = detect.ok_or_else(no_detect)?;
    let outputs = shapes[format!("model.{detect}.m.0.bias").as_str()].iter().product::<usize>();
    let anchors = match shapes.get(format!("model.{detect}.anchors").as_str()) {
        Some([_, anchors, 2]) => *anchors,
        _ => 3,
    };
    let per_anchor = outputs.checked_div(anchors).filter(|n| *n > 5 && n * anchors == outputs).ok_or_else(no_detect)?;

    let mut closest: Option<(usize, usize, String)> = None;
    for channels in [&[128, 256, 512, 1024][..], &[128, 256, 512, 768, 1024]] {
        for focus in [false, true] {
            for (size, depth, width) in SIZES {
                let mut yaml = published(channels, focus);
                yaml["nc"] = json!(per_anchor - 5);
                yaml["anchors"] = json!(anchors);
                yaml["depth_multiple"] = json!(depth);
                yaml["width_multiple"] = json!(width);
                let spec = ModelSpec::from_yaml(&yaml)?;
                let wanted = spec.inventory(fused, 256, 256)?.tensors;
                let same = |(name, shape): &&(String, Vec<usize>)| shapes.get(name.as_str()) == Some(&shape.as_slice());
                let found = wanted.iter().filter(same).count();
                if found == wanted.len() {
                    return Ok(spec);
                }
                if closest.as_ref().is_none_or(|(most, ..)| found > *most) {
                    let scales = if channels.len() == 5 { "6" } else { "" };
                    let stem = if focus { " of v5" } else { "" };
                    closest = Some((found, wanted.len(), format!("yolov5{size}{scales}{stem}")));
                }
            }
        }
    }
    let (found, wanted, name) = closest.unwrap_or_default();
    Err(SpecError::Unrecognised(format!("the closest is {name}, {found} of its {wanted} tensors fit")))
}

/// The yaml of a published model by its name, `yolov5n` to `yolov5x` or `yolov5n6` to `yolov5x6`, with YOLOv5's anchors.
pub(super) fn by_name(name: &str, nc: usize) -> Option<Value> {
    let size = name.strip_prefix("yolov5")?;
    let (size, channels): (&str, &[usize]) = match size.strip_suffix('6') {
        Some(size) => (size, &[128, 256, 512, 768, 1024]),
        None => (size, &[128, 256, 512, 1024]),
    };
    let (_, depth, width) = SIZES.into_iter().find(|(known, ..)| *known == size)?;
    let mut yaml = published(channels, false);
    yaml["nc"] = json!(nc);
    yaml["depth_multiple"] = json!(depth);
    yaml["width_multiple"] = json!(width);
    yaml["anchors"] = match channels.len() {
        4 => json!([[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]),
        _ => json!([
            [19, 27, 44, 40, 38, 94],
            [96, 68, 86, 152, 180, 137],
            [140, 301, 303, 264, 238, 542],
            [436, 615, 739, 380, 925, 792]
        ]),
    };
    Some(yaml)
}

/// The rows of the published P5 (four channel counts) or P6 (five) model; `focus`: as v5 had it.
fn published(channels: &[usize], focus: bool) -> Value {
    let top = channels.len() - 1;
    let mut rows = vec![if focus { json!([-1, 1, "Focus", [64, 3]]) } else { json!([-1, 1, "Conv", [64, 6, 2, 2]]) }];
    // The row that ends each level of the backbone, then the 1×1 convolution of each level of the way down.
    let mut ends = Vec::new();
    for (level, c) in channels.iter().enumerate() {
        let repeats = match level {
            1 if focus => 9,
            1 => 6,
            2 => 9,
            _ => 3,
        };
        rows.push(json!([-1, 1, "Conv", [c, 3, 2]]));
        if focus && level == top {
            let kernels = if top == 4 { [3, 5, 7] } else { [5, 9, 13] };
            rows.push(json!([-1, 1, "SPP", [c, kernels]]));
            rows.push(json!([-1, repeats, "C3", [c, false]]));
        } else {
            rows.push(json!([-1, repeats, "C3", [c]]));
        }
        ends.push(rows.len() - 1);
    }
    if !focus {
        rows.push(json!([-1, 1, "SPPF", [channels[top], 5]]));
    }
    let backbone = std::mem::take(&mut rows);

    let at = |rows: &[Value]| backbone.len() + rows.len() - 1;
    let mut laterals = Vec::new();
    for level in (1..top).rev() {
        rows.push(json!([-1, 1, "Conv", [channels[level], 1, 1]]));
        laterals.push(at(&rows));
        rows.push(json!([-1, 1, "nn.Upsample", [null, 2, "nearest"]]));
        rows.push(json!([[-1, ends[level]], 1, "Concat", [1]]));
        rows.push(json!([-1, 3, "C3", [channels[level], false]]));
    }
    let mut outputs = vec![at(&rows)];
    for level in 1..top {
        rows.push(json!([-1, 1, "Conv", [channels[level], 3, 2]]));
        rows.push(json!([[-1, laterals.pop()], 1, "Concat", [1]]));
        rows.push(json!([-1, 3, "C3", [channels[level + 1], false]]));
        outputs.push(at(&rows));
    }
    rows.push(json!([outputs, 1, "Detect", ["nc", "anchors"]]));
    json!({"backbone": backbone, "head": rows})
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::Dtype;
    use super::*;

    fn spec(size: usize, channels: &[usize], focus: bool, nc: usize) -> ModelSpec {
        let (_, depth, width) = SIZES[size];
        let mut yaml = published(channels, focus);
        for (key, value) in [("nc", json!(nc)), ("anchors", json!(3))] {
            yaml[key] = value;
        }
        yaml["depth_multiple"] = json!(depth);
        yaml["width_multiple"] = json!(width);
        ModelSpec::from_yaml(&yaml).expect("a published model")
    }

    fn tensors(spec: &ModelSpec, fused: bool) -> Vec<TensorInfo> {
        let tensors = spec.inventory(fused, 256, 256).expect("an inventory").tensors;
        tensors.into_iter().map(|(name, shape)| TensorInfo { name, shape, dtype: Dtype::F32 }).collect()
    }

    #[test]
    fn the_published_rows_have_the_published_sizes() {
        let p5 = [128, 256, 512, 1024];
        let p6 = [128, 256, 512, 768, 1024];
        let parameters = |size, channels: &[usize]| {
            spec(size, channels, false, 80).inventory(false, 256, 256).expect("an inventory").parameters
        };
        // What YOLOv5 v7.0 prints for its configs.
        assert_eq!([0, 1, 2, 3, 4].map(|size| parameters(size, &p5)), [1872157, 7235389, 21190557, 46563709, 86749405]);
        assert_eq!(parameters(1, &p6), 12626620);
        assert_eq!(spec(0, &p6, false, 80).strides(), Ok(vec![8, 16, 32, 64]));
        assert_eq!(spec(0, &p5, false, 80).necks(), [17, 20, 23]);
        assert_eq!(spec(0, &p6, false, 80).necks(), [23, 26, 29, 32]);
        assert_eq!(spec(0, &p5, true, 80).backbone_taps(), Ok(Some(vec![4, 6, 9])));
    }

    #[test]
    fn every_published_model_is_told_by_its_tensors() {
        for channels in [&[128, 256, 512, 1024][..], &[128, 256, 512, 768, 1024]] {
            for size in 0..SIZES.len() {
                for (focus, fused) in [(false, false), (true, false), (false, true)] {
                    let spec = spec(size, channels, focus, 3);
                    assert_eq!(from_tensors(&tensors(&spec, fused), fused), Ok(spec), "{size} {channels:?} {focus}");
                }
            }
        }
    }

    #[test]
    fn the_closest_model_is_named_where_none_fits() {
        let mut changed = tensors(&spec(1, &[128, 256, 512, 1024], false, 3), false);
        changed[0].shape = vec![32, 3, 5, 5];
        let error = from_tensors(&changed, false).expect_err("no published model").to_string();
        assert!(error.ends_with("the closest is yolov5s, 290 of its 291 tensors fit"), "{error}");
        assert!(from_tensors(&[], false).is_err());
    }
}
