# SPDX-License-Identifier: Apache-2.0
"""Reading launch files: what each element does, and that every error names file and line."""

import pytest

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.launcher import LaunchFileError, declared_arguments, resolve
from reflexarc.launcher.grammar import ELEMENTS
from reflexarc.launcher.parameters import ParameterFile
from reflexarc.launcher.shelf import find_launch_file


def echo(resolved) -> list[tuple[str, ...]]:
    return [spec.command[1:] for spec in resolved.processes]


def parameters(spec) -> dict:
    return {name: value for item in spec.parameters for name, value in item.values}


def test_arguments_take_the_given_value_or_the_default_with_its_substitutions(write):
    path = write(
        '<arg name="a" default="1"/><arg name="b" default="$(var a)2"/>\n'
        '<executable cmd="echo $(var a) $(var b)"/>'
    )
    assert echo(resolve(path, {})) == [("1", "12")]
    assert echo(resolve(path, {"a": "7"})) == [("7", "72")]
    assert echo(resolve(path, {"b": "x"})) == [("1", "x")]


def test_arguments_are_listed_with_description_choices_and_default(write):
    path = write(
        '<arg name="a" description="An A"/>\n<group if="false"><arg name="b" default="$(var a)">'
        '<choice value="1"/><choice value="2"/></arg></group>'
    )
    a, b = declared_arguments(path).values()
    assert (a.name, a.default, a.description, a.choices) == ("a", None, "An A", ())
    assert (b.name, b.default, b.choices) == ("b", "$(var a)", ("1", "2"))


def test_conditions_choose_elements(write):
    path = write(
        '<arg name="on"/>\n<executable cmd="echo if" if="$(var on)"/>\n'
        '<executable cmd="echo unless" unless="$(var on)"/>'
    )
    assert echo(resolve(path, {"on": "true"})) == echo(resolve(path, {"on": "1"})) == [("if",)]
    assert echo(resolve(path, {"on": "False"})) == echo(resolve(path, {"on": "0"})) == [("unless",)]


def test_a_group_restores_what_it_changed_unless_it_is_not_scoped(write):
    body = (
        '<let name="x" value="outside"/><set_env name="TESTED" value="outside"/>'
        '<group scoped="{}"><let name="x" value="inside"/><set_env name="TESTED" value="inside"/></group>'
        '<executable cmd="echo $(var x) $(env TESTED)"/>'
    )
    assert echo(resolve(write(body.format("true")), {})) == [("outside", "outside")]
    assert echo(resolve(write(body.format("false")), {})) == [("inside", "inside")]


def test_namespaces_nest_and_an_absolute_one_stands_alone(write, prefix):
    path = write("""
        <node pkg="reflexarc_nodes" exec="arc_node" name="top"/>
        <group>
          <push_ros_namespace namespace="a"/>
          <node pkg="reflexarc_nodes" exec="arc_node" name="one"/>
          <node pkg="reflexarc_nodes" exec="arc_node" name="two" namespace="b"/>
          <node pkg="reflexarc_nodes" exec="arc_node" name="three" namespace="/c"/>
          <push-ros-namespace namespace="d"/>
          <node pkg="reflexarc_nodes" exec="arc_node"/>
        </group>""")
    specs = resolve(path, {}).processes
    assert [spec.full_name for spec in specs] == ["/top", "/a/one", "/a/b/two", "/c/three", "/a/d/arc_node"]
    assert [spec.namespace for spec in specs] == [None, "/a", "/a/b", "/c", "/a/d"]


def test_parameters_are_typed_by_their_type_or_by_yaml(write, prefix, tmp_path):
    (tmp_path / "p.yaml").write_text("/**: {ros__parameters: {a: 1}}")
    path = write("""
        <node pkg="reflexarc_nodes" exec="arc_node" name="arc_node">
          <param name="s" value="12" type="str"/><param name="i" value="12" type="int"/>
          <param name="f" value="12" type="float"/><param name="b" value="true" type="bool"/>
          <param name="guess" value="12"/><param name="word" value="on board"/>
          <param name="list" value="[x=1, y]"/>
          <param name="empty" value=""/>
        </node>
        <node pkg="reflexarc_nodes" exec="plant_node"><param from="$(dirname)/p.yaml"/></node>""")
    arc, plant = resolve(path, {}).processes
    expected = {
        "s": "12",
        "i": 12,
        "f": 12.0,
        "b": True,
        "guess": 12,
        "word": "on board",
        "list": ["x=1", "y"],
        "empty": "",
    }
    assert parameters(arc) == expected
    assert [type(v) for v in parameters(arc).values()] == [type(v) for v in expected.values()]
    assert plant.parameters == (ParameterFile(tmp_path / "p.yaml"),)


