# SPDX-License-Identifier: Apache-2.0
"""Read an MCAP recording of the stack without ROS, also one whose writer was killed.

An MCAP file is a magic number followed by records `opcode (1 byte), length (8 bytes), content`; messages sit
in chunk records that may be compressed (https://mcap.dev/spec). The reader walks the records from the front
and needs neither the footer nor the index, so a file that ends in the middle of a record is read up to there;
of a half-written chunk it takes the whole messages that can still be decompressed. What is left over is
counted and reported.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Attachment, Channel, Message, Metadata, Schema
from mcap_ros2.decoder import DecoderFactory

from reflexarc.core.errors import RecordingError, UnknownNameError

MAGIC = b"\x89MCAP0\r\n"
RECORD_HEADER = struct.Struct("<BQ")
CHUNK_FIXED_BYTES = 8 + 8 + 8 + 4
"""Bytes of a chunk before the length of its compression name: start, end, size, checksum."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One message of a recording."""

    log_time: float
    """When the recorder received it. [s]"""
    topic: str
    sequence: int
    """Sequence number given by the recorder, 0 when it gave none."""
    message: Any
    """Decoded message; its attributes have the names of the .msg file's fields."""


@dataclass(slots=True)
class Recording:
    """The content of one MCAP file."""

    path: Path
    topics: dict[str, list[Recorded]] = field(default_factory=dict)
    """Messages per topic in the order in which they were recorded."""
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    """Metadata records by name."""
    attachments: dict[str, bytes] = field(default_factory=dict)
    complete: bool = False
    """Whether the writer finished the file."""
    lost_bytes: int = 0
    """Bytes at the end that could not be read."""

    @property
    def messages(self) -> int:
        """Number of messages on all topics."""
        return sum(len(messages) for messages in self.topics.values())

    def topic(self, name: str) -> list[Recorded]:
        """Return the messages of the topic whose last name is `name` (`verdict` finds `/robot1/verdict`).

        Raises:
            RecordingError: no topic or more than one topic ends in `name`; the message lists what is there.
        """
        full = [topic for topic in self.topics if topic == name or topic.endswith("/" + name.lstrip("/"))]
        if not full:
            raise RecordingError(
                f"{self.path}: no topic {name!r}; recorded: {', '.join(sorted(self.topics)) or 'nothing'}"
            )
        if len(full) > 1:
            raise RecordingError(
                f"{self.path}: {name!r} is ambiguous: {', '.join(sorted(full))}; give the full name"
            )
        return self.topics[full[0]]

    def optional_topic(self, name: str) -> list[Recorded]:
        """Return the messages of `topic(name)`, or none where that topic was not recorded."""
        return self.topic(name) if any(t.rsplit("/", 1)[-1] == name for t in self.topics) else []

    def meta(self, record: str) -> dict[str, str]:
        """Return the metadata record `record`.

        Raises:
            RecordingError: there is none of that name.
        """
        if record not in self.metadata:
            raise RecordingError(
                str(UnknownNameError("metadata record", record, self.metadata, str(self.path)))
            )
        return self.metadata[record]

    def describe_loss(self) -> str:
        """Say in one sentence whether the file is whole."""
        if self.complete:
            return "the recording is complete"
        lost = (
            f"the last {self.lost_bytes} bytes could not be read"
            if self.lost_bytes
            else "nothing readable is lost"
        )
        return f"the recorder did not finish this file; {self.messages} messages were read and {lost}"


