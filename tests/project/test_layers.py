"""The project keeps its layers apart; and the check of that notices each kind of breach when one is planted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..layer_rules import MAX_LINES, violations

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.thread_unsafe(reason="Python 3.11 counts one depth of syntax trees for all threads")

CLEAN = {
    "csrc/core/status.h": "#include <stddef.h>\n/* never calls abort() and knows nothing of cblas or Python.h */\n",
    "csrc/core/blas.c": '#include "status.h"\n#include CRLSO_BLAS_HEADER\nint a = CblasRowMajor;\n',
    "csrc/autodiff/ops.def": "OP(add)\n",
    "csrc/autodiff/tensor.h": '#include "../core/status.h"\n#include "ops.def"\n',
    "csrc/graph/cell.h": '#include "core/status.h"\n#include "../autodiff/tensor.h"\n',
    "csrc/nn/icnn.h": '#include "../autodiff/tensor.h"\n',
    "csrc/search/descend.c": '#include "../graph/cell.h"\n#include "../nn/icnn.h"\n',
    "csrc/python/module.c": '#include <Python.h>\n#include "../core/status.h"\nvoid f(void) { printf("x"); }\n',
    "setup.py": "FLAGS = ['-O3']\n",
    "crlso/__init__.py": "from .models import torch_like\nfrom crlso import cli\nimportance = 'print(x)'\n",
    "crlso/__main__.py": "from crlso import cli\n",
    "crlso/_core.pyi": "class Tensor: ...\n",
    "crlso/_base/checks.py": "_LIMIT = 1\n",
    "crlso/random.py": "import crlso._core as _core\nclass Stream: pass\n",
    "crlso/spaces/__init__.py": "from crlso.spaces.cell import Cell\n__all__ = ['Cell']\n",
    "crlso/spaces/cell.py": """import crlso._core as _core
from crlso._base.checks import _LIMIT

class Cell:
    _codes = ()

    def known(self, name):
        return name == "nasbench201" or self.space.name in {"darts"}

    def plot_all(self):
        from crlso.plotting import plot_cell
        return plot_cell(self)

    def _repr_html_(self):
        import crlso.plotting as plotting
        return plotting.plot_cell(self)
""",
    "crlso/models/__init__.py": "",
    "crlso/models/vae.py": """from ..spaces import Cell
from . import graph
from .graph import _of

x = graph._of, _of
""",
    "crlso/models/graph.py": """import os
from crlso.random import Stream

class A:
    _mine = 1

def _of(x):
    os._exit(x._mine)
""",
    "crlso/benchmarks/table.py": "if 'nasbench101' == Space.name: TABLES[space.name]\n",
    "crlso/methods/__init__.py": """from crlso._base.lazy import lazy

METHODS = {"gp": "crlso.methods.gp:GP", "paper": "crlso.studies.run:search"}
__getattr__, __dir__ = lazy(__name__, {"GP": "crlso.methods.gp", "nasbench201": None})
""",
    "crlso/methods/gp.py": "import crlso.models.vae\nfrom crlso.methods import METHODS\nx = crlso.models.vae.Cell\n",
    "crlso/plotting/__init__.py": "from crlso.spaces.cell import Cell\ndef plot_cell(cell): pass\n",
    "crlso/cli/__init__.py": "print('study')\nCHOICES = ['nasbench201', 'darts']\n{'darts': 1}[x.benchmark]\n",
    "benchmarks/time.py": """import crlso
import crlso._core as _core
from crlso import _core
from crlso.spaces import Cell

_own = crlso.__version__, crlso.spaces.Cell, _core._anything
class Own(Cell):
    def _mine_alone(self): return self._mine_alone, x == "nasbench201"
