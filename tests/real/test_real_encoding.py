"""The encoding decision on the real tweets, as they are and re-encoded: the true encoding, and every text the same."""

import random
from pathlib import Path

import pytest

from mmsent_cli.charsets.decide import Files, decide

FOLDER = Path(__file__).parents[3] / "shared" / "mvsa" / "data"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the real data set is not in ../shared/mvsa"),
]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """All tweets, decoded as the data set's own notes say."""
    return [path.read_bytes().decode("gb18030") for path in sorted(FOLDER.glob("*.txt"))]


def encodable(texts: list[str], codec: str) -> list[tuple[str, str]]:
    """Names and texts that an encoding can write."""
    kept = []
    for number, text in enumerate(texts):
        try:
            text.encode(codec)
        except UnicodeEncodeError:
            continue
        kept.append((str(number), text))
    return kept


def test_the_tweets_as_they_are():
    result = decide(Files(sorted(FOLDER.glob("*.txt")))).result
    assert (result.encoding, result.decided, result.files) == ("gb18030", True, 4511)
    assert (result.non_ascii_files, result.undecodable, result.exceptions) == (1063, 0, ())


@pytest.mark.parametrize(
    ("codec", "least_non_ascii"),
    [
        ("cp1252", 900), ("utf-8", 1000), ("cp1251", 800), ("cp949", 800), ("big5", 800), ("shift_jis", 800),
        ("euc-jp", 800), ("mac-roman", 800), ("koi8-r", 10),
    ],
)  # fmt: skip
def test_the_tweets_in_another_encoding(texts, codec, least_non_ascii):
    kept = encodable(texts, codec)
    report = decide([(name, text.encode(codec)) for name, text in kept])
    assert (report.result.encoding, report.result.decided, report.result.undecodable) == (codec, True, 0)
    assert report.result.non_ascii_files >= least_non_ascii
    wrong = [
        text for _, text in kept if report.decision.decode(text.encode(codec)) != (text.encode(codec).decode(codec), 0)
    ]
    assert wrong == []


@pytest.mark.parametrize("utf8_share", [0.9, 0.5, 0.1])
def test_the_tweets_in_two_encodings(texts, utf8_share):
    draw = random.Random(1)
    raws = [text.encode("utf-8" if draw.random() < utf8_share else "gb18030") for text in texts]
    report = decide([(str(number), raw) for number, raw in enumerate(raws)])
    assert report.result.decided and report.result.undecodable == 0
    assert [report.decision.decode(raw).text for raw in raws] == texts
