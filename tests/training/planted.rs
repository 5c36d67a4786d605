//! NaN planted into every term of a step: the step is an error that names the term, and nothing has changed by it.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use distillscope::imitation::loss::Loss;
use distillscope::train::TrainError;
use distillscope::train::config::{ImitationConfig, NonFinite, RunConfig};
use distillscope::train::event::StepRecord;
use distillscope::train::plan::RunPlan;
use distillscope::train::trainer::Trainer;
use distillscope::yolo::network::Network;
use tch::{Tensor, no_grad};

use crate::runs::Place;

fn trainer(config: &RunConfig) -> Trainer {
    let plan = RunPlan::make(config, true, &mut |_, _| ControlFlow::Continue(()));
    let mut trainer = Trainer::new(plan.expect("a plan").expect("nobody stops it")).expect("a learner");
    assert!(trainer.start(&mut |_| ControlFlow::Continue(())).expect("adapters").is_continue());
    trainer
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

fn bits(trainer: &Trainer) -> BTreeMap<String, Vec<u32>> {
    let of = |name: &str, network: &Network| -> Vec<(String, Vec<u32>)> {
        let variables = network.var_store().variables().into_iter();
        let bits = |tensor: Tensor| Vec::<f32>::try_from(tensor.flatten(0, -1)).expect("numbers");
        variables
            .map(|(own, tensor)| (format!("{name}/{own}"), bits(tensor).into_iter().map(f32::to_bits).collect()))
            .collect()
    };
    let networks = [("student", trainer.student()), ("average", &trainer.average.network)];
    networks.into_iter().flat_map(|(name, network)| of(name, network)).collect()
}

#[test]
fn a_nan_in_any_term_is_named_and_changes_nothing() {
    type Plant = fn(&Trainer);
    let planted: [(&str, Loss, Plant); 6] = [
        ("box loss", Loss::FEATURES, |trainer| plant_in_detect(trainer.student().var_store().variables(), 0)),
        ("objectness loss", Loss::FEATURES, |trainer| plant_in_detect(trainer.student().var_store().variables(), 4)),
        ("class loss", Loss::FEATURES, |trainer| plant_in_detect(trainer.student().var_store().variables(), 6)),
        ("imitation loss of P3", Loss::FEATURES, |trainer| {
            // In the copy that a step runs.
            plant(&trainer.distiller().expect("a teacher").teacher_tensors()["folded.model.2.conv.weight"]);
        }),
        ("imitation loss of P", Loss::FEATURES, |trainer| {
            plant(&trainer.distiller().expect("a teacher").parameters()[0].1);
        }),
        ("imitation loss of P", Loss::ANSWERS, |trainer| {
            plant_in_detect(trainer.distiller().expect("a teacher").teacher_tensors(), 4);
        }),
    ];
    let place = Place::new();
    for (term, loss, plant) in planted {
        for non_finite in [NonFinite::Stop, NonFinite::Skip] {
            let usual = place.config();
            let imitation =
                ImitationConfig { adapter_start: usual.imitation.adapter_start, ..ImitationConfig::of(loss) };
            let config = RunConfig { non_finite, imitation, nominal_batch: 0, ..usual };
            let mut trainer = trainer(&config);
            let mut batches = trainer.batches(config.batch, 0, 0, 0).expect("batches");
            let rates = trainer.schedule.rates(3);
            let mut record = StepRecord::default();
            trainer.learn(&batches.next_batch().expect("a batch"), &rates, &mut record).expect("a sound step");
            plant(&trainer);
            let before = bits(&trainer);
            record.step = 1;
            let said = match trainer.learn(&batches.next_batch().expect("a batch"), &rates, &mut record) {
                Err(error @ TrainError::NonFinite { step: 1, .. }) if non_finite == NonFinite::Stop => {
                    error.to_string()
                }
                Ok(Some(warning)) if non_finite == NonFinite::Skip => warning,
                other => panic!("{term}: {other:?}"),
            };
            assert!(said.contains(term) && said.contains("NaN") && said.lines().count() == 1, "{term}: {said}");
            assert!(bits(&trainer) == before, "{term}: something has changed");
        }
    }
}
