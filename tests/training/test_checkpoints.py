"""Checkpoints hold tensors and plain data only, and what does not fit is refused."""

import contextlib
import io
import os
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmsent_cli.data.seen import NEW, SEEN, VALIDATED, SeenPairs
from mmsent_cli.encoders.registry import build_auxiliary_encoder
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.ensemble import Probe, Stacker
from mmsent_cli.ensemble.lexicon import N_LEXICON
from mmsent_cli.errors import CheckpointError
from mmsent_cli.model import build_model
from mmsent_cli.results import Finding
from mmsent_cli.training.checkpoints import (
    Description,
    EnsembleParts,
    describe,
    fit_state,
    frozen_digests,
    load_ensemble,
    load_trained,
    read_checkpoint,
    read_fold,
    save_checkpoint,
    save_ensemble,
    save_fold,
    save_last,
)
from tests.configs import resolved_model
from tests.data.builders import make_pair
from tests.training.builders import assert_equal, make_trainer, tiny_model, train, weights


def load_model(path, weights):
    """The single model of a checkpoint, and its description."""
    ensemble, description = load_ensemble(path, weights)
    return ensemble.model, description


LABELS = ("negative", "neutral", "positive")
WORDS = ("good", "day")


@pytest.fixture
def source(weights_dir):
    return WeightSource(weights_dir, offline=True)


@pytest.fixture
def model_config():
    """A small BERT and a small ResNet, half frozen."""
    encoders = {"encoders": "bert-resnet18", "image_encoder": "timm:test_resnet", "image_size_px": 32}
    return resolved_model(**encoders, freeze_text="2", freeze_image="3")


@pytest.fixture
def model(model_config, source):
    torch.manual_seed(0)
    return build_model(model_config, 3, source, None)


def description(config, model, **changes):
    values = {
        "model": config,
        "labels": LABELS,
        "vocabulary": None,
        "encoding": {"encoding": "utf-8"},
        "run": "the-run",
        "precision": "fp32",
        "frozen": frozen_digests(model),
    }
    return Description(**(values | changes))


@pytest.fixture
def path(model, model_config, tmp_path):
    """A saved checkpoint."""
    file = tmp_path / "best_model.pt"
    save_checkpoint(file, model, description(model_config, model), epoch=2)
    return file


def altered(path, **changes):
    content = torch.load(path, weights_only=True)
    torch.save({**content, **changes}, path)
    return path


def test_a_checkpoint_rebuilds_the_model_and_says_whose_it_is(path, model, model_config, source):
    loaded, described = load_model(path, source)
    assert_equal(loaded.state_dict(), model.state_dict())
    assert not loaded.training
    assert described == description(model_config, model)
    assert described.run == "the-run"
    assert read_checkpoint(path)["epoch"] == 2
    ensemble, told = load_ensemble(path, source)
    (alone,) = ensemble.models
    assert_equal(alone.state_dict(), model.state_dict())
    assert told == described


def test_all_that_describes_a_model_is_kept(model, model_config, tmp_path):
    trained, validated = (make_pair(guid, "neutral", digest=guid * 32) for guid in "ab")
    saved = description(
        model_config,
        model,
        vocabulary=WORDS,
        seen=SeenPairs.of([trained], LABELS, [validated]),
        columns={"text_column": "tweet"},
        label_map=("0=negative",),
        findings=(Finding(kind="majority", message="always neutral", advice="train longer"),),
    )
    save_checkpoint(tmp_path / "m.pt", model, saved, epoch=1)
    content = read_checkpoint(tmp_path / "m.pt")
    found = describe(content, tmp_path / "m.pt")
    assert replace(found, seen=None) == replace(saved, seen=None)
    assert found.seen.relation([trained, validated]).tolist() == [SEEN, VALIDATED]
    assert found.seen.validation.relation([trained, validated]).tolist() == [NEW, SEEN]
    del content["validation"]
    assert describe(content, tmp_path / "m.pt").seen.relation([trained, validated]).tolist() == [SEEN, NEW]
    for part in ("seen", "columns", "findings"):  # which checkpoints of earlier versions lack
        del content[part]
    assert describe(content, tmp_path / "m.pt") == replace(saved, seen=None, columns={}, findings=())


