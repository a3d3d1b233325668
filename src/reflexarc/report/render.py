# SPDX-License-Identifier: Apache-2.0
"""From a template of this package to one self-contained HTML file."""

import base64
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def write_report(out: Path, template: str, **values: Any) -> Path:
    """Write OUT/report.html from a template, which is given its style sheet as `css`, and return its path."""
    environment = Environment(
        loader=PackageLoader("reflexarc.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(css=Markup(template_text("page.css")), **values)
    path = out / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def template_text(name: str) -> str:
    """Return a file of the folder of templates as it is."""
    return (resources.files("reflexarc.report") / "template" / name).read_text(encoding="utf-8")


def film_of(folder: Path) -> str:
    """Return the film in the folder of a run as a data URL; empty where there is none."""
    path = folder / "film.gif"
    if not path.exists():
        return ""
    return "data:image/gif;base64," + base64.b64encode(path.read_bytes()).decode()
