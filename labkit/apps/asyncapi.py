"""Describes an app's WebSockets as an AsyncAPI 3 document, made from its message models.

FastAPI's own documentation, OpenAPI, leaves WebSockets out. Source: the AsyncAPI specification 3.0.0 and its
WebSockets bindings 0.1.0. From the document's view the application *receives* what clients send.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from labkit import __version__
from labkit.apps.messages.reading import models_of, type_names
from labkit.hub.close_codes import comes_back

SCHEMAS = "#/components/schemas/"

CLOSE_CODES = {
    1000: "Done.",
    1003: "Text frames only.",
    1008: "Not allowed.",
    1009: "A message was over 64 KiB.",
    1011: "Something failed in the server.",
    1012: "The server is restarting.",
    1013: "All places are taken.",
    4408: "Too slow: history repairs the gap.",
    4410: "Silent for too long.",
    4423: "The room is locked.",
    4429: "Too many messages.",
    4503: "Not allowed.",
    4504: "Removed by the host.",
    4509: "The same user connected again.",
    4522: "Not understood.",
    4529: "Too many connections of one user.",
}


@dataclass(frozen=True)
class Channel:
    """One WebSocket route.

    Attributes:
        name: a word for it, such as ``chat``.
        address: its path, such as ``/ws/{user_id}``.
        receives: the model, or union of models, of the JSON that clients send; None if they send none.
        sends: the same for what the server sends.
        text: what a frame that is none of these means; empty if there is no such thing.
        text_replies: what the server sends as plain text, one sentence; empty if it sends none.
        query: names of query parameters, each with what it says.
        summary: what it is for, in a sentence.
    """

    name: str
    address: str
    summary: str
    receives: Any = None
    sends: Any = None
    text: str = ""
    text_replies: str = ""
    query: tuple[tuple[str, str], ...] = ()


RESUME_QUERY = (
    ("resume", "1: begin with a welcome, and keep my place for a moment when the line is lost"),
    ("since", "the seq of the last message that I have"),
    ("epoch", "the epoch of the welcome that I had"),
)


def add_asyncapi(app: FastAPI, *channels: Channel) -> None:
    """Serve the document of these channels at ``GET /asyncapi.json``."""
    document = asyncapi_document(app.title, channels)

    @app.get("/asyncapi.json", include_in_schema=False)
    async def show_document(request: Request) -> dict[str, Any]:
        server = {
            "host": request.url.netloc,
            "pathname": request.scope.get("root_path", "") or "/",
            "protocol": "wss" if request.url.scheme == "https" else "ws",
        }
        return {**document, "servers": {"this": server}}


def asyncapi_document(title: str, channels: tuple[Channel, ...]) -> dict[str, Any]:
    """Return the document as JSON values, without its servers."""
    models = {model for channel in channels for model in _models(channel)}
    _, schemas = models_json_schema(
        [(model, "serialization") for model in sorted(models, key=_name)], ref_template=SCHEMAS + "{model}"
    )
    document: dict[str, Any] = {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"labkit {title}",
            "version": __version__,
            "description": "Each message is one text frame of at most 64 KiB. Where it is JSON, it is one object; "
            "unknown fields and types are to be ignored.",
        },
        "defaultContentType": "application/json",
        "channels": {},
        "operations": {},
        "components": {"schemas": schemas.get("$defs", {}), "messages": {}},
    }
    for channel in channels:
        _add(document, channel)
    return document


def _add(document: dict[str, Any], channel: Channel) -> None:
    received = _messages(document, channel.receives, "client", channel.text, channel.name)
    sent = _messages(document, channel.sends, "server", channel.text_replies, channel.name)
    place: dict[str, Any] = {
        "address": channel.address,
        "summary": channel.summary,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (*received, *sent)},
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
        "x-close-codes": {
            str(code): {"means": means, "comeBack": comes_back(code)} for code, means in CLOSE_CODES.items()
        },
    }
    if parameters := re.findall(r"\{(\w+)\}", channel.address):
        place["parameters"] = {name: {"description": name.replace("_", " ")} for name in parameters}
    if channel.query:
        place["bindings"]["ws"]["query"] = {
            "type": "object",
            "properties": {name: {"type": "string", "description": says} for name, says in channel.query},
        }
    document["channels"][channel.name] = place
    for action, names in (("receive", received), ("send", sent)):
        if names:
            at = f"#/channels/{channel.name}"
            document["operations"][f"{action}_{channel.name}"] = {
                "action": action,
                "channel": {"$ref": at},
                "messages": [{"$ref": f"{at}/messages/{name}"} for name in names],
            }


def _messages(document: dict[str, Any], union: Any, side: str, text: str, channel: str) -> list[str]:
    """Describe the messages of one direction of a channel among the components, and return their names."""
    described = document["components"]["messages"]
    names = []
    for model in models_of(union) if union is not None else ():
        for kind in type_names(model):
            name = f"{side}.{kind}"
            names.append(name)
            described[name] = {
                "name": kind,
                "title": model.__name__,
                "summary": " ".join((model.__doc__ or "").split()),
                "contentType": "application/json",
                "payload": {"$ref": f"{SCHEMAS}{model.__name__}"},
            }
    if text:
        name = f"{side}.text"
        if name in described:  # another channel's texts, which mean something else
            name = f"{side}.{channel}.text"
        names.append(name)
        described[name] = {
            "name": "text",
            "summary": text,
            "contentType": "text/plain",
            "payload": {"type": "string"},
        }
    return names


def _models(channel: Channel) -> set[type[BaseModel]]:
    unions = [union for union in (channel.receives, channel.sends) if union is not None]
    return {model for union in unions for model in models_of(union)}


def _name(model: type[BaseModel]) -> str:
    return model.__name__
