# SPDX-License-Identifier: Apache-2.0
"""The episode table: one row per run that was not skipped, one row per contact; checked when it is made.

Whatever a reader takes in (CostNav JSON or CSV, our event logs, recordings) becomes this table, and every
cost model is computed from it alone. A bad value is an error that names the column and the row; nothing is
dropped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.types import Array
from reflexarc.economics.catalogue import PROPERTY
from reflexarc.economics.outcomes import OUTCOMES

CONTACT_CLASSES = ("pedestrian", *PROPERTY, "kerb")
"""Classes of contacts; `building` of our logs is `building_glass` here, as the published model prices it."""
CLASS_ALIASES = {"building": "building_glass", "mail_box": "mailbox"}


@dataclass(frozen=True, slots=True)
class Contacts:
    """Contact episodes of all runs, in order of run and time; c of them."""

    row: npt.NDArray[np.int64]
    """Run of each contact, index into the episode table, shape (c,)."""
    time: Array
    """End of the contact since the start of its run, shape (c,). [s]"""
    kind: npt.NDArray[np.int64]
    """Index into `CONTACT_CLASSES`, shape (c,)."""
    impulse: Array
    """Norm of the resultant impulse, shape (c,). [N s]"""
    delta_v: Array
    """Change of velocity of the pedestrian, NaN where not measured, shape (c,). [m/s]"""
    peak_force: Array
    """Largest normal force, NaN where not measured, shape (c,). [N]"""
    robot_speed: Array
    """Speed of the robot at the first touch, NaN where not measured, shape (c,). [m/s]"""

    @classmethod
    def none(cls) -> "Contacts":
        """No contacts."""
        whole, real = np.zeros(0, np.int64), np.zeros(0)
        return cls(whole, real, whole, real, real, real, real)

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[float | None]]) -> "Contacts":
        """Build from rows (run, time, class index, impulse, delta_v, peak force, robot speed); None becomes
        NaN.
        """
        if not rows:
            return cls.none()
        table = np.array([[np.nan if x is None else float(x) for x in row] for row in rows])
        table = table[np.lexsort((table[:, 1], table[:, 0]))]
        whole = table[:, [0, 2]].astype(np.int64)
        return cls(whole[:, 0], table[:, 1], whole[:, 1], *table[:, 3:].T)

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class Episodes:
    """Runs of one policy on one robot; n of them."""

    source: str
    """Where they were read, for messages."""
    robot: str
    """Model of the robot, one for all runs."""
    keys: tuple[str, ...]
    """Identity of each run's mission (seed and number); equal keys of two policies are the same mission."""
    outcome: npt.NDArray[np.int64]
    """Index into `OUTCOMES`, shape (n,)."""
    duration_s: Array
    """Shape (n,). [s]"""
    distance_m: Array
    """Way driven, shape (n,). [m]"""
    energy_kwh: Array
    """Mechanical energy at the wheels, NaN where not measured, shape (n,). [kWh]"""
    power_kw: Array
    """Mean mechanical power given by the source, NaN where it is to be computed, shape (n,). [kW]"""
    injury_usd: Array
    """Injury cost given by the source, NaN where it is to be computed from contacts, shape (n,). [usd]"""
    property_counts: Array
    """Damaged property per class given by the source, NaN where it is to be computed, shape (n, 9)."""
    contacts: Contacts = field(default_factory=Contacts.none)
    skipped: int = 0
    """Runs that were not evaluated."""
    skip_reasons: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What the reader had to assume."""

    def __post_init__(self) -> None:
        n = len(self.keys)
        if n == 0:
            raise ConfigError(
                f"{self.source}: zero episodes; at least one run is needed that was not skipped "
                f"({self.skipped} skipped)"
            )
        self._check_shapes(n)
        for name, array in (
            ("duration_s", self.duration_s),
            ("distance_m", self.distance_m),
            ("energy_kwh", self.energy_kwh),
            ("power_kw", self.power_kw),
            ("injury_usd", self.injury_usd),
        ):
            optional = name not in ("duration_s", "distance_m")
            bad = ~((array >= 0.0) & np.isfinite(array)) & ~(optional & np.isnan(array))
            self._refuse(name, array, bad, "a finite number >= 0")
        for index, name in enumerate(PROPERTY):
            column = self.property_counts[:, index]
            self._refuse(name, column, ~((column >= 0.0) | np.isnan(column)), "a number >= 0")
        c = self.contacts
        for name in ("impulse", "delta_v", "peak_force", "robot_speed"):
            values = getattr(c, name)
            bad = ~((values >= 0.0) & np.isfinite(values))
            if name != "impulse":
                bad &= ~np.isnan(values)
            if bad.any():
                i = int(np.argmax(bad))
                raise ConfigError(
                    f"{self.source}: contact {i} of episode {self.keys[c.row[i]]!r} (row {c.row[i] + 1}), "
                    f"field {name!r}: "
                    f"{values[i]} must be a finite number >= 0; nothing was computed"
                )

    def __len__(self) -> int:
        return len(self.keys)

    def _check_shapes(self, n: int) -> None:
        for name in ("outcome", "duration_s", "distance_m", "energy_kwh", "power_kw", "injury_usd"):
            if getattr(self, name).shape != (n,):
                raise ValueError(f"Episodes.{name} must have shape ({n},), got {getattr(self, name).shape}")
        if self.property_counts.shape != (n, len(PROPERTY)):
            raise ValueError(
                f"Episodes.property_counts must have shape ({n}, 9), got {self.property_counts.shape}"
            )
        if len(set(self.keys)) != n:
            twice = next(k for i, k in enumerate(self.keys) if k in self.keys[:i])
            raise ConfigError(
                f"{self.source}: mission {twice!r} occurs twice; each run needs a mission of its own"
            )
        if len(self.outcome) and not (0 <= self.outcome.min() and self.outcome.max() < len(OUTCOMES)):
            raise ValueError("Episodes.outcome must index OUTCOMES")

    def _refuse(self, name: str, values: Array, bad: npt.NDArray[np.bool_], allowed: str) -> None:
        if bad.any():
            i = int(np.argmax(bad))
            raise ConfigError(
                f"{self.source}: row {i + 1} (mission {self.keys[i]!r}), field {name!r}: {values[i]} "
                f"must be {allowed}; "
                "nothing was computed"
            )

    def select(self, rows: Sequence[int]) -> "Episodes":
        """Return the table with only `rows`, in that order."""
        index = np.asarray(rows, dtype=np.int64)
        place = np.full(len(self), -1)
        place[index] = np.arange(len(index))
        keep = place[self.contacts.row] >= 0
        c = self.contacts
        order = np.argsort(place[c.row[keep]], kind="stable")
        contacts = Contacts(
            place[c.row[keep]][order],
            *(
                getattr(c, name)[keep][order]
                for name in ("time", "kind", "impulse", "delta_v", "peak_force", "robot_speed")
            ),
        )
        return Episodes(
            self.source,
            self.robot,
            tuple(self.keys[i] for i in index),
            self.outcome[index],
            self.duration_s[index],
            self.distance_m[index],
            self.energy_kwh[index],
            self.power_kw[index],
            self.injury_usd[index],
            self.property_counts[index],
            contacts,
            self.skipped,
            self.skip_reasons,
            self.notes,
        )


def contact_class(name: str, where: str) -> int:
    """Return the index of a contact class or one of its aliases.

    Raises:
        UnknownNameError: no such class; `where` names file and row.
    """
    name = CLASS_ALIASES.get(name, name)
    if name not in CONTACT_CLASSES:
        raise UnknownNameError("contact class", name, (*CONTACT_CLASSES, *CLASS_ALIASES), where)
    return CONTACT_CLASSES.index(name)
