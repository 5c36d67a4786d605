"""Paints sample_data/: landscapes with balloons, boats, birds, sheep, cows and cars, and their YOLO labels.

Everything is drawn here (skies, seas, hills, towns, trees, balloons, boats, gulls) but the animals and cars, which are
Microsoft's Fluent Emoji (MIT licence) as the npm package @iconify-json/fluent-emoji ships them. A label is the extent of the
pixels of an object that are visible in the finished picture: what is in front of it and the picture's edge cut it.

    npm pack @iconify-json/fluent-emoji@1.2.7 && tar xzf iconify-json-fluent-emoji-1.2.7.tgz package/icons.json
    python3 -m venv paint && paint/bin/pip install numpy==2.2.6 pillow==13.0.0 resvg-py==0.5.0
    paint/bin/python scripts/sample_data.py package/icons.json sample_data

The same versions paint the same pictures: all chance is seeded by the picture's name.
"""
import io
import json
import math
import sys
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image, ImageFilter

from sample_drawings import balloon, boat, css, gull, look_up, mix, noise, raster, repaint, repeating, rgb, smooth, stream, town, tree

CLASSES = ["balloon", "boat", "bird", "sheep", "cow", "car"]
ICONS = {
    "sheep": ["ewe", "ram"],
    "cow": ["cow", "ox"],
    "car": ["automobile", "sport-utility-vehicle", "taxi", "pickup-truck"],
}
METRES = {"duck": 0.6, "swan": 1.1, "goose": 0.9, "ewe": 1.15, "ram": 1.2, "cow": 1.75, "ox": 1.85,
          "automobile": 1.9, "sport-utility-vehicle": 2.3, "taxi": 2.1, "pickup-truck": 2.0}
SIZES = [(800, 600), (768, 512), (800, 450), (640, 640), (600, 800), (512, 768), (720, 540), (640, 480)]


# --- light: hour → colours ----------------------------------------------------------------------------------------------------
HOURS = {  # zenith, middle and foot of the sky; haze; light on things; the sun and its height; how dark shadows are
    "morning": ("#6fa3d4", "#f3c9b4", "#ffe4bd", "#f6d3bd", (1.04, 0.97, 0.9), "#fff1cf", 0.16, 0.36),
    "noon": ("#2f7ec7", "#7fbbe6", "#d6ecf5", "#c6deec", (1.02, 1.01, 0.98), "#fffbe8", 0.75, 0.42),
    "golden": ("#5b86b8", "#f0bf86", "#ffd98f", "#f5c58f", (1.06, 0.95, 0.82), "#ffedb0", 0.2, 0.42),
    "grey": ("#8fa3b5", "#b9c6cf", "#dfe5e6", "#cdd7dc", (0.95, 0.97, 1.0), "#f3f6f7", 0.6, 0.2),
    "dusk": ("#2d2f6b", "#a2528a", "#f79a6b", "#a8688c", (0.8, 0.62, 0.72), "#ffc98a", 0.04, 0.3),
    "night": ("#070d26", "#15244f", "#34477d", "#24335f", (0.6, 0.66, 0.88), "#f4f1de", 0.72, 0.3),
}


