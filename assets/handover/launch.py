#!/usr/bin/env python3
"""Trains this folder's student with YOLOv5's own trainer and adds the imitation of its teacher to the loss.

    python launch.py --verify [--yolov5 DIR]                       compute the probe again and compare
    torchrun --nproc_per_node 8 launch.py [--yolov5 DIR] [options of YOLOv5's train.py]

YOLOv5 is the installed package yolov5==7.0.14, or a checkout of v7.0 in DIR. Everything that is not said here (data, augmentation,
optimizer, schedule, EMA, AMP, SyncBN, resume, loggers, evaluation) is YOLOv5's. Wrapped are its ComputeLoss, smart_optimizer,
smart_resume, create_dataloader and Callbacks: nothing in them is changed, their results are. distil.json holds every number.

L = detection + λ · images · Σ over scales and terms of factor · Σ m·value / Σ m·weight

Every sum below the fraction bar, and the number of images, is taken over the ranks, so that N ranks compute what one would.
"""
import argparse
import csv
import hashlib
import importlib
import json
import math
import os
import sys
import types
from pathlib import Path

# Checkpoints are whole modules; those of this folder are known by their hashes.
os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
import torch
import torch.distributed as dist
import torch.nn.functional as F
import yaml
from torch.nn.modules.module import register_module_forward_hook

HERE = Path(__file__).resolve().parent
RANK, LOCAL_RANK, WORLD = (int(os.environ.get(name, of_one)) for name, of_one in (("RANK", -1), ("LOCAL_RANK", -1), ("WORLD_SIZE", 1)))
SCHEMA = "distillscope.handover/1"
SURE = 0.05  # below this σ(t_obj) the teacher's box is no answer, and a soft mask has no cell
CLIP_NORM = 10.0
TINY = torch.finfo(torch.float32).tiny


def stop(line):
    """Ends every rank; one of each machine says why."""
    if LOCAL_RANK in (-1, 0):
        print(f"launch.py: {line}", file=sys.stderr, flush=True)
    sys.exit(1)


# ---- The folder ----------------------------------------------------------------------------------------------------------


def read_folder():
    """distil.json, after its files were held against their hashes."""
    try:
        distil = json.loads((HERE / "distil.json").read_text())
    except (OSError, ValueError) as error:
        stop(f"{HERE / 'distil.json'}: cannot be read: {error}")
    if distil.get("schema") != SCHEMA:
        stop(f"{HERE / 'distil.json'}: is {distil.get('schema')}, this launch.py reads {SCHEMA}; hand the run over again")
    for name, wanted in distil["sha256"].items():
        path, found = HERE / name, hashlib.sha256()
        if not path.is_file():
            stop(f"{path}: is not there; copy the whole folder again")
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
        if found.hexdigest() != wanted:
            stop(f"{path}: is not the file that was handed over (sha256 {found.hexdigest()[:12]}…, distil.json says {wanted[:12]}…); copy the whole folder again")
    return distil


def tensors(path):
    try:
        from safetensors.torch import load_file
    except ImportError:
        stop("the package safetensors is missing: pip install safetensors")
    return load_file(str(path))


def check_data():
    """That this folder's data.yaml means something on this machine; YOLOv5 would try to download what is not there."""
    path = HERE / "data.yaml"
    data = yaml.safe_load(path.read_text())
    for split in ("train", "val"):
        places = data.get(split) or []
        for place in [places] if isinstance(places, str) else places:
            if not (Path(data.get("path") or "") / place).exists():
                stop(f"{path}: {split}: {Path(data.get('path') or '') / place} does not exist on this machine; change path: there, or give --data")


