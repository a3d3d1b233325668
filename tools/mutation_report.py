# SPDX-License-Identifier: Apache-2.0
"""The page of mutants that survived, from what `mutate.py --json` wrote and the reasons why some may stay.

    python tools/mutation_report.py outcomes.json [more.json ...]

Reasons are in benchmarks/assurance/mutation_reasons.yaml: a list of `file` (below src/reflexarc), `code` (the line as
it stands in the source), `change` (`before -> after`, or a list of them) and `why`. A survivor without a reason is a
missing test. Exit code 1: there is one, or a reason is given for what no longer survives.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "assurance"
PACKAGE = "src/reflexarc/"
MISSING = "**a test is missing**"
Key = tuple[str, str, str]
"""File, code, change."""


def read_reasons(path: Path) -> dict[Key, str]:
    """Return why each mutant may stay.

    Raises:
        ValueError: an entry is incomplete, or a mutant has two.
    """
    reasons: dict[Key, str] = {}
    for number, entry in enumerate(yaml.safe_load(path.read_text(encoding="utf-8"))):
        if set(entry) != {"file", "code", "change", "why"} or not str(entry["why"]).strip():
            raise ValueError(f"{path}: entry {number} needs file, code, change and why, has {sorted(entry)}")
        changes = entry["change"] if isinstance(entry["change"], list) else [entry["change"]]
        for change in changes:
            key = (entry["file"], entry["code"], change)
            if key in reasons:
                raise ValueError(f"{path}: {key} has two reasons")
            reasons[key] = entry["why"].strip()
    return reasons


def key_of(outcome: Mapping[str, Any]) -> Key:
    """Return what names a mutant also after lines have moved."""
    change = f"{outcome['before']} -> {outcome['after']}"
    return outcome["file"].removeprefix(PACKAGE), outcome["code"], change


def page(outcomes: Iterable[Mapping[str, Any]], reasons: Mapping[Key, str]) -> tuple[str, list[str]]:
    """Return the page in Markdown, and what is wrong."""
    outcomes = list(outcomes)
    files = dict.fromkeys(outcome["file"].removeprefix(PACKAGE) for outcome in outcomes)
    alive = [outcome for outcome in outcomes if outcome["result"] == "survived"]
    known = {key_of(outcome) for outcome in alive}
    wrong = [f"{MISSING}: {' | '.join(key)}" for key in sorted(known - set(reasons))]
    wrong += [
        f"no longer survives: {' | '.join(key)}" for key in sorted(set(reasons) - known) if key[0] in files
    ]
    lines = [
        "# Mutants of the safety layer that survived",
        "",
        "Written by `tools/mutation_report.py` from a run of `tools/mutate.py` over every mutant; reasons are kept in",
        "[mutation_reasons.yaml](mutation_reasons.yaml). Late: of those killed, the ones that ran out of time.",
        "",
        "| module | mutants | killed | late | survive | without a reason | score |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_row(name, [o for o in outcomes if o["file"] == PACKAGE + name], reasons) for name in files]
    lines += [_row("all", outcomes, reasons), "", "| where | change | why it stays |", "|---|---|---|"]
    for outcome in sorted(alive, key=lambda o: (o["file"], o["line"])):
        where = f"{outcome['file'].removeprefix(PACKAGE)}:{outcome['line']}"
        change = f"`{outcome['before']}` becomes `{outcome['after']}`".replace("|", "\\|")
        lines.append(f"| {where} | {change} | {reasons.get(key_of(outcome), MISSING)} |")
    return "\n".join(lines) + "\n", wrong


def _row(name: str, mine: list[Mapping[str, Any]], reasons: Mapping[Key, str]) -> str:
    killed = sum(outcome["result"] != "survived" for outcome in mine)
    late = sum(outcome["result"] == "time limit" for outcome in mine)
    alive = [outcome for outcome in mine if outcome["result"] == "survived"]
    open_ones = sum(key_of(outcome) not in reasons for outcome in alive)
    score = f"{killed / len(mine):.3f}"
    return f"| {name} | {len(mine)} | {killed} | {late} | {len(alive)} | {open_ones} | {score} |"


def main() -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "outcomes",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="written by mutate.py --json; several are joined",
    )
    parser.add_argument("--reasons", type=Path, default=FOLDER / "mutation_reasons.yaml", help="YAML file")
    parser.add_argument("--out", type=Path, default=FOLDER / "mutation_survivors.md", help="page to write")
    args = parser.parse_args()
    outcomes = [o for path in args.outcomes for o in json.loads(path.read_text(encoding="utf-8"))]
    text, wrong = page(outcomes, read_reasons(args.reasons))
    args.out.write_text(text, encoding="utf-8")
    print("\n".join(wrong) or f"{args.out}: every survivor has its reason")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
