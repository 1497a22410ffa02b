"""A trace as JSON and back. What can be computed from the bytes is not written twice.

A frame is `{"n", "at", "from", "head", "text" or "hex", …}`: `head` is its header in hexadecimal, from which its
bits, its length and its key are read again; `deflated` stands beside the payload if that went compressed. Masking
keys are random, so all are written as the RFC's own, and two recordings of the same talk differ in their times only.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

from labkit.errors import LabError
from labkit.wire import layout
from labkit.wire.conversation import AsgiEvent, Conversation, Ending
from labkit.wire.frame import Frame, Problem, Segment
from labkit.wire.handshake import Exchange, Handshake, HttpRequest, HttpResponse
from labkit.wire.hiding import hide_secrets
from labkit.wire.masking import NORMAL_KEY, mask
from labkit.wire.trace import FaultSpan, Secret, Trace

FORMAT = "labkit.wire/1"

_TraceT = TypeVar("_TraceT", bound=Trace)
_ExchangeT = TypeVar("_ExchangeT", bound=Exchange)


def write(trace: Trace) -> dict[str, Any]:
    """Return a trace as JSON values."""
    trace = hide_secrets(trace)
    return {
        "format": FORMAT,
        "title": trace.title,
        "started_at": trace.started_at,
        "dropped_conversations": trace.dropped_conversations,
        "dropped_frames": trace.dropped_frames,
        "dropped_bytes": trace.dropped_bytes,
        "faults": [dataclasses.asdict(each) for each in trace.faults],
        "secrets": [dataclasses.asdict(each) for each in trace.secrets],
        "conversations": [_write_conversation(each) for each in trace.conversations],
    }


def read(kind: type[_TraceT], value: Any) -> _TraceT:
    """Return the trace in JSON values."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise LabError("This is no trace of the wire.", expected=f'an object with "format": "{FORMAT}".')
    try:
        return kind(
            started_at=float(value["started_at"]),
            title=str(value["title"]),
            dropped_conversations=int(value["dropped_conversations"]),
            dropped_frames=int(value["dropped_frames"]),
            dropped_bytes=int(value["dropped_bytes"]),
            faults=tuple(FaultSpan(**each) for each in value["faults"]),
            secrets=tuple(Secret(**each) for each in value["secrets"]),
            conversations=tuple(_read_conversation(each) for each in value["conversations"]),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise LabError(
            f"This trace of the wire is damaged: {error!r}.", expected="what trace.to_json() returned."
        ) from error


def save(trace: Trace, path: str | Path) -> None:
    """Write a trace to a file."""
    Path(path).write_text(json.dumps(write(trace), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def load(kind: type[_TraceT], path: str | Path) -> _TraceT:
    """Return the trace in a file."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LabError(
            f"Cannot read {path}: {error.strerror}.", expected="a file of trace.save()."
        ) from error
    except ValueError as error:
        raise LabError(f"{path} is no JSON: {error}.", expected="a file of trace.save().") from error
    return read(kind, value)


# -- one conversation --------------------------------------------------------------------------------


def _write_conversation(talk: Conversation) -> dict[str, Any]:
    return {
        "id": talk.id,
        "client_port": talk.client_port,
        "server_port": talk.server_port,
        "opened_at_s": _seconds(talk.opened_at_s),
        "exchanges": [_write_exchange(each) for each in talk.exchanges],
        "handshake": None if talk.handshake is None else _write_exchange(talk.handshake),
        "frames": [_write_frame(frame) for frame in talk.frames],
        "endings": [{"at_s": _seconds(each.at_s), "by": each.by, "how": each.how} for each in talk.endings],
        "asgi": [_write_event(event) for event in talk.asgi],
        "dropped_frames": talk.dropped_frames,
        "unread": [[sender, data.hex()] for sender, data in talk.unread],
    }


def _read_conversation(value: dict[str, Any]) -> Conversation:
    shake = value["handshake"]
    return Conversation(
        id=int(value["id"]),
        client_port=int(value["client_port"]),
        server_port=int(value["server_port"]),
        opened_at_s=float(value["opened_at_s"]),
        exchanges=tuple(_read_exchange(Exchange, each) for each in value["exchanges"]),
        handshake=None if shake is None else _read_exchange(Handshake, shake),
        frames=tuple(_read_frame(each) for each in value["frames"]),
        endings=tuple(Ending(**each) for each in value["endings"]),
        asgi=tuple(AsgiEvent(**each) for each in value["asgi"]),
        dropped_frames=int(value["dropped_frames"]),
        unread=tuple((sender, bytes.fromhex(data)) for sender, data in value["unread"]),
    )


def _seconds(value: float) -> float:
    return round(value, 6)


# -- HTTP ----------------------------------------------------------------------------------------------


def _write_exchange(exchange: Exchange) -> dict[str, Any]:
    request, response, problem = exchange.request, exchange.response, exchange.problem
    told: dict[str, Any] = {"request": None, "response": None}
    if request is not None:
        told["request"] = {**_fields(request), "at_s": _seconds(request.at_s)}
    if response is not None:
        told["response"] = {
            **_fields(response),
            "at_s": _seconds(response.at_s),
            "body": _write_bytes(response.body),
        }
    if problem is not None:
        told["problem"] = _fields(problem)
    return told


def _read_exchange(kind: type[_ExchangeT], value: dict[str, Any]) -> _ExchangeT:
    request, response, problem = value["request"], value["response"], value.get("problem")
    return kind(
        None if request is None else HttpRequest(**{**request, "headers": _read_headers(request)}),
        None
        if response is None
        else HttpResponse(
            **{**response, "headers": _read_headers(response), "body": _read_bytes(response["body"])}
        ),
        None if problem is None else Problem(**problem),
    )


def _read_headers(head: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in head["headers"])


def _fields(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}


# -- frames --------------------------------------------------------------------------------------------


def _write_frame(frame: Frame) -> dict[str, Any]:
    told: dict[str, Any] = {
        "n": frame.number,
        "at": _seconds(frame.at_s),
        "began": _seconds(frame.began_s),
        "from": frame.sender,
        "head": layout.with_mask_key(frame.header, NORMAL_KEY).hex(" "),
        **_write_bytes(frame.payload),
        "segments": [[each.number, _seconds(each.at_s), each.size_bytes] for each in frame.segments],
    }
    if frame.compressed:
        told["deflated"] = frame.unmasked.hex()
    if not frame.complete:
        told["complete"] = False
    if frame.problem is not None:
        told["problem"] = _fields(frame.problem)
    if frame.note:
        told["note"] = frame.note
    return told


def _read_frame(value: dict[str, Any]) -> Frame:
    header = bytes.fromhex(value["head"])
    if len(header) < 2 or len(header) != layout.header_size_bytes(header[1]):
        raise ValueError(f"{value['head']!r} is no frame's header")
    payload = _read_bytes(value)
    unmasked = bytes.fromhex(value["deflated"]) if "deflated" in value else payload
    problem = value.get("problem")
    return Frame(
        number=int(value["n"]),
        at_s=float(value["at"]),
        began_s=float(value["began"]),
        sender=_sender(value["from"]),
        header=header,
        payload_on_wire=mask(unmasked, layout.mask_key(header)),
        payload=payload,
        segments=tuple(Segment(*each) for each in value["segments"]),
        complete=bool(value.get("complete", True)),
        problem=None if problem is None else Problem(**problem),
        note=str(value.get("note", "")),
    )


def _sender(name: Any) -> Any:
    if name not in ("client", "server"):
        raise ValueError(f"{name!r} is neither client nor server")
    return name


def _write_bytes(data: bytes) -> dict[str, str]:
    """Write bytes as text if they are one, else in hexadecimal."""
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"hex": data.hex()}


def _read_bytes(value: dict[str, Any]) -> bytes:
    return str(value["text"]).encode() if "text" in value else bytes.fromhex(value["hex"])


# -- the server's side ---------------------------------------------------------------------------------


def _write_event(event: AsgiEvent) -> dict[str, Any]:
    told = {name: value for name, value in _fields(event).items() if value is not None and value != ""}
    told |= {name: _seconds(told[name]) for name in ("at_s", "done_s", "loop_lag_s") if name in told}
    return {"done_s": None, "type": "", **told}
