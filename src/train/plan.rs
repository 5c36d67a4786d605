//! From what a person asks for to what can run: files read, models loaded, contradictions found, before anything starts.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use tch::Device;

use super::TrainError;
use super::config::{Amp, Length, Recipe, RunConfig};
use super::evaluate::Evaluation;
use crate::dataset::{Batches, DataYaml, Sample, Samples, Split, list_images};
use crate::device::{self, DeviceStatus};
use crate::files;
use crate::geometry::Size;
use crate::imitation::choice::{DefaultLoss, ModelFacts, default_loss};
use crate::imitation::loss::Loss;
use crate::inspect::input_multiple;
use crate::native::Precision;
use crate::yolo::anchors::{AnchorFit, AnchorScale, GOOD_RECALL};
use crate::yolo::checkpoint::{self, Checkpoint, Format, ModelDescription};
use crate::yolo::network::{Network, Outline};
use crate::yolo::spec::ModelSpec;

/// A run that can begin.
pub struct RunPlan {
    /// As asked for, with the image size rounded up to what both models take, and the precision that `auto` came to.
    pub config: RunConfig,
    pub device: Device,
    /// Of the forward passes.
    pub precision: Precision,
    pub status: DeviceStatus,
    pub input: Size,
    pub train: Arc<Samples>,
    /// The data's val split; its train split where it has no other.
    pub val: Arc<Samples>,
    /// What [`RunPlan::read_test`] found.
    pub test: Option<Arc<Samples>>,
    pub student: Student,
    /// None in a run without imitation.
    pub teacher: Option<Network>,
    pub steps_per_epoch: u64,
    pub steps: u64,
    /// What another run of the same models measured on the same images before its first step.
    pub known: KnownStart,
    pub warnings: Vec<String>,
}

/// What need not be evaluated again before the first step.
#[derive(Clone, Debug, Default)]
pub struct KnownStart {
    pub student: Option<Evaluation>,
    pub teacher: Option<Evaluation>,
}

/// The student as it starts.
pub struct Student {
    /// Whether some of its weights were drawn at random: then it starts as another one under another seed.
    pub is_drawn: bool,
    pub network: Network,
    /// What a written checkpoint says of itself.
    pub description: ModelDescription,
    /// The `.pt` into which the trained weights can be put back.
    pub source: Option<Checkpoint>,
}

/// What a run computes with on a device. A precision that the device lacks is an error where it was asked for, but a run of
/// another machine in float16 goes on on the CPU in float32.
pub fn precision_on(amp: Amp, device: Device, warnings: &mut Vec<String>) -> Result<Precision, TrainError> {
    let Device::Cuda(index) = device else {
        if amp == Amp::Fp16 {
            warnings.push("float16 is for a GPU; on the CPU this run computes in float32".to_owned());
        }
        return Ok(if amp == Amp::Bf16 { Precision::BFloat16 } else { Precision::Float32 });
    };
    precision_of(amp, index, device::compute_capability(index))
}

/// NVIDIA's GPUs have bfloat16 from compute capability 8.0 on; one whose driver does not say is taken for an older one.
fn precision_of(amp: Amp, index: usize, capability: Option<(i32, i32)>) -> Result<Precision, TrainError> {
    let has_bfloat16 = capability.is_some_and(|capability| capability >= (8, 0));
    match amp {
        Amp::Off => Ok(Precision::Float32),
        Amp::Fp16 => Ok(Precision::Float16),
        Amp::Auto | Amp::Bf16 if has_bfloat16 => Ok(Precision::BFloat16),
        Amp::Auto => Ok(Precision::Float16),
        Amp::Bf16 => {
            let has = capability.map_or("is not known".to_owned(), |(major, minor)| format!("is {major}.{minor}"));
            Err(TrainError::Config(format!(
                "cuda:{index} has no bfloat16: it needs compute capability 8.0, and this GPU's {has}; use --amp fp16 or off"
            )))
        }
    }
}

