"""The encoding decision: right on texts of many languages, honest where it cannot know, and it never loses a byte.

All sentences were written for these tests.
"""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsent_cli.data import encoding
from mmsent_cli.data.encoding import EncodingDecision, decide, decide_cached, require_decided
from mmsent_cli.data.encoding_decision import marked_codec, require_codec
from mmsent_cli.data.encoding_vote import (
    CODECS,
    MAX_EVIDENCE_BYTES,
    MAX_FILE_BYTES,
    Ballot,
    Reading,
    is_strict,
    outcome_of,
    places,
    vote,
)
from mmsent_cli.data.plausibility import log_plausibility
from mmsent_cli.errors import ConfigError, DataError

SENTENCES = {
    "russian": (
        "Сегодня отличная погода, пойдём гулять в парк!",
        "Я очень рад, что мы наконец встретились.",
        "Какая скучная книга, не смог дочитать до конца.",
        "Спасибо всем за поздравления, вы лучшие!",
        "Опять пробки, опоздала на работу на час.",
        "Наш кот спит на подоконнике весь день.",
        "Кто знает, где купить хороший хлеб?",
        "Вчера смотрели фильм, музыка просто чудесная.",
        "ЭТО ЛУЧШИЙ КОНЦЕРТ В МОЕЙ ЖИЗНИ",
        "Поезд снова задерживается, жду уже сорок минут.",
    ),
    "japanese": (
        "今日はとても天気がいいですね。",
        "新しいカメラで写真を撮りました！",
        "電車が遅れて、会議に間に合わなかった。",
        "このラーメン、すごくおいしい！",
        "明日は友達と映画を見に行きます。",
        "猫が窓のそばで寝ている。",
        "やっと宿題が終わった、疲れた〜",
        "「ありがとう」と言いたかっただけ。",
        "駅前の本屋が閉店するらしい。さみしい。",
        "コーヒーを飲みながら仕事しています。",
    ),
    "korean": (
        "오늘 날씨가 정말 좋네요.",
        "친구와 함께 영화를 보러 갔어요.",
        "지하철이 늦어서 회의에 지각했다.",
        "새로 산 카메라로 사진을 찍었습니다!",
        "이 집 김치찌개 너무 맛있어요.",
        "고양이가 창가에서 자고 있다.",
        "숙제가 드디어 끝났다. 피곤해.",
        "내일은 부산으로 여행을 떠납니다.",
        "도와주셔서 감사합니다.",
        "비가 와서 집에만 있었어요.",
    ),
    "simplified": (
        "今天天气很好，我们去公园走走吧。",
        "这本书太无聊了，我看不下去。",
        "谢谢大家的祝福，我爱你们！",
        "地铁又晚点了，上班迟到半小时。",
        "新买的相机拍出来的照片真漂亮。",
        "小猫在窗边睡了一整天。",
        "明天和朋友一起去看电影。",
        "终于写完作业了，好累。",
        "这家店的面条非常好吃！",
        "外面下雨了，记得带伞。",
    ),
    "traditional": (
        "今天天氣很好，我們去公園走走吧。",
        "這本書太無聊了，我看不下去。",
        "謝謝大家的祝福，我愛你們！",
        "捷運又誤點了，上班遲到半小時。",
        "新買的相機拍出來的照片真漂亮。",
        "小貓在窗邊睡了一整天。",
        "明天和朋友一起去看電影。",
        "終於寫完作業了，好累。",
        "這家店的麵條非常好吃！",
        "外面下雨了，記得帶傘。",
    ),
    "french": (
        "Très belle journée, on est allés à la plage.",
        "J'ai oublié mes clés à l'école, quelle idée !",
        "Ça fait déjà une heure que j'attends le métro.",
        "Le café était délicieux, merci à tous.",
        "Cette pièce était un peu ennuyeuse, désolé.",
        "Le chat dort près de la fenêtre.",
        "Où est passé mon téléphone ?",
        "Les élèves préparent la fête de l'été.",
        "Je suis fatiguée mais très heureuse.",
        "Bientôt Noël, vivement les congés !",
    ),
    "german": (
        "Heute ist schönes Wetter, wir gehen über die Brücke.",
        "Der Zug ist schon wieder verspätet, ich höre Musik.",
        "Vielen Dank für die Glückwünsche!",
        "Das Essen war köstlich, aber viel zu süß.",
        "Ich möchte nächstes Jahr nach Köln.",
        "Die Straße ist gesperrt, völlig überfüllt.",
        "Größe und Farbe gefallen mir sehr.",
        "Unsere Katze schläft den ganzen Tag auf der Fensterbank, wie gemütlich.",
    ),
    "spanish": (
        "Mañana iremos al cine con los niños.",
        "¡Qué día tan bonito! Estoy feliz.",
        "El tren llegó tarde otra vez, ¿por qué?",
        "La canción más linda del año.",
        "Está lloviendo en la montaña.",
        "Mi corazón late rápido, qué emoción.",
        "Aquí el café es fantástico.",
        "Gracias por venir, señora Muñoz.",
    ),
    "polish": (
        "Dziś jest piękna pogoda, idziemy na spacer.",
        "Dziękuję wszystkim za życzenia!",
        "Pociąg znowu się spóźnił, czekałem godzinę.",
        "Książka była nudna, nie skończyłem.",
        "Kot śpi na łóżku cały dzień.",
        "Gdzie można kupić dobry chleb? Źle tu.",
        "Jutro jadę do Łodzi, będzie świetnie.",
        "Zupa była pyszna, proszę o więcej.",
    ),
    "czech": (
        "Dnes je krásné počasí, půjdeme na procházku.",
        "Děkuji všem za přání k narozeninám!",
        "Vlak má opět zpoždění, čekám už hodinu.",
        "Ta kniha byla nudná, nedočetl jsem ji.",
        "Naše kočka spí celý den na okně.",
        "Zítra jedeme do Brna, těším se.",
        "Polévka byla výborná, příště zase.",
        "Žlutý kůň běžel přes řeku.",
    ),
    "turkish": (
        "Bugün hava çok güzel, yürüyüşe çıkıyoruz.",
        "Doğum günümü kutlayan herkese teşekkür ederim!",
        "Otobüs yine gecikti, işe geç kaldım.",
        "Kedimiz bütün gün pencerede uyuyor, şaşırmadım.",
        "Yarın arkadaşlarla sinemaya gideceğiz.",
        "Çorba çok lezzetliydi, ağzınıza sağlık.",
        "İstanbul'da yağmur yağıyor.",
        "Ödevim sonunda bitti, yoruldum ışıkları kapatın.",
    ),
    "thai": (
        "วันนี้อากาศดีมาก ไปเดินเล่นกันเถอะ",
        "ขอบคุณทุกคนสำหรับคำอวยพร",
        "รถไฟมาช้าอีกแล้ว รอมาหนึ่งชั่วโมง",
        "แมวนอนหลับอยู่ข้างหน้าต่างทั้งวัน",
        "พรุ่งนี้จะไปดูหนังกับเพื่อน",
        "อาหารร้านนี้อร่อยมาก",
        "การบ้านเสร็จแล้ว เหนื่อยจัง",
    ),
    "typographic": (
        "Don’t miss the show tonight…",
        "She said “see you soon” and left",
        "Best coffee in town – really",
        "We won the match… can’t believe it",
        "Reading this book again, it’s great",
        "Waiting for the bus… again",
        "“Life is short” they say",
        "Friends’ day out at the lake",
        "The café on the corner is open",
        "What a week… I’m tired",
    ),
}

