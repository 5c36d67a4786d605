//! Damaged, renamed and malicious checkpoints: one clear error, no panic, little memory, and nothing is executed.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has to fail")]

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use distillscope::yolo::checkpoint::{self, Checkpoint, CheckpointError, write_pt};
use proptest::prelude::*;
use zip::write::SimpleFileOptions;

/// A pickle in the making, opcode by opcode.
#[derive(Clone, Default)]
struct Script(Vec<u8>);

impl Script {
    fn new() -> Self {
        Self(vec![0x80, 2])
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    fn int(self, value: i64) -> Self {
        self.raw(&[0x8a, 8]).raw(&value.to_le_bytes())
    }

    fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    fn tuple(self, values: &[i64]) -> Self {
        values.iter().fold(self.raw(b"("), |script, value| script.int(*value)).raw(b"t")
    }

    /// A tensor over the storage `key` of torch's type `kind`.
    fn tensor(self, kind: &str, key: &str, offset: i64, shape: &[i64], strides: &[i64]) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"((")
            .text("storage")
            .global("torch", kind)
            .text(key)
            .text("cpu")
            .int(0)
            .raw(b"tQ")
            .int(offset)
            .tuple(shape)
            .tuple(strides)
            .raw(b"\x89NtR")
    }

    /// An object of a class, with what the function puts into its attributes.
    fn object(self, module: &str, class: &str, attributes: impl FnOnce(Self) -> Self) -> Self {
        attributes(self.global(module, class).raw(b")\x81}(")).raw(b"ub")
    }

    /// A dict under a string key.
    fn dict(self, key: &str, entries: impl FnOnce(Self) -> Self) -> Self {
        entries(self.text(key).raw(b"}(")).raw(b"u")
    }

    fn end(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

/// The smallest model that opens: Detect alone, one scale, one anchor, one class. `anchors` and `more` are the variables:
/// the buffer, and further attributes of the model.
fn model_with(anchors: impl FnOnce(Script) -> Script, more: impl FnOnce(Script) -> Script) -> Vec<u8> {
    let conv = |script: Script| {
        script.dict("_parameters", |script| script.text("weight").tensor("FloatStorage", "w", 0, &[6, 1], &[1, 1]))
    };
    let detect = |script: Script| {
        script
            .dict("_buffers", |script| anchors(script.text("anchors")))
            .dict("_modules", |script| {
                let list = |script: Script| {
                    script.dict("_modules", |script| script.text("0").object("torch.nn.modules.conv", "Conv2d", conv))
                };
                script.text("m").object("torch.nn.modules.container", "ModuleList", list)
            })
            .text("stride")
            .tensor("FloatStorage", "s", 0, &[1], &[1])
    };
    let model = |script: Script| {
        more(script.dict("_modules", |script| {
            let layers = |script: Script| {
                script.dict("_modules", |script| script.text("0").object("models.yolo", "Detect", detect))
            };
            script.text("model").object("torch.nn.modules.container", "Sequential", layers)
        }))
    };
    Script::new().object("models.yolo", "Model", model).end()
}

fn good_anchors(script: Script) -> Script {
    script.tensor("FloatStorage", "a", 0, &[1, 1, 2], &[2, 2, 1])
}

fn good_model() -> Vec<u8> {
    model_with(good_anchors, |script| script)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A checkpoint file with a pickle and the storages of the smallest model.
fn container(pickle: &[u8]) -> Vec<u8> {
    let weight = floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let (anchors, stride) = (floats(&[1.5, 2.0]), floats(&[8.0]));
    archive(&[
        ("x/data.pkl", pickle),
        ("x/data/w", &weight),
        ("x/data/a", &anchors),
        ("x/data/s", &stride),
        ("x/byteorder", b"little"),
    ])
}

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file(*name, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Opens bytes as a file and reads every tensor.
fn open(bytes: &[u8]) -> Result<(Checkpoint, Vec<Vec<f32>>), CheckpointError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let checkpoint = checkpoint::open(file.path())?;
    let values: Result<Vec<_>, _> = checkpoint.tensors.iter().map(|tensor| checkpoint.read_f32(&tensor.name)).collect();
    values.map(|values| (checkpoint, values))
}

/// Opens bytes as a file that stays.
fn open_kept(folder: &tempfile::TempDir, bytes: &[u8]) -> (Checkpoint, PathBuf) {
    let path = folder.path().join("source.pt");
    fs::write(&path, bytes).unwrap();
    (checkpoint::open(&path).unwrap(), path)
}

fn error_of(bytes: &[u8]) -> String {
    let error = open(bytes).map(|(checkpoint, _)| checkpoint).expect_err("a bad checkpoint was opened").to_string();
    assert!(!error.contains('\n') && error.len() < 500, "not one line: {error}");
    error
}

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

#[test]
fn the_smallest_model_opens() {
    let (checkpoint, values) = open(&container(&good_model())).unwrap();
    assert_eq!(checkpoint.model.anchors_px, [[[12.0, 16.0]]]);
    assert_eq!((checkpoint.model.nc, checkpoint.model.strides.as_slice()), (1, &[8][..]));
    let names: Vec<&str> = checkpoint.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["model.0.anchors", "model.0.m.0.weight"]);
    assert_eq!(values[1], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn calls_are_records_and_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("executed");
    let call = |script: Script| {
        script.global("posix", "system").raw(b"(").text(&format!("touch {}", witness.display())).raw(b"tR")
    };
    let error = error_of(&container(&call(Script::new()).end()));
    assert!(error.contains("it holds posix.system"), "{error}");
    // Inside a model it is an attribute that nobody asks for.
    let (checkpoint, _) = open(&container(&model_with(good_anchors, |script| call(script.text("yaml"))))).unwrap();
    assert_eq!(checkpoint.model.nc, 1);
    assert!(!witness.exists());
}

/// Whoever loads a `.pt` in Python runs what its pickle calls, so a foreign call is not passed on.
#[test]
fn a_pickle_with_more_than_yolov5_in_it_is_not_lent() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.pt");
    let write = |pickle: &[u8]| {
        let (source, _) = open_kept(&folder, &container(pickle));
        write_pt(&source, &mut |_| Ok(None), &out).map_err(|error| error.to_string())
    };
    write(&good_model()).unwrap();
    fs::remove_file(&out).unwrap();
    let in_model = |more: fn(Script) -> Script| model_with(good_anchors, |script| more(script.text("note")));
    for (pickle, named) in [
        (in_model(|script| script.global("posix", "system").raw(b"(").text("true").raw(b"tR")), "posix.system"),
        // A name alone imports its module.
        (in_model(|script| script.global("antigravity", "x")), "antigravity.x"),
        (in_model(|script| script.object("subprocess", "Popen", |script| script)), "subprocess.Popen"),
        // A layer is made, never called: called, some of them read files.
        (
            in_model(|script| script.global("models.common", "DetectMultiBackend").raw(b"(").text("x.pt").raw(b"tR")),
            "models.common.DetectMultiBackend, called",
        ),
        // An attribute of something allowed.
        (in_model(|script| script.text("models.common").text("np.save").raw(b"\x93")), "models.common.np.save"),
        (
            in_model(|script| script.global("collections", "OrderedDict").raw(b")R").raw(b"(").text("x").raw(b"tR")),
            "something that it makes first and then calls",
        ),
    ] {
        let error = write(&pickle).unwrap_err();
        assert!(
            error.contains(named) && error.contains("Python would run") && !error.contains('\n'),
            "{named}: {error}"
        );
        assert!(!out.exists());
    }
    // Thrown away before the end, it runs all the same.
    let mut dropped = vec![0x80, 2];
    dropped.extend(b"cposix\nsystem\n(X\x04\0\0\0truetR0");
    dropped.extend(&good_model()[2..]);
    assert!(write(&dropped).unwrap_err().contains("posix.system"));
}

#[test]
fn the_pickles_of_yolov5_are_lent() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["checkpoint_v5.pt", "checkpoint_v7.pt", "checkpoint_state_dict.pt"] {
        checkpoint::check_lender(&checkpoint::open(&golden(file)).unwrap()).unwrap();
    }
    // What else a trainer keeps: a fitness of numpy, options with paths.
    let kept = |script: Script| {
        script
            .text("best_fitness")
            .global("numpy.core.multiarray", "scalar")
            .raw(b"(")
            .global("numpy", "dtype")
            .raw(b"(")
            .text("f8")
            .raw(b"\x89\x88tR")
            .global("_codecs", "encode")
            .raw(b"(")
            .text("00000000")
            .text("latin1")
            .raw(b"tRtR")
            .text("opt")
            .global("argparse", "Namespace")
            .raw(b")\x81}(")
            .text("save_dir")
            .global("pathlib", "PosixPath")
            .raw(b"(")
            .text("runs")
            .raw(b"tRub")
    };
    let (source, _) = open_kept(&folder, &container(&model_with(good_anchors, kept)));
    checkpoint::check_lender(&source).unwrap();
}