def test_frozen_weights_are_kept_by_digest_or_on_request(path, model, model_config, source, tmp_path):
    held = set(torch.load(path, weights_only=True)["state"])
    assert held == set(model.trained_state()) < set(model.state_dict())
    whole = tmp_path / "whole.pt"
    save_checkpoint(whole, model, description(model_config, model), epoch=1, with_frozen=True)
    assert set(torch.load(whole, weights_only=True)["state"]) == set(model.state_dict())
    assert whole.stat().st_size > 1.2 * path.stat().st_size
    assert_equal(load_model(whole, source)[0].state_dict(), model.state_dict())


def test_other_frozen_weights_are_refused(model, model_config, source, tmp_path):
    file = tmp_path / "m.pt"
    with torch.no_grad():
        next(model.image.stages[1].parameters()).add_(0.01)
    save_checkpoint(file, model, description(model_config, model), epoch=1)
    with pytest.raises(CheckpointError, match="different frozen"):
        load_model(file, source)
    save_checkpoint(file, model, description(model_config, model), epoch=1, with_frozen=True)
    assert_equal(load_model(file, source)[0].state_dict(), model.state_dict())


def test_a_checkpoint_with_its_frozen_part_must_hold_all_of_it(model, model_config, source, tmp_path):
    file = tmp_path / "whole.pt"
    save_checkpoint(file, model, description(model_config, model), epoch=1, with_frozen=True)
    state = torch.load(file, weights_only=True)["state"]
    del state[next(name for name in state if name.startswith("image.stages.0."))]
    with pytest.raises(CheckpointError, match=r"whole\.pt.* lacks"):
        load_model(altered(file, state=state), source)
    with pytest.raises(CheckpointError, match=r"whole\.pt.* lacks"):
        load_model(altered(file, state=dict(model.trained_state())), source)


@pytest.fixture
def fold(model, model_config, tmp_path):
    """A fold of two models and four pairs, and the description of its run."""
    described = description(replace(model_config, models_per_fold=2), model)
    states = [{name: tensor + number for name, tensor in model.trained_state().items()} for number in (0, 1)]
    history = make_trainer(epochs=1)
    save_fold(tmp_path / "fold-1.pt", described, states, np.arange(24.0).reshape(2, 4, 3), train(history) * 2)
    return tmp_path / "fold-1.pt", described, states


def test_a_fold_comes_back(fold):
    path, described, states = fold
    read, logits, history = read_fold(path, described, 4)
    for one, other in zip(read, states, strict=True):
        assert_equal(one, other)
    assert logits.tolist() == np.arange(24.0).reshape(2, 4, 3).tolist()
    assert [result.epoch for result in history] == [1, 1]


@pytest.mark.parametrize("side", ["text", "image"])
def test_a_fold_trained_on_other_frozen_weights_is_refused(fold, side):
    path, described, _ = fold
    other = replace(described, frozen={**described.frozen, side: "another digest"})
    with pytest.raises(CheckpointError, match="frozen"):
        read_fold(path, other, 4)


def test_a_fold_of_other_models_pairs_or_classes_is_refused(fold):
    path, described, states = fold
    fewer = replace(described, model=replace(described.model, models_per_fold=1))
    for wrong, pairs in ((described, 5), (fewer, 4), (replace(described, labels=LABELS[:2]), 4)):
        with pytest.raises(CheckpointError, match="of other models or with other pairs"):
            read_fold(path, wrong, pairs)
    with pytest.raises(CheckpointError, match="of other models or with other pairs"):
        read_fold(altered(path, states=states[:1]), described, 4)


