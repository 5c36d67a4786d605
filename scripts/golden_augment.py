"""Writes tests/golden/augment/: what YOLOv5 v7.0's training loader makes of images of noise for given draws.

    python scripts/golden_augment.py            (needs yolov5==7.0.14 and opencv-python-headless)

The loader itself runs, from file to label; only its sources of random numbers are replaced by lists of the numbers
wanted. tests/data/augment.rs builds the same plans from cases.json. Where no pixel is interpolated by a warp, the
pixels must be equal and a hash is enough; the others are small PNGs, compared within a grey level.

OpenCV turns HSV into RGB in blocks of 32 pixels, cutting fractions, and what is left of a row pixel by pixel, rounding
them. Rows are multiples of 32 here, as inputs are: only the blocks count.
"""
import json
import pathlib
import sys
import tempfile
import types

import cv2
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "augment"
sys.path.insert(0, str(FOLDER.parent))
from letterbox import noise  # noqa: E402

import yolov5.utils.augmentations as augmentations  # noqa: E402
import yolov5.utils.dataloaders as dataloaders  # noqa: E402

# width, height, labels (class, centre x, centre y, width, height)
SAMPLES = [
    (61, 47, [(0, 0.5, 0.5, 0.4, 0.6), (1, 0.1, 0.2, 0.2, 0.3)]),
    (97, 53, [(2, 0.7, 0.4, 0.5, 0.3)]),
    (20, 33, [(1, 0.5, 0.25, 0.9, 0.4), (0, 0.85, 0.9, 0.3, 0.2)]),
    (64, 64, []),
    (150, 211, [(2, 0.3, 0.6, 0.02, 0.02), (0, 0.4, 0.7, 0.6, 0.5)]),
    (187, 60, [(1, 0.5, 0.5, 1.0, 1.0)]),  # 96 / 187 · 187 lies above 96 in floating point: read at 97, then shrunk
]
PLAIN = {"perspective": [0, 0], "degrees": 0, "scale": 1, "shear": [0, 0], "translate": [0, 0]}
TURNED = {"perspective": [0, 0], "degrees": 23.5, "scale": 1.27, "shear": [4.0, -7.0], "translate": [0.08, -0.05]}
SHRUNK = {"perspective": [0, 0], "degrees": -8.0, "scale": 0.61, "shear": [0, 0], "translate": [-0.1, 0.07]}
TILTED = {"perspective": [0.002, -0.0015], "degrees": 12.0, "scale": 0.9, "shear": [0, 3.0], "translate": [0.02, 0.1]}


def mosaic(tiles, center, warp=PLAIN):
    return {"tiles": tiles, "center": center, "warp": warp}


def single(sample, warp=PLAIN):
    return {"sample": sample, "warp": warp}


CASES = [
    {"name": "plain", "input": 64, "scene": single(0)},
    {"name": "enlarged", "input": 64, "scene": single(2)},
    {"name": "rounded_up", "input": 96, "scene": single(5)},
    {"name": "flipped", "input": 64, "scene": single(4), "flip_vertical": True, "flip_horizontal": True},
    {"name": "hsv", "input": 64, "scene": single(1), "hsv": [1.013, 0.62, 1.31], "flip_horizontal": True},
    {"name": "hsv_wrapped", "input": 64, "scene": single(0), "hsv": [1.9, 1.7, 0.55]},
    {"name": "mosaic", "input": 64, "scene": mosaic([0, 1, 2, 4], [71, 45])},
    {"name": "mosaic_edge", "input": 64, "scene": mosaic([3, 2, 0, 0], [32, 95]), "flip_vertical": True},
    {"name": "mixup", "input": 64, "scene": mosaic([0, 1, 2, 3], [64, 50]),
     "mixup": {"share": 0.437, "scene": mosaic([4, 0, 5, 2], [40, 80])}},
    {"name": "turned", "input": 32, "png": True, "scene": single(0, TURNED)},
    {"name": "tilted", "input": 32, "png": True, "scene": single(1, TILTED), "flip_horizontal": True},
    {"name": "mosaic_turned", "input": 32, "png": True, "scene": mosaic([1, 0, 4, 2], [37, 30], TURNED)},
    {"name": "mosaic_shrunk", "input": 32, "png": True, "scene": mosaic([0, 2, 4, 1], [20, 41], SHRUNK)},
    {"name": "mosaic_tilted", "input": 32, "png": True, "scene": mosaic([2, 4, 1, 0], [30, 35], TILTED)},
]


class Scripted(types.SimpleNamespace):
    """Stands for the module `random`: hands out what it was given."""

    def __init__(self):
        super().__init__(numbers=[], chosen=[], orders=[])

    def uniform(self, low, high):
        return self.numbers.pop(0)

    def random(self):
        return self.numbers.pop(0)

    def randint(self, low, high):
        return self.numbers.pop(0)

    def choices(self, population, k):
        return self.chosen.pop(0)

    def shuffle(self, items):
        items[:] = self.orders.pop(0)


