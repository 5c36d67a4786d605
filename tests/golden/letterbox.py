"""Writes letterbox_*.png: what YOLOv5's letterbox, on OpenCV, makes of an image of noise.

    python tests/golden/letterbox.py            (needs yolov5==7.0.14 and opencv-python-headless)

The noise comes from a formula that tests/data/letterbox.rs repeats, so no source image is stored; but for
letterbox_photo.jpg, with chroma at half the resolution, whose decoding is part of the golden.
"""
import pathlib

import cv2
import numpy as np
from yolov5.utils.augmentations import letterbox

# (image width, image height, input width, input height)
CASES = [
    (61, 47, 96, 96),    # enlarged
    (97, 53, 64, 64),    # shrunk a little
    (150, 211, 64, 64),  # shrunk a lot, not antialiased
    (128, 128, 64, 64),  # halved
    (100, 75, 100, 100), # not resized; an odd pad
    (90, 40, 64, 96),    # an input that is not square
    (5, 3, 64, 64),      # enlarged beyond recognition
    (300, 3, 64, 64),    # one row is left
]


def noise(width, height):
    y, x, c = np.meshgrid(*(np.arange(n, dtype=np.uint32) for n in (height, width, 3)), indexing="ij")
    mixed = x * np.uint32(0x9E3779B1) ^ y * np.uint32(0x85EBCA77) ^ c * np.uint32(0xC2B2AE3D)
    mixed = (mixed ^ mixed >> np.uint32(15)) * np.uint32(0x2C1B3C6D)
    return (mixed >> np.uint32(24)).astype(np.uint8)


if __name__ == "__main__":
    folder = pathlib.Path(__file__).parent
    for width, height, input_width, input_height in CASES:
        out, _, _ = letterbox(noise(width, height), (input_height, input_width), auto=False, scaleup=True)
        assert out.shape == (input_height, input_width, 3)
        name = f"letterbox_{width}x{height}_{input_width}x{input_height}.png"
        cv2.imwrite(str(folder / name), out[:, :, ::-1])  # imwrite wants BGR

    blurred = cv2.resize(noise(12, 9), (83, 61), interpolation=cv2.INTER_CUBIC)
    photo = folder / "letterbox_photo.jpg"
    cv2.imwrite(str(photo), blurred, [cv2.IMWRITE_JPEG_QUALITY, 85])
    out, _, _ = letterbox(cv2.imread(str(photo)), (83, 83), auto=False, scaleup=True)
    cv2.imwrite(str(folder / "letterbox_photo_83x83.png"), out)