def test_parameter_files_written_for_a_node_are_read_in_document_order(write, prefix, tmp_path):
    (tmp_path / "p.yaml").write_text("/**: {ros__parameters: {a: 2}}")
    path = write("""
        <node pkg="reflexarc_nodes" exec="arc_node" name="arc_node" namespace="r">
          <param name="a" value="1"/><param name="b" value="1"/>
          <param from="$(dirname)/p.yaml"/>
          <param name="a" value="3"/>
        </node>""")
    words = resolve(path, {}).processes[0].argv(tmp_path / "out")
    files = [words[i + 1] for i, word in enumerate(words) if word == "--params-file"]
    assert files[1] == str(tmp_path / "p.yaml")
    first, last = (open(files[i], encoding="utf-8").read() for i in (0, 2))
    assert "/r/arc_node:" in first and "a: 1" in first and "b: 1" in first
    assert "a: 3" in last


def test_an_include_passes_arguments_and_shares_the_scope(write):
    write(
        '<arg name="a"/><arg name="b" default="own"/><let name="left" value="behind"/>'
        '<executable cmd="echo $(var a) $(var b)"/>',
        "inner.launch.xml",
    )
    path = write(
        '<include file="$(dirname)/inner.launch.xml"><arg name="a" value="x"/></include>'
        '<let name="b" value="outer"/>'
        '<include file="$(dirname)/inner.launch.xml"><arg name="a" value="$(var left)"/></include>'
    )
    # the first include leaves b set to its own default, as in ROS 2; the outer file then replaces it
    assert echo(resolve(path, {})) == [("x", "own"), ("behind", "outer")]


def test_a_file_may_include_itself_to_count(write):
    path = write("""
        <arg name="n" default="3"/>
        <executable cmd="echo $(var n)"/>
        <include file="$(filename)" if="$(eval '$(var n) > 1')">
          <arg name="n" value="$(eval '$(var n) - 1')"/>
        </include>""")
    assert echo(resolve(path, {})) == [("3",), ("2",), ("1",)]


def test_words_are_split_like_a_shell_but_never_inside_a_substitution(write):
    path = write("""<executable cmd="echo 'a b' --x=$(var w)  $(var w)$(var w) end"/>""")
    text = path.read_text().replace("<launch>", '<launch><let name="w" value="two words"/>')
    path.write_text(text)
    assert echo(resolve(path, {})) == [("a b", "--x=two words", "two wordstwo words", "end")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("$(var missing fallback)", "fallback"),
        ("$(var missing 'two words')", "two words"),
        ("$(env NOT_SET_AT_ALL $(var x))", "one"),
        ("$(equals 1 1.0)", "true"),
        ("$(equals True 1)", "true"),
        ("$(equals a b)", "false"),
        ("$(not-equals a b)", "true"),
        ("$(and true false)", "false"),
        ("$(or true false)", "true"),
        ("$(not 0)", "true"),
        ("$(if true a b)", "a"),
        ("$(if false a)", ""),
        ("$(eval '7 // 2 + 0.5')", "3.5"),
        ("$(eval '$(var x) == one' )", None),
        ("$(eval \"'$(var x)' in ['one', 'two']\")", "True"),
        ("cost: 5$ \\$(var x)", "cost: 5$ $(var x)"),
    ],
)
def test_substitutions(write, value, expected):
    quoted = value.replace("&", "&amp;").replace('"', "&quot;")
    path = write(f'<let name="x" value="one"/>\n<let name="y" value="{quoted}"/>')
    if expected is None:
        with pytest.raises(LaunchFileError, match="test.launch.xml:3"):
            resolve(path, {})
    else:
        assert resolve(path, {}).variables["y"] == expected


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "open('x')",
        "x",
        "(1).real",
        "[1][0]",
        "lambda: 1",
        "f'{1}'",
        "1 +",
        "1 / 0",
        "'a' - 1",
        "2 ** 9",
    ],
)
def test_eval_refuses_everything_but_arithmetic_on_literals(write, text):
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("<", "&lt;")
    path = write(f"""<let name="y" value="$(eval '{escaped}')"/>""")
    with pytest.raises(LaunchFileError, match=r"test\.launch\.xml:2: \$\(eval\)"):
        resolve(path, {})


