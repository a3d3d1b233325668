# SPDX-License-Identifier: Apache-2.0
"""The report's page of costs: what the runs of the folder cost in each column, in dollars per run."""

from pathlib import Path
from typing import Any

from reflexarc.core.errors import ReflexArcError
from reflexarc.economics import CostModel, Statement, compare, cost_model, state_episodes
from reflexarc.economics.decisions import figure_text
from reflexarc.economics.readers import Policy, read_policies
from reflexarc.report import economics_figures
from reflexarc.report.columns import WITHOUT_ARC

MODELS = (
    ("reflexarc_run", "Our model, per run as driven"),
    ("v5", "CostNav as published (v5), all contacts charged, also those with a standing robot"),
)
"""Cost models that the page shows, with their captions."""
RESAMPLES = 2000


def economics_section(out: Path) -> dict[str, Any]:
    """Return what the template shows: a table and a figure per model, or why there is none.

    A folder without a finished mission, or with logs of an older version, gives a sentence instead of tables.
    """
    try:
        return {"problem": "", "tables": [_table(out, name, caption) for name, caption in MODELS]}
    except ReflexArcError as error:
        return {"problem": f"No cost statement: {error}", "tables": []}


def _table(out: Path, name: str, caption: str) -> dict[str, Any]:
    model = cost_model(name)
    policies = read_policies(out, model, allow_incomplete=True)
    statements = [state_episodes(p.data, model, p.capex, resamples=RESAMPLES, name=p.name) for p in policies]
    keys = ("capex", *model.components, "opex", "revenue", "margin")
    rows = [
        ("missions", [f"{s.n}" + (f" ({s.skipped} unfinished)" if s.skipped else "") for s in statements])
    ]
    rows += [(f"{key} [usd]" if key == "capex" else key, [_cell(s, key) for s in statements]) for key in keys]
    notes = [f"{s.name}: {note}" for s in statements for note in s.notes]
    base = next((p for p in policies if p.name == WITHOUT_ARC.title), None)
    pairs = [] if base is None else [_pair(base, p, model) for p in policies if p is not base]
    notes = [*(text for text in pairs if text), *notes]
    return {
        "caption": f"{caption}; usd per run, 95 % bootstrap intervals",
        "names": [s.name for s in statements],
        "rows": rows,
        "notes": notes,
        "figure": economics_figures.statements(statements),
    }


def _pair(base: Policy, other: Policy, model: CostModel) -> str:
    """Compare a policy with the one without the arc on the missions that both drove; empty if there are none."""
    if not set(base.data.keys) & set(other.data.keys):
        return ""
    capital, names = (base.capex, other.capex), (base.name, other.name)
    pair = compare(base.data, other.data, model, capital, resamples=RESAMPLES, names=names)
    low, high = pair.ci95["margin"]
    return (
        f"On the {pair.missions} missions that both drove, the margin {other.name} is "
        f"{pair.difference['margin']:+.2f} usd/run [{low:+.2f}, {high:+.2f}] above that {base.name}."
    )


def _cell(statement: Statement, key: str) -> str:
    text = figure_text(key, statement.figures[key])
    if statement.ci95 is None or key == "capex":
        return text
    low, high = (figure_text(key, end) for end in statement.ci95[key])
    return text if low == high else f"{text} [{low}, {high}]"