ENCODED = (
    ("russian", "cp1251"), ("russian", "koi8-r"), ("russian", "cp866"), ("japanese", "shift_jis"),
    ("japanese", "euc-jp"), ("japanese", "gb18030"), ("korean", "cp949"), ("simplified", "gb18030"),
    ("traditional", "big5"), ("french", "cp1252"), ("german", "cp1252"), ("spanish", "cp1252"),
    ("french", "mac-roman"), ("polish", "cp1250"), ("polish", "iso-8859-2"), ("czech", "cp1250"),
    ("turkish", "cp1254"), ("thai", "tis-620"), ("typographic", "cp1252"), ("typographic", "gb18030"),
    ("typographic", "mac-roman"), ("typographic", "cp949"), ("typographic", "big5"),
)  # fmt: skip


def encoded(language: str, codec: str) -> list[tuple[str, bytes]]:
    """The sentences of a language that an encoding can write, as documents."""
    documents = []
    for number, sentence in enumerate(SENTENCES[language]):
        try:
            documents.append((f"{language}-{number}", sentence.encode(codec)))
        except UnicodeEncodeError:
            continue
    return documents


def misread(decision: EncodingDecision, documents: list[tuple[str, bytes]], codec: str) -> list[str]:
    """The names of documents that the decision reads otherwise than their true encoding."""
    return [name for name, raw in documents if decision.decode(raw).text != raw.decode(codec)]


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
    for size in (1, 2, 3):
        few = draw.sample(documents, size)
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


