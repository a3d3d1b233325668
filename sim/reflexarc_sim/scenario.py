# SPDX-License-Identifier: Apache-2.0
"""Scenarios: robot + world + crowd + sensors + task + disturbances + seed, one YAML file each.

Every field below is a key of the YAML file, with its unit and bounds; an unknown key, a wrong type or a value out of
bounds is a `ConfigError` that names the file and what is allowed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reflexarc.arc import ArcConfig
from reflexarc.assurance.supervision import SupervisionConfig
from reflexarc.core.config import apply_override, from_mapping, parse_override, quantity, read_yaml
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.paths import KINDS, model_dir, models_dir
from reflexarc.reach.monitor_config import MonitorConfig
from reflexarc_sim.cell import CellConfig
from reflexarc_sim.fleet_config import FleetConfig
from reflexarc_sim.walk_config import WalkConfig

SCENARIOS_DIR = Path(__file__).parent / "scenarios"


@dataclass(frozen=True, slots=True)
class MissionsConfig:
    """Deliveries of a run: a chain in which each goal is the next start."""

    count: int = quantity(1, low=1, high=1000, doc="deliveries, one after the other")
    timeout_s: float = quantity(90.0, unit="s", low=1.0, high=36000.0, doc="time allowed for each")
    goal_tolerance_m: float = quantity(
        1.0, unit="m", low=0.05, high=10.0, doc="distance at which a goal is reached"
    )
    min_distance_m: float = quantity(20.0, unit="m", low=0.5, high=10000.0, doc="least straight distance")
    max_distance_m: float = quantity(40.0, unit="m", low=1.0, high=10000.0, doc="largest straight distance")

    def __post_init__(self) -> None:
        if self.max_distance_m <= self.min_distance_m:
            raise ValueError(
                f"max_distance_m {self.max_distance_m} must be above min_distance_m {self.min_distance_m}"
            )


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """The static world."""

    type: str = quantity("sidewalk", choices=("sidewalk", "plaza", "cells"), doc="kind of world")
    map: str = quantity(
        "", doc="a map of reflexarc.fleet.gcrl.maps, which says all that follows but the margin (cells only)"
    )
    length_m: float = quantity(70.0, unit="m", low=8.0, high=1000.0, doc="drivable extent along x")
    width_m: float = quantity(5.0, unit="m", low=3.0, high=200.0, doc="drivable extent along y")
    seed: int | None = quantity(None, low=0, high=2**63, doc="fixed world; without it the run's seed decides")
    bollards: int = quantity(
        10, low=0, high=200, doc="number of bollards at most; fewer where there is no room"
    )
    trash_bins: int = quantity(4, low=0, high=100, doc="number of bins at most (sidewalk only)")
    mailboxes: int = quantity(3, low=0, high=100, doc="number of mailboxes at most (sidewalk only)")
    ramps: int = quantity(2, low=0, high=20, doc="number of kerb ramps (sidewalk only)")
    route_margin_m: float = quantity(
        0.25,
        unit="m",
        low=0.0,
        high=5.0,
        doc="room that routes leave beyond the robot's circumscribed circle",
    )

    def __post_init__(self) -> None:
        if (self.type == "cells") != bool(self.map):
            raise ValueError(
                f"type {self.type!r} with map {self.map!r}: a map is of type 'cells' only, and needed there"
            )


@dataclass(frozen=True, slots=True)
class TransformConfig:
    """Where a recording is put: rotated about its origin, then translated; recordings are in metres, never scaled."""

    rotate: float = quantity(0.0, unit="rad", low=-6.2832, high=6.2832, doc="counter-clockwise angle")
    translate: tuple[float, float] = quantity(
        (0.0, 0.0), unit="m", low=-1e5, high=1e5, doc="shift after rotation"
    )


@dataclass(frozen=True, slots=True)
class CrowdConfig:
    """The pedestrians."""

    source: str = quantity("jupedsim", choices=("jupedsim", "recorded", "none"), doc="who moves them")
    count: int = quantity(20, low=0, high=500, doc="number of pedestrians (jupedsim)")
    speed_mean: float = quantity(
        1.34, unit="m/s", low=0.1, high=3.0, doc="mean desired speed (Weidmann 1993)"
    )
    speed_std: float = quantity(
        0.26, unit="m/s", low=0.0, high=1.0, doc="its standard deviation (Weidmann 1993)"
    )
    distracted_fraction: float = quantity(
        0.3, low=0.0, high=1.0, doc="share that does not see the robot (29.8 %: Thompson et al. 2013)"
    )
    notice_range_m: float = quantity(
        6.0, unit="m", low=0.0, high=50.0, doc="range at which attentive ones react"
    )
    field_of_view: float = quantity(
        3.5, unit="rad", low=0.1, high=6.2832, doc="full horizontal angle of attention"
    )
    file: str | None = quantity(None, doc="recording: columns frame, id, x, y (recorded)")
    start_s: float = quantity(
        0.0, unit="s", low=0.0, high=1e6, doc="time of the recording at which a run starts"
    )
    seed_shift_s: float = quantity(
        0.0,
        unit="s",
        low=0.0,
        high=1e5,
        doc="added to start_s per seed, so that seeds see other people (recorded)",
    )
    transform: TransformConfig = field(
        default_factory=TransformConfig, metadata={"doc": "placement (recorded)"}
    )

    def __post_init__(self) -> None:
        if self.source == "recorded" and not self.file:
            raise ValueError("source 'recorded' needs 'file', a recording with the columns frame, id, x, y")


@dataclass(frozen=True, slots=True)
class LidarConfig:
    """Planar lidar by ray casting."""

    rate_hz: float = quantity(10.0, unit="Hz", low=0.1, high=200.0, doc="scans per second")
    rays: int = quantity(360, low=8, high=4096, doc="rays per turn")
    range_min_m: float = quantity(0.1, unit="m", low=0.0, high=5.0, doc="nearest distance reported")
    range_max_m: float = quantity(15.0, unit="m", low=1.0, high=200.0, doc="farthest distance reported")
    range_std_m: float = quantity(0.02, unit="m", low=0.0, high=1.0, doc="standard deviation of a range")


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """Tracking of pedestrians: association is perfect and nobody is hidden; numbers are noisy and late."""

    rate_hz: float = quantity(20.0, unit="Hz", low=0.5, high=200.0, doc="measurements per second")
    position_std: float = quantity(0.05, unit="m", low=0.0, high=2.0, doc="standard deviation per coordinate")
    velocity_std: float = quantity(
        0.1, unit="m/s", low=0.0, high=2.0, doc="standard deviation per coordinate"
    )
    range_m: float = quantity(15.0, unit="m", low=0.5, high=200.0, doc="nobody farther away is reported")
    latency: float = quantity(0.05, unit="s", low=0.0, high=1.0, doc="from measurement to delivery")


@dataclass(frozen=True, slots=True)
class OdometryConfig:
    """Pose and velocity in the fixed frame; without noise unless asked for."""

    position_std: float = quantity(0.0, unit="m", low=0.0, high=1.0, doc="standard deviation of x and y")
    yaw_std: float = quantity(0.0, unit="rad", low=0.0, high=0.5, doc="standard deviation of yaw")
    twist_std: float = quantity(0.0, unit="m/s, rad/s", low=0.0, high=0.5, doc="standard deviation of both")


@dataclass(frozen=True, slots=True)
class SensorsConfig:
    """What the robot senses with."""

    lidar: LidarConfig = field(default_factory=LidarConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    odometry: OdometryConfig = field(default_factory=OdometryConfig)


@dataclass(frozen=True, slots=True)
class CargoConfig:
    """Loose pieces in the open bay."""

    pieces: int = quantity(6, low=0, high=12, doc="number of pieces")
    piece_mass_kg: float = quantity(0.4, unit="kg", low=0.01, high=10.0, doc="mass of each")
    piece_size_m: float = quantity(0.12, unit="m", low=0.03, high=0.16, doc="edge length of each")


@dataclass(frozen=True, slots=True)
class PolicyConfig:
    """The task policy."""

    name: str = quantity("route_follower", doc="name in the policy table, or package.module:Class")
    params: dict = quantity({}, doc="its own parameters")


@dataclass(frozen=True, slots=True)
class PlantConfig:
    """What executes the commands."""

    type: str = quantity("mujoco", choices=("mujoco", "newton"), doc="kind of plant")
    step_period: float = quantity(0.005, unit="s", low=0.0005, high=0.1, doc="time per step")
    physics_period: float = quantity(0.0025, unit="s", low=0.0001, high=0.02, doc="time per physics step")
    start: str = quantity(
        "mission", choices=("mission", "middle", "bollard"), doc="where a single robot begins"
    )

    def __post_init__(self) -> None:
        ratio = self.step_period / self.physics_period
        if ratio < 1 or abs(ratio - round(ratio)) > 1e-9:
            raise ValueError(
                f"step_period {self.step_period} s must be a whole multiple of physics_period {self.physics_period} s"
            )


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A push against the robot's hull: an impulse spread evenly over its duration."""

    type: str = quantity("push", choices=("push",), doc="kind of disturbance")
    time_s: float = quantity(0.0, unit="s", low=0.0, high=1e6, doc="when it starts")
    duration_s: float = quantity(0.1, unit="s", low=0.01, high=10.0, doc="how long it lasts")
    impulse: tuple[float, float] = quantity(
        (0.0, 0.0), unit="N s", low=-1e4, high=1e4, doc="in the fixed frame"
    )
    height_m: float = quantity(0.6, unit="m", low=0.0, high=3.0, doc="where it acts, above base_link")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario; immutable, `with_overrides` makes another."""

    name: str = quantity(doc="name, as on the command line")
    description: str = quantity("", doc="one sentence")
    robot: str = quantity("segway_e1", doc="folder under models/")
    seed: int = quantity(0, low=0, high=2**63, doc="seed of a run that is given none")
    duration_s: float = quantity(60.0, unit="s", low=0.05, high=1e6, doc="longest run")
    missions: MissionsConfig = field(default_factory=MissionsConfig)
    world: WorldConfig = field(default_factory=WorldConfig)
    crowd: CrowdConfig = field(default_factory=CrowdConfig)
    sensors: SensorsConfig = field(default_factory=SensorsConfig)
    cargo: CargoConfig = field(default_factory=CargoConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    reach: MonitorConfig = field(default_factory=MonitorConfig)
    arc: dict = quantity({}, doc="enabled: true or false; every other key overrides ArcConfig")
    supervisor: SupervisionConfig = field(default_factory=SupervisionConfig)
    plant: PlantConfig = field(default_factory=PlantConfig)
    disturbances: tuple[Disturbance, ...] = ()
    fleet: FleetConfig = field(default_factory=FleetConfig)
    cell: CellConfig = field(default_factory=CellConfig)
    walk: WalkConfig = field(default_factory=WalkConfig)
    source: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The mapping that it was made from. Not a key of the file."""
    where: str = field(default="scenario", repr=False, compare=False)
    """Its file, for messages. Not a key of the file."""

    def __post_init__(self) -> None:
        enabled = self.arc.get("enabled", True)
        if not isinstance(enabled, bool):
            raise ValueError(f"arc.enabled: expected true or false, found {enabled!r}")

    @property
    def of_arm(self) -> bool:
        """Whether the robot is an arm, so that `cell` counts and world, crowd, missions and fleet do not."""
        return (models_dir() / self.robot / KINDS["arm"]).is_file()

    @property
    def of_walker(self) -> bool:
        """Whether the robot is a quadruped at the level of its joints, so that `walk` counts."""
        return (models_dir() / self.robot / KINDS["quadruped"]).is_file()

    @property
    def arc_enabled(self) -> bool:
        """Whether the arc stands between policy and plant."""
        return self.arc.get("enabled", True)

    @property
    def arc_config(self) -> ArcConfig:
        """The arc's parameters in this scenario."""
        return ArcConfig.from_dict({"robot": self.robot, **self.arc_overrides}, f"{self.where}: arc")

    @property
    def arc_overrides(self) -> dict[str, Any]:
        """Keys that override the defaults of `ArcConfig`."""
        return {key: value for key, value in self.arc.items() if key != "enabled"}

    def with_overrides(self, overrides: Mapping[str, Any]) -> "Scenario":
        """Return the scenario with dotted keys replaced, such as `{"crowd.count": "30"}`; text is read as YAML.

        Raises:
            ConfigError: unknown key or unacceptable value.
        """
        data: Mapping[str, Any] = self.source
        for key, value in overrides.items():
            path, parsed = parse_override(f"{key}={value}" if isinstance(value, str) else f"{key}=null")
            data = apply_override(data, path, parsed if isinstance(value, str) else value)
        return scenario_from_mapping(data, self.where)


