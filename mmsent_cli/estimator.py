"""`SentimentClassifier`: mmsent with the interface of scikit-learn.

Chosen: the estimator keeps the model as the bytes of its checkpoint. So it can be pickled, sent to the workers of
`GridSearchCV`, and saved as a file for `mmsent predict`. Rejected: keeping the model object, since every pickle would
contain its frozen weights.
"""

import inspect
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from mmsent_cli.command_settings import COMMANDS, apply_options, with_preset
from mmsent_cli.config import DataConfig, RuntimeConfig, TrainConfig, build
from mmsent_cli.data.frames import frame_of
from mmsent_cli.data.layouts import frame_source
from mmsent_cli.data.pairs import Pair
from mmsent_cli.errors import DataError, counted
from mmsent_cli.files import atomic_write
from mmsent_cli.inference.loaded import LoadedModel
from mmsent_cli.inference.rows import PROBABILITY
from mmsent_cli.results import warn_of_findings
from mmsent_cli.run_folders import BEST
from mmsent_cli.training.folds import execute_folds
from mmsent_cli.training.plan import plan_run, require_several_models
from mmsent_cli.training.run import execute
from mmsent_cli.training.run_folder import start_run

if TYPE_CHECKING:
    Input = pd.DataFrame | Sequence[Pair]

GIVEN_BY_FIT = frozenset({"data", "guid_column", "tag_column", "labels", "limit", "split", "fold"})
"""Settings of `mmsent train` that are not parameters of the classifier, since `fit` receives the pairs and labels."""
TAG = "__label__"
"""Name of the column for the labels `y`, which `fit` adds to the columns of `X`."""


