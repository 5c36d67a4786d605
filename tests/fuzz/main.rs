//! Mutated files through every reader: no panic, no hang, no more memory than a file may claim, one line of error.
//!
//! [`readers`] names what is read and from which seeds, [`mutations`] makes other files of them, [`memory`] counts what a
//! reader takes. There is no coverage to steer by on a stable compiler; what a reader says stands in for it: a file that makes
//! it say something new joins the seeds.
//!
//! A short round from a fixed seed is a test. `make fuzz SECONDS=…` is the long one: `FUZZ_READER` names one reader alone,
//! `FUZZ_SEED` another beginning. A file that fails stays in `target/…/tmp/fuzz`, and becomes a test beside its reader.

mod memory;
mod mutations;
mod readers;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mutations::{Mutator, Parts};
use readers::{READERS, Reader};

/// CPU time that a reader may take.
const MAX_SECONDS: f64 = 2.0;
/// Wall time after which a reader is taken to hang; more, because a machine may be busy.
const HANGS: Duration = Duration::from_secs(120);
/// Memory beside the file's own.
const MAX_BYTES: usize = 64 << 20;
/// Memory for each byte of a file.
const BYTES_PER_BYTE: usize = 8;
/// Files that said something new.
const MAX_KEPT: usize = 400;

/// What came of a reader.
#[derive(Debug, Default)]
struct Round {
    /// Its time counts: not in a test, which may run anywhere.
    timed: bool,
    executions: u64,
    /// Different things that the reader said.
    said: usize,
    /// By kind, each with the file that shows it.
    failures: BTreeMap<String, PathBuf>,
}

thread_local! {
    /// A reader is at work on this thread.
    static READING: Cell<bool> = const { Cell::new(false) };
    /// Where it panicked, and what it said.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The beginning of a test's folder for files, the same for every process.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz")
}

/// A reader's panic is a finding; the test's own are said as ever.
fn catch_panics() {
    let said = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !READING.get() {
            return said(info);
        }
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let text = info.payload_as_str().unwrap_or("a panic without a text");
        PANIC.with_borrow_mut(|panic| *panic = Some(format!("panic at {place}: {text}")));
    }));
}

/// CPU time of this thread, s.
#[cfg(target_os = "linux")]
fn seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

#[cfg(not(target_os = "linux"))]
fn seconds() -> f64 {
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    BEGIN.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// A reader at work: its executions so far. One that does not get on is ended with the whole process.
struct Watched {
    name: &'static str,
    executions: Arc<AtomicU64>,
}

static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());

fn watch() {
    thread::spawn(|| {
        let mut last: BTreeMap<&'static str, (u64, Instant)> = BTreeMap::new();
        loop {
            thread::sleep(Duration::from_secs(1));
            for Watched { name, executions } in &*WATCHED.lock().unwrap_or_else(PoisonError::into_inner) {
                let now = executions.load(Ordering::Relaxed);
                let (known, since) = last.entry(*name).or_insert((now, Instant::now()));
                if *known != now {
                    (*known, *since) = (now, Instant::now());
                } else if since.elapsed() > HANGS && now != u64::MAX {
                    eprintln!("{name} hangs; its file lies in {}", folder().join(name).display());
                    std::process::abort();
                }
            }
        }
    });
}

/// Reads mutations of a reader's seeds until `ends`.
fn round(reader: &Reader, seed: u64, timed: bool, mut ends: impl FnMut(u64) -> bool) -> Round {
    let place = folder().join(reader.name);
    fs::create_dir_all(&place).expect("a folder");
    for (name, content) in reader.beside {
        fs::write(place.join(name), content).expect("a file beside it");
    }
    let executions = Arc::new(AtomicU64::new(0));
    let watched = Watched { name: reader.name, executions: Arc::clone(&executions) };
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner).push(watched);

    let mut round = Round { timed, ..Round::default() };
    let mut corpus: Vec<Parts> = Vec::new();
    let mut heard = HashSet::new();
    let path = place.join(reader.file);
    for seed in reader.seeds() {
        let said = execute(reader, &path, &seed, &mut round);
        assert!(said.is_ok() || !round.failures.is_empty(), "{}: a seed is refused: {said:?}", reader.name);
        heard.insert(sense(&said));
        corpus.push(Parts::of(reader.shape, seed));
    }
    let mut mutator = Mutator::new(seed, reader.name);
    while !ends(round.executions) {
        let bytes = mutator.mutate(&corpus);
        let said = execute(reader, &path, &bytes, &mut round);
        executions.store(round.executions, Ordering::Relaxed);
        if heard.insert(sense(&said)) {
            let parts = Parts::of(reader.shape, bytes);
            match corpus.len() < MAX_KEPT {
                true => corpus.push(parts),
                // The seeds themselves stay.
                false => *corpus.last_mut().expect("a seed") = parts,
            }
        }
    }
    executions.store(u64::MAX, Ordering::Relaxed);
    round.said = heard.len();
    round
}