ERRORS = [
    ("unknown element", "<timer/>", "unknown element <timer>", ELEMENTS),
    (
        "misplaced element",
        '<param name="a" value="1"/>',
        "<param> cannot stand in <launch>",
        ("node", "group"),
    ),
    (
        "unknown attribute",
        '<let name="a" value="1" scope="x"/>',
        "unknown attribute 'scope'",
        ("name", "value", "if"),
    ),
    ("missing attribute", '<let name="a"/>', "lacks its attribute 'value'", ()),
    ("both conditions", '<let name="a" value="1" if="1" unless="1"/>', "both `if` and `unless`", ()),
    (
        "condition",
        '<let name="a" value="1" if="perhaps"/>',
        "'perhaps' is neither true nor false",
        ("true, 1, false, 0",),
    ),
    (
        "unknown substitution",
        '<let name="a" value="$(anon x)"/>',
        "unknown substitution $(anon",
        ("find-pkg-share", "var"),
    ),
    (
        "argument count",
        '<let name="a" value="$(equals 1)"/>',
        "is given 1 arguments; its form is $(equals A B)",
        (),
    ),
    ("open substitution", '<let name="a" value="$(var x"/>', "not closed by ')'", ()),
    ("open quote", """<let name="a" value="$(var 'x)"/>""", "a quote is not closed", ()),
    ("no name", '<let name="a" value="$( x)"/>', "must start with a name", ()),
    ("two blanks", '<let name="a" value="$(var  x)"/>', "exactly one blank", ()),
    ("parenthesis", '<let name="a" value="$(var x(y))"/>', "must be escaped or quoted", ()),
    ("unknown variable", '<let name="a" value="$(var x)"/>', "variable 'x' does not exist", ()),
    (
        "unknown environment",
        '<let name="a" value="$(env NOT_SET_AT_ALL)"/>',
        "'NOT_SET_AT_ALL' does not exist",
        (),
    ),
    (
        "unknown package",
        '<node pkg="nowhere" exec="a"/>',
        "package 'nowhere' not found",
        ("AMENT_PREFIX_PATH", "Build"),
    ),
    (
        "unknown executable",
        '<node pkg="reflexarc_nodes" exec="a"/>',
        "no executable 'a'",
        ("arc_node", "plant_node"),
    ),
    (
        "unknown program",
        '<executable cmd="no-such-program-here"/>',
        "'no-such-program-here' is not found on PATH",
        (),
    ),
    ("empty command", '<executable cmd=" "/>', "`cmd` is empty", ()),
    ("open command", '<executable cmd="echo \'x"/>', "cannot split", ()),
    ("node name", '<node pkg="reflexarc_nodes" exec="arc_node" name="a-b"/>', "'a-b' is not a node name", ()),
    ("namespace", '<push_ros_namespace namespace="2nd"/>', "'/2nd' is not a ROS namespace", ()),
    ("choice", '<arg name="a" default="3"><choice value="1"/></arg>', "argument 'a' is '3'", ("allowed: 1",)),
    ("required argument", '<arg name="a" description="The A"/>', "argument 'a' (The A) must be given", ()),
    ("missing include", '<include file="$(dirname)/none.xml"/>', "none.xml does not exist", ()),
    ("endless include", '<include file="$(filename)"/>', "files inside each other", ()),
    ("output", '<executable cmd="echo" output="loud"/>', "output is 'loud'", ("screen, log, both",)),
    ("on_exit", '<executable cmd="echo" on_exit="restart"/>', "on_exit is 'restart'", ("shutdown",)),
    (
        "contradiction",
        '<executable cmd="echo" on_exit="shutdown" respawn="true"/>',
        "contradict each other",
        (),
    ),
    (
        "negative delay",
        '<executable cmd="echo" respawn_delay="-1"/>',
        "respawn_delay is -1 s",
        ("at least 0 s",),
    ),
    (
        "infinite delay",
        '<executable cmd="echo" sigterm_timeout="inf"/>',
        "sigterm_timeout is inf s",
        ("finite",),
    ),
    (
        "no number",
        '<executable cmd="echo" respawn_max_retries="1.5"/>',
        "'1.5', but must be a whole number",
        (),
    ),
    ("list for all nodes", '<set_parameter name="a" value="[1]"/>', "takes no list", ()),
    ("text", "hello", "text 'hello' outside of an attribute", ()),
    ("not XML", '<let name="a" value=1/>', "not well-formed XML", ()),
]


