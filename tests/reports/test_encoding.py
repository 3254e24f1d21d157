"""The page of `inspect-encoding`, in Chinese."""

from mmsent_cli.reports.blocks import Examples
from mmsent_cli.reports.outputs import run_files
from mmsent_cli.results import Candidate, EncodingResult, FileException, Snippet
from tests.reports.pages import particulars
from tests.reports.test_translate import Prose, english

RESULT = EncodingResult(
    encoding="gb18030",
    decided=True,
    files=90,
    non_ascii_files=40,
    undecodable=1,
    margin=1600.0,
    candidates=(
        Candidate(encoding="gb18030", score=-2.5, failures=0),
        Candidate(encoding="cp949", score=-3.5, failures=9),
    ),
    replaced_characters=2,
    exceptions=(FileException(name="7.txt", encoding="utf-8", reason="valid UTF-8"),),
    snippets=(Snippet(name="1.txt", before="so, \xbd\xf1", after="so, 今天", detector=None),),
    detector_checked=40,
    detector_disagrees=11,
)


def test_the_page_is_chinese_and_the_texts_stay_as_they_are():
    page = Prose(run_files(RESULT, particulars(language="zh", examples=Examples()))["report.html"])
    assert page.open == page.badly_closed == []
    kept = {"so, 今天", "so, ½ñ", "cp949", "7.txt", "1.txt", "utf-8", "none", "有效的 UTF-8"}
    left = {text: found for text in page.prose if text not in kept and (found := english(text))}
    assert {word for found in left.values() for word in found} <= {
        "ASCII",
        "UTF",
        "FFFD",
        "charset",
        "normalizer",
        "Latin",
        "json",
    }
    assert kept <= set(page.prose)
    assert any("10^695" in text for text in page.prose)  # 1600 / ln 10
