"""Reading documents by a decision: any bytes, any text; forced encodings; and the decision that is remembered."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsent_cli.charsets import decide as encoding
from mmsent_cli.charsets.corpus import CODECS, is_strict, marked_codec, places, require_codec, utf8_lead
from mmsent_cli.charsets.decide import decide, decide_cached
from mmsent_cli.charsets.decision import EncodingDecision
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


def test_the_places_of_a_document_have_four_bytes_on_either_side_and_no_line_ends():
    assert places(b"a caf\xe9\r\n\xe8 long text \xfc.") == b" caf\xe9  \xe8 lon\next \xfc."


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_corpus_gets_an_answer(raws):
    report = decide([(str(n), raw) for n, raw in enumerate(raws)])
    assert report.result.files == len(raws)
    assert EncodingDecision.from_dict(json.loads(json.dumps(report.decision.to_dict()))) == report.decision


CUT = "今日はとても天気がいいですね".encode()[:-1]
"""UTF-8 cut inside its last character. Latin-1 and KOI8-R can read it, cp1252 and Shift-JIS cannot."""


@pytest.mark.parametrize(
    ("raw", "legacy", "odds", "codec"),
    [
        (CUT, "latin-1", 0.0, "latin-1"),  # no valid UTF-8: it does not win where half of the files are not UTF-8
        (CUT, "koi8-r", -2.0, "koi8-r"),
        (CUT, "latin-1", 1.0, "utf-8"),  # in a corpus of UTF-8 it may be cut
        (CUT, "cp1252", -8.0, "utf-8"),  # which its legacy encoding could not read either
        (CUT, "shift_jis", 0.0, "utf-8"),
        (b"caf\xe9", "cp1252", 3.0, "cp1252"),  # é alone is far more plausible than a damaged character
        (b"caf\xe9", "cp1252", 0.0, "cp1252"),
        ("café".encode(), "cp1252", -3.0, "utf-8"),  # valid, and Ã© is improbable
        ("café".encode(), None, 0.0, "utf-8"),
        (b"caf\xe9", None, 0.0, "utf-8"),  # in a corpus without legacy files nothing else can win
        (b"cafe", "cp1252", 0.0, "ascii"),
        (b"caf\xe9", "cp1252", None, "cp1252"),
        ("今".encode(), "shift_jis", None, "utf-8"),  # named, but it fails, and UTF-8 does not
        (b"\xff", "shift_jis", None, "shift_jis"),
        ("é".encode(), "cp1252", -utf8_lead("é".encode(), "cp1252"), "cp1252"),  # a tie
        ("é".encode() * 1000, "cp1252", -1e9, "cp1252"),
        ("é".encode() * 1000 + b".", "cp1252", -1e9, "utf-8"),  # more than 2,000 valid bytes
    ],
)
def test_the_codec_of_a_document_by_hand(raw, legacy, odds, codec):
    decision = EncodingDecision(legacy or "utf-8", legacy=legacy, utf8_log_odds=odds)
    assert decision.codec_of(raw) == codec


def test_prior_odds_are_those_of_the_files():
    """10 UTF-8 files and 20 others: ln(10.5 / 20.5). A single UTF-8 file: ln(1.5 / 20.5). None: ln(0.5 / 10.5)."""
    legacy = [(f"k{n}", raw) for n, (_, raw) in enumerate(encoded("russian", "koi8-r") * 2)]
    utf8 = [(f"u{n}", raw) for n, (_, raw) in enumerate(encoded("russian", "utf-8"))]
    mixed, plain = decide(legacy + utf8).decision, decide(legacy[:10]).decision
    assert (mixed.encoding, mixed.legacy) == (plain.encoding, plain.legacy) == ("koi8-r", "koi8-r")
    assert mixed.utf8_log_odds == pytest.approx(math.log(10.5 / 20.5))
    assert plain.utf8_log_odds == pytest.approx(math.log(0.5 / 10.5))
    assert decide(legacy + utf8[:1]).decision.utf8_log_odds == pytest.approx(math.log(1.5 / 20.5))
    turned = decide(legacy[:4] + utf8).decision
    assert (turned.encoding, turned.legacy) == ("utf-8", "koi8-r")
    assert turned.utf8_log_odds == pytest.approx(math.log(10.5 / 4.5))
    assert decide(utf8).decision == EncodingDecision("utf-8")


# Forced encodings, and the cache


def test_a_forced_encoding_reads_valid_utf8_only_where_it_fails_itself():
    decision = decide([], forced="GB18030-2000").decision
    assert decision.encoding == "gb18030"
    assert decision.decode("笑".encode("gb18030")) == ("笑", 0), "these bytes are UTF-8 too"
    assert decision.decode("…".encode()) == ("…", 0)


@pytest.mark.parametrize("name", ["gb18031", "base64", "idna", "unicode_escape", "", "nonsense\0"])
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
