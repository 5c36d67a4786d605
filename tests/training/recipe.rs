//! What a recipe and YOLOv5's habits mean for a run: which gradients make a step, which layers move, what is warned of, and
//! what a failed step leaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use distillscope::train::config::{Length, LrSchedule, NonFinite, Recipe, RunConfig};
use distillscope::train::event::{RunEvent, StepRecord};
use distillscope::train::plan::{RunPlan, usual_recipe};
use distillscope::train::trainer::Trainer;
use distillscope::yolo::network::Network;
use safetensors::SafeTensors;

use crate::runs::{Place, steps};

/// Without teacher and warm-up.
fn alone(place: &Place) -> RunConfig {
    let mut config = RunConfig { teacher: None, warmup_share: 0.0, ..place.config() };
    config.hyp.warmup_epochs = 0.0;
    config
}

/// Every tensor of a run's state, bit for bit.
fn state(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(folder.join("weights/resume.safetensors")).expect("a state");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f64> {
    bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
}

#[test]
fn an_epoch_begins_without_gradients() {
    let place = Place::new();
    // Steps too small to move a weight: every gradient is that of the first weights. Three batches an epoch.
    let mut config = RunConfig { length: Length::Steps(4), ..alone(&place) };
    config.hyp.lr0 = 1e-30;
    let gathering = RunConfig { nominal_batch: 1_000_000, ..config.clone() };
    place.run(gathering, "gathering").expect("a run");
    let gathered = state(&place.at("gathering"));
    let of_last = gathered.iter().filter(|(name, _)| name.starts_with("gradient/"));
    let square: f64 = of_last.flat_map(|(_, bytes)| floats(bytes)).map(|value| value * value).sum();
    assert!(square > 0.0);
    // Two batches a step: the second one, then the fourth, which begins the second epoch, alone; the third is dropped.
    config.nominal_batch = 4;
    let run = steps(&place.run(config, "stepping").expect("a run"));
    let norms: Vec<Option<f64>> = run.iter().map(|step| step.gradient_norm).collect();
    assert_eq!(norms.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, true]);
    let of_fourth = norms[3].expect("a step");
    assert!((of_fourth - square.sqrt()).abs() < 1e-5 * of_fourth, "{of_fourth} and {}", square.sqrt());
}

#[test]
fn frozen_layers_stay_and_a_layer_that_is_not_there_is_named() {
    let place = Place::new();
    let config = RunConfig { freeze: vec![0, 1], length: Length::Steps(3), ..alone(&place) };
    place.run(config.clone(), "frozen").expect("a run");
    place.run(RunConfig { length: Length::Steps(1), ..config.clone() }, "start").expect("a run");
    let (start, end) = (state(&place.at("start")), state(&place.at("frozen")));
    for (name, values) in &start {
        let Some(name) = name.strip_prefix("student/") else { continue };
        if name.contains("running") {
            continue;
        }
        let stays = name.starts_with("model.0.") || name.starts_with("model.1.");
        assert_eq!(end[&format!("student/{name}")] == *values, stays, "{name}");
    }
    let fails = |freeze: Vec<usize>| {
        place.run(RunConfig { freeze, ..config.clone() }, "fails").expect_err("it cannot train").to_string()
    };
    // Five convolutions and Detect.
    assert!(fails(vec![0, 6]).contains("no layer 6; the student has layers 0 to 5"), "{}", fails(vec![0, 6]));
    assert!(fails((0..6).collect()).contains("nothing would train"));
}

#[test]
fn anchors_that_fit_badly_are_a_warning() {
    let place = Place::new();
    let warned = |factor: f64, out: &str| {
        let mut config = RunConfig { length: Length::Steps(1), ..alone(&place) };
        config.hyp.anchor_t = factor;
        let events = place.run(config, out).expect("a run");
        let warnings = events.into_iter().filter_map(|event| match event {
            RunEvent::Warning(text) if text.contains("anchors") => Some(text),
            _ => None,
        });
        warnings.collect::<Vec<_>>()
    };
    assert_eq!(warned(4.0, "good"), Vec::<String>::new());
    // The four ground truths are squares of 20, 17.6, 24 and 20.8 px in the input. The best of any anchor is 33 × 23 for that
    // of 24 px, off by a factor of 33 / 24 = 1.375.
    let poor = warned(1.3, "poor");
    assert_eq!(poor.len(), 1, "{poor:?}");
    assert!(poor[0].contains("4 of 4 ground truths") && poor[0].contains("0.000"), "{poor:?}");
}

