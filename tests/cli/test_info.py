"""The command `crlso info`."""

from __future__ import annotations

import re
import sys

import numpy as np

import crlso
from crlso._version import __version__
from crlso.cli import main


def test_the_measures_of_a_benchmark(capsys):
    assert main(["info", "--benchmark", "nasbench201"]) == 0
    rows = [re.split(r"  +", line) for line in capsys.readouterr().out.splitlines()]
    assert rows[:3] == [
        ["value", "%", "by evaluation"],
        ["parameters", "million", "known without a query"],
        ["flops", "million", "known without a query"],
    ]
    devices = crlso.benchmarks.NASBench201().devices
    assert rows[3:] == [[f"latency:{device}", "ms", "known without a query"] for device in devices]


def test_the_measures_of_nasbenchmacro(capsys):
    assert main(["info", "--benchmark", "nasbenchmacro"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["value", "parameters", "flops"]
    assert main(["info", "--benchmark", "nasbenchmacro", "--dataset", "cifar100"]) == 2
    assert "expected cifar10, the only one of nasbenchmacro" in capsys.readouterr().err


def test_info(capsys):
    assert main(["info"]) == 0
    out, err = capsys.readouterr()
    rows = dict(re.split(r"  +", line, maxsplit=1) for line in out.splitlines())
    assert rows["crlso"] == __version__
    assert rows["NumPy"] == np.__version__
    assert rows["Python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert rows["threads"] == str(crlso.get_num_threads())
    assert {"platform", "extension", "compiler", "blas", "blas kernel"} <= set(rows)
    assert err == ""