def script_scene(scripted, scene):
    if "tiles" in scene:
        scripted.numbers += [scene["center"][1] + 0.25, scene["center"][0] + 0.75]  # cut to whole numbers
        scripted.chosen.append(scene["tiles"][1:])
        scripted.orders.append(scene["tiles"])
    warp = scene["warp"]
    scripted.numbers += [*warp["perspective"], warp["degrees"], warp["scale"], *warp["shear"]]
    scripted.numbers += [0.5 + share for share in warp["translate"]]


def run(case, files):
    size, scene, mixup = case["input"], case["scene"], case.get("mixup")
    loader = object.__new__(dataloaders.LoadImagesAndLabels)
    n = len(SAMPLES)
    loader.img_size, loader.augment, loader.rect, loader.mosaic = size, True, False, True
    loader.mosaic_border = [-size // 2, -size // 2]
    loader.indices, loader.n = range(n), n
    loader.im_files, loader.ims = files, [None] * n
    loader.npy_files = [pathlib.Path(file).with_suffix(".npy") for file in files]
    loader.labels = [np.array(labels, np.float32).reshape(-1, 5) for _, _, labels in SAMPLES]
    loader.segments = [[] for _ in SAMPLES]
    loader.albumentations = lambda image, labels: (image, labels)
    has_perspective = any(s["warp"]["perspective"] != [0, 0] for s in [scene] + ([mixup["scene"]] if mixup else []))
    hsv = case.get("hsv")
    loader.hyp = {"mosaic": 0.5, "mixup": 0.5, "copy_paste": 0, "degrees": 0, "translate": 0, "scale": 0, "shear": 0,
                  "perspective": 0.001 if has_perspective else 0, "flipud": 0.5, "fliplr": 0.5}
    loader.hyp.update({name: 1.0 if hsv else 0.0 for name in ("hsv_h", "hsv_s", "hsv_v")})

    scripted = Scripted()
    scripted.numbers.append(0.0 if "tiles" in scene else 1.0)
    script_scene(scripted, scene)
    if "tiles" in scene:
        scripted.numbers.append(0.0 if mixup else 1.0)
    if mixup:
        scripted.numbers.append(mixup["scene"]["tiles"][0])
        script_scene(scripted, mixup["scene"])
    scripted.numbers += [0.0 if case.get("flip_vertical") else 1.0, 0.0 if case.get("flip_horizontal") else 1.0]
    dataloaders.random = augmentations.random = scripted
    np.random.beta = lambda a, b: mixup["share"]
    np.random.uniform = lambda low, high, count: np.array(hsv) - 1

    first = scene["tiles"][0] if "tiles" in scene else scene["sample"]
    image, labels, _, _ = loader[first]
    assert not (scripted.numbers or scripted.chosen or scripted.orders), "a draw was not asked for"
    boxes = [[int(c), x - w / 2, y - h / 2, x + w / 2, y + h / 2] for _, c, x, y, w, h in labels.double().tolist()]
    boxes = [[c, *(round(size * value, 4) for value in box)] for c, *box in boxes]
    return image.numpy().transpose(1, 2, 0), boxes  # RGB


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def hsv_cube(gains):
    """64 levels of each of red, green and blue, jittered."""
    levels = np.arange(64) * 255 // 63
    rgb = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(512, 512, 3).astype(np.uint8)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    np.random.uniform = lambda low, high, count: np.array(gains) - 1
    augmentations.augment_hsv(bgr, 1, 1, 1)
    return {"gains": gains, "hash": fnv1a(bgr[..., ::-1].tobytes())}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{index}.png" for index in range(len(SAMPLES))]
        for file, (width, height, _) in zip(files, SAMPLES):
            cv2.imwrite(file, noise(width, height)[..., ::-1])
        for case in CASES:
            image, case["labels"] = run(case, files)
            assert image.shape == (case["input"], case["input"], 3)
            if case.pop("png", False):
                cv2.imwrite(str(FOLDER / f"{case['name']}.png"), image[..., ::-1])
            else:
                case["hash"] = fnv1a(np.ascontiguousarray(image).tobytes())
    cubes = [hsv_cube(gains) for gains in ([1.0, 1.0, 1.0], [1.015, 1.7, 0.6], [0.985, 0.3, 1.4])]
    samples = [{"width": width, "height": height, "labels": labels} for width, height, labels in SAMPLES]
    rows = lambda items: "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]"  # noqa: E731
    text = f'{{"samples": {rows(samples)},\n"cases": {rows(CASES)},\n"hsv": {rows(cubes)}}}\n'
    (FOLDER / "cases.json").write_text(text)
