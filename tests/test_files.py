"""Output files: whole or not at all, and places that cannot be written."""

import errno
import os
from pathlib import Path

import pytest

from mmsent_cli import files
from mmsent_cli.errors import MmsentError
from mmsent_cli.files import atomic_path, atomic_write, cache_note, default_cache_dir
from mmsent_cli.outputs import require_writable


def test_a_file_appears_with_its_folder(tmp_path):
    path = tmp_path / "a" / "b" / "file.txt"
    atomic_write(path, b"all of it")
    assert path.read_bytes() == b"all of it"
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_of_the_earlier_file_keeps_it_whole(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    os.link(path, tmp_path / "same")
    atomic_write(path, b"new")
    assert ((tmp_path / "same").read_text(), path.read_text()) == ("old", "new")


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), ValueError(), KeyboardInterrupt()])
def test_a_failure_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises((MmsentError, type(error))), atomic_path(path) as hidden:
        hidden.write_text("new")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_names_the_file_and_says_what_to_do(tmp_path):
    with pytest.raises(MmsentError) as caught, atomic_path(tmp_path / "file.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(tmp_path / "file.txt") in caught.value.message
    assert "free some space" in caught.value.hint


def test_errors_of_other_files_pass_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "file.txt"):
        (tmp_path / "input.txt").read_bytes()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_refusal_of_the_system_is_an_expected_failure(tmp_path, monkeypatch, number):
    def refuse(self, *_):
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(MmsentError) as caught:
        atomic_write(tmp_path / "file.txt", b"")
    assert str(tmp_path / "file.txt") in caught.value.message


def test_a_place_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    for act in (lambda path: atomic_write(path, b""), lambda path: require_writable(path, force=True)):
        with pytest.raises(MmsentError) as caught:
            act(tmp_path / "file" / "deep" / "new.txt")
        assert "new.txt" in caught.value.message


def test_what_may_be_written(tmp_path, monkeypatch):
    (tmp_path / "old.txt").write_text("")
    require_writable(tmp_path / "old.txt", force=True)
    require_writable(tmp_path / "new" / "deep" / "file.txt", force=False)
    monkeypatch.chdir(tmp_path)
    require_writable(Path("file.txt"), force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]


def test_what_may_not_be_written(tmp_path, monkeypatch):
    (tmp_path / "old.txt").write_text("")
    for path, force in ((tmp_path / "old.txt", False), (tmp_path, True), (tmp_path / ("x" * 300), True)):
        with pytest.raises(MmsentError):
            require_writable(path, force)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(MmsentError):
        require_writable(tmp_path / "new.txt", force=True)


def test_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MMSENT_CACHE", str(tmp_path / "named"))
    assert default_cache_dir() == tmp_path / "named"
    assert default_cache_dir(str(tmp_path / "given")) == tmp_path / "given"
    monkeypatch.delenv("MMSENT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert tmp_path / "home" in default_cache_dir().parents
    (tmp_path / "file").write_text("")
    with pytest.raises(MmsentError):
        default_cache_dir(str(tmp_path / "file"))


@pytest.mark.parametrize("place", ["file/cache", "no-home", "locked"])
def test_without_a_home_the_cache_is_a_temporary_folder_and_that_is_reported(tmp_path, monkeypatch, place):
    (tmp_path / "file").touch()
    (tmp_path / "locked").mkdir()
    monkeypatch.delenv("MMSENT_CACHE")
    system = "~/.cache/mmsent" if place == "no-home" else str(tmp_path / place)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: system)
    if place == "locked":
        monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.chdir(tmp_path)
    files._temporary_cache.cache_clear()
    folder = default_cache_dir()
    assert folder.is_dir() and tmp_path not in folder.parents
    assert system in cache_note() and "--cache-dir" in cache_note()
    assert default_cache_dir() == folder == Path(os.environ["MMSENT_CACHE"])
    assert not Path("~").exists()
    files._temporary_cache.cache_clear()
    folder.rmdir()
    assert cache_note() == ""


def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match="it is a pipe, not a file"):
            files.read_plain(tmp_path / name)
    (tmp_path / "plain").write_bytes(b"x")
    assert files.read_plain(tmp_path / "plain") == b"x"
