//! Model jobs: both networks live on this thread and never leave it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::context::JobContext;
use super::failure::Failure;
use super::outcome;
use super::protocol::{DeviceStatus, Job, JobKind, ModelBrief, ModelCard, Report};
use crate::device::{self, DeviceChoice};
use crate::inspect::{self, CompareParts, CompareRequest, Probe, Role, Scene};
use crate::yolo::checkpoint;
use crate::yolo::network::Network;

/// A loaded model and what it last said.
struct Slot {
    path: PathBuf,
    model: Network,
    /// The forward pass of the scene last compared: a change of loss, tap or adapter needs no other one.
    last: Option<(Arc<Scene>, Probe)>,
}

/// What the thread owns.
pub(super) struct Models {
    device: Option<tch::Device>,
    slots: [Option<Slot>; 2],
}

impl Models {
    pub(super) fn new() -> Self {
        Self { device: None, slots: [None, None] }
    }

    pub(super) fn handle(&mut self, job: Job, context: &JobContext) {
        match job {
            Job::Load { role, path } => {
                context.started(path.display().to_string());
                if let Err(failure) = self.load(role, &path, context) {
                    context.failed(format!("the {}", role.name()), failure);
                }
            }
            Job::Unload { role } => self.slots[role as usize] = None,
            Job::Device(choice) => self.move_to(&choice, context),
            Job::BeforeAfter(request) => {
                context.started(request.scene.file_name());
                let device = self.device(context);
                outcome::detect(request, device, context);
            }
            Job::Compare { scene, request, parts } if self.slots.iter().any(Option::is_some) => {
                context.started(scene.file_name());
                if let Err(failure) = self.compare(&scene, request, parts, context) {
                    context.failed("the comparison", failure);
                }
            }
            _ => {}
        }
    }

    /// The device in use; the first call finds one, which can take seconds where there is a GPU.
    fn device(&mut self, context: &JobContext) -> tch::Device {
        if let Some(device) = self.device {
            return device;
        }
        let (device, status) = device::resolve(DeviceChoice::Auto).unwrap_or_else(|error| {
            let reason = error.to_string();
            (tch::Device::Cpu, DeviceStatus { label: "CPU".to_owned(), is_cuda: false, reason, cuda_devices: 0 })
        });
        self.device = Some(device);
        context.report(Report::Device(status));
        device
    }

    fn load(&mut self, role: Role, path: &Path, context: &JobContext) -> Result<(), Failure> {
        let start = Instant::now();
        context.progress("reading the description", None);
        let checkpoint = checkpoint::open(path)?;
        context.report(Report::Described {
            role,
            brief: ModelBrief {
                path: path.to_path_buf(),
                names: checkpoint.model.names.clone(),
                anchors: checkpoint.scales(),
            },
        });
        context.progress("reading the weights", None);
        let device = self.device(context);
        if context.is_cancelled() {
            return Ok(());
        }
        // The old model goes first, so that two never stand in memory.
        self.slots[role as usize] = None;
        let (model, report) = Network::load(&checkpoint, device)?;
        if context.is_cancelled() {
            return Ok(());
        }
        let mut warnings = Vec::new();
        if !report.is_complete() {
            warnings.push(format!("{} of {} tensors loaded, see the report", report.loaded, report.wanted()));
        }
        let card = ModelCard {
            path: path.to_path_buf(),
            file_bytes: std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            format: checkpoint.format.to_string(),
            names: model.names().to_vec(),
            anchors: model.scales().to_vec(),
            parameters: model.parameters(),
            gflops: model.gflops().ok(),
            tensors_loaded: report.loaded,
            tensors_total: report.wanted(),
            seconds: start.elapsed().as_secs_f64(),
            report: report.to_string(),
            warnings,
        };
        let model = model.folded(tch::Kind::Float)?;
        self.slots[role as usize] = Some(Slot { path: path.to_path_buf(), model, last: None });
        context.report(Report::Loaded { role, card: Arc::new(card) });
        Ok(())
    }

    /// Loads both models anew on another device; the probes of the old one are gone.
    fn move_to(&mut self, choice: &str, context: &JobContext) {
        let resolved = choice.parse().and_then(device::resolve);
        let (device, status) = match resolved {
            Ok(found) => found,
            Err(error) => return context.failed("the device", error.to_string()),
        };
        context.started(status.label.clone());
        let moved = self.device.replace(device) != Some(device);
        context.report(Report::Device(status));
        if !moved {
            return;
        }
        for role in Role::ALL {
            let Some(slot) = self.slots[role as usize].take() else { continue };
            let path = slot.path.clone();
            drop(slot);
            if let Err(failure) = self.load(role, &path, context) {
                // The model's own failure, so that its card says so.
                let what = format!("the {}", role.name());
                context.report(Report::Failed { kind: JobKind::Load(role), what, failure });
            }
        }
    }

    fn compare(
        &mut self,
        scene: &Arc<Scene>,
        request: CompareRequest,
        parts: CompareParts,
        context: &JobContext,
    ) -> Result<(), Failure> {
        for role in Role::ALL {
            let Some(slot) = &mut self.slots[role as usize] else { continue };
            if slot.last.as_ref().is_some_and(|(seen, _)| Arc::ptr_eq(seen, scene)) {
                continue;
            }
            if context.is_cancelled() {
                return Ok(());
            }
            context.progress(&format!("running the {}", role.name()), None);
            slot.last = None;
            let probe = inspect::probe(&slot.model, &scene.input)?;
            slot.last = Some((Arc::clone(scene), probe));
        }
        if context.is_cancelled() {
            return Ok(());
        }
        context.progress("comparing features", None);
        let probe_of =
            |role: Role| self.slots[role as usize].as_ref().and_then(|slot| slot.last.as_ref()).map(|(_, probe)| probe);
        let comparison = inspect::compare(probe_of(Role::Teacher), probe_of(Role::Student), &request, parts)?;
        context.report(Report::Compared { scene: Arc::clone(scene), request, comparison: Arc::new(comparison) });
        Ok(())
    }
}