const fn named(precision: Precision) -> Amp {
    match precision {
        Precision::Float32 => Amp::Off,
        Precision::Float16 => Amp::Fp16,
        Precision::BFloat16 => Amp::Bf16,
    }
}

impl RunPlan {
    /// Where it runs and with which numbers: "CPU", "CUDA:0, bfloat16".
    pub fn place(&self) -> String {
        let label = &self.status.label;
        match self.precision {
            Precision::Float32 if !self.device.is_cuda() => label.clone(),
            Precision::Float32 if self.config.tf32 => format!("{label}, float32 with TF32"),
            precision => format!("{label}, {precision}"),
        }
    }

    /// `with_teacher` false leaves the teacher out: the baseline with λ = 0.
    pub fn make(
        config: &RunConfig,
        with_teacher: bool,
        progress: &mut dyn FnMut(&str, Option<f32>) -> ControlFlow<()>,
    ) -> Result<Option<Self>, TrainError> {
        check(config)?;
        if let Some(threads) = config.threads {
            tch::set_num_threads(i32::from(threads));
        }
        let device =
            config.device.parse().map_err(|error: device::DeviceError| TrainError::Device(error.to_string()))?;
        let (device, status) = device::resolve(device).map_err(|error| TrainError::Device(error.to_string()))?;

        let data = DataYaml::load(&config.data)?;
        if data.names.is_empty() {
            return Err(TrainError::Config(format!("{}: has no class names", config.data.display())));
        }
        let mut stopped = false;
        let mut load = |split: Split| {
            Samples::load(&data, split, &mut |done, total| {
                let flow = progress(&format!("reading {split}"), Some(done as f32 / total.max(1) as f32));
                stopped |= flow.is_break();
                flow
            })
        };
        let train = Arc::new(load(Split::Train)?);
        let mut warnings: Vec<String> = train.warnings.iter().map(ToString::to_string).collect();
        let val = if data.has(Split::Val) {
            let val = Arc::new(load(Split::Val)?);
            warnings.extend(val.warnings.iter().map(ToString::to_string));
            val
        } else {
            warnings.push(format!("{}: no val split; mAP is measured on the training images", config.data.display()));
            Arc::clone(&train)
        };
        if stopped || progress("loading the models", None).is_break() {
            return Ok(None);
        }

        let student = Student::load(config, &data.names, device, &mut warnings)?;
        let teacher = match (&config.teacher, with_teacher) {
            (Some(path), true) => Some(load_teacher(path, &student.network, device, &mut warnings)?),
            _ => None,
        };
        let multiple = student.network.spec().input_multiple()?;
        // The baseline gets the same input, so the teacher's stride counts although the teacher is not loaded.
        let teacher_scales = match (&teacher, &config.teacher) {
            (Some(teacher), _) => teacher.scales().to_vec(),
            (None, Some(path)) => checkpoint::open(path)?.scales(),
            (None, None) => Vec::new(),
        };
        let multiple = common_multiple(multiple, &teacher_scales);
        let side = config.imgsz.next_multiple_of(multiple);
        if side != config.imgsz {
            warnings.push(format!("image size {} is no multiple of {multiple}; using {side}", config.imgsz));
        }
        let precision = precision_on(config.amp, device, &mut warnings)?;
        let amp = if config.amp == Amp::Auto { named(precision) } else { config.amp };
        let config = RunConfig { imgsz: side, amp, ..config.clone() };
        warnings.extend(poor_anchors(&train, student.network.scales(), &config));
        let steps_per_epoch = Batches::per_epoch(train.samples.len(), config.batch) as u64;
        let steps = match config.length {
            Length::Epochs(epochs) => u64::from(epochs) * steps_per_epoch,
            Length::Steps(steps) => steps,
        };
        Ok(Some(Self {
            input: Size::square(side),
            config,
            device,
            precision,
            status,
            train,
            val,
            test: None,
            student,
            teacher,
            steps_per_epoch,
            steps,
            known: KnownStart::default(),
            warnings,
        }))
    }

