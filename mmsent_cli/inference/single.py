"""Predict a single pair, typed or in memory."""

import os
import time
from dataclasses import replace
from pathlib import Path

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.clock import begin_command
from mmsent_cli.config import RuntimeConfig
from mmsent_cli.data.images import image_bytes, verify_image
from mmsent_cli.data.manifests import SURROGATE, image_of, without_surrogates
from mmsent_cli.data.pairs import ImageSource, Pair
from mmsent_cli.data.text import visible
from mmsent_cli.errors import DataError
from mmsent_cli.files import reason
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.resume import predicted_by
from mmsent_cli.results import PredictResult, noted
from mmsent_cli.training.checkpoints import Description


def predict_one(
    checkpoint: Path, text: str | None, image: ImageSource | str | None, runtime: RuntimeConfig
) -> PredictResult:
    """Predict a single pair; the text or the image may be missing.

    Raises:
        MmsentError: checkpoint or image cannot be used, or neither text nor image is given.
    """
    start = begin_command()
    pair = single_pair(text, image)
    predictor = Predictor.load(checkpoint, runtime)
    pair = decode_typed(pair, predictor.description)
    (prediction,) = predictor.predict([pair])
    return PredictResult(
        checkpoint=str(checkpoint),
        out=None,
        pairs=1,
        counts={label: int(label == prediction.tag) for label in predictor.description.labels},
        missing_text=int("text" in prediction.missing),
        missing_image=int(pair.image is None),
        replaced_characters=pair.replaced,
        seconds=time.perf_counter() - start,
        model=predicted_by(checkpoint, predictor.description),
        prediction=prediction,
        findings=predictor.description.findings,
        notes=noted(predictor.description.findings, predictor.notes()),
    )


def single_pair(text: str | None, image: ImageSource | str | None) -> Pair:
    """Make a pair to predict. The text or the image may be missing.

    Raises:
        DataError: neither text nor image is given, or the image cannot be read.
    """
    text = text if text and visible(text).strip() else None
    if text is None and image is None:
        raise DataError("neither a text nor an image is given", "give --text, --image, or both")
    if image is None:
        return Pair(guid="-", tag=None, text=text, image=None)
    name, hint = str(image) if isinstance(image, str | Path) else "the image", "give another --image, or --text alone"
    try:
        source, elsewhere = image_of(image)
        if source is None:
            raise ValueError("is an address or a path of another machine" if elsewhere else "is not a path")
        raw = image_bytes(source)
        if problem := verify_image(raw):
            raise ValueError(problem)
    except OSError as error:
        raise DataError(f"cannot read the image {name}: {reason(error)}", hint) from error
    except ValueError as error:
        raise DataError(f"{name} {error}", hint) from error
    return Pair(guid="-", tag=None, text=text, image=source if isinstance(source, Path) else raw)


def decode_typed(pair: Pair, description: Description) -> Pair:
    """Make a pair of a typed text. Bytes that are invalid in the terminal are decoded like the training texts."""
    text = pair.text or ""
    if not SURROGATE.search(text):
        return pair
    try:
        raw = os.fsencode(text)
    except UnicodeEncodeError:  # surrogates that stand for no byte
        raw = without_surrogates(text).encode("utf-8")
    decoded = EncodingDecision.from_dict(dict(description.encoding)).decode(raw)
    return replace(pair, text=decoded.text, replaced=decoded.text.count("\ufffd"))
