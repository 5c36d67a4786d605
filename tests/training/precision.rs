//! Every loss at every tap in reduced precision, and how often a step waits for its device.

use distillscope::dataset::TrainBatch;
use distillscope::imitation::loss::{Loss, MaskSource, Reads};
use distillscope::inspect::Tap;
use distillscope::native::{self, Precision};
use distillscope::train::config::{Amp, ImitationConfig, Lambda, Length, RunConfig};
use distillscope::train::event::StepRecord;
use distillscope::train::trainer::{MEASURE_EVERY, Trainer};

use crate::runs::Place;
use crate::two_gradients::{first_batch, trainer};

/// Every loss with the taps and adapters that it has.
fn subjects() -> Vec<(String, ImitationConfig)> {
    let mut all = Vec::new();
    for loss in Loss::ALL {
        let taps: &[Tap] = match loss.reads() {
            Reads::Head => &[Tap::Head],
            Reads::Features => &[Tap::Neck, Tap::Backbone],
        };
        for &tap in taps {
            let kernels: &[u32] = if tap == Tap::Head { &[1] } else { &[1, 3] };
            for &adapter_kernel in kernels {
                let config = ImitationConfig { tap, adapter_kernel, ..ImitationConfig::of(loss) };
                all.push((format!("{loss} at {}, adapter {adapter_kernel}", tap.name()), config));
            }
        }
    }
    all
}

fn steps(trainer: &mut Trainer, batch: &TrainBatch, count: u64) -> Vec<StepRecord> {
    let step = |step: u64| {
        let mut record = StepRecord { step, ..StepRecord::default() };
        let rates = trainer.schedule.rates(100);
        let warning = trainer.learn(batch, &rates, &mut record).expect("a step");
        assert_eq!(warning, None);
        record
    };
    (0..count).map(step).collect()
}

/// Ten steps in bfloat16 on the same batch: λ is there from the first, the distance falls, and no loss is more than 2 % from
/// what it is in float32.
#[test]
fn every_loss_and_tap_trains_in_bfloat16_as_in_float32() {
    let place = Place::new();
    for (name, imitation) in subjects() {
        let run = |amp: Amp| {
            let length = Length::Steps(200);
            let config = RunConfig { imitation: imitation.clone(), amp, length, nominal_batch: 0, ..place.config() };
            let mut trainer = trainer(&config, true);
            let started = trainer.start(&mut |_| std::ops::ControlFlow::Continue(()));
            assert!(started.expect("a start").is_continue());
            let batch = first_batch(&trainer);
            (trainer.plan.precision, steps(&mut trainer, &batch, 10))
        };
        let ((precision, half), (_, whole)) = (run(Amp::Bf16), run(Amp::Off));
        assert_eq!(precision, Precision::BFloat16);
        for (half, whole) in half.iter().zip(&whole) {
            let of = |record: &StepRecord| record.distance.iter().flatten().sum::<f64>();
            assert!(half.lambda > 0.0 && half.total.is_finite(), "{name}: {half:?}");
            let pairs = [(half.total, whole.total), (of(half), of(whole))];
            for (half, whole) in pairs {
                assert!((half / whole - 1.0).abs() < 0.02, "{name}: {half} in bfloat16, {whole} in float32");
            }
        }
        let distance = |record: &StepRecord| record.distance.iter().flatten().sum::<f64>();
        assert!(distance(&half[9]) < distance(&half[0]), "{name}");
        // It is another arithmetic, and not the switch alone.
        assert_ne!(half[0].total, whole[0].total, "{name}");
    }
}

