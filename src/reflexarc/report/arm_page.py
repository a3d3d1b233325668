# SPDX-License-Identifier: Apache-2.0
"""What the report of runs of an arm in contact shows."""

import math

from reflexarc.report.arm_figures import path_figure, seeds_figure, time_figure
from reflexarc.report.joint_page import JointPage, Summary, plain_value

ROWS = (
    ("task done within the limits", "success", "share"),
    ("force beyond its limits", "violated", "share"),
    ("peak force [N]", "peak_force_n", "max"),
    ("CVaR95 of the force [N]", "cvar95_force_n", "mean"),
    ("time to completion [s]", "completion_s", "mean"),
    ("reflexes per run", "reflexes", "mean"),
    ("latency of a reflex, median [ms]", "reflex_latency_ms", "mean"),
    ("tank empty, times", "tank_underflows", "sum"),
    ("work of the motors [J]", "work_j", "mean"),
)


def _value(summary: Summary, key: str) -> float:
    if key == "violated":
        return float(bool(summary["violation"]))
    if key == "reflex_latency_ms":
        seconds = summary["reflex_latency_s"]
        return math.nan if seconds is None else 1e3 * seconds
    return plain_value(summary, key)


ARM_PAGE = JointPage(
    "arm.html",
    ROWS,
    seeds_figure,
    lambda log, summary: {"path": path_figure(log), "time": time_figure(log, summary)},
    _value,
)
