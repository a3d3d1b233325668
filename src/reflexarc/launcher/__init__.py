# SPDX-License-Identifier: Apache-2.0
"""A small process launcher for ROS 2 XML launch files where ROS 2's own `launch` is not installed.

It needs neither ROS nor any package beyond PyYAML, runs one operating system process per node, and gives
the same processes, parameters and remaps as `ros2 launch` for the features in `grammar.ELEMENTS`;
everything else is an error with file and line.
"""

from reflexarc.launcher.child import ProcessResult as ProcessResult
from reflexarc.launcher.errors import AlreadyRunningError as AlreadyRunningError
from reflexarc.launcher.errors import LaunchFileError as LaunchFileError
from reflexarc.launcher.errors import Place as Place
from reflexarc.launcher.launch import Launch as Launch
from reflexarc.launcher.launch import LaunchResult as LaunchResult
from reflexarc.launcher.launch import launch_file as launch_file
from reflexarc.launcher.lock import RunningNode as RunningNode
from reflexarc.launcher.lock import running_nodes as running_nodes
from reflexarc.launcher.resolve import Argument as Argument
from reflexarc.launcher.resolve import Resolved as Resolved
from reflexarc.launcher.resolve import declared_arguments as declared_arguments
from reflexarc.launcher.resolve import resolve as resolve
from reflexarc.launcher.spec import ProcessSpec as ProcessSpec
