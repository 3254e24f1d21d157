"""A running experiment: arms trained on one bench, side by side where that is faster, each kept when it is done.

A killed experiment goes on from the arms that its run folder holds. What was computed for them is added up in the
folder too, so the result says what the whole experiment cost, not what was left of it.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence

from mmsent_cli.compute.threads import torch_threads
from mmsent_cli.config import ResolvedConfig
from mmsent_cli.errors import DataError
from mmsent_cli.experiments.arm import Arm, train_arm
from mmsent_cli.experiments.parallel import BEGUN, count_side_by_side, threads_for, train_side_by_side
from mmsent_cli.experiments.selection import best_epoch
from mmsent_cli.experiments.trained_arm import TrainedArm, load, save
from mmsent_cli.model import count_parameters
from mmsent_cli.progress import ModelBegun, ModelDone, Progress, silent
from mmsent_cli.records import ARMS, Run
from mmsent_cli.results import SharedSetup
from mmsent_cli.training.metrics import majority_accuracy
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.workspace import Workspace

ENCODER_RUNS = "encoder_runs.json"


class Experiment:
    """Trains arms that share one plan.

    Args:
        plan: what all arms have in common.
        run: folder that keeps the finished arms.
        progress: receives stages, models, batches and epochs.

    Attributes:
        bench: makes models and tables.
        true: class numbers of the validation pairs, in the order of the data set [N].

    Raises:
        DataError: a single validation pair.
    """

    def __init__(self, plan: Plan, run: Run, progress: Progress = silent) -> None:
        self.plan = plan
        self.run = run
        self.progress = progress
        self.bench = Workspace(plan, progress, self._write_encoder_runs)
        self.true = self.bench.targets[list(self.bench.val)]
        if len(self.true) < 2:
            raise DataError("there is one validation pair: nothing can be said of its choice", "use a larger split")
        self._earlier = Counter(run.read_json(ENCODER_RUNS) if run.path(ENCODER_RUNS).is_file() else {})

    def train(self, arms: Sequence[Arm]) -> list[TrainedArm]:
        """Train every arm that the run's folder does not hold yet; all of them, in order.

        Raises:
            ConfigError: encoders that do not suit one of the fusions; found before the first arm is trained.
        """
        for arm in arms:
            self.bench.model(arm.config.model, arm.seed)
        folder = self.run.path(ARMS)
        trained = {arm.stem: model for arm in arms if (model := load(folder, arm.stem)) is not None}
        missing = [arm for arm in arms if arm.stem not in trained]
        read_back = [arm for arm in arms if arm.stem in trained]
        for done, arm in enumerate(read_back):
            self._begin(arm, done, len(arms))
            self._finish(trained[arm.stem], is_resumed=True)
        for arm, model in self._train(missing, len(trained), len(arms)):
            save(folder, arm.stem, model)
            trained[arm.stem] = model
            self._finish(model)
        return [trained[arm.stem] for arm in arms]

    def epochs(self, arm: Arm, shown_as: str = "") -> Iterator[TrainedArm]:
        """Train one arm; what there is of it after each epoch, so that a caller may stop early."""
        return train_arm(self.bench, arm, shown_as)

    def setting(self, config: ResolvedConfig, seeds: Sequence[int]) -> SharedSetup:
        """What all arms share, for the result."""
        plan, bench = self.plan, self.bench
        targets = bench.targets
        return SharedSetup(
            encoders=config.model.encoders,
            labels=plan.dataset.labels,
            train_pairs=len(bench.train),
            val_pairs=len(bench.val),
            split=f"{plan.split.strategy}, digest {plan.split.digest}",
            epochs=config.fit.epochs,
            seeds=tuple(seeds),
            majority_accuracy=majority_accuracy(targets[list(bench.train)].tolist(), self.true.tolist()),
            encoder_runs=self.encoder_runs(),
            device=plan.compute.device,
            precision=plan.compute.precision,
        )

    def encoder_runs(self) -> dict[str, int]:
        """Texts and images that went through an encoder's stored stages, in this process and those before it."""
        return {side: self._earlier[side] + self.bench.encoder_runs[side] for side in ("text", "image")}

    def _train(self, arms: Sequence[Arm], done: int, total: int) -> Iterator[tuple[Arm, TrainedArm]]:
        """Train arms, of which `done` of `total` are there already; each as soon as it is finished."""
        jobs = count_side_by_side(self.plan, arms, self._prepare(arms))
        if jobs > 1:
            yield from self._train_side_by_side(arms, jobs, done, total)
            return
        for number, arm in enumerate(arms, start=done):
            self._begin(arm, number, total)
            with torch_threads(threads_for(self.plan)):
                trained = deque(self.epochs(arm), maxlen=1).pop()
            yield arm, trained

    def _prepare(self, arms: Sequence[Arm]) -> int:
        """Put the features of all arms into the store, each once; the trained parameters of the largest."""
        most = 0
        for arm in arms:
            model = self.bench.model(arm.config.model, arm.seed)
            self.bench.table(model, arm.config.fit)
            most = max(most, count_parameters(model)[0])
        return most

    def _train_side_by_side(
        self, arms: Sequence[Arm], jobs: int, done: int, total: int
    ) -> Iterator[tuple[Arm, TrainedArm]]:
        for arm, event in train_side_by_side(self.plan, arms, jobs):
            if event == BEGUN:
                self._begin(arm, done, total)
                done += 1
            elif isinstance(event, TrainedArm):
                yield arm, event
            elif not isinstance(event, str):
                self.progress(event)

    def _begin(self, arm: Arm, done: int, total: int) -> None:
        self.progress(ModelBegun(arm.name, arm.seed, done + 1, total, arm.config.fit.epochs))

    def _finish(self, trained: TrainedArm, is_resumed: bool = False) -> None:
        best = best_epoch(trained.curve, trained.monitor)
        self.progress(ModelDone(trained.name, trained.seed, best.accuracy, best.macro_f1, is_resumed))

    def _write_encoder_runs(self) -> None:
        """Keep the count as soon as what was counted is kept: a killed experiment finds it in the feature store."""
        self.run.write_json(ENCODER_RUNS, self.encoder_runs())


def seed_notes(count: int) -> list[str]:
    """What the reader of a comparison should know of its number of seeds."""
    if count > 1:
        return []
    return ["one seed: intervals cover the choice of pairs alone, and another seed may turn a verdict; use --seeds 3"]
