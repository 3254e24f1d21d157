"""Keep trained models in memory, to predict from Python or to predict a single pair."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.clock import begin_command
from mmsent_cli.config import RuntimeConfig
from mmsent_cli.data.check import decide_encoding, iter_unlabelled
from mmsent_cli.data.frames import place_of
from mmsent_cli.data.images import image_bytes, verify_image
from mmsent_cli.data.layouts import frame_source, unlabelled_rows
from mmsent_cli.data.manifests import SURROGATE, image_of, without_surrogates
from mmsent_cli.data.pairs import ImageSource, Pair
from mmsent_cli.data.text import visible
from mmsent_cli.errors import DataError
from mmsent_cli.files import reason
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.rows import PROBABILITY
from mmsent_cli.inference.stream import columns_known, predicted_by
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.results import Prediction, PredictResult, noted
from mmsent_cli.training.checkpoints import Description

if TYPE_CHECKING:
    import pandas as pd


def predict_one(
    checkpoint: Path, text: str | None, image: ImageSource | str | None, runtime: RuntimeConfig
) -> PredictResult:
    """Predict a single pair. The text or the image may be missing.

    Raises:
        MmsentError: the checkpoint or the image cannot be used, or neither text nor image is given.
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
        source, elsewhere = _image_of(image, hint)
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


def _image_of(image: "ImageSource | str | None", hint: str) -> "tuple[ImageSource | None, str]":
    try:
        return image_of(image)
    except ValueError as error:
        raise DataError(str(error), hint) from error


def decode_typed(pair: Pair, description: Description) -> Pair:
    """Return a pair from the command line with its text decoded.

    Bytes that are invalid in the encoding of the terminal are decoded like the training texts.
    """
    text = pair.text or ""
    if not SURROGATE.search(text):
        return pair
    try:
        raw = os.fsencode(text)
    except UnicodeEncodeError:  # a surrogate that does not represent a byte
        raw = without_surrogates(text).encode("utf-8")
    decoded = EncodingDecision.from_dict(dict(description.encoding)).decode(raw)
    return replace(pair, text=decoded.text, replaced=decoded.text.count("\ufffd"))


class LoadedModel:
    """A trained model that predicts text-image pairs. Made by `mmsent_cli.load`.

    Attributes:
        checkpoint: the checkpoint file.
        labels: class names, in the order of the probabilities.
        notes: problems found in the training, and notes on device, precision and engine.
    """

    def __init__(self, checkpoint: Path, runtime: RuntimeConfig) -> None:
        self.checkpoint = checkpoint
        self._predictor = Predictor.load(checkpoint, runtime)
        self.labels = self._predictor.description.labels
        self.notes = noted(self._predictor.description.findings, self._predictor.notes())

    def __repr__(self) -> str:
        return f"LoadedModel({str(self.checkpoint)!r}, labels={', '.join(self.labels)})"

    def predict_one(self, text: str | None = None, image: "ImageSource | str | None" = None) -> Prediction:
        """Predict one pair. The text or the image may be missing.

        Args:
            text: the text.
            image: a path, a PIL image, or the bytes of an image file.

        Returns:
            The prediction: `label`, `probabilities` by label, and `missing` ("text", "image" or empty).

        Raises:
            DataError: neither text nor image is given, or the image cannot be read.

        Example:
            >>> model.predict_one(text="what a day", image="photo.jpg").label
            'positive'
        """
        pair = decode_typed(single_pair(text, image), self._predictor.description)
        (prediction,) = self._predictor.predict([pair])
        return prediction

    def predict(
        self, data: "pd.DataFrame | Sequence[Pair]", *, progress: Progress = silent, **columns: Any
    ) -> "pd.DataFrame":
        """Predict a DataFrame or a list of pairs.

        Args:
            data: a DataFrame with the columns `text` and `image` (paths, PIL images, or bytes of image files), or
                pairs from `read_pairs`. A row may lack its text or its image.
            progress: receives the number of predicted pairs.
            **columns: other column names (`text_column`, `image_column`, `guid_column`), and `on_bad`, as in
                `mmsent predict`.

        Returns:
            A DataFrame with the columns `label`, `missing` ("text", "image" or empty) and `probability_<label>` for
            each class. The index is the index of the DataFrame, or the guids of the pairs.

        Raises:
            DataError: a row cannot be read, or has neither text nor image.
        """
        import pandas as pd

        if not isinstance(data, pd.DataFrame):
            answers = self._predict(data, progress)
            return _table(answers, self.labels, [answer.guid for answer in answers])
        source = frame_source(data)
        config = columns_known(source, columns, self._predictor.description)
        place = {row.guid: place_of(row) for row in unlabelled_rows(source, config)}
        pairs = list(iter_unlabelled(source, config, decide_encoding(source, config, Path())))
        answers = self._predict(pairs, progress)
        return _table(answers, self.labels, data.index[[place[answer.guid] for answer in answers]])

    def _predict(self, pairs: Sequence[Pair], progress: Progress) -> list[Prediction]:
        answers = []
        for answer in self._predictor.predict(pairs):
            answers.append(answer)
            progress(Stage("predicting", len(answers), len(pairs)))
        return answers


def _table(answers: Sequence[Prediction], labels: Sequence[str], index: Any) -> "pd.DataFrame":
    """Make a DataFrame with one row per prediction."""
    import pandas as pd

    columns = {
        "label": [answer.label for answer in answers],
        "missing": [answer.missing for answer in answers],
        **{PROBABILITY + label: [answer.probabilities[label] for answer in answers] for label in labels},
    }
    return pd.DataFrame(columns, index=index)