def test_an_ensemble_holds_every_model_in_its_order(model, model_config, source, tmp_path):
    """Each model gets its own state; frozen weights that differ are refused as for a single model."""
    states = [{name: tensor * (1 + number) for name, tensor in model.trained_state().items()} for number in range(3)]
    parts = EnsembleParts(states, (), Stacker(np.eye(3), np.zeros(3), np.array([0.0, 0.1, 0.2])), {})
    described, file = description(model_config, model), tmp_path / "ensemble.pt"
    save_ensemble(file, described, 1, parts)
    ensemble, told = load_ensemble(file, source)
    for network, state in zip(ensemble.models, states, strict=True):
        assert_equal(network.trained_state(), state)
        assert not network.training
        assert network.image.stages[0] is ensemble.models[0].image.stages[0]
    assert told == described
    assert ensemble.stacker.offsets.tolist() == [0.0, 0.1, 0.2]
    other = replace(described, frozen={**described.frozen, "image": "another digest"})
    save_ensemble(file, other, 1, parts)
    with pytest.raises(CheckpointError, match="frozen"):
        load_ensemble(file, source)


def test_an_ensemble_holds_its_probes_with_the_encoders_they_read(model, model_config, source, tmp_path):
    clip, draws = build_auxiliary_encoder("text:clip", model_config, source), np.random.default_rng(0)
    widths = {"lexicon": N_LEXICON, "clip-text": clip.out_dim, "image": model.image.out_dim}
    probes = [
        Probe(name, draws.normal(size=(width, 3)), draws.normal(size=3), np.zeros(3)) for name, width in widths.items()
    ]
    stacker = Stacker(draws.normal(size=(4 * 3, 3)), draws.normal(size=3), np.zeros(3))
    digests, file = {"text:clip": clip.digest(clip.n_stages)}, tmp_path / "ensemble.pt"
    save_ensemble(
        file, description(model_config, model), 1, EnsembleParts([model.trained_state()], probes, stacker, digests)
    )
    ensemble, _ = load_ensemble(file, source)
    assert [probe.name for probe in ensemble.probes] == list(widths)
    for read, saved in zip(ensemble.probes, probes, strict=True):
        assert (read.weight.tolist(), read.bias.tolist()) == (saved.weight.tolist(), saved.bias.tolist())
    assert ensemble.stacker.weight.tolist() == stacker.weight.tolist()
    assert {name: each.digest(each.n_stages) for name, each in ensemble.auxiliary_encoders.items()} == digests
    with pytest.raises(CheckpointError, match="different frozen"):
        load_ensemble(altered(file, auxiliary_digests={"text:clip": "another"}), source)
    with pytest.raises(CheckpointError, match="damaged"):
        load_ensemble(altered(file, auxiliary_digests={}, probes=[]), source)


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_that_a_gpu_wrote_is_read_without_one(path, source, model, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        altered(path)
    with zipfile.ZipFile(path) as archive:
        assert b"cuda:0" in archive.read(f"{path.stem}/data.pkl")
    loaded, _ = load_model(path, source)
    assert_equal(loaded.state_dict(), model.state_dict())


def test_a_pickled_object_is_refused_and_not_run(path, tmp_path):
    altered(path, extra=Bomb(tmp_path / "exploded"))
    with pytest.raises(CheckpointError, match="could run code"):
        read_checkpoint(path)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("keep", [0, 1, 100, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(keep, path):
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 and keep else int(keep)])
    with pytest.raises(CheckpointError) as refused:
        read_checkpoint(path)
    assert "incomplete" in refused.value.message
    assert "Errno" not in refused.value.message


def torch_file(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def zip_file():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "text")
    return buffer.getvalue()


FOREIGN = {
    "empty": b"",
    "text": b"guid,tag\n1,positive\n",
    "zip": zip_file(),
    "state dict": torch_file({"weight": torch.zeros(2)}),
    "list": torch_file([torch.zeros(2)]),
    "zeros": bytes(1000),
    "pickle": b"\x80\x02]q\x00.",
    "jpeg": b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4,
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_is_refused(content, tmp_path):
    file = tmp_path / "m.pt"
    file.write_bytes(content)
    with pytest.raises(CheckpointError):
        read_checkpoint(file)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_a_torchscript_file_is_refused(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "m.pt")
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "m.pt")


def test_no_damage_crashes_the_reader(model_config, tmp_path):
    """Damage anywhere is refused or harmless; it never ends in another error."""
    path = tmp_path / "tiny.pt"
    save_checkpoint(path, tiny_model(), description(model_config, tiny_model()), epoch=1)
    content, draws = path.read_bytes(), torch.Generator().manual_seed(0)
    for _ in range(150):
        start = int(torch.randint(0, len(content) - 8, (), generator=draws))
        noise = bytes(torch.randint(0, 256, (8,), generator=draws).tolist())
        tail = max(0, len(content) - 4000) + start % 3900  # the directory of the archive lies at its end
        for position in (start % 3000, tail):
            path.write_bytes(content[:position] + noise + content[position + 8 :])
            with contextlib.suppress(CheckpointError):
                describe(read_checkpoint(path), path)


def test_a_damaged_weight_is_noticed(model_config, tmp_path):
    path = tmp_path / "tiny.pt"
    model = tiny_model()
    save_checkpoint(path, model, description(model_config, model), epoch=1)
    raw = model.head[0].weight.detach().numpy().tobytes()
    content = path.read_bytes()
    assert content.count(raw) == 1
    path.write_bytes(content.replace(raw, raw[:-1] + bytes([raw[-1] ^ 1])))
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 99},
        {"format": "other"},
        {"labels": 3},
        {"labels": [1, 2, 3]},
        {"model": {"no": 1}},
        {"vocabulary": [1]},
        {"label_map": "0=a"},
        {"label_map": ["a"]},
        {"label_map": None},
        {"seen": None},
    ],
)
def test_another_version_or_content_is_refused(changes, path, source):
    with pytest.raises(CheckpointError):
        load_model(altered(path, **changes), source)


