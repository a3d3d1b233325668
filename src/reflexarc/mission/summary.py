# SPDX-License-Identifier: Apache-2.0
"""What a run amounted to: counted while it goes on, the same way in both clocks."""

import dataclasses
import hashlib
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from reflexarc.core.figures import for_json
from reflexarc.core.plant import CargoEvent, ContactClass, ContactEvent, PlantEvent
from reflexarc.core.types import Array, Verdict
from reflexarc.mission.monitor import MissionEnded, Outcome

MOVING_SPEED = 0.1
"""A robot slower than this counts as standing when somebody touches it. [m/s]"""
INTERVENTION_CHANGE = 0.05
"""Change of the command below which a filtered tick is no intervention. [m/s, rad/s]"""
INTERVENTION_GAP = 0.5
"""Interventions closer than this are one. [s]"""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Figures of one run."""

    missions: int
    successes: int
    contacts: int
    pedestrian_contacts: int
    pedestrian_contacts_moving: int
    """Pedestrian contacts that began while the robot was faster than 0.1 m/s."""
    min_distance_m: float
    """Smallest gap between footprint and any pedestrian; infinite without pedestrians, negative never."""
    interventions: int
    """Periods in which the arc changed the command."""
    tick_p50_us: float
    """Median wall time of a tick; NaN without the arc."""
    tick_p99_us: float
    deadline_miss_fraction: float
    """Share of ticks that began later than half a period; NaN in lock-step, where no deadline exists."""
    seed: int
    digest: str
    """SHA-256 of states, commands and events; equal digests mean equal runs. Empty in live runs."""
    arc: bool = True
    """Whether the reflex arc was in the loop."""
    duration_s: float = 0.0
    """Simulated or real time of the run."""
    distance_m: float = 0.0
    """Way the robot drove."""
    contacts_by_class: dict[str, int] = field(default_factory=dict)
    impulse_n_s: float = 0.0
    """Sum of the impulses of all contacts."""
    pedestrian_impulse_n_s: float = 0.0
    max_pedestrian_delta_v_m_s: float = 0.0
    cargo_lost: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    """Ticks in which each fault was present."""
    ticks: int = 0
    success_time_s: float = 0.0
    """Sum of the durations of the successful missions."""
    stage_ticks: dict[str, int] = field(default_factory=dict)
    """Ticks in which each stage changed the command; the learned barrier counts as one where it was the more
    restrictive one."""
    learned_ticks: int = 0
    """Ticks in which a learned barrier was evaluated."""
    min_learned_margin_m: float = math.nan
    """Its smallest value; NaN without one, infinite where nobody ever came near."""
    uncertified: bool = False
    """Whether it took part without a matching certificate."""
    plan_risks: dict[str, float] = field(default_factory=dict)
    """Judgements of the plan by kind (accepted, changed, refused, unknown) and how long they took; empty where
    plans are not judged."""

    def to_json(self) -> dict[str, object]:
        """Return a mapping for JSON; NaN and infinity become null."""
        return for_json(dataclasses.asdict(self))


class RunStatistics:
    """Counts what happens in a run; give it everything in order and ask for the summary at the end."""

    def __init__(self, seed: int, arc: bool, digest: bool = True):
        """Start counting.

        Args:
            seed: seed of the run.
            arc: whether the arc is in the loop.
            digest: whether to hash states, commands and events; off in live runs, where timing is not repeatable.
        """
        self._seed, self._arc = seed, arc
        self._hash = hashlib.sha256() if digest else None
        self._tick_times: list[float] = []
        self._late = 0
        self._timed = 0
        self.interventions = 0
        self._last_change = -math.inf
        self.min_distance = math.inf
        self.contacts: list[ContactEvent] = []
        self._cargo_lost = 0
        self._faults: Counter[str] = Counter()
        self._stages: Counter[str] = Counter()
        self._learned = 0
        self._min_learned = math.inf
        self._uncertified = False
        self.plan_risks: dict[str, float] = {}
        """Set by whoever judges plans."""
        self._first = math.nan
        self._last = math.nan
        self._position: Array | None = None
        self._distance = 0.0
        self.missions: list[MissionEnded] = []

    def add_state(self, now: float, pose: Array, twist: Array) -> None:
        """Count a state: pose (3,) [m, m, rad], twist (2,) [m/s, rad/s]."""
        if math.isnan(self._first):
            self._first = now
        self._last = now
        if self._position is not None:
            self._distance += math.hypot(pose[0] - self._position[0], pose[1] - self._position[1])
        self._position = pose
        if self._hash is not None:
            self._hash.update(np.concatenate((pose, twist)).tobytes())

    def add_verdict(
        self, verdict: Verdict, proposal: Array | None, lateness: float | None, period: float
    ) -> None:
        """Count a tick.

        Args:
            verdict: its result.
            proposal: what the policy wanted, shape (2,), or None.
            lateness: how late the tick began [s]; None in lock-step.
            period: control period [s]; a tick later than half of it missed its deadline.
        """
        self._tick_times.append(verdict.time_used)
        if lateness is not None:
            self._timed += 1
            self._late += lateness > 0.5 * period
        self._faults.update(verdict.faults)
        self._stages.update({intervention.stage for intervention in verdict.interventions})
        self._uncertified |= verdict.uncertified
        if not math.isnan(verdict.learned_margin):
            self._learned += 1
            self._min_learned = min(self._min_learned, verdict.learned_margin)
        if proposal is not None:
            change = float(np.hypot(*(verdict.command - proposal)))
            if verdict.intervened and not change <= INTERVENTION_CHANGE:
                self.interventions += verdict.now - self._last_change > INTERVENTION_GAP
                self._last_change = verdict.now
        if self._hash is not None:
            self._hash.update(verdict.command.tobytes())

    def add_distance(self, distance: float) -> None:
        """Count a measured gap between footprint and nearest pedestrian. [m]"""
        self.min_distance = min(self.min_distance, max(0.0, distance))

    def add_events(self, events: Iterable[PlantEvent]) -> None:
        """Count what the plant reported."""
        for event in events:
            if isinstance(event, ContactEvent):
                self.contacts.append(event)
            elif isinstance(event, CargoEvent):
                self._cargo_lost = event.lost
            if self._hash is not None:
                self._hash.update(repr(event).encode())

    def add_mission(self, ended: MissionEnded) -> None:
        """Count the end of a mission."""
        self.missions.append(ended)

    @property
    def distance(self) -> float:
        """Way driven so far. [m]"""
        return self._distance

    @property
    def pedestrian_contacts(self) -> list[ContactEvent]:
        """Contacts with people so far."""
        return [c for c in self.contacts if c.contact_class is ContactClass.PEDESTRIAN]

    def summary(self) -> RunSummary:
        """Return the figures of everything counted so far."""
        people = self.pedestrian_contacts
        times = np.array(self._tick_times) * 1e6
        p50, p99 = np.percentile(times, [50, 99]) if self._arc and len(times) else (math.nan, math.nan)
        outcomes = Counter(str(m.outcome) for m in self.missions)
        return RunSummary(
            missions=len(self.missions),
            successes=outcomes[Outcome.SUCCESS],
            contacts=len(self.contacts),
            pedestrian_contacts=len(people),
            pedestrian_contacts_moving=sum(c.robot_speed > MOVING_SPEED for c in people),
            min_distance_m=float(self.min_distance),
            interventions=int(self.interventions),
            tick_p50_us=float(p50),
            tick_p99_us=float(p99),
            deadline_miss_fraction=self._late / self._timed if self._timed else math.nan,
            seed=self._seed,
            digest=self._hash.hexdigest() if self._hash is not None else "",
            arc=self._arc,
            duration_s=0.0 if math.isnan(self._first) else self._last - self._first,
            distance_m=self._distance,
            contacts_by_class=dict(Counter(str(c.contact_class) for c in self.contacts)),
            impulse_n_s=math.fsum(c.impulse for c in self.contacts),
            pedestrian_impulse_n_s=math.fsum(c.impulse for c in people),
            max_pedestrian_delta_v_m_s=max((c.delta_v for c in people), default=0.0),
            cargo_lost=self._cargo_lost,
            outcomes=dict(outcomes),
            faults=dict(self._faults),
            ticks=len(self._tick_times),
            success_time_s=math.fsum(m.duration for m in self.missions if m.outcome is Outcome.SUCCESS),
            stage_ticks=dict(sorted(self._stages.items())),
            learned_ticks=self._learned,
            min_learned_margin_m=float(self._min_learned) if self._learned else math.nan,
            uncertified=self._uncertified,
            plan_risks=self.plan_risks,
        )
