"""A trained model in memory, for predictions from Python."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsent_cli.config import RuntimeConfig
from mmsent_cli.data.check import decide_encoding, iter_unlabelled
from mmsent_cli.data.layouts import frame_source
from mmsent_cli.data.pairs import ImageSource, Pair
from mmsent_cli.data.source_rows import unlabelled_rows
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.single import decode_typed, single_pair
from mmsent_cli.inference.stream import columns_known
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.results import Prediction, noted

if TYPE_CHECKING:
    import pandas as pd

PROBABILITY = "probability_"
"""Begins the name of a probability column: a class may be called `label` or `missing`."""


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
        """Predict one pair; the text or the image may be missing.

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
        guids = [row.guid for row in unlabelled_rows(source, config)]
        pairs = list(iter_unlabelled(source, config, decide_encoding(source, config, Path())))
        answers = self._predict(pairs, progress)
        place = {guid: row for row, guid in enumerate(guids)}
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
