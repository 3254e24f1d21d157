"""Pictures of the sample: small scenes drawn with Pillow, three kinds for each cue, no two alike.

Drawn at three times the final size (`SUPERSAMPLING`) and scaled down, which smooths the edges. Colours, places, sizes,
light, grain and the shape of the frame vary in the same way for every cue and say nothing of it.
"""

import math
import random
from collections.abc import Callable

from PIL import Image, ImageEnhance

from tools.sample.canvas import BRIGHT, Canvas, Colour, bare_tree, cloud, face, flower, hill, mix, near, rain

SIZES_PX = ((128, 128), (144, 128), (160, 120), (128, 144), (120, 160), (160, 160))
GRAIN = 0.03

SKIES: tuple[Colour, ...] = ((92, 184, 240), (120, 200, 235), (255, 190, 130), (255, 170, 190))
STORMS: tuple[Colour, ...] = ((38, 44, 58), (48, 50, 56), (30, 38, 60), (52, 44, 60))
GREYS: tuple[Colour, ...] = ((206, 204, 198), (190, 196, 202), (214, 208, 196), (180, 180, 180))
MUTED: tuple[Colour, ...] = ((150, 150, 150), (166, 158, 146), (138, 148, 158), (124, 128, 126), (176, 172, 160))


def draw_image(cue: str, rng: random.Random) -> Image.Image:
    """Draw one small RGB picture, 120 to 160 px a side, that shows `cue` and no other."""
    size_px = rng.choice(SIZES_PX)
    scene = rng.choice(SCENES[cue])
    image = scene(size_px, rng).image.resize(size_px, Image.Resampling.LANCZOS)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.9, 1.1))
    grain = Image.frombytes("L", size_px, rng.randbytes(size_px[0] * size_px[1])).convert("RGB")
    return Image.blend(image, grain, GRAIN)


def _meadow(size_px: tuple[int, int], rng: random.Random) -> Canvas:
    sky = near(rng.choice(SKIES), rng)
    canvas = Canvas(size_px, sky, mix(sky, (255, 250, 225), 0.75))
    x, y, radius = rng.uniform(0.15, 0.4), rng.uniform(0.16, 0.3), rng.uniform(0.1, 0.15)
    turn = rng.uniform(0, 0.5)
    for spoke in range(12):
        angle = turn + spoke * math.pi / 6
        reach = radius * 1.75 * canvas.unit
        tip = (x + math.cos(angle) * reach / canvas.width, y + math.sin(angle) * reach / canvas.height)
        canvas.line([(x, y), tip], (255, 214, 90), 0.018)
    canvas.disc(x, y, radius, (255, 205, 60))
    hill(canvas, rng, 0.62, near((120, 200, 90), rng))
    hill(canvas, rng, 0.74, near((80, 170, 75), rng))
    for _ in range(rng.randint(6, 11)):
        flower(canvas, rng.uniform(0.05, 0.95), rng.uniform(0.8, 0.95), rng.uniform(0.02, 0.035), rng)
    return canvas


def _smile(size_px: tuple[int, int], rng: random.Random) -> Canvas:
    back = near(rng.choice(SKIES), rng)
    canvas = Canvas(size_px, back, mix(back, (255, 255, 255), 0.5))
    for _ in range(rng.randint(25, 40)):
        canvas.disc(rng.random(), rng.random(), rng.uniform(0.008, 0.02), rng.choice(BRIGHT))
    x, y, r = rng.uniform(0.4, 0.6), rng.uniform(0.45, 0.58), rng.uniform(0.26, 0.36)
    face(canvas, x, y, r, near((255, 208, 70), rng), (90, 55, 30))
    canvas.arc(x, y + 0.03, r * 0.58, (20, 160), (90, 55, 30), r * 0.13)
    for side in (-1, 1):
        canvas.disc(x + side * r * 0.62 * canvas.unit / canvas.width, y + 0.06, r * 0.14, (250, 150, 120))
    return canvas


