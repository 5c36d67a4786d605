//! One batch with everything that is computed from it at λ = 1, for another program to compute again. The student's
//! batch-norms take their running statistics: so the probe can be split over several processes.

use tch::{TchError, Tensor};

use crate::dataset::TrainBatch;
use crate::files::tensors::{Elements, NamedTensor};
use crate::geometry::{BoundingBox, Size};
use crate::inspect::elements;
use crate::native::{Precision, Upload};
use crate::train::TrainError;
use crate::train::distil::{Distiller, plain};
use crate::train::gradients::gradients_of;
use crate::train::objective::targets;
use crate::train::optimizer::Group;
use crate::train::trainer::Trainer;
use crate::yolo::assign::Target;

/// images [B, H, W, 3] u8; targets [N, 6]: image, class, centre and size as shares of the input; per scale mask/p3
/// [B, 1, H, W]; loss/detection [3]: box, objectness, class, and loss/imitation, one a scale; detection/NAME and
/// imitation/NAME: the gradients of the detection loss and of the imitation at λ = 1, both times the images, on every
/// parameter that they reach (adapters as adapter/p3.weight).
pub(super) fn compute(
    trainer: &Trainer,
    distiller: &Distiller,
    batch: &TrainBatch,
) -> Result<Vec<NamedTensor>, TrainError> {
    let targets = targets(batch);
    let batch = with_boxes_of(&targets, batch);
    let images = batch.images.len();
    let input = trainer.input(&batch)?;
    let mut upload = Upload::default();
    let packed = distiller.packed_masks(&batch, &mut upload);
    let teacher_output = distiller.teach(&input, &batch, packed, &upload.send(input.device())?)?;
    let teacher = tch::no_grad(|| distiller.teacher().forward(&input))?;
    let masks = distiller.masks(&batch, &teacher.heads)?;
    let forward = trainer.student().forward_t(&input, false)?;
    let terms = trainer.detection_terms(&forward.heads, &targets)?;
    let losses = distiller.distances(&forward, &teacher_output, Precision::Float32)?;

    let Size { width, height } = batch.input;
    let mut named = vec![NamedTensor {
        name: "images".to_owned(),
        shape: vec![images, height as usize, width as usize, 3],
        elements: Elements::U8(batch.pixels.clone()),
    }];
    let rows = targets.iter().flat_map(|t| [t.image as f32, t.class as f32].into_iter().chain(t.xywh));
    named.push(NamedTensor::f32("targets", [targets.len(), 6], rows.collect()));
    for (name, mask) in distiller.names().iter().zip(&masks) {
        named.push(plain(format!("mask/{}", name.to_lowercase()), &mask.cells)?);
    }
    named.push(NamedTensor::f32("loss/detection", [3], terms.values()?.map(|value| value as f32).to_vec()));
    let values = losses.iter().map(|loss| Ok(loss.scalar.f_double_value(&[])? as f32));
    named.push(NamedTensor::f32("loss/imitation", [losses.len()], values.collect::<Result<_, TchError>>()?));

    let parameters = trainer.parameters();
    let all: Vec<Tensor> = parameters.iter().map(|parameter| parameter.tensor.shallow_clone()).collect();
    let all: Vec<&Tensor> = all.iter().collect();
    let detection = terms.sum()?.f_mul_scalar(images as f64)?;
    let mut imitation: Option<Tensor> = None;
    for loss in losses.iter().filter(|loss| loss.scalar.requires_grad()) {
        imitation = Some(match imitation {
            Some(sum) => sum.f_add(&loss.scalar)?,
            None => loss.scalar.shallow_clone(),
        });
    }
    let imitation = imitation.map(|sum| sum.f_mul_scalar(images as f64)).transpose()?;
    for (what, loss) in [("detection", Some(detection)), ("imitation", imitation)] {
        let Some(loss) = loss else { continue };
        for (parameter, gradient) in parameters.iter().zip(gradients_of(&loss, &all, true)?) {
            let Some(gradient) = gradient else { continue };
            let of = if parameter.group == Group::Adapter { "adapter/" } else { "" };
            let shape: Vec<usize> = gradient.size().iter().map(|&side| side as usize).collect();
            named.push(NamedTensor::f32(format!("{what}/{of}{}", parameter.name), shape, elements(&gradient)?));
        }
    }
    Ok(named)
}

/// The batch with the boxes that its targets stand for: whoever has the targets alone comes to the same float32.
fn with_boxes_of(targets: &[Target], batch: &TrainBatch) -> TrainBatch {
    let (width, height) = (batch.input.width as f32, batch.input.height as f32);
    let mut batch = batch.clone();
    let mut left = targets.iter();
    for label in batch.images.iter_mut().flat_map(|image| &mut image.labels) {
        if let Some(target) = left.next() {
            let [x, y, w, h] = target.xywh;
            let (x, y, w, h) = (x * width, y * height, w * width, h * height);
            label.bbox = BoundingBox::new(x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0);
        }
    }
    batch
}
