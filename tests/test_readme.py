"""Every command and every Python line of README and docs/ is run as a reader would, made small, or at least parsed."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from mmsent_cli.commands.app import app
from tests.commands.running import QUICK, small_lab, succeed
from tests.data.builders import image_bytes

ROOT = Path(__file__).parents[1]
DOCS = (
    "data",
    "check",
    "python",
    "predict",
    "evaluate",
    "compare",
    "results",
    "runs",
    "explain",
    "serve",
    "export",
    "ablate",
    "encoders",
    "trackers",
    "scaling",
    "train",
    "inspect-encoding",
    "experiments",
)
PAGES = (
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in DOCS),
    ROOT / "CONTRIBUTING.md",
    ROOT / "README.zh-CN.md",
)
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a Typer application is a group
SMALL = {
    "train": (*QUICK, "--epochs", "1"),
    "tune": (*QUICK, "--epochs", "1", "--rates", "1", "--decays", "0.01", "--trials", "3"),
    "compare-fusions": (*QUICK, "--epochs", "1", "--seeds", "1", "--fusions", "concat,gmu"),
    "augment-compare": (*QUICK, "--epochs", "1", "--seeds", "1"),
    "ablate": ("--emap-pairs", "2"),
    "explain": ("--grid", "2"),
    "export": ("--check-pairs", "2", "--force"),
    "env": ("--offline", "--no-timing"),
}
"""Options added to a command so that it ends in seconds."""
ONLY_PARSED = (
    "ray",
    "paper",
    "--exclude-labels",
    "--label-map",
    "serve",
    "openvino",
    "concat,concat",
    "ocr",
    "faces",
    "later.csv",
    "posts.jsonl",
    "new.csv",
    "labelled.csv",
    "language",
    "light",
    "RUN1",
    "a.csv",
    "a0,a1,a2",
    "weights",
)
"""Words of commands that take too long, or need what the tests do not have."""
SMALL_PYTHON = 'encoders="light", image_size_px=32, batch_size=8, epochs=1'


def code_lines(page):
    """The lines of a page's code blocks, fenced or indented."""
    text = page.read_text(encoding="utf-8")
    fenced = [line for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    return [*fenced, *(line[4:] for line in text.splitlines() if line.startswith("    "))]


def commands(pages=PAGES):
    """Every `mmsent` command line of the pages, each once."""
    lines = [line for page in pages for line in code_lines(page) if line.startswith("mmsent ")]
    words = [tuple(shlex.split(line, comments=True)[1:]) for line in lines]
    return list(dict.fromkeys(words))


def python_blocks():
    """The Python of each page, in order, as one script a page."""
    scripts = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        indented = re.findall(r"(?m)(?:^    .*\n|^\n)+", text)
        blocks += [
            re.sub(r"(?m)^    ", "", block) for block in indented if "import" in block and "mmsent " not in block
        ]
        if blocks:
            scripts.append((page.name, "\n".join(blocks)))
    return scripts


@pytest.fixture
def reader(tmp_path, monkeypatch, undrawn):
    """The folder of a reader: data in `data`, a manifest, a photo."""
    monkeypatch.chdir(tmp_path)
    small_lab(tmp_path / "data")
    (tmp_path / "photo.jpg").write_bytes(image_bytes())
    rows = [line.split(",") for line in (tmp_path / "data" / "train.txt").read_text().splitlines()[1:]]
    lines = [
        f"{guid},word {guid},{image},{tag}" for guid, tag in rows for image in (tmp_path / "data").rglob(f"{guid}.jpg")
    ]
    (tmp_path / "pairs.csv").write_text("\n".join(["guid,text,image,tag", *lines]) + "\n")
    return tmp_path


def test_the_pages_hold_what_these_tests_look_for():
    assert len(commands()) > 12
    in_readme = {words[0] for words in commands(PAGES[:1])}
    in_docs = {words[0] for words in commands(PAGES[1 : 1 + len(DOCS)])}
    assert in_readme == in_docs == set(COMMANDS)
    assert len(python_blocks()) >= 2


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_one_that_mmsent_takes(words):
    with COMMANDS[words[0]].make_context(words[0], list(words[1:])):
        pass


def test_the_commands_run_in_the_order_of_the_page(reader):
    ran, done = [], set()
    for words in commands():
        if set(words) & set(ONLY_PARSED) or any(word.endswith("=") for word in words):
            continue
        (reader / "submission.txt").unlink(missing_ok=True)
        asked = ["data" if word in ("FOLDER", "DIR") and "--convert-to" not in words else word for word in words]
        if "--preset" in asked:  # a preset takes minutes
            place = asked.index("--preset")
            asked = [*asked[:place], *asked[place + 2 :]]
        if tuple(asked) in done:  # but for its preset, it has run
            continue
        done.add(tuple(asked))
        succeed(*asked, *(SMALL.get(words[0], ()) if "--list" not in words and "--resume" not in words else ()))
        ran.append(words[0])
    assert set(ran) == set(COMMANDS) - {"paper", "compare", "serve"}


@pytest.mark.shared_cache
@pytest.mark.parametrize(("page", "script"), python_blocks(), ids=lambda value: value[:12])
def test_the_python_of_the_page_runs(reader, page, script):
    small = re.sub(r'preset="\w+"', SMALL_PYTHON, script)
    exec(compile(small, page, "exec"), {"__name__": page})
