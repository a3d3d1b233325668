# SPDX-License-Identifier: Apache-2.0
"""What a launch file comes down to: the processes to start, each with everything it needs."""

from dataclasses import dataclass, field
from pathlib import Path

from reflexarc.launcher.errors import Place
from reflexarc.launcher.parameters import ParameterFile, ParameterSet, write_parameters

SIGTERM_TIMEOUT = 5.0
"""Time from SIGINT to SIGTERM in [s]; the default of `launch`."""
SIGKILL_TIMEOUT = 5.0
"""Time from SIGTERM to SIGKILL in [s]; the default of `launch`."""


@dataclass(frozen=True)
class ProcessSpec:
    """One process to start, everything substituted."""

    label: str
    """Unique name on screen and of the log file: executable and running number."""
    place: Place
    """Where it is declared."""
    command: tuple[str, ...]
    """Program and its own arguments."""
    is_node: bool = False
    ros_arguments: tuple[str, ...] = ()
    """What follows the first `--ros-args`: the user's, without names, parameters and remaps."""
    node_name: str | None = None
    """Node name given in the launch file."""
    namespace: str | None = None
    """Absolute ROS namespace; None when nothing sets one."""
    global_parameters: tuple[tuple[str, object], ...] = ()
    """From `<set_parameter>`."""
    parameters: tuple[ParameterSet | ParameterFile, ...] = ()
    """From `<param>`, in document order."""
    remaps: tuple[tuple[str, str], ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    """Complete environment."""
    changed_environment: dict[str, str] = field(default_factory=dict)
    """The part of it that the launch file set."""
    cwd: str | None = None
    output: str = "log"
    required: bool = False
    """Whether its end, for whatever reason, ends the whole launch (`on_exit="shutdown"`)."""
    respawn: bool = False
    respawn_delay: float = 0.0
    """Pause before a respawn in [s]."""
    respawn_max_retries: int = -1
    """How often it may be started again; negative: without limit."""
    sigterm_timeout: float = SIGTERM_TIMEOUT
    sigkill_timeout: float = SIGKILL_TIMEOUT

    @property
    def full_name(self) -> str | None:
        """Fully qualified ROS name of the node (the program's name where none is given); None for no node."""
        if not self.is_node:
            return None
        return f"{(self.namespace or '').rstrip('/')}/{self.node_name or Path(self.command[0]).name}"

    def argv(self, parameter_folder: Path) -> list[str]:
        """Return the complete command line and write the parameter files that it names."""
        if not self.is_node:
            return list(self.command)
        words = [
            *self.command,
            *(("--ros-args", *self.ros_arguments) if self.ros_arguments else ()),
            "--ros-args",
        ]
        if self.node_name is not None:
            words += ["-r", f"__node:={self.node_name}"]
        if self.namespace is not None:
            words += ["-r", f"__ns:={self.namespace}"]
        for name, value in self.global_parameters:
            words += ["-p", f"{name}:={value}"]
        for path in self._parameter_files(parameter_folder):
            words += ["--params-file", str(path)]
        for source, target in self.remaps:
            words += ["-r", f"{source}:={target}"]
        return words

    def describe(self) -> str:
        """Return a few lines for people."""
        title = f"{self.label}  {self.full_name or ''}".rstrip()
        lines = [title, f"    declared at {self.place}", f"    command     {' '.join(self.command)}"]
        if self.ros_arguments:
            lines.append(f"    ros args    {' '.join(self.ros_arguments)}")
        lines += [
            f"    parameter   {name} = {value!r} (for every node)" for name, value in self.global_parameters
        ]
        for item in self.parameters:
            if isinstance(item, ParameterFile):
                lines.append(f"    parameters  from {item.path}")
            else:
                lines += [f"    parameter   {name} = {value!r}" for name, value in item.values]
        lines += [f"    remap       {source} -> {target}" for source, target in self.remaps]
        lines += [f"    environment {name}={value}" for name, value in self.changed_environment.items()]
        lines.append(f"    policy      {self._policy()}")
        return "\n".join(lines)

    def _policy(self) -> str:
        if self.required:
            return "required: its end shuts everything down"
        if not self.respawn:
            return "not started again"
        limit = (
            "without limit" if self.respawn_max_retries < 0 else f"at most {self.respawn_max_retries} times"
        )
        return f"started again after {self.respawn_delay:g} s, {limit}"

    def _parameter_files(self, folder: Path) -> list[Path]:
        """Neighbouring sets share one file: within one node key the order of files is the order of values."""
        files: list[Path] = []
        pending: list[ParameterSet] = []
        for item in (*self.parameters, None):
            if isinstance(item, ParameterSet):
                pending.append(item)
                continue
            if pending:
                path = folder / f"{self.label}.{len(files)}.yaml"
                write_parameters(pending, path)
                files.append(path)
                pending = []
            if item is not None:
                files.append(item.path)
        return files
