# SPDX-License-Identifier: Apache-2.0
"""An XML launch file as a tree of elements that remember the line they were written on."""

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from reflexarc.launcher.errors import LaunchFileError, Place


@dataclass(eq=False)
class Element:
    """One XML element with its position."""

    tag: str
    attributes: dict[str, str]
    place: Place
    children: list["Element"] = field(default_factory=list)

    def named(self, tag: str) -> list["Element"]:
        """Return the direct children with this tag, in document order."""
        return [child for child in self.children if child.tag == tag]

    def walk(self) -> "list[Element]":
        """Return this element and everything below it, in document order."""
        return [self, *(item for child in self.children for item in child.walk())]


def read_launch_file(path: Path) -> Element:
    """Read `path` and return its root element.

    Raises:
        LaunchFileError: The file is missing, is not XML, its root is not `<launch>`, or it holds loose text.
    """
    path = Path(path)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise LaunchFileError(None, f"launch file {path} cannot be read: {error.strerror}") from error
    builder = _Builder(path)
    try:
        builder.parser.Parse(text, True)
    except expat.ExpatError as error:
        reason = expat.errors.messages[error.code]
        raise LaunchFileError(Place(path, error.lineno), f"not well-formed XML: {reason}") from error
    root = builder.root
    if root.tag != "launch":
        raise LaunchFileError(root.place, f"the root element is <{root.tag}>, but must be <launch>")
    return root


class _Builder:
    """Expat callbacks that build the tree; expat is used directly because it alone tells the line number."""

    root: Element

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: list[Element] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = lambda _tag: self._open.pop()
        self.parser.CharacterDataHandler = self._text

    def _place(self) -> Place:
        return Place(self._path, self.parser.CurrentLineNumber)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, self._place())
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _text(self, text: str) -> None:
        if text.strip():
            raise LaunchFileError(
                self._place(), f"text {text.strip()[:40]!r} outside of an attribute has no meaning"
            )
