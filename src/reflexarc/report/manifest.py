# SPDX-License-Identifier: Apache-2.0
"""What a run depends on, as hashes: software, robot model and parameters, scenario, weights, supervisor table.

The live recorder and the recorder of surrogate logs both write what this module returns, so both kinds of log enter a
validation by the same door.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import yaml

import reflexarc
from reflexarc.arc.config import ArcConfig
from reflexarc.assurance.supervision import SupervisionConfig
from reflexarc.barrier.certify.gate import barrier_path
from reflexarc.core.paths import model_file, models_dir
from reflexarc.report.versions import own_version

OF_A_RUN = ("seed", "duration_s", "description")
"""Keys of a scenario that say which run it was, not what was run; they are not part of its hash."""
_NOT_DECIDING = (
    "cli",
    "economics",
    "launcher",
    "report",
    "robust",
    *(f"assurance/{part}" for part in ("conformance", "injection", "regression", "synthesis", "twin")),
)
"""Packages that present or judge a run, or train what it uses, and take no part in it."""
_KINDS = (".py", ".yaml", ".json")


class Named(Protocol):
    """The name of a policy and its parameters."""

    @property
    def params(self) -> Mapping[str, Any]:
        """Own parameters of the policy."""
        ...


class Described(Protocol):
    """What is needed of a scenario, see `reflexarc_sim.scenario.Scenario`."""

    @property
    def robot(self) -> str:
        """Folder under models/."""
        ...

    @property
    def source(self) -> Mapping[str, Any]:
        """The mapping that it was made from."""
        ...

    @property
    def arc_config(self) -> ArcConfig:
        """Parameters of the arc."""
        ...

    @property
    def policy(self) -> Named:
        """The task policy."""
        ...

    @property
    def supervisor(self) -> SupervisionConfig:
        """Supervisor and gate."""
        ...


def software() -> dict[str, str]:
    """Return version and SHA-256 of the software that decides; what presents or judges a run is left out."""
    return {"version": own_version(), "software_sha256": _software_digest()}


def manifest(scenario: Described) -> dict[str, str]:
    """Return version and SHA-256 of everything that a run depends on.

    `software_sha256`, `scenario_sha256` (without `OF_A_RUN`), one entry per XML and YAML file of the robot, one per
    file of weights that arc or policy are told to use, and `table_sha256` where a supervisor runs. A policy's default
    weights, which the scenario does not name, are not in it.

    Raises:
        ModelError: a file that the scenario names is missing.
    """
    kept = {key: value for key, value in scenario.source.items() if key not in OF_A_RUN}
    found = software() | {"scenario_sha256": digest(yaml.safe_dump(kept, sort_keys=True).encode())}
    for file in sorted((models_dir() / scenario.robot).iterdir()):
        if file.suffix in (".xml", ".yaml"):
            found[f"{file.name}_sha256"] = digest(file.read_bytes())
    for name, file in _weights(scenario):
        found[f"weights_{name}_sha256"] = digest(file.read_bytes())
    if scenario.supervisor.enabled:
        found["table_sha256"] = digest(model_file(scenario.supervisor.table).read_bytes())
    return found


def digest(data: bytes) -> str:
    """Return the SHA-256 as hexadecimal text."""
    return hashlib.sha256(data).hexdigest()


def _weights(scenario: Described) -> Iterator[tuple[str, Path]]:
    """Yield name and path of every file of weights that the scenario uses."""
    config = scenario.arc_config
    if config.learned.enabled:
        yield "learned", barrier_path(config.learned.file)
    for where, values in (("contact", asdict(config.contact)), ("policy", scenario.policy.params)):
        for key in sorted(values):
            yield from ((f"{where}_{key}{part}", file) for part, file in _files(values[key]))


def _files(value: Any) -> list[tuple[str, Path]]:
    """Return the file that a text names, under models/ or a path, or the weights in the folder that it names."""
    if not isinstance(value, str) or not value:
        return []
    path = model_file(value)
    if path.is_dir():
        return [(f"_{file.name}", file) for file in sorted(path.glob("*.safetensors"))]
    return [("", path)] if path.is_file() else []


@cache
def _software_digest() -> str:
    root = Path(reflexarc.__file__).parent
    total = hashlib.sha256()
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root).as_posix()
        if file.suffix not in _KINDS or any(name.startswith(f"{part}/") for part in _NOT_DECIDING):
            continue
        total.update(f"{name}\0{digest(file.read_bytes())}\n".encode())
    return total.hexdigest()
