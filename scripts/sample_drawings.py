"""The drawings of sample_data.py: noise, colours, and balloons, boats, gulls, trees and towns as SVG, rasterised by resvg."""
import colorsys
import io
import math
import zlib

import numpy as np
import resvg_py
from PIL import Image


# --- numbers and colours ------------------------------------------------------------------------------------------------------
def stream(*key):
    return np.random.default_rng(zlib.crc32("/".join(map(str, key)).encode()))


def rgb(text):
    return np.array([int(text[i:i + 2], 16) for i in (1, 3, 5)], np.float32) / 255


def css(colour):
    return "#" + "".join(f"{round(255 * float(np.clip(c, 0, 1))):02x}" for c in colour)


def mix(a, b, t):
    return a + (b - a) * t


def smooth(lo, hi, x):
    t = np.clip((x - lo) / (hi - lo), 0, 1)
    return t * t * (3 - 2 * t)


def noise(rng, w, h, cell, octaves=4, stretch=1.0):
    """Smooth noise in about −1..1, (h, w); features of `cell` px, `stretch` times wider than high."""
    total = np.zeros((h, w), np.float32)
    for o in range(octaves):
        size = max(cell / 2 ** o, 1)
        grid = rng.uniform(-1, 1, (int(h / size) + 4, int(w / size / stretch) + 4)).astype(np.float32)
        total += np.asarray(Image.fromarray(grid).resize((w, h), Image.Resampling.BICUBIC)) * 0.6 ** o
    return total / 1.3


def look_up(tile, u, v):
    """Bilinear samples of a texture that repeats."""
    h, w = tile.shape
    i, j = np.floor(v), np.floor(u)
    fv, fu = v - i, u - j
    i, j = i.astype(int) % h, j.astype(int) % w
    i1, j1 = (i + 1) % h, (j + 1) % w
    return mix(mix(tile[i, j], tile[i, j1], fu), mix(tile[i1, j], tile[i1, j1], fu), fv)


def repeating(rng, n, cells):
    """Smooth noise that repeats, (n, n)."""
    total = np.zeros((n, n), np.float32)
    for o, c in enumerate(cells):
        grid = np.tile(rng.uniform(-1, 1, (c, c)).astype(np.float32), (3, 3))
        total += np.asarray(Image.fromarray(grid).resize((3 * n, 3 * n), Image.Resampling.BICUBIC))[n:2 * n, n:2 * n] * 0.6 ** o
    return total / 1.3


