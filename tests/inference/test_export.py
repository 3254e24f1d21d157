"""Exported models: the graph and the script give mmsent's answers, without mmsent and torch."""

import copy
import json
import os
import runpy
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmsent_cli.data import text
from mmsent_cli.data.pairs import Pair
from mmsent_cli.encoders.contract import Encoder
from mmsent_cli.encoders.registry import build_auxiliary_encoder
from mmsent_cli.encoders.stages import MeanPool
from mmsent_cli.encoders.text.light import EMBEDDING_DIM
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.ensemble import Ensemble, ProbeInputs, auxiliary_encoders, fit_probe, fit_stacker
from mmsent_cli.errors import ConfigError
from mmsent_cli.inference.export.export import export_model
from mmsent_cli.inference.export.folder import FILES, require_exportable, require_free
from mmsent_cli.inference.export.graph import EnsembleGraph
from mmsent_cli.model import build_model
from tests.configs import resolved_model
from tests.data.builders import image_bytes
from tests.inference.test_predictor import WORDS, predictor  # noqa: F401  # a fixture

TEXTS = ["good good day", "what a #bad day @you", "GOOD!!! https://t.co/x", "so sad... :(", "day", "不错 good"]


@pytest.fixture(scope="module")
def ensemble(predictor):  # noqa: F811
    """Two untrained light models with probes that count characters and look up words, and a stacker."""
    torch.manual_seed(1)
    other = build_model(resolved_model(encoders="light", image_size_px=32), 3, WeightSource(), WORDS).eval()
    present = {name: np.ones(len(TEXTS), dtype=bool) for name in ("text", "image")}
    inputs = ProbeInputs(texts=TEXTS, pooled={}, present=present)
    targets = np.array([2, 0, 2, 0, 1, 2])
    probes = tuple(fit_probe(name, inputs, targets, np.arange(6), 3) for name in ("characters", "lexicon"))
    votes = np.log(np.random.default_rng(0).dirichlet(np.ones(3), size=(30, 3)))
    stacker = fit_stacker(votes, np.arange(30) % 3, 0.25)
    return replace(predictor, ensemble=Ensemble((predictor.model, other), probes, stacker))


def pairs(folder):
    """Pairs with and without text or image, images in several forms."""
    images = {name: folder / name for name in ("a.jpg", "b.png", "c.webp")}
    for number, (path, kind) in enumerate(zip(images.values(), ("JPEG", "PNG", "WEBP"), strict=True)):
        path.write_bytes(image_bytes(number, (90 + 40 * number, 60), kind))
    both = [
        Pair(guid=str(number), tag=None, text=text, image=path)
        for number, (text, path) in enumerate(zip(TEXTS, [*images.values()] * 2, strict=True))
    ]
    return [*both, replace(both[0], image=None), replace(both[1], text=None), replace(both[2], image=image_bytes(9))]


@pytest.fixture(scope="module")
def exported(ensemble, tmp_path_factory):
    """The result of an export, its folder, and the pairs of its comparison; not to be changed."""
    folder = tmp_path_factory.mktemp("exported")
    given = pairs(folder)
    return export_model(ensemble, folder / "best_model.pt", folder / "out", "onnx", given), folder / "out", given


def test_the_script_of_an_ensemble_gives_the_same_probabilities(ensemble, exported, tmp_path):
    result, out, given = exported
    assert result.checked_pairs == len(given)
    assert result.largest_difference < 1e-5
    assert result.changed_labels == 0
    assert {"model.onnx", "predict.py", "clean.py", "features.py", "lexicon.py", "README.md"} <= set(result.files)
    assert not list(out.parent.glob(".out*"))
    code = "import sys, predict; predict.main(); print(sorted({'torch', 'mmsent_cli', 'sklearn'} & set(sys.modules)))"
    command = [sys.executable, "-c", code, "--text", TEXTS[0], "--image", str(given[0].image)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=out)
    answer, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    (expected,) = ensemble.predict(given[:1])
    assert json.loads(answer)["label"] == expected.label
    assert json.loads(answer)["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    lines = tmp_path / "lines.jsonl"
    rows = [{"id": 1, "text": TEXTS[0], "image": "absent.jpg"}, {"id": 2, "text": ""}, {"id": 3, "text": TEXTS[0]}]
    lines.write_text("\n".join([*map(json.dumps, rows), "", "[4]", "{"]))
    script = [sys.executable, str(out / "predict.py"), "--data", str(lines)]
    done = subprocess.run(script, capture_output=True, text=True, check=False, cwd=tmp_path)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, [answer.get("id") for answer in answers]) == (1, [1, 2, 3, None, None])
    assert [place for place, answer in enumerate(answers) if "label" in answer] == [2]
    assert "4 of 5 pairs" in done.stderr and "Traceback" not in done.stderr
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "the probes characters, lexicon" in card and "vaderSentiment" in card


