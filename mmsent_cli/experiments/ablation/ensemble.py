"""Predict pairs by an ensemble (models, probes and stacker) with one modality replaced or removed.

A linear probe reads one modality, so its logits are computed once per pair. If the feature is replaced by zeros, the
logits are the bias of the probe. If it is replaced by the mean feature, they are the mean logits of the training pairs.
A probe that reads both modalities also uses the cosine of the two features, or a kernel over both features. So its
logits are computed for each requested pair.

Shape letters: N pairs, M requested pairs, E members, C classes, D feature width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmsent_cli.encoders.registry import auxiliary_place
from mmsent_cli.ensemble import (
    Ensemble,
    Probe,
    ProbeInputs,
    Stacker,
    find_probe,
    fit_stacker,
    geometric_mean,
    log_softmax,
)
from mmsent_cli.experiments.ablation.perturb import CLASSIFIER_BATCH, MISSING, NOTHING, ZERO, EncodedModel, Encoding
from mmsent_cli.features.table import Table
from mmsent_cli.training.fold_models import rows_of
from mmsent_cli.training.probes import auxiliary_features, fit_without, inputs_of_all
from mmsent_cli.training.workspace import Workspace


@dataclass(frozen=True, slots=True)
class EncodedProbe:
    """A probe with its logits for N pairs.

    Attributes:
        modality: the modality that the probe reads.
        logits: logits [N, C].
        present: [N] bool, True if a pair has the modality.
        prior: log-probabilities [C] for a pair without the modality.
        zero, mean: logits [C] for a feature of zeros, and for the mean feature of the training pairs.
    """

    modality: str
    logits: np.ndarray
    present: np.ndarray
    prior: np.ndarray
    zero: np.ndarray
    mean: np.ndarray

    def log_probabilities(self, rows: Mapping[str, np.ndarray], removed: Mapping[str, str]) -> np.ndarray:
        """Compute log-probabilities [M, C] of M pairs.

        Args:
            rows: for `text` and `image`, the numbers [M] of the pairs that provide this modality.
            removed: see `EncodedModel.logits`.
        """
        method, own = removed.get(self.modality), rows[self.modality]
        if method is None:
            return np.where(self.present[own, None], log_softmax(self.logits[own]), self.prior)
        if method == MISSING:
            return np.tile(self.prior, (len(own), 1))
        logits = self.zero if method == ZERO else self.mean
        return log_softmax(np.tile(logits, (len(own), 1)))


@dataclass(frozen=True, slots=True)
class EncodedJointProbe:
    """A probe that reads both modalities, with its inputs for N pairs.

    Attributes:
        probe: the probe.
        inputs: the inputs of the N pairs.
        means: for each key of `ProbeInputs.pooled`, the mean feature [D] of the training pairs.
    """

    probe: Probe
    inputs: ProbeInputs
    means: Mapping[str, np.ndarray]

    def log_probabilities(self, rows: Mapping[str, np.ndarray], removed: Mapping[str, str]) -> np.ndarray:
        """Compute log-probabilities [M, C] of M pairs; see `EncodedProbe.log_probabilities`."""
        count = len(rows["text"])
        parts = [slice(start, start + CLASSIFIER_BATCH) for start in range(0, count, CLASSIFIER_BATCH)]
        return np.concatenate([self._part({each: own[part] for each, own in rows.items()}, removed) for part in parts])

    def _part(self, rows: Mapping[str, np.ndarray], removed: Mapping[str, str]) -> np.ndarray:
        pooled, present = {}, {}
        for name, mean in self.means.items():
            modality = auxiliary_place(name)[0]
            own, method = rows[modality], removed.get(modality)
            if method is None:
                pooled[name], present[modality] = self.inputs.pooled[name][own], self.inputs.present[modality][own]
            else:
                pooled[name] = np.tile(mean * (method != ZERO), (len(own), 1))
                present[modality] = np.full(len(own), method != MISSING)
        return self.probe.log_probabilities(ProbeInputs(texts=(), pooled=pooled, present=present))


@dataclass(frozen=True, slots=True)
class EncodedMembers:
    """The members of an ensemble, with N encoded pairs. The mean of all models is one member; each probe is another."""

    models: Sequence[EncodedModel]
    probes: Sequence[EncodedProbe | EncodedJointProbe]

    def __len__(self) -> int:
        return len(self.models[0])

    def votes(
        self,
        text_rows: np.ndarray | None = None,
        image_rows: np.ndarray | None = None,
        removed: Mapping[str, str] = NOTHING,
    ) -> np.ndarray:
        """Compute the log-probabilities [M, E, C] of M pairs by each member. For the arguments, see
        `EncodedModel.logits`.
        """
        every = np.arange(len(self))
        rows = {
            "text": every if text_rows is None else text_rows,
            "image": every if image_rows is None else image_rows,
        }
        logits = [model.logits(text_rows, image_rows, removed) for model in self.models]
        members = [geometric_mean([log_softmax(each) for each in logits])]
        members += [probe.log_probabilities(rows, removed) for probe in self.probes]
        return np.stack(members, axis=1)


@dataclass(frozen=True, slots=True)
class EncodedEnsemble:
    """An ensemble with N pairs, whose modalities can be exchanged between pairs or removed."""

    members: EncodedMembers
    stacker: Stacker

    def __len__(self) -> int:
        return len(self.members)

    def logits(
        self,
        text_rows: np.ndarray | None = None,
        image_rows: np.ndarray | None = None,
        removed: Mapping[str, str] = NOTHING,
    ) -> np.ndarray:
        """Compute the log-probabilities [M, C] of M pairs; for the arguments, see `EncodedModel.logits`."""
        return self.stacker.log_probabilities(self.members.votes(text_rows, image_rows, removed))


def encode_ensemble(ensemble: Ensemble, stacker: Stacker, workspace: Workspace, encoding: Encoding) -> EncodedEnsemble:
    """Encode the validation pairs of a workspace with the saved ensemble."""
    val, train = np.array(workspace.val), np.array(workspace.train)
    models = [encoding.of(model, workspace.val, workspace.train) for model in ensemble.models]
    inputs = _inputs(ensemble, workspace, encoding.table)
    probes = [_encoded_probe(probe, inputs, val, train) for probe in ensemble.probes]
    return EncodedEnsemble(EncodedMembers(models, probes), stacker)


def encode_folds(
    ensemble: Ensemble, workspace: Workspace, encoding: Encoding
) -> list[tuple[EncodedEnsemble, np.ndarray]]:
    """Encode the pairs of each fold, for models, probes and a stacker that were not trained on these pairs.

    These are the models of the fold, probes that are fit without the fold, and a stacker that is fit on the out-of-fold
    predictions of the other folds. So their predictions are the out-of-fold predictions of the run.

    Returns:
        An ensemble for each fold, with the row numbers of its pairs.
    """
    plan, every = workspace.plan, np.arange(len(workspace.targets))
    rows = [np.sort(rows_of(plan, split)) for split in plan.folds]
    inputs, names = _inputs(ensemble, workspace, encoding.table), [probe.name for probe in ensemble.probes]
    models_per_fold = len(ensemble.models) // len(rows)

    def encode(probe: Probe, held_out: np.ndarray) -> EncodedProbe | EncodedJointProbe:
        return _encoded_probe(probe, inputs, held_out, np.setdiff1d(every, held_out))

    probes = fit_without(names, inputs, workspace, rows, encode)
    parts = []
    for fold, held_out in enumerate(rows):
        train = np.setdiff1d(every, held_out).tolist()
        own = ensemble.models[fold * models_per_fold : (fold + 1) * models_per_fold]
        models = [encoding.of(model, held_out.tolist(), train) for model in own]
        parts.append(EncodedMembers(models, [by_fold[fold][1] for by_fold in probes]))
    stackers = _stackers(parts, rows, workspace)
    ensembles = [EncodedEnsemble(part, stacker) for part, stacker in zip(parts, stackers, strict=True)]
    return list(zip(ensembles, rows, strict=True))


def _stackers(parts: Sequence[EncodedMembers], rows: Sequence[np.ndarray], workspace: Workspace) -> list[Stacker]:
    """Fit the stacker of each fold on the out-of-fold predictions for the other folds."""
    targets, adjustment = workspace.targets, workspace.plan.config.model.logit_adjustment
    votes = [part.votes() for part in parts]
    whole = np.empty((len(targets), *votes[0].shape[1:]))
    for own, held_out in zip(votes, rows, strict=True):
        whole[held_out] = own
    others = [np.setdiff1d(np.arange(len(targets)), held_out) for held_out in rows]
    return [fit_stacker(whole[fit_on], targets[fit_on], adjustment) for fit_on in others]


def _inputs(ensemble: Ensemble, workspace: Workspace, table: Table) -> ProbeInputs:
    names = [probe.name for probe in ensemble.probes]
    pooled = auxiliary_features(names, workspace).pooled
    return inputs_of_all(names, ensemble.model, table, workspace, pooled)


def _encoded_probe(
    probe: Probe, inputs: ProbeInputs, rows: np.ndarray, train: np.ndarray
) -> EncodedProbe | EncodedJointProbe:
    """Encode the pairs `rows` for a probe. Its mean logits or mean features are computed from the pairs `train`."""
    spec = find_probe(probe.name)
    if spec.source == "both_encoders":
        means = {
            name: inputs.pooled[name][train[inputs.present[auxiliary_place(name)[0]][train]]].mean(axis=0)
            for name in spec.pooled_names
        }
        return EncodedJointProbe(probe, inputs.take(rows), means)
    modality = spec.modalities[0]
    present = inputs.present[modality]
    known = train[present[train]]
    mean = probe.logits(inputs.take(known)).mean(axis=0) if len(known) else probe.bias
    return EncodedProbe(modality, probe.logits(inputs.take(rows)), present[rows], probe.prior, probe.bias, mean)
