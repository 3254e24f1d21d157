"""Outputs that the user names: written directly or refused; nothing but a plain file is ever replaced."""

import os
import socket
import stat
from pathlib import Path

import pytest

from mmsent_cli.errors import MmsentError
from mmsent_cli.files import atomic_write
from mmsent_cli.outputs import open_output, require_no_input, require_writable


def write(path, text="all of it"):
    with open_output(path) as stream:
        stream.write(text)


@pytest.fixture
def reader(tmp_path):
    """A pipe with a reader that has not read yet."""
    os.mkfifo(tmp_path / "pipe")
    number = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    yield tmp_path / "pipe", number
    os.close(number)


def test_a_pipe_is_written_to_directly(reader):
    path, number = reader
    for force in (False, True):
        require_writable(path, force)
        write(path)
        assert os.read(number, 100) == b"all of it"
    assert stat.S_ISFIFO(path.lstat().st_mode)
    assert len(list(path.parent.iterdir())) == 1


def test_a_link_to_a_pipe_is_written_to_directly_as_that_of_standard_output(reader):
    path, number = reader
    link = path.with_name("link")
    link.symlink_to(path)
    require_writable(link, force=False)
    write(link)
    assert os.read(number, 100) == b"all of it"
    assert link.is_symlink()


def test_a_pipe_without_a_reader_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MmsentError, match="nothing reads"):
        write(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").lstat().st_mode)


def test_a_reader_that_ends_is_an_expected_failure(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    number = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(MmsentError, match="reader"), open_output(tmp_path / "pipe") as stream:
        os.close(number)
        stream.write("all of it")


def test_a_device_is_written_to_directly(tmp_path):
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        device.open("w").close()
    except OSError:
        pytest.skip("only root may make a device")
    require_writable(device, force=False)
    write(device)
    assert stat.S_ISCHR(device.lstat().st_mode)


def other_kinds(folder):
    """Names of what is neither a plain file nor a stream."""
    (folder / "file").write_text("mine")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("file")
    (folder / "dangling").symlink_to("nothing")
    (folder / "loop").symlink_to("loop")
    (folder / "to-folder").symlink_to("folder")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket"))
    return ("folder", "link", "dangling", "loop", "to-folder", "socket")


ACTS = (lambda path: require_writable(path, True), write, lambda path: atomic_write(path, b""))


@pytest.mark.parametrize("act", ACTS)
def test_what_is_no_plain_file_is_never_replaced(tmp_path, monkeypatch, act):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    names = other_kinds(Path())
    before = {path.name: path.lstat() for path in Path().iterdir()}
    for name in names:
        with pytest.raises(MmsentError, match=name):
            act(Path(name))
    after = {path.name: path.lstat() for path in Path().iterdir()}
    assert {name: (one.st_ino, one.st_mode) for name, one in after.items()} == {
        name: (one.st_ino, one.st_mode) for name, one in before.items()
    }
    assert Path("file").read_text() == "mine"


def test_what_appears_meanwhile_is_not_replaced(tmp_path):
    with pytest.raises(MmsentError, match="link"), open_output(tmp_path / "out") as stream:
        stream.write("all of it")
        (tmp_path / "out").symlink_to("elsewhere")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_input_is_never_the_output_under_no_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pairs.csv").write_text("mine")
    Path("hard.csv").hardlink_to("pairs.csv")
    Path("folder").symlink_to(".")
    for name in ("pairs.csv", "hard.csv", "folder/pairs.csv", str(tmp_path / "pairs.csv")):
        with pytest.raises(MmsentError, match="an input of this command"):
            require_writable(Path(name), force=True, inputs=[Path("nothing"), Path("pairs.csv")])
    require_no_input(Path("new.csv"), [Path("pairs.csv")])


def test_standard_output_and_a_file_of_that_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    require_writable(Path("-"), force=False)
    write(Path("-"))
    assert capsys.readouterr().out == "all of it"
    assert list(tmp_path.iterdir()) == []
    write(Path("./-").absolute())
    assert Path("./-").absolute().read_text() == "all of it"


@pytest.mark.parametrize("name", ["x" * 250 + ".csv", "é" * 120, "a b\nc"])
def test_any_name_that_the_system_allows_can_be_written(tmp_path, name):
    write(tmp_path / name)
    assert (tmp_path / name).read_text() == "all of it"
    assert len(list(tmp_path.iterdir())) == 1