# --- sprites: SVG to premultiplied RGBA ---------------------------------------------------------------------------------------
def raster(body, w, h, height, angle=0.0, flip=False):
    """The drawing `body` (w×h units) `height` px high: (h, w, 4), premultiplied, cropped to what it covers."""
    scale = 2 * height / h
    d = 2 * (math.ceil(math.hypot(w, h) * scale / 2) + 4)
    turn = f"translate({d / 2} {d / 2}) rotate({angle:.3f}) scale({-scale if flip else scale:.5f} {scale:.5f}) translate({-w / 2} {-h / 2})"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{d}" height="{d}"><g transform="{turn}">{body}</g></svg>'
    a = np.asarray(Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA"), np.float32) / 255
    a = np.concatenate([a[..., :3] * a[..., 3:], a[..., 3:]], 2).reshape(d // 2, 2, d // 2, 2, 4).mean((1, 3))
    rows, cols = np.nonzero(a[..., 3].max(1) > 0.02)[0], np.nonzero(a[..., 3].max(0) > 0.02)[0]
    return a[rows[0]:rows[-1] + 1, cols[0]:cols[-1] + 1]


def repaint(sprite, hue, value):
    """Turns the reds and oranges of a sprite to another hue, its other colours left alone."""
    out = sprite.copy()
    a = np.maximum(out[..., 3:], 1e-4)
    hsv = np.asarray(Image.fromarray((np.clip(out[..., :3] / a, 0, 1) * 255).astype(np.uint8)).convert("HSV")).copy()
    red = ((hsv[..., 0] < 14) | (hsv[..., 0] > 225)) & (hsv[..., 1] > 110)
    hsv[..., 0] = np.where(red, hue, hsv[..., 0])
    hsv[..., 2] = np.where(red, np.clip(hsv[..., 2] * value, 0, 255), hsv[..., 2])
    out[..., :3] = np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"), np.float32) / 255 * a
    return out


def balloon(rng, lit):
    """A hot-air balloon, 100×142 units."""
    rings = [(46 * math.sin(p), 50 - 46 * math.cos(p)) for p in np.linspace(0, math.radians(125), 11)]
    rings += [(mix(rings[-1][0], 7, t), mix(rings[-1][1], 119, t)) for t in (0.25, 0.5, 0.75, 1)]
    n = int(rng.choice([7, 8, 9, 10]))
    colours = [["#d7263d", "#f9f4e7"], ["#f46036", "#ffd166", "#d7263d"], ["#2e86ab", "#f6f5ae"], ["#1b998b", "#fffd82", "#e84855"],
               ["#5f4bb6", "#f7b2ad"], ["#e63946", "#f1faee", "#1d3557"], ["#ef476f", "#ffd166", "#06d6a0", "#118ab2"],
               ["#ff9f1c", "#fff3d6"], ["#073b4c", "#ffd166"], ["#c1121f", "#fdf0d5", "#669bbc"]][rng.integers(10)]
    kind, offset, band = rng.integers(4), rng.uniform(0, 1), int(rng.integers(4, 8))

    def colour(i, k):
        if kind == 1 and band <= i < band + 2:
            return colours[-1] if (k + i) % 2 else colours[0]
        if kind == 2:
            return colours[(k + i // 2) % len(colours)]
        if kind == 3:
            return colours[i // 3 % len(colours)]
        return colours[k % len(colours)]

    edge = [max(-90, min(90, -90 + 180 * (k + offset - 1) / n)) for k in range(n + 2)]
    s = []
    for i in range(len(rings) - 1):
        for k in range(n + 1):
            pts = []
            for (r, y), angle in [(rings[i], edge[k]), (rings[i], edge[k + 1]), (rings[i + 1], edge[k + 1]), (rings[i + 1], edge[k])]:
                t = math.radians(angle)
                pts.append(f"{50 + r * math.sin(t):.2f},{y - 0.1 * r * math.cos(t):.2f}")
            c = colour(i, k)
            s.append(f'<polygon points="{" ".join(pts)}" fill="{c}" stroke="{c}" stroke-width=".5"/>')
    for angle in edge[1:-1]:
        line = " ".join(f"{50 + r * math.sin(math.radians(angle)):.2f},{y - 0.1 * r * math.cos(math.radians(angle)):.2f}" for r, y in rings)
        s.append(f'<polyline points="{line}" fill="none" stroke="#000" stroke-opacity=".16" stroke-width=".5"/>')
    outline = " ".join(f"{50 - r:.2f},{y:.2f}" for r, y in rings) + " " + " ".join(f"{50 + r:.2f},{y:.2f}" for r, y in rings[::-1])
    s.append('<defs><radialGradient id="v" gradientUnits="userSpaceOnUse" cx="34" cy="34" r="78"><stop offset="0" stop-color="#fff" stop-opacity=".42"/>'
             '<stop offset=".4" stop-color="#fff" stop-opacity="0"/><stop offset=".55" stop-color="#102" stop-opacity=".05"/>'
             '<stop offset="1" stop-color="#102" stop-opacity=".6"/></radialGradient><radialGradient id="g" gradientUnits="userSpaceOnUse" cx="50" cy="104" r="88">'
             '<stop offset="0" stop-color="#ffe9a0" stop-opacity=".95"/><stop offset=".5" stop-color="#ffa63d" stop-opacity=".5"/>'
             '<stop offset="1" stop-color="#ff7a18" stop-opacity=".06"/></radialGradient></defs>')
    s.append(f'<polygon points="{outline}" fill="url(#{"g" if lit else "v"})"/>')
    s += [f'<path d="M{50 + x} 119L{50 + 0.8 * x} 131" stroke="#4a3728" stroke-width=".7"/>' for x in (-7, -2.5, 2.5, 7)]
    s.append('<path d="M43 118h14l-1.5 4h-11z" fill="#5b3a29"/><rect x="43.5" y="130" width="13" height="11" rx="1.8" fill="#8a5a33"/>'
             '<path d="M43.5 134h13M43.5 137.5h13" stroke="#5b3a1f" stroke-width=".8"/><rect x="42.8" y="129.4" width="14.4" height="2.2" rx="1" fill="#5b3a1f"/>'
             '<circle cx="47" cy="127.5" r="1.7" fill="#e8b796"/><circle cx="53" cy="127.2" r="1.7" fill="#c98d68"/>')
    return "".join(s), 100, 142


def boat(rng):
    """A sailing boat, a fishing boat or a dinghy, about 100 units wide, its waterline at the bottom."""
    hull, trim = [("#f4f1ea", "#1d3557"), ("#1d3557", "#e63946"), ("#b23a48", "#fcd5ce"), ("#2a6f6f", "#f4e285"), ("#7a4a2a", "#e9c46a"),
                  ("#33415c", "#ffffff")][rng.integers(6)]
    sail = ["#fffdf5", "#fff4dc", "#e9eef5", "#c8553d", "#e76f51", "#f2cc8f", "#457b9d"][rng.integers(7)]
    kind = rng.integers(3)
    fold = ('<defs><linearGradient id="s" x1="0" x2="1"><stop offset="0" stop-color="#000" stop-opacity=".28"/><stop offset=".5" stop-color="#fff" stop-opacity=".15"/>'
            '<stop offset="1" stop-color="#000" stop-opacity=".06"/></linearGradient><linearGradient id="h" x1="0" x2="0" y1="0" y2="1">'
            '<stop offset="0" stop-color="#fff" stop-opacity=".25"/><stop offset="1" stop-color="#000" stop-opacity=".4"/></linearGradient></defs>')
    if kind == 2:
        body = f'<path d="M2 44Q6 62 14 64H86Q96 52 98 40Q70 48 2 44Z" fill="{hull}"/><path d="M2 44Q6 62 14 64H86Q96 52 98 40Q70 48 2 44Z" fill="url(#h)"/>' \
               f'<path d="M4 50Q60 54 94 48" stroke="{trim}" stroke-width="3" fill="none"/><path d="M24 45V24H56L60 46Z" fill="#f6efe2"/>' \
               f'<path d="M21 24H60V20H21Z" fill="{trim}"/><path d="M29 29H38V37H29ZM43 29H53L54 37H43Z" fill="#34506b"/>' \
               f'<path d="M34 20V2M34 4L84 42M34 6L8 44" stroke="#5a4632" stroke-width="1.1" fill="none"/><path d="M34 2L46 6L34 10Z" fill="{trim}"/>'
        return fold + body, 100, 64
    main = "M51 8C70 34 80 60 84 88H51Z" if kind == 0 else "M50 14C66 20 86 30 90 44L52 88Z"
    jib = "M48 14C38 46 24 72 12 90H48Z"
    body = f'<path d="{main}" fill="{sail}"/><path d="{main}" fill="url(#s)"/>'
    if kind == 0:
        body += f'<path d="{jib}" fill="#fffaf0"/><path d="{jib}" fill="url(#s)"/><path d="M55 24L65 34M53 46L75 54M53 68L81 74" stroke="#000" stroke-opacity=".15"/>'
    else:
        body += f'<path d="M51 34L86 52L83 60L51 48Z" fill="{trim}" fill-opacity=".8"/>'
    body += f'<path d="M49.5 2V96" stroke="#6b4a2f" stroke-width="2"/><path d="M50 2L62 6L50 10Z" fill="{trim}"/><path d="M50 90H86" stroke="#6b4a2f" stroke-width="1.6"/>' \
            f'<path d="M6 94H97Q92 110 82 114H22Q10 106 6 94Z" fill="{hull}"/><path d="M6 94H97Q92 110 82 114H22Q10 106 6 94Z" fill="url(#h)"/>' \
            f'<path d="M9 100H94" stroke="{trim}" stroke-width="2.4"/>'
    return fold + body, 100, 114


def gull(rng):
    """A gull on the wing, 100 units wide."""
    up, down = rng.uniform(-24, 6), rng.uniform(8, 20)
    back, tip = [("#f3f4f6", "#39424e"), ("#e4e9ef", "#20262e"), ("#cfd8e3", "#394b5e"), ("#5b6470", "#22282f")][rng.integers(4)]
    y = 40 + up
    return (f'<path d="M52 44Q34 {y - 12:.1f} 2 {y + down:.1f}Q26 {y + 4:.1f} 46 52Z" fill="{back}"/><path d="M54 44Q68 {y - 16:.1f} 98 {y + down - 8:.1f}Q76 {y + 2:.1f} 60 52Z" fill="{back}"/>'
            f'<path d="M2 {y + down:.1f}Q14 {y + down / 3:.1f} 22 {y + 2:.1f}L17 {y - 1:.1f}Q8 {y + 6:.1f} 2 {y + down:.1f}Z" fill="{tip}"/>'
            f'<path d="M98 {y + down - 8:.1f}Q90 {y + down / 3 - 6:.1f} 82 {y:.1f}L86 {y - 4:.1f}Q94 {y + 2:.1f} 98 {y + down - 8:.1f}Z" fill="{tip}"/>'
            f'<path d="M40 50Q54 40 70 46L78 48L70 51Q58 58 38 55L30 57L32 51Z" fill="{back}"/><path d="M42 53Q56 57 70 50Q58 60 40 56Z" fill="#000" fill-opacity=".22"/>'
            '<path d="M76 47L84 49.5L75 50.5Z" fill="#f2a33a"/>'), 100, 80


def tree(rng, kind, green):
    """A leafy tree or a conifer, 100×130 units, its foot at the bottom."""
    h, s, v = colorsys.rgb_to_hsv(*green)

    def shade(t):
        return css(colorsys.hsv_to_rgb(h + 0.03 * t, min(1, s * (1 - 0.15 * t)), min(1, v * (1 + 0.5 * t))))

    if kind == "conifer":
        out = ['<rect x="46" y="108" width="8" height="22" fill="#4b3626"/>']
        for i in range(8):
            y, half = 112 - i * 13, 38 - i * 4.2
            xs = np.linspace(-half, half, 9)
            pts = " ".join(f"{50 + x + rng.uniform(-2, 2):.1f},{y + (4 if j % 2 else 0) + rng.uniform(-2, 2) - 2 * (half - abs(x)) / 10:.1f}" for j, x in enumerate(xs))
            out.append(f'<polygon points="{pts} 50,{y - 32}" fill="{shade(-0.5 + i * 0.09)}"/><polygon points="50,{y - 32} {50 - half},{y} 47,{y - 6}" fill="#fff" fill-opacity=".07"/>')
        return "".join(out), 100, 130
    out = ['<path d="M46 130L47 84L40 66L50 78L60 62L54 86L56 130Z" fill="#5a4231"/>']
    blobs = []
    for _ in range(90):
        a, r = rng.uniform(0, 2 * math.pi), math.sqrt(rng.uniform(0, 1))
        blobs.append((50 + 38 * r * math.cos(a), 48 + 36 * r * math.sin(a), rng.uniform(6, 13)))
    for x, y, r in sorted(blobs, key=lambda b: -b[1] - 0.4 * b[0]):
        out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="{shade((48 - y) / 60 + (50 - x) / 150 + rng.uniform(-0.12, 0.12))}"/>')
    return "".join(out), 100, 130


def town(rng, lit):
    """A row of gabled houses with a church, 2000×132 units, its foot at the bottom."""
    out, x = [], 0.0
    church = rng.uniform(250, 600)
    while x < 2000:
        w, h = rng.uniform(26, 46), rng.uniform(34, 66)
        wall = ["#f1e3cb", "#e7c9a0", "#e2a184", "#d9836b", "#c9d5d8", "#f4efe6", "#b9c7b0", "#e9d48d"][rng.integers(8)]
        roof = ["#a5492f", "#8c3b2a", "#b35a3c", "#5d5a66", "#7c4434"][rng.integers(5)]
        top = 130 - h
        if x < church < x + w:
            out.append(f'<rect x="{x + 4:.1f}" y="42" width="24" height="90" fill="#efe4d2"/><polygon points="{x + 1:.1f},44 {x + 16:.1f},0 {x + 31:.1f},44" fill="#4f5d66"/>'
                       f'<circle cx="{x + 16:.1f}" cy="56" r="5" fill="#fffaf0" stroke="#555"/>')
        out.append(f'<rect x="{x:.1f}" y="{top:.1f}" width="{w:.1f}" height="{h + 2:.1f}" fill="{wall}"/><polygon points="{x - 2:.1f},{top + 1:.1f} {x + w / 2:.1f},{top - 0.55 * w:.1f} {x + w + 2:.1f},{top + 1:.1f}" fill="{roof}"/>'
                   f'<rect x="{x + 0.7 * w:.1f}" y="{top:.1f}" width="{0.3 * w:.1f}" height="{h + 2:.1f}" fill="#201830" fill-opacity=".13"/>')
        for wy in np.arange(top + 8, 118, 15):
            for wx in np.arange(x + 5, x + w - 6, 10):
                glow = lit and rng.random() < 0.6
                out.append(f'<rect x="{wx:.1f}" y="{wy:.1f}" width="5" height="8" fill="{"#ffd77a" if glow else "#41506a"}"/>')
        x += w + (rng.uniform(4, 18) if rng.random() < 0.15 else -0.5)
    return "".join(out), 2000, 132
