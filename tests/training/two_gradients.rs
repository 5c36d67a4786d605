//! What a step makes of the gradients of detection and imitation: both variants of a pair clip alike, no λ is 0 by accident, and an
//! imitation that moves nothing ends the run.

use std::ops::ControlFlow;

use distillscope::dataset::TrainBatch;
use distillscope::imitation::loss::Loss;
use distillscope::native;
use distillscope::train::config::{Amp, Decay, ImitationConfig, Lambda, Length, RunConfig};
use distillscope::train::event::StepRecord;
use distillscope::train::gradients::{CLIP_NORM, Norms};
use distillscope::train::plan::RunPlan;
use distillscope::train::trainer::Trainer;
use tch::{Kind, Tensor};

use crate::runs::Place;

pub fn trainer(config: &RunConfig, with_teacher: bool) -> Trainer {
    let plan = RunPlan::make(config, with_teacher, &mut |_, _| ControlFlow::Continue(())).expect("a plan");
    Trainer::new(plan.expect("not stopped")).expect("a learner")
}

pub fn first_batch(trainer: &Trainer) -> TrainBatch {
    let mut batches = trainer.batches(trainer.plan.config.batch, 0, 0, 0).expect("batches");
    batches.next_batch().expect("a batch")
}

fn with(place: &Place, lambda: Lambda) -> RunConfig {
    let imitation = ImitationConfig { lambda, ..ImitationConfig::of(Loss::ANSWERS) };
    RunConfig { imitation, nominal_batch: 0, ..place.config() }
}

fn learn(trainer: &mut Trainer, batch: &TrainBatch, step: u64) -> StepRecord {
    let mut record = StepRecord { step, ..StepRecord::default() };
    let rates = trainer.schedule.rates(200);
    let warning = trainer.learn(batch, &rates, &mut record).expect("a step");
    assert_eq!(warning, None);
    record
}

fn bits(trainer: &Trainer) -> Vec<(String, Vec<u32>)> {
    let mut all: Vec<_> = trainer.student().var_store().variables().into_iter().collect();
    all.retain(|(name, _)| !name.contains(".running_"));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let numbers = |tensor: Tensor| Vec::<f32>::try_from(tensor.detach().view([-1])).expect("floats");
    all.into_iter().map(|(name, tensor)| (name, numbers(tensor).into_iter().map(f32::to_bits).collect())).collect()
}

/// The detection's part of a step is the same, to the last bit, whatever the imitation weighs: nothing, little, or so much that
/// it is bounded.
#[test]
fn both_arms_of_a_pair_clip_alike() {
    let place = Place::new();
    // Gathered and not stepped with, so that the gradients can be looked at.
    let gathered = |lambda: Option<f64>| {
        let lambda_of = Lambda::Fixed(lambda.unwrap_or(1.0));
        let mut config = RunConfig { nominal_batch: 1000, warmup_share: 0.0, ..with(&place, lambda_of) };
        // As in a burst: the detection's norm is far above the bound.
        (config.hyp.box_gain, config.hyp.obj, config.hyp.cls, config.hyp.warmup_epochs) = (5000.0, 5000.0, 5000.0, 0.0);
        let mut trainer = trainer(&config, lambda.is_some());
        let batch = first_batch(&trainer);
        learn(&mut trainer, &batch, 0);
        let (own, bound) = (trainer.own_parameters(), trainer.imitation_bound());
        let kept = std::mem::take(trainer.moving().gathered);
        let copy = |part: &[Option<Tensor>]| -> Vec<Option<Tensor>> {
            part.iter().map(|gradient| gradient.as_ref().map(Tensor::copy)).collect()
        };
        let (detection, imitation) = (copy(&kept.detection), copy(&kept.imitation));
        let lengths = kept.lengths(own).expect("norms");
        let norms = Norms::of(&native::read(&lengths.iter().collect::<Vec<_>>()).expect("numbers"));
        let sum = kept.bounded(own, norms, bound).expect("a sum");
        (detection, imitation, sum, norms, bound)
    };
    let (alone, _, clipped, norms, _) = gathered(None);
    assert!(norms.detection > CLIP_NORM, "{norms:?}");
    for lambda in [1e-3, 1.0, 1e6] {
        let (detection, imitation, sum, both, bound) = gathered(Some(lambda));
        assert_eq!(both.detection, norms.detection, "lambda {lambda}");
        let most = bound * CLIP_NORM;
        let share = (most / both.imitation).min(1.0);
        assert_eq!(share < 1.0, lambda > 0.1, "{both:?}");
        for (at, alone) in alone.iter().enumerate() {
            let (Some(alone), Some(detection)) = (alone, &detection[at]) else { continue };
            assert!(detection.equal(alone), "lambda {lambda}");
            let (Some(sum), Some(clipped)) = (&sum[at], &clipped[at]) else { panic!("a gradient is lost") };
            // What is left of the step without the imitation's own part is the baseline's step.
            let part = imitation[at].as_ref().map_or_else(|| sum.zeros_like(), |part| part * share);
            let off = (sum - part - clipped).abs().max().double_value(&[]);
            let size = sum.abs().max().double_value(&[]).max(clipped.abs().max().double_value(&[]));
            assert!(off <= 1e-6 * size.max(1e-3), "lambda {lambda}: {off} of {size}");
        }
    }
}

