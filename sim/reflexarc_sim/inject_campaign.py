# SPDX-License-Identifier: Apache-2.0
"""A fault-injection campaign in lock-step: every fault in every phase, from the same instant of the same run.

One run without faults per seed. When a phase begins the process is forked once per fault; the copy goes on with the
fault for `window_s`, reports and ends, and the run itself goes on as if nothing had been. One more copy without a fault
is what the others are compared with. With modes asked for, that happens when a phase first meets each of the modes: the
factorial of fault, phase and mode, as far as the run comes to it.
"""

import itertools
import json
import math
import os
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reflexarc.assurance.injection.scores import Case
from reflexarc.assurance.injection.table import INJECTIONS, PHASES, Injection
from reflexarc.core.errors import ConfigError, PlantError
from reflexarc.core.types import Mode
from reflexarc_sim.inject import Drive
from reflexarc_sim.scenario import Scenario

SETTLED_S = 2.0
"""No phase is looked for before this time of a run. [s]"""
STILL = 1e-9
"""A command whose components are smaller than this is zero. [m/s, rad/s]"""
_TICK_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class CampaignRequest:
    """What a campaign does."""

    scenario: Scenario
    rows: tuple[Injection, ...]
    phases: tuple[str, ...] = PHASES
    seeds: tuple[int, ...] = (0,)
    window_s: float = 2.0
    """How long a fault lasts. [s]"""
    drive_s: float = 30.0
    """Length of the run without faults, of every seed. [s]"""
    modes: tuple[str, ...] = ()
    """Names of the supervisor's modes that every phase is wanted in; empty: in whichever it is met first."""


@dataclass(slots=True)
class Campaign:
    """What a campaign found."""

    cases: list[Case] = field(default_factory=list)
    false_stops: int = 0
    fault_free_s: float = 0.0
    """Simulated time without injection. [s]"""
    missing: list[tuple[int, str, str]] = field(default_factory=list)
    """Seed, phase and mode where the phase did not occur in that mode; an empty mode: in none."""
    contacts_without_fault: int = 0
    """Phases after which the moving robot touched a person although nothing was injected."""


def applicable(scenario: Scenario, rows: Sequence[Injection] = INJECTIONS) -> tuple[Injection, ...]:
    """Return the rows that a scenario has the parts for in lock-step."""
    has = {
        "": True,
        "live": False,
        "gate": scenario.supervisor.enabled,
        "learned": scenario.arc_config.learned.enabled,
    }
    return tuple(row for row in rows if has[row.needs])


def never_reached(campaign: Campaign, seeds: int) -> list[tuple[str, str]]:
    """Return phase and mode of the cells of the factorial that no seed reached."""
    count = Counter((phase, mode) for _, phase, mode in campaign.missing)
    return sorted(cell for cell, times in count.items() if times == seeds)


def phase_of(drive: Drive) -> tuple[str, ...]:
    """Return the phases that the run is in."""
    speed, yaw = float(drive.state.twist[0]), float(drive.state.twist[-1])
    found = []
    if speed > 0.8 and drive.distance > 2.0 and abs(yaw) < 0.1 and drive.command[0] > speed - 0.1:
        found.append("driving")
    if speed > 0.3 and drive.command[0] < speed - 0.2:
        found.append("braking")
    if speed > 0.3 and drive.distance < 2.0:
        found.append("person_near")
    if speed > 0.3 and abs(yaw) > 0.15:
        found.append("turning")
    return tuple(found)