""",
    "benchmarks/twins.py": "def twin():\n    from benchmarks.time import Own\n",
    "examples/digits.py": "import crlso\ncrlso.spaces.Cell()\n",
    "tests/test_x.py": "print('fine here')\n",
}


def plant(root: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return violations(root)


def test_project_has_no_violation():
    assert len(list((ROOT / "csrc").rglob("*.c"))) > 5
    assert violations(ROOT) == []


def test_clean_tree_has_no_violation(tmp_path):
    assert plant(tmp_path, CLEAN) == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("csrc/core/a.c", '#include "../autodiff/tensor.h"\n', "core may not depend on autodiff"),
        ("csrc/core/a.h", '  #  include "autodiff/tensor.h"\n', "core may not depend on autodiff"),
        ("csrc/core/deep/a.h", '#include "../../nn/icnn.h"\n', "core may not depend on nn"),
        ("csrc/core/a.c", '#include "../autodiff/ops.def"\n', "core may not depend on autodiff"),
        ("csrc/autodiff/a.c", '#include "../graph/cell.h"\n', "autodiff may not depend on graph"),
        ("csrc/graph/a.c", '#include "../nn/icnn.h"\n', "graph may not depend on nn"),
        ("csrc/optim/a.c", '#include "../nn/icnn.h"\n', "optim may not depend on nn"),
        ("csrc/nn/a.c", '/* x */ int y;\n#include "../python/module.c"\n', "nn may not depend on python"),
        ("csrc/search/a.c", "#include <Python.h>\n", "includes Python.h"),
        ("csrc/nn/a.c", "#include <numpy/arrayobject.h>\n", "includes numpy/arrayobject.h"),
        ("csrc/misc/a.c", "int x;\n", "is in no known layer"),
        ("csrc/autodiff/a.c", "#include <cblas.h>\n", "mentions CBLAS"),
        ("csrc/python/a.c", "void f(void) { cblas_sgemm(); }\n", "mentions CBLAS"),
        ("csrc/core/a.c", "#include CRLSO_BLAS_HEADER\n", "includes the BLAS header"),
        ("csrc/core/a.c", "void f(void) { abort (); }\n", "calls abort"),
        ("csrc/nn/a.c", 'const char *s = "//"; void f(void) { printf("x"); }\n', "calls printf"),
        ("csrc/nn/a.c", "int x;\n" * (MAX_LINES + 1), "801 lines"),
        ("crlso/models/a.py", "x = 1\n" * (MAX_LINES + 1), "801 lines"),
        ("setup.py", "FLAGS = ['-march=native']\n", "this machine's processor"),
        ("csrc/nn/a.c", '#pragma GCC optimize("march=native")\n', "this machine's processor"),
        ("crlso/models/a.py", "def f():\n    import torch.nn\n", "line 2 imports torch.nn"),
        ("crlso/models/a.py", "from jax import numpy\n", "line 1 imports jax"),
        ("crlso/models/a.py", "from tensorflow.keras import layers\n", "line 1 imports tensorflow.keras"),
        ("crlso/models/a.py", "\nprint('x')\n", "line 2 calls print"),
        ("crlso/assets/load.py", "print('x')\n", "line 1 calls print"),
        ("crlso/methods/cli.py", "print('x')\n", "line 1 calls print"),
    ],
)
def test_planted_violation_is_found(tmp_path, name, text, expected):
    found = plant(tmp_path, {**CLEAN, name: text})
    assert len(found) == 1
    assert found[0].startswith(name + ": ")
    assert expected in found[0]


def rule(number, *breaches):
    return [pytest.param(*breach, id=f"rule {number}: {breach[2]}") for breach in breaches]


METHOD = "def {name}(self):\n    from crlso.{room} import x\n"
LONG = 'def f():\n    """Text.\n\n    More.\n    """\n' + 49 * "    x = 1\n"
BREACHES = [
    *rule(
        1,
        ("crlso/misc/a.py", "x = 1\n", "is on no known floor: misc"),
        ("crlso/misc.py", "x = 1\n", "is on no known floor: misc"),
        ("crlso/spaces/a.py", "import crlso.models.vae as vae\n", "line 1: spaces may not import crlso.models.vae"),
        ("crlso/spaces/a.py", "from ..models import vae\n", "line 1: spaces may not import crlso.models.vae"),
        ("crlso/spaces/a.py", "from ..models.vae import x\n", "line 1: spaces may not import crlso.models.vae"),
        ("crlso/spaces/__init__.py", "from ..models import x\n", "line 1: spaces may not import crlso.models"),
        ("crlso/spaces/a.py", "from crlso.models.vae import *\n", "line 1: spaces may not import crlso.models.vae"),
        ("crlso/spaces/a.py", "def f():\n  from crlso.models import x\n", "line 2: spaces may not import crlso.models"),
        (
            "crlso/spaces/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from crlso.models import x\n",
            "line 3: spaces may not import crlso.models",
        ),
        (
            "crlso/spaces/a.py",
            "from importlib import import_module\nimport_module('crlso.models.vae')\n",
            "line 2: spaces may not import crlso.models.vae",
        ),
        (
            "crlso/spaces/a.py",
            "import importlib\nimportlib.import_module('..models', __package__)\n",
            "line 2: spaces may not import crlso.models",
        ),
        ("crlso/spaces/a.py", "__import__('crlso.models.vae')\n", "line 1: spaces may not import crlso.models.vae"),
        (  # which another module has imported
            "crlso/studies/a.py",
            "import crlso.spaces\nx = crlso.cli.main\n",
            "line 2: studies may not import crlso.cli",
        ),
        ("crlso/models/a.py", "from crlso.benchmarks.table import x\n", "models may not import crlso.benchmarks.table"),
        ("crlso/benchmarks/a.py", "import crlso.models.vae\n", "benchmarks may not import crlso.models.vae"),
        ("crlso/_base/a.py", "from crlso.random import Stream\n", "_base may not import crlso.random"),
        ("crlso/nn.py", "from crlso.optim import Adam\n", "nn may not import crlso.optim"),
        ("crlso/_core.pyi", "from crlso.optim import Adam\n", "_core may not import crlso.optim"),
        ("crlso/models/a.py", "import crlso.cli as cli\n", "models may not import crlso.cli"),
        ("crlso/models/a.py", METHOD.format(name="drawing", room="plotting"), "models may not import crlso.plotting"),
        ("crlso/models/a.py", METHOD.format(name="_repr_svg_", room="plotting"), "may not import crlso.plotting"),
        ("crlso/models/a.py", METHOD.format(name="plot", room="report"), "models may not import crlso.report"),
        ("crlso/models/a.py", "from crlso.plotting import x\ndef plot(): x()\n", "may not import crlso.plotting"),
    ),
    *rule(
        2,
        ("crlso/models/a.py", "import crlso\n", "line 1: uses the face"),
        ("crlso/models/a.py", "def f():\n    import crlso as c\n", "line 2: uses the face"),
        ("crlso/models/a.py", "from crlso import _core\n", "line 1: imports from the face"),
        ("crlso/models/a.py", "from .. import random\n", "line 1: imports from the face"),
        ("crlso/models/a.py", "import crlso.spaces.cell\ncrlso.Trial()\n", "line 2: uses the face"),
    ),
    *rule(
        3,
        ("crlso/methods/a.py", "from crlso.models.graph import _of\n", "crlso.models.graph._of is private"),
        ("crlso/methods/a.py", "from ..models.graph import _of as of\n", "crlso.models.graph._of is private"),
        ("crlso/methods/a.py", "from crlso.models import _hidden\n", "crlso.models._hidden is private"),
        ("crlso/methods/a.py", "import crlso.models._hidden.x as x\n", "crlso.models._hidden is private"),
        ("crlso/methods/a.py", "import crlso.models.graph as g\ng._of()\n", "crlso.models.graph._of is private"),
        ("crlso/methods/a.py", "from crlso.models import graph\ngraph._of\n", "crlso.models.graph._of is private"),
        (
            "crlso/methods/a.py",
            "import crlso.models.graph\ncrlso.models.graph._of\n",
            "crlso.models.graph._of is private",
        ),
        ("crlso/methods/a.py", "from crlso.spaces import Cell\nCell._codes\n", "crlso.spaces.Cell._codes is private"),
        ("crlso/methods/a.py", "def f(cell):\n    return cell._codes\n", "line 2: _codes is private in another room"),
        ("crlso/methods/a.py", "getattr(cell, '_codes', None)\n", "line 1: _codes is private in another room"),
        (
            "crlso/methods/a.py",
            "from crlso.models.graph import A\nclass B(A):\n    def _of(self): pass\n",
            "line 3: overrides _of, which is private in models",
        ),
    ),
    *rule(
        4,
        (
            "crlso/models/graph.py",
            "from .vae import x\ndef _of(): pass\n",
            "crlso/models/graph.py -> crlso/models/vae.py -> ",
        ),
        ("crlso/models/graph.py", "def f():\n    from .vae import x\n", "crlso/models/vae.py -> crlso/models/graph.py"),
        ("crlso/models/graph.py", "if TYPE_CHECKING:\n    from .vae import x\n", "is in a circle of files"),
        ("crlso/spaces/cell.py", "from crlso.spaces import x\n", "crlso/spaces/__init__.py -> crlso/spaces/cell.py"),
        (
            "crlso/methods/__init__.py",
            "METHODS = 1\nif TYPE_CHECKING:\n    from .gp import x\n",
            "crlso/methods/__init__.py -> crlso/methods/gp.py -> crlso/methods/__init__.py",
        ),
        ("benchmarks/time.py", "from benchmarks import twins\n", "benchmarks/time.py -> benchmarks/twins.py"),
    ),
    *rule(
        5,
        ("benchmarks/a.py", "from crlso.models.graph import _of\n", "crlso.models.graph._of is private"),
        ("benchmarks/a.py", "import crlso\ncrlso._base.checks\n", "crlso._base is private"),
        ("benchmarks/a.py", "from crlso.spaces import CellSpace\n", "CellSpace is not in __all__ of crlso.spaces"),
        ("benchmarks/a.py", "import crlso\ncrlso.spaces.Graph\n", "Graph is not in __all__ of crlso.spaces"),
        ("examples/a.py", "def f(cell):\n    return cell._codes\n", "_codes is private in another room"),
        (
            "examples/a.py",
            "from crlso.models.graph import A\nclass B(A):\n    def _of(self): pass\n",
            "overrides _of, which is private in models",
        ),
    ),
    *rule(
        6,
        ("crlso/models/a.py", "if name == 'nasbench201': pass\n", "line 1: compares the name of a space"),
        ("crlso/models/a.py", "x = 'darts' != y\n", "compares the name of a space"),
        ("crlso/models/a.py", "x in ('nasbench101', 'mine')\n", "compares the name of a space"),
        ("crlso/models/a.py", "x in {'nasbench101': 1}\n", "compares the name of a space"),
        ("crlso/models/a.py", "match x:\n    case 'darts':\n        pass\n", "line 2: compares the name of a space"),
        ("crlso/models/a.py", "TABLE['darts']\n", "compares the name of a space"),
        ("crlso/models/a.py", "x = self.space.name == MINE\n", "compares the name of a space"),
        ("crlso/models/a.py", "x = space.name in MINE\n", "compares the name of a space"),
        ("crlso/models/a.py", "SIZES[space.name]\n", "compares the name of a space"),
        ("crlso/models/a.py", "SIZES.get(layout.name, 1)\n", "compares the name of a space"),
        ("crlso/models/a.py", "x = cell.space == y\n", "compares the name of a space"),
        ("crlso/models/a.py", "space.name.startswith('nas')\n", "compares the name of a space"),
    ),
    *rule(
        7,
        ("crlso/models/a.py", LONG + "    y = 1\n", "line 1: f has 51 lines; at most 50"),
        ("crlso/models/a.py", "class A:\n    async def f():\n" + 50 * "        x = 1\n", "line 2: f has 51 lines"),
        ("crlso/models/a.py", "def f():\n" + 50 * "    # text\n" + "    x = 1\n", "f has 52 lines"),
    ),
]


@pytest.mark.parametrize(("name", "text", "expected"), BREACHES)
def test_planted_breach_of_a_rule_for_python_is_found(tmp_path, name, text, expected):
    found = plant(tmp_path, {**CLEAN, name: text})
    assert len(found) == 1
    assert found[0].startswith(name + ": ") or "->" in found[0]  # a circle is said of its first file
    assert expected in found[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("crlso/models/a.py", LONG),
        ("crlso/models/a.py", "def plot(self):\n    def inner():\n        from crlso.plotting import x\n"),
        ("crlso/models/a.py", "name = 'nasbench201'\nx = f('darts', ['nasbench101'])\n"),
        ("crlso/models/a.py", "import crlso.spaces.cell\nx = crlso.spaces.cell.Cell\n"),
        ("crlso/models/a.py", "import os\nos._exit(0)\nx = point._replace(y=1)\n"),
        ("crlso/models/a.py", "class A:\n    __slots__ = ('_codes',)\n    def f(self): return self._codes\n"),
    ],
)
def test_allowed_forms_pass(tmp_path, name, text):
    assert plant(tmp_path, {**CLEAN, name: text}) == []


@pytest.mark.parametrize("breaches", [[], ["setup.py: builds for this machine's processor alone"]])
def test_as_a_program(tmp_path, breaches):
    """It prints what it finds, and fails when that is something."""
    plant(tmp_path, {**CLEAN, "setup.py": "-march=native" if breaches else ""})
    command = [sys.executable, ROOT / "tests/layer_rules.py", tmp_path]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == "" and done.returncode == bool(breaches)
    assert done.stdout.splitlines() == [*breaches, f"breaches: {len(breaches)}"]
