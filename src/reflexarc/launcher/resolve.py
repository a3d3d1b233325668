# SPDX-License-Identifier: Apache-2.0
"""From launch file and arguments to the list of processes, by the evaluation rules of ROS 2 `launch`.

Elements act from top to bottom. `<let>`, `<arg>` and `<include>` act on the current scope, so what an
included file sets stays set after it unless the include stands in a `<group>`. An `<arg>` keeps a value
that its variable already has: that is how the command line, an `<include>` and an enclosing file set
arguments.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reflexarc.launcher.context import Context
from reflexarc.launcher.errors import LaunchFileError
from reflexarc.launcher.grammar import check_grammar
from reflexarc.launcher.nodes import executable_spec, join_namespace, node_spec
from reflexarc.launcher.parameters import typed_value
from reflexarc.launcher.spec import ProcessSpec
from reflexarc.launcher.xmlfile import Element, read_launch_file

MAX_INCLUDE_DEPTH = 64
"""Files inside files; a fleet needs two per robot, an endless include needs infinitely many."""


@dataclass(frozen=True)
class Argument:
    """One `<arg>` of a launch file."""

    name: str
    default: str | None
    """As written, substitutions included; None: the argument must be given."""
    description: str
    choices: tuple[str, ...]


@dataclass
class Resolved:
    """What a launch file comes down to for given arguments."""

    path: Path
    processes: list[ProcessSpec] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    """Texts of `<log>`."""
    arguments: dict[str, Argument] = field(default_factory=dict)
    """Every argument declared on the way, in order."""
    variables: dict[str, str] = field(default_factory=dict)
    """Values of the variables when the end of the file was reached."""


def declared_arguments(path: Path) -> dict[str, Argument]:
    """Return the arguments that the file itself declares, whether or not a condition guards them."""
    root = read_launch_file(path)
    check_grammar(root)
    groups = [element for element in root.walk() if element.tag in ("launch", "group")]
    return {item.attributes["name"]: _argument(item) for group in groups for item in group.named("arg")}


def resolve(
    path: Path, arguments: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> Resolved:
    """Evaluate the launch file `path` and return the processes that it describes; starts nothing.

    Args:
        path: An XML launch file.
        arguments: Argument name to value.
        environment: The environment to start from; None: this process's own.

    Raises:
        LaunchFileError: Something in the file or the arguments is not acceptable.
    """
    reader = _Reader(Path(path), arguments, os.environ if environment is None else environment)
    reader.read(reader.resolved.path)
    known = reader.resolved.arguments
    for name in arguments:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise LaunchFileError(None, f"unknown argument {name!r} of {path}; allowed: {allowed}")
    _refuse_twins(reader.resolved.processes)
    return reader.resolved


class _Reader:
    """Walks the elements and keeps the context."""

    def __init__(self, path: Path, arguments: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self.resolved = Resolved(Path(os.path.abspath(path)))
        self._context = Context(arguments, environment)
        self._depth = 0

    def read(self, path: Path) -> None:
        root = read_launch_file(path)
        check_grammar(root)
        with self._context.reading(path):
            self._visit_all(root)
        self.resolved.variables = dict(self._context.scope.variables)

    def _visit_all(self, parent: Element) -> None:
        for element in parent.children:
            if self._wanted(element):
                getattr(self, "_do_" + element.tag.replace("-", "_"))(element)

    def _wanted(self, element: Element) -> bool:
        if "if" in element.attributes:
            return self._context.truth(element.attributes["if"], element.place)
        if "unless" in element.attributes:
            return not self._context.truth(element.attributes["unless"], element.place)
        return True

    def _attribute(self, element: Element, name: str) -> str:
        return self._context.text(element.attributes[name], element.place)

    def _do_arg(self, element: Element) -> None:
        argument = _argument(element)
        self.resolved.arguments.setdefault(argument.name, argument)
        variables = self._context.scope.variables
        if argument.name not in variables:
            if argument.default is None:
                given = ", ".join(variables) or "none"
                what = f"argument {argument.name!r} ({argument.description}) must be given; given: {given}"
                raise LaunchFileError(element.place, what)
            variables[argument.name] = self._context.text(argument.default, element.place)
        value = variables[argument.name]
        if argument.choices and value not in argument.choices:
            allowed = ", ".join(argument.choices)
            raise LaunchFileError(
                element.place, f"argument {argument.name!r} is {value!r}; allowed: {allowed}"
            )

    def _do_let(self, element: Element) -> None:
        self._context.scope.variables[self._attribute(element, "name")] = self._attribute(element, "value")

    def _do_log(self, element: Element) -> None:
        self.resolved.messages.append(self._attribute(element, "message"))

    def _do_group(self, element: Element) -> None:
        scoped = element.attributes.get("scoped", "true")
        if not self._context.truth(scoped, element.place):
            self._visit_all(element)
            return
        with self._context.nested():
            self._visit_all(element)

    def _do_include(self, element: Element) -> None:
        path = Path(os.path.abspath(self._attribute(element, "file")))
        if self._depth >= MAX_INCLUDE_DEPTH:
            what = (
                f"more than {MAX_INCLUDE_DEPTH} files inside each other; does the include of {path.name} end?"
            )
            raise LaunchFileError(element.place, what)
        if not path.is_file():
            raise LaunchFileError(element.place, f"included file {path} does not exist")
        declared = declared_arguments(path)
        for item in element.named("arg"):
            name = self._attribute(item, "name")
            if name not in declared:
                raise LaunchFileError(item.place, f"{path.name} declares no argument {name!r}", declared)
            self._context.scope.variables[name] = self._attribute(item, "value")
        self._depth += 1
        self.read(path)
        self._depth -= 1

    def _do_push_ros_namespace(self, element: Element) -> None:
        pushed = self._attribute(element, "namespace")
        self._context.scope.namespace = join_namespace(self._context.scope.namespace, pushed, element.place)

    def _do_set_env(self, element: Element) -> None:
        name, value = self._attribute(element, "name"), self._attribute(element, "value")
        self._context.scope.environment[name] = value

    def _do_unset_env(self, element: Element) -> None:
        self._context.scope.environment.pop(self._attribute(element, "name"), None)

    def _do_set_parameter(self, element: Element) -> None:
        name = self._attribute(element, "name")
        value = typed_value(self._attribute(element, "value"), None, element.place, name)
        if isinstance(value, list):
            raise LaunchFileError(
                element.place, f"parameter {name!r}: <set_parameter> takes no list, only <param> does"
            )
        self._context.scope.parameters += ((name, value),)

    def _do_set_remap(self, element: Element) -> None:
        self._context.scope.remaps += ((self._attribute(element, "from"), self._attribute(element, "to")),)

    def _do_node(self, element: Element) -> None:
        self._append(node_spec(element, self._context, len(self.resolved.processes) + 1))

    def _do_executable(self, element: Element) -> None:
        self._append(executable_spec(element, self._context, len(self.resolved.processes) + 1))

    def _append(self, spec: ProcessSpec) -> None:
        self.resolved.processes.append(spec)


def _argument(element: Element) -> Argument:
    given = element.attributes
    choices = tuple(choice.attributes["value"] for choice in element.named("choice"))
    return Argument(given["name"], given.get("default"), given.get("description", ""), choices)


def _refuse_twins(processes: list[ProcessSpec]) -> None:
    counts = Counter(spec.full_name for spec in processes if spec.full_name)
    for spec in processes:
        if spec.full_name and counts[spec.full_name] > 1:
            what = f"{counts[spec.full_name]} nodes are named {spec.full_name}; give each its own name"
            raise LaunchFileError(spec.place, what)
