"""How Sphinx builds the documentation: ``python -m sphinx -W -b html docs build/docs``, without network.

The notebooks are run while the site is built, and their outputs kept in ``build/.jupyter_cache``: those that have not
changed are not run again. ``CRLSO_DOCS_NOTEBOOKS=off`` shows them without outputs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
if str(ROOT) not in os.environ.get("PYTHONPATH", "").split(os.pathsep):  # the crlso that was installed, as conftest.py
    sys.path[:] = [*(entry for entry in sys.path if Path(entry or ".").resolve() != ROOT), str(ROOT)]
sys.path.insert(0, str(HERE / "_ext"))

from public import data, described_elsewhere  # noqa: E402

import crlso  # noqa: E402
from notebooks import copy_notebooks  # noqa: E402

copy_notebooks(ROOT / "notebooks", HERE / "tutorials")

project = "crlso"
author = "The crlso developers"
copyright = "the crlso developers"  # noqa: A001 - a name of Sphinx
version = release = crlso.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "mathml",  # in _ext
]
templates_path = ["_templates"]
exclude_patterns = ["_ext", "_templates"]

# Pages
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off" if os.environ.get("CRLSO_DOCS_NOTEBOOKS") == "off" else "cache"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_in_temp = True  # what a notebook saves is not for the documentation
nb_merge_streams = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # by default scripts of other servers
os.environ["TQDM_DISABLE"] = "1"  # bars of notebooks need these scripts

# Reference
autosummary_generate = True
autosummary_ignore_module_all = False  # what __all__ says, lazy names too
autosummary_imported_members = True
autosummary_context = {"elsewhere": described_elsewhere(), "data": data()}
autodoc_typehints = "none"  # numpydoc's Parameters say them
autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template lists them
numpydoc_xref_param_type = False

# Appearance
html_theme = "pydata_sphinx_theme"
html_title = f"crlso {version}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = html_show_sourcelink = False
html_math_renderer = "mathml"
html_theme_options = {
    "secondary_sidebar_items": ["page-toc"],
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "navbar_persistent": ["search-button"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

# Pages without others below them need no list of these.
html_sidebars = {page: [] for page in ["start", "faq", "cite", "changelog", "contributing", "lab-notes"]}
