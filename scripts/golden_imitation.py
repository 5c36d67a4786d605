"""Writes tests/golden/imitation/*.safetensors: the imitation losses, their maps, weights and gradients, by plain PyTorch.

    REF/bin/python scripts/golden_imitation.py

REF is an environment with torch==2.11.0, numpy and safetensors; nothing of YOLOv5 is imported. Inputs are drawn and stored in
float32; everything else is computed from them in float64. Losses, their parts and maps are stored in float64, weights and
gradients in float32. Before anything is written, central differences in float64 check the gradients, maps must sum to their
losses, and the same formulas in float32 must come within 1e-5 of every tensor (‖difference‖ / ‖tensor‖): a test may ask for that.

Every file holds, for each scale P of p3, p4, p5 (strides 8, 16, 32):
    P/student, P/teacher    the inputs, as the model gives them
    P/loss                  the scale's loss, a scalar: gains included; neither λ nor the batch size is
    P/map                   [B, H, W], its sum is the loss
    P/weights               [B, H, W], with what weight a cell counts
    P/gradient/NAME         of the sum of the losses of all scales, by P/NAME
The metadata's entry `about` is JSON: the case, its formula and every setting that is not a tensor. The same version of PyTorch
writes the same bytes again.

answers*: heads [B, A, H, W, 5 + nc] before the sigmoid, in YOLOv5's order x, y, w, h, objectness, classes. s is the student's, t
the teacher's; w = σ(t_objectness) [B, A, H, W], m the mask, the same for every anchor of a cell (1 where a case has none),
v = w · m. Neither has gradient.
    objectness  gain_objectness · balance · mean over all B·A·H·W places of BCE(s_objectness, w); never masked
    class       gain_class · Σ v · mean over the shared classes of BCE(s_class, σ(t_class)) / Σ v
    box         gain_box · Σ v · (1 − CIoU(s_box, t_box)) / Σ v, both sums over the places where w > 0.05
    loss        the sum of the three
A sum over nothing, or of weights that are all 0, makes its term exactly 0 and its gradient too (`quiet` names the scale where no w
exceeds 0.05; in answers_masked the mask of p4 is empty). Masks are 0 or 1 here. A box lies relative to its cell, in cells: centre
2σ − 0.5, size (2σ)² · anchor / stride. CIoU is YOLOv5's bbox_iou: eps 1e-7, and its factor α counts as a constant in the
gradient, for which the central differences keep it fixed too. The gains are those of the detection loss: box 0.05 · 3 / nl,
objectness 1 · (imgsz / 640)² · 3 / nl, class 0.5 · nc / 80 · 3 / nl with the student's nc; balance 4, 1, 0.4. No focal loss, no
label smoothing, no weight of positives. Classes are shared where their names are equal; `classes` [n, 2] lists the student's and
the teacher's number of each. `gains`: box, objectness, class. P/anchors [A, 2]: width and height in input pixels; P/balance;
P/objectness, P/class, P/box: the three terms, gains included; P/weights: the largest w over a cell's anchors, P/mask [B, H, W]
where there is one, P/weights_masked: their product.

features*: student [B, Cs, H, W], teacher [B, Ct, H, W], P/mask I [B, H, W], P/adapter.weight [Ct, Cs, 1, 1], P/adapter.bias [Ct],
A the convolution with these; N = Σ I over the batch, soft masks included.
    loss        1 / (2N) · Σ over cells of I · Σ over channels of (A(s) − t)²        (a soft I weighs the squares: I, not I²)
N = 0 makes it exactly 0, with gradients of 0. P/weights is I.

correlation: A(s) and t are standardised first, each channel over all cells of the batch, inside the mask or not: (x − mean) /
(std + 1e-6), std² = mean((x − mean)²). The gradient passes through the student's mean and std. Then as features. In p4 a channel
of the teacher is constant, and becomes 0. The bias of the adapter changes nothing: its gradient is 0 but for rounding, and to be
compared absolutely (1e-6).

logits: heads as in `answers`, flattened to A · (5 + nc) channels, then as features, without an adapter.
"""
import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn.functional import binary_cross_entropy_with_logits, conv2d

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "golden" / "imitation"
SCALES = {"p3": 8, "p4": 16, "p5": 32}
ANCHORS = {
    "p3": [[10, 13], [16, 30], [33, 23]],
    "p4": [[30, 61], [62, 45], [59, 119]],
    "p5": [[116, 90], [156, 198], [373, 326]],
}
BALANCE = {"p3": 4.0, "p4": 1.0, "p5": 0.4}
BATCH = 2
BOX_FLOOR = 0.05  # of w
STD_EPS = 1e-6
ABSOLUTE = 1e-6  # for a gradient that is 0 but for rounding
HYP = {"box": 0.05, "obj": 1.0, "cls": 0.5}
DRAWN = ("student", "adapter.weight", "adapter.bias")  # the inputs that have a gradient


