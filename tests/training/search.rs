//! A search on five small pictures: every run real, if short.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use distillscope::imitation::loss::Loss;
use distillscope::train::TrainError;
use distillscope::train::comparison::RunResult;
use distillscope::train::config::{ImitationConfig, Lambda, Length, RunConfig};
use distillscope::train::event::RunControl;
use distillscope::train::record::RunTables;
use distillscope::train::search::event::{Ending, SearchEvent};
use distillscope::train::search::keep::{Search, SearchFolder};
use distillscope::train::search::table::SearchTable;
use distillscope::train::search::{accept_changes, begin, open, prepare, resume};

use super::runs::Place;

fn base(place: &Place) -> RunConfig {
    RunConfig { imitation: ImitationConfig::default(), length: Length::Epochs(2), seed: 0, ..place.config() }
}

/// Three candidates of two epochs, and all the time that five seeds take.
fn small(place: &Place) -> Search {
    search_of(place, ["answers", "correlation", "answers-low-lr"])
}

fn search_of(place: &Place, wanted: [&str; 3]) -> Search {
    let mut search = prepare(&base(place), 30.0).expect("a search");
    search.candidates.retain(|candidate| wanted.contains(&candidate.name.as_str()));
    assert_eq!(search.candidates.len(), 3);
    search
}

fn finished(ending: Result<Ending, TrainError>) -> SearchTable {
    match ending.expect("a search") {
        Ending::Finished(table) => *table,
        Ending::Stopped => panic!("nobody stopped it"),
    }
}

fn result(out: &Path, run: &str) -> RunResult {
    let text = fs::read_to_string(out.join("runs").join(run).join("result.json")).expect(run);
    serde_json::from_str(&text).expect("its json")
}

fn distillscope(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_distillscope")).args(args).output().expect("the program")
}

#[track_caller]
fn fails(args: &[&str], words: &[&str]) {
    let output = distillscope(args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.trim_end().lines().count() == 1, "{args:?}: {text}");
    assert!(words.iter().all(|word| text.contains(word)), "{args:?}: {text}");
}