@pytest.mark.parametrize("name", ["version", "state", "with_frozen", "labels", "frozen"])
def test_a_lacking_part_is_refused(name, path, source):
    content = torch.load(path, weights_only=True)
    del content[name]
    torch.save(content, path)
    with pytest.raises(CheckpointError):
        load_model(path, source)


def test_a_state_that_does_not_fit_is_refused(path, model, source):
    state = dict(model.trained_state())
    state.pop("head.0.weight")
    for wrong in (state, {**model.trained_state(), "more": torch.zeros(1)}, {"head.0.weight": torch.zeros(1)}):
        with pytest.raises(CheckpointError):
            load_model(altered(path, state=wrong), source)


def test_only_last_pt_can_be_resumed(path):
    with pytest.raises(CheckpointError, match="no training state"):
        fit_state(read_checkpoint(path))


@pytest.mark.parametrize("stop_after", [1, 2])
def test_training_goes_on_from_a_saved_state_to_the_same_bytes(stop_after, model_config, tmp_path):
    whole = make_trainer(model=tiny_model(dropout=0.3, modality_dropout=0.2), accumulation_steps=4)
    results = train(whole)
    expected = weights(whole), whole.best.logits, [result.accuracy for result in results]

    first = make_trainer(model=tiny_model(dropout=0.3, modality_dropout=0.2), accumulation_steps=4)
    killed_at = iter(range(2))

    def kill_in_the_middle(step):
        if step.epoch > stop_after and next(killed_at) == 1:
            raise KeyboardInterrupt

    epochs = first.fit(kill_in_the_middle)
    for _ in range(stop_after):
        next(epochs)
    file = tmp_path / "last.pt"
    save_last(file, description(model_config, first.accelerator.unwrap_model(first.model)), first.state())
    with pytest.raises(KeyboardInterrupt):
        next(epochs)

    second = make_trainer(model=tiny_model(seed=9, dropout=0.3, modality_dropout=0.2), accumulation_steps=4)
    state = fit_state(read_checkpoint(file))
    load_trained(second.accelerator.unwrap_model(second.model), state.model, file)
    second.load(state)
    assert len(train(second)) == 3 - stop_after
    assert_equal(weights(second), expected[0])
    assert (second.best.logits == expected[1]).all()
    assert [result.accuracy for result in second.history] == expected[2]


def test_saving_replaces_a_file_whole_or_not_at_all(path, model, model_config, monkeypatch):
    before = path.read_bytes()

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, model, description(model_config, model), epoch=3)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir() if file.suffix == ".pt"] == ["best_model.pt"]