class Scene:
    """A picture in the making: the pixels, and the visible alpha of every object painted so far."""

    def __init__(self, name, size, hour, horizon):
        self.name, (self.w, self.h), self.hour = name, size, hour
        top, middle, foot, haze, light, sun, height, shade = HOURS[hour]
        self.stops = [rgb(top), rgb(middle), rgb(foot)]
        self.haze, self.light, self.sun, self.shade = rgb(haze), np.array(light, np.float32), rgb(sun), shade
        self.night, self.low = hour == "night", hour in ("dusk", "night")
        self.horizon = int(horizon * self.h)
        rng = stream(name, "sun")
        self.sun_x = rng.choice([rng.uniform(0.1, 0.35), rng.uniform(0.65, 0.9)]) * self.w
        self.sun_y = self.horizon * (1 - height)
        self.y, self.x = np.mgrid[0:self.h, 0:self.w].astype(np.float32)
        self.img = np.zeros((self.h, self.w, 3), np.float32)
        self.objects = []

    def paint(self, colour, alpha, x0=0, y0=0, occludes=True):
        """Lays a premultiplied layer over what is there."""
        h, w = alpha.shape
        a, b, c, d = max(0, -y0), min(h, self.h - y0), max(0, -x0), min(w, self.w - x0)
        if a >= b or c >= d:
            return
        part, here = alpha[a:b, c:d, None], (slice(y0 + a, y0 + b), slice(x0 + c, x0 + d))
        colour = colour[a:b, c:d] if np.ndim(colour) == 3 else colour * part
        self.img[here] = self.img[here] * (1 - part) + colour
        if occludes:
            for o in self.objects:
                o["alpha"][here] *= 1 - part[..., 0]

    def lit(self, sprite, haze=0.0, glow=False):
        """A sprite in the light of the hour: a warm and a shadowed side, and haze over distance."""
        out, a = sprite.copy(), sprite[..., 3:]
        if not glow:
            side = np.linspace(1.07, 0.86, out.shape[1], dtype=np.float32)
            out[..., :3] *= self.light * (side if self.sun_x < self.w / 2 else side[::-1])[None, :, None]
        out[..., :3] = np.clip(mix(out[..., :3], self.haze * a, haze), 0, 1)
        return out

    def put(self, sprite, cx, foot, kind=None):
        """Paints a sprite with its foot's middle at (cx, foot); a kind makes it an object with a label."""
        h, w = sprite.shape[:2]
        x0, y0 = round(cx - w / 2), round(foot - h)
        self.paint(sprite[..., :3], sprite[..., 3], x0, y0)
        if kind:
            alpha = np.zeros((self.h, self.w), np.float32)
            a, b, c, d = max(0, -y0), min(h, self.h - y0), max(0, -x0), min(w, self.w - x0)
            if a < b and c < d:
                alpha[y0 + a:y0 + b, x0 + c:x0 + d] = sprite[a:b, c:d, 3]
            self.objects.append({"kind": kind, "alpha": alpha, "whole": float(sprite[..., 3].sum())})
        return x0, y0

    # backgrounds
    def sky(self, clouds):
        rng = stream(self.name, "sky")
        t = np.clip(self.y / max(self.horizon, 1), 0, 1)
        self.img = np.stack([np.interp(t, [0, 0.6, 1], [s[c] for s in self.stops]) for c in range(3)], 2).astype(np.float32)
        far = np.hypot(self.x - self.sun_x, (self.y - self.sun_y) * 1.1)
        if self.night:
            for _ in range(260):
                x, y, r = rng.uniform(0, self.w), rng.uniform(0, self.horizon), rng.uniform(0.35, 1.1)
                d = (self.x[:1] - x) ** 2 + (self.y[:, :1] - y) ** 2
                self.img += (np.exp(-d / r ** 2) * rng.uniform(0.3, 1))[..., None] * np.array([1, 0.97, 0.9], np.float32)
        else:
            self.img += ((0.8 if self.hour == "noon" else 0.5) * np.exp(-far / (0.28 * self.h)))[..., None] * (self.sun - self.img)
        tile = repeating(rng, 512, [5, 10, 20, 40, 80, 160])
        depth = np.clip(1 - self.y / max(self.horizon, 1), 0, 1) + 0.16
        u, v = (self.x - self.w / 2) / self.w * 150 / depth + rng.uniform(0, 512), 95 / depth
        n, toward = look_up(tile, u, v), look_up(tile, u + (6 if self.sun_x > self.w / 2 else -6), v + 5)
        cover = smooth(0.62 - clouds, 1.2 - clouds, n) * smooth(0.16, 0.36, depth) * (0.4 if self.night else 0.92)
        bright = mix(self.stops[2], np.ones(3, np.float32), 0.05 if self.low else 0.6)
        dark = mix(self.stops[0], self.haze, 0.25 if self.low else 0.62)
        colour = mix(dark, bright, np.clip(0.62 + 0.8 * (n - toward) - 0.15 * n, 0, 1)[..., None])
        self.img = mix(self.img, colour, cover[..., None])
        r = (0.045 if self.night else 0.04) * self.h
        disc = np.clip(r - far + 0.5, 0, 1) * (1 - 0.6 * cover)
        if self.night:
            self.img += (0.4 * np.exp(-far / (0.1 * self.h)))[..., None] * self.sun
            disc *= 1 - 0.25 * smooth(-0.1, 0.5, look_up(tile, self.x * 3, self.y * 3))
        if self.hour not in ("grey", "noon"):
            self.img = mix(self.img, self.sun, disc[..., None])
        self.img = np.clip(self.img, 0, 1)

    def ridge(self, key, base, rise, colour, haze, cell=200, jag=0.0, forest=0.0, snow=None, texture=0.1):
        """A range of hills: its crest about `base` (share of the height), all below it filled; hazier towards its foot."""
        rng = stream(self.name, "ridge", key)
        crest = base * self.h - rise * self.h * (0.5 + 0.5 * noise(rng, self.w, 8, cell, 5 if jag else 2)[0])
        if jag:
            crest -= jag * self.h * (1 - 1.4 * np.abs(noise(rng, self.w, 8, cell / 2, 5)[0]))
        bare = crest.copy()
        if forest:
            xs = np.arange(self.w)
            for _ in range(int(self.w / (forest * self.h) * 9)):
                x, top = rng.uniform(0, self.w), forest * self.h * rng.uniform(0.5, 1)
                peak = top - np.abs(xs - x) * 2.6 + rng.uniform(-0.6, 0.6, self.w)
                crest = np.where(peak > 0, np.minimum(crest, bare[int(x)] - peak), crest)
        alpha = np.clip(self.y - crest[None] + 0.5, 0, 1)
        depth = (self.y - bare[None]) / self.h
        n = noise(rng, self.w, self.h, 46, 4, 2.2)
        shaded = colour * (1 + texture * n + (0.35 if jag else 0.15) * texture / 0.1 * (np.roll(n, 5, 1) - n) * (1 if self.sun_x < self.w / 2 else -1))[..., None]
        if snow is not None:
            white = smooth(-0.02, 0.02, snow - depth + 0.06 * n)
            shaded = mix(shaded, mix(self.haze, np.ones(3, np.float32), 0.7) * self.light * (1 + 0.2 * (np.roll(n, 6, 1) - n))[..., None], white[..., None])
        layer = mix(shaded * self.light, self.haze, np.clip(haze + 0.9 * depth * haze * 3, 0, 1)[..., None])
        self.paint(np.clip(layer, 0, 1) * alpha[..., None], alpha)

    def mist(self, strength=0.5, spread=0.05):
        a = strength * np.exp(-((self.y - self.horizon) / (spread * self.h)) ** 2)
        self.paint(self.haze, a.astype(np.float32), occludes=False)

    def water(self, deep, calm=1.0):
        """From the horizon down: the sky above mirrored in ripples, darker towards the viewer."""
        rng = stream(self.name, "water")
        below = self.y - self.horizon
        depth = np.clip(below / (self.h - self.horizon), 0, 1)
        tile = repeating(rng, 512, [12, 24, 48, 96, 192])
        u, v = (self.x - self.w / 2) / (depth + 0.04) * 0.22, 160 / (depth + 0.07)
        n = look_up(tile, u + rng.uniform(0, 512), v) * smooth(0.0, 0.15, depth + 0.05)
        src = np.clip(self.horizon - below * 0.8 - 26 * n * (0.2 + depth) * calm, 0, self.horizon - 1).astype(int)
        mirror = np.take_along_axis(np.asarray(Image.fromarray((self.img * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2)), np.float32) / 255, src[..., None], 0)
        colour = mix(mirror * 0.94, deep * self.light, (0.18 + 0.55 * depth)[..., None]) * (1 + 0.17 * n * calm)[..., None]
        if self.hour != "grey":
            path = np.exp(-((self.x - self.sun_x) / (0.05 * self.w + 0.16 * below.clip(0))) ** 2) * smooth(0.1, 0.62, n + 0.16) * (0.5 if self.night else 0.75)
            colour = mix(colour, self.sun, (path * np.exp(-1.3 * depth))[..., None])
        alpha = np.clip(below + 0.5, 0, 1)
        self.paint(np.clip(colour, 0, 1) * alpha[..., None], alpha)

    def ground(self, near, far, patches=0.16, flowers=0):
        """Open land from the horizon down, its grain finer with distance."""
        rng = stream(self.name, "ground")
        below = self.y - self.horizon + 0.012 * self.h * noise(rng, self.w, 8, 240, 2)[0][None]
        depth = np.clip(below / (self.h - self.horizon), 0, 1)
        tile, fine = repeating(rng, 512, [6, 12, 24]), repeating(rng, 512, [64, 128, 256])
        u, v = (self.x - self.w / 2) / (depth + 0.06) * 0.16, 60 / (depth + 0.1)
        n = look_up(tile, u, v)
        grain = look_up(fine, u * 5, v * 4) * smooth(0, 0.4, depth)
        colour = mix(far, near, smooth(0, 1, depth)[..., None]) * (1 + patches * n + 0.11 * grain)[..., None] * self.light
        colour = mix(colour, self.haze, (0.5 * np.exp(-depth * 9))[..., None])
        alpha = np.clip(below + 0.5, 0, 1)
        self.paint(np.clip(colour, 0, 1) * alpha[..., None], alpha)
        petals = [rgb(c) for c in ("#fff6e0", "#ffd447", "#f25f5c", "#c77dff", "#ffffff")]
        for _ in range(flowers):
            t = rng.uniform(0.12, 1) ** 1.2
            self.dot(rng.uniform(0, self.w), self.horizon + t * (self.h - self.horizon), 0.5 + 2.1 * t, petals[rng.integers(5)] * self.light)

    def dot(self, x, y, r, colour, strength=0.95):
        x0, y0, n = int(x - r - 1), int(y - r - 1), int(2 * r + 4)
        yy, xx = np.mgrid[y0:y0 + n, x0:x0 + n]
        self.paint(np.clip(colour, 0, 1), (np.clip(r - np.hypot(xx - x, (yy - y) * 1.4) + 0.5, 0, 1) * strength).astype(np.float32), x0, y0)

    def grass(self, colour, height=0.06):
        """Blades along the lower edge, in front of everything."""
        rng = stream(self.name, "grass")
        blades = []
        for _ in range(int(self.w * 0.9)):
            x, tall, lean = rng.uniform(0, self.w), height * self.h * rng.uniform(0.25, 1) ** 1.5, rng.uniform(-0.5, 0.5)
            c = css(np.clip(colour * self.light * rng.uniform(0.6, 1.25), 0, 1))
            blades.append(f'<path d="M{x - 1.3:.1f} {self.h + 4}Q{x:.1f} {self.h - tall / 2:.1f} {x + lean * tall:.1f} {self.h - tall:.1f}Q{x + 1.5:.1f} {self.h - tall / 2:.1f} {x + 1.6:.1f} {self.h + 4}Z" fill="{c}"/>')
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.w}" height="{self.h}">{"".join(blades)}</svg>'
        a = np.asarray(Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA"), np.float32) / 255
        self.paint(a[..., :3] * a[..., 3:], a[..., 3])

    def road(self, y, colour=rgb("#6d6a70")):
        """A road across the picture: shares of the height of its far and near edge."""
        rng = stream(self.name, "road")
        top, bottom = y[0] * self.h, y[1] * self.h
        bend = 0.008 * self.h * noise(rng, self.w, 8, 300, 2)[0][None]
        alpha = np.clip(self.y - top - bend, 0, 1) * np.clip(bottom + bend - self.y, 0, 1)
        n = noise(rng, self.w, self.h, 5, 2, 4)
        self.paint(np.clip(colour * self.light * (1 + 0.08 * n)[..., None], 0, 1) * alpha[..., None], alpha)
        centre = (top + bottom) / 2 + bend
        dash = (np.mod(self.x + self.sun_x, self.w / 9) < self.w / 18) * np.clip(0.006 * self.h - np.abs(self.y - centre) + 0.5, 0, 1) * 0.8
        self.paint(rgb("#f4ead2") * self.light, dash.astype(np.float32))

    def shadow(self, cx, foot, w):
        a = self.shade * np.exp(-(((self.x - cx - 0.16 * w * (1 if self.sun_x < self.w / 2 else -1)) / (0.55 * w)) ** 2 + ((self.y - foot + 0.03 * w) / (0.085 * w)) ** 2) ** 1.6)
        self.paint(rgb("#141a33"), a.astype(np.float32), occludes=False)

    def reflection(self, sprite, x0, foot):
        """The sprite upside down below its waterline, broken by ripples."""
        h, w = sprite.shape[:2]
        flipped = sprite[::-1][:: 1 if h < 24 else 2]
        n = len(flipped)
        rows = np.arange(n)
        shift = np.round(0.035 * w * np.sin(rows / max(2.0, n / 11)) * (rows / n)).astype(int)
        out = np.stack([np.roll(r, s, 0) for r, s in zip(flipped, shift)]) * (0.5 * (1 - rows / n))[:, None, None]
        out[..., :3] *= 0.8
        self.paint(out[..., :3], out[..., 3], x0, round(foot), occludes=False)

    def finish(self):
        rng = stream(self.name, "film")
        img = np.clip(self.img, 0, 1)
        soft = np.asarray(Image.fromarray((np.clip(img - 0.62, 0, 1) * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.018 * self.h)), np.float32) / 255
        img = 1 - (1 - img) * (1 - 0.55 * soft)
        img = img + 0.05 * np.sin((img - 0.5) * 2 * math.pi) * -0.6 + (img - img.mean(2, keepdims=True)) * 0.08
        edge = np.hypot((self.x / self.w - 0.5) * 1.15, self.y / self.h - 0.5)
        img *= (1 - 0.3 * smooth(0.42, 0.85, edge))[..., None]
        img += rng.normal(0, 0.009, (self.h, self.w, 1)) + rng.normal(0, 0.004, img.shape)
        return Image.fromarray((np.clip(img, 0, 1) * 255 + 0.5).astype(np.uint8))


# --- things in the scene ------------------------------------------------------------------------------------------------------
class Cast:
    """Decides what stands where, from chance seeded by the picture's name, and paints it far to near."""

    def __init__(self, scene, icons, without=()):
        self.s, self.icons, self.without = scene, icons, without
        self.rng = stream(scene.name, "cast")
        self.things = []  # (distance, number, painter, rough box)

    def free(self, box, overlap=0.3):
        area = lambda b: max(0, b[2] - b[0]) * max(0, b[3] - b[1])
        for *_, other in self.things:
            both = area((max(box[0], other[0]), max(box[1], other[1]), min(box[2], other[2]), min(box[3], other[3])))
            if both > overlap * min(area(box), area(other)):
                return False
        return True

    def add(self, distance, box, painter, always=False):
        number = len(self.things)
        if (always or self.free(box)) and number not in self.without:
            self.things.append((distance, number, painter, box))
        elif number in self.without:
            self.things.append((distance, number, None, (0, 0, 0, 0)))

    def icon(self, name):
        body = self.icons["icons"][name]
        return body["body"], body.get("width", self.icons.get("width", 32)), body.get("height", self.icons.get("height", 32))

    def balloons(self, n, low=16, high=230, top=0.03, bottom=0.62, centre=None):
        s, rng = self.s, self.rng
        for i in range(n):
            for _ in range(12):
                size = math.exp(rng.uniform(math.log(low), math.log(high))) if i or not centre else centre[2]
                cx, cy = rng.uniform(0.04, 0.96) * s.w, mix(top * s.h + 0.45 * size, bottom * s.h, rng.uniform(0, 1) ** 0.9)
                if centre and i == 0:
                    cx, cy = centre[0] * s.w, centre[1] * s.h
                box = (cx - 0.35 * size, cy - size / 2, cx + 0.35 * size, cy + size / 2)
                if self.free(box, 0.22):
                    break
            glow = s.low and rng.random() < 0.8
            drawn, angle = balloon(rng, glow), rng.uniform(-5, 5)
            haze = float(np.clip(0.55 - size / 190, 0.03, 0.5))

            def painter(number, drawn=drawn, angle=angle, size=size, cx=cx, cy=cy, haze=haze, glow=glow):
                sprite = s.lit(raster(*drawn, size, angle), haze, glow)
                s.put(sprite, cx, cy + sprite.shape[0] / 2, ("balloon", number))
            self.add(1e4 / size, box, painter)

    def gulls(self, n, low=10, high=70, top=0.05, bottom=0.7):
        s, rng = self.s, self.rng
        for _ in range(n):
            wide = math.exp(rng.uniform(math.log(low), math.log(high)))
            cx, cy = rng.uniform(0.03, 0.97) * s.w, rng.uniform(top, bottom) * s.h
            drawn, angle, flip = gull(rng), rng.uniform(-22, 22), rng.random() < 0.5

            def painter(number, drawn=drawn, angle=angle, flip=flip, wide=wide, cx=cx, cy=cy):
                sprite = s.lit(raster(*drawn, wide * 0.8, angle, flip), 0.1)
                s.put(sprite, cx, cy + sprite.shape[0] / 2, ("bird", number))
            self.add(2e3 / wide, (cx - wide / 2, cy - wide / 4, cx + wide / 2, cy + wide / 4), painter)

    def fliers(self, n, low=22, high=130, bottom=0.6):
        s, rng = self.s, self.rng
        for _ in range(n):
            name = ("dove", "eagle")[rng.integers(2)]
            size = math.exp(rng.uniform(math.log(low), math.log(high)))
            cx, cy, angle, flip = rng.uniform(0.05, 0.95) * s.w, rng.uniform(0.08, bottom) * s.h, rng.uniform(-18, 18), rng.random() < 0.5

            def painter(number, name=name, angle=angle, flip=flip, size=size, cx=cx, cy=cy):
                sprite = s.lit(raster(*self.icon(name), size, angle, flip), float(np.clip(0.3 - size / 300, 0.02, 0.3)))
                s.put(sprite, cx, cy + sprite.shape[0] / 2, ("bird", number))
            self.add(2e3 / size, (cx - size / 2, cy - size / 2, cx + size / 2, cy + size / 2), painter)

    def standing(self, kind, n, camera=3.0, near=1.0, far=0.04, names=None, floats=False, band=None, left=0.0, right=1.0):
        """n things of a kind on the land or afloat, as high as perspective makes them at their distance."""
        s, rng = self.s, self.rng
        for _ in range(n):
            for _ in range(14):
                t = math.exp(rng.uniform(math.log(far), math.log(near))) if band is None else rng.uniform(*band)
                foot = s.horizon + t * (s.h - s.horizon)
                name = (names or ICONS.get(kind, [kind]))[rng.integers(len(names or ICONS.get(kind, [kind])))]
                metres = METRES.get(name, 7.5 if kind == "boat" else 1.5) * rng.uniform(0.92, 1.08)
                drawn = boat(rng) if kind == "boat" else self.icon(name)
                if kind == "boat" and drawn[2] == 64:
                    metres *= 0.58
                size = max(11.0, metres / camera * (foot - s.horizon))
                cx, wide = rng.uniform(left, right) * s.w, size * drawn[1] / drawn[2]
                box = (cx - wide / 2, foot - size, cx + wide / 2, foot)
                if size < (0.34 if kind == "car" else 0.55) * s.h and self.free(box):
                    break
            flip, hue, value, tone = rng.random() < 0.5, int(rng.choice([0, 12, 95, 140, 155, 165, 200])), rng.uniform(0.75, 1.05), rng.uniform(0.85, 1.05, 3)
            if kind == "sheep" and rng.random() < 0.2:
                tone = tone * 0.45

            def painter(number, kind=kind, drawn=drawn, size=size, cx=cx, foot=foot, flip=flip, hue=hue, value=value, tone=tone, name=name, t=t):
                sprite = raster(*drawn, size, 0, flip)
                if kind == "car" and name != "taxi":
                    sprite = repaint(sprite, hue, value)
                if kind == "sheep":  # the emoji's fleece is lilac: wool it is not
                    wool = smooth(0.45, 0.75, sprite[..., 2:3] / np.maximum(sprite[..., 3:], 1e-4)) * 0.85
                    sprite[..., :3] = mix(sprite[..., :3], sprite[..., :3].max(2, keepdims=True) * np.array([0.98, 0.95, 0.88], np.float32), wool)
                if kind in ("sheep", "cow"):
                    sprite[..., :3] *= tone.astype(np.float32)
                sprite = s.lit(sprite, 0.55 * math.exp(-t * 11))
                x0 = round(cx - sprite.shape[1] / 2)
                if floats:
                    sunk = 0.1 if kind == "bird" else 0.0  # a swimming bird's feet are under water
                    sprite = sprite[:max(4, round(sprite.shape[0] * (1 - sunk)))]
                    s.reflection(sprite, x0, foot - 1)
                else:
                    s.shadow(cx, foot, sprite.shape[1])
                s.put(sprite, cx, foot, (kind, number))
            self.add(camera / max(foot - s.horizon, 1) * 40, box, painter)

    def trees(self, n, green, kinds=("leafy", "conifer"), camera=3.0, far=0.03, near=0.5, metres=7.0):
        s, rng = self.s, self.rng
        for _ in range(n):
            t = math.exp(rng.uniform(math.log(far), math.log(near)))
            foot = s.horizon + t * (s.h - s.horizon)
            side = rng.uniform(0, 1) if t < 0.12 else rng.choice([rng.uniform(-0.05, 0.16), rng.uniform(0.84, 1.05)])
            size, kind = max(14.0, metres / camera * (foot - s.horizon)) * rng.uniform(0.7, 1.2), kinds[rng.integers(len(kinds))]
            drawn = tree(stream(s.name, "tree", rng.integers(1 << 30)), kind, green * rng.uniform(0.85, 1.15))

            def painter(number, drawn=drawn, size=size, cx=side * s.w, foot=foot, t=t):
                if size < 0.9 * s.h:
                    sprite = s.lit(raster(*drawn, size), 0.6 * math.exp(-t * 9))
                    s.shadow(cx, foot, 0.8 * sprite.shape[1])
                    s.put(sprite, cx, foot)
            self.add(camera / max(foot - s.horizon, 1) * 40, (0, 0, 0, 0), painter, always=True)

    def paint(self):
        for _, number, painter, _ in sorted(self.things, key=lambda thing: -thing[0]):
            if painter:
                painter(number)


def compose(name, icons, without=()):
    """One picture by its name (kind_number): the scene painted, the cast on it."""
    kind, index = name.rsplit("_", 1)
    rng = stream(name, "plan")
    hero = name == "bay_000"
    size = (800, 600) if hero else SIZES[rng.integers(len(SIZES))]
    pick = lambda *values: values[rng.integers(len(values))]
    clouds = rng.uniform(0.35, 0.75)
    green, straw = rgb("#6f9a3e"), rgb("#b9b35a")

    if kind in ("bay", "harbour", "lake"):
        hour = "morning" if hero else pick("morning", "noon", "golden", "noon", "dusk", "grey") if kind != "lake" else pick("morning", "noon", "golden", "morning")
        s = Scene(name, size, hour, 0.56 if hero else rng.uniform(0.42, 0.55))
        s.sky(0.5 if hero else clouds)
        base = s.horizon / s.h
        s.ridge("far", base, 0.16 if kind != "lake" else 0.24, rgb("#6f86a8"), 0.55, 260, jag=0.12, snow=0.07 if kind == "lake" else None)
        s.ridge("mid", base, 0.08, rgb("#5f7f7a"), 0.36, 200, forest=0.02)
        if kind == "lake":
            s.ridge("shore", base, 0.03, rgb("#3f5f48"), 0.18, 180, forest=0.06)
        c = Cast(s, icons, without)
        if kind == "harbour" or hero:
            tall = (0.085 if hero else 0.15) * s.h
            row = s.lit(raster(*town(stream(name, "town"), hour == "dusk"), tall), 0.25)
            first = int(stream(name, "row").integers(0, 80))
            row = row[:, first:first + int(s.w * (0.42 if hero else 1.0))]
            s.put(row, s.w * (0.75 if hero else 0.5), s.horizon + 2)
        s.mist(0.35, 0.03)
        s.water(rgb("#1c5a78") if hour != "grey" else rgb("#4f6a78"), 0.7 if kind == "lake" else 1.0)
        if hero:
            c.balloons(4, 26, 120, 0.04, 0.44, centre=(0.27, 0.33, 330))
            c.standing("boat", 1, camera=7, band=(0.62, 0.62), floats=True, left=0.74, right=0.76)
            c.standing("boat", 2, camera=7, far=0.05, near=0.3, floats=True, left=0.08, right=0.95)
            c.gulls(2, 16, 60, 0.1, 0.5)
        else:
            c.balloons(int(rng.integers(0, 3 + (kind == "bay"))), 18, 240, 0.03, base - 0.08)
            c.standing("boat", int(rng.integers(3, 7)), camera=pick(5, 7, 9), far=0.04, near=0.85, floats=True)
            if kind == "lake":
                c.standing("bird", int(rng.integers(3, 6)), camera=1.6, far=0.12, near=0.95, names=["duck", "swan", "swan", "duck"], floats=True)
            c.gulls(int(rng.integers(1, 5)), 11, 90)
            if kind == "bay":
                c.fliers(int(rng.integers(0, 2)))
    elif kind in ("meadow", "road", "dunes", "winter", "evening"):
        hour = {"meadow": pick("noon", "morning", "golden", "noon"), "road": pick("noon", "golden", "grey", "morning"), "dunes": pick("golden", "morning", "noon"),
                "winter": pick("morning", "noon", "grey"), "evening": "dusk"}[kind]
        s = Scene(name, size, hour, rng.uniform(0.4, 0.55))
        s.sky(clouds * (0.6 if kind == "dunes" else 1))
        base = s.horizon / s.h
        c = Cast(s, icons, without)
        if kind == "dunes":
            s.ridge("far", base + 0.01, 0.09, rgb("#c98b5e"), 0.4, 300, jag=0.05)
            s.ground(rgb("#d9a066"), rgb("#e3b778"), 0.1)
            s.ridge("dune", base + 0.2, 0.14, rgb("#d79a5b"), 0.06, 420, texture=0.04)
        elif kind == "winter":
            s.ridge("far", base, 0.2, rgb("#8796ad"), 0.5, 260, jag=0.13, snow=0.2)
            s.ridge("wood", base + 0.01, 0.05, rgb("#4d6460"), 0.3, 200, forest=0.05)
            s.ground(rgb("#eef3f8"), rgb("#d9e3ee"), 0.05)
        else:
            s.ridge("far", base, 0.16, rgb("#7890a0"), 0.55, 260, jag=0.07)
            s.ridge("mid", base, 0.09, rgb("#6c8f6a"), 0.34, 240, forest=0.012)
            s.ridge("near", base + 0.01, 0.05, rgb("#5f8a48"), 0.2, 220, forest=0.035)
            s.ground(green, mix(green, straw, 0.6), 0.2, flowers=260 if kind == "meadow" else 70)
        s.mist(0.35, 0.04)
        if kind == "road":
            s.road((base + (1 - base) * 0.3, base + (1 - base) * 0.52))
            c.standing("car", int(rng.integers(2, 5)), camera=2.2, band=(0.36, 0.5), left=0.05, right=0.95)
            c.standing(pick("cow", "sheep"), int(rng.integers(2, 5)), camera=2.6, far=0.6, near=1.05)
            c.standing(pick("cow", "sheep"), int(rng.integers(2, 5)), camera=2.6, far=0.05, near=0.24)
        if kind == "meadow":
            c.standing("sheep", int(rng.integers(2, 7)), camera=pick(1.7, 2.4, 3), far=0.05, near=1.1)
            c.standing("cow", int(rng.integers(1, 5)), camera=pick(1.9, 2.6, 3), far=0.05, near=1.05)
            c.standing("bird", int(rng.integers(0, 3)), camera=1.7, far=0.4, near=1.0, names=["goose", "duck"])
        if kind == "dunes":
            c.standing("car", int(rng.integers(2, 5)), camera=pick(2.2, 3), far=0.1, near=0.95, names=["sport-utility-vehicle", "pickup-truck"])
            c.fliers(int(rng.integers(1, 4)))
        if kind == "winter":
            c.standing("car", int(rng.integers(1, 4)), camera=pick(2, 2.8), far=0.08, near=0.9)
            c.standing("sheep", int(rng.integers(1, 5)), camera=2.0, far=0.08, near=1.0)
        if kind == "evening":
            c.standing(pick("cow", "sheep"), int(rng.integers(2, 5)), camera=2.4, far=0.06, near=1.0)
        c.balloons(int({"dunes": rng.integers(3, 7), "evening": rng.integers(3, 7)}.get(kind, rng.integers(0, 4))), 16, 300 if kind in ("dunes", "evening") else 170, 0.03, base - 0.06)
        c.gulls(int(rng.integers(0, 4)), 11, 55, 0.06, base)
        if kind in ("meadow", "winter"):
            c.fliers(int(rng.integers(0, 2)), bottom=base)
        if kind != "dunes":
            c.trees(int(rng.integers(4, 9)), green * 0.8 if kind != "winter" else rgb("#5f7d78"), ("conifer",) if kind == "winter" else ("leafy", "leafy", "conifer"))
    else:  # a town by the water at night
        s = Scene(name, size, "night", rng.uniform(0.5, 0.6))
        s.sky(0.3)
        base = s.horizon / s.h
        s.ridge("far", base, 0.18, rgb("#2c3a63"), 0.35, 260, jag=0.1)
        row = s.lit(raster(*town(stream(name, "town"), True), 0.16 * s.h), 0.0)
        windows = (row[..., 0] > 0.36) & (row[..., 2] < 0.45)
        row[..., :3] = np.where(windows[..., None], row[..., 3:] * rgb("#ffd27a"), row[..., :3] * 0.62)
        first = int(stream(name, "row").integers(0, 80))
        s.put(row[:, first:first + s.w], s.w / 2, s.horizon + 2)
        c = Cast(s, icons, without)
        s.water(rgb("#0d1c46"))
        c.balloons(int(rng.integers(3, 6)), 22, 280, 0.03, base - 0.1)
        c.standing("boat", int(rng.integers(3, 6)), camera=pick(5, 7), far=0.06, near=0.8, floats=True)
    c.paint()
    if kind in ("meadow", "road") or kind == "evening":
        s.grass(rgb("#5c8433"))
    return s


def labels(scene):
    """(class, x0, y0, x1, y1, share of it in sight, object's number) of every object, in px."""
    rows = []
    for o in scene.objects:
        seen = o["alpha"] > 0.4
        ys, xs = np.nonzero(seen.any(1))[0], np.nonzero(seen.any(0))[0]
        kind, number = o["kind"]
        share = float(o["alpha"].sum()) / o["whole"]
        box = (xs[0], ys[0], xs[-1] + 1, ys[-1] + 1) if len(xs) else (0, 0, 0, 0)
        rows.append((CLASSES.index(kind), *map(int, box), share, number))
    return rows


def picture(name, icons):
    """A picture without objects that are all but hidden: they are taken out and it is painted again."""
    without = ()
    while True:
        scene = compose(name, icons, without)
        rows = labels(scene)
        hidden = {r[6] for r in rows if r[5] < 0.3 or min(r[3] - r[1], r[4] - r[2]) < 5}
        if not hidden:
            return scene, rows
        without = (*without, *hidden)


def main(icon_file, out):
    icons, out = json.loads(Path(icon_file).read_text()), Path(out)
    kinds = ["bay", "harbour", "lake", "meadow", "road", "dunes", "winter", "evening", "night"]
    for kind in kinds:
        for i in range(12):
            name, part = f"{kind}_{i:03}", "val" if i % 4 == 0 else "train"
            scene, rows = picture(name, icons)
            for folder in ("images", "labels"):
                (out / folder / part).mkdir(parents=True, exist_ok=True)
            scene.finish().save(out / "images" / part / f"{name}.jpg", quality=85, optimize=True)
            lines = [f"{c} {(x0 + x1) / 2 / scene.w:.6f} {(y0 + y1) / 2 / scene.h:.6f} {(x1 - x0) / scene.w:.6f} {(y1 - y0) / scene.h:.6f}" for c, x0, y0, x1, y1, *_ in rows]
            (out / "labels" / part / f"{name}.txt").write_text("\n".join(lines) + "\n")
    names = "".join(f"  {i}: {n}\n" for i, n in enumerate(CLASSES))
    (out / "data.yaml").write_text(f"path: .\ntrain: images/train\nval: images/val\nnames:\n{names}")


if __name__ == "__main__":
    main(*sys.argv[1:])
