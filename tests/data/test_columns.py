"""Further columns of a table or a DataFrame: the guid and the cells of each row, and what is refused."""

import pandas as pd
import pytest

from mmsent_cli.config import DataConfig
from mmsent_cli.data.columns import read_columns, require_columns, with_own_columns
from mmsent_cli.data.layouts import count_unlabelled, frame_source, labelled_rows, locate
from mmsent_cli.errors import DataError
from tests.data.builders import write_lab

EXPECTED = [("a", ("May", "3")), ("b", ("", ""))]


@pytest.fixture(params=["table", "frame"])
def source(request, tmp_path):
    if request.param == "frame":
        cells = {"guid": ["a", "b"], "text": ["one", "two"], "likes": [3.0, float("nan")], "when": ["May", None]}
        return frame_source(pd.DataFrame(cells))
    path = tmp_path / "pairs.csv"
    path.write_text("guid,text,likes,when\na,one,3,May\nb,two,,\n")
    return locate(str(path))


def test_the_cells_of_named_columns_come_in_the_order_that_was_asked_for(source):
    require_columns(source, DataConfig(), ["when", "likes"])
    assert list(read_columns(source, DataConfig(), ["when", "likes"])) == EXPECTED


def test_a_column_that_is_not_there_is_named(source):
    with pytest.raises(DataError, match="colour"):
        list(read_columns(source, DataConfig(), ["likes", "colour"]))


def test_a_missing_column_of_a_table_is_found_before_its_rows_are_read_and_a_folder_has_none(tmp_path):
    (tmp_path / "pairs.csv").write_text("guid,text\na,one\n")
    with pytest.raises(DataError, match="likes"):
        require_columns(locate(str(tmp_path / "pairs.csv")), DataConfig(), ["text", "likes"])
    lab = locate(str(write_lab(tmp_path / "lab", {"1": "positive"}, ())))
    require_columns(lab, DataConfig(), [])
    with pytest.raises(DataError, match="folder"):
        require_columns(lab, DataConfig(), ["likes"])


@pytest.mark.parametrize(
    ("tags", "used"), [("0 1", {"label_map"}), ("bad good", set()), ("0 good", {"label_map"}), ("odd good", None)]
)
def test_the_columns_of_the_training_are_used_with_and_without_its_label_map(tmp_path, tags, used):
    rows = "".join(f"{number},a text,{tag}\n" for number, tag in enumerate(tags.split() * 2))
    (tmp_path / "pairs.csv").write_text(f"guid,corpus_x,lab_x\n{rows}")
    own = {"text_column": "corpus_x", "tag_column": "lab_x", "label_map": ("0=bad", "1=good")}
    source = locate(str(tmp_path / "pairs.csv"))
    given = {"labels": ("bad", "good")}
    found = with_own_columns(given, own, lambda config: labelled_rows(source, config))
    assert (found.text_column, bool(found.label_map)) == ("corpus_x", used == {"label_map"})
    if used is None:
        with pytest.raises(DataError, match="unknown tag 'odd'"):
            labelled_rows(source, found)


@pytest.mark.parametrize(("labels", "tag_column"), [(("good", "bad"), "tag"), (("good", ""), "lab_x")])
def test_other_columns_of_the_training_are_read_where_every_row_has_a_label(tmp_path, labels, tag_column):
    rows = "".join(f"{number},a text,{number}.jpg,{label}\n" for number, label in enumerate(labels))
    (tmp_path / "pairs.csv").write_text(f"nr,corpus_x,bild_x,lab_x\n{rows}")
    names = {"guid": "nr", "text": "corpus_x", "image": "bild_x", "tag": "lab_x"}
    source = locate(str(tmp_path / "pairs.csv"))
    own = {f"{name}_column": column for name, column in names.items()}
    found = with_own_columns({}, own, lambda config: count_unlabelled(source, config))
    assert (found.guid_column, found.text_column, found.image_column) == ("nr", "corpus_x", "bild_x")
    assert found.tag_column == tag_column