/// A waiting host leaves a GPU idle: two reads a step at most, four where λ is measured.
#[test]
fn a_step_reads_from_its_device_twice_at_most() {
    let place = Place::new();
    let mut all: Vec<_> = subjects().into_iter().map(|(name, imitation)| (name, Some(imitation))).collect();
    for loss in [Loss::FEATURES, Loss::ANSWERS] {
        let mask_source = MaskSource::Teacher;
        let imitation = ImitationConfig { mask_source, lambda: Lambda::Fixed(1.0), ..ImitationConfig::of(loss) };
        all.push((format!("{loss} under the teacher's mask"), Some(imitation)));
    }
    all.push(("no imitation".to_owned(), None));
    for (name, imitation) in all {
        for nominal_batch in [0, 12] {
            let config = RunConfig {
                imitation: imitation.clone().unwrap_or_default(),
                nominal_batch,
                length: Length::Steps(200),
                ..place.config()
            };
            let mut trainer = trainer(&config, imitation.is_some());
            let batch = first_batch(&trainer);
            for step in 0..12 {
                let before = native::reads();
                let mut record = StepRecord { step, ..StepRecord::default() };
                let rates = trainer.schedule.rates(step);
                trainer.learn(&batch, &rates, &mut record).expect("a step");
                let (reads, measures) = (native::reads() - before, record.gradient_ratio.is_some());
                let most = if measures { 4 } else { 2 };
                assert!((1..=most).contains(&reads), "{name}, step {step}: {reads} reads");
                // Under a mask of its own making a teacher that sees nothing leaves nothing to measure.
                if imitation.as_ref().is_some_and(|own| own.mask_source != MaskSource::Teacher) {
                    assert_eq!(measures, step.is_multiple_of(MEASURE_EVERY), "{name}, step {step}");
                }
            }
        }
    }
}

/// float16 measures with a loss scale; its reads are counted on the CPU, whose float32 stands in for it.
#[test]
fn a_loss_scale_costs_no_more_reads() {
    let place = Place::new();
    for loss in Loss::ALL {
        let imitation = ImitationConfig::of(loss);
        let config = RunConfig { imitation, nominal_batch: 0, length: Length::Steps(200), ..place.config() };
        let [mut plain, mut scaled] = [false, true].map(|scales| {
            let mut trainer = trainer(&config, true);
            trainer.progress.loss_scale = scales.then_some((1024.0, 0));
            trainer
        });
        let batch = first_batch(&plain);
        for step in 0..12 {
            let mut record = StepRecord { step, ..StepRecord::default() };
            let rates = plain.schedule.rates(step);
            plain.learn(&batch, &rates, &mut record).expect("a step");
            let before = native::reads();
            let mut of_scaled = StepRecord { step, ..StepRecord::default() };
            scaled.learn(&batch, &rates, &mut of_scaled).expect("a step");
            let most = if step.is_multiple_of(MEASURE_EVERY) { 4 } else { 2 };
            assert!(native::reads() - before <= most, "{loss}, step {step}: {} reads", native::reads() - before);
            // A power of two takes nothing from float32: the steps are the same.
            let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-4;
            assert!(
                near(record.total, of_scaled.total) && near(record.lambda, of_scaled.lambda),
                "{loss}, step {step}"
            );
        }
    }
}

#[test]
fn a_run_says_what_it_computes_with() {
    let place = Place::new();
    for (amp, label, written) in [
        (Amp::Auto, "CPU", Amp::Off),
        (Amp::Off, "CPU", Amp::Off),
        (Amp::Bf16, "CPU, bfloat16", Amp::Bf16),
        (Amp::Fp16, "CPU", Amp::Fp16),
    ] {
        let trainer = trainer(&RunConfig { amp, ..place.config() }, true);
        assert_eq!((trainer.plan.place(), trainer.plan.config.amp), (label.to_owned(), written));
        let warned = trainer.plan.warnings.iter().any(|warning| warning.contains("float16 is for a GPU"));
        assert_eq!(warned, amp == Amp::Fp16);
    }
    // As version 0.1.0 wrote it, which did not know TF32.
    for (text, amp) in [("off", Amp::Off), ("fp16", Amp::Fp16), ("bf16", Amp::Bf16), ("auto", Amp::Auto)] {
        let config = RunConfig::parse(&format!("amp = \"{text}\"\n")).expect("a config");
        assert_eq!((config.amp, config.tf32), (amp, true));
    }
}
