# SPDX-License-Identifier: Apache-2.0
"""Writes MCAP recordings that stay readable when the writer is killed. No ROS is initialised here.

Messages are collected in chunks; `flush` closes the chunk and hands it to the operating system, so that
what was flushed survives the end of the process. A file without its last records is read by
`reflexarc.report.recording`.
"""

import re
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from mcap.writer import CompressionType, Writer

from reflexarc.core.errors import RecordingError

CHUNK_BYTES = 256 * 1024
"""A chunk is closed at this size, or at the next flush."""
_BUILT_IN = re.compile(r"^(bool|byte|char|w?string|float(32|64)|u?int(8|16|32|64))$")
_SEPARATOR = "\n" + "=" * 80 + "\n"


def definition_of(name: str) -> str:
    """Return the text of the message `package/msg/Name` and of every message in it, as MCAP's `ros2msg`
    wants it.

    Raises:
        RecordingError: the definition is not installed.
    """
    texts: dict[str, str] = {}
    queue = [name]
    while queue:
        package, _, short = queue.pop(0).split("/")
        key = f"{package}/{short}"
        if key in texts:
            continue
        path = Path(get_package_share_directory(package)) / "msg" / f"{short}.msg"
        try:
            texts[key] = path.read_text(encoding="utf-8")
        except OSError as error:
            raise RecordingError(
                f"the definition of {name} is not installed: {path}: {error.strerror}"
            ) from error
        queue += _parts(texts[key], package)
    first, *others = texts.items()
    return first[1] + "".join(f"{_SEPARATOR}MSG: {key}\n{text}" for key, text in others)


def _parts(text: str, package: str) -> list[str]:
    """Return the messages that a definition refers to."""
    found = []
    for line in text.splitlines():
        words = line.split("#")[0].split()
        kind = re.sub(r"(\[.*\]|<=\d+)+$", "", words[0]) if len(words) > 1 else ""
        if not kind or _BUILT_IN.match(kind):
            continue
        owner, _, short = kind.rpartition("/")
        found.append(
            f"{owner.removesuffix('/msg') or ('std_msgs' if short == 'Header' else package)}/msg/{short}"
        )
    return found


class RecordingWriter:
    """One MCAP file of the `ros2` profile."""

    def __init__(self, path: Path):
        """Create the file; an existing recording is never overwritten.

        Raises:
            RecordingError: the file exists or cannot be created.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb")
        except FileExistsError as error:
            raise RecordingError(
                f"{path} exists; a recording is not overwritten, choose another out_dir"
            ) from error
        except OSError as error:
            raise RecordingError(f"cannot write {path}: {error.strerror}") from error
        self.path = path
        self.messages = 0
        self._schemas: dict[str, int] = {}
        self._writer = Writer(self._file, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD)
        self._writer.start(profile="ros2", library="reflexarc")
        self._file.flush()

    def channel(self, topic: str, name: str) -> int:
        """Open a channel for the messages `package/msg/Name` of a topic and return its number."""
        if name not in self._schemas:
            text = definition_of(name).encode()
            self._schemas[name] = self._writer.register_schema(name=name, encoding="ros2msg", data=text)
        return self._writer.register_channel(
            topic=topic, message_encoding="cdr", schema_id=self._schemas[name]
        )

    def metadata(self, name: str, values: dict[str, str]) -> None:
        """Add a metadata record."""
        self._writer.add_metadata(name, values)

    def attach(self, name: str, data: bytes, stamp: int) -> None:
        """Add a file as an attachment; `stamp` is when it was made. [ns]"""
        self._writer.add_attachment(stamp, stamp, name, "text/yaml", data)

    def write(self, channel: int, received: int, data: bytes) -> None:
        """Add one serialized message with the time of its reception. [ns]"""
        self._writer.add_message(channel, received, data, received, self.messages)
        self.messages += 1

    def flush(self) -> None:
        """Close the chunk and give everything to the operating system.

        Raises:
            RecordingError: the disk is full or gone.
        """
        try:
            self._writer._Writer__finalize_chunk()  # type: ignore[attr-defined] # no public way
            self._file.flush()
        except OSError as error:
            raise RecordingError(
                f"cannot write {self.path}: {error.strerror}; what was written is readable"
            ) from error

    def close(self) -> None:
        """Write index and footer and close the file."""
        if not self._file.closed:
            try:
                self._writer.finish()
                self._file.close()
            except OSError as error:
                raise RecordingError(
                    f"cannot finish {self.path}: {error.strerror}; it is readable all the same"
                ) from error
