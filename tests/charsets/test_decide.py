"""The encoding decision: right on texts of many languages, honest where it cannot know, and it never loses a byte.

All sentences were written for these tests.
"""

import math
import random

import pytest

from mmsent_cli.charsets.corpus import MAX_EVIDENCE_BYTES, MAX_FILE_BYTES, Evidence, is_strict, marked_codec, places
from mmsent_cli.charsets.decide import decide, require_decided
from mmsent_cli.charsets.plausibility import log_plausibility
from mmsent_cli.charsets.vote import Decoding, outcome_of, vote
from mmsent_cli.errors import DataError
from tests.charsets.encoding_texts import ENCODED, SENTENCES, encoded, misread


def test_every_language_is_written_in_some_encoding():
    assert {language for language, _ in ENCODED} == set(SENTENCES)
    assert all(len(encoded(*each)) >= 7 for each in ENCODED)


@pytest.mark.parametrize(("language", "codec"), ENCODED)
def test_a_handful_of_sentences_names_its_encoding(language, codec):
    documents = encoded(language, codec)
    report = decide(documents)
    assert (report.result.encoding, report.result.decided, report.result.undecodable) == (codec, True, 0)
    assert misread(report.decision, documents, codec) == []


@pytest.mark.parametrize(("language", "codec"), ENCODED)
def test_few_sentences_are_right_or_undecided(language, codec):
    documents, draw = encoded(language, codec), random.Random(3)
    for few in [*([each] for each in documents), *(draw.sample(documents, size) for size in (2, 2, 3, 3))]:
        decision = decide(few).decision
        assert not decision.decided or misread(decision, few, codec) == []


@pytest.mark.parametrize(
    ("written", "reported", "texts"),
    [
        ("latin-1", "cp1252", "french"),
        ("euc-kr", "cp949", "korean"),
        ("gbk", "gb18030", "simplified"),
        ("cp949", "cp949", "korean"),
    ],
)
def test_the_general_name_is_reported_for_encodings_that_read_alike(written, reported, texts):
    result = decide(encoded(texts, written)).result
    assert (result.encoding, result.decided) == (reported, True)


def test_a_variant_is_named_where_the_usual_codec_fails():
    plain = encoded("japanese", "shift_jis")
    marked = [(f"number-{n}", f"{sign}番の問題です".encode("cp932")) for n, sign in enumerate("①②③④")]
    assert decide(plain).result.encoding == "shift_jis"
    assert decide(plain + marked).result.encoding == "cp932"


def test_a_candidate_that_reads_all_alike_is_no_rival():
    result = decide(
        [(str(n), f"{word}\x85 and {word}\x92s".encode("latin-1")) for n, word in enumerate("abcdefgh")]
    ).result
    same = {each.encoding for each in result.candidates if each.score == result.candidates[0].score}
    assert {"cp1252", "cp1250", "cp1254"} <= same
    assert result.encoding == "cp1252" and result.decided and result.margin > 12


@pytest.mark.parametrize("utf8_share", [0.9, 0.1])
@pytest.mark.parametrize(
    ("language", "codec"), [("simplified", "gb18030"), ("japanese", "gb18030"), ("french", "cp1252")]
)
def test_a_mixed_corpus_comes_out_right_per_file(utf8_share, language, codec):
    draw = random.Random(5)
    texts = [f"{sentence} {n}" for n in range(12) for sentence in SENTENCES[language]]
    is_utf8 = [draw.random() < utf8_share for _ in texts]
    documents = [(str(n), text.encode("utf-8" if is_utf8[n] else codec)) for n, text in enumerate(texts)]
    report = decide(documents)
    assert [report.decision.decode(raw).text for _, raw in documents] == texts
    assert report.result.encoding == ("utf-8" if utf8_share > 0.5 else codec)
    few = sum(not raw.isascii() and is_utf8[n] == (utf8_share < 0.5) for n, (_, raw) in enumerate(documents))
    assert len(report.result.exceptions) == few > 0
    assert {each.encoding for each in report.result.exceptions} == {codec if utf8_share > 0.5 else "utf-8"}


def test_ascii_alone_is_ascii():
    result = decide([("a", b"plain"), ("b", b"words")]).result
    assert (result.encoding, result.decided, result.non_ascii_files, result.candidates) == ("ascii", True, 0, ())


def test_utf8_is_decided_by_its_form_even_in_one_file():
    result = decide([("a", "café".encode()), ("b", b"plain")]).result
    assert (result.encoding, result.decided, result.undecodable) == ("utf-8", True, 0)


def test_utf8_cut_inside_a_character_stays_utf8_and_is_counted():
    documents = [(f"{n}{m}", text.encode()) for m in range(9) for n, text in enumerate(SENTENCES["french"])]
    report = decide([*documents, ("cut", "à bientôt, c'est noté…".encode()[:-1])])
    assert report.result.encoding == "utf-8"
    assert (report.result.undecodable, report.result.replaced_characters) == (1, 1)
    assert [(each.name, each.encoding) for each in report.result.exceptions] == [("cut", None)]