class SentimentClassifier(ClassifierMixin, BaseEstimator):
    """A classifier of text-image pairs with scikit-learn's interface.

    The parameters are `preset` and the settings of `mmsent train` (`encoders`, `fusion`, `epochs`, `seed`, …). None
    means the default of the preset or of the encoders. `fit` holds out a share of the pairs, `val_size`, to choose the
    best epoch. With `folds`, `fit` trains an ensemble on all pairs.

    `X` is a DataFrame with the columns `text` and `image` (paths, PIL images, or bytes of image files), or a list of
    pairs from `read_pairs`. A row may lack its text or its image. `y` has one label per row.

    Attributes:
        classes_: an array of the C labels, sorted [C].
        checkpoint_: the trained model as the bytes of a `best_model.pt`.
        result_: the metrics of the training, a `TrainResult` or `FoldsResult`.

    Example:
        >>> from sklearn.model_selection import cross_val_score
        >>> classifier = SentimentClassifier(preset="compact", freeze_text="all", seed=0)
        >>> cross_val_score(classifier, frame[["text", "image"]], frame["tag"], cv=5)
    """

    def __init__(self, **settings: Any) -> None:
        for name in _PARAMETERS:
            setattr(self, name, settings.pop(name, None))
        if settings:
            raise TypeError(f"SentimentClassifier has no parameter {', '.join(settings)}")

    def fit(self, X: "Input", y: Any) -> Self:
        """Train on labelled pairs.

        Args:
            X: N pairs; see `SentimentClassifier`.
            y: N labels: strings, numbers or booleans.

        Raises:
            MmsentError: pairs cannot be read, or settings are incompatible.
        """
        frame, labels = self._frame(X), np.asarray(y)
        check_classification_targets(labels)
        if labels.shape != (len(frame),):
            raise DataError(
                f"y has the shape {labels.shape}, but X has {counted(len(frame), 'pair')}", "give one label per pair"
            )
        self.classes_ = np.unique(labels)
        if len(self.classes_) < 2:
            raise DataError(f"y has only one class, {self.classes_[0]}", "give two or more different labels")
        frame = frame.assign(**{TAG: [str(label) for label in labels]})
        data = {"tag_column": TAG, "labels": tuple(str(label) for label in self.classes_)}
        given = COMMANDS["train"].sort(self._settings() | data)
        preset = self.get_params()["preset"]
        base = TrainConfig() if preset is None else with_preset(TrainConfig(), preset)
        config = apply_options(base, given)
        require_several_models(config, config.runtime.jobs)
        with tempfile.TemporaryDirectory(prefix="mmsent-") as folder:
            plan = plan_run(config, source=frame_source(frame))
            run = start_run(plan, Path(folder))
            self.result_ = (execute_folds if plan.folds else execute)(plan, run)
            self.checkpoint_ = run.path(BEST).read_bytes()
        warn_of_findings(self.result_)
        self.n_features_in_ = frame.shape[1] - 1
        self._model = None
        return self

    def predict_proba(self, X: "Input") -> np.ndarray:
        """Return the probabilities of C classes for N pairs [N, C]. The classes are in the order of `classes_`."""
        check_is_fitted(self, "checkpoint_")
        columns = ("text_column", "image_column", "encoding", "on_bad")
        given = {name: value for name, value in self._settings().items() if name in columns}
        table = self._loaded().predict(self._frame(X), **given)
        if len(table) != len(X):
            raise DataError(f"{len(X) - len(table)} of {len(X)} pairs cannot be predicted", 'set on_bad="blank"')
        return table[[f"{PROBABILITY}{label}" for label in self.classes_]].to_numpy()

    def predict(self, X: "Input") -> np.ndarray:
        """Return an array with the most probable label of each pair."""
        shares = self.predict_proba(X)
        return self.classes_[shares.argmax(axis=1)]

    def save(self, path: str | Path) -> Path:
        """Write the trained model to a checkpoint file, for `load` and `mmsent predict`."""
        check_is_fitted(self, "checkpoint_")
        atomic_write(Path(path), self.checkpoint_)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path, **settings: Any) -> Self:
        """Make a fitted classifier from a checkpoint. The labels of this classifier are strings.

        Args:
            path: a file from `save` or `mmsent train`.
            **settings: parameters, such as `device`.
        """
        self = cls(**settings)
        self.checkpoint_ = Path(path).read_bytes()
        self.classes_ = np.asarray(self._loaded().labels)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the loaded model, which is loaded again from the checkpoint."""
        return {**vars(self), "_model": None}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.non_deterministic = False
        return tags

    def _settings(self) -> dict[str, Any]:
        """Return the settings that are not None."""
        return {name: getattr(self, name) for name in _SETTINGS if getattr(self, name) is not None}

    def _loaded(self) -> LoadedModel:
        """Return the model. It is loaded from the checkpoint at the first prediction."""
        model: LoadedModel | None = getattr(self, "_model", None)
        if model is None:
            runtime = COMMANDS["train"].sort(self._settings())[RuntimeConfig]
            with tempfile.TemporaryDirectory(prefix="mmsent-") as folder:
                path = Path(folder, BEST)
                path.write_bytes(self.checkpoint_)
                self._model = model = LoadedModel(path, build(RuntimeConfig, runtime))
        return model

    def _frame(self, X: "Input") -> pd.DataFrame:
        """Convert the pairs to a DataFrame.

        Raises:
            DataError: `X` is neither a DataFrame nor a list of pairs, or is empty.
        """
        is_pairs = isinstance(X, list | tuple) and all(isinstance(pair, Pair) for pair in X)
        if not is_pairs and not isinstance(X, pd.DataFrame):
            raise DataError(
                f"X has the type {type(X).__name__}, which cannot be used",
                "give a DataFrame with columns for text and image, or the pairs that read_pairs returns",
            )
        if not len(X):
            raise DataError("X is empty", "give labelled pairs")
        columns = build(DataConfig, COMMANDS["train"].sort(self._settings())[DataConfig])
        return X if isinstance(X, pd.DataFrame) else frame_of(X, columns)


_SETTINGS = tuple(name for name in COMMANDS["train"].names() if name not in GIVEN_BY_FIT)
_PARAMETERS = ("preset", *_SETTINGS)
# scikit-learn reads the parameters from the signature, so it is built from the dataclasses of the settings.
SentimentClassifier.__init__.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # functions take it
    [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        *(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in _PARAMETERS),
    ]
)