def closed_pipe():
    """The end of a pipe that nothing reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_a_bad_line_of_the_script_gives_an_error_and_the_others_are_predicted(exported, tmp_path):
    _, out, _ = exported
    (tmp_path / "text.jpg").write_text("no image")
    bad = ["[1]", '{"guid": "c", "te', '{"id": 4, "image": "none.jpg"}', '{"guid": "e", "image": "text.jpg"}']
    bad += ['{"guid": "f"}', '{"guid": "g", "text": 5}', '{"guid": "h", "image": 5}']
    lines = ['{"guid": "a", "text": "good\u2028day"}', *bad, '{"id": 7, "text": "bad day"}', ""]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    command = [sys.executable, str(out / "predict.py"), "--data", "pairs.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [("error" in answer, answer.get("guid", answer.get("id"))) for answer in answers] == [
        (False, "a"), (True, None), (True, None), (True, 4), (True, "e"), (True, "f"), (True, "g"), (True, "h"),
        (False, 7),
    ]  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (1, 2) and "7 of 9" in done.stderr
    odd = [b'{"id": 1, "text": "\xff"}', b'{"id": "\\ud800", "text": "x"}', b'{"id": 3, "text": "x", "error": "mine"}']
    (tmp_path / "pairs.jsonl").write_bytes(b"\n".join([*odd, '{"id": "中", "label": "mine"}'.encode()]))
    narrow = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path, env=narrow)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [("error" in answer, "label" in answer, answer.get("id")) for answer in answers] == [
        (True, False, None), (False, True, "\ud800"), (False, True, 3), (True, False, "中")
    ]  # fmt: skip
    for name, output in (("absent.jsonl", subprocess.PIPE), (".", subprocess.PIPE), ("pairs.jsonl", closed_pipe())):
        done = subprocess.run(
            [*command[:-1], name], stdout=output, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path
        )
        assert (done.returncode, done.stderr.count("\n")) == (1, 2), done.stderr


def test_the_graph_reads_the_encoders_of_probes(predictor, weights_dir, tmp_path):  # noqa: F811
    """Of texts, of images of another size, and of both with their similarity; a pair may lack one of them."""
    names = ("clip", "clip-image", "text:twitter-roberta")
    source = WeightSource(weights_dir, offline=True)
    auxiliary = {
        name: build_auxiliary_encoder(name, predictor.description.model, source) for name in auxiliary_encoders(names)
    }
    widths = {name: encoder.out_dim for name, encoder in auxiliary.items()}
    draws = np.random.default_rng(0)
    inputs = ProbeInputs(
        texts=TEXTS,
        pooled={name: draws.normal(size=(6, width)).astype(np.float32) for name, width in widths.items()},
        present={name: np.ones(len(TEXTS), dtype=bool) for name in ("text", "image")},
    )
    targets = np.array([2, 0, 2, 0, 1, 2])
    probes = tuple(fit_probe(name, inputs, targets, np.arange(6), 3) for name in names)
    votes = np.log(draws.dirichlet(np.ones(3), size=(30, 4)))
    joined = Ensemble((predictor.model,), probes, fit_stacker(votes, np.arange(30) % 3, 0.25), auxiliary)
    subject, graph = replace(predictor, ensemble=joined), EnsembleGraph(joined)
    assert set(graph.inputs_of.values()) == {"ids_text_clip", "pixels_image_clip", "ids_text_twitter_roberta"}
    assert graph.example()["pixels_image_clip"].shape == (1, 3, 32, 32)
    encoders = {"ids": predictor.model.text, "pixels": predictor.model.image}
    encoders |= {graph.inputs_of[name]: encoder for name, encoder in auxiliary.items()}
    for pair in pairs(tmp_path):
        given = {"present": torch.tensor([[pair.text is not None, pair.image is not None]])}
        for name, encoder in encoders.items():
            if "pixels" in name:
                own = [] if pair.image is None else encoder.inputs.arrays([pair.image])
                given[name] = torch.from_numpy(own[0])[None] if own else torch.zeros_like(graph.example()[name])
            else:
                given[name] = torch.from_numpy(encoder.inputs.arrays([pair.text or ""])[0]).long()[None]
        with torch.no_grad():
            shares = graph(given)[0].tolist()
        (expected,) = subject.predict([pair])
        assert shares == pytest.approx(list(expected.probabilities.values()), abs=1e-5)


def test_a_kernel_probe_is_exported(predictor, tmp_path):  # noqa: F811
    """It reads the model's own image encoder and text encoders, here small ones in their place. By way of ONNX."""
    model = resolved_model(encoders="light", image_size_px=32, freeze_image="all", freeze_text="none")
    first = build_model(model, 3, WeightSource(), WORDS).eval()
    parts = {"inputs": first.text.inputs, "stages": first.text.stages[:1], "pool": MeanPool()}
    words = Encoder(name="words", out_dim=EMBEDDING_DIM, **parts).freeze(2).eval()
    auxiliary = {name: copy.deepcopy(words) for name in auxiliary_encoders(["kernel"])}
    widths = {"image": first.image.out_dim, **{name: each.out_dim for name, each in auxiliary.items()}}
    draws, classes = np.random.default_rng(0), np.arange(30) % 3
    pooled = {name: draws.normal(size=(30, width)) * 0.1 for name, width in widths.items()}
    inputs = ProbeInputs(
        texts=[""] * 30,
        pooled={name: (part + 0.1 * classes[:, None]).astype(np.float32) for name, part in pooled.items()},
        present={name: np.ones(30, dtype=bool) for name in ("text", "image")},
    )
    probe = fit_probe("kernel", inputs, classes, np.arange(30), 3)
    votes = np.log(draws.dirichlet(np.ones(3), size=(30, 2)))
    joined = Ensemble((first,), (probe,), fit_stacker(votes, classes, 0.25), auxiliary)
    subject = replace(predictor, ensemble=joined)
    given = pairs(tmp_path)[4:]  # OpenVINO compiles the model for each length of a text
    result = export_model(subject, tmp_path / "best_model.pt", tmp_path / "out", "openvino", given)
    assert result.checked_pairs == len(given)
    assert result.largest_difference < 1e-5
    answers = {vote.probabilities["positive"] for pair in given for vote in subject.votes(pair)[1:]}
    assert len(answers) > 3  # else the comparison shows nothing


def test_what_is_no_export_is_left_alone(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "thesis.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(ConfigError):
            require_free(own, force)
    (tmp_path / "link").symlink_to(own)
    with pytest.raises(ConfigError):
        require_free(tmp_path / "link", True)
    require_free(tmp_path / "new", False)
    assert (own / "thesis.txt").read_text() == "mine"


def test_probes_that_read_images_are_refused(ensemble):
    probe = replace(ensemble.ensemble.probes[1], name="ocr")
    with pytest.raises(ConfigError, match="reads the text in images"):
        require_exportable(replace(ensemble.ensemble, probes=(probe,)))


def test_ngrams_are_those_of_scikit_learn(monkeypatch):
    from sklearn.feature_extraction.text import CountVectorizer

    monkeypatch.setitem(sys.modules, "clean", text)
    ngrams_of = runpy.run_path(str(FILES / "features.py"))["ngrams_of"]
    analyse = CountVectorizer(analyzer="char_wb", ngram_range=(2, 5)).build_analyzer()
    for word in ("a", "ab", "abc", "abcd", "abcdefgh", "é😀"):
        assert sorted(ngrams_of(f" {word} ")) == sorted(analyse(word))
