"""The pairs that are measured on: files of a lab folder, repeated in a temporary one."""

import os
from itertools import cycle, islice
from pathlib import Path

from mmsent_cli.config import DataConfig
from mmsent_cli.data.layouts import labelled_rows, locate

TRAIN, TEST = "train.txt", "test_without_label.txt"


def make_pairs(source: Path, folder: Path, count: int, has_tags: bool = True) -> Path:
    """A lab folder of `count` pairs.

    The first use of a file is a link. With tags, a repeated one is a copy with its number at the end (which no decoder
    reads), since the feature store would see through equal files and compute them once. Without, it is a link as well.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    located = locate(str(source))
    rows = labelled_rows(located, DataConfig(data=str(source)))
    lines = ["guid,tag"]
    for number, row in enumerate(islice(cycle(rows), count)):
        round_number = number // len(rows)
        for path in (row.text_path, row.image):
            if path is not None:
                target = data / f"{number}{path.suffix.lower()}"
                _repeat(path, target, round_number if has_tags else 0)
        lines.append(f"{number},{row.tag if has_tags else 'null'}")
    (folder / (TRAIN if has_tags else TEST)).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _repeat(path: Path, target: Path, round_number: int) -> None:
    if round_number:
        target.write_bytes(path.read_bytes().rstrip(b"\n") + f" {round_number}".encode())
        return
    try:
        os.link(path.resolve(), target)
    except OSError:  # another file system
        target.symlink_to(path.resolve())