#[test]
fn a_search_ends_with_a_table_and_a_run_to_take() {
    let place = Place::new();
    let out = place.at("search");
    let (mut planned, mut running, mut tables) = (None, 0, 0);
    let table = finished(begin(small(&place), &out, &RunControl::default(), &mut |event| match event {
        SearchEvent::Search(search) => planned = search.ladder.clone(),
        SearchEvent::Running(_) => running += 1,
        SearchEvent::Table(_) => tables += 1,
        SearchEvent::Measuring(_) | SearchEvent::Warning(_) => {}
    }));
    let ladder = planned.expect("a plan");
    assert_eq!((ladder.candidates, ladder.rungs, ladder.finals), (3, vec![2], 2));
    // Two learning rates, three candidates; then five seeds of two finalists. Six steps a run and its begin.
    let (rungs, finals) = (5, table.finalists[0].runs.len());
    assert_eq!((table.finalists.len(), finals), (2, 5));
    let runs = fs::read_dir(out.join("runs")).expect("runs").count();
    assert_eq!((running, tables), (7 * runs, runs + 1));
    assert!((rungs + 5 * 3..=rungs + 5 * 4).contains(&runs), "{runs}");

    // Its numbers are those of the runs, and of the better baseline.
    let map = |run: &str| result(&out, run).map50_95;
    let slow = table.candidates.iter().find(|row| row.name == "answers-low-lr").expect("a slow one");
    let baseline = map("baseline-1-0").max(map(&format!("baseline-lr{}-1-0", slow.settings.lr0)));
    for row in &table.candidates {
        let [score] = row.rungs[..] else { panic!("{}: one rung", row.name) };
        assert_eq!((score.map50_95, score.baseline), (map(&format!("{}-1-0", row.name)), baseline));
        assert_eq!((score.difference, score.seed, score.epochs), (score.map50_95 - baseline, 0, 2));
    }
    assert_eq!(table.finalists[0].runs.iter().map(|run| run.seed).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    // A baseline is the run that `--teacher none` makes.
    place.run(RunConfig { teacher: None, seed: 3, ..base(&place) }, "alone").expect("a run");
    let weights = |folder: PathBuf| fs::read(folder.join("weights/last.safetensors")).expect("weights");
    assert_eq!(weights(out.join("runs/baseline-final-3")), weights(place.at("alone")));

    let text = fs::read_to_string(out.join("search.json")).expect("a table");
    assert_eq!(serde_json::from_str::<SearchTable>(&text).expect("its json"), table);
    let best = fs::read_to_string(out.join("best.toml")).expect("a run");
    let best = RunConfig::parse(&best).expect("a config");
    place.run(RunConfig { length: Length::Steps(1), ..best }, "taken").expect("a run");
    // Its curves are kept: three steps an epoch.
    let history = RunTables::read(&out.join("runs/answers-1-0")).expect("a history");
    assert_eq!((history.steps.len(), history.epochs.len()), (6, 2));
    // What is on disk says the same, without its table all but the conclusion; and so does the program, in JSON alone.
    let opened = open(&out).expect("a search").1;
    assert_eq!(SearchTable { spent_minutes: table.spent_minutes, ..opened }, table);
    let printed = distillscope(&["search", "--resume", &out.display().to_string(), "--json", "-"]);
    let printed: SearchTable = serde_json::from_slice(&printed.stdout).expect("JSON alone");
    assert_eq!(SearchTable { spent_minutes: table.spent_minutes, ..printed }, table);
    fs::remove_file(out.join("search.json")).expect("a table");
    let now = open(&out).expect("a search").1;
    let spent = SearchFolder::new(&out).read().expect("a search").spent;
    let expected = SearchTable { best: None, conclusion: String::new(), spent_minutes: spent / 60.0, ..table };
    assert_eq!(now, expected);
    // A folder that holds a search is not begun anew.
    let again = begin(small(&place), &out, &RunControl::default(), &mut |_| {});
    assert!(again.expect_err("taken").to_string().contains("already holds"));
}

/// One candidate, five seeds, data with a test split.
#[test]
fn the_verdict_is_on_test_where_the_data_have_one() {
    let place = Place::new();
    place.pictures("test", 2);
    let data = place.at("data/with-test.yaml");
    let yaml = "path: .\ntrain: images/train\nval: images/val\ntest: images/test\nnames: [even, odd]\n";
    fs::write(&data, yaml).expect("data");
    let mut one = prepare(&RunConfig { data, ..base(&place) }, 30.0).expect("a search");
    one.candidates.truncate(1);
    let out = place.at("search");
    let table = finished(begin(one, &out, &RunControl::default(), &mut |_| {}));
    let test = |run: &str| result(&out, run).test.expect("a test split").map50_95;
    for run in &table.finalists[0].runs {
        let pair = [test(&format!("answers-final-{}", run.seed)), test(&format!("baseline-final-{}", run.seed))];
        assert_eq!(run.test_difference, Some(pair[0] - pair[1]));
    }
    let verdict = table.verdict.expect("a verdict");
    assert_eq!((verdict.split.as_str(), verdict.n), ("test", 5));
    assert!(table.conclusion.contains("on test"), "{}", table.conclusion);
}

#[test]
fn what_was_stopped_goes_on() {
    let place = Place::new();
    let (out, control) = (place.at("search"), RunControl::default());
    let mut one = prepare(&base(&place), 30.0).expect("a search");
    one.candidates.truncate(1);
    // In the middle of the second run.
    let mut heard = 0;
    let stopped = begin(one, &out, &control, &mut |event| {
        if let SearchEvent::Running(running) = event {
            heard += 1;
            if heard == 10 {
                assert_eq!((running.name.as_str(), running.run, running.runs), ("answers", 2, 2));
                let second =
                    resume(&out, None, &RunControl::default(), &mut |_| {}).expect_err("it is taken").to_string();
                assert!(second.contains("another run is at work in this folder"), "{second}");
                control.stop();
            }
        }
    });
    // No step follows the one in hand.
    assert_eq!((stopped.expect("no error"), heard), (Ending::Stopped, 10));
    let spent = SearchFolder::new(&out).read().expect("a search").spent;
    // Another ground truth: the run that was stopped does not go on by itself.
    let labels = place.at("data/labels/train/1.txt");
    let row = fs::read_to_string(&labels).expect("labels");
    fs::write(&labels, row.replacen('1', "0", 1)).expect("labels");
    let changed = resume(&out, None, &RunControl::default(), &mut |_| {}).expect_err("a change").to_string();
    assert!(changed.contains("train was 5 images") && changed.contains("--accept-changes"), "{changed}");
    accept_changes(&out).expect("accepted");
    let table = finished(resume(&out, Some(20.0), &RunControl::default(), &mut |_| {}));
    assert_eq!((table.minutes, table.finalists.len(), table.finalists[0].runs.len()), (20.0, 1, 5));
    assert!(table.spent_minutes * 60.0 > spent && spent > 0.0);
}

/// `kill -9` at any moment, again and again, and the same table in the end.
#[test]
fn two_searches_do_not_share_a_folder() {
    let place = Place::new();
    let out = place.at("search");
    let control = RunControl::default();
    let mut refused = Vec::new();
    let ended = begin(small(&place), &out, &control, &mut |_| {
        if refused.is_empty() {
            refused.push(resume(&out, None, &RunControl::default(), &mut |_| {}).expect_err("it is taken"));
            refused.push(begin(small(&place), &out, &RunControl::default(), &mut |_| {}).expect_err("it is taken"));
            control.stop();
        }
    });
    assert!(matches!(ended, Ok(Ending::Stopped)));
    assert_eq!(refused.len(), 2);
    for error in refused {
        assert!(error.to_string().contains("another run is at work in this folder"), "{error}");
    }
    // It is free again, and where no search is none is begun.
    let stopped = RunControl::default();
    stopped.stop();
    assert!(matches!(resume(&out, None, &stopped, &mut |_| {}), Ok(Ending::Stopped)));
    assert!(resume(&place.at("none"), None, &control, &mut |_| {}).is_err() && !place.at("none").exists());
}

#[test]
fn a_search_that_is_killed_goes_on_to_the_same_table() {
    let place = Place::new();
    let whole = place.at("whole");
    let search = search_of(&place, ["answers", "answers-lambda3", "correlation"]);
    let expected = finished(begin(search, &whole, &RunControl::default(), &mut |_| {}));
    // The same plan: how fast the machine was in another moment is not asked again.
    let planned = SearchFolder::new(&whole).read().expect("a search");
    assert_eq!(planned.rungs.len(), 1, "a rung, and then fresh seeds");
    let out = place.at("killed");
    fs::create_dir_all(&out).expect("a folder");
    let again = Search { spent: 0.0, rungs: Vec::new(), finals: None, ..planned };
    SearchFolder::new(&out).write(&again).expect("a search");
    let mut killed = 0;
    for attempt in 0_u64..200 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_distillscope"));
        command.args(["search", "--resume"]).arg(&out).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program");
        let patience = Duration::from_millis(150 + attempt * 137 % 700 + 20 * attempt);
        let begin = Instant::now();
        let ended = loop {
            match child.try_wait().expect("a state") {
                Some(status) => break Some(status),
                None if begin.elapsed() > patience => break None,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        if let Some(status) = ended {
            assert!(status.success(), "attempt {attempt}: {status}");
            break;
        }
        child.kill().expect("a kill");
        child.wait().expect("its end");
        killed += 1;
        SearchFolder::new(&out).read().expect("a whole search.toml");
    }
    assert!(killed > 2, "killed {killed} times");
    let text = fs::read_to_string(out.join("search.json")).expect("a table");
    let found: SearchTable = serde_json::from_str(&text).expect("its json");
    assert_eq!(SearchTable { spent_minutes: expected.spent_minutes, ..found }, expected);
    for run in fs::read_dir(whole.join("runs")).expect("runs") {
        let name = run.expect("a run").file_name();
        let weights = |out: &Path| fs::read(out.join("runs").join(&name).join("weights/last.safetensors"));
        assert_eq!(weights(&out).expect("weights"), weights(&whole).expect("weights"), "{name:?}");
    }
}

#[test]
fn what_cannot_be_searched_is_said_in_one_line() {
    let place = Place::new();
    let config = place.at("base.toml");
    let write = |change: &dyn Fn(&mut RunConfig)| {
        let mut base = base(&place);
        change(&mut base);
        fs::write(&config, toml::to_string(&base).expect("toml")).expect("a config");
    };
    let (file, out) = (config.display().to_string(), place.at("out").display().to_string());
    let search = |minutes| ["search", "--config", &file, "--minutes", minutes, "--out", &out].map(str::to_owned);
    let fails_with = |minutes, words: &[&str]| {
        let args = search(minutes);
        fails(&args.each_ref().map(String::as_str), words);
    };
    write(&|_| {});
    fails_with("0", &["a budget of 0 min"]);
    assert!(!place.at("out").exists());
    // Too short: what is needed was measured, and the folder goes on with it.
    fails_with("0.0001", &["too short", "needs about", &format!("search --resume {out} --minutes 1` goes on")]);
    fails_with("1", &["already holds"]);
    fs::remove_dir_all(&out).expect("its folder");
    write(&|base| base.teacher = None);
    fails_with("1", &["a search needs a teacher"]);
    let data = place.at("data/no-val.yaml");
    fs::write(&data, "path: .\ntrain: images/train\nnames: [even, odd]\n").expect("data");
    write(&|base| base.data.clone_from(&data));
    fails_with("1", &["no-val.yaml", "no val split", "name one"]);
    assert!(!place.at("out").exists());
    fails(&["search", "--resume", &out], &[&out, "no such file"]);
}

/// λ beyond all bounds: the setting that a person asks for fails at once, the others go on.
#[test]
fn a_candidate_that_fails_is_out_with_its_reason() {
    let place = Place::new();
    let mut given = base(&place);
    given.imitation.lambda = Lambda::Fixed(1e30);
    let mut search = prepare(&given, 30.0).expect("a search");
    search.candidates.retain(|candidate| ["as-given", "answers"].contains(&candidate.name.as_str()));
    let table = finished(begin(search, &place.at("search"), &RunControl::default(), &mut |_| {}));
    let failed = |name: &str| table.candidates.iter().find(|row| row.name == name).expect(name).failed.clone();
    assert!(failed("as-given").expect("a reason").contains("the imitation's gradient's norm is inf"), "{table}");
    assert_eq!((failed("answers"), table.tried()), (None, 2));
    // It is not run again on every other seed.
    assert!(!place.at("search/runs/as-given-final-2").exists() && place.at("search/runs/as-given-final-1").exists());
    assert_eq!((table.finalists[0].name.as_str(), table.finalists[0].runs.len()), ("answers", 5));
}

#[test]
fn where_training_itself_fails_nothing_is_compared() {
    let place = Place::new();
    let mut given = base(&place);
    given.hyp.lr0 = 1e30;
    let config = place.at("base.toml");
    fs::write(&config, toml::to_string(&given).expect("toml")).expect("a config");
    let (file, out) = (config.display().to_string(), place.at("out").display().to_string());
    let args = ["search", "--config", &file, "--minutes", "30", "--out", &out];
    fails(&args, &["the run without imitation fails, so nothing can be compared with it: step "]);
    assert!(!place.at("out/measure").exists());
}

#[test]
fn losses_that_do_not_fit_are_left_out_and_named() {
    let place = Place::new();
    let yaml = fs::read_to_string(place.at("student.yaml")).expect("a yaml").replace("[10,13,", "[11,19,");
    fs::write(place.at("other.yaml"), yaml).expect("a yaml");
    let search = prepare(&RunConfig { student: place.at("other.yaml"), ..base(&place) }, 1.0).expect("a search");
    let names: Vec<&str> = search.left_out.iter().map(|left| left.loss.as_str()).collect();
    assert_eq!(names, [Loss::ANSWERS.name(), Loss::LOGITS.name()]);
    assert!(search.left_out[0].reason.contains("anchors"), "{:?}", search.left_out);
    assert!(
        search.candidates.iter().all(|candidate| names.iter().all(|name| candidate.imitation.loss.name() != *name))
    );
}
