"""Read the text in images (such as a headline or the caption of a meme) by OCR.

Chosen: RapidOCR with the small models of its package, run by OpenVINO; nothing is downloaded. Images are reduced to
384 px to save time. At 256 px, a quarter of the letters is lost, and the probes no longer improve the predictions.
Source: Cui et al. 2025, arXiv 2507.05595 (PP-OCR).
"""

import importlib
import json
import threading
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np

from mmsent_cli.data.images import decode_whole
from mmsent_cli.data.pairs import ImageFile
from mmsent_cli.errors import ConfigError
from mmsent_cli.extras import load_openvino

DETECTION_SIDE_PX = 384
"""Length of the longer side for text detection. Recognition uses the image itself."""
MAX_SIDE_PX = 512
"""Maximum length of the longer side. Larger images are reduced first."""
MIN_CONFIDENCE = 0.6
"""Lines with a lower OCR confidence are left out."""
OCR_FORMAT = 1
TEXT_AND_OCR = "text+ocr"
"""Modality of an auxiliary encoder that reads the text and the words in the image, as in `text+ocr:minilm-layers`."""
MAX_ADDED_CHARACTERS = 300
"""Maximum number of characters from the image that are added to the text. Text encoders truncate longer texts."""


class OcrUnavailable(ConfigError):
    """The OCR engine is not installed."""


@dataclass(frozen=True, slots=True)
class OcrText:
    """The text in an image.

    Attributes:
        text: the lines from top to bottom, joined by spaces.
        lines: the number of lines.
        area: the share of the image area that the lines cover, 0 to 1.
    """

    text: str = ""
    lines: int = 0
    area: float = 0.0

    def to_bytes(self) -> np.ndarray:
        """Encode the value as an array of bytes for the feature store: uint8 [number of bytes]."""
        return np.frombuffer(json.dumps(asdict(self), ensure_ascii=False).encode(), dtype=np.uint8)

    @classmethod
    def from_bytes(cls, array: np.ndarray) -> "OcrText":
        """Decode the value that `to_bytes` encoded."""
        return cls(**json.loads(array.tobytes()))


def describe_ocr() -> dict[str, object]:
    """Return all settings that affect the result of OCR. They are a part of the key in the feature store."""
    versions = {name: metadata.version(name) for name in ("rapidocr", "openvino")}
    return {
        "format": OCR_FORMAT,
        "encoder": "ocr",
        "stages": "all",
        "side_px": [DETECTION_SIDE_PX, MAX_SIDE_PX],
        **versions,
    }


def read_ocr(image: ImageFile) -> OcrText:
    """Read the text in an image. Several threads may call this function concurrently.

    Args:
        image: the path or the bytes of an image that was checked by `data.images`.

    Raises:
        ConfigError: the OCR engine cannot be loaded.
    """
    pixels = decode_whole(image, MAX_SIDE_PX)
    found = _engine()(np.ascontiguousarray(pixels[:, :, ::-1]))  # RapidOCR takes BGR
    if found.txts is None or found.boxes is None or found.scores is None:
        return OcrText()
    kept = [index for index, score in enumerate(found.scores) if score > MIN_CONFIDENCE]
    area = sum(_area(found.boxes[index]) for index in kept) / (pixels.shape[0] * pixels.shape[1])
    return OcrText(" ".join(found.txts[index] for index in kept), len(kept), round(min(area, 1.0), 4))


def is_text_and_ocr(encoder: str) -> bool:
    """Return True for an auxiliary encoder that reads the text followed by the words in the image."""
    return encoder.startswith(f"{TEXT_AND_OCR}:")


def text_with_ocr(text: str, found: OcrText) -> str:
    """Return a text followed by the words in its image, as the encoders of `TEXT_AND_OCR` read it."""
    return f"{text} . {found.text[:MAX_ADDED_CHARACTERS]}" if found.text else text


def _area(corners: np.ndarray) -> float:
    """Return the area of the upright box around four corners [4, 2], each with x and y."""
    width, height = np.ptp(np.asarray(corners, dtype=np.float64), axis=0)
    return float(width * height)


_local = threading.local()


def _engine() -> Any:
    """Return the OCR engine of the calling thread."""
    if not hasattr(_local, "engine"):
        _local.engine = _load()
    return _local.engine


def require_ocr() -> None:
    """Check before training that the OCR engine is installed.

    Raises:
        OcrUnavailable: the OCR engine is not installed.
    """
    try:
        load_openvino()
        for name in ("cv2", "rapidocr"):
            importlib.import_module(name)
    except ImportError as error:
        hint = "pip install '.[ocr]', or leave out the ocr probes"
        raise OcrUnavailable(f"text in images cannot be read: {error}", hint) from error


def _load() -> Any:
    require_ocr()
    import cv2
    from rapidocr import EngineType, RapidOCR

    load_openvino()
    cv2.setNumThreads(1)  # one thread per image, several images in parallel
    return RapidOCR(params=_settings(EngineType.OPENVINO))


@cache
def _settings(engine: Any) -> dict[str, Any]:
    return {
        "Global.use_cls": False,  # upside-down lines are rare, and finding them takes a third more time
        "Global.log_level": "error",
        "Det.engine_type": engine,
        "Rec.engine_type": engine,
        "Det.limit_side_len": DETECTION_SIDE_PX,
        "Det.limit_type": "max",
        "EngineConfig.openvino.inference_num_threads": 1,
    }