@pytest.mark.parametrize(
    ("body", "message", "listed"), [case[1:] for case in ERRORS], ids=[case[0] for case in ERRORS]
)
def test_every_error_names_file_and_line_and_what_is_allowed(write, prefix, body, message, listed):
    path = write(f"<!-- a comment\n     of two lines -->\n{body}")
    with pytest.raises(LaunchFileError) as caught:
        resolve(path, {})
    text = str(caught.value)
    assert text.startswith(f"{path}:4: ")
    assert message in text
    assert all(word in text for word in listed)


NODE_ERRORS = [
    ("type", '<param name="a" value="x" type="int"/>', "parameter 'a': 'x' is not of type int"),
    (
        "unknown type",
        '<param name="a" value="x" type="number"/>',
        "parameter type 'number' is unknown; allowed: str, bool",
    ),
    ("mixed list", '<param name="a" value="[1, b]"/>', "not of type yaml"),
    ("mapping", '<param name="a" value="{b: 1}"/>', "not of type yaml"),
    ("boolean", '<param name="a" value="maybe" type="bool"/>', "not of type bool"),
    ("no value", '<param name="a"/>', "parameter 'a' lacks its `value`"),
    ("neither", "<param/>", "needs either `name` and `value`, or `from`"),
    ("both", '<param name="a" from="b"/>', "needs either `name` and `value`, or `from`"),
    ("from and value", '<param from="b" value="1"/>', "takes no other attribute"),
    ("no file", '<param from="/no/file.yaml"/>', "parameter file /no/file.yaml does not exist"),
    ("child", "<choice value='1'/>", "<choice> cannot stand in <node>; understood here: env, param, remap"),
]


@pytest.mark.parametrize(
    ("child", "message"), [case[1:] for case in NODE_ERRORS], ids=[case[0] for case in NODE_ERRORS]
)
def test_errors_inside_a_node_name_their_own_line(write, prefix, child, message):
    path = write(f'<node pkg="reflexarc_nodes" exec="arc_node">\n\n{child}</node>')
    with pytest.raises(LaunchFileError) as caught:
        resolve(path, {})
    assert str(caught.value).startswith(f"{path}:4: ")
    assert message in str(caught.value)


def test_an_error_in_an_included_file_names_that_file(write):
    inner = write("<timer/>", "inner.launch.xml")
    path = write('<include file="$(dirname)/inner.launch.xml"/>')
    with pytest.raises(LaunchFileError, match=f"^{inner}:2: unknown element"):
        resolve(path, {})


def test_an_include_argument_that_the_file_does_not_declare_is_an_error(write):
    write('<arg name="speed" default="1"/>', "inner.launch.xml")
    path = write('<include file="$(dirname)/inner.launch.xml">\n<arg name="sped" value="2"/></include>')
    with pytest.raises(
        LaunchFileError, match=r"test\.launch\.xml:3: .*no argument 'sped'; understood here: speed"
    ):
        resolve(path, {})


def test_an_unknown_argument_lists_the_known_ones(write):
    path = write('<arg name="seed" default="1"/><arg name="scenario" default="x"/>')
    with pytest.raises(ConfigError, match="unknown argument 'sed' .* allowed: seed, scenario"):
        resolve(path, {"sed": "3"})


def test_two_nodes_of_one_name_are_refused(write, prefix):
    node = '<node pkg="reflexarc_nodes" exec="arc_node" name="arc"/>'
    with pytest.raises(LaunchFileError, match=r":2: 2 nodes are named /arc"):
        resolve(write(f"{node}\n{node}"), {})


def test_a_file_that_is_missing_or_of_another_kind_is_refused(tmp_path):
    with pytest.raises(LaunchFileError, match="cannot be read: No such file"):
        resolve(tmp_path / "none.launch.xml", {})
    other = tmp_path / "other.xml"
    other.write_text("<html/>")
    with pytest.raises(LaunchFileError, match=r"other\.xml:1: the root element is <html>"):
        resolve(other, {})


def test_launch_files_of_the_project_are_found_by_name(monkeypatch):
    monkeypatch.setenv("AMENT_PREFIX_PATH", "")
    assert find_launch_file("sim").name == find_launch_file("sim.launch.xml").name == "sim.launch.xml"
    with pytest.raises(
        UnknownNameError,
        match=r"arm\.launch\.xml, fleet\.launch\.xml, fleet_delivery\.launch\.xml, quadruped\.launch\.xml, robot",
    ):
        find_launch_file("simulation")
