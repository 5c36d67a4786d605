//! How long something takes when it is done again and again.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde::Serialize;
use tch::Device;

use super::BenchError;

/// Repeats that a measurement has at least, unless one alone takes longer than all its time.
const FEWEST: usize = 3;
/// Repeats that say enough of what takes microseconds.
const MOST: usize = 1000;
/// Repeats that are not counted on CUDA, whose libraries try out their kernels first.
const WARM_UPS_ON_CUDA: usize = 3;

/// Something to be measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub id: &'static str,
    pub what: &'static str,
    /// Its share of the time, as a part of the sum over all tasks.
    pub weight: f64,
    /// Repeats that are not counted.
    pub warm_ups: usize,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measurement {
    pub id: &'static str,
    pub what: &'static str,
    /// Repeats; those that warmed up are not among them.
    pub n: usize,
    /// Of one repeat, s.
    pub median: f64,
    /// Nine of ten repeats took no longer, s.
    pub p90: f64,
    /// Of all repeats together; `None` where no image is at work.
    pub images_per_second: Option<f64>,
}

impl Measurement {
    /// From each repeat's time in s, at least one; `images` went through all of them together.
    fn of(task: Task, mut times: Vec<f64>, images: usize) -> Self {
        let total: f64 = times.iter().sum();
        times.sort_by(f64::total_cmp);
        let n = times.len();
        Self {
            id: task.id,
            what: task.what,
            n,
            median: (times[(n - 1) / 2] + times[n / 2]) / 2.0,
            p90: times[(9 * n).div_ceil(10) - 1],
            images_per_second: (images > 0).then(|| images as f64 / total),
        }
    }
}

/// Measures tasks one after the other and knows how much time is left.
pub(super) struct Clock<'a> {
    device: Device,
    /// Of all tasks together.
    budget: Duration,
    /// Sum of the tasks' weights, and of those that are done.
    weights: f64,
    done: f64,
    begin: Instant,
    progress: &'a mut dyn FnMut(&str, Option<Duration>) -> ControlFlow<()>,
    pub measurements: Vec<Measurement>,
}

impl<'a> Clock<'a> {
    pub fn start(
        device: Device,
        budget: Duration,
        tasks: &[Task],
        progress: &'a mut dyn FnMut(&str, Option<Duration>) -> ControlFlow<()>,
    ) -> Self {
        let weights = tasks.iter().map(|task| task.weight).sum();
        let (done, begin, measurements) = (0.0, Instant::now(), Vec::new());
        Self { device, budget, weights, done, begin, progress, measurements }
    }

    /// Repeats `once`, which says how many images it dealt with, for the task's share of the time. Work that a GPU has
    /// not finished belongs to the repeat that gave it.
    pub fn measure(
        &mut self,
        task: Task,
        mut once: impl FnMut() -> Result<usize, BenchError>,
    ) -> Result<(), BenchError> {
        let share = self.budget.mul_f64(task.weight / self.weights);
        let warm_ups = task.warm_ups + if self.device.is_cuda() { WARM_UPS_ON_CUDA } else { 0 };
        for _ in 0..warm_ups {
            self.tell(task, Duration::ZERO)?;
            once()?;
        }
        self.wait();
        let begin = Instant::now();
        let mut times = Vec::new();
        let mut images = 0;
        while goes_on(times.len(), begin.elapsed(), share) {
            let reported = self.tell(task, begin.elapsed());
            if reported.is_err() && times.is_empty() {
                return reported;
            }
            if reported.is_err() {
                self.measurements.push(Measurement::of(task, times, images));
                return reported;
            }
            let repeat = Instant::now();
            images += once()?;
            self.wait();
            times.push(repeat.elapsed().as_secs_f64());
        }
        self.measurements.push(Measurement::of(task, times, images));
        self.done += task.weight;
        Ok(())
    }

    /// Says what is measured and about how long it all still takes, at the pace so far.
    fn tell(&mut self, task: Task, spent: Duration) -> Result<(), BenchError> {
        let share = self.budget.mul_f64(task.weight / self.weights);
        let within = spent.as_secs_f64() / share.as_secs_f64().max(1e-9);
        let done = self.done + task.weight * within.min(1.0);
        // A pace takes a while to show.
        let pace = if done > 0.2 * self.weights {
            self.begin.elapsed().div_f64(done)
        } else {
            self.budget.div_f64(self.weights)
        };
        match (self.progress)(task.what, Some(pace.mul_f64(self.weights - done))) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(BenchError::Stopped),
        }
    }

    /// Until the GPU has done everything.
    fn wait(&self) {
        if let Device::Cuda(index) = self.device {
            tch::Cuda::synchronize(index as i64);
        }
    }
}

/// Whether a task that took `spent` for `n` repeats has another one.
fn goes_on(n: usize, spent: Duration, share: Duration) -> bool {
    n < MOST && (n == 0 || spent < share || (n < FEWEST && spent < 3 * share.max(Duration::from_secs(3))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: Task = Task { id: "nap", what: "a nap", weight: 1.0, warm_ups: 2 };

    #[test]
    fn the_median_and_the_ninth_of_ten() {
        let of = |times: &[f64]| Measurement::of(TASK, times.to_vec(), 2 * times.len());
        let odd = of(&[3.0, 1.0, 2.0]);
        assert_eq!((odd.n, odd.median, odd.p90, odd.images_per_second), (3, 2.0, 3.0, Some(1.0)));
        assert_eq!((of(&[4.0, 1.0]).median, of(&[4.0, 1.0]).p90), (2.5, 4.0));
        assert_eq!((of(&[7.0]).median, of(&[7.0]).p90), (7.0, 7.0));
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!((of(&ten).median, of(&ten).p90), (5.5, 9.0));
        assert_eq!(of(&[&ten[..], &[11.0]].concat()).p90, 10.0);
        assert_eq!(Measurement::of(TASK, vec![1.0], 0).images_per_second, None);
    }

    #[test]
    fn a_task_has_its_share_and_a_few_repeats_at_least() {
        let goes = |n, spent, share| goes_on(n, Duration::from_secs_f64(spent), Duration::from_secs_f64(share));
        assert!(goes(0, 0.0, 0.0), "one there always is");
        assert!(goes(1, 4.0, 2.0) && goes(2, 8.0, 2.0) && !goes(3, 8.1, 2.0), "three of what is slow");
        assert!(!goes(1, 60.0, 2.0), "but not of what takes minutes");
        assert!(goes(999, 1.0, 2.0) && !goes(1000, 1.0, 2.0), "no more than tell something");
        assert!(goes(500, 1.9, 2.0) && !goes(500, 2.0, 2.0));
    }

    #[test]
    fn warm_ups_are_not_counted_and_stopping_keeps_what_is_measured() {
        let mut calls = 0;
        let mut reported = 0;
        let mut progress = |_: &str, _: Option<Duration>| {
            reported += 1;
            // Two warm-ups, five repeats, and then no more.
            if reported > 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut clock = Clock::start(Device::Cpu, Duration::from_secs(60), &[TASK], &mut progress);
        let stopped = clock.measure(TASK, || {
            calls += 1;
            Ok(3)
        });
        assert!(matches!(stopped, Err(BenchError::Stopped)));
        assert_eq!((clock.measurements.len(), clock.measurements[0].n), (1, 5));
        assert!(clock.measurements[0].median <= clock.measurements[0].p90);
        assert_eq!(calls, 7);
    }
}
