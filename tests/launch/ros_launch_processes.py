# SPDX-License-Identifier: Apache-2.0
"""Prints what ROS 2's own `launch` would start for a launch file, as JSON; run as a program, it imports no
reflexarc.

    python ros_launch_processes.py FILE name:=value ...

The real parser, substitutions and actions run in a real LaunchService; only the step that spawns a process
is replaced by one that writes down what would be spawned.
"""

import json
import logging
import os
import sys

import launch
import yaml
from launch.actions import IncludeLaunchDescription
from launch.actions.execute_local import ExecuteLocal
from launch.launch_description_sources import AnyLaunchDescriptionSource
from launch.utilities import perform_substitutions

SEEN: list[dict] = []
BEFORE = dict(os.environ)
"""`<set_env>` changes the environment of the launching process itself."""


async def write_down(action: ExecuteLocal, _context: launch.LaunchContext) -> None:
    """Take the place of the coroutine that spawns the process."""
    details = action.process_details
    changed = {k: v for k, v in details["env"].items() if BEFORE.get(k) != v}
    SEEN.append(
        {
            "label": details["name"],
            "words": expand_parameter_files(details["cmd"]),
            "cwd": details["cwd"],
            "environment": changed,
            "removed": sorted(set(BEFORE) - set(details["env"])),
            "respawn": bool(action._ExecuteLocal__respawn),
            "respawn_delay": action._ExecuteLocal__respawn_delay or 0.0,
            "respawn_max_retries": action._ExecuteLocal__respawn_max_retries,
            "shuts_down": bool(action._ExecuteLocal__on_exit),
            "timeouts": [timeout(action.sigterm_timeout), timeout(action.sigkill_timeout)],
            "output": "".join(sub.text for sub in action.output),
        }
    )
    action._ExecuteLocal__cleanup()


def timeout(substitutions: list) -> float:
    """Return a timeout in [s]; the default is a launch configuration that nobody sets here."""
    return float(perform_substitutions(launch.LaunchContext(), substitutions))


def expand_parameter_files(words: list[str]) -> list:
    """Replace every temporary parameter file by its content; files of the source tree stay as paths."""
    expanded: list = []
    for word in words:
        if (
            expanded
            and expanded[-1] == "--params-file"
            and os.path.basename(word).startswith("launch_params_")
        ):
            with open(word, encoding="utf-8") as file:
                expanded[-1] = {"parameters": yaml.safe_load(file)}
        else:
            expanded.append(os.path.normpath(word) if word.endswith(".yaml") else word)
    return expanded


def main() -> None:
    """Evaluate the launch file given on the command line and print the result."""
    arguments = [tuple(word.split(":=", 1)) for word in sys.argv[2:]]
    ExecuteLocal._ExecuteLocal__execute_process = write_down
    logging.disable(logging.CRITICAL)
    service = launch.LaunchService(noninteractive=True)
    source = AnyLaunchDescriptionSource(sys.argv[1])
    service.include_launch_description(
        launch.LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)])
    )
    code = service.run()
    print(json.dumps({"return_code": code, "processes": SEEN}))


if __name__ == "__main__":
    main()
