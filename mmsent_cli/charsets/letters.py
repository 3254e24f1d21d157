"""Small hand-written tables of the common characters of each language.

Source: general knowledge of each language, most common characters first; no counts were taken from a data set. The
frequencies follow from the order by two common laws (`ranked`, `alphabet`); this is precise enough to tell text from
noise. Other Han characters and Hangul syllables get their frequency from the national standards, whose first level has
the common characters: GB 2312, Big5, JIS X 0208, KS X 1001 (by Python's codecs).
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping

LATIN = {
    "french": "éèàêçùâîôûëïœæ",
    "spanish": "óáíéñúü",
    "portuguese": "ãçáéíóêõúâàô",
    "german": "üäößé",
    "italian": "èàùòìé",
    "nordic": "äåöøæé",
    "icelandic": "áíðéóöúþæý",
    "polish": "łęąóśżćńź",
    "czech": "íáěéčýžšřůúťóďňľ",
    "hungarian": "áéöóőüíúű",
    "romanian": "ăîâșțşţ",
    "croatian": "čžšćđ",
    "turkish": "ıüşğçöiâîû",
}
CYRILLIC = {
    "russian": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфёъ",
    "ukrainian": "оанивтірселкудмпязьгбчхцюїйєжшщфґ",
    "bulgarian": "аоеитнрсвлкдмпзябъугчцжщхшфюйь",
}
GREEK = "αοιετσνυηρπκλμςδίγάόωέήθχύφβώξζψϊϋΐΰ"
HEBREW = "יוהלאתרבמשנםעדקחפןצטגכסזףךץ"
ARABIC = "اليمونرتبةعدسفهكقأحجشصطىخإذضزثؤءغئظآ"
THAI = "านรอกเงมยลวดทสตะปบคหแจำพชใขไโผถซณธศฟภฉญฐษฎ"
THAI_MARKS = "่้ัิี์ุื็ูึ๊๋"
HIRAGANA = (
    "いのしたんなにてとはかるがでをっもれうすらくりまこさきだそあけどよえつちおめやみじわひせ"
    "ばほねべぬむふげごぶざずぎびづぱぞろへゃゅょぁぇぃぅぉぽぴぷぺゆぐぜぼ"
)
KATAKANA = (
    "ーンストルイラリッアクシタドレマプロコフジサテカャュニブオナメビパキウデグバセハミエモチベボワズダホヤゴムガピソゲツ"
    "ネケヒザョェノポユァィヨペゾギゼォヴヌヘ"
)
CJK_PUNCTUATION = "、。，！「」？：（）　・～；〜『』【】《》々〈〉〔〕＆／＠＃％＋－＝＊｜＿＜＞"
HANGUL = (
    "이다는에을가의고하지로한은를도나사아기어리그서인있시게니일자해대스라만들수정부전오여보상주제장원안우구성공과선문화무마"
    "요으거내없야신비생동용소조경면적미세계모음유방분트것학위진건관때같바더말당입합회습실년할운했연행단재중된되드치러국간결"
    "노외린월래발파른물명설저력교히추양산체작심민타후출감약새표려차네금레통호처두절좋너날친람랑늘왔았었겠"
)
SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事"
    "成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此"
    "已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代"
    "内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安"
    "少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光"
    "放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运吃吗吧"
    "呢啊哈喜欢爱笑哭朋友谢早晚快乐店买卖"
)
TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事"
    "成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民第公此"
    "已工使情明性知全三又關點正業外將兩高間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代"
    "內信表化老給世位次度門任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數安"
    "少報才結反受目太量再感建務做接必場件計管期市直德資命山金指克許統區保至隊形社便空決治展馬科司五基眼書非則聽白卻界達光"
    "放強即像難且權思王象完設式色路記南品住告類求據程北邊死張該交規萬取拉格望覺術領共確傳師觀清今切院讓識候帶導爭運吃嗎吧"
    "呢啊哈喜歡愛笑哭朋友謝早晚快樂店買賣"
)
KANJI = (
    "日一人笑年大十二本中長出三同時事自行社見月分後前生五発間対上部東者地合市業内相方四定今回新場金員入立開手力学問高代明実"
    "円決子動全目表戦経通外最言現理調体化田当主題下意法不来作性的要用度強気小成期公取都和機平山思家話世受多続進正安設保数"
    "記院女初北午指心界第結点教報書活原先得解名交予川向面文反元重近考画海売利組知道信集在件別物使求所次水品論計死感特情投"
    "示変打男私各始島直朝式確村提運終果西台広応演電住談能無再位真流格有口過局少放校料工建語空止送可役木聞身付切由説転食比"
    "難車何南石足消神番展備宅配視楽起万着乗店残想線病声念待試早張映限親商伝働形落好毎復味失個写若種美影命望白深字夜音様識"
    "注呼達僕俺嬉愛可彼々誰君緒妹姉犬猫花春夏秋冬雨雪天々誕祭曲歌"
)

UNSEEN = -16.0
"""Log-probability of a Han character in no table."""


def ranked(chars: Iterable[str], mass: float = 0.98, offset: float = 4.0) -> dict[str, float]:
    """Return log-probabilities of characters given in order of frequency, for large sets of characters.

    The probabilities fall like 1 / (rank + offset) and sum to `mass`.

    Source: Zipf's law with Mandelbrot's offset, which flattens the head.
    """
    return _normalised(chars, mass, lambda rank: 1 / (rank + offset))


def alphabet(chars: Iterable[str], mass: float = 0.98) -> dict[str, float]:
    """Return log-probabilities of the letters of an alphabet, whose frequencies fall exponentially with the rank.

    The frequency falls by a factor of e in 9 ranks; for Russian о to э this is within a third of textbook values.
    """
    return _normalised(chars, mass, lambda rank: math.exp(-rank / 9))


def _normalised(chars: Iterable[str], mass: float, weight_of: Callable[[int], float]) -> dict[str, float]:
    weights = {char: weight_of(rank) for rank, char in enumerate(dict.fromkeys(chars), 1)}
    whole = sum(weights.values())
    return {char: math.log(mass * weight / whole) for char, weight in weights.items()}


def _level(codec: str, leads: range, trails: Iterable[int]) -> set[str]:
    """Return all characters of a two-byte codec between two lead bytes: one level of a national standard."""
    trails = tuple(trails)
    rows = (bytes((lead, trail)).decode(codec, errors="ignore") for lead in leads for trail in trails)
    return {char for char in rows if len(char) == 1}


def _levels(common: str, first: set[str], second: set[str]) -> dict[str, float]:
    """Give half of the probability to the hand-written characters, and nearly all of the rest to the first level."""
    table = dict.fromkeys(second, math.log(0.02 / len(second)))
    table.update(dict.fromkeys(first, math.log(0.48 / len(first))))
    table.update(ranked(common, mass=0.5, offset=30))
    return table


@functools.cache
def han() -> Mapping[str, Mapping[str, float]]:
    """Return the log-probabilities of Han characters in each language."""
    high = range(0xA1, 0xFF)
    big5_trails = (*range(0x40, 0x7F), *high)
    return {
        "simplified": _levels(
            SIMPLIFIED, _level("gb2312", range(0xB0, 0xD8), high), _level("gb2312", range(0xD8, 0xF8), high)
        ),
        "traditional": _levels(
            TRADITIONAL, _level("big5", range(0xA4, 0xC7), big5_trails), _level("big5", range(0xC9, 0xFA), big5_trails)
        ),
        "japanese": _levels(
            KANJI, _level("euc-jp", range(0xB0, 0xD0), high), _level("euc-jp", range(0xD0, 0xF5), high)
        ),
    }


@functools.cache
def hangul() -> Mapping[str, float]:
    """Return the log-probabilities of Hangul syllables: common ones, others of KS X 1001, and rare ones."""
    standard = _level("euc-kr", range(0xB0, 0xC9), range(0xA1, 0xFF))
    rare = {chr(code) for code in range(0xAC00, 0xD7A4)} - standard
    table = dict.fromkeys(rare, math.log(0.002 / len(rare)))
    table.update(dict.fromkeys(standard, math.log(0.3 / len(standard))))
    table.update(ranked(HANGUL, mass=0.69, offset=15))
    return table