def read_recording(path: Path, topics: frozenset[str] | None = None) -> Recording:
    """Read the whole recording `path`, or only the topics whose last name is in `topics`.

    Raises:
        RecordingError: the file is missing or is not an MCAP file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"cannot read the recording {path}: {error.strerror}") from error
    if not data.startswith(MAGIC):
        raise RecordingError(f"{path} is not an MCAP recording (it does not start with the MCAP magic bytes)")
    return _Parser(path, topics).parse(data)


class _Parser:
    """Walks the records of one file and fills a `Recording`."""

    def __init__(self, path: Path, topics: frozenset[str] | None) -> None:
        self.recording = Recording(path)
        self.wanted = topics
        self.schemas: dict[int, Schema] = {}
        self.channels: dict[int, Channel] = {}
        self.decoders = DecoderFactory()

    def parse(self, data: bytes) -> Recording:
        """Return the recording in `data`."""
        offset = len(MAGIC)
        for opcode, content, end in _records(data, offset):
            if not self._take(opcode, content):
                break
            offset = end
            if opcode == Opcode.FOOTER:
                self.recording.complete = data[end:] == MAGIC
                offset = len(data)
                break
        if not self.recording.complete:
            offset += self._salvage(data[offset:])
        self.recording.lost_bytes = len(data) - offset
        return self.recording

    def _take(self, opcode: int, content: bytes) -> bool:
        """Store one whole record; False when its content contradicts its length or checksum."""
        stream = ReadDataStream(io.BytesIO(content))
        try:
            match opcode:
                case Opcode.SCHEMA:
                    schema = Schema.read(stream)
                    self.schemas[schema.id] = schema
                case Opcode.CHANNEL:
                    channel = Channel.read(stream)
                    self.channels[channel.id] = channel
                case Opcode.MESSAGE:
                    self._message(Message.read(stream, len(content)))
                case Opcode.METADATA:
                    record = Metadata.read(stream)
                    self.recording.metadata[record.name] = dict(record.metadata)
                case Opcode.ATTACHMENT:
                    attachment = Attachment.read(stream)
                    self.recording.attachments[attachment.name] = attachment.data
                case Opcode.CHUNK:
                    for inner, body, _ in _records(_decompress(content, whole=True), 0):
                        self._take(inner, body)
        except (struct.error, EOFError, ValueError, _BrokenChunk):
            return False
        return True

    def _salvage(self, tail: bytes) -> int:
        """Take the whole messages of a half-written chunk at the start of `tail`; return the bytes accounted
        for.
        """
        if len(tail) <= RECORD_HEADER.size or tail[0] != Opcode.CHUNK:
            return 0
        content = tail[RECORD_HEADER.size :]
        try:
            partial = _decompress(content, whole=False)
        except (struct.error, _BrokenChunk):
            return 0
        used = 0
        for opcode, body, end in _records(partial, 0):
            if not self._take(opcode, body):
                break
            used = end
        return round(len(tail) * used / len(partial)) if partial else 0

    def _message(self, message: Message) -> None:
        channel = self.channels.get(message.channel_id)
        schema = self.schemas.get(channel.schema_id) if channel else None
        if channel is None or schema is None:
            return
        if self.wanted is not None and channel.topic.rsplit("/", 1)[-1] not in self.wanted:
            return
        decode = self.decoders.decoder_for(channel.message_encoding, schema)
        if decode is None:
            return
        entry = Recorded(message.log_time * 1e-9, channel.topic, message.sequence, decode(message.data))
        self.recording.topics.setdefault(channel.topic, []).append(entry)


class _BrokenChunk(Exception):
    """A chunk whose content cannot be decompressed."""


def _records(data: bytes, offset: int) -> Iterator[tuple[int, bytes, int]]:
    """Yield (opcode, content, end offset) of every whole record of `data` from `offset` on."""
    while offset + RECORD_HEADER.size <= len(data):
        opcode, length = RECORD_HEADER.unpack_from(data, offset)
        begin = offset + RECORD_HEADER.size
        offset = begin + length
        if offset > len(data):
            return
        yield opcode, data[begin:offset], offset


def _decompress(content: bytes, whole: bool) -> bytes:
    """Return the records in a chunk's `content`; with `whole` false, as many as its bytes still give."""
    (name_length,) = struct.unpack_from("<I", content, CHUNK_FIXED_BYTES)
    name_end = CHUNK_FIXED_BYTES + 4 + name_length
    compression = content[CHUNK_FIXED_BYTES + 4 : name_end].decode("ascii", errors="replace")
    (size,) = struct.unpack_from("<Q", content, name_end)
    packed = content[name_end + 8 : name_end + 8 + size]
    if whole and len(packed) < size:
        raise _BrokenChunk("shorter than its declared size")
    try:
        match compression:
            case "":
                return packed
            case "zstd":
                import zstandard  # noqa: PLC0415 - only for files that use it

                return zstandard.ZstdDecompressor().decompressobj().decompress(packed)
            case "lz4":
                import lz4.frame  # noqa: PLC0415 - only for files that use it

                return lz4.frame.LZ4FrameDecompressor().decompress(packed)
    except Exception as error:  # zstandard.ZstdError and lz4's RuntimeError share no narrower base
        raise _BrokenChunk(str(error)) from error
    raise _BrokenChunk(f"unknown compression {compression!r}")