def _balloons(size_px: tuple[int, int], rng: random.Random) -> Canvas:
    sky = near(rng.choice(SKIES), rng)
    canvas = Canvas(size_px, sky, mix(sky, (255, 255, 255), 0.6))
    middle = rng.uniform(0.35, 0.65)
    for band, colour in enumerate(((240, 90, 90), (255, 170, 70), (255, 225, 90), (110, 200, 110), (90, 150, 240))):
        canvas.arc(middle, 1.0, 0.85 - band * 0.045, (180, 360), colour, 0.047)
    hill(canvas, rng, 0.86, near((120, 200, 90), rng))
    hand = rng.uniform(0.3, 0.7)
    for colour in rng.sample(BRIGHT, rng.randint(3, 5)):
        x, y, r = hand + rng.uniform(-0.27, 0.27), rng.uniform(0.2, 0.5), rng.uniform(0.08, 0.12)
        canvas.line([(hand, 0.92), (x, y)], (250, 250, 250), 0.008)
        canvas.disc(x, y, r, colour, 1.2)
        canvas.disc(x - r * 0.3, y - r * 0.4, r * 0.22, mix(colour, (255, 255, 255), 0.7))
    return canvas


def _storm(size_px: tuple[int, int], rng: random.Random) -> Canvas:
    dark = near(rng.choice(STORMS), rng)
    canvas = Canvas(size_px, dark, mix(dark, (100, 105, 115), 0.5))
    if rng.random() < 0.6:
        x = rng.uniform(0.3, 0.7)
        bolt = [(x, 0.25), (x - 0.09, 0.52), (x - 0.01, 0.5), (x - 0.08, 0.78), (x + 0.1, 0.43), (x + 0.02, 0.45)]
        canvas.shape([*bolt, (x + 0.09, 0.25)], (240, 225, 150))
    for _ in range(rng.randint(2, 4)):
        cloud(canvas, rng.uniform(0.1, 0.9), rng.uniform(0.12, 0.28), rng.uniform(0.1, 0.16), near((84, 88, 98), rng))
    hill(canvas, rng, 0.82, mix(dark, (0, 0, 0), 0.5))
    bare_tree(canvas, rng.uniform(0.2, 0.8), 0.86, 90 + rng.uniform(-8, 8), rng.uniform(0.16, 0.22), rng)
    rain(canvas, rng, rng.randint(40, 80))
    return canvas


def _frown(size_px: tuple[int, int], rng: random.Random) -> Canvas:
    dark = near(rng.choice(STORMS), rng)
    canvas = Canvas(size_px, dark, mix(dark, (90, 95, 110), 0.5))
    rain(canvas, rng, rng.randint(30, 60))
    x, y, r = rng.uniform(0.4, 0.6), rng.uniform(0.48, 0.6), rng.uniform(0.26, 0.36)
    skin, ink = near((110, 135, 170), rng), (28, 34, 50)
    face(canvas, x, y, r, skin, ink)
    canvas.arc(x, y + r * 0.85 * canvas.unit / canvas.height, r * 0.5, (205, 335), ink, r * 0.12)
    eye, across = r * 0.36 * canvas.unit / canvas.width, r * 0.2 * canvas.unit / canvas.width
    for side in (-1, 1):
        brow = [(x + side * (eye - across), y - r * 0.62), (x + side * (eye + across), y - r * 0.45)]
        canvas.line(brow, ink, r * 0.09)
    canvas.disc(x + eye, y + r * 0.12, r * 0.1, (170, 215, 250), 1.7)
    return canvas


def _broken_heart(size_px: tuple[int, int], rng: random.Random) -> Canvas:
    dark = near(rng.choice(STORMS), rng)
    canvas = Canvas(size_px, dark, mix(dark, (15, 15, 22), 0.6))
    rain(canvas, rng, rng.randint(15, 35))
    x, y, r = rng.uniform(0.42, 0.58), rng.uniform(0.4, 0.5), rng.uniform(0.15, 0.2)
    red = near((130, 38, 52), rng)
    sx, sy = canvas.unit / canvas.width, canvas.unit / canvas.height
    for side in (-1, 1):
        canvas.disc(x + side * r * 0.92 * sx, y, r, red)
    canvas.shape(
        [(x - r * 1.78 * sx, y + r * 0.5 * sy), (x + r * 1.78 * sx, y + r * 0.5 * sy), (x, y + r * 2.5 * sy)], red
    )
    canvas.shape([(x - r * sx, y), (x + r * sx, y), (x, y + r * 1.2 * sy)], red)
    steps = [(0.0, -0.75), (0.3, -0.1), (-0.28, 0.45), (0.26, 1.05), (-0.14, 1.6), (0.05, 2.7)]
    canvas.line([(x + dx * r * sx, y + dy * r * sy) for dx, dy in steps], dark, r * 0.3)
    for _ in range(rng.randint(4, 8)):
        px, py, s = rng.uniform(0.15, 0.85), rng.uniform(0.86, 0.95), rng.uniform(0.02, 0.04)
        canvas.shape([(px, py - s), (px + s, py + s * 0.4), (px - s * 0.7, py + s)], red)
    return canvas


