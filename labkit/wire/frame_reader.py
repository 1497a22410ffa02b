"""Cuts one direction's bytes into frames, whatever pieces they come in. It judges nothing."""

from __future__ import annotations

import collections
from typing import NamedTuple

from labkit.wire import layout
from labkit.wire.frame import Segment

KEPT_PAYLOAD_MAX_BYTES = 16 * 1024 * 1024
"""Of a longer payload only the beginning is kept, as much as `KEPT_BEGINNING_BYTES`."""

KEPT_BEGINNING_BYTES = 64 * 1024


class RawFrame(NamedTuple):
    """A frame's bytes and when they came; see `labkit.wire.frame.Frame`, whose fields these are."""

    header: bytes
    payload_on_wire: bytes
    began_s: float
    at_s: float
    segments: tuple[Segment, ...]
    complete: bool = True


class FrameReader:
    """Takes the bytes of one sender and gives frames: `feed()` returns those that are complete then.

    Attributes:
        partial_bytes: how many bytes of the frame that is on its way have come, its header included.
    """

    def __init__(self) -> None:
        self.partial_bytes = 0
        self._buffer = bytearray()
        self._skipped = 0
        self._header_size = 0
        self._frame_size = 0
        self._segments: collections.deque[Segment] = collections.deque()

    def feed(self, data: bytes, segment: int, at_s: float) -> list[RawFrame]:
        """Take what one read gave, its number and its time; return the frames that it completed."""
        if not self._buffer and (frame := _only_frame(data, segment, at_s)) is not None:
            return [frame]
        self._buffer += data
        self._segments.append(Segment(segment, at_s, len(data)))
        self.partial_bytes += len(data)
        frames = []
        while self._measure():
            frames.append(self._take(self._frame_size))
        return frames

    def partial(self) -> RawFrame | None:
        """Return what has come of the frame that is on its way, if its header is complete."""
        if not self._header_size or not self.partial_bytes:
            return None
        return RawFrame(
            bytes(self._buffer[: self._header_size]),
            bytes(self._buffer[self._header_size :]),
            self._segments[0].at_s,
            self._segments[-1].at_s,
            tuple(self._segments),
            complete=False,
        )

    def unread(self) -> bytes:
        """Return the bytes that are too few for a header."""
        return b"" if self._header_size else bytes(self._buffer)

    def _measure(self) -> bool:
        """Read the header as soon as it is there; return whether the frame is complete."""
        buffer = self._buffer
        if not self._header_size:
            if len(buffer) < 2:
                return False
            size = layout.header_size_bytes(buffer[1])
            if len(buffer) < size:
                return False
            self._header_size = size
            self._frame_size = size + layout.payload_length_bytes(bytes(buffer[:size]))
        if self.partial_bytes >= self._frame_size:
            return True
        if self._frame_size - self._header_size > KEPT_PAYLOAD_MAX_BYTES:
            self._forget_beyond(self._header_size + KEPT_BEGINNING_BYTES)
        return False

    def _forget_beyond(self, kept: int) -> None:
        self._skipped += max(0, len(self._buffer) - kept)
        del self._buffer[kept:]
        if len(self._segments) > 2:  # the first and the last one say enough
            first, last = self._segments[0], self._segments[-1]
            size = sum(segment.size_bytes for segment in self._segments) - first.size_bytes
            self._segments = collections.deque([first, Segment(last.number, last.at_s, size)])

    def _take(self, frame_size: int) -> RawFrame:
        kept = frame_size - self._skipped
        header = bytes(self._buffer[: self._header_size])
        payload = bytes(self._buffer[self._header_size : self._kept_end(kept)])
        segments = self._take_segments(frame_size)
        del self._buffer[:kept]
        self.partial_bytes -= frame_size
        self._skipped = self._header_size = 0
        return RawFrame(header, payload, segments[0].at_s, segments[-1].at_s, segments)

    def _kept_end(self, kept: int) -> int:
        """Return where the kept part of the payload ends in the buffer."""
        too_long = self._frame_size - self._header_size > KEPT_PAYLOAD_MAX_BYTES
        return min(kept, self._header_size + KEPT_BEGINNING_BYTES) if too_long else kept

    def _take_segments(self, size: int) -> tuple[Segment, ...]:
        waiting = self._segments
        if waiting[0].size_bytes == size:  # by far the commonest: one read, one frame
            return (waiting.popleft(),)
        taken = []
        while size:
            first = waiting.popleft()
            if first.size_bytes > size:
                waiting.appendleft(Segment(first.number, first.at_s, first.size_bytes - size))
                first = Segment(first.number, first.at_s, size)
            size -= first.size_bytes
            taken.append(first)
        return tuple(taken)


def _only_frame(data: bytes, segment: int, at_s: float) -> RawFrame | None:
    """Return the frame if a read gave exactly one, as it mostly does."""
    if len(data) < 2:
        return None
    size = layout.header_size_bytes(data[1])
    if len(data) < size or len(data) - size != layout.payload_length_bytes(data):
        return None
    return RawFrame(data[:size], data[size:], at_s, at_s, (Segment(segment, at_s, len(data)),))
