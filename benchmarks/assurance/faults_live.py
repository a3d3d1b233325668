# SPDX-License-Identifier: Apache-2.0
"""Part of the assurance study: the faults of running processes. It wants a machine with nothing else to do."""

from collections.abc import Callable
from typing import Any

from reflexarc.assurance.injection.live import live_rows
from reflexarc.cli._live import require_ros
from reflexarc.cli._validate_faults_live import study_live
from reflexarc.core.errors import LaunchError
from reflexarc_sim.scenario import load_scenario

SCENARIO = "sidewalk_supervised"
REPETITIONS, FAULT_FREE_S, LIMIT_S = 2, 180.0, 3600.0
"""How often each fault, time without one, and after which none begins. [s]"""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Inject every live fault; a short run, or one where ROS is absent, says that it left them out.

    Args:
        full: the whole study instead of a short run.
        progress: told what is going on.
    """
    if not full:
        return {"left_out": "a short run"}
    try:
        require_ros()
    except LaunchError as error:
        progress(str(error))
        return {"left_out": str(error)}
    request = {
        "scenario": SCENARIO,
        "robot": load_scenario(SCENARIO).robot,
        "rows": [row.name for row in live_rows()],
        "repetitions": REPETITIONS,
        "fault_free_s": FAULT_FREE_S,
        "wall_s": LIMIT_S,
    }
    return study_live(request, progress)


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return cases, those that failed safe and in time, and the longest time to zero."""
    if "cases" not in part:
        return {}
    return {
        "fault_live_cases": part["cases"],
        "fault_live_fail_safe": part["fail_safe"],
        "fault_live_in_time": part["in_time"],
        "fault_live_zero_max_ms": round(1e3 * part["zero"]["max_s"], 1),
    }
