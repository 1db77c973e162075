"""Sphinx's configuration of the site; `make docs` builds it, and a warning fails it.

Pages below ``generated/`` are written from the code when the build starts; see ``_ext/``.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from cryptodask import __version__

project = "CryptoDask"
author = "The CryptoDask developers"
copyright = author
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "cryptodask_docs",
]
exclude_patterns = ["_build", "_ext"]
html_theme = "furo"
html_title = f"CryptoDask {release}"
html_show_sphinx = False

myst_heading_anchors = 4
myst_links_external_new_tab = False

# Docstrings name parameters and classes between single backticks.
default_role = "code"
autodoc_typehints = "none"  # numpydoc's sections name the types
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
