"""Measure how much text an image contains."""

from collections.abc import Sequence

import numpy as np

from mmsent_cli.data.ocr import OcrText

OCR_CHARACTERS = (10, 30, 80)
"""Typical lengths of a word, a line and a sentence."""
N_OCR = 3 + len(OCR_CHARACTERS)


def ocr_features(ocr_texts: Sequence[OcrText]) -> np.ndarray:
    """Measure the text in N images: number of characters, number of lines, and share of the image's area.

    The last three features are 1 or 0: is the text at least as long as a word, a line, a sentence?

    Returns:
        float64 [N, 6], not standardized.
    """
    rows = [[len(o.text), o.lines, o.area, *(len(o.text) >= limit for limit in OCR_CHARACTERS)] for o in ocr_texts]
    return np.array(rows, dtype=np.float64).reshape(len(ocr_texts), N_OCR)