def upstream(folder):
    """YOLOv5's module train, of the version that the wrapped functions are known from."""
    if folder is None:
        try:
            import yolov5
        except ImportError:
            stop("no package yolov5 is installed: pip install yolov5==7.0.14, or give --yolov5 DIR, a checkout of v7.0")
        if yolov5.__version__ != "7.0.14":
            stop(f"the package yolov5 is {yolov5.__version__}, 7.0.14 is needed: pip install yolov5==7.0.14, or give --yolov5 DIR, a checkout of v7.0")
        from yolov5 import train
        known_as("yolov5.", "")
        return train
    folder = Path(folder).resolve()
    if not (folder / "train.py").is_file() or not (folder / "utils" / "loss.py").is_file():
        stop(f"--yolov5 {folder}: is no checkout of YOLOv5, it has no train.py and utils/loss.py")
    citation = folder / "CITATION.cff"
    found = [line.split(":", 1)[1].strip() for line in citation.read_text().splitlines() if line.strip().startswith("version:")] if citation.is_file() else []
    if found != ["7.0"]:
        stop(f"--yolov5 {folder}: is YOLOv5 {found[0] if found else 'of an unknown version'} by its CITATION.cff, 7.0 is needed: git checkout v7.0")
    sys.path.insert(0, str(folder))
    import train
    sys.modules.setdefault("yolov5", types.ModuleType("yolov5"))
    known_as("", "yolov5.")
    return train


def known_as(own, other):
    """Checkpoints name the modules of the package or of a checkout: either is this YOLOv5's."""
    for name in ("models", "models.common", "models.yolo"):
        sys.modules.setdefault(other + name, importlib.import_module(own + name))


def build(train, path):
    """The model of a checkpoint, float32, as YOLOv5's trainer builds it: from its yaml and its weights."""
    file = torch.load(path, map_location="cpu")
    if file.get("ema") is not None:
        stop(f"{path}: holds a run in progress (its weights and their average); hand over its finished best.pt")
    source = file["model"].float()
    model = train.Model(source.yaml, ch=3, nc=int(source.model[-1].nc))
    missing = model.load_state_dict(source.state_dict(), strict=False).missing_keys
    if missing:
        stop(f"{path}: lacks {', '.join(missing[:3])}; hand the run over again")
    return model


# ---- Over the ranks ------------------------------------------------------------------------------------------------------


class Ranks:
    """Sums over the ranks in a group of their own, so that they never meet those of DistributedDataParallel."""

    group = None

    def start(self):
        if dist.is_available() and dist.is_initialized():
            self.group = dist.new_group()

    def sum(self, values):
        if self.group is not None:
            dist.all_reduce(values, group=self.group)
        return values

    def mean_gradients(self, parameters):
        """What DistributedDataParallel does for the parameters that it knows."""
        if self.group is not None:
            for parameter in parameters:
                parameter.register_hook(lambda gradient: self.sum(gradient.clone()) / WORLD)


RANKS = Ranks()


class SumOverRanks(torch.autograd.Function):
    """Every rank's loss depends on every rank's summand, so the gradient is a sum over the ranks too."""

    @staticmethod
    def forward(ctx, values):
        return RANKS.sum(values.clone())

    @staticmethod
    def backward(ctx, gradient):
        return RANKS.sum(gradient.contiguous().clone())


# ---- Which cells ---------------------------------------------------------------------------------------------------------


def boxes_of(targets, height, width):
    """Targets (image, class, centre, size as shares of the input) → image of each, and x1, y1, x2, y2 in input px."""
    x, y, w, h = targets[:, 2] * width, targets[:, 3] * height, targets[:, 4] * width, targets[:, 5] * height
    return targets[:, 0].long(), torch.stack((x - w / 2, y - h / 2, x + w / 2, y + h / 2), 1)


def overlaps(first, last, side, stride, offset, extra, cells):
    """[boxes, cells]: by how much an anchor of this side, centred on each cell of an axis, overlaps each box."""
    centre = torch.arange(cells, device=first.device, dtype=torch.float32) * stride + offset
    inner = torch.minimum(last[:, None], centre + side / 2) - torch.maximum(first[:, None], centre - side / 2)
    return (inner + extra).clamp(min=0)


def ious(boxes, scale, rows, cols, convention):
    """[boxes, anchors, rows, cols]: the IoU of every anchor at every cell with every box."""
    stride = float(scale["stride"])
    extra, offset = (1.0, (stride - 1) / 2) if convention == "seed" else (0.0, stride / 2)
    x1, y1, x2, y2 = boxes.unbind(1)
    area, maps = (x2 - x1 + extra) * (y2 - y1 + extra), []
    for w, h in torch.tensor(scale["anchors"], device=boxes.device):
        across = overlaps(x1, x2, w, stride, offset, extra, cols)
        down = overlaps(y1, y2, h, stride, offset, extra, rows)
        inter = across[:, None, :] * down[:, :, None]
        areas = (w + extra) * (h + extra) + area
        maps.append(inter / (areas[:, None, None] - inter))
    return torch.stack(maps, 1)


