//! The report as a person reads it.

use std::fmt;

use super::{Report, Setup};
use crate::format::significant;
use crate::train::phases::Phase;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        let libtorch = machine.libtorch.as_deref().map_or_else(String::new, |version| format!(", libtorch {version}"));
        writeln!(f, "distillscope {}{libtorch}, {}", self.version, machine.system)?;
        writeln!(f, "{}, {} cores, {} threads", machine.cpu, machine.cores, machine.threads)?;
        match &machine.gpu {
            Some(gpu) => writeln!(f, "{}, {gpu}", machine.device)?,
            None => writeln!(f, "{}: {}", machine.device, machine.reason)?,
        }
        let Setup { data, teacher, student, imgsz, batch, workers, .. } = &self.setup;
        writeln!(f, "{}, teacher {}, student {}", data.display(), teacher.display(), student.display())?;
        writeln!(f, "{imgsz} px, batches of {batch}, made by {workers} threads, tap {}\n", self.setup.tap.name())?;

        let width = self.measurements.iter().map(|m| m.what.chars().count()).max().unwrap_or(0);
        writeln!(f, "{:<width$}  {:>9}  {:>9}  {:>5}  {:>9}", "", "median", "p90", "n", "images/s")?;
        for m in &self.measurements {
            let rate = m.images_per_second.map_or_else(String::new, significant);
            let (median, p90) = (time(m.median), time(m.p90));
            writeln!(f, "{:<width$}  {median:>9}  {p90:>9}  {:>5}  {rate:>9}", m.what, m.n)?;
        }
        for phases in &self.phases {
            let what = if phases.imitation { "with" } else { "without" };
            write!(f, "\nA step {what} imitation, {}:", phases.precision)?;
            for phase in Phase::ALL {
                let milliseconds = phases.milliseconds.get(phase.name()).copied().unwrap_or(0.0);
                write!(f, " {} {} ms,", phase.name(), significant(milliseconds))?;
            }
            let measuring =
                phases.reads_measuring.map_or_else(String::new, |reads| format!(", {reads} where it measures lambda"));
            writeln!(f, " host reads {}{measuring}.", phases.reads)?;
        }
        for cost in &self.imitation {
            let (seconds, ratio) = (time(cost.seconds), significant(cost.ratio));
            write!(f, "\nImitation adds {seconds} to a training step in {}: {ratio} times as long.", cost.precision)?;
        }
        if let Some(bytes) = self.peak_memory_bytes {
            write!(f, "\nPeak memory {} GB.", significant(bytes as f64 / 1e9))?;
        }
        if !self.complete {
            write!(f, "\nStopped before everything was measured.")?;
        }
        Ok(())
    }
}

/// 12.3 µs, 12.3 ms or 12.3 s.
fn time(seconds: f64) -> String {
    match seconds.abs() {
        size if size < 1e-3 => format!("{} µs", significant(1e6 * seconds)),
        size if size < 1.0 => format!("{} ms", significant(1e3 * seconds)),
        _ => format!("{} s", significant(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_fits() {
        assert_eq!([2.5e-5, 0.012_34, 1.5, -0.25].map(time), ["25.0 µs", "12.3 ms", "1.50 s", "−250 ms"]);
    }
}