@pytest.mark.parametrize("count", [1, 8])
def test_lone_characters_cut_in_a_utf8_corpus_are_not_taken_for_another_encoding(count):
    intact = [(f"{n}{m}", f"{m} {text}".encode()) for m in range(20) for n, text in enumerate(SENTENCES["french"])]
    words = ("café", "abbé", "thé", "pré", "blé", "gré", "clé", "canapé")[:count]
    cut = [(f"cut-{word}", word.encode()[:-1]) for word in words]
    report = decide(intact + cut)
    assert (report.result.encoding, report.result.decided) == ("utf-8", True)
    assert {each.name for each in report.result.exceptions} == {name for name, _ in cut}
    assert report.result.replaced_characters == len(cut)


def test_an_odd_file_in_a_utf8_corpus_is_shown_as_damaged_rather_than_guessed():
    intact = [(f"{n}{m}", f"{m} {text}".encode()) for m in range(20) for n, text in enumerate(SENTENCES["french"])]
    result = decide([*intact, ("odd", b"caf\xe9 na\xefve")]).result
    assert (result.encoding, result.decided, result.undecodable, result.replaced_characters) == ("utf-8", True, 1, 2)


@pytest.mark.parametrize(("differing", "is_clear"), [(1, True), (2, True), (10, False), (100, False)])
def test_a_rival_counts_by_how_many_files_it_would_read_otherwise(differing, is_clear):
    evidence = [b"a\x85 "] * 100
    texts = ["a… "] * 100
    best = Reading("cp1252", -300.0, tuple(texts))
    rival = Reading("cp1254", -301.0, ("other",) * differing + tuple(texts[differing:]))
    assert outcome_of(evidence, [best, rival]).is_clear == is_clear


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


def test_a_large_corpus_is_decided_on_bounded_evidence():
    draw = random.Random(2)
    words = " ".join(SENTENCES["russian"]).split()
    ballot = Ballot()
    for _ in range(3000):
        ballot.add(places(" ".join(draw.choices(words, k=20)).encode("koi8-r")))
    ballot.add(places(b"\x98" * 10_000))
    assert sum(map(len, ballot.evidence)) <= MAX_EVIDENCE_BYTES + MAX_FILE_BYTES
    assert (ballot.files, ballot.failures["cp1251"], ballot.failures["koi8-r"]) == (3001, 1, 0)
    assert vote(ballot).readings[0].codec == "koi8-r"


# Any bytes, any text


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
        patch.setattr(encoding, "choose", lambda *_: pytest.fail("decided again"))
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
