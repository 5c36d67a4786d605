//! Every imitation loss, its map and its gradients against a plain PyTorch formula (`scripts/golden_imitation.py`).

use std::collections::HashMap;
use std::fs;

use distillscope::imitation::adapter::Adapter;
use distillscope::imitation::lambda::Norm;
use distillscope::imitation::loss::{self, BatchMask, Loss, Reads, ScaleLoss, ScalePair, SharedClasses, Terms};
use distillscope::yolo::anchors::AnchorScale;
use distillscope::yolo::loss::LossGains;
use safetensors::SafeTensors;
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

/// Relative to the norm of what is compared.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct About {
    loss: String,
    #[serde(default)]
    student_names: Vec<String>,
    #[serde(default)]
    teacher_names: Vec<String>,
}

struct Golden {
    case: &'static str,
    about: About,
    tensors: HashMap<String, Tensor>,
}

impl Golden {
    fn read(case: &'static str) -> Self {
        let path = format!("{}/tests/golden/imitation/{case}.safetensors", env!("CARGO_MANIFEST_DIR"));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
        let about = header.metadata().as_ref().expect("metadata")["about"].clone();
        let tensors = Tensor::read_safetensors(&path).expect("tensors").into_iter().collect();
        Self { case, about: serde_json::from_str(&about).expect("its JSON"), tensors }
    }

    fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    fn tensor(&self, name: &str) -> &Tensor {
        self.get(name).unwrap_or_else(|| panic!("{}: no {name}", self.case))
    }

    fn check(&self, name: &str, found: &Tensor) {
        let wanted = self.tensor(name).to_kind(Kind::Double);
        let norm = |tensor: &Tensor| tensor.norm().double_value(&[]);
        let off = norm(&(found.to_kind(Kind::Double).view_as(&wanted) - &wanted));
        let size = norm(&wanted);
        // Where the truth is 0, or 0 but for rounding, a share of it means nothing.
        let most = if size < 1e-6 { 1e-6 } else { TOLERANCE * size };
        assert!(off <= most, "{}: {name} is off by {off} of {size}", self.case);
    }
}

#[test]
fn losses_maps_and_gradients_are_pytorchs() {
    let cases = [
        "answers_plain",
        "answers_quiet",
        "answers_masked",
        "answers_permuted",
        "answers_partial",
        "features",
        "features_soft",
        "correlation",
        "logits",
    ];
    for case in cases {
        check(&Golden::read(case));
    }
}

fn check(golden: &Golden) {
    let loss: Loss = golden.about.loss.parse().expect("a loss");
    let reads_heads = loss.reads() == Reads::Head;
    let gains = golden.get("gains").map_or_else(LossGains::default, |gains| {
        let [box_gain, objectness, class] = [0, 1, 2].map(|at| gains.double_value(&[at]));
        LossGains { box_gain, objectness, class, ..LossGains::default() }
    });
    let classes = SharedClasses::of(&golden.about.student_names, &golden.about.teacher_names);
    let (mut terms, mut masks) = (Vec::<Terms>::new(), Vec::<BatchMask>::new());
    let mut inputs: Vec<Vec<(String, Tensor)>> = Vec::new();
    for (scale, stride) in [("p3", 8), ("p4", 16), ("p5", 32)] {
        let of = |name: &str| golden.tensor(&format!("{scale}/{name}"));
        let student = of("student").copy().set_requires_grad(true);
        let mut leaves = vec![("student".to_owned(), student.shallow_clone())];
        let mut compared = student.shallow_clone();
        if !reads_heads {
            let adapter = Adapter::trainable(of("adapter.weight").copy(), of("adapter.bias").copy(), Device::Cpu)
                .expect("an adapter");
            compared = adapter.apply(&student).expect("adapted");
            leaves.push(("adapter.weight".to_owned(), adapter.weight));
            leaves.push(("adapter.bias".to_owned(), adapter.bias));
        }
        let anchors = golden.get(&format!("{scale}/anchors")).map_or_else(Vec::new, |anchors| {
            let values = Vec::<f32>::try_from(anchors.view([-1])).expect("floats");
            values.chunks_exact(2).map(|side| [side[0], side[1]]).collect()
        });
        let balance = golden.get(&format!("{scale}/balance")).map_or(1.0, |balance| balance.double_value(&[]));
        let pair = ScalePair {
            student: &compared,
            teacher: of("teacher"),
            anchors: &AnchorScale { stride, anchors },
            classes: &classes,
            gains: &gains,
            balance,
        };
        terms.push(loss.terms(&pair).expect("terms"));
        let map = of("map").size();
        masks.push(match golden.get(&format!("{scale}/mask")) {
            Some(mask) => {
                let count = mask.gt(0.0).sum(Kind::Int64).int64_value(&[]) as u64;
                BatchMask { cells: mask.unsqueeze(1), count, is_whole: false }
            }
            None => {
                let cells = Tensor::ones([map[0], 1, map[1], map[2]], (Kind::Float, Device::Cpu));
                BatchMask { count: cells.numel() as u64, cells, is_whole: true }
            }
        });
        inputs.push(leaves);
    }
    let found: Vec<ScaleLoss> = loss::reduce(&terms, &masks, Norm::PerScale).expect("losses");
    let maps = loss::maps(&terms, &masks, Norm::PerScale).expect("maps");
    for ((((scale, found), [map, weights]), terms), leaves) in
        ["p3", "p4", "p5"].into_iter().zip(&found).zip(&maps).zip(&terms).zip(&inputs)
    {
        golden.check(&format!("{scale}/loss"), &found.scalar.detach());
        golden.check(&format!("{scale}/map"), map);
        let weighted =
            if golden.get(&format!("{scale}/weights_masked")).is_some() { "weights_masked" } else { "weights" };
        golden.check(&format!("{scale}/{weighted}"), weights);
        if golden.get(&format!("{scale}/box")).is_some() {
            let names: Vec<&str> = terms.terms.iter().map(|term| term.name).collect();
            assert_eq!(names, ["objectness", "class", "box"], "{}", golden.case);
        }
        if !found.scalar.requires_grad() {
            assert!(
                !found.counted
                    && golden.tensor(&format!("{scale}/gradient/student")).abs().max().double_value(&[]) == 0.0
            );
            continue;
        }
        let tensors: Vec<&Tensor> = leaves.iter().map(|(_, tensor)| tensor).collect();
        let gradients = Tensor::run_backward(&[&found.scalar], &tensors, true, false);
        for ((name, _), gradient) in leaves.iter().zip(gradients) {
            golden.check(&format!("{scale}/gradient/{name}"), &gradient);
        }
    }
}
