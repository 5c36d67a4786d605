//! How long the window's frames take on the UI thread.

use std::collections::VecDeque;

/// What is looked back upon, in seconds.
const SPAN: f64 = 60.0;
/// A frame has so many milliseconds at 60 a second.
pub const FRAME_GOAL: f64 = 16.0;

/// Wall times of the frames of the last minute.
#[derive(Clone, Debug, Default)]
pub struct FrameTimes {
    /// When it ended, in seconds since the start, and how long it took, in ms.
    frames: VecDeque<(f64, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameSummary {
    pub frames: usize,
    /// Milliseconds.
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl FrameTimes {
    pub fn add(&mut self, now: f64, milliseconds: f64) {
        self.frames.push_back((now, milliseconds));
        while self.frames.front().is_some_and(|(at, _)| now - at > SPAN) {
            self.frames.pop_front();
        }
    }

    /// Percentiles by nearest rank; `None` before the first frame.
    pub fn summary(&self) -> Option<FrameSummary> {
        let mut times: Vec<f64> = self.frames.iter().map(|(_, time)| *time).collect();
        times.sort_by(f64::total_cmp);
        let rank = |share: f64| times.get(((share * times.len() as f64).ceil() as usize).max(1) - 1).copied();
        Some(FrameSummary { frames: times.len(), p50: rank(0.5)?, p99: rank(0.99)?, max: *times.last()? })
    }
}

impl std::fmt::Display for FrameSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { frames, p50, p99, max } = self;
        write!(f, "{frames} frames in the last minute: p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank_over_the_last_minute() {
        let mut times = FrameTimes::default();
        assert_eq!(times.summary(), None);
        times.add(0.0, 500.0);
        // 1 to 200 ms over 20 s, after the slow one has left the minute.
        for frame in 1..=200 {
            times.add(61.0 + f64::from(frame) * 0.1, f64::from(frame));
        }
        assert_eq!(times.summary(), Some(FrameSummary { frames: 200, p50: 100.0, p99: 198.0, max: 200.0 }));
    }
}
