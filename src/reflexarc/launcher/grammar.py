# SPDX-License-Identifier: Apache-2.0
"""What the small launcher understands of ROS 2 XML launch files: the one table that code, errors and docs
read.

The names and their meaning are those of `launch`, `launch_xml` and `launch_ros`. Whatever is not in the
tables is an error that names the file and the line; nothing is ignored in silence.
"""

from dataclasses import dataclass, field

from reflexarc.launcher.errors import LaunchFileError
from reflexarc.launcher.xmlfile import Element


@dataclass(frozen=True)
class ElementRule:
    """What may stand in one element."""

    meaning: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    conditional: bool = True
    """Whether `if` and `unless` are understood."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute name that may be given."""
        return (*self.required, *self.optional, *(("if", "unless") if self.conditional else ()))


_PROCESS = (
    "output",
    "on_exit",
    "respawn",
    "respawn_delay",
    "respawn_max_retries",
    "sigterm_timeout",
    "sigkill_timeout",
    "cwd",
)
_ACTIONS = (
    "arg",
    "let",
    "group",
    "include",
    "node",
    "executable",
    "push_ros_namespace",
    "push-ros-namespace",
    "set_env",
    "unset_env",
    "set_parameter",
    "set_remap",
    "log",
)

ELEMENTS: dict[str, ElementRule] = {
    "launch": ElementRule("root of the file", children=_ACTIONS, conditional=False),
    "arg": ElementRule(
        "declare an argument; without `default` it must be given; its value must be one of the `<choice>`s",
        ("name",),
        ("default", "description"),
        ("choice",),
    ),
    "choice": ElementRule("one allowed value of an argument", ("value",), conditional=False),
    "let": ElementRule("set a variable for `$(var ...)` in the current scope", ("name", "value")),
    "group": ElementRule(
        "a scope: variables, environment, namespace, parameters and remaps set inside end with it",
        (),
        ("scoped",),
        _ACTIONS,
    ),
    "include": ElementRule("read another XML launch file here", ("file",), (), ("arg",)),
    "push_ros_namespace": ElementRule("put the rest of the scope into a namespace", ("namespace",)),
    "push-ros-namespace": ElementRule("the same, older spelling", ("namespace",)),
    "set_env": ElementRule("set an environment variable for the rest of the scope", ("name", "value")),
    "unset_env": ElementRule("remove an environment variable for the rest of the scope", ("name",)),
    "set_parameter": ElementRule(
        "a ROS parameter for every node in the rest of the scope", ("name", "value")
    ),
    "set_remap": ElementRule("a remap for every node in the rest of the scope", ("from", "to")),
    "log": ElementRule("print a line", ("message",)),
    "node": ElementRule(
        "one process that is a ROS node",
        ("pkg", "exec"),
        ("name", "namespace", "exec_name", "args", "ros_args", *_PROCESS),
        ("param", "remap", "env"),
    ),
    "executable": ElementRule("one process of any kind", ("cmd",), ("name", *_PROCESS), ("env",)),
    "param": ElementRule(
        "a parameter of the node: `name` with `value` (and `type`), or `from` a YAML file",
        (),
        ("name", "value", "type", "from"),
        conditional=False,
    ),
    "remap": ElementRule("a remap of the node", ("from", "to"), conditional=False),
    "env": ElementRule("an environment variable of the process", ("name", "value"), conditional=False),
}
"""Element name to what may stand in it."""

INCLUDE_ARG = ElementRule(
    "a value for an argument that the included file declares", ("name", "value"), conditional=False
)
"""`<arg>` inside `<include>` is another thing than `<arg>` elsewhere."""


@dataclass(frozen=True)
class SubstitutionRule:
    """One `$(name ...)`."""

    form: str
    meaning: str
    arguments: range = field(default=range(1))
    """Allowed numbers of arguments."""


SUBSTITUTIONS: dict[str, SubstitutionRule] = {
    "var": SubstitutionRule("$(var NAME [DEFAULT])", "value of an argument or variable", range(1, 3)),
    "env": SubstitutionRule("$(env NAME [DEFAULT])", "environment variable", range(1, 3)),
    "dirname": SubstitutionRule("$(dirname)", "folder of this launch file"),
    "filename": SubstitutionRule("$(filename)", "path of this launch file"),
    "find-pkg-share": SubstitutionRule(
        "$(find-pkg-share PKG)", "`share/PKG` of an installed package", range(1, 2)
    ),
    "find-pkg-prefix": SubstitutionRule("$(find-pkg-prefix PKG)", "install prefix of a package", range(1, 2)),
    "exec-in-pkg": SubstitutionRule("$(exec-in-pkg EXEC PKG)", "path of `lib/PKG/EXEC`", range(2, 3)),
    "equals": SubstitutionRule("$(equals A B)", "true or false; numbers and booleans by value", range(2, 3)),
    "not-equals": SubstitutionRule("$(not-equals A B)", "opposite of `equals`", range(2, 3)),
    "not": SubstitutionRule("$(not A)", "true or false", range(1, 2)),
    "and": SubstitutionRule("$(and A B)", "true or false", range(2, 3)),
    "or": SubstitutionRule("$(or A B)", "true or false", range(2, 3)),
    "if": SubstitutionRule(
        "$(if CONDITION A [B])", "A when the condition is true, else B or nothing", range(2, 4)
    ),
    "eval": SubstitutionRule(
        "$(eval 'EXPRESSION')",
        "arithmetic, comparisons, `and or not in`, `A if C else B` on literals; no names, no calls",
        range(1, 2),
    ),
}
"""Substitution name to its form; arguments may hold substitutions, quotes keep blanks, a backslash
escapes."""

PARAMETER_TYPES: tuple[str, ...] = ("str", "bool", "int", "float", "yaml")
"""Allowed values of `<param type=...>`; without it the value is read by the rules of YAML, lists included.

`launch_xml` knows `list_of_str` and the like too, but refuses them for a value that is a substitution.
"""

OUTPUTS: tuple[str, ...] = ("screen", "log", "both")
"""Allowed values of `output`: where standard output goes; standard error always goes to both."""


def rule_for(element: Element, parent: Element | None) -> ElementRule:
    """Return the rule of `element` below `parent`."""
    if parent is not None and parent.tag == "include":
        return INCLUDE_ARG
    return ELEMENTS[element.tag]


def check_grammar(element: Element, parent: Element | None = None) -> None:
    """Check the whole tree against the tables before anything is evaluated.

    Raises:
        LaunchFileError: An element or attribute is not understood, is missing or contradicts another.
    """
    if element.tag not in ELEMENTS:
        raise LaunchFileError(element.place, f"unknown element <{element.tag}>", ELEMENTS)
    if parent is not None:
        allowed = rule_for(parent, None).children
        if element.tag not in allowed:
            raise LaunchFileError(element.place, f"<{element.tag}> cannot stand in <{parent.tag}>", allowed)
    rule = rule_for(element, parent)
    for name in element.attributes:
        if name not in rule.attributes:
            raise LaunchFileError(
                element.place, f"unknown attribute {name!r} of <{element.tag}>", rule.attributes
            )
    for name in rule.required:
        if name not in element.attributes:
            raise LaunchFileError(element.place, f"<{element.tag}> lacks its attribute {name!r}")
    if "if" in element.attributes and "unless" in element.attributes:
        raise LaunchFileError(element.place, f"<{element.tag}> has both `if` and `unless`; give one of them")
    for child in element.children:
        check_grammar(child, element)
