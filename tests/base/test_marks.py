"""A byte order mark, as editors of Windows write it, at the beginning of any file of text that is read."""

from __future__ import annotations

import codecs
import json

from crlso.benchmarks import Tabular
from crlso.benchmarks.nasbench301 import _read_config
from crlso.comparison import compare
from crlso.spaces import CellSpace, NASBench201
from crlso.studies import Study, search
from tests.twins.toys import table


def marked(path):
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    return path


def test_studies(tmp_path):
    study = search(table(), "random", 3, progress=False)
    study.save(tmp_path / "s.json")
    assert Study.load(marked(tmp_path / "s.json")) == Study.load(tmp_path / "s.json")
    assert Study.load(tmp_path / "s.json").history == study.history


def test_comparisons(tmp_path):
    path = tmp_path / "r.jsonl"
    first = compare(table(), "random", 2, 3, path=path)
    content = marked(path).read_bytes()
    again = compare(table(), "random", 2, 3, path=path)
    assert again.records == first.records and path.read_bytes() == content


def test_spaces(tmp_path):
    (tmp_path / "s.toml").write_text('nodes = 4\noperations = ["conv", "pool"]\nedges = "free"\n')
    assert CellSpace.from_toml(marked(tmp_path / "s.toml")) == CellSpace(4, ["conv", "pool"], edges="free")


def test_tables(tmp_path):
    (tmp_path / "t.csv").write_text("cell,value\n|none~0|+|none~0|none~1|+|none~0|none~1|none~2|,10\n")
    assert Tabular.from_csv(marked(tmp_path / "t.csv"), NASBench201()).evaluate(["none"] * 6) == 10.0


def test_configurations(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps({"model": "xgb"}))
    assert _read_config(marked(tmp_path / "c.json")) == {"model": "xgb"}
