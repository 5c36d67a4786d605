//! NaN planted into every term of a step: the step is an error that names the term, and nothing has changed by it.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use distillscope::imitation::loss::Loss;
use distillscope::train::TrainError;
use distillscope::train::config::{ImitationConfig, NonFinite, RunConfig};
use distillscope::train::event::StepRecord;
use distillscope::train::learner::Learner;
use distillscope::train::plan::RunPlan;
use distillscope::yolo::network::Network;
use tch::{Tensor, no_grad};

use crate::runs::Place;

fn learner(config: &RunConfig) -> Learner {
    let plan = RunPlan::make(config, true, &mut |_, _| ControlFlow::Continue(()));
    let mut learner = Learner::new(plan.expect("a plan").expect("nobody stops it")).expect("a learner");
    assert!(learner.start(&mut |_| ControlFlow::Continue(())).expect("adapters").is_continue());
    learner
}

/// A number of each anchor's prediction, at every scale: x, y, width, height, objectness, then the classes.
fn plant_in_detect(tensors: HashMap<String, Tensor>, number: i64) {
    for (name, bias) in tensors {
        if name.contains("model.5.m.") && name.ends_with(".bias") {
            // Two classes.
            let _ = no_grad(|| bias.view([3, 7]).select(1, number).fill_(f64::NAN));
        }
    }
}

fn plant(tensor: &Tensor) {
    let _ = no_grad(|| tensor.shallow_clone().fill_(f64::NAN));
}

fn bits(learner: &Learner) -> BTreeMap<String, Vec<u32>> {
    let of = |name: &str, network: &Network| -> Vec<(String, Vec<u32>)> {
        let variables = network.var_store().variables().into_iter();
        let bits = |tensor: Tensor| Vec::<f32>::try_from(tensor.flatten(0, -1)).expect("numbers");
        variables
            .map(|(own, tensor)| (format!("{name}/{own}"), bits(tensor).into_iter().map(f32::to_bits).collect()))
            .collect()
    };
    let networks = [("student", learner.student()), ("average", &learner.average.network)];
    networks.into_iter().flat_map(|(name, network)| of(name, network)).collect()
}

#[test]
fn a_nan_in_any_term_is_named_and_changes_nothing() {
    type Plant = fn(&Learner);
    let planted: [(&str, Loss, Plant); 6] = [
        ("box loss", Loss::FEATURES, |learner| plant_in_detect(learner.student().var_store().variables(), 0)),
        ("objectness loss", Loss::FEATURES, |learner| plant_in_detect(learner.student().var_store().variables(), 4)),
        ("class loss", Loss::FEATURES, |learner| plant_in_detect(learner.student().var_store().variables(), 6)),
        ("imitation loss of P3", Loss::FEATURES, |learner| {
            // In the copy that a step runs.
            plant(&learner.distiller().expect("a teacher").teacher_tensors()["folded.model.2.conv.weight"]);
        }),
        ("imitation loss of P", Loss::FEATURES, |learner| {
            plant(&learner.distiller().expect("a teacher").parameters()[0].1);
        }),
        ("imitation loss of P", Loss::ANSWERS, |learner| {
            plant_in_detect(learner.distiller().expect("a teacher").teacher_tensors(), 4);
        }),
    ];
    let place = Place::new();
    for (term, loss, plant) in planted {
        for non_finite in [NonFinite::Stop, NonFinite::Skip] {
            let usual = place.config();
            let imitation =
                ImitationConfig { adapter_start: usual.imitation.adapter_start, ..ImitationConfig::of(loss) };
            let config = RunConfig { non_finite, imitation, nominal_batch: 0, ..usual };
            let mut learner = learner(&config);
            let mut batches = learner.batches(config.batch, 0, 0, 0).expect("batches");
            let rates = learner.schedule.rates(3);
            let mut record = StepRecord::default();
            learner.learn(&batches.next_batch().expect("a batch"), &rates, &mut record).expect("a sound step");
            plant(&learner);
            let before = bits(&learner);
            record.step = 1;
            let said = match learner.learn(&batches.next_batch().expect("a batch"), &rates, &mut record) {
                Err(error @ TrainError::NonFinite { step: 1, .. }) if non_finite == NonFinite::Stop => {
                    error.to_string()
                }
                Ok(Some(warning)) if non_finite == NonFinite::Skip => warning,
                other => panic!("{term}: {other:?}"),
            };
            assert!(said.contains(term) && said.contains("NaN") && said.lines().count() == 1, "{term}: {said}");
            assert!(bits(&learner) == before, "{term}: something has changed");
        }
    }
}
