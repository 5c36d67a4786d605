//! Threads that make numbered things ahead of their consumer; he gets them in order.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Things made and not yet asked for, per thread.
pub(super) const AHEAD: u64 = 2;

/// What a panic said.
pub(super) type Panic = String;

/// Numbers 0, 1, 2 … through `make`; dropping it ends the threads.
pub(super) struct Pool<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    /// Set with the state locked, so that nobody goes to sleep over it.
    closed: AtomicBool,
}

struct State<T> {
    /// The next number to be made.
    claimed: u64,
    /// The next number to be handed out.
    delivered: u64,
    ready: BTreeMap<u64, Result<T, Panic>>,
}

impl<T: Send + 'static> Pool<T> {
    /// Threads `name-0`, `name-1` …; `make` hears when its answer is no longer wanted.
    pub(super) fn start(
        name: &str,
        threads: usize,
        make: impl Fn(u64, &AtomicBool) -> T + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let threads = threads.max(1);
        let state = State { claimed: 0, delivered: 0, ready: BTreeMap::new() };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), closed: AtomicBool::new(false) });
        let make = Arc::new(make);
        let mut pool = Self { shared, threads: Vec::new() };
        for index in 0..threads {
            let (shared, make) = (Arc::clone(&pool.shared), Arc::clone(&make));
            let work = move || shared.work(threads as u64 * AHEAD, &*make);
            pool.threads.push(Builder::new().name(format!("{name}-{index}")).spawn(work)?);
        }
        Ok(pool)
    }

    /// The next in order; waits for it.
    pub(super) fn next(&mut self) -> Result<T, Panic> {
        let mut state = self.shared.lock();
        loop {
            if let Some(made) = self.shared.deliver(&mut state) {
                return made;
            }
            state = self.shared.wait(state);
        }
    }

    /// The next in order; `None` where it is not made after so long.
    pub(super) fn next_within(&mut self, patience: Duration) -> Option<Result<T, Panic>> {
        let end = Instant::now() + patience;
        let mut state = self.shared.lock();
        loop {
            if let Some(made) = self.shared.deliver(&mut state) {
                return Some(made);
            }
            let left = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out the next number where it is made.
    fn deliver(&self, state: &mut State<T>) -> Option<Result<T, Panic>> {
        let made = state.ready.remove(&state.delivered)?;
        state.delivered += 1;
        self.changed.notify_all();
        Some(made)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, ahead: u64, make: &impl Fn(u64, &AtomicBool) -> T) {
        while let Some(number) = self.claim(ahead) {
            let made = catch_unwind(AssertUnwindSafe(|| make(number, &self.closed))).map_err(message);
            self.lock().ready.insert(number, made);
            self.changed.notify_all();
        }
    }

    /// The next number, once there is room for it; `None` when the pool is dropped.
    fn claim(&self, ahead: u64) -> Option<u64> {
        let mut state = self.lock();
        while !self.closed.load(Ordering::Relaxed) {
            if state.claimed < state.delivered + ahead {
                state.claimed += 1;
                return Some(state.claimed - 1);
            }
            state = self.wait(state);
        }
        None
    }
}

impl<T> Drop for Pool<T> {
    fn drop(&mut self) {
        {
            let _state = self.shared.lock();
            self.shared.closed.store(true, Ordering::Relaxed);
        }
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // Panics were caught.
            let _ = thread.join();
        }
    }
}

fn message(panic: Box<dyn Any + Send>) -> Panic {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn numbers_come_in_order_and_not_more_than_asked_for_ahead() {
        let started = Arc::new(Mutex::new(0));
        let count = Arc::clone(&started);
        let mut pool = Pool::start("pool-test", 3, move |number, _| {
            *count.lock().unwrap() += 1;
            // Every third is late.
            if number % 3 == 0 {
                thread::yield_now();
            }
            number
        })
        .unwrap();
        for number in 0..100 {
            assert_eq!(pool.next(), Ok(number));
            assert!(*started.lock().unwrap() <= number + 1 + 3 * AHEAD);
        }
    }

    #[test]
    fn who_waits_only_so_long_gets_nothing_and_later_the_same_number() {
        let (open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let mut pool = Pool::start("pool-patience-test", 1, move |number, _| {
            // An error says that the gate is gone and everything may pass.
            let _ = gate.lock().unwrap().recv();
            number
        })
        .unwrap();
        assert_eq!(pool.next_within(Duration::from_millis(20)), None);
        drop(open);
        assert_eq!(pool.next_within(Duration::from_secs(60)), Some(Ok(0)));
        assert_eq!(pool.next(), Ok(1));
    }

    #[test]
    fn a_panic_is_an_answer_and_the_rest_goes_on() {
        let mut pool = Pool::start("pool-panic-test", 2, |number, _| {
            assert_ne!(number, 1, "one is none");
            number
        })
        .unwrap();
        assert_eq!(pool.next(), Ok(0));
        assert!(pool.next().unwrap_err().contains("one is none"));
        assert_eq!(pool.next(), Ok(2));
    }

    #[test]
    fn threads_have_names_and_end_with_the_pool_whether_they_wait_or_work() {
        let (names, named) = mpsc::channel();
        let pool = Pool::start("pool-drop-test", 2, move |_, closed| {
            names.send(thread::current().name().map(str::to_owned)).unwrap();
            // Works until it is told that nobody wants it.
            while !closed.load(Ordering::Relaxed) {
                thread::yield_now();
            }
        })
        .unwrap();
        let mut seen = [named.recv().unwrap().unwrap(), named.recv().unwrap().unwrap()];
        seen.sort();
        assert_eq!(seen, ["pool-drop-test-0", "pool-drop-test-1"]);
        drop(pool);
        // The sender is gone with the last thread.
        assert_eq!(named.recv(), Err(mpsc::RecvError));

        // Full: every thread waits for room.
        let (made, makes) = mpsc::channel();
        let pool = Pool::start("pool-full-test", 2, move |number, _| made.send(number).unwrap()).unwrap();
        for _ in 0..2 * AHEAD {
            makes.recv().unwrap();
        }
        drop(pool);
        assert_eq!(makes.recv(), Err(mpsc::RecvError));
    }
}