/// A loss scale as float16 has it, large enough to overflow float32 too: the step is left out, no λ is stored, and the first one
/// that is found is that of a run without any scale.
#[test]
fn an_overflow_of_the_loss_scale_stores_no_lambda() {
    let place = Place::new();
    for loss in [Loss::FEATURES, Loss::LOGITS] {
        let imitation =
            ImitationConfig { lambda: Lambda::GradientRatio(0.3), decay: Decay::None, ..ImitationConfig::of(loss) };
        let config = RunConfig { imitation, nominal_batch: 0, length: Length::Steps(100), ..place.config() };
        let mut plain = trainer(&config, true);
        let batch = first_batch(&plain);
        let wanted = learn(&mut plain, &batch, 0).lambda;
        assert!(wanted > 0.0);

        let mut scaled = trainer(&config, true);
        scaled.progress.loss_scale = Some((2.0_f64.powi(127), 0));
        let fresh = bits(&scaled);
        let first = learn(&mut scaled, &batch, 0);
        assert_eq!((first.gradient_norm, first.lambda, scaled.progress.lambda), (None, 0.0, None), "{loss}");
        assert_eq!(bits(&scaled), fresh, "a step that is left out moves nothing");
        assert_eq!(scaled.progress.loss_scale, Some((2.0_f64.powi(126), 0)));
        let mut record = first;
        for step in 1..40 {
            record = learn(&mut scaled, &batch, step);
            if record.gradient_norm.is_some() {
                break;
            }
        }
        assert!((record.lambda / wanted - 1.0).abs() < 1e-4, "{loss}: {} and {wanted}", record.lambda);
        assert!((record.gradient_ratio.expect("measured in the step that found it") - 0.3).abs() < 1e-4);
        assert_eq!(scaled.progress.first_lambda, Some(record.lambda));
        // And the step is the one that is made without a scale.
        let norm = |trainer: &Trainer| -> f64 {
            let of = |tensor: Tensor| tensor.detach().square().sum(Kind::Double).double_value(&[]);
            trainer.student().var_store().trainable_variables().into_iter().map(of).sum()
        };
        assert!((norm(&scaled) / norm(&plain) - 1.0).abs() < 1e-5);
    }
}

/// One that no scale can help is an error, not an endless run that never steps.
#[test]
fn a_gradient_that_never_fits_ends_the_run() {
    let place = Place::new();
    let mut config = with(&place, Lambda::Fixed(1.0));
    config.hyp.box_gain = 1e38;
    let mut trainer = trainer(&config, true);
    trainer.progress.loss_scale = Some((65536.0, 0));
    let batch = first_batch(&trainer);
    let rates = trainer.schedule.rates(0);
    let error = (0..100).find_map(|step| {
        let mut record = StepRecord { step, ..StepRecord::default() };
        trainer.learn(&batch, &rates, &mut record).err()
    });
    let error = error.expect("it gives up").to_string();
    assert!(error.contains("is inf") || error.contains("is NaN"), "{error}");
}

#[test]
fn a_loss_scale_does_not_follow_a_run_to_a_device_without_one() {
    let place = Place::new();
    let mut trainer = trainer(&RunConfig { amp: Amp::Fp16, ..with(&place, Lambda::Fixed(1.0)) }, true);
    let mut progress = trainer.progress.clone();
    (progress.loss_scale, progress.step) = (Some((1024.0, 3)), 7);
    trainer.go_on_from(progress);
    assert_eq!((trainer.progress.loss_scale, trainer.progress.step), (None, 7));
}

#[test]
fn an_imitation_that_moves_nothing_is_an_error_that_names_itself() {
    let place = Place::new();
    let long = RunConfig { length: Length::Epochs(8), ..with(&place, Lambda::Fixed(1e-20)) };
    let error = place.run(long, "lost").expect_err("it would be shown and do nothing").to_string();
    assert!(error.starts_with("step 9: the imitation changes nothing: lambda is 0.00000000000000000001"), "{error}");
    assert_eq!(error.lines().count(), 1);
    for (name, imitation) in [
        ("zero", ImitationConfig { lambda: Lambda::Fixed(0.0), ..ImitationConfig::default() }),
        ("ratio", ImitationConfig { lambda: Lambda::GradientRatio(0.0), ..ImitationConfig::of(Loss::FEATURES) }),
        ("stopped", ImitationConfig { stop_step: Some(0), ..ImitationConfig::default() }),
    ] {
        let error = place.run(RunConfig { imitation, ..place.config() }, name).expect_err("nothing to imitate");
        assert!(error.to_string().starts_with("lambda is 0 in every step"), "{name}: {error}");
        assert!(!place.at(name).join("config.toml").exists());
    }
}

/// The end of a cosine is lost in rounding, and that is no fault: of 400 steps the last 15 have less than a hundredth of λ.
#[test]
fn an_imitation_that_fades_is_no_fault() {
    let place = Place::new();
    let mut config = RunConfig { length: Length::Steps(400), ..with(&place, Lambda::Fixed(1e-4)) };
    config.imitation.decay = Decay::Cosine;
    let mut trainer = trainer(&config, true);
    let batch = first_batch(&trainer);
    for step in 385..400 {
        let lambda = learn(&mut trainer, &batch, step).lambda;
        assert!(lambda > 0.0 && lambda < 1e-6, "{lambda}");
    }
}
