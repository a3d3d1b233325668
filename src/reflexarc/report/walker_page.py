# SPDX-License-Identifier: Apache-2.0
"""What the report of runs of a quadruped shows."""

from reflexarc.report.joint_page import JointPage
from reflexarc.report.walker_figures import seeds_figure, time_figure

ROWS = (
    ("stayed up", "success", "share"),
    ("time until it fell or the run was over [s]", "duration_s", "mean"),
    ("error of the velocity, root mean square [m/s]", "velocity_error_m_s", "mean"),
    ("reflexes per run", "reflexes", "mean"),
    ("share of the time under a reflex", "reflex_share", "mean"),
    ("latency of a reflex after its push, median [s]", "reflex_latency_s", "mean"),
    ("largest risk", "risk_most", "max"),
    ("largest lean [rad]", "lean_most_rad", "max"),
    ("share of the time halted", "halted", "mean"),
    ("work of the motors [J]", "work_j", "mean"),
)

WALKER_PAGE = JointPage(
    "walker.html", ROWS, seeds_figure, lambda log, summary: {"time": time_figure(log, summary)}
)
