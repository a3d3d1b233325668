# SPDX-License-Identifier: Apache-2.0
"""The navigation problems of Recovery RL: every method, rates of the critic, backups, calibration, hysteresis.

A short run trains nothing: it deploys the committed agents of `models/reflex` again, which is the last part of the full
one.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from comparisons import BASELINE, KINDS, OURS, comparisons, counted
from configurations import (
    ALPHA,
    CONTROL,
    DEPLOYED,
    EVERY,
    FEW,
    HOLD,
    PROBES,
    SEEDS,
    Configuration,
    calibration_error,
    configurations,
    deployed,
    measured,
)
from figures import geometric_mean, mean, ratio

from reflexarc.cli.journal import Journal
from reflexarc.core.intervals import clopper_pearson
from reflexarc.reflex.agent import load_reflex_agent
from reflexarc.reflex.loop import Shield
from reflexarc.reflex.navigation import NAVIGATION, navigation

MODELS = Path(__file__).resolve().parents[2] / "models" / "reflex"
Row = dict[str, Any]


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Train, deploy and compare; return the figures.

    Args:
        full: everything; else the committed agents are deployed.
        progress: told what is going on.
    """
    agents = [committed(MODELS / name) for name in NAVIGATION]
    for row in agents:
        shielded = row["deployments"]["shielded"]
        progress(
            f"{row['problem']}, committed agent: {shielded['reached']} reached, {shielded['failed']} failed"
        )
    results: dict[str, Any] = {"agents": agents}
    if not full:
        return results
    journal = Journal("navigation")
    found: list[tuple[Configuration, list[Row]]] = []
    spent = []
    for c in configurations():
        one = journal.once(c.key, partial(measured, c))
        found.append((c, one["rows"]))
        spent.append(one["cpu_s"])
        reached, failed = (sum(row["training"][k] for row in one["rows"]) for k in ("reached", "failed"))
        progress(f"{c.name}: {reached} reached, {failed} failed while learning; {one['cpu_s']} s")
    return results | {
        "alpha": ALPHA,
        "seeds": [SEEDS, FEW],
        "episodes": DEPLOYED,
        "probes": PROBES,
        "rates": {"hold": HOLD, "control": CONTROL, "every": {str(r): k for r, k in EVERY.items()}},
        "configurations": [_summary(c, rows) for c, rows in found],
        "comparisons": comparisons(found),
        "calibration": calibration(found),
        "cpu_s": round(sum(s["training"] + s["deployment"] for s in spent)),
    }


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the ratios of ours, what they are over each other method's, and failures by rate of the critic."""
    out: dict[str, Any] = {}
    for row in part["agents"]:
        shielded = row["deployments"]["shielded"]
        out[f"{row['problem']}_agent_reached"] = shielded["reached"]
        out[f"{row['problem']}_agent_failed"] = shielded["failed"]
    if "configurations" not in part:
        return out
    for problem in NAVIGATION:
        for stage in ("training", "deployment"):
            rows = [
                r
                for r in part["comparisons"]
                if (r["problem"], r["stage"], r["of"]) == (problem, stage, OURS)
            ]
            over = {r["over"]: r["advantage"] for r in rows if r["group"] == "methods"}
            for name in ("recovery_rl", "bresa"):
                out[f"{problem}_{stage}_ours_over_{name}"] = _text(over[name])
            out[f"{problem}_{stage}_ours_better_than_all"] = (
                "yes" if all(interval[1] > 1.0 for interval in over.values()) else "no"
            )
        for row in part["calibration"]:
            if (row["problem"], row["method"]) in ((problem, OURS), (problem, BASELINE)):
                share = round(100.0 * row["failed"] / row["episodes"], 2)
                out[f"{problem}_deployment_failed_percent_{row['method']}_{row['threshold']}"] = share
        for c in part["configurations"]:
            if (c["group"], c["problem"]) == ("methods", problem):
                failed, over = (sum(r["training"][k] for r in c["rows"]) for k in ("failed", "over"))
                out[f"{problem}_training_failed_{c['method']}"] = f"{failed:,} of {over:,}"
        by_rate = {
            c["rate"]: c["training"]["failed"]
            for c in part["configurations"]
            if (c["group"], c["problem"]) == ("rates", problem)
        }
        out[f"{problem}_training_failures_by_rate"] = ", ".join(
            f"{r} Hz: {_text(failed)}" for r, failed in by_rate.items()
        )
    return out