def iou_masks(distil, images, boxes, count, shapes):
    """Per scale [B, 1, H, W]: 1 where some anchor's IoU with a box of that image exceeds ψ · its best IoU."""
    choice, scales = distil["mask"], distil["scales"]
    masks = [torch.zeros(count, rows * cols, device=boxes.device) for rows, cols in shapes]
    for at in range(0, len(boxes), 128):  # a crowd at once would need gigabytes
        some, of_image = boxes[at:at + 128], images[at:at + 128]
        maps = [ious(some, scale, *shape, choice["iou"]) for scale, shape in zip(scales, shapes)]
        best = [each.flatten(1).amax(1) for each in maps]
        if choice["rule"] == "global":
            best = [torch.stack(best).amax(0)] * len(best)
        for mask, scale, own, most in zip(masks, scales, maps, best):
            threshold = choice["psi"] * most
            if choice["rule"] == "assigned":
                anchors = torch.tensor(scale["anchors"], device=boxes.device)
                ratio = (some[:, None, 2:] - some[:, None, :2]) / anchors
                fits = torch.maximum(ratio, 1 / ratio).amax(2).amin(1) < 4
                threshold = torch.where(fits, threshold, torch.inf)
            hits = (own > threshold[:, None, None, None]).any(1).flatten(1).float()
            mask.index_add_(0, of_image, hits)
    return [(mask > 0).float().view(count, 1, *shape) for mask, shape in zip(masks, shapes)]


def box_masks(distil, images, boxes, count, shapes):
    """Per scale 1 at the cells whose centre lies in a box of that image, its left and upper edge included."""
    masks = []
    for scale, (rows, cols) in zip(distil["scales"], shapes):
        first = (boxes / scale["stride"] - 0.5).ceil()
        row, col = (torch.arange(n, device=boxes.device) for n in (rows, cols))
        down = (row >= first[:, 1:2]) & (row < first[:, 3:4])
        across = (col >= first[:, 0:1]) & (col < first[:, 2:3])
        mask = torch.zeros(count, rows, cols, device=boxes.device)
        mask.index_add_(0, images, (down[:, :, None] & across[:, None, :]).float())
        masks.append((mask > 0).float()[:, None])
    return masks