def run_campaign(request: CampaignRequest, progress: Callable[[int, int, str], None]) -> Campaign:
    """Run a campaign.

    Args:
        request: what is injected.
        progress: told cases done, cases asked for, and what is going on.

    Raises:
        ConfigError: the scenario is not acceptable, or a phase or mode is unknown.
        PlantError: a copy ended without a report.
    """
    for phase in request.phases:
        if phase not in PHASES:
            raise ConfigError(f"phase {phase!r} is unknown; allowed: {', '.join(PHASES)}")
    for mode in request.modes:
        if mode not in Mode.__members__:
            raise ConfigError(f"mode {mode!r} is unknown; allowed: {', '.join(Mode.__members__)}")
    campaign = Campaign()
    total = len(request.rows) * len(request.phases) * max(1, len(request.modes)) * len(request.seeds)
    for seed in request.seeds:
        _run_seed(request, seed, campaign, lambda text: progress(len(campaign.cases), total, text))
    return campaign


def _run_seed(request: CampaignRequest, seed: int, campaign: Campaign, say: Callable[[str], None]) -> None:
    drive = Drive(request.scenario, seed)
    say(f"seed {seed}: driving")
    left = set(itertools.product(request.phases, request.modes or ("",)))
    was_faulty = opened = False
    try:
        while drive.plant.time < request.drive_s - _TICK_ROUNDING and not drive.monitor.done:
            if drive.plant.time > SETTLED_S and left:
                mode = drive.mode.name if request.modes else ""
                for cell in sorted(left.intersection((phase, mode) for phase in phase_of(drive))):
                    left.discard(cell)
                    _branch(request, drive, seed, cell[0], campaign, say)
            faulty = bool(drive.step())
            opened |= bool(drive.command.any())
            campaign.false_stops += opened and faulty and not was_faulty
            was_faulty = faulty
        campaign.fault_free_s += drive.plant.time
        campaign.missing.extend((seed, phase, mode) for phase, mode in sorted(left))
    finally:
        drive.finish()


def _branch(
    request: CampaignRequest,
    drive: Drive,
    seed: int,
    phase: str,
    campaign: Campaign,
    say: Callable[[str], None],
) -> None:
    plain = _in_copy(drive, None, request.window_s)
    campaign.contacts_without_fault += plain["touched"]
    mode = drive.mode.name
    for row in request.rows:
        found = _in_copy(drive, row, request.window_s)
        campaign.cases.append(
            Case(
                row.name,
                phase,
                seed,
                mode,
                found["named_s"],
                found["zero_s"],
                tuple(found["names"]),
                bool(found["touched"] and not plain["touched"]),
                found["commands"] == plain["commands"] and row.channel != "actuator",
                *(found["touch"] or (math.nan, math.nan)),
            )
        )
        say(f"seed {seed}, {phase}, {mode}, {row.name}")


def _in_copy(drive: Drive, row: Injection | None, window_s: float) -> dict[str, Any]:
    """Go on in a copy of this process and return what it reports."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "w", encoding="utf-8") as pipe:
                json.dump(_observe(drive, row, window_s), pipe)
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        name = row.name if row is not None else "no fault"
        raise PlantError(f"the copy of the run with {name} ended with status {status} and no report")
    return json.loads(text)


def _observe(drive: Drive, row: Injection | None, window_s: float) -> dict[str, Any]:
    begin = drive.plant.time
    drive.touch, drive.touches_from = None, begin
    if row is not None:
        drive.inject(row)
    named = zero = onset = math.inf
    names: dict[str, None] = {}
    commands = []
    while drive.plant.time < begin + window_s - _TICK_ROUNDING:
        now = drive.plant.time
        found = drive.step()
        if row is not None and math.isinf(onset) and drive.injector is not None and drive.injector.affected:
            onset = now
        if now >= onset:
            names |= dict.fromkeys(found)
            if row is not None and math.isinf(named) and set(row.expects).intersection(found):
                named = now - onset
            if math.isinf(zero) and np.abs(drive.command).max() < STILL:
                zero = now - onset
        commands.append(drive.command.tobytes())
    drive.finish()
    digest = [command.hex() for command in commands]
    return {
        "named_s": named,
        "zero_s": zero,
        "names": list(names),
        "touched": drive.touch is not None,
        "touch": drive.touch,
        "commands": digest,
    }
