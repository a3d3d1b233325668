# SPDX-License-Identifier: Apache-2.0
"""The documentation says what the code does: generated parts are equal, links lead somewhere, examples run."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

from reflexarc.cli import VERBS
from reflexarc.report.keys import declared_keys
from reflexarc_sim.scenario import Scenario

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["README.md", "docs/cli.md", "docs/scenarios.md"])
def test_the_generated_parts_are_up_to_date(generate, page):
    if page == "docs/cli.md" and sys.version_info[:2] != (3, 11):
        pytest.skip("help texts are laid out a little differently by other Pythons than 3.11")
    text = (ROOT / page).read_text(encoding="utf-8")
    assert generate.filled(text, page) == text, "run `python docs/generate.py`"


def test_a_part_that_nobody_generates_is_an_error(generate):
    with pytest.raises(ValueError, match="'weather' has no end or is none of"):
        generate.filled("<!-- generated: weather --> <!-- end of weather -->")


def test_the_pages_name_every_verb_and_every_key():
    cli = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    assert all(f"## `reflexarc {verb}`" in cli for verb in VERBS)
    scenarios = (ROOT / "docs/scenarios.md").read_text(encoding="utf-8")
    keys = [key.path for key in declared_keys(Scenario)]
    assert len(keys) > 40
    assert all(f"| `{key}` |" in scenarios for key in keys)


def test_the_table_of_evidence_holds_the_committed_figures(generate):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "benchmarks").glob("*/results.json"):
        for value in json.loads(path.read_text(encoding="utf-8"))["headline"].values():
            assert f"**{generate._text(value)}**" in readme


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.S)
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    local = [target for target in targets if not target.startswith(("http://", "https://", "mailto:"))]
    assert [target for target in local if not ((ROOT / page).parent / target).exists()] == []


def test_the_library_example_of_the_readme_runs(capsys):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    exec(compile(code.group(1), "README.md", "exec"), {})
    assert "Intervention(stage='barrier'" in capsys.readouterr().out