def committed(folder: Path) -> Row:
    """Return what the agent in a folder of `models/reflex` does."""
    agent = load_reflex_agent(folder / "reflex.safetensors")
    problem = navigation(agent.recipe["problem"], int(agent.recipe["hold"]), int(agent.recipe["control"]))
    shields = {
        "none": Shield(),
        "shielded": agent.shield,
        "published": agent.shield._replace(threshold=problem.threshold),
        "once_per_decision": agent.shield._replace(every=problem.length),
    }
    return {
        "problem": problem.name,
        "deployments": {
            name: deployed(problem, agent.networks, shield, 0) for name, shield in shields.items()
        },
        "calibration_error": calibration_error(problem, agent.networks, 0),
    }


def calibration(found: list[tuple[Configuration, list[Row]]]) -> list[Row]:
    """Return for each method with a shield how often held-out episodes fail by threshold, and whether that is kept."""
    out = []
    for c, rows in found:
        if c.group != "methods":
            continue
        for kind in KINDS:
            deployments = [r["deployments"][kind] for r in rows if kind in r["deployments"]]
            if not deployments:
                continue
            failed = [d["failed"] for d in deployments]
            intervals = [clopper_pearson(d["failed"], d["episodes"], 0.05) for d in deployments]
            episodes = sum(d["episodes"] for d in deployments)
            out.append(
                {
                    "problem": c.problem,
                    "method": c.method,
                    "threshold": kind,
                    "seeds": len(deployments),
                    "thresholds": sorted(d["threshold"] for d in deployments),
                    "failed": sum(failed),
                    "episodes": episodes,
                    "interval": list(clopper_pearson(sum(failed), episodes, 0.05)),
                    "worst_seed": max(failed) / deployments[0]["episodes"],
                    "seeds_above": sum(low > ALPHA for low, _ in intervals),
                    "none_passed": sum(r["passed"] is None for r in rows) if kind == "tested" else None,
                    "reached": sum(d["reached"] for d in deployments),
                }
            )
    return out


def _summary(c: Configuration, rows: list[Row]) -> Row:
    """Return means over the seeds, and the rows that they are of."""
    driven = [r["training"] for r in rows]
    training: Row = {k: mean([t[k] for t in driven]) for k in ("reached", "failed", "over", "reflex")}
    training["ratio"] = geometric_mean([ratio(*x) for x in counted(rows)])
    deployments = {}
    for kind in dict.fromkeys(kind for r in rows for kind in r["deployments"]):
        ds = [r["deployments"][kind] for r in rows if kind in r["deployments"]]
        deployments[kind] = {
            "seeds": len(ds),
            "ratio": geometric_mean([ratio(d["reached"], d["failed"]) for d in ds]),
            "success": mean([d["reached"] / d["episodes"] for d in ds]),
            "violation": mean([d["failed"] / d["episodes"] for d in ds]),
            **{k: mean([d[k] for d in ds]) for k in ("steps", "reflexes", "false_reflexes")},
        }
    return {
        "group": c.group,
        "problem": c.problem,
        "method": c.method,
        "rate": c.rate,
        "bootstrap": c.how.bootstrap,
        "seeds": len(rows),
        "training": training,
        "deployments": deployments,
        "calibration_error": mean([r["calibration_error"] for r in rows]),
        "rows": rows,
    }


def _text(interval: list[float]) -> str:
    return "{:.3g} ({:.3g} to {:.3g})".format(*interval)
