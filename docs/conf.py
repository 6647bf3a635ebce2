"""The documentation site: Sphinx reads this file; `make site` builds it.

Everything it shows is of this checkout: no font, script or index is fetched.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# The products of the gallery's networks are small: threads only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

HERE = Path(__file__).resolve().parent
# The extensions of this site, and the package that they describe.
sys.path[:0] = [str(HERE), str(HERE.parent)]

from bpcompile import __version__  # noqa: E402

project = "bpcompile"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "docstrings", "gallery_pages"]
exclude_patterns = ["examples"]

# Blocks without a language are commands and what they print.
highlight_language = "text"

html_theme = "furo"
html_title = f"bpcompile {__version__}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
# The same checkout gives the same pages, whenever it is built.
html_last_updated_fmt = None

# The names that GitHub gives to headings, so that links hold on both.
myst_heading_anchors = 4
myst_enable_extensions = ["tasklist"]

# Pages list their own members in their own order.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

# A list may name a page that is not written yet. A page that no list names is a mistake
# still, and so is a misspelt name of one.
suppress_warnings = ["toc.not_readable"]
