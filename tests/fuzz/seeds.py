"""Writes the binary seeds of tests/fuzz into its folder seeds: tiny pictures of every kind, and a model of three layers.

    python tests/fuzz/seeds.py            (needs pillow, torch and yolov5==7.0.14)

The others are text, and the files of a run of scripts/faults.py without its folders.
"""
import json
import zipfile
from pathlib import Path

import torch
from PIL import Image
from yolov5.models import yolo

SEEDS = Path(__file__).parent / "seeds"
SPEC = {
    "nc": 2,
    "depth_multiple": 1.0,
    "width_multiple": 1.0,
    "anchors": [[4, 5, 8, 7]],
    "backbone": [[-1, 1, "Conv", [8, 6, 2, 2]], [-1, 1, "C3", [8]], [-1, 1, "Conv", [8, 3, 2]]],
    "head": [[[2], 1, "Detect", ["nc", "anchors"]]],
}


def pictures():
    picture = Image.new("RGB", (13, 9))
    for x in range(13):
        for y in range(9):
            picture.putpixel((x, y), (x * 19, y * 28, x * y % 256))
    turned = Image.Exif()
    turned[0x0112] = 6
    picture.save(SEEDS / "a.jpg", quality=80)
    picture.save(SEEDS / "turned.jpg", quality=70, progressive=True, exif=turned)
    picture.convert("CMYK").save(SEEDS / "cmyk.jpg")
    picture.convert("L").save(SEEDS / "grey.jpg")
    picture.save(SEEDS / "a.png")
    picture.convert("P").save(SEEDS / "palette.png", exif=turned)
    picture.resize((5, 4)).convert("LA").save(SEEDS / "alpha.png")
    picture.save(SEEDS / "a.bmp")
    picture.convert("P").save(SEEDS / "palette.bmp")
    picture.save(SEEDS / "a.tif")
    picture.save(SEEDS / "lzw.tif", compression="tiff_lzw")
    picture.save(SEEDS / "deflate.tif", compression="tiff_adobe_deflate")
    picture.convert("1").save(SEEDS / "bits.tif", compression="packbits")
    picture.save(SEEDS / "a.webp", quality=70)
    picture.save(SEEDS / "lossless.webp", lossless=True)
    picture.convert("RGBA").save(SEEDS / "alpha.webp", quality=60, exif=turned)


def models():
    torch.manual_seed(0)
    model = yolo.DetectionModel(json.loads(json.dumps(SPEC)), ch=3).eval()
    model.names = {0: "even", 1: "odd"}
    torch.save(model.half().state_dict(), SEEDS / "state_dict.pt")
    rest = {"best_fitness": None, "updates": None, "optimizer": None, "opt": None, "git": None, "date": None}
    torch.save({"epoch": -1, "model": model, "ema": None, **rest}, SEEDS / "a.pt")
    # As upstream's export does it.
    model = model.float().fuse().eval()
    model.model[-1].inplace, model.model[-1].dynamic, model.model[-1].export = False, False, True
    image = torch.zeros(1, 3, 32, 32)
    model(image)
    config = json.dumps({"shape": image.shape, "stride": int(max(model.stride)), "names": model.names})
    torch.jit.trace(model, image, strict=False).save(SEEDS / "a.torchscript", _extra_files={"config.txt": config})
    with zipfile.ZipFile(SEEDS / "a.torchscript") as archive:
        kept = [(info, archive.read(info)) for info in archive.infolist() if not info.filename.endswith(".debug_pkl")]
    with zipfile.ZipFile(SEEDS / "a.torchscript", "w") as archive:
        for info, content in kept:
            archive.writestr(zipfile.ZipInfo(info.filename), content, info.compress_type)


pictures()
models()