@pytest.mark.parametrize(("count", "last", "bytes_kept"), [(1, "é", 1), (8, "é", 1), (8, "…", 2)])
def test_lone_characters_cut_in_a_utf8_corpus_are_not_taken_for_another_encoding(count, last, bytes_kept):
    intact = [(f"{n}{m}", f"{m} {text}".encode()) for m in range(20) for n, text in enumerate(SENTENCES["french"])]
    words = ("caf", "abb", "th", "pr", "bl", "gr", "cl", "canap")[:count]
    cut = [(f"cut-{word}", word.encode() + last.encode()[:bytes_kept]) for word in words]
    report = decide(intact + cut)
    assert (report.result.encoding, report.result.decided) == ("utf-8", True)
    assert {each.name for each in report.result.exceptions} == {name for name, _ in cut}
    assert report.result.replaced_characters == len(cut)


def test_the_share_of_utf8_keeps_cut_files_from_inventing_a_second_encoding():
    intact = [(f"{n}-{m}", f"{m} {text}".encode()) for m in range(100) for n, text in enumerate(SENTENCES["french"])]
    cut = [(f"cut-{n}", bytes([97 + n]) + b" caf" + "é".encode()[:1]) for n in range(25)]
    report = decide(intact + cut)
    assert (report.result.encoding, report.result.decided, report.result.undecodable) == ("utf-8", True, 25)
    assert report.decision.legacy is None


def test_an_odd_file_in_a_utf8_corpus_is_shown_as_damaged_rather_than_guessed():
    intact = [(f"{n}{m}", f"{m} {text}".encode()) for m in range(20) for n, text in enumerate(SENTENCES["french"])]
    result = decide([*intact, ("odd", b"caf\xe9 na\xefve")]).result
    assert (result.encoding, result.decided, result.undecodable, result.replaced_characters) == ("utf-8", True, 1, 2)


@pytest.mark.parametrize(("differing", "is_clear"), [(1, True), (2, True), (10, False), (100, False)])
def test_a_rival_counts_by_how_many_files_it_would_read_otherwise(differing, is_clear):
    evidence = [b"a\x85 "] * 100
    texts = ["a… "] * 100
    best = Decoding("cp1252", -300.0, tuple(texts))
    rival = Decoding("cp1254", -301.0, ("other",) * differing + tuple(texts[differing:]))
    assert outcome_of(evidence, [best, rival]).is_clear == is_clear


def outcome(totals, texts, high_bytes=10):
    """Decodings of so many files of one é each, whose ASCII bytes next to them have a total of their own."""
    files = [b"\xe9"] * high_bytes
    ranked = enumerate(zip(totals, texts, strict=True))
    return outcome_of(files, [Decoding(f"codec-{number}", total, text) for number, (total, text) in ranked])


def test_the_margin_is_the_lead_over_the_best_that_reads_otherwise():
    same, other = ("é",) * 10, ("щ",) * 10
    assert outcome((-20.0, -21.0, -33.5, -34.0), (same, same, other, other)).margin == 13.5
    assert outcome((-20.0, -21.0), (same, same)).margin == math.inf
    assert outcome((-20.0,), (same,)).margin == math.inf


@pytest.mark.parametrize(
    ("differing", "lead", "high_bytes", "best", "is_clear"),
    [
        (100, 12.0, 100, -300.0, True),
        (100, 11.9, 100, -300.0, False),
        (25, 6.0, 100, -300.0, True),  # a quarter of the files: half the lead
        (25, 5.9, 100, -300.0, False),
        (2, 0.1, 100, -300.0, True),  # 2 % need not be beaten
        (3, 0.1, 100, -300.0, False),
        (100, 50.0, 100, -800.0, True),  # -8 nats a byte
        (100, 50.0, 100, -801.0, False),
    ],
)
def test_how_large_a_lead_must_be(differing, lead, high_bytes, best, is_clear):
    same = ("é",) * high_bytes
    other = ("щ",) * differing + same[differing:]
    told = outcome((best, best - lead), (same, other), high_bytes)
    assert told.score(told.best) == best / high_bytes
    assert told.is_clear == told.has_lead == is_clear


def test_the_score_is_that_of_the_bytes_that_are_not_ascii():
    """The letter a has -3.6 at the start, and -0.3 - 2.9 after a letter."""
    lone = outcome_of([b"a\xe9"], [Decoding("cp1252", -10.0, ("aé",))])
    assert lone.score(lone.best) == pytest.approx(-10 + 0.7 + 2.9)
    several = outcome_of([b"a\xe9\xe9a\xe9", b"\xe9"], [Decoding("cp1252", -30.0, ("aééaé", "é"))])
    assert several.high_bytes == 4
    assert several.score(several.best) == pytest.approx((-30 + 0.7 + 2.9 + 0.3 + 2.9) / 4)


