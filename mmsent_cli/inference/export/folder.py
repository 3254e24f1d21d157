"""Write the folder of an exported model, and run its script."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from mmsent_cli import ensemble
from mmsent_cli.data import text as text_module
from mmsent_cli.data.pairs import Pair
from mmsent_cli.encoders.contract import Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.ensemble import find_probe
from mmsent_cli.ensemble import lexicon as lexicon_module
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.extras import load_openvino
from mmsent_cli.inference.export.graph import IDS, PIXELS, EnsembleGraph, write_onnx
from mmsent_cli.inference.predictor import Predictor

FILES = Path(__file__).parent / "files"
MODEL = "model.json"
SCRIPT = "predict.py"
CARD = "README.md"
Format = Literal["onnx", "openvino"]
OWN_IMPORT = "from mmsent_cli.data.text import clean"


def require_exportable(model: ensemble.Ensemble) -> None:
    """Check that all members of the ensemble can be exported.

    Raises:
        ConfigError: a probe reads the text or the faces in images.
    """
    if model.reads_ocr:
        raise ConfigError(
            "a probe of this ensemble reads the text in images, which an exported model cannot do",
            "train without the probes ocr, ocr-characters and minilm-ocr",
        )
    own = [name.partition(":")[2] for name, encoder in model.auxiliary_encoders.items() if encoder.own_engine]
    if own:
        raise ConfigError(
            f"a probe of this ensemble reads the {own[0]} in images, which an exported model cannot do",
            f"train without the probe {own[0]}",
        )


def write_folder(predictor: Predictor, folder: Path, kind: Format) -> None:
    """Write model, tokenizers, labels and script into an empty folder.

    Args:
        predictor: the model in fp32, computed by torch.
        folder: an existing, empty folder.
        kind: format of the exported model.
    """
    require_exportable(predictor.ensemble)
    graph = EnsembleGraph(predictor.ensemble)
    write_onnx(graph, folder / "model.onnx")
    if kind == "openvino":
        _to_openvino(folder)
    _write_json(folder / MODEL, _spec(predictor, graph, folder))
    for name in graph.counted():
        _write_ngrams(predictor.ensemble, name, folder)
    _copy_code(folder, list(graph.counted()))


def replace_folder(new: Path, out: Path, force: bool) -> None:
    """Rename a finished folder to its final name. With `force`, an earlier export of that name is removed."""
    require_free(out, force)
    if out.exists():
        shutil.rmtree(out)
    new.replace(out)


def require_free(out: Path, force: bool) -> None:
    """Check that `out` may be written.

    Raises:
        ConfigError: `out` exists. With `force`: `out` exists and is not an exported model.
    """
    if not out.exists() and not out.is_symlink():
        return
    if not force:
        raise ConfigError(f"{out} exists already", "choose another --out, or overwrite it with --force")
    if out.is_symlink() or not (out / MODEL).is_file() or not (out / SCRIPT).is_file():
        raise ConfigError(f"{out} exists and is not an exported model, so it is not replaced", "choose another --out")


def run_script(folder: Path, pairs: Sequence[Pair]) -> list[dict[str, float]]:
    """Run the exported script in a separate process, and return the probabilities of the pairs.

    Raises:
        MmsentError: the script fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        lines = [json.dumps(_line(pair, Path(scratch)), ensure_ascii=False) for pair in pairs]
        data = Path(scratch, "pairs.jsonl")
        data.write_text("\n".join(lines), encoding="utf-8")
        command = [sys.executable, str(folder / SCRIPT), "--data", str(data)]
        environment = os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise MmsentError(
            f"the exported script fails: {why}", f"to see the error, run: python {folder / SCRIPT} --text hello"
        )
    return [json.loads(line)["probabilities"] for line in done.stdout.splitlines()]


def _line(pair: Pair, scratch: Path) -> dict[str, str | None]:
    """Return a pair as a line of the script's input. If its image is in memory, write the image to a file."""
    image = pair.image
    if isinstance(image, bytes):
        image = scratch / f"{len(list(scratch.iterdir()))}.image"
        image.write_bytes(pair.image if isinstance(pair.image, bytes) else b"")
    return {"text": pair.text, "image": None if image is None else str(image.resolve())}


def _to_openvino(folder: Path) -> None:
    """Replace the ONNX file by the two files of OpenVINO."""
    try:
        openvino = load_openvino()
    except ImportError as error:
        message = f"--to openvino needs OpenVINO, which cannot be loaded: {error}"
        raise ConfigError(message, "pip install openvino, or use --to onnx") from error
    model = openvino.convert_model(folder / "model.onnx")
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    for part in folder.glob("model.onnx*"):
        part.unlink()


def _spec(predictor: Predictor, graph: EnsembleGraph, folder: Path) -> dict[str, Any]:
    """Return the content of `model.json`, from which the script reads its settings. Also write the tokenizers."""
    model, auxiliary = predictor.model, predictor.ensemble.auxiliary_encoders
    encoders: dict[str, Encoder[Any]] = {IDS: model.text, PIXELS: model.image}
    encoders |= {graph.inputs_of[name]: encoder for name, encoder in auxiliary.items()}
    spec: dict[str, Any] = {}
    for name, inputs in ((name, encoder.inputs) for name, encoder in encoders.items()):
        if isinstance(inputs, ImageInputs):
            continue
        file = "tokenizer.json" if name == IDS else f"tokenizer-{name}.json"
        inputs.tokenizer.save(str(folder / file))
        spec[name] = {"tokenizer": file, "cleaning": list(inputs.cleaning), "pad_id": inputs.pad_id}
    return {
        "format": "mmsent export",
        "run": predictor.description.run,
        "labels": list(predictor.description.labels),
        "image_sizes_px": {
            name: encoder.inputs.image_size_px
            for name, encoder in encoders.items()
            if isinstance(encoder.inputs, ImageInputs)
        },
        "texts": spec,
        "features": list(graph.counted()),
    }


def _write_ngrams(model: ensemble.Ensemble, name: str, folder: Path) -> None:
    (probe,) = (each for each in model.probes if each.name == name)
    if probe.characters is not None:
        content = {"ngrams": list(probe.characters.ngrams), "idf": probe.characters.idf.tolist()}
        _write_json(folder / f"{name}.json", content)


def _copy_code(folder: Path, counted: Sequence[str]) -> None:
    """Write the script, and the functions of mmsent that it needs, each to its own file."""
    names = [SCRIPT, *(["features.py"] if counted else [])]
    for name in names:
        shutil.copyfile(FILES / name, folder / name)
    shutil.copyfile(str(text_module.__file__), folder / "clean.py")
    if any(find_probe(name).features == "lexicon" for name in counted):
        source = Path(str(lexicon_module.__file__)).read_text(encoding="utf-8")
        (folder / "lexicon.py").write_text(source.replace(OWN_IMPORT, "from clean import clean"), encoding="utf-8")


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
