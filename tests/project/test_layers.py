"""The project keeps its layers apart; and the check of that notices each kind of breach when one is planted."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..layer_rules import MAX_LINES, violations

ROOT = Path(__file__).resolve().parents[2]

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
    "crlso/__init__.py": "import numpy\nfrom .models import torch_like\nimportance = 'print(x)'\n",
    "crlso/cli/search.py": "print('study')\n",
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
        ("crlso/a.py", "from jax import numpy\n", "line 1 imports jax"),
        ("crlso/a.py", "from tensorflow.keras import layers\n", "line 1 imports tensorflow.keras"),
        ("crlso/a.py", "\nprint('x')\n", "line 2 calls print"),
        ("crlso/assets/load.py", "print('x')\n", "line 1 calls print"),
        ("crlso/search/cli.py", "print('x')\n", "line 1 calls print"),
    ],
)
def test_planted_violation_is_found(tmp_path, name, text, expected):
    found = plant(tmp_path, {**CLEAN, name: text})
    assert len(found) == 1
    assert found[0].startswith(name + ": ")
    assert expected in found[0]
