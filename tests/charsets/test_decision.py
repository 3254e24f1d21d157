"""Reading documents by a decision: any bytes, any text; forced encodings; and the decision that is remembered."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsent_cli.charsets import decide as encoding
from mmsent_cli.charsets.codecs import CODECS, is_strict, marked_codec, require_codec
from mmsent_cli.charsets.decide import decide, decide_cached
from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.charsets.places import places
from mmsent_cli.errors import ConfigError
from tests.charsets.encoding_texts import encoded


@given(text=st.text(max_size=60), codec=st.sampled_from((*CODECS, "utf-16-le", "utf-7", "cp037")))
def test_a_forced_encoding_gives_back_what_it_wrote(text, codec):
    raw = text.encode(codec, errors="ignore")
    decision = decide([], forced=codec).decision
    if is_strict(raw, codec) and not marked_codec(raw):
        assert decision.decode(raw) == (raw.decode(codec), 0)


@settings(max_examples=200)
@given(raw=st.binary(max_size=80), codec=st.sampled_from(CODECS), odds=st.sampled_from((None, -8.0, 0.0, 8.0)))
def test_decoding_never_raises_and_never_drops_a_byte(raw, codec, odds):
    decision = EncodingDecision(codec, legacy=codec, utf8_log_odds=odds)
    text, replaced = decision.decode(raw)
    read_with = decision.codec_of(raw)
    assert is_strict(raw, read_with) == (replaced == 0)
    kept = text.replace("\ufffd", "").encode(read_with, errors="surrogateescape")
    assert len(kept) >= len(raw) - 3 * replaced - len("\ufeff".encode("utf-32"))


@given(raw=st.binary(max_size=60), codec=st.sampled_from(CODECS))
def test_the_places_of_a_document_fail_exactly_where_it_fails(raw, codec):
    assert is_strict(places(raw), codec) == is_strict(raw, codec)


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_corpus_gets_an_answer(raws):
    report = decide([(str(n), raw) for n, raw in enumerate(raws)])
    assert report.result.files == len(raws)
    assert EncodingDecision.from_dict(json.loads(json.dumps(report.decision.to_dict()))) == report.decision


# Forced encodings, and the cache


def test_a_forced_encoding_reads_valid_utf8_only_where_it_fails_itself():
    decision = decide([], forced="GB18030-2000").decision
    assert decision.encoding == "gb18030"
    assert decision.decode("笑".encode("gb18030")) == ("笑", 0), "these bytes are UTF-8 too"
    assert decision.decode("…".encode()) == ("…", 0)


@pytest.mark.parametrize("name", ["gb18031", "base64", "idna", "", "nonsense\0"])
def test_an_unknown_encoding_lists_the_known_ones(name):
    with pytest.raises(ConfigError) as error:
        require_codec(name)
    assert "gb18030" in error.value.hint


def folder_of(path: Path, language: str, codec: str) -> list[Path]:
    path.mkdir()
    for name, raw in encoded(language, codec):
        (path / f"{name}.txt").write_bytes(raw)
    return sorted(path.iterdir())


def test_the_decision_is_recalled_until_a_file_changes(tmp_path, monkeypatch):
    paths, cache = folder_of(tmp_path / "texts", "russian", "koi8-r"), tmp_path / "cache"
    first = decide_cached(paths, "auto", cache)
    assert first.encoding == "koi8-r"
    with monkeypatch.context() as patch:
        patch.setattr(encoding, "read_corpus", lambda *_: pytest.fail("decided again"))
        assert decide_cached(paths, "auto", cache) == first
    for path, (_, raw) in zip(paths, encoded("korean", "cp949"), strict=True):
        path.write_bytes(raw)
    assert decide_cached(paths, "auto", cache).encoding == "cp949"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"encoding": "nonsense"}', b'{"encoding": 3}', b"\xff"])
def test_a_corrupt_cache_is_decided_again(tmp_path, content):
    paths, cache = folder_of(tmp_path / "texts", "russian", "koi8-r"), tmp_path / "cache"
    first = decide_cached(paths, "auto", cache)
    (kept,) = cache.iterdir()
    kept.write_bytes(content)
    assert decide_cached(paths, "auto", cache) == first
    assert json.loads(kept.read_bytes()) == first.to_dict()


def test_a_cache_that_cannot_be_written_does_not_stop_the_decision(tmp_path):
    paths = folder_of(tmp_path / "texts", "russian", "koi8-r")
    (tmp_path / "file").write_text("")
    assert decide_cached(paths, "auto", tmp_path / "file" / "cache").encoding == "koi8-r"


def test_a_file_that_cannot_be_read_is_left_to_its_user(tmp_path):
    paths = folder_of(tmp_path / "texts", "russian", "koi8-r")
    decision = decide_cached([*paths, tmp_path / "missing.txt"], "auto", tmp_path / "cache")
    assert decision.encoding == "koi8-r"


def test_a_forced_encoding_reads_no_file(tmp_path):
    assert decide_cached([tmp_path / "missing.txt"], "big5", tmp_path / "cache").encoding == "big5"
    assert not (tmp_path / "cache").exists()
