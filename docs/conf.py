"""How the site is built from the Markdown of this repository.

The sources are the repository's root, so that a link from one page to another is the same here and on a forge.
"""

from __future__ import annotations

from importlib.metadata import version as version_of
from typing import Any

project = "Flask-Ingestion"
release = version = version_of("Flask-Ingestion")
author = "the Flask-Ingestion contributors"
copyright = author  # noqa: A001 - as Sphinx names it

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "benchmarks/*.md",
    "examples/**.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
exclude_patterns = [".*", "app", "site", "tests", "**/.venv"]

# Links to headings, as forges make them.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

# Docstrings put code between single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
autodoc_mock_imports = ["pytest"]  # which the plugin needs, but not what it says of itself

html_theme = "furo"
html_title = f"Flask-Ingestion {release}"
html_copy_source = False
html_show_sphinx = False
html_favicon = "../app/dashboard/static/icon.svg"
html_additional_pages = {"index": "start.html"}
templates_path = ["_templates"]


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", draw_trees)
    app.connect("autodoc-skip-member", skip_aliases)


def draw_trees(_: Any, what: str, __: str, ___: object, ____: object, lines: list[str]) -> None:
    """Leaves the tree of errors at the end of a module's docstring as it is drawn."""
    branches = [number for number, line in enumerate(lines) if "── " in line]
    if what == "module" and branches:
        lines[branches[0] - 1 :] = ["::", "", *(f"   {line}" for line in lines[branches[0] - 1 :]), ""]


def skip_aliases(_: Any, __: str, ___: str, member: object, *____: object) -> bool | None:
    """Leaves out the attributes of a NamedTuple, which its signature has; None decides nothing."""
    return True if str(member.__doc__).startswith("Alias for field number") else None