/// One file through a reader; what it said.
fn execute(reader: &Reader, path: &Path, bytes: &[u8], round: &mut Round) -> Result<String, String> {
    readers::put(path, bytes, round.executions);
    round.executions += 1;
    let (begin, mut room) = (seconds(), 0);
    memory::reset();
    READING.set(true);
    let said = panic::catch_unwind(AssertUnwindSafe(|| (reader.read)(path, &mut room)));
    READING.set(false);
    let (took, peak, timed) = (seconds() - begin, memory::peak(), round.timed);
    let mut fail = |what: String| {
        // Of a kind the first: what it is at, without what the file holds.
        let kind = what.chars().take(100).collect::<String>();
        if !round.failures.contains_key(&kind) && round.failures.len() < 40 {
            let mut hasher = DefaultHasher::new();
            kind.hash(&mut hasher);
            let kept = folder().join(format!("failed-{}-{:08x}-{}", reader.name, hasher.finish() as u32, reader.file));
            fs::write(&kept, bytes).expect("the file is kept");
            eprintln!("{}: {what}: {}", reader.name, kept.display());
            round.failures.insert(kind, kept);
        }
    };
    if timed && took > MAX_SECONDS {
        fail(format!("took {took:.1} s"));
    }
    let most = MAX_BYTES + BYTES_PER_BYTE * bytes.len() + room;
    if peak > most {
        fail(format!("took more than its {} MiB: {} MiB", most >> 20, peak >> 20));
    }
    match said {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(error)) => {
            if error.contains('\n') {
                fail(format!("an error of several lines: {error:?}"));
            }
            Err(error)
        }
        Err(_) => {
            let what = PANIC.with_borrow_mut(Option::take).unwrap_or_default();
            fail(what.clone());
            Err(what)
        }
    }
}

/// What was said, without the numbers and names of the file in it.
fn sense(said: &Result<String, String>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let (is_ok, text) = match said {
        Ok(text) => (true, text),
        Err(text) => (false, text),
    };
    is_ok.hash(&mut hasher);
    let mut quoted = false;
    let letters = text.bytes().filter(|byte| {
        quoted ^= matches!(byte, b'\'' | b'"' | b'`');
        !quoted && byte.is_ascii_alphabetic()
    });
    letters.take(80).for_each(|letter| letter.hash(&mut hasher));
    hasher.finish()
}

fn fails(rounds: &[(&str, Round)]) -> String {
    let failures = rounds.iter().flat_map(|(name, round)| round.failures.iter().map(move |failure| (name, failure)));
    failures.map(|(name, (what, file))| format!("{name}: {what}: {}\n", file.display())).collect()
}

/// The same files each time.
#[test]
fn a_short_round_of_every_reader() {
    const EXECUTIONS: u64 = 400;
    catch_panics();
    watch();
    let rounds: Vec<_> =
        READERS.iter().map(|reader| (reader.name, round(reader, 1, false, |done| done >= EXECUTIONS))).collect();
    let failures = fails(&rounds);
    assert!(failures.is_empty(), "{failures}");
    for (name, round) in &rounds {
        // Mutations that are all taken, or all refused, would test little.
        assert!(round.said > 1, "{name}: {round:?}");
    }
}

/// A harness that finds nothing has to be known to find something.
#[test]
fn what_a_reader_must_not_do_is_found() {
    let bad = |name: &'static str, read: readers::Read| {
        catch_panics();
        let reader = Reader { name, file: "x.txt", shape: mutations::Shape::Plain, beside: &[], seeds: &[], read };
        let mut round = Round::default();
        let path = folder().join(name).join("x.txt");
        fs::create_dir_all(folder().join(name)).expect("a folder");
        let _ = execute(&reader, &path, b"1", &mut round);
        round.failures.into_keys().collect::<Vec<_>>()
    };
    let panics = bad("bad-panic", |_, _| panic!("an index"));
    assert!(panics.len() == 1 && panics[0].contains("main.rs") && panics[0].contains("an index"), "{panics:?}");
    let lines = bad("bad-lines", |_, _| Err("two\nlines".to_owned()));
    assert!(lines.len() == 1 && lines[0].contains("several lines"), "{lines:?}");
    let claims = bad("bad-memory", |_, _| {
        std::hint::black_box(Vec::<u8>::with_capacity(65 << 20));
        Ok(String::new())
    });
    assert!(claims.len() == 1 && claims[0].contains("took more than its 64 MiB"), "{claims:?}");
    let fine = bad("bad-not", |path, room| {
        *room = 2 << 20;
        std::hint::black_box(Vec::<u8>::with_capacity(65 << 20));
        Ok(fs::read_to_string(path).expect("a file"))
    });
    assert_eq!(fine, Vec::<String>::new());
}

/// `make fuzz`: every reader in turn on as many threads as there are cores, `FUZZ_SECONDS` in all.
#[test]
#[ignore = "takes as long as it is given"]
fn as_long_as_it_is_given() {
    let number = |name: &str, default: f64| std::env::var(name).map_or(default, |text| text.parse().expect(name));
    let (time, seed) = (number("FUZZ_SECONDS", 60.0), number("FUZZ_SEED", 0.0) as u64);
    let only = std::env::var("FUZZ_READER").ok();
    catch_panics();
    watch();
    let chosen: Vec<&Reader> =
        READERS.iter().filter(|reader| only.as_ref().is_none_or(|only| only == reader.name)).collect();
    assert!(!chosen.is_empty(), "no reader is named {only:?}");
    let threads = thread::available_parallelism().map_or(1, usize::from).min(chosen.len());
    let each = Duration::from_secs_f64(time * threads as f64 / chosen.len() as f64);
    let (next, rounds) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(reader) = chosen.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let begin = Instant::now();
                    let round = round(reader, seed, true, |done| done.is_multiple_of(64) && begin.elapsed() > each);
                    eprintln!(
                        "{:<16} {:>12} executions  {:>8.0} a second  {:>4} answers  {} failures",
                        reader.name,
                        round.executions,
                        round.executions as f64 / begin.elapsed().as_secs_f64(),
                        round.said,
                        round.failures.len()
                    );
                    rounds.lock().unwrap_or_else(PoisonError::into_inner).push((reader.name, round));
                }
            });
        }
    });
    let failures = fails(&rounds.into_inner().unwrap_or_else(PoisonError::into_inner));
    assert!(failures.is_empty(), "{failures}");
}
