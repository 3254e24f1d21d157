"""The list of fusions shows name, size, summary and source of each."""

import re

from mmsent_cli.reports.small_results import print_fusions
from mmsent_cli.results import FusionRow


def test_fusions_are_listed_within_80_columns_as_they_are(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    rows = [
        FusionRow(name="concat", summary="joined", formula="[t; v]", source="BERT, late fusion", parameters=790_531),
        FusionRow(
            name="cross-attention",
            summary="text tokens query " * 5,
            formula="t",
            source="arXiv 1908.02265",
            parameters=12_345_678,
        ),
    ]
    print_fusions(rows, "compact")
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    line = next(line for line in text.splitlines() if line.startswith("concat"))
    assert re.split(r"\s{2,}", line.strip()) == ["concat", "790,531", "joined: [t; v]", "BERT, late fusion"]
    assert "12,345,678" in text
    assert "over compact" in text