def _still_life(size_px: tuple[int, int], rng: random.Random) -> Canvas:
    wall = near(rng.choice(GREYS), rng)
    canvas = Canvas(size_px, wall, mix(wall, (235, 235, 232), 0.3))
    canvas.box(0, 0.68, 1, 0.32, near((156, 148, 136), rng))
    for place in rng.sample((0.12, 0.38, 0.64), rng.randint(2, 3)):
        x, width, height = place + rng.uniform(-0.05, 0.05), rng.uniform(0.16, 0.22), rng.uniform(0.18, 0.4)
        top, colour = 0.8 - height, near(rng.choice(MUTED), rng)
        canvas.box(x, top, width, height, colour)
        radius = width / 2 * canvas.width / canvas.unit
        if rng.random() < 0.6:
            canvas.disc(x + width / 2, 0.8, radius, colour, 0.35)
            canvas.disc(x + width / 2, top, radius, mix(colour, (255, 255, 255), 0.3), 0.35)
        else:
            tip = (x + width + 0.05, top - 0.05)
            canvas.shape([(x + width, top), tip, (tip[0], 0.75), (x + width, 0.8)], mix(colour, (60, 60, 60), 0.3))
            canvas.shape([(x, top), (x + 0.05, tip[1]), tip, (x + width, top)], mix(colour, (255, 255, 255), 0.3))
    return canvas


def _document(size_px: tuple[int, int], rng: random.Random) -> Canvas:
    desk = near(rng.choice(MUTED), rng)
    canvas = Canvas(size_px, desk, mix(desk, (120, 118, 112), 0.3))
    x, y = rng.uniform(0.12, 0.24), rng.uniform(0.08, 0.16)
    width, height = rng.uniform(0.56, 0.7), rng.uniform(0.7, 0.8)
    canvas.box(x + 0.02, y + 0.02, width, height, mix(desk, (40, 40, 40), 0.4))
    canvas.box(x, y, width, height, (240, 239, 233))
    canvas.box(x + 0.06, y + 0.07, width * rng.uniform(0.3, 0.6), 0.045, (96, 98, 102))
    rows = rng.randint(6, 9)
    for row in range(rows):
        top = y + 0.18 + row * (height - 0.25) / rows
        canvas.box(x + 0.06, top, (width - 0.12) * rng.uniform(0.6, 1), 0.02, (168, 170, 172))
    if rng.random() < 0.5:
        canvas.line([(x + width * 0.5, 0.95), (x + width + 0.1, 0.45)], (112, 106, 92), 0.035)
    return canvas


def _building(size_px: tuple[int, int], rng: random.Random) -> Canvas:
    sky = near(rng.choice(GREYS), rng)
    canvas = Canvas(size_px, sky, mix(sky, (240, 240, 240), 0.4))
    x, top, width = rng.uniform(0.1, 0.25), rng.uniform(0.12, 0.25), rng.uniform(0.5, 0.65)
    wall = near(rng.choice(MUTED), rng)
    canvas.box(x + width - 0.02, top + 0.2, 0.3, 0.9, mix(wall, (220, 220, 220), 0.4))
    canvas.box(x, top, width, 1 - top, wall)
    columns, rows = rng.randint(3, 5), rng.randint(4, 6)
    step_x, step_y = width / columns, (0.84 - top) / rows
    glass = mix(wall, rng.choice(((225, 230, 235), (70, 78, 88))), 0.6)
    for column, row in ((c, r) for c in range(columns) for r in range(rows)):
        left, upper = x + (column + 0.22) * step_x, top + (row + 0.25) * step_y
        canvas.box(left, upper, step_x * 0.56, step_y * 0.55, glass)
    canvas.box(0, 0.92, 1, 0.08, near((132, 132, 130), rng))
    return canvas


Scene = Callable[[tuple[int, int], random.Random], Canvas]
SCENES: dict[str, tuple[Scene, ...]] = {
    "cheerful": (_meadow, _smile, _balloons),
    "gloomy": (_storm, _frown, _broken_heart),
    "plain": (_still_life, _document, _building),
}