# The losses. `x` has the inputs of one scale; all give "map" [B, H, W] and "weights" [B, H, W], and "loss" is the map's sum.


def boxes(head, anchors, stride):
    """Centre and size in cells, relative to the cell: [B, A, H, W, 4]."""
    size = (head[..., 2:4].sigmoid() * 2) ** 2 * (anchors / stride).view(1, -1, 1, 1, 2)
    return torch.cat([head[..., :2].sigmoid() * 2 - 0.5, size], -1)


def ciou(a, b, alpha=None, eps=1e-7):
    """Complete IoU [...] of boxes [..., 4], and its factor α; one that is given is taken instead."""
    low = torch.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = torch.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    inter = (high - low).clamp(min=0).prod(-1)
    iou = inter / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - inter + eps)
    outer_low = torch.minimum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    outer_high = torch.maximum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    diagonal = ((outer_high - outer_low) ** 2).sum(-1) + eps
    distance = ((a[..., :2] - b[..., :2]) ** 2).sum(-1)
    v = 4 / math.pi**2 * (torch.atan(b[..., 2] / b[..., 3]) - torch.atan(a[..., 2] / a[..., 3])) ** 2
    if alpha is None:
        alpha = (v / (v - iou + 1 + eps)).detach()
    return iou - distance / diagonal - v * alpha, alpha


def weighted(values, weights):
    """[B, A, H, W]: what each place adds to the weighted mean; 0 everywhere without any weight."""
    total = weights.sum()
    return weights * values / total if total > 0 else torch.zeros_like(values)


def answers(x, settings, alpha=None):
    s, t, stride = x["student"], x["teacher"].detach(), SCALES[settings["scale"]]
    gain_box, gain_objectness, gain_class = settings["gains"]
    w = t[..., 4].sigmoid()
    v = w if "mask" not in x else w * x["mask"][:, None]
    entropy = lambda logits, wanted: binary_cross_entropy_with_logits(logits, wanted, reduction="none")  # noqa: E731
    objectness = entropy(s[..., 4], w) * (gain_objectness * x["balance"] / w.numel())
    own, taught = zip(*settings["classes"])
    own, taught = ([5 + number for number in numbers] for numbers in (own, taught))
    classes = gain_class * weighted(entropy(s[..., own], t[..., taught].sigmoid()).mean(-1), v)
    anchors = x["anchors"]
    iou, alpha = ciou(boxes(s, anchors, stride), boxes(t, anchors, stride), alpha)
    box = gain_box * weighted(1 - iou, torch.where(w > BOX_FLOOR, v, torch.zeros_like(v)))
    out = {"map": (objectness + classes + box).sum(1), "weights": w.amax(1), "alpha": alpha}
    if "mask" in x:
        out["weights_masked"] = out["weights"] * x["mask"]
    return out | {"objectness": objectness.sum(), "class": classes.sum(), "box": box.sum()}


def squares(student, teacher, mask):
    distance = ((student - teacher) ** 2).sum(1)
    n = mask.sum()
    return {"map": mask * distance / (2 * n) if n > 0 else torch.zeros_like(distance), "weights": mask}


def adapted(x):
    return conv2d(x["student"], x["adapter.weight"], x["adapter.bias"])


def features(x, settings):
    return squares(adapted(x), x["teacher"], x["mask"])


def standardised(x):
    mean = x.mean((0, 2, 3), keepdim=True)
    return (x - mean) / (x.std((0, 2, 3), correction=0, keepdim=True) + STD_EPS)


def correlation(x, settings):
    return squares(standardised(adapted(x)), standardised(x["teacher"]), x["mask"])


def logits(x, settings):
    flat = lambda head: head.movedim(-1, 2).flatten(1, 2)  # noqa: E731
    return squares(flat(x["student"]), flat(x["teacher"]), x["mask"])


# The inputs.


class Draws:
    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape):
        return torch.randn(shape, generator=self.generator)

    def uniform(self, *shape):
        return torch.rand(shape, generator=self.generator)

    def head(self, shape, nc):
        """Objectness mostly from -6 to 2, low more often than high; one class logit in ten is three times as large."""
        head = self.normal(*shape, 5 + nc)
        head[..., 2:4] *= 0.5
        head[..., 4] = 8 * self.uniform(*shape) ** 2 - 6
        large = torch.where(self.uniform(*shape, nc) < 0.1, 3.0, 1.0)
        head[..., 5:] = (2 * head[..., 5:] - 2) * large
        return head


