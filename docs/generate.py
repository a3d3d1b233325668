# SPDX-License-Identifier: Apache-2.0
"""Fill the generated parts of the documentation: `python docs/generate.py`; `--check` only compares.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`. Tests compare every page with
what this script would write, so no page can drift from the code.
"""

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "README.md",
    "docs/cli.md",
    "docs/scenarios.md",
    "docs/economics.md",
    "benchmarks/costnav/README.md",
    "benchmarks/barrier/README.md",
    "benchmarks/density/README.md",
    "benchmarks/fleet/README.md",
    "benchmarks/bresa/README.md",
    "benchmarks/disturber/README.md",
    "benchmarks/walker_reflex/README.md",
    "benchmarks/assurance/README.md",
    "docs/safety/safety_case.md",
)
HELP_COLUMNS = "100"
"""Width of the help texts; argparse takes it from the environment."""


def filled(text: str, where: str = "page") -> str:
    """Return `text` with every generated part written anew.

    Raises:
        ValueError: a part has no end or nobody generates it.
    """
    position = 0
    while (start := text.find("<!-- generated: ", position)) >= 0:
        name = text[start + len("<!-- generated: ") : text.index(" -->", start)]
        end_mark = f"<!-- end of {name} -->"
        end = text.find(end_mark, start)
        if end < 0 or name not in PARTS:
            raise ValueError(
                f"{where}: the generated part {name!r} has no end or is none of {', '.join(PARTS)}"
            )
        head = f"<!-- generated: {name} -->\n\n"
        body = head + PARTS[name]().strip() + "\n\n" + end_mark
        text = text[:start] + body + text[end + len(end_mark) :]
        position = start + len(body)
    return text


def command_line() -> str:
    """Return the help text of every verb."""
    from reflexarc.cli import VERBS, build_parser  # noqa: PLC0415 - after the width is set

    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = HELP_COLUMNS
    try:
        parts = [f"## `reflexarc`\n\n```\n{build_parser(set()).format_help()}```"]
        for verb in VERBS:
            parser = build_parser({verb})._subparsers._group_actions[0].choices[verb]  # type: ignore[union-attr]
            parts.append(f"## `reflexarc {verb}`\n\n```\n{parser.format_help()}```")
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.__setitem__("COLUMNS", before)
    return "\n\n".join(parts)


def scenario_list() -> str:
    """Return the scenarios that come with the project."""
    from reflexarc_sim.scenario import load_scenario, scenario_names  # noqa: PLC0415

    lines = ["| scenario | what happens |", "|---|---|"]
    return "\n".join(
        [*lines, *(f"| `{name}` | {load_scenario(name).description} |" for name in scenario_names())]
    )


def scenario_keys() -> str:
    """Return every key of a scenario file."""
    from reflexarc.report.keys import keys_table  # noqa: PLC0415
    from reflexarc_sim.scenario import Scenario  # noqa: PLC0415

    return keys_table(Scenario)


def arc_keys() -> str:
    """Return every key below `arc`."""
    from reflexarc.arc import ArcConfig  # noqa: PLC0415
    from reflexarc.report.keys import keys_table  # noqa: PLC0415

    return keys_table(ArcConfig, "arc.")


SHOWN = 4
"""Figures of a study that are shown at once; the others open on a click."""


def evidence() -> str:
    """Return the headline figures of every study that has results."""
    paths = sorted((ROOT / "benchmarks").glob("*/results.json"))
    if not paths:
        return "No study has been repeated in full yet; `reflexarc bench --list` names them."
    lines = ["| study | figures of the last full run | machine, date |", "|---|---|---|"]
    for path in paths:
        results = json.loads(path.read_text(encoding="utf-8"))
        said = [f"{key.replace('_', ' ')}: **{_text(v)}**" for key, v in results["headline"].items()]
        figures = "<br>".join(said[:SHOWN])
        if rest := said[SHOWN:]:
            figures += f"<details><summary>{len(rest)} more</summary>{'<br>'.join(rest)}</details>"
        where = _where(results)
        for name, part in results.get("parts", {}).items():
            where += f"<br>{name}: {_where(part)}"
        lines.append(f"| [{path.parent.name}](benchmarks/{path.parent.name}) | {figures} | {where} |")
    return "\n".join(lines)


