"""Run an experiment: train its models, in parallel if that is faster.

Each trained model is saved in the run folder, so that an experiment can be resumed. The numbers of encoded texts and
images are saved there too. So the result of a resumed experiment also counts the texts and images that were encoded
before the interruption.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from mmsent_cli.config import ResolvedConfig, ResolvedModel
from mmsent_cli.errors import DataError
from mmsent_cli.experiments.arms import Arm, TrainedArm, load, save, train_arm, train_to_the_end
from mmsent_cli.model import SentimentModel, count_parameters
from mmsent_cli.progress import ModelBegun, ModelDone, Progress, silent
from mmsent_cli.results import SharedSetup
from mmsent_cli.run_folders import ARMS, Run
from mmsent_cli.training.describe import encoder_parts
from mmsent_cli.training.metrics import majority_accuracy
from mmsent_cli.training.parallel import Work, train_models
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.workspace import Workspace

ENCODER_RUNS = "encoder_runs.json"
FEATURE_SETTINGS = (
    "text_encoder",
    "image_encoder",
    "freeze_text",
    "freeze_image",
    "max_length_tokens",
    "image_size_px",
    "text_cleaning",
)
"""Names of the settings that affect the stored features of a model. The modalities of the model affect them too."""
BuiltModels = dict[ResolvedModel, tuple[SentimentModel, int]]


class Experiment:
    """Trains the models of an experiment.

    Args:
        plan: pairs and settings of the experiment.
        run: the run; trained models are kept in its folder.
        progress: receives progress events.

    Attributes:
        workspace: builds models and encodes pairs.
        rows: row numbers of the N evaluated pairs. These are the validation pairs, or all pairs if the plan has folds.
        true: true class numbers of these pairs [N], in the order of the data set.

    Raises:
        DataError: there are fewer than two validation pairs.
    """

    def __init__(self, plan: Plan, run: Run, progress: Progress = silent) -> None:
        self.plan = plan
        self.run = run
        self.progress = progress
        self.workspace = Workspace(plan, progress, self._write_encoder_runs)
        self.rows = np.arange(len(plan.dataset.pairs)) if plan.folds else np.array(self.workspace.val)
        self.true = self.workspace.targets[self.rows]
        if len(self.true) < 2:
            raise DataError(
                "there is only one validation pair; confidence intervals need at least two", "use a larger split"
            )
        self._earlier = Counter(run.read_json(ENCODER_RUNS) if run.path(ENCODER_RUNS).is_file() else {})

    def train(self, arms: Sequence[Arm]) -> list[TrainedArm]:
        """Train every model that is not yet in the run folder, and return all models in the order of `arms`.

        Raises:
            ConfigError: a fusion cannot be used with the encoders; raised before any training.
        """
        built = self._build_once(arms)
        folder = self.run.path(ARMS)
        trained = {arm.stem: model for arm in arms if (model := load(folder, arm.stem)) is not None}
        missing = [arm for arm in arms if arm.stem not in trained]
        read_back = [arm for arm in arms if arm.stem in trained]
        for done, arm in enumerate(read_back):
            self._begin(arm, done, len(arms))
            self._finish(trained[arm.stem], is_resumed=True)
        for arm, model in self._train(missing, built, len(arms)):
            save(folder, arm.stem, model)
            trained[arm.stem] = model
            self._finish(model)
        return [trained[arm.stem] for arm in arms]

    def epochs(self, arm: Arm, shown_as: str = "") -> Iterator[TrainedArm]:
        """Train a model, and yield its scores and predictions after each epoch. The caller may stop early.

        In progress events, the model has the name `shown_as`, or the name of the arm if `shown_as` is empty.
        """
        return train_arm(self.workspace, arm, shown_as)

    def setup(self, config: ResolvedConfig, seeds: Sequence[int]) -> SharedSetup:
        """Return the settings and counts that are the same for all arms. They are a part of the result."""
        plan, workspace = self.plan, self.workspace
        targets = workspace.targets
        return SharedSetup(
            encoders=config.model.encoders,
            labels=plan.dataset.labels,
            train_pairs=len(workspace.train),
            val_pairs=len(workspace.val),
            split=f"{plan.split.strategy}, digest {plan.split.digest}",
            epochs=config.fit.epochs,
            seeds=tuple(seeds),
            majority_accuracy=majority_accuracy(targets[list(workspace.train)].tolist(), self.true.tolist()),
            encoder_runs=self.encoder_runs(),
            device=plan.compute.device,
            precision=plan.compute.precision,
            encoder_parts=encoder_parts(config.model),
        )

    def encoder_runs(self) -> dict[str, int]:
        """Return the numbers of texts and images that were encoded. What was encoded before a resume is included."""
        return {side: self._earlier[side] + self.workspace.encoder_runs[side] for side in ("text", "image")}

    def _build_once(self, arms: Sequence[Arm]) -> BuiltModels:
        """Build a model for each configuration. This raises an error if a configuration cannot be used.

        Returns:
            For each configuration, a model and the number of parameters to train. To save memory, configurations with
            the same stored features share one model.
        """
        by_features: dict[tuple[object, ...], SentimentModel] = {}
        built: BuiltModels = {}
        for arm in arms:
            config = arm.config.model
            if config not in built:
                model = self.workspace.model(config, arm.seed)
                key = (model.modalities, *(getattr(config, name) for name in FEATURE_SETTINGS))
                built[config] = by_features.setdefault(key, model), count_parameters(model)[0]
        return built

    def _train(self, arms: Sequence[Arm], built: BuiltModels, total: int) -> Iterator[tuple[Arm, TrainedArm]]:
        """Train the models of `arms`, and yield each arm with its trained model when the training is finished."""
        for arm in arms:  # compute each feature once, before other processes need it
            self.workspace.table(built[arm.config.model][0], arm.config.fit)
        most_parameters = max((built[arm.config.model][1] for arm in arms), default=0)
        built.clear()
        passes = sum(len(self.plan.split.train) * arm.config.fit.epochs for arm in arms)
        numbers = iter(range(total - len(arms), total))
        work = Work(arms, train_to_the_end, passes, most_parameters)
        yield from train_models(self.workspace, work, lambda arm: self._begin(arm, next(numbers), total))

    def _begin(self, arm: Arm, done: int, total: int) -> None:
        self.progress(ModelBegun(arm.name, arm.seed, done + 1, total, arm.config.fit.epochs))

    def _finish(self, trained: TrainedArm, is_resumed: bool = False) -> None:
        best = trained.best
        self.progress(ModelDone(trained.name, trained.seed, best.accuracy, best.macro_f1, is_resumed))

    def _write_encoder_runs(self) -> None:
        """Save the numbers of encoded texts and images. This method is called when features have been stored."""
        self.run.write_json(ENCODER_RUNS, self.encoder_runs())


FEW_SEEDS = {
    1: "one seed: the intervals do not cover the choice of seed, and another seed may change a verdict",
    2: "two seeds: the intervals are wide, since two values tell little about the effect of the seed",
}


def seed_notes(count: int) -> list[str]:
    """Return a note for the report if there are fewer than three seeds, else an empty list."""
    return [f"{FEW_SEEDS[count]}; use --seeds 3"] if count in FEW_SEEDS else []
