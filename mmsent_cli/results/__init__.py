"""The results of all commands as dataclasses. Imports the standard library only."""

from mmsent_cli.results.checks import (
    ERROR,
    OK,
    WARNING,
    CheckOutcome,
    CheckResult,
    Distribution,
    EnvResult,
    ListedPair,
    can_train,
)
from mmsent_cli.results.data import (
    Candidate,
    EncodingResult,
    FileException,
    Snippet,
    SplitResult,
    StoredFeatures,
    StoreResult,
)
from mmsent_cli.results.evaluation import (
    ON_KNOWN,
    ON_NEW,
    ON_UNKNOWN,
    ON_VALIDATION,
    AnsweredShare,
    CalibrationBin,
    ClassDrift,
    ClassScores,
    ComparedModel,
    EvaluateResult,
    GroupScores,
    LengthDrift,
    ModelComparison,
    ModelDifference,
    PrecisionRecall,
    Score,
)
from mmsent_cli.results.experiments import (
    BETTER,
    NOT_DISTINGUISHABLE,
    WORSE,
    AblateResult,
    AblationArm,
    Agreement,
    ComparedArm,
    CompareResult,
    Difference,
    Emap,
    FusionRow,
    SeedScores,
    Shapley,
    SharedSetup,
    TrialResult,
    TuneResult,
)
from mmsent_cli.results.explanation import ExplainResult, Explanation, MemberVote, ModalityShares, WordScore
from mmsent_cli.results.export import ExportResult
from mmsent_cli.results.findings import (
    IGNORES_IMAGE,
    IGNORES_TEXT,
    MAJORITY,
    NEVER_ANSWERED,
    ONE_CLASS,
    Finding,
    has_learned_nothing,
    noted,
    warn_of_findings,
)
from mmsent_cli.results.paper import PaperResult, Published, PublishedArm, PublishedTrial
from mmsent_cli.results.prediction import PredictedBy, Prediction, PredictResult, UnusablePair
from mmsent_cli.results.runs import RunRow, RunsResult
from mmsent_cli.results.training import (
    ClassMetrics,
    EpochResult,
    EpochScore,
    FoldResult,
    FoldsResult,
    Interval,
    MemberResult,
    Metrics,
    ModelPart,
    TradeOff,
    TrainResult,
)
