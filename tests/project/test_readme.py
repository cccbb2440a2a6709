"""What README and docs tell a reader to type: every block is run by CI or says why not, and names what exists."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("run_readme_under_test", ROOT / "tools" / "run_readme.py")
readme = sys.modules[_spec.name] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(readme)

PAGE = """# Title
```sh
touch one
touch two
```

<!-- not run: it takes a day -->
```python
raise SystemExit(1)
```

```python
import pathlib
pathlib.Path("three").touch()
```

```
output
```

<!-- run instead: touch four -->
```sh
exit 1
```

<!-- save as: kept.py -->
```python
print("from a file")
```

```sh
test "$(python3 kept.py)" = "from a file"
```
"""


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "tools/run_readme.py", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_blocks_are_run_in_order(tmp_path):
    (tmp_path / "README.md").write_text(PAGE)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/page.md").write_text("```sh\ntest -e four && touch five\n```\n")
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"one", "two", "three", "four", "five"} < {path.name for path in tmp_path.iterdir()}
    assert "== README.md:8, not run: it takes a day\n" in done.stdout
    assert "== README.md:27, saved as: kept.py\n" in done.stdout
    assert "raise SystemExit(1)\n== README.md:12\n" in run(tmp_path, "--list").stdout


@pytest.mark.parametrize("block", ["sh\nfalse\ntrue", "python\nimport nonsense_"])
def test_a_failure_is_noticed(tmp_path, block):
    (tmp_path / "README.md").write_text(f"```{block}\n```\n\n```sh\ntouch later\n```\n")
    done = run(tmp_path)
    assert done.returncode == 1 and "FAILED README.md:1: exit code 1\n" in done.stdout
    assert not (tmp_path / "later").exists()


@pytest.mark.parametrize("block", ["\npip install x", "console\n$ ls", "\npython -m benchmarks.decode"])
def test_a_block_of_commands_must_be_marked(tmp_path, block):
    (tmp_path / "README.md").write_text(f"```{block}\n```\n")
    with pytest.raises(ValueError, match=r"page:1: expected a block of commands to be marked sh or python"):
        list(readme.blocks(tmp_path / "README.md", "page"))


def test_the_pages_of_the_project():
    found = {name: list(readme.blocks(page, name)) for name, page in readme.pages(ROOT).items()}
    commands = [block.text for block in found["README.md"] if block.kind == "sh"]
    assert commands[0].splitlines()[0] == "pip install -e ."  # after which all others work in the clone's root
    assert any("crlso search" in text for text in commands) and any("-m pytest tests" in text for text in commands)
    assert sum(block.kind == "python" for block in found["README.md"]) >= 2
    assert found["docs/howto/latent-space.md"]


@pytest.mark.parametrize("name", readme.pages(ROOT))
def test_commands_in_the_text_name_what_exists(name):
    """Modules, and the options of the benchmarks' own parsers, of commands between backquotes."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for command in re.findall(r"`python -m ([^`]+)`", text):
        module, *words = command.split()
        if module.partition(".")[0] not in {"benchmarks", "tests", "tools"}:
            continue
        path = ROOT.joinpath(*module.split("."))
        source = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
        assert source.is_file(), command
        known = source.read_text(encoding="utf-8") + (ROOT / "benchmarks/timing.py").read_text(encoding="utf-8")
        for option in (word for word in words if word.startswith("--")):
            assert f'"{option.partition("=")[0]}"' in known, f"{command}: {option}"