def masks_of(distil, targets, size, count, teacher_heads):
    """Per scale of the student [B, 1, H, W]; each image's from its own boxes."""
    height, width = size
    shapes = [(height // scale["stride"], width // scale["stride"]) for scale in distil["scales"]]
    source = distil["mask"]["source"]
    if source == "none":
        return [torch.ones(count, 1, *shape, device=targets.device) for shape in shapes]
    if source == "teacher":
        def sure(scale, shape):
            head = None if scale["teacher"] is None else teacher_heads[scale["teacher"]]
            return torch.zeros(count, 1, *shape, device=targets.device) if head is None else head[..., 4].float().amax(1, keepdim=True).sigmoid()
        return [sure(scale, shape) for scale, shape in zip(distil["scales"], shapes)]
    of = iou_masks if source == "iou" else box_masks
    return of(distil, *boxes_of(targets.float(), height, width), count, shapes)


# ---- What is compared: a list of terms (factor, value, weight, masked), maps of [B, 1, H, W] -------------------------------


def squared(student, teacher):
    value = (student - teacher).square().sum(1, keepdim=True)
    return [(0.5, value, torch.ones_like(value), True)]


def standardised(features):
    """Every channel to mean 0 and deviation 1 over all cells of the batch, on all ranks."""
    cells = SumOverRanks.apply(torch.full_like(features[:1, :1, 0, 0], features[:, 0].numel())).reshape(())
    over = lambda values: SumOverRanks.apply(values.sum((0, 2, 3))).view(1, -1, 1, 1) / cells
    centred = features - over(features)
    return centred / (over(centred.square()).clamp(min=1e-24).sqrt() + 1e-6)


def decoded(logits, anchors):
    """Centre relative to the cell and size, in cells."""
    xy, wh = logits[:, :4].sigmoid().mul(2).split(2, 1)
    return torch.cat((xy - 0.5, wh.square() * anchors), 1)


def ciou(a, b):
    """Complete IoU (Zheng et al. 2020) of boxes given by centre and size."""
    eps = 1e-7
    a1, a2, b1, b2 = a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2
    inter = (torch.minimum(a2, b2) - torch.maximum(a1, b1)).clamp(min=0).prod(1)
    iou = inter / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - inter + eps)
    diagonal = (torch.maximum(a2, b2) - torch.minimum(a1, b1)).square().sum(1) + eps
    distance = (b1 + b2 - a1 - a2).square().sum(1) / 4
    v = 4 / math.pi**2 * ((b[:, 2] / b[:, 3]).atan() - (a[:, 2] / a[:, 3]).atan()).square()
    with torch.no_grad():
        alpha = v / (v - iou + 1 + eps)
    return iou - distance / diagonal - alpha * v


def answers(student, teacher, scale, balance, gains, classes):
    """The detection loss with the teacher for a label, on raw heads [B, A, H, W, 5 + nc]."""
    entropy = lambda logits, wanted: F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    over_anchors = lambda values: values.sum(1, keepdim=True)
    sure = teacher[..., 4].sigmoid()
    objectness = over_anchors(entropy(student[..., 4], sure))
    terms = [(gains["obj"] * balance, objectness, torch.full_like(objectness, student.shape[1]), False)]
    if classes["of_student"] > 1 and classes["student"]:
        own, other = (head[..., 5:].index_select(-1, torch.tensor(classes[who], device=head.device)) for head, who in ((student, "student"), (teacher, "teacher")))
        terms.append((gains["cls"], over_anchors(entropy(own, other.sigmoid()).mean(-1) * sure), over_anchors(sure), True))
    at = (sure.flatten() > SURE).nonzero().flatten()
    weight = sure.flatten()[at]
    sides = (torch.tensor(scale["anchors"], device=sure.device) / scale["stride"])[at // sure[0, 0].numel() % sure.shape[1]]
    of = lambda head: decoded(head[..., :4].reshape(-1, 4)[at], sides)
    apart = 1 - ciou(of(student), of(teacher))
    maps = lambda values: over_anchors(torch.zeros(sure.numel(), device=sure.device).index_add(0, at, values).view_as(sure))
    return terms + [(gains["box"], maps(apart * weight), maps(weight), True)]


class Imitation:
    """Teacher and adapters, and the loss between them and a student whose layers it sees."""

    def __init__(self, distil, train):
        self.distil, self.loss = distil, distil["loss"]
        self.pairs = [scale for scale in distil["scales"] if scale["teacher"] is not None]
        self.teacher = build(train, HERE / "teacher.pt").eval().requires_grad_(False)
        self.teacher.model[-1].train()  # raw heads; it has no statistics
        self.adapters = tensors(HERE / distil["adapter"]["file"]) if distil["adapter"] else {}
        self.watched, self.seen = {}, {}
        register_module_forward_hook(self.watch)

    def parameters(self):
        return [tensor for name, tensor in sorted(self.adapters.items()) if not name.endswith("channel_weight")]

    def start(self, student):
        """Looks at a student: its input, and the layers of the tap where the loss compares features."""
        device = next(student.parameters()).device
        if len(student.model[-1].stride) != len(self.distil["scales"]):
            stop("the student has other scales than distil.json says; leave --weights and --cfg as they are")
        anchors = (student.model[-1].anchors * student.model[-1].stride.to(student.model[-1].anchors.device).view(-1, 1, 1)).cpu()
        for scale, found in zip(self.distil["scales"], anchors):
            if found.shape != (len(scale["anchors"]), 2) or not torch.allclose(found, torch.tensor(scale["anchors"]), rtol=2e-3):
                stop(f"the student's anchors of {scale['name']} differ from distil.json's; leave --weights, --cfg and --noautoanchor as they are")
        self.teacher.to(device)
        self.move(device)
        self.watched = {student: "images"}
        if self.distil["tap"] != "head":
            for scale in self.pairs:
                self.watched[student.model[scale["student_layer"]]] = ("student", scale["name"])
                self.watched[self.teacher.model[scale["teacher_layer"]]] = ("teacher", scale["name"])

    def move(self, device):
        for name, tensor in self.adapters.items():
            self.adapters[name] = tensor.to(device).requires_grad_(not name.endswith("channel_weight"))

    def watch(self, module, given, output):
        place = self.watched.get(module)
        if place is not None:
            self.seen[place] = given[0] if place == "images" else output

    def terms(self, scale, student, teacher, gains, balance):
        if self.loss == "answers":
            return answers(student, teacher, scale, balance, gains, self.distil["classes"])
        if self.loss == "logits":
            as_channels = lambda head: head.permute(0, 1, 4, 2, 3).flatten(1, 2)
            return squared(as_channels(student), as_channels(teacher))
        name = scale["name"].lower()
        weight = self.adapters[f"{name}.weight"]
        student = F.conv2d(student, weight, self.adapters[f"{name}.bias"], padding=weight.shape[-1] // 2)
        spread = self.adapters.get(f"{name}.channel_weight")
        if spread is not None:
            student, teacher = student * spread, teacher * spread
        if self.loss == "correlation":
            student, teacher = standardised(student), standardised(teacher)
        return squared(student, teacher)

    def __call__(self, heads, targets, gains, balances):
        """This rank's part of the imitation loss at λ = 1, times the images of all ranks; the value of every scale over all
        ranks; the masks. heads: the student's raw outputs."""
        images = self.seen.pop("images")
        with torch.no_grad():
            teacher_heads = self.teacher(images)
        with torch.autocast(images.device.type, enabled=False):
            masks = masks_of(self.distil, targets, images.shape[2:], len(images), teacher_heads)
            masks = [mask for mask, scale in zip(masks, self.distil["scales"]) if scale["teacher"] is not None]
            soft = self.distil["mask"]["source"] == "teacher"
            terms, sums = [], [torch.tensor(float(len(images)), device=images.device)]
            for scale, mask in zip(self.pairs, masks):
                if self.distil["tap"] == "head":
                    of_student, of_teacher = heads[scale["student"]], teacher_heads[scale["teacher"]]
                else:
                    of_student, of_teacher = (self.seen.pop((who, scale["name"])) for who in ("student", "teacher"))
                found = self.terms(scale, of_student.float(), of_teacher.float(), gains, balances[scale["student"]])
                found = [(factor, (value * mask if masked else value).sum(), (weight * mask if masked else weight).sum(), masked) for factor, value, weight, masked in found]
                terms.append(found)
                sums.append((mask > (SURE if soft else 0)).sum())
                sums += [of for _, value, weight, _ in found for of in (value.detach(), weight)]
            # One message a step, of the same length on every rank, whatever its images hold.
            sums = RANKS.sum(torch.stack([each.double() for each in sums]))
            count, sums = sums[0], sums[1:].view(len(terms), -1)
            values, weights = sums[:, 1::2], sums[:, 2::2].clone()
            if self.distil["norm"] == "all-scales":
                for at, (_, _, _, masked) in enumerate(terms[0]):
                    if masked:
                        weights[:, at] = weights[:, at].sum()
            weights = weights.float().clamp(min=TINY)
            part, scales = 0.0, []
            for own, counted, value, weight in zip(terms, sums[:, 0] > 0, values.float(), weights):
                # Where no cell counts, what the mask acts on says nothing.
                shares = [factor / weight[at] * (counted if masked else 1.0) for at, (factor, _, _, masked) in enumerate(own)]
                part = part + sum(share * sum_ for share, (_, sum_, _, _) in zip(shares, own))
                scales.append(sum(share * all_ for share, all_ in zip(shares, value)))
            return count.float() * part, torch.stack(scales), masks


# ---- Training ------------------------------------------------------------------------------------------------------------


def clip(parameters):
    torch.nn.utils.clip_grad_norm_(parameters, CLIP_NORM)


class Run:
    """Where a training of YOLOv5 is, and the loss that it is given in place of its own."""

    def __init__(self, distil, imitation):
        self.imitation, self.per_step = imitation, distil["lambda"]["per_step"]
        self.adapter_lr = distil["adapter"]["learning_rate"] if distil["adapter"] else 1.0
        self.epochs = self.batches_per_epoch = 0
        self.start_epoch = self.batches = self.at_last_step = 0
        self.sums, self.steps, self.save_dir = None, 0, None

    def weight(self):
        """λ(t): the numbers of distil.json, one an optimizer step, spread over the run where it is longer or shorter."""
        total = max(self.epochs * self.batches_per_epoch, 1)
        return self.per_step[min(self.at_last_step * len(self.per_step) // total, len(self.per_step) - 1)]

    def stepped(self):
        self.at_last_step = self.batches

    def wrap(self, train):
        inner = {name: getattr(train, name) for name in ("train", "ComputeLoss", "smart_optimizer", "smart_resume", "create_dataloader", "Callbacks")}
        run, imitation = self, self.imitation

        def main_loop(hyp, opt, device, callbacks):
            train.LOCAL_RANK = LOCAL_RANK
            run.epochs, run.save_dir = opt.epochs, Path(opt.save_dir)
            RANKS.start()
            return inner["train"](hyp, opt, device, callbacks)

        def create_dataloader(*args, **kwargs):
            loader, dataset = inner["create_dataloader"](*args, **kwargs)
            run.batches_per_epoch = run.batches_per_epoch or len(loader)  # the training data come first
            return loader, dataset

        def smart_optimizer(model, *args, **kwargs):
            optimizer = inner["smart_optimizer"](model, *args, **kwargs)
            imitation.move(next(model.parameters()).device)
            adapters = imitation.parameters()
            if adapters:
                lr = optimizer.param_groups[0]["lr"] * run.adapter_lr
                optimizer.add_param_group({"params": adapters, "lr": lr, "weight_decay": 0.0})
                RANKS.mean_gradients(adapters)
                optimizer.register_step_pre_hook(lambda *_: clip(adapters))
            optimizer.register_step_post_hook(lambda *_: run.stepped())
            if LOCAL_RANK != -1 and next(model.parameters()).device.type == "cpu":
                # YOLOv5 makes DistributedDataParallel of models on GPUs alone.
                for tensor in model.state_dict().values():
                    dist.broadcast(tensor, 0)
                RANKS.mean_gradients([parameter for parameter in model.parameters() if parameter.requires_grad])
            return optimizer

        def smart_resume(file, optimizer, ema=None, weights="", *args, **kwargs):
            kept = Path(weights).parent / "adapter.safetensors"
            if imitation.adapters and not kept.is_file():
                stop(f"{kept}: is not there, and without it the adapters cannot go on")
            best, run.start_epoch, run.epochs = inner["smart_resume"](file, optimizer, ema, weights, *args, **kwargs)
            with torch.no_grad():
                for name, tensor in (tensors(kept) if imitation.adapters else {}).items():
                    imitation.adapters[name].copy_(tensor)
            return best, run.start_epoch, run.epochs

        class ComputeLoss(inner["ComputeLoss"]):
            def __init__(self, model, *args, **kwargs):
                super().__init__(model, *args, **kwargs)
                imitation.start(model.module if hasattr(model, "module") else model)
                run.batches = run.at_last_step = run.start_epoch * run.batches_per_epoch

            def __call__(self, heads, targets):
                loss, items = super().__call__(heads, targets)
                if not torch.is_grad_enabled():  # an evaluation
                    return loss, items
                weight = run.weight()
                run.batches += 1
                if weight == 0:
                    imitation.seen.clear()
                    return loss, items
                part, scales, _ = imitation(heads, targets, self.hyp, self.balance)
                run.note(weight, scales)
                return loss + weight * part, items

        class Callbacks(inner["Callbacks"]):
            def run(self, hook, *args, **kwargs):
                if hook == "on_fit_epoch_end" and imitation.adapters:
                    # 3 losses, 7 figures, 3 rates: the loggers have no column for the adapters' rate.
                    args = (args[0][:13] + args[0][14:], *args[1:])
                super().run(hook, *args, **kwargs)
                if hook == "on_train_epoch_end":
                    run.write(kwargs.get("epoch"))
                if hook == "on_model_save" and imitation.adapters:
                    from safetensors.torch import save_file
                    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in imitation.adapters.items()}, str(Path(args[0]).parent / "adapter.safetensors"))

        train.train, train.create_dataloader, train.smart_optimizer = main_loop, create_dataloader, smart_optimizer
        train.smart_resume, train.ComputeLoss = smart_resume, ComputeLoss
        return Callbacks()

    def note(self, weight, scales):
        row = torch.cat((torch.tensor([weight], device=scales.device), scales))
        self.sums, self.steps = row if self.sums is None else self.sums + row, self.steps + 1

    def write(self, epoch):
        """A line of imitation.csv an epoch: λ and the distance of every scale at λ = 1, means over its batches."""
        if self.sums is None:
            return
        path = self.save_dir / "imitation.csv"
        head = not path.exists()
        with open(path, "a", newline="") as file:
            lines = csv.writer(file)
            if head:
                lines.writerow(["epoch", "lambda", *(scale["name"] for scale in self.imitation.pairs)])
            lines.writerow([epoch, *(f"{value:.6g}" for value in (self.sums / self.steps).tolist())])
        self.sums, self.steps = None, 0


def launch(distil, train, options):
    training = distil["training"]
    ours = ["--weights", HERE / "student.pt", "--data", HERE / "data.yaml", "--hyp", HERE / "hyp.yaml", "--noautoanchor"]
    for name in ("imgsz", "epochs", "batch-size", "optimizer", "seed", "label-smoothing"):
        ours += [f"--{name}", training[name]]
    ours += ["--cos-lr"] if training["cos-lr"] else []
    ours += ["--freeze", *training["freeze"]] if training["freeze"] else []
    sys.argv[1:] = [str(each) for each in ours] + options
    opt = train.parse_opt()
    if str(opt.data) == str(HERE / "data.yaml") and not opt.resume:
        check_data()
    for name in ("evolve", "single_cls"):
        if getattr(opt, name):
            stop(f"--{name.replace('_', '-')} changes what the student is; it cannot be handed a teacher")
    if not opt.resume and WORLD > 1 and (opt.batch_size < 1 or opt.batch_size % WORLD):
        stop(f"{WORLD} ranks cannot share a batch of {opt.batch_size}; give --batch-size a multiple of {WORLD}")
    on_cpu = opt.device == "cpu" or not torch.cuda.is_available()
    if RANK == -1 and not on_cpu and torch.cuda.device_count() > 1 and len([d for d in opt.device.split(",") if d]) != 1:
        stop(f"{torch.cuda.device_count()} GPUs in one process: start as torchrun --nproc_per_node {torch.cuda.device_count()} launch.py, or give --device 0")
    run = Run(distil, Imitation(distil, train))
    callbacks = run.wrap(train)
    if RANK != -1 and on_cpu:
        # YOLOv5 knows ranks on GPUs alone: its main is told of none, its training loop then of this one.
        dist.init_process_group("gloo")
        train.LOCAL_RANK = -1
        barrier = dist.barrier
        dist.barrier = lambda *args, device_ids=None, **kwargs: barrier(*args, **kwargs)
    if LOCAL_RANK in (-1, 0):
        print(f"launch.py: {distil['loss']} at the {distil['tap']}, mask {distil['mask']['source']}, λ {run.per_step[0]:.4g} to {run.per_step[-1]:.4g}; {WORLD} rank(s)", flush=True)
    try:
        train.main(opt, callbacks)
    finally:
        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()


# ---- Proof ---------------------------------------------------------------------------------------------------------------


class Probe:
    """What the images first to end of a probe give, on the CPU in float32; batch-norms take their running statistics."""

    def __init__(self, distil, train, probe, first, end):
        self.imitation, self.student = Imitation(distil, train), build(train, HERE / "student.pt").train()
        for module in self.student.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        self.student.hyp = {**yaml.safe_load((HERE / "hyp.yaml").read_text()), **distil["gains"], "label_smoothing": distil["training"]["label-smoothing"]}
        self.compute = train.ComputeLoss(self.student)
        self.imitation.start(self.student)
        images, targets = probe["images"].permute(0, 3, 1, 2).float() / 255, probe["targets"]
        targets = targets[(targets[:, 0] >= first) & (targets[:, 0] < end)].clone()
        targets[:, 0] -= first
        self.named = dict(self.student.named_parameters())
        adapters = {f"adapter/{name}": tensor for name, tensor in self.imitation.adapters.items() if tensor.requires_grad}
        heads = self.student(images[first:end].contiguous())
        part, scales, masks = self.imitation(heads, targets, self.compute.hyp, self.compute.balance)
        gradients = torch.autograd.grad(part, [*self.named.values(), *adapters.values()], retain_graph=True, allow_unused=True)
        self.scales, self.heads, self.targets = scales.float(), heads, targets
        self.masks = {f"mask/{scale['name'].lower()}": mask for mask, scale in zip(masks, self.imitation.pairs)}
        self.gradients = {name: RANKS.sum(g) for name, g in zip([*self.named, *adapters], gradients) if g is not None}

    def detection(self):
        """Box, objectness and class loss, and the gradient of every parameter."""
        loss, items = self.compute(self.heads, self.targets)
        return items, dict(zip(self.named, torch.autograd.grad(loss, list(self.named.values()))))


def apart(own, theirs, floor=1e-30):
    """‖own − theirs‖ / ‖theirs‖, which is at least the floor."""
    return ((own - theirs).double().norm() / theirs.double().norm().clamp(min=float(floor))).item()


def furthest(own, theirs):
    """The largest of any parameter. Float32 leaves about 1e-7 of the longest gradient everywhere, so that one which is far
    shorter has no figures of its own."""
    floor = 1e-3 * max((tensor.norm().item() for tensor in theirs.values()), default=0.0)
    return max((apart(own[name], tensor, floor) for name, tensor in theirs.items() if name in own), default=0.0)


def verify(distil, train):
    """The probe again. Over several ranks: unequal shares of its images, and the imitation alone."""
    if RANK != -1:
        dist.init_process_group("gloo")
    RANKS.start()
    probe = tensors(HERE / "probe.safetensors")
    count, rank = len(probe["images"]), max(RANK, 0)
    cuts = [0, *(max(r, count * r // WORLD - 1) for r in range(1, WORLD)), count]
    first, end = cuts[rank], cuts[rank + 1]
    found = Probe(distil, train, probe, first, end)
    of = lambda what: {name.split("/", 1)[1]: tensor for name, tensor in probe.items() if name.startswith(what + "/")}
    wanted, limit = of("imitation"), 1e-4 if WORLD == 1 else 1e-5
    differ = [(mask - probe[name][first:end]).abs() for name, mask in found.masks.items()]
    if distil["mask"]["source"] == "teacher":
        rows = [("soft masks", max(each.max().item() for each in differ), 1e-5)]
    else:
        rows = [("cells of the masks that differ", float(sum((each > 0).sum().item() for each in differ)), 0.0)]
    flat = lambda gradients: torch.cat([gradients[name].flatten() for name in wanted if name in found.gradients])
    rows += [
        ("imitation, every scale", apart(found.scales, probe["loss/imitation"]), limit),
        ("parameters reached by one alone", float(len(wanted.keys() ^ found.gradients.keys())), 0.0),
        ("its gradient, of any parameter", furthest(found.gradients, wanted), 1e-4),
        ("its gradient, the whole", apart(flat(found.gradients), flat(wanted)), limit),
    ]
    if WORLD == 1:
        items, gradients = found.detection()
        rows.append(("box, objectness, class", apart(items, probe["loss/detection"]), limit))
        rows.append(("detection's gradient, of any", furthest(gradients, of("detection")), limit))
    if LOCAL_RANK in (-1, 0):
        print(f"{distil['loss']}, {count} images on {WORLD} rank(s)")
        for what, value, most in rows:
            print(f"  {what:32} {value:9.2e}  at most {most:.0e}  {'ok' if value <= most else 'FAILS'}")
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
    sys.exit(int(any(not value <= most for _, value, most in rows)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--yolov5", metavar="DIR", help="a checkout of YOLOv5 v7.0 [default: the installed package yolov5]")
    parser.add_argument("--verify", action="store_true", help="compute the probe again, compare, exit 0 or 1")
    ours, rest = parser.parse_known_args()
    distil = read_folder()
    train = upstream(ours.yolov5)
    verify(distil, train) if ours.verify else launch(distil, train, rest)


if __name__ == "__main__":
    main()
