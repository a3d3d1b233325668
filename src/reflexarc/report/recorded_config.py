# SPDX-License-Identifier: Apache-2.0
"""The arc's configuration as the recorder wrote it into the recording's metadata."""

import yaml

from reflexarc.arc.config import ArcConfig
from reflexarc.core.errors import ConfigError, RecordingError
from reflexarc.report.recording import Recording

METADATA_RECORD = "reflexarc"
"""Name of the metadata record; its keys are texts."""
ARC_KEY = "arc"
"""Key whose value is the arc's configuration as YAML, every field given."""


def recorded_arc_config(recording: Recording) -> ArcConfig:
    """Return the configuration with which the recorded arc ran.

    Raises:
        RecordingError: the recording does not say, or what it says is no configuration of this version.
    """
    record = recording.meta(METADATA_RECORD)
    if ARC_KEY not in record:
        raise RecordingError(
            f"{recording.path}: metadata record {METADATA_RECORD!r} has no key {ARC_KEY!r}; it has: "
            f"{', '.join(sorted(record)) or 'nothing'}"
        )
    try:
        return ArcConfig.from_dict(yaml.safe_load(record[ARC_KEY]) or {}, f"{recording.path}: {ARC_KEY}")
    except (yaml.YAMLError, ConfigError) as error:
        raise RecordingError(
            f"{recording.path}: the recorded configuration is not readable here: {error}"
        ) from error
