# SPDX-License-Identifier: Apache-2.0
"""The arc's configuration of a recorded run, from the scenario that the recorder attached."""

from typing import Any

import yaml

from reflexarc.arc.config import ArcConfig
from reflexarc.core.errors import ConfigError, RecordingError
from reflexarc.report.recording import Recording

ATTACHMENT = "scenario.yaml"
"""The scenario as it was run, with every override applied."""


def recorded_arc_config(recording: Recording) -> ArcConfig:
    """Return the configuration with which the recorded arc ran.

    Raises:
        RecordingError: the recording does not say, or what it says is no configuration of this version.
    """
    if ATTACHMENT not in recording.attachments:
        attached = ", ".join(sorted(recording.attachments)) or "nothing"
        raise RecordingError(
            f"{recording.path}: no {ATTACHMENT!r} is attached, so the arc's configuration is not known; "
            f"attached: {attached}"
        )
    where = f"{recording.path}: {ATTACHMENT}"
    try:
        scenario: dict[str, Any] = yaml.safe_load(recording.attachments[ATTACHMENT]) or {}
        robot = {"robot": scenario["robot"]} if "robot" in scenario else {}
        arc = {key: value for key, value in scenario.get("arc", {}).items() if key != "enabled"}
        return ArcConfig.from_dict({**robot, **arc}, f"{where}: arc")
    except (yaml.YAMLError, AttributeError, TypeError, ConfigError) as error:
        raise RecordingError(f"{where} is not readable by this version: {error}") from error
