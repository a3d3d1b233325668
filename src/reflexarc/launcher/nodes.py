# SPDX-License-Identifier: Apache-2.0
"""From `<node>` and `<executable>` to a process, everything substituted and checked."""

import os
import re
import shutil
from pathlib import Path

from reflexarc.launcher.context import Context
from reflexarc.launcher.errors import LaunchFileError, Place
from reflexarc.launcher.grammar import OUTPUTS, PARAMETER_TYPES
from reflexarc.launcher.packages import executable_in_package
from reflexarc.launcher.parameters import ParameterFile, ParameterSet, typed_value
from reflexarc.launcher.spec import SIGKILL_TIMEOUT, SIGTERM_TIMEOUT, ProcessSpec
from reflexarc.launcher.template import split_words
from reflexarc.launcher.xmlfile import Element

_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A ROS name between slashes."""


def join_namespace(base: str | None, pushed: str | None, place: Place) -> str | None:
    """Return `pushed` below `base` as an absolute namespace; an absolute `pushed` stands alone.

    Raises:
        LaunchFileError: The result is not a ROS namespace.
    """
    if base is None and pushed is None:
        return None
    if pushed is None:
        joined = base
    elif not base or pushed.startswith("/"):
        joined = pushed
    else:
        joined = f"{base.rstrip('/')}/{pushed}"
    absolute = "/" + str(joined).strip("/")
    if absolute != "/" and not all(_TOKEN.fullmatch(token) for token in absolute[1:].split("/")):
        raise LaunchFileError(
            place, f"{absolute!r} is not a ROS namespace (letters, digits, _; no leading digit)"
        )
    return absolute


def node_spec(element: Element, context: Context, number: int) -> ProcessSpec:
    """Return the process of a `<node>`; `number` makes its label unique."""
    place = element.place
    package, executable = (context.text(element.attributes[name], place) for name in ("pkg", "exec"))
    try:
        program = executable_in_package(executable, package, context.scope.environment)
    except LookupError as error:
        raise LaunchFileError(place, str(error.args[0])) from error
    name = _optional(element, "name", context)
    if name is not None and not _TOKEN.fullmatch(name):
        raise LaunchFileError(place, f"{name!r} is not a node name (letters, digits, _; no leading digit)")
    namespace = join_namespace(context.scope.namespace, _optional(element, "namespace", context), place)
    key = "/**" if name is None or namespace is None else f"{namespace.rstrip('/')}/{name}"
    label = _optional(element, "exec_name", context) or program.name
    remaps = tuple(
        (context.text(item.attributes["from"], item.place), context.text(item.attributes["to"], item.place))
        for item in element.named("remap")
    )
    return ProcessSpec(
        label=f"{label}-{number}",
        command=(str(program), *_words(element, "args", context)),
        is_node=True,
        ros_arguments=_words(element, "ros_args", context),
        node_name=name,
        namespace=namespace,
        global_parameters=context.scope.parameters,
        parameters=tuple(_parameter(item, context, key) for item in element.named("param")),
        remaps=(*context.scope.remaps, *remaps),
        **_common(element, context),
    )


def executable_spec(element: Element, context: Context, number: int) -> ProcessSpec:
    """Return the process of an `<executable>`; `number` makes its label unique."""
    words = _words(element, "cmd", context)
    if not words:
        raise LaunchFileError(element.place, "`cmd` is empty")
    if shutil.which(words[0], path=context.scope.environment.get("PATH")) is None:
        raise LaunchFileError(
            element.place, f"program {words[0]!r} is not found on PATH or is not executable"
        )
    label = _optional(element, "name", context) or Path(words[0]).name
    return ProcessSpec(label=f"{label}-{number}", command=words, **_common(element, context))


def _common(element: Element, context: Context) -> dict:
    """Return what nodes and executables share."""
    place, given = element.place, element.attributes
    extra = {
        context.text(item.attributes["name"], item.place): context.text(item.attributes["value"], item.place)
        for item in element.named("env")
    }
    environment = {**context.scope.environment, **extra}
    respawn = context.truth(given.get("respawn", "false"), place)
    required = "on_exit" in given
    if required and given["on_exit"] != "shutdown":
        raise LaunchFileError(place, f"on_exit is {given['on_exit']!r}; allowed: shutdown")
    if required and respawn:
        raise LaunchFileError(place, "on_exit='shutdown' and respawn contradict each other; give one of them")
    output = _optional(element, "output", context) or "log"
    if output not in OUTPUTS:
        raise LaunchFileError(place, f"output is {output!r}; allowed: {', '.join(OUTPUTS)}")
    return {
        "place": place,
        "environment": environment,
        "changed_environment": {k: v for k, v in environment.items() if os.environ.get(k) != v},
        "cwd": _optional(element, "cwd", context),
        "output": output,
        "required": required,
        "respawn": respawn,
        "respawn_delay": _number(element, "respawn_delay", 0.0),
        "respawn_max_retries": int(_number(element, "respawn_max_retries", -1, whole=True)),
        "sigterm_timeout": _number(element, "sigterm_timeout", SIGTERM_TIMEOUT),
        "sigkill_timeout": _number(element, "sigkill_timeout", SIGKILL_TIMEOUT),
    }


def _parameter(element: Element, context: Context, node_key: str) -> ParameterSet | ParameterFile:
    place, given = element.place, element.attributes
    if ("from" in given) == ("name" in given):
        raise LaunchFileError(place, "<param> needs either `name` and `value`, or `from`")
    if "from" in given:
        if len(given) > 1:
            raise LaunchFileError(place, "<param from=...> takes no other attribute")
        path = Path(context.text(given["from"], place))
        if not path.is_file():
            raise LaunchFileError(place, f"parameter file {path} does not exist")
        return ParameterFile(path)
    name = context.text(given["name"], place)
    if "value" not in given:
        raise LaunchFileError(place, f"parameter {name!r} lacks its `value`")
    type_name = given.get("type")
    if type_name is not None and type_name not in PARAMETER_TYPES:
        raise LaunchFileError(
            place, f"parameter type {type_name!r} is unknown; allowed: {', '.join(PARAMETER_TYPES)}"
        )
    value = typed_value(context.text(given["value"], place), type_name, place, name)
    return ParameterSet(node_key, ((name, value),))


def _optional(element: Element, name: str, context: Context) -> str | None:
    text = element.attributes.get(name)
    return None if text is None else context.text(text, element.place)


def _words(element: Element, name: str, context: Context) -> tuple[str, ...]:
    text = element.attributes.get(name, "")
    return tuple(context.render(word, element.place) for word in split_words(text, element.place))


def _number(element: Element, name: str, default: float, whole: bool = False) -> float:
    """Read a literal number; `launch` takes no substitution in these attributes either."""
    text = element.attributes.get(name)
    if text is None:
        return default
    try:
        value = int(text) if whole else float(text)
    except ValueError as error:
        kind = "a whole number" if whole else "a number"
        raise LaunchFileError(
            element.place, f"{name} is {text!r}, but must be {kind} without substitution"
        ) from error
    if not whole and not 0.0 <= value < float("inf"):
        raise LaunchFileError(
            element.place, f"{name} is {text} s, but must be a finite number of at least 0 s"
        )
    return value
