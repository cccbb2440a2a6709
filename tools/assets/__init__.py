"""Scripts that make the data files in ``crlso/assets``; run them from the root of the repository."""

from pathlib import Path

ASSETS = Path(__file__).resolve().parents[2] / "crlso" / "assets"