def test_seven_telling_bytes_are_too_few_and_eight_are_not():
    leads = [outcome((-20.0, -90.0), (("é",) * n, ("щ",) * n), n) for n in (7, 8)]
    assert [(each.has_lead, each.is_clear) for each in leads] == [(True, False), (True, True)]


def test_one_file_of_noise_leaves_utf8_decided():
    documents = [(str(n), text.encode()) for n, text in enumerate(SENTENCES["german"] * 8)]
    result = decide([*documents, ("noise", bytes(range(128, 256)))]).result
    assert (result.encoding, result.decided) == ("utf-8", True)


def test_bytes_that_are_utf8_by_chance_follow_the_corpus():
    documents = encoded("japanese", "gb18030")
    laugh = "今日 (笑) www".encode("gb18030"), "(笑) www".encode("gb18030")
    assert is_strict(laugh[1], "utf-8")
    decision = decide(documents * 20).decision
    assert [decision.decode(raw).text for raw in laugh] == [raw.decode("gb18030") for raw in laugh]


@pytest.mark.parametrize(
    ("words", "codec"),
    [
        ("día después corazón rápido quizás jamás canción niño mañana señora allí café aquí también", "cp1252"),
        ("það góða veður förum út nótt rótt ævi býð öllum þessi ennþá sofðu rúminu afmæli á", "cp1252"),
        ("ışık yağmur kış güneş çorba bugün şehir dağ öğle yarın ağız sağlık işe geç", "cp1254"),
    ],
)
def test_one_accented_word_a_file_is_enough_together(words, codec):
    documents = [(word, word.encode(codec)) for word in words.split() if not word.isascii()]
    report = decide(documents)
    assert (report.result.encoding, report.result.decided) == (codec, True)


def test_kana_speak_against_chinese_characters_that_japanese_lacks():
    apart = log_plausibility("这个 ") + log_plausibility("のこ")
    assert log_plausibility("这个 のこ") < apart - 3


@pytest.mark.parametrize("raw", [b"caf\xe9", b"word\xa1\xad", b"\x85", b"a\xd0"])
def test_one_telling_character_is_too_little_evidence(raw):
    report = decide([("a", raw), ("b", b"plain words"), ("c", b"other " + raw), ("d", raw + b" now")])
    assert not report.result.decided
    with pytest.raises(DataError) as error:
        require_decided(report.decision)
    assert "--encoding" in error.value.hint


def test_noise_is_undecided():
    draw = random.Random(0)
    noise = [(str(n), bytes(draw.choice((draw.randrange(128, 256), 65 + n)) for _ in range(40))) for n in range(40)]
    assert not decide(noise).result.decided


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_goes_first(codec):
    marked = "naïve 日本 text".encode(codec)
    documents = [*encoded("russian", "koi8-r"), ("marked", marked)]
    report = decide(documents)
    assert report.result.encoding == "koi8-r"
    assert report.decision.decode(marked) == ("naïve 日本 text", 0)
    assert [each.name for each in report.result.exceptions] == ["marked"]


def test_the_letters_of_a_utf16_mark_do_not_make_utf16():
    raw = "яюр".encode("cp1251")
    assert marked_codec(raw) is None


def test_a_damaged_file_is_read_with_counted_replacements():
    documents = [*encoded("simplified", "gb18030"), ("damaged", "今天天气".encode("gb18030") + b"\xff\xff!")]
    result = decide(documents).result
    assert (result.encoding, result.decided, result.undecodable, result.replaced_characters) == ("gb18030", True, 1, 2)
    assert result.candidates[0].failures == 1


def test_an_iterator_of_documents_is_counted_whole():
    assert decide(iter(encoded("korean", "cp949"))).result.non_ascii_files == 10


def test_repeated_evidence_is_cut_short():
    once = decide([(str(n), f"line {n}\x85".encode("latin-1")) for n in range(30)]).result.margin
    often = decide([(str(n), f"line {n}\x85".encode("latin-1")) for n in range(3000)]).result.margin
    assert often < 1.5 * once


def test_the_same_bytes_are_sampled_twenty_five_times():
    evidence = Evidence()
    for number in range(40):
        evidence.add(places(f"{number} é".encode("latin-1")))
    assert (len(evidence.samples), evidence.files) == (25, 40)
    evidence.add(places("é ß".encode("latin-1")))
    assert evidence.samples[25:] == [" é ß".strip().encode("latin-1")]


def test_a_large_corpus_is_decided_on_bounded_evidence():
    draw = random.Random(2)
    words = " ".join(SENTENCES["russian"]).split()
    evidence = Evidence()
    for _ in range(3000):
        evidence.add(places(" ".join(draw.choices(words, k=20)).encode("koi8-r")))
    evidence.add(places(b"\x98" * 10_000))
    assert sum(map(len, evidence.samples)) <= MAX_EVIDENCE_BYTES + MAX_FILE_BYTES
    assert (evidence.files, evidence.failures["cp1251"], evidence.failures["koi8-r"]) == (3001, 1, 0)
    assert vote(evidence.samples, {}).best.codec == "koi8-r"