    /// Reads the data's test split, which a run evaluates once, at its end. One that says nothing new, because it cannot be
    /// read, has no labels, or shares images with train or val, is left out with a warning. `Break` where `progress` broke it
    /// off.
    pub fn read_test(
        &mut self,
        progress: &mut dyn FnMut(&str, Option<f32>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TrainError> {
        let file = &self.config.data;
        let data = DataYaml::load(file)?;
        if !data.has(Split::Test) {
            return Ok(ControlFlow::Continue(()));
        }
        let mut stopped = false;
        let read = Samples::load(&data, Split::Test, &mut |done, total| {
            let flow = progress("reading test", Some(done as f32 / total.max(1) as f32));
            stopped |= flow.is_break();
            flow
        });
        if stopped {
            return Ok(ControlFlow::Break(()));
        }
        let unused = |what: String| format!("{what}; test is not used, and a verdict stands on val");
        match read {
            Err(error) => self.warnings.push(unused(error.to_string())),
            Ok(test) if test.labels() == 0 => {
                self.warnings.push(unused(format!("{}: test has no labels", file.display())));
            }
            Ok(test) => {
                // One file by whatever way it is named.
                let place = |sample: &Sample| sample.image.canonicalize().unwrap_or_else(|_| sample.image.clone());
                let known: HashSet<_> = self.train.samples.iter().chain(&self.val.samples).map(place).collect();
                let shared: Vec<&Sample> =
                    test.samples.iter().filter(|sample| known.contains(&place(sample))).collect();
                if let Some(first) = shared.first() {
                    let (count, all) = (shared.len(), test.samples.len());
                    self.warnings.push(unused(format!(
                        "{}: {count} of the {all} images of test are in train or val too ({} …)",
                        file.display(),
                        first.image.display()
                    )));
                } else {
                    self.warnings.extend(test.warnings.iter().map(ToString::to_string));
                    self.test = Some(Arc::new(test));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// A warning where the student's anchors fit the training data badly: YOLOv5 would make new ones, which a student that goes on
/// from a checkpoint cannot use.
fn poor_anchors(train: &Samples, scales: &[AnchorScale], config: &RunConfig) -> Option<String> {
    let sizes = train.sizes_in(Size::square(config.imgsz));
    let fit = AnchorFit::of(&sizes, scales, config.hyp.anchor_t);
    (!sizes.is_empty() && !fit.is_good()).then(|| {
        format!(
            "the student's anchors fit badly: at {} px {} of {} ground truths are more than a factor of {} from every anchor and \
             teach nothing (best possible recall {:.3}, YOLOv5 asks for more than {GOOD_RECALL}); another image size or a \
             student with other anchors helps",
            config.imgsz,
            ((1.0 - fit.recall) * sizes.len() as f64).round(),
            sizes.len(),
            config.hyp.anchor_t,
            fit.recall
        )
    })
}

/// The recipe that is used where a person names none: by the run's length in epochs, for which a length in steps needs the
/// number of training images.
pub fn usual_recipe(length: Length, data: &Path, batch: usize) -> Result<Recipe, TrainError> {
    let Length::Steps(steps) = length else { return Ok(Recipe::of_length(length)) };
    let sources = DataYaml::load(data)?.sources(Split::Train)?;
    let images = list_images(&sources, &mut |_| ControlFlow::Continue(()))?.images;
    let per_epoch = Batches::per_epoch(images, batch).max(1) as u64;
    Ok(Recipe::of_length(Length::Epochs(u32::try_from(steps.div_ceil(per_epoch)).unwrap_or(u32::MAX))))
}

/// The loss that is used where a person names none: what fits the files of the two models. A student without a checkpoint
/// has the teacher's anchors as far as anybody knows before it is built.
pub fn usual_loss(teacher: Option<&Path>, student: &Path) -> Result<DefaultLoss, TrainError> {
    let usual = DefaultLoss { loss: Loss::default(), reason: None };
    let (Some(teacher), true) = (teacher, student.is_file()) else { return Ok(usual) };
    if student.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
        return Ok(usual);
    }
    let (teacher, student) = (checkpoint::open(teacher)?, checkpoint::open(student)?);
    let (of_teacher, of_student) = (teacher.scales(), student.scales());
    let teacher = ModelFacts { scales: &of_teacher, names: &teacher.model.names };
    Ok(default_loss(teacher, ModelFacts { scales: &of_student, names: &student.model.names }))
}

/// What both sides of the input are multiples of, by the student's own and the teacher's scales (none without one).
fn common_multiple(of_student: u32, teacher: &[AnchorScale]) -> u32 {
    if teacher.is_empty() { of_student } else { of_student.max(input_multiple(teacher)) }
}

/// The input that a run would give both models, and the scales on which its masks lie, without any weights: those of
/// the student or, where none is named, of the teacher.
pub(super) fn outlined(config: &RunConfig, names: &[String]) -> Result<(Size, Vec<AnchorScale>), TrainError> {
    let teacher = match &config.teacher {
        Some(path) => checkpoint::open(path)?.scales(),
        None => Vec::new(),
    };
    let student = if config.student.as_os_str().is_empty() {
        None
    } else if let Some(yaml) = model_yaml(&config.student, names.len())? {
        Some(Outline::of(&ModelSpec::from_yaml(&yaml)?)?)
    } else {
        Some(Network::outline(&checkpoint::open(&config.student)?)?)
    };
    let (multiple, scales) = match student {
        Some(student) => (common_multiple(student.input_multiple, &teacher), student.scales),
        None if teacher.is_empty() => {
            return Err(TrainError::Config("neither a student nor a teacher says which anchors there are".to_owned()));
        }
        None => (input_multiple(&teacher), teacher),
    };
    Ok((Size::square(config.imgsz.next_multiple_of(multiple)), scales))
}

pub(super) fn check(config: &RunConfig) -> Result<(), TrainError> {
    match config.problems().into_iter().next() {
        Some(problem) => Err(TrainError::Config(problem.english)),
        None => Ok(()),
    }
}

impl Student {
    fn load(
        config: &RunConfig,
        names: &[String],
        device: Device,
        warnings: &mut Vec<String>,
    ) -> Result<Self, TrainError> {
        let path = &config.student;
        if let Some(yaml) = model_yaml(path, names.len())? {
            let mut network = Network::build(&ModelSpec::from_yaml(&yaml)?, device)?;
            let scales = network.scales().to_vec();
            network.set_names_and_scales(names.to_vec(), scales);
            network.initialise(config.seed)?;
            let description = ModelDescription { yaml: Some(yaml), ..describe(&network, ModelDescription::default()) };
            return Ok(Self { is_drawn: true, network, description, source: None });
        }
        if !path.exists() {
            let what = "no such file, and no model that YOLOv5 published (yolov5n, s, m, l, x, yolov5n6 …)";
            return Err(TrainError::Config(format!("{}: {what}", path.display())));
        }
        let source = checkpoint::open(path)?;
        if source.format == Format::TorchScript {
            return Err(TrainError::Config(format!(
                "{}: TorchScript cannot be trained; give the .pt that it was exported from",
                path.display()
            )));
        }
        let (network, report) = Network::load_for_classes(&source, names, config.seed, device)?;
        if network.is_fused() {
            return Err(TrainError::Config(format!(
                "{}: its batch-norms are folded into the convolutions; a student needs the unfused checkpoint",
                path.display()
            )));
        }
        let same_classes = source.model.nc == names.len();
        if config.from_scratch {
            network.initialise(config.seed)?;
        } else if !report.is_complete() {
            warnings.push(format!("{}: {report}", path.display()));
        }
        if same_classes && source.model.names != names {
            warnings.push(format!(
                "{}: its classes are called {}, the data's {}; the data's are used",
                path.display(),
                source.model.names.join(", "),
                names.join(", ")
            ));
        }
        let mut description = describe(&network, source.model.clone());
        if let Some(yaml) = &mut description.yaml {
            yaml["nc"] = names.len().into();
        }
        let is_pt = source.format == Format::PyTorch;
        if is_pt && !same_classes {
            warnings.push(format!(
                "{}: the data has another number of classes, so the result is written as safetensors alone",
                path.display()
            ));
        }
        let refused = if is_pt && same_classes { checkpoint::check_lender(&source).err() } else { None };
        if let Some(refused) = &refused {
            warnings.push(format!("{refused}; so the result is written as safetensors alone"));
        }
        let is_drawn = config.from_scratch || !report.is_complete();
        let lends = is_pt && same_classes && refused.is_none();
        Ok(Self { is_drawn, network, description, source: lends.then_some(source) })
    }
}

/// The description with the network's own classes and anchors.
fn describe(network: &Network, base: ModelDescription) -> ModelDescription {
    ModelDescription {
        names: network.names().to_vec(),
        nc: network.names().len(),
        anchors_px: network.scales().iter().map(|scale| scale.anchors.clone()).collect(),
        strides: network.scales().iter().map(|scale| scale.stride).collect(),
        ..base
    }
}

/// A model yaml is a page long.
const MAX_YAML_BYTES: u64 = 1 << 20;

/// The yaml of a student that is a config: a file, or a published model's name. `None` for a checkpoint.
fn model_yaml(path: &Path, nc: usize) -> Result<Option<serde_json::Value>, TrainError> {
    let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    if is_yaml && path.exists() {
        let text = files::read_text(path, MAX_YAML_BYTES).map_err(|error| TrainError::Config(error.to_string()))?;
        let fails = |what: String| TrainError::Config(format!("{}: not a model yaml: {what}", path.display()));
        let yaml: serde_json::Value =
            serde_saphyr::from_str(&text).map_err(|error| fails(files::yaml_problem(&error)))?;
        let serde_json::Value::Object(mut yaml) = yaml else {
            return Err(fails("it has no 'backbone:' and no 'head:'".to_owned()));
        };
        yaml.insert("nc".to_owned(), nc.into());
        return Ok(Some(yaml.into()));
    }
    let name = if is_yaml { path.with_extension("") } else { path.to_path_buf() };
    if path.exists() {
        return Ok(None);
    }
    Ok(name.to_str().and_then(|name| ModelSpec::published_yaml(name, nc)))
}

fn load_teacher(
    path: &Path,
    student: &Network,
    device: Device,
    warnings: &mut Vec<String>,
) -> Result<Network, TrainError> {
    let file = checkpoint::open(path)?;
    let (teacher, report) = Network::load(&file, device)?;
    if !report.is_complete() {
        warnings.push(format!("teacher {}: {report}", path.display()));
    }
    if teacher.names() != student.names() {
        warnings.push(format!(
            "teacher {}: its classes are {}, the data's {}",
            path.display(),
            teacher.names().join(", "),
            student.names().join(", ")
        ));
    }
    Ok(teacher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_is_one_that_the_gpu_has() {
        let of = |amp, capability| precision_of(amp, 1, capability).ok();
        for new in [(8, 0), (8, 9), (9, 0), (10, 0)] {
            assert_eq!(of(Amp::Auto, Some(new)), Some(Precision::BFloat16));
            assert_eq!(of(Amp::Bf16, Some(new)), Some(Precision::BFloat16));
        }
        for old in [Some((7, 5)), Some((6, 1)), None] {
            assert_eq!(of(Amp::Auto, old), Some(Precision::Float16));
            assert_eq!((of(Amp::Fp16, old), of(Amp::Off, old)), (Some(Precision::Float16), Some(Precision::Float32)));
        }
        let error = precision_of(Amp::Bf16, 1, Some((7, 5))).expect_err("it has none").to_string();
        assert!(
            error.contains("cuda:1 has no bfloat16") && error.contains("7.5") && error.contains("--amp fp16"),
            "{error}"
        );
        assert!(precision_of(Amp::Bf16, 0, None).is_err_and(|error| error.to_string().contains("is not known")));
    }
}
