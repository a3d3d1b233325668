# SPDX-License-Identifier: Apache-2.0
"""The gate live: real processes, the robot driving in the simulator; arc, supervisor, plant killed or stopped in turn.

Measured from the signal to the sending of the first zero command after which none moves the robot any more, and of the
odometry that says that it stands; both by the sender's stamp of the middleware, on the machine's clock. Also the time
from a measurement of persons to the command of every tick; its 99.9th percentile is what T_r must cover.
"""

import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.assurance.injection.live import live_rows
from reflexarc.cli._domain import choose_domain
from reflexarc.robots import load_robot

SCENARIO, ROBOT = "sidewalk_supervised", "segway_e1"
WOUNDS = ("arc_sigstop", "supervisor_sigstop", "plant_sigstop", "arc_sigkill", "supervisor_sigkill")
"""Rows of the table of injections."""


def run_live(repetitions: int, lease: float, progress: Callable[[str], None]) -> dict[str, Any]:
    """Wound each in turn and return every time.

    Args:
        repetitions: how often each.
        lease: of the gate. [s]
        progress: told every wound.

    Raises:
        ReflexArcError: the robot never drives, or does not stop.
    """
    from reflexarc_nodes.live_graph import LiveGraph  # noqa: PLC0415 - where ROS is absent this part is left out
    from reflexarc_nodes.live_study import LiveStudy  # noqa: PLC0415

    cases = []
    with tempfile.TemporaryDirectory(prefix="reflexarc-gate-") as folder:
        graph = LiveGraph(Path(folder), dict(os.environ), choose_domain(), SCENARIO, lease)
        try:
            study = LiveStudy(graph, load_robot(ROBOT))
            for repetition in range(repetitions):
                for row in live_rows(WOUNDS):
                    case = study.inject(row, repetition)
                    if case is None:
                        progress(f"{row.name}: the robot stopped before; not counted")
                        continue
                    cases.append(case)
                    progress(f"live {repetition + 1}/{repetitions}: {row.name} {cases[-1].zero_s:.4f} s")
        finally:
            graph.close()
    rows = [
        {
            "node": case.row.split("_")[0],
            "signal": case.row.split("_")[1].upper(),
            "zero_s": round(case.zero_s, 4),
            "speed_m_s": round(case.speed_m_s, 3),
            "standstill_s": round(case.standstill_s, 4) if math.isfinite(case.standstill_s) else None,
            "unvouched_s": round(case.unvouched_s, 4),
        }
        for case in cases
    ]
    loops = np.array(graph.loops)
    quantiles = {
        f"loop_p{q:g}_s".replace(".", "_"): round(float(np.percentile(loops, q)), 4) for q in (50, 99, 99.9)
    }
    return {"lease_s": lease, "rows": rows, "ticks": len(loops), **quantiles}