/// The golden TorchScript with its code changed: every text of it goes through `edit`, by its name.
fn scripted(edit: impl Fn(&str, String) -> String) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(fs::read(golden("checkpoint.torchscript")).unwrap())).unwrap();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        let mut method = zip::CompressionMethod::Stored;
        if name.ends_with(".py") {
            bytes = edit(&name, String::from_utf8(bytes).unwrap()).into_bytes();
            method = zip::CompressionMethod::Deflated;
        }
        zip.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Its `forward` would write a file when it is run; it is read, and nothing happens.
#[test]
fn the_code_of_a_torchscript_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("executed");
    let first = "    model = self.model\n";
    for line in [
        format!("_w = torch.save(x, \"{}\")", witness.display()),
        format!("_w = torch.from_file(\"{}\", True, 64)", witness.display()),
    ] {
        let spoiled = scripted(|name, text| match name.ends_with("models/yolo.py") {
            true => text.replacen(first, &format!("    {line}\n{first}"), 1),
            false => text,
        });
        let (source, _) = open(&spoiled).unwrap();
        assert_eq!(source.model.nc, 3);
        assert!(!witness.exists(), "{line}");
    }
}

/// What is not the code of a YOLOv5, or not what its modules say, is refused in a line that names it.
#[test]
fn a_torchscript_that_is_not_what_it_seems_is_refused() {
    assert_eq!(open(&scripted(|_, text| text)).unwrap().0.model.nc, 3);
    let refused = |file: &str, from: &str, to: &str| {
        let changed = std::cell::Cell::new(false);
        let spoiled = scripted(|name, text| {
            let replaced = if name.ends_with(file) { text.replacen(from, to, 1) } else { text.clone() };
            changed.set(changed.get() || replaced != text);
            replaced
        });
        assert!(changed.get(), "{file} has no {from}");
        let error = error_of(&spoiled);
        assert!(error.contains("TorchScript is not run, and cannot be read"), "{error}");
        error
    };
    let yolo = "models/yolo.py";
    let loops = refused(yolo, "    model = self.model\n", "    while True:\n      x = x\n    model = self.model\n");
    assert!(loops.contains("yolo.py has 'while', which no trace has"), "{loops}");
    // Another activation behind one convolution, a shortcut left out, pooling of another size, a stride.
    assert!(refused("___torch_mangle_40.py", "torch.silu_", "torch.relu_").contains("layer"));
    assert!(
        refused("models/common.py", "torch.add(argument_2, (cv2)", "torch.sub(argument_2, (cv2)").contains("layer 2")
    );
    assert!(refused("pooling.py", "[5, 5]", "[7, 7]").contains("layer 4"));
    assert!(refused("conv/___torch_mangle_0.py", "[2, 2], [1, 1]", "[1, 1], [1, 1]").contains("other strides"));
    assert!(refused("upsampling.py", "[2., 2.]", "[2., 3.]").contains("layer 5"));
    // Layers that read others than they say; a module that calls itself.
    assert!(refused(yolo, "(_7).forward(_12, )", "(_7).forward(_10, )").contains("layer"));
    assert!(refused(yolo, "(_1).forward(act, (_00)", "(self).forward((_00)").contains("without end"));
    assert!(refused("models/common.py", "class Conv(", "class Other(").contains("is missing"));
    // Small in the file, large when it is unpacked.
    let bomb = scripted(|name, text| if name.ends_with(yolo) { text + &"#".repeat(9 << 20) } else { text });
    assert!(bomb.len() < 1 << 20);
    assert!(error_of(&bomb).contains("have more than 8388608 bytes"));
}