def _where(run: dict[str, Any]) -> str:
    machine = run["machine"]
    return f"{machine['processor']}, {machine['cores']} cores, {run['date']}"


def economics_parameters() -> str:
    """Return every parameter of every cost model."""
    from reflexarc.economics import MODELS  # noqa: PLC0415

    lines = []
    for name, title in (
        ("v5", "v2, v5 and v6"),
        ("v1", "v1"),
        ("reflexarc", "reflexarc and reflexarc_run"),
    ):
        lines += [
            f"### Parameters of {title}",
            "",
            "| parameter | value | unit | known | stated range | source |",
            "|---|---|---|---|---|---|",
        ]
        for item in MODELS[name].parameters.all():
            span = f"{item.low:g} to {item.high:g} ({item.range_source})" if item.has_range else "–"
            lines.append(
                f"| `{item.name}` | {item.value:.7g} | {item.unit} | {item.known} | {span} | {item.source} |"
            )
        lines.append("")
    return "\n".join(lines)


def costnav_tables() -> str:
    """Return the tables of the study `costnav`."""
    sys.path.insert(0, str(ROOT / "benchmarks/costnav"))
    try:
        import tables  # noqa: PLC0415 - beside the study
    finally:
        sys.path.pop(0)
    return tables.study_tables(ROOT / "benchmarks/costnav/results.json")


def costnav_tuning() -> str:
    """Return the tables of the tuning study."""
    sys.path.insert(0, str(ROOT / "benchmarks/costnav"))
    try:
        import tables  # noqa: PLC0415 - beside the study
    finally:
        sys.path.pop(0)
    return tables.tuning_tables(ROOT / "benchmarks/costnav/tuning.json")


def barrier_tables() -> str:
    """Return the tables of the study `barrier`."""
    return _study_tables("barrier")


def density_tables() -> str:
    """Return the tables of the study `density`."""
    return _study_tables("density")


def fleet_tables() -> str:
    """Return the tables of the study `fleet`."""
    return _study_tables("fleet")


def bresa_tables() -> str:
    """Return the tables of the study `bresa`."""
    return _study_tables("bresa")


def disturber_tables() -> str:
    """Return the tables of the study `disturber`."""
    return _study_tables("disturber")


def walker_reflex_tables() -> str:
    """Return the tables of the study `walker_reflex`."""
    return _study_tables("walker_reflex")


def assurance_tables() -> str:
    """Return the tables of the study `assurance`."""
    return _study_tables("assurance")


def _study_tables(study: str) -> str:
    folder = ROOT / "benchmarks" / study
    return getattr(_module(folder / "tables.py"), f"{study}_tables")(folder / "results.json")


def _safety(name: str) -> Callable[[], str]:
    def made() -> str:
        return _module(ROOT / "docs" / "safety" / "tables.py").TABLES[name]()

    return made


def _module(path: Path) -> ModuleType:
    # under a name of its own: another folder's module of tables may be loaded already
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_tables", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _text(value: Any) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


PARTS: dict[str, Callable[[], str]] = {
    "command line": command_line,
    "scenarios": scenario_list,
    "scenario keys": scenario_keys,
    "arc keys": arc_keys,
    "evidence": evidence,
    "economics parameters": economics_parameters,
    "costnav tables": costnav_tables,
    "costnav tuning": costnav_tuning,
    "barrier tables": barrier_tables,
    "density tables": density_tables,
    "fleet tables": fleet_tables,
    "bresa tables": bresa_tables,
    "disturber tables": disturber_tables,
    "walker reflex tables": walker_reflex_tables,
    "assurance tables": assurance_tables,
    "safety hazards": _safety("safety hazards"),
    "safety properties": _safety("safety properties"),
    "safety requirements": _safety("safety requirements"),
    "safety faults": _safety("safety faults"),
}


def main() -> int:
    """Write the pages, or with `--check` say which of them are out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing, exit with 1 if a page is out of date"
    )
    check = parser.parse_args().check
    stale = []
    for page in PAGES:
        path = ROOT / page
        before = path.read_text(encoding="utf-8")
        after = filled(before, page)
        if after != before:
            stale.append(page)
            if not check:
                path.write_text(after, encoding="utf-8")
    if stale:
        print(f"{'out of date' if check else 'written'}: {', '.join(stale)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