#[test]
fn a_length_in_steps_is_short_up_to_fifty_epochs() {
    let place = Place::new();
    let usual = |length, batch| usual_recipe(length, &place.at("data/data.yaml"), batch).expect("a recipe");
    // Five pictures: three batches of two, or one of sixteen.
    assert_eq!([150, 151].map(|steps| usual(Length::Steps(steps), 2)), Recipe::ALL);
    assert_eq!([50, 51].map(|steps| usual(Length::Steps(steps), 16)), Recipe::ALL);
    assert_eq!([50, 51].map(|epochs| usual(Length::Epochs(epochs), 2)), Recipe::ALL);
    let error = usual_recipe(Length::Steps(9), &place.at("gone.yaml"), 2).expect_err("no data").to_string();
    assert!(error.contains("gone.yaml"), "{error}");
}

/// Weights, running statistics and whatever else a network has, bit for bit.
fn bits(network: &Network) -> BTreeMap<String, Vec<u32>> {
    let variables = network.var_store().variables().into_iter();
    let bits = |tensor: tch::Tensor| {
        Vec::<f32>::try_from(tensor.flatten(0, -1)).expect("numbers").into_iter().map(f32::to_bits).collect()
    };
    variables.map(|(name, tensor)| (name, bits(tensor))).collect()
}

#[test]
fn a_forward_pass_that_is_not_finite_leaves_statistics_and_average_as_they_were() {
    let place = Place::new();
    for non_finite in [NonFinite::Stop, NonFinite::Skip] {
        let config = RunConfig { non_finite, nominal_batch: 0, ..alone(&place) };
        let plan = RunPlan::make(&config, false, &mut |_, _| std::ops::ControlFlow::Continue(()));
        let mut trainer = Trainer::new(plan.expect("a plan").expect("nobody stops it")).expect("a learner");
        let mut batches = trainer.batches(config.batch, 0, 0, 0).expect("batches");
        let rates = trainer.schedule.rates(3);
        let (fresh, mut record) = (bits(trainer.student()), StepRecord::default());
        trainer.learn(&batches.next_batch().expect("a batch"), &rates, &mut record).expect("a step");
        let trained = bits(trainer.student());
        let moved = |name: &str| trained[name] != fresh[name];
        assert!(moved("model.0.bn.running_mean") && moved("model.4.bn.running_var") && moved("model.0.conv.weight"));

        // A weight of the third layer so large that its map overflows: the first two layers' batch-norms see sound maps.
        let large = trainer.student().var_store().variables().remove("model.2.conv.weight").expect("a weight");
        let _ = tch::no_grad(|| large.shallow_clone().fill_(3e38));
        let (before, average, updates) =
            (bits(trainer.student()), bits(&trainer.average.network), trainer.average.updates);
        record.step = 1;
        let outcome = trainer.learn(&batches.next_batch().expect("a batch"), &rates, &mut record);
        match (non_finite, outcome) {
            (NonFinite::Stop, Err(error)) => assert!(error.to_string().contains("step 1"), "{error}"),
            (NonFinite::Skip, Ok(Some(warning))) => assert!(warning.contains("step left out"), "{warning}"),
            (_, outcome) => panic!("{outcome:?}"),
        }
        assert!(record.total.is_nan());
        assert_eq!(bits(trainer.student()), before);
        assert_eq!((bits(&trainer.average.network), trainer.average.updates), (average, updates));
    }
}

#[test]
fn a_run_that_bursts_keeps_the_checkpoint_of_its_last_good_step() {
    let place = Place::new();
    // A value an epoch, so that a run of one step has the same learning rate as a longer one's first.
    let mut config = RunConfig { lr_schedule: LrSchedule::LinearPerEpoch, nominal_batch: 0, ..alone(&place) };
    config.hyp.lr0 = 1e30;
    place.run(RunConfig { length: Length::Steps(1), ..config.clone() }, "one").expect("a step");
    let error = place.run(config, "burst").expect_err("no second step").to_string();
    assert!(error.contains("step 1"), "{error}");
    let (one, burst) = (state(&place.at("one")), state(&place.at("burst")));
    assert_eq!(one.keys().collect::<Vec<_>>(), burst.keys().collect::<Vec<_>>());
    for (name, values) in &one {
        assert_eq!(burst[name], *values, "{name}");
    }
    let last = |out: &str| fs::read(place.at(out).join("weights/last.safetensors")).expect("weights");
    assert_eq!(last("one"), last("burst"));
    assert!(one.iter().filter(|(name, _)| name.contains("running")).flat_map(|(_, b)| floats(b)).all(f64::is_finite));
}