def scenario_names() -> list[str]:
    """Names of the scenarios that come with the package."""
    return sorted(path.stem for path in SCENARIOS_DIR.glob("*.yaml"))


def load_scenario(name_or_path: str | Path, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Read and check a scenario.

    Args:
        name_or_path: a name from `scenario_names`, or the path of a YAML file.
        overrides: dotted keys to replace, see `Scenario.with_overrides`.

    Raises:
        UnknownNameError: no such scenario, or an unknown key or word in it.
        ConfigError: an unacceptable value.
    """
    text = str(name_or_path)
    path = Path(text)
    if path.suffix not in (".yaml", ".yml"):
        if text not in scenario_names():
            raise UnknownNameError("scenario", text, scenario_names())
        path = SCENARIOS_DIR / f"{text}.yaml"
    scenario = scenario_from_mapping(read_yaml(path), str(path))
    return scenario.with_overrides(overrides) if overrides else scenario


def scenario_from_mapping(data: Mapping[str, Any], where: str = "scenario") -> Scenario:
    """Check a mapping and return the scenario; `where` names its file in messages.

    Raises:
        ConfigError: unknown key or unacceptable value.
    """
    keys = [name for name in Scenario.__dataclass_fields__ if name not in ("source", "where")]
    for key in data:
        if key not in keys:
            raise UnknownNameError("key", str(key), keys, where)
    scenario = from_mapping(Scenario, data, where)
    object.__setattr__(scenario, "source", dict(data))
    object.__setattr__(scenario, "where", where)
    if not (scenario.of_arm or scenario.of_walker):
        model_dir(scenario.robot)
    if scenario.of_arm != (scenario.cell.task != "none"):
        raise ConfigError(
            f"{where}: cell.task is {scenario.cell.task!r} and robot {scenario.robot!r} is "
            f"{'an' if scenario.of_arm else 'no'} arm; an arm needs a task, and nothing else has one"
        )
    if scenario.of_walker != bool(scenario.walk.policy):
        raise ConfigError(
            f"{where}: walk.policy is {scenario.walk.policy!r} and robot {scenario.robot!r} is "
            f"{'a' if scenario.of_walker else 'no'} quadruped; a quadruped needs a policy that walks, and nothing else "
            "has one"
        )
    if scenario.supervisor.enabled and (scenario.of_arm or scenario.of_walker or scenario.fleet.robots):
        what = "an arm" if scenario.of_arm else "a quadruped" if scenario.of_walker else "a fleet"
        raise ConfigError(f"{where}: supervisor.enabled: there is a supervisor for one base, not for {what}")
    _ = scenario.arc_config  # refuses unknown keys and values
    return scenario


def data_file(name: str, where: str) -> Path:
    """Find a data file: an absolute path, or relative to `$REFLEXARC_DATA`, the scenario's or the current folder.

    Raises:
        ConfigError: it is in none of them; the message lists what was tried.
    """
    path = Path(name).expanduser()
    roots = [Path(where).parent, Path.cwd()]
    if configured := os.environ.get("REFLEXARC_DATA"):
        roots.insert(0, Path(configured))
    tried = [path] if path.is_absolute() else [root / path for root in roots]
    for candidate in tried:
        if candidate.is_file():
            return candidate
    listing = ", ".join(str(candidate) for candidate in tried)
    raise ConfigError(
        f"{where}: no data file {name!r}; tried {listing}; set REFLEXARC_DATA to the folder of data sets"
    )