#[test]
fn other_models_are_named() {
    let object = |module: &str, class: &str| container(&Script::new().object(module, class, |script| script).end());
    for (module, class, expected) in [
        ("ultralytics.nn.tasks", "DetectionModel", "YOLOv8"),
        ("models.yolo", "SegmentationModel", "segments"),
        ("yolov5.models.yolo", "ClassificationModel", "classifies"),
        ("torchvision.models.resnet", "ResNet", "torchvision.models.resnet.ResNet"),
        ("models.yolo", "Model", "no layers"),
    ] {
        let error = error_of(&object(module, class));
        assert!(error.contains("not a YOLOv5 detection model") && error.contains(expected), "{error}");
    }
    let with_head = |class: &str| {
        let mut pickle = good_model();
        let at = pickle.windows(7).position(|window| window == b"Detect\n").unwrap();
        pickle.splice(at..at + 6, class.bytes());
        error_of(&container(&pickle))
    };
    assert!(with_head("Segment").contains("segments"));
    assert!(with_head("IDetect").contains("its last layer is IDetect"));
}

#[test]
fn other_files_are_named() {
    for (bytes, expected) in [
        (&b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"[..], "an image"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "Git LFS"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"", "empty"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M", "before 1.6"),
        (b"names: [cat]\n", "no known kind"),
    ] {
        let error = error_of(bytes);
        assert!(error.contains(expected), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(checkpoint::open(folder.path()).unwrap_err().to_string().contains("a folder"));
    let missing = checkpoint::open(&folder.path().join("best.pt")).unwrap_err().to_string();
    assert!(missing.contains("best.pt") && missing.contains("cannot be read"), "{missing}");
    assert!(error_of(&archive(&[("readme.txt", b"hello")])).contains("without the data.pkl"));
    assert!(error_of(&archive(&[("x/data.pkl", b"\x80\x02N."), ("x/byteorder", b"big")])).contains("big-endian"));
    assert!(error_of(&container(b"\x80\x02N.")).contains("there is no model in it"));
}

#[test]
fn references_that_unfold_without_end_are_bounded() {
    // Forty lists, each holding the one before it twice: 2^40 values when written out.
    let bomb = |script: Script| {
        let innermost = script.text("lol").raw(b"q\x000");
        (0..40).fold(innermost, |script, _| script.raw(b"](h\x00h\x00eq\x000")).raw(b"h\x00")
    };
    assert!(error_of(&container(&bomb(Script::new()).end())).contains("there is no model in it"));
    for attribute in ["yaml", "names"] {
        let pickle = model_with(good_anchors, |script| bomb(script.text(attribute)));
        let (checkpoint, _) = open(&container(&pickle)).unwrap();
        assert_eq!(checkpoint.model.yaml, None);
        assert_eq!(checkpoint.model.names, ["class 0"]);
    }
    // The same with modules.
    let pickle = model_with(good_anchors, |script| {
        // Each is memoised and popped; only the last is put into the model.
        let leaf = script.object("m", "Leaf", |script| script).raw(b"q\x000");
        let tree = (0..14).fold(leaf, |script, _| {
            let children = |script: Script| script.text("a").raw(b"h\x00").text("b").raw(b"h\x00");
            script.object("m", "Node", |script| script.dict("_modules", children)).raw(b"q\x000")
        });
        tree.dict("_modules", |script| script.text("bomb").raw(b"h\x00"))
    });
    assert!(error_of(&container(&pickle)).contains("nested without end"));
    // A module that is its own child.
    let pickle = Script::new()
        .global("models.yolo", "Model")
        .raw(b")\x81q\x00}(")
        .dict("_modules", |script| script.text("model").raw(b"h\x00"))
        .raw(b"ub")
        .end();
    assert!(error_of(&container(&pickle)).contains("nested without end"));
    // A list that holds itself.
    let pickle = model_with(good_anchors, |script| script.text("yaml").raw(b"]q\x00h\x00a"));
    assert_eq!(open(&container(&pickle)).unwrap().0.model.yaml, None);
}

#[test]
fn depth_costs_no_stack() {
    let nested = |script: Script, depth: usize| script.raw(b")").raw(&vec![0x85; depth]);
    assert!(error_of(&container(&nested(Script::new(), 900_000).end())).contains("there is no model in it"));
    let error = error_of(&container(&nested(Script::new(), 2_000_000).end()));
    assert!(error.contains("more than 1000000 values"), "{error}");
    let pickle = model_with(good_anchors, |script| nested(script.text("yaml"), 500_000));
    assert_eq!(open(&container(&pickle)).unwrap().0.model.yaml, None);
}

#[test]
fn claimed_sizes_are_not_believed() {
    let huge = u64::MAX.to_le_bytes();
    for opcode in [0x95_u8, 0x8d, 0x8e, 0x96] {
        let error = error_of(&container(&Script::new().raw(&[opcode]).raw(&huge).end()));
        assert!(error.contains("ends within the opcode"), "{error}");
    }
    for opcode in [b'X', b'T', b'B', 0x8b] {
        let error = error_of(&container(&Script::new().raw(&[opcode]).raw(&huge[..4]).end()));
        assert!(error.contains("ends within the opcode"), "{error}");
    }
    // A slot of the memo is a key, not a size.
    let far = Script::new().raw(b"Nr\xff\xff\xff\xff").end();
    assert!(error_of(&container(&far)).contains("there is no model in it"));
    for (pickle, expected) in [
        (&b"\x80\x02"[..], "ends within"),
        (b"\x80\x02.", "needs a value"),
        (b"\x80\x02t.", "needs a mark"),
        (b"\x80\x02(N0000.", "needs a value"),
        (b"\x80\x02(N\x85\x86.", "the stack"),
        (b"\x80\x02h\x07.", "memoised"),
        (b"\x80\x02NNb.", "needs an object"),
        (b"\x80\x02NNR.", "a tuple of arguments"),
        (b"\x80\x02N(NNNu.", "a value for every key"),
        (b"\x80\x02X\x02\x00\x00\x00\xff\xff.", "UTF-8"),
        (b"\x80\x02i", "0x69"),
    ] {
        let error = error_of(&container(pickle));
        assert!(error.contains("the file is damaged") && error.contains(expected), "{error}");
    }
}

#[test]
fn tensors_stay_within_their_storages() {
    for (offset, shape, strides) in [
        (1, &[1_i64, 1, 2][..], &[2_i64, 2, 1][..]),
        (i64::MAX, &[1, 1, 2], &[2, 2, 1]),
        (-1, &[1, 1, 2], &[2, 2, 1]),
        (0, &[1, 1, -2], &[2, 2, 1]),
        (0, &[1, 1, 2], &[2, 2, -1]),
        (0, &[1, 1, 2], &[2, 2, i64::MAX]),
        (0, &[1, 1, 2], &[2, 2, 2]),
        (0, &[1, 1, 2], &[1]),
        (0, &[4, 1, 2], &[0, 0, 1]),
        (0, &[i64::MAX, i64::MAX, 2], &[0, 0, 1]),
        (0, &[1 << 32, 1 << 32, 2], &[0, 0, 1]),
    ] {
        let anchors = |script: Script| script.tensor("FloatStorage", "a", offset, shape, strides);
        let error = error_of(&container(&model_with(anchors, |script| script)));
        assert!(error.contains("model.0.anchors"), "{error}");
    }
    for (kind, key) in [("FloatStorage", "none"), ("ComplexFloatStorage", "a"), ("FloatStorage", "../data.pkl")] {
        let anchors = |script: Script| script.tensor(kind, key, 0, &[1, 1, 2], &[2, 2, 1]);
        assert!(error_of(&container(&model_with(anchors, |script| script))).contains("model.0.anchors"));
    }
    // A storage read as twice as many bytes as it has.
    let anchors = |script: Script| script.tensor("DoubleStorage", "a", 0, &[1, 1, 2], &[2, 2, 1]);
    assert!(error_of(&container(&model_with(anchors, |script| script))).contains("does not fit"));
}

#[test]
fn anchors_and_strides_must_make_sense() {
    let pickle = good_model();
    let with = |anchors: [f32; 2], stride: f32| {
        let (anchors, stride, weight) = (floats(&anchors), floats(&[stride]), floats(&[0.0; 6]));
        error_of(&archive(&[
            ("x/data.pkl", &pickle),
            ("x/data/w", &weight),
            ("x/data/a", &anchors),
            ("x/data/s", &stride),
        ]))
    };
    for (anchors, stride) in
        [([1.0, f32::NAN], 8.0), ([f32::NEG_INFINITY, 1.0], 8.0), ([-1.0, 1.0], 8.0), ([1.0, f32::INFINITY], 8.0)]
    {
        assert!(with(anchors, stride).contains("its anchors are"));
    }
    for stride in [0.0, -8.0, 0.5, f32::NAN, f32::INFINITY, 4096.0] {
        assert!(with([1.0, 1.0], stride).contains("strides"));
    }
}

#[test]
fn zips_that_lie_are_refused() {
    let pickle = good_model();
    let twice = archive(&[("x/data.pkl", &pickle), ("x/data.pk1", &pickle)]);
    let position = |bytes: &[u8], needle: &[u8], nth: usize| {
        bytes.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle).nth(nth).unwrap().0
    };
    let mut renamed = twice.clone();
    for nth in [0, 0] {
        let at = position(&renamed, b"data.pk1", nth);
        renamed[at + 7] = b'l';
    }
    let error = error_of(&renamed);
    assert!(error.contains("damaged"), "{error}");

    // The directory (its second mention of each name) claims sizes that the file does not have.
    let good = container(&pickle);
    for size in [good.len() as u32, u32::MAX - 1] {
        let mut claiming = good.clone();
        let header = position(&good, b"x/data/w", 1) - 46;
        claiming[header + 20..header + 24].copy_from_slice(&size.to_le_bytes());
        claiming[header + 24..header + 28].copy_from_slice(&size.to_le_bytes());
        assert!(error_of(&claiming).contains("damaged"));
    }
    // A compressed entry is not there.
    let mut compressed = good.clone();
    let header = position(&good, b"x/data/w", 1) - 46;
    compressed[header + 10] = 8;
    assert!(error_of(&compressed).contains("compressed"));
    // More entries than the directory has.
    let mut entries = good.clone();
    let end = good.len() - 22;
    entries[end + 8..end + 12].copy_from_slice(&[0xfe; 4]);
    assert!(error_of(&entries).contains("damaged"));
    // A directory of megabytes is not parsed to its end.
    let name = "n".repeat(60_000);
    let many: Vec<String> = (0..100).map(|index| format!("{name}{index}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let error = error_of(&archive(&many));
    assert!(error.contains("directory is larger"), "{error}");
}

#[test]
fn a_truncated_file_is_an_error_wherever_it_ends() {
    let whole = container(&good_model());
    for length in 0..whole.len() {
        error_of(&whole[..length]);
    }
    let golden = fs::read(golden("checkpoint_v7.pt")).unwrap();
    for length in (0..golden.len()).step_by(997) {
        error_of(&golden[..length]);
    }
}

/// A flipped byte is found, or is one that says nothing about the model.
#[test]
fn every_flipped_byte_is_found_or_harmless() {
    let whole = container(&good_model());
    let (sound, values) = open(&whole).unwrap();
    for at in 0..whole.len() {
        for mask in [0xff, 0x01, 0x80] {
            let mut flipped = whole.clone();
            flipped[at] ^= mask;
            if let Ok((checkpoint, read)) = open(&flipped) {
                assert_eq!((checkpoint.model, &read), (sound.model.clone(), &values), "byte {at}");
            }
        }
    }
    let whole = fs::read(golden("checkpoint_v7.pt")).unwrap();
    let (sound, values) = open(&whole).unwrap();
    for at in (0..whole.len()).step_by(293) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0xff;
        if let Ok((checkpoint, read)) = open(&flipped) {
            assert!((checkpoint.model, &read) == (sound.model.clone(), &values), "byte {at}");
        }
    }
}

/// The same inside the pickle, with checksums that fit.
#[test]
fn flipped_bytes_of_a_pickle_never_panic() {
    let pickle = good_model();
    for at in 0..pickle.len() {
        for mask in [0xff, 0x01, 0x20, 0x80] {
            let mut flipped = pickle.clone();
            flipped[at] ^= mask;
            let _ = open(&container(&flipped));
        }
    }
}

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn safetensors_that_lie_are_refused() {
    let spec = r#""__metadata__":{"distillscope.spec":"{\"nc\":1,\"names\":[\"cat\"],\"anchors_px\":[[[1.0,2.0]]],\"strides\":[8]}"}"#;
    let file = |tensors: &str, data: &[u8]| safetensors(&format!("{{{spec}{tensors}}}"), data);
    let entry = |shape: &str, begin: u64, end: u64| {
        format!(r#","w":{{"dtype":"F32","shape":{shape},"data_offsets":[{begin},{end}]}}"#)
    };
    let (checkpoint, values) = open(&file(&entry("[2]", 0, 8), &floats(&[1.0, 2.0]))).unwrap();
    assert_eq!((checkpoint.model.names[0].as_str(), values), ("cat", vec![vec![1.0, 2.0]]));
    for (shape, begin, end) in [
        ("[2]", 0, 9),
        ("[2]", 8, 0),
        ("[3]", 0, 8),
        ("[2]", 0, u64::MAX),
        ("[2]", u64::MAX - 8, u64::MAX),
        ("[-2]", 0, 8),
        ("[18446744073709551615,2]", 0, 8),
        ("[4294967296,4294967296]", 0, 8),
    ] {
        let error = error_of(&file(&entry(shape, begin, end), &[0; 8]));
        assert!(error.contains("tensor w"), "{error}");
    }
    assert!(error_of(&file(r#","w":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}"#, &[0; 8])).contains("dtype"));
    assert!(error_of(&safetensors("{}", &[])).contains("distillscope convert"));
    assert!(error_of(&safetensors("{]", &[])).contains("header"));
    assert!(error_of(&safetensors(&"{\"a\":".repeat(100_000), &[])).contains("header"));
    let claiming = [&u64::MAX.to_le_bytes()[..], b"{\"a\":1}"].concat();
    assert!(error_of(&claiming).contains("claims 18446744073709551615 bytes"));
    let bad_spec = r#"{"__metadata__":{"distillscope.spec":"{\"nc\":99999999999}"}}"#;
    assert!(error_of(&safetensors(bad_spec, &[])).contains("classes"));
    let bad_spec = r#"{"__metadata__":{"distillscope.spec":"{\"strides\":[0],\"anchors_px\":[[]]}"}}"#;
    assert!(error_of(&safetensors(bad_spec, &[])).contains("strides"));
    for (scales, anchors) in [(1, 1_000_000), (9, 1)] {
        let anchors = format!("[{}]", vec!["[1.0,2.0]"; anchors].join(","));
        let (anchors, strides) = (vec![anchors.as_str(); scales].join(","), vec!["8"; scales].join(","));
        let bad = format!(
            r#"{{"__metadata__":{{"distillscope.spec":"{{\"strides\":[{strides}],\"anchors_px\":[{anchors}]}}"}}}}"#
        );
        let error = error_of(&safetensors(&bad, &[]));
        assert!(error.contains(&format!("{scales} scales of up to")) || error.contains("header"), "{error}");
    }
    // Many tensors over the same bytes would make a large file of a small one.
    let tensors: String =
        (0..100).map(|n| format!(r#","w{n}":{{"dtype":"F32","shape":[20000],"data_offsets":[0,80000]}}"#)).collect();
    assert!(error_of(&file(&tensors, &[0; 80_000])).contains("claim far more bytes"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(open(&bytes).is_err());
        prop_assert!(open(&container(&bytes)).is_err());
        prop_assert!(open(&safetensors(&String::from_utf8_lossy(&bytes), &bytes)).is_err());
    }

    /// Pieces of real pickles in any order reach deeper than noise does.
    #[test]
    fn shuffled_pickles_never_panic(cuts in proptest::collection::vec((0_usize..1000, 1_usize..120), 1..12)) {
        let pickle = good_model();
        let mut shuffled = vec![0x80, 2];
        for (start, length) in cuts {
            let start = start % pickle.len();
            shuffled.extend_from_slice(&pickle[start..(start + length).min(pickle.len())]);
        }
        shuffled.push(b'.');
        let _ = open(&container(&shuffled));
    }

    #[test]
    fn spliced_models_never_panic(at in 0_usize..1000, cut in 0_usize..9, bytes in proptest::collection::vec(any::<u8>(), 0..9)) {
        let mut pickle = good_model();
        let at = at % pickle.len();
        let end = (at + cut).min(pickle.len());
        pickle.splice(at..end, bytes);
        let _ = open(&container(&pickle));
    }
}
