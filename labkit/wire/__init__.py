"""The wire made visible and breakable: records a connection's bytes, tells what they mean, injects faults."""

from labkit.wire.conversation import AsgiEvent, Conversation, Ending, Message, Ping
from labkit.wire.diff import diff
from labkit.wire.expecting import WireMismatch, expect
from labkit.wire.frame import Frame, Problem, Segment
from labkit.wire.handshake import Exchange, Handshake, HttpRequest, HttpResponse
from labkit.wire.raw_play import Outcome, RawPlay, raw
from labkit.wire.trace import FaultSpan, Secret, Trace

__all__ = [
    "AsgiEvent",
    "Conversation",
    "Ending",
    "Exchange",
    "FaultSpan",
    "Frame",
    "Handshake",
    "HttpRequest",
    "HttpResponse",
    "Message",
    "Outcome",
    "Ping",
    "Problem",
    "RawPlay",
    "Secret",
    "Segment",
    "Trace",
    "WireMismatch",
    "diff",
    "expect",
    "raw",
]