def heads(draws, rows, cols, student_classes, teacher_classes):
    inputs = {}
    for name, stride in SCALES.items():
        shape = (BATCH, 3, rows // stride, cols // stride)
        inputs[name] = {
            "student": draws.head(shape, student_classes),
            "teacher": draws.head(shape, teacher_classes),
        }
        near = draws.uniform(*shape)[..., None] < 0.5  # half of the boxes are about the teacher's
        moved = inputs[name]["teacher"][..., :4] + 0.3 * draws.normal(*shape, 4)
        inputs[name]["student"][..., :4] = torch.where(near, moved, inputs[name]["student"][..., :4])
    return inputs


def answers_case(seed, rows, cols, student=("car", "dog", "cat"), teacher=("car", "dog", "cat"), masked=False, quiet=None):
    draws = Draws(seed)
    inputs = heads(draws, rows, cols, len(student), len(teacher))
    for name, x in inputs.items():
        x["anchors"] = torch.tensor(ANCHORS[name], dtype=torch.float32)
        x["balance"] = torch.tensor(BALANCE[name], dtype=torch.float64)
        if name == quiet:
            x["teacher"][..., 4] -= 5.5  # w < .05 everywhere
            assert x["teacher"][..., 4].sigmoid().max() < 0.04
        if masked:
            shape = x["student"].shape
            share = 0.0 if name == "p4" else 0.5
            x["mask"] = (draws.uniform(shape[0], *shape[2:4]) < share).float()
        w = x["teacher"][..., 4].double().sigmoid()
        assert (w - BOX_FLOOR).abs().min() > 1e-5, "float32 may decide otherwise"
        assert name == quiet or (w > BOX_FLOOR).any()
    nl, imgsz = len(SCALES), max(rows, cols)
    gains = [HYP["box"] * 3 / nl, HYP["obj"] * (imgsz / 640) ** 2 * 3 / nl, HYP["cls"] * len(student) / 80 * 3 / nl]
    settings = {
        "input": [rows, cols], "imgsz": imgsz, "quiet": quiet, "gains": gains, "student_names": student, "teacher_names": teacher,
        "classes": [[i, teacher.index(name)] for i, name in enumerate(student) if name in teacher],
    }
    return answers, inputs, settings


def maps_case(loss, seed, soft=False, empty=None):
    rows, cols, student, teacher = 32, 64, 5, 7
    draws, inputs = Draws(seed), {}
    for name, stride in SCALES.items():
        place = (rows // stride, cols // stride)
        x = inputs[name] = {
            "student": draws.normal(BATCH, student, *place) * 0.8,
            "teacher": draws.normal(BATCH, teacher, *place) + torch.linspace(-1, 3, teacher).view(-1, 1, 1),
            "adapter.weight": draws.normal(teacher, student, 1, 1) * 0.5,
            "adapter.bias": draws.normal(teacher) * 0.5,
        }
        inputs[name]["mask"] = mask_of(draws, BATCH, place, soft, name == empty)
        if loss is correlation and name == "p4":
            x["teacher"][:, 2] = 0.5
    return loss, inputs, {"input": [rows, cols]}


def mask_of(draws, batch, place, soft, empty):
    values = draws.uniform(batch, *place)
    mask = values if soft else (values < 0.5).float()
    mask = torch.zeros_like(mask) if empty else mask
    assert bool(mask.any()) != empty and (soft or empty or not mask.all())
    return mask


def logits_case(seed):
    draws, (rows, cols), nc = Draws(seed), (32, 64), 3
    inputs = heads(draws, rows, cols, nc, nc)
    for name, x in inputs.items():
        x["mask"] = mask_of(draws, BATCH, x["student"].shape[2:4], False, name == "p4")
    return logits, inputs, {"input": [rows, cols], "nc": nc}


# Computed, checked, written.


def computed(loss, inputs, settings, kind):
    """Per scale, what the loss gives and the gradients, in floats of this kind."""
    out, total = {}, 0
    cast = {name: {key: value.to(kind).detach().clone() for key, value in x.items()} for name, x in inputs.items()}
    for name, x in cast.items():
        for key in DRAWN:
            if key in x:
                x[key].requires_grad_()
        out[name] = loss(x, settings | {"scale": name})
        out[name]["loss"] = out[name]["map"].sum()
        total = total + out[name]["loss"]
    total.backward()
    for name, x in cast.items():
        for key in DRAWN:
            if key in x:
                gradient = x[key].grad
                out[name][f"gradient/{key}"] = torch.zeros_like(x[key]) if gradient is None else gradient
        out[name] = {key: value.detach() for key, value in out[name].items()}
    return out


def check(case, loss, inputs, settings, out):
    single = computed(loss, inputs, settings, torch.float32)
    worst = 0.0
    for name, x in inputs.items():
        known = out[name]
        for key, value in known.items():
            assert value.isfinite().all(), (case, name, key)
            if key != "alpha":
                error = (single[name][key].double() - value).norm().item()
                limit = ABSOLUTE if loss is correlation and key == "gradient/adapter.bias" else 1e-5 * value.norm().item()
                assert error <= limit, (case, name, key, error, value.norm().item())
        if "box" in known:
            parts = known["objectness"] + known["class"] + known["box"]
            assert (parts - known["loss"]).abs() <= 1e-12 * known["loss"], (case, name)
            empty = "mask" in x and not x["mask"].any()
            assert (known["box"] == 0) == (empty or name == settings["quiet"]), (case, name)
            assert (known["class"] == 0) == empty and known["objectness"] > 0, (case, name)

        # Central differences, with the α of the place itself.
        fixed = {"alpha": known["alpha"]} if "alpha" in known else {}
        for key in (key for key in DRAWN if key in x):
            gradient = known[f"gradient/{key}"].flatten()
            largest = gradient.abs().topk(min(8, len(gradient))).indices.tolist()
            places = {*largest, *range(0, len(gradient), 1 + len(gradient) // 24)}
            for place in places:
                around = []
                for step in (1e-5, -1e-5):
                    moved = {other: value.double().clone() for other, value in x.items()}
                    moved[key].view(-1)[place] += step
                    around.append(loss(moved, settings | {"scale": name}, **fixed)["map"].sum().item())
                slope = (around[0] - around[1]) / 2e-5
                error = abs(slope - gradient[place].item())
                assert error <= 1e-6 * gradient.abs().max().item() + 1e-10, (case, name, key, place, slope, gradient[place])
                if gradient.abs().max() > ABSOLUTE:
                    worst = max(worst, error / gradient.abs().max().item())
    return worst


def write(case, loss, inputs, settings):
    out = computed(loss, inputs, settings, torch.float64)
    worst = check(case, loss, inputs, settings, out)
    tensors = {}
    for name, x in inputs.items():
        tensors |= {f"{name}/{key}": value for key, value in x.items()}
        for key, value in out[name].items():
            if key != "alpha":
                small = key.startswith(("gradient", "weights"))
                tensors[f"{name}/{key}"] = value.float() if small else value
    for key, kind in (("gains", torch.float64), ("classes", torch.int64)):
        if key in settings:
            tensors[key] = torch.tensor(settings[key], dtype=kind)
    about = settings | {
        "case": case, "loss": loss.__name__, "formula": FORMULAS[loss.__name__], "torch": torch.__version__.split("+")[0],
        "generator": "scripts/golden_imitation.py",
    }
    tensors = {key: value.contiguous().clone() for key, value in tensors.items()}
    path = FOLDER / f"{case}.safetensors"
    # One entry: the order of several changes from run to run.
    save_file(tensors, path, metadata={"about": json.dumps(about)})
    losses = ", ".join(f"{name} {out[name]['loss'].item():.6f}" for name in inputs)
    print(f"{path.name:28} {path.stat().st_size:7} bytes  {losses}  central differences {worst:.0e}")
    return path.stat().st_size


FORMULAS = {
    "answers": "w = sigmoid(t_obj), v = w * mask; g_obj * balance * mean BCE(s_obj, w) "
               "+ g_cls * sum(v * mean_c BCE(s_c, sigmoid(t_c))) / sum(v) + g_box * sum_{w > .05} v * (1 - CIoU(s, t)) / sum_{w > .05} v",
    "features": "1 / (2N) * sum(I * sum_c (A(s) - t)^2), N = sum(I)",
    "correlation": "x' = (x - mean) / (std + 1e-6) per channel over B, H, W, std of the population; "
                   "1 / (2N) * sum(I * sum_c (A(s)' - t')^2), N = sum(I)",
    "logits": "1 / (2N) * sum(I * sum_c (s - t)^2), N = sum(I), heads flattened to channels",
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    size = 0
    for case, (loss, inputs, settings) in {
        "answers_plain": answers_case(1, 64, 96),
        "answers_quiet": answers_case(2, 32, 64, quiet="p5"),
        "answers_masked": answers_case(3, 32, 64, masked=True),
        "answers_permuted": answers_case(4, 32, 64, teacher=("cat", "car", "dog")),
        "answers_partial": answers_case(5, 32, 64, teacher=("cat", "horse", "car", "sheep")),
        "features": maps_case(features, 6, empty="p4"),
        "features_soft": maps_case(features, 7, soft=True),
        "correlation": maps_case(correlation, 8, empty="p5"),
        "logits": logits_case(9),
    }.items():
        size += write(case, loss, inputs, settings)
    print(size, "bytes")
    assert size < 300_000
