//! `distillscope bench` on the sample session, as small as it goes: what it says of its measurements, never how fast.

use serde_json::Value;

use crate::contract::{distillscope, fails_with, sample};

const MEASURED: [&str; 12] = [
    "iou-maps",
    "mask",
    "decode",
    "loader",
    "teacher",
    "student",
    "nms",
    "comparison",
    "val",
    "snapshot",
    "step-imitation",
    "step",
];

#[test]
fn everything_is_measured_and_adds_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bench.json");
    // One thread: several wait for one another, for ever on a machine that is busy with other tests.
    let small = ["--imgsz", "64", "--batch", "2", "--workers", "1", "--threads", "1", "--device", "cpu"];
    let json = ["--seconds", "0.1", "--json", file.to_str().expect("its name")];
    let output = distillscope(&[&["bench"], &small[..], &json[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(&file).expect("a report")).expect("its JSON");
    assert_eq!(report["schema"], "distillscope.bench/1");
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["complete"], true);

    let setup = &report["setup"];
    assert_eq!((&setup["imgsz"], &setup["batch"], &setup["workers"]), (&64.into(), &2.into(), &1.into()));
    assert_eq!((&setup["tap"], &setup["seconds"]), (&"head".into(), &0.1.into()));
    let machine = &report["machine"];
    assert_eq!((&machine["threads"], &machine["device"], &machine["gpu"]), (&1.into(), &"CPU".into(), &Value::Null));
    assert!(machine["cores"].as_u64() >= Some(1) && machine["cpu"].as_str().is_some_and(|cpu| !cpu.is_empty()));

    let measurements = report["measurements"].as_array().expect("measurements");
    assert_eq!(measurements.iter().map(|m| m["id"].as_str().expect("an id")).collect::<Vec<_>>(), MEASURED);
    let number = |value: &Value| value.as_f64().expect("a number");
    let mut least = 0.0;
    for m in measurements {
        let (n, median, p90) = (number(&m["n"]), number(&m["median"]), number(&m["p90"]));
        assert!(n >= 1.0 && median > 0.0 && median <= p90, "{m}");
        let counts_images = !["iou-maps", "mask"].contains(&m["id"].as_str().expect("an id"));
        assert_eq!(m["images_per_second"].as_f64().is_some_and(|rate| rate > 0.0), counts_images, "{m}");
        // Half of the repeats took the median or longer.
        least += n / 2.0 * median;
    }
    assert!(least <= number(&report["seconds"]), "{least} s of {report}");

    let median = |id: &str| {
        let of = measurements.iter().find(|m| m["id"] == id).expect("a measurement");
        number(&of["median"])
    };
    let (with, without) = (median("step-imitation"), median("step"));
    let cost = &report["imitation"][0];
    assert_eq!(cost["precision"], "float32");
    assert!((number(&cost["seconds"]) - (with - without)).abs() < 1e-12);
    assert!((number(&cost["ratio"]) - with / without).abs() < 1e-9);
    for (phases, imitation) in report["phases"].as_array().expect("phases").iter().zip([true, false]) {
        assert_eq!((&phases["precision"], &phases["imitation"]), (&"float32".into(), &imitation.into()));
        let milliseconds = phases["milliseconds"].as_object().expect("phases by name");
        assert_eq!(milliseconds.len(), 7);
        let of = |name: &str| number(&milliseconds[name]);
        // Nothing but the teacher's phase may be empty.
        assert!(milliseconds.iter().all(|(name, spent)| number(spent) > 0.0 || name == "teacher"), "{phases}");
        assert!(of("teacher") > 0.0 || !imitation, "{phases}");
        assert!((1..=2).contains(&phases["reads"].as_u64().expect("a number")));
        assert_eq!(phases["reads_measuring"].as_u64().is_some_and(|reads| reads <= 4), imitation);
    }
    if cfg!(target_os = "linux") {
        // The weights alone take more.
        assert!(number(&report["peak_memory_bytes"]) > 18e6);
        assert!(machine["libtorch"].as_str().is_some_and(|version| version.starts_with("2.")), "{machine}");
    }

    let table = String::from_utf8_lossy(&output.stdout);
    for m in measurements {
        let what = m["what"].as_str().expect("words");
        assert!(
            table
                .lines()
                .any(|line| line.starts_with(what) && [" µs", " ms", " s"].iter().any(|unit| line.contains(unit))),
            "{what} is not in\n{table}"
        );
    }
    assert!(
        table.contains("host reads ") && table.contains("Imitation adds") && table.contains("Peak memory"),
        "{table}"
    );
}

#[test]
fn the_loader_alone_says_how_many_images_and_of_what() {
    let data = sample("data.yaml");
    let run = |more: &[&str]| {
        let small = ["bench", "--loader", "--data", &data, "--imgsz", "64", "--batch", "2", "--seconds", "0.2"];
        let output = distillscope(&[&small[..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    for (more, cached) in [(&["--json", "-"][..], true), (&["--uncached", "--workers", "2", "--json", "-"][..], false)]
    {
        let report: Value = serde_json::from_str(&run(more)).expect("its JSON");
        assert_eq!(report["schema"], "distillscope.loader/1");
        let setup = &report["setup"];
        assert_eq!((&setup["imgsz"], &setup["batch"], &setup["cached"]), (&64.into(), &2.into(), &cached.into()));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // All but one, and never none.
        let workers = if cached { cores.clamp(2, 17) - 1 } else { 2 };
        assert_eq!(setup["workers"], workers);
        let number = |name: &str| report[name].as_f64().expect("a number");
        assert!(number("images") >= 1.0 && number("seconds") >= 0.2, "{report}");
        assert!((number("images_per_second") * number("seconds") - number("images")).abs() < 1e-6 * number("images"));
        if cfg!(target_os = "linux") {
            let all_cores = number("cpu_per_image") * number("images");
            assert!(all_cores > 0.0 && all_cores < (cores as f64 + 1.0) * number("seconds"), "{report}");
        }
    }
    let words = run(&["--uncached"]);
    assert!(words.contains("every image decoded each time") && words.contains(" images/s"), "{words}");
}

#[test]
fn bad_input_is_one_clear_line() {
    fails_with(&["bench", "--loader", "--data", "nowhere.yaml"], &["nowhere.yaml", "no such file"]);
    fails_with(
        &["bench", "--loader", "--data", &sample("data.yaml"), "--hyp", &sample("models/student.pt")],
        &["student.pt"],
    );
    fails_with(&["bench", "--data", &sample("data.yaml")], &["--teacher", "all three"]);
    let weights = sample("models/student.pt");
    let with = |data: &str, teacher: &str, words: &[&str]| {
        fails_with(&["bench", "--data", data, "--teacher", teacher, "--student", &weights], words);
    };
    with("nowhere.yaml", &weights, &["nowhere.yaml", "no such file"]);
    with(&sample("data.yaml"), &sample("data.yaml"), &["data.yaml"]);
    fails_with(&["bench", "--device", "cuda:99"], &["cuda:99", "--device cpu"]);
}
