"""GET /asyncapi.json: it has the shape that AsyncAPI 3.0.0 asks for, and says what the app really speaks.

The shape is written down here, from the specification, so that the test needs no network.
"""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import jsonschema
import pytest

from labkit import connect, serve
from labkit.apps import APP_NAMES, create
from labkit.apps.asyncapi import asyncapi_document
from labkit.apps.messages.chat import CHANNELS

NAME = r"^[A-Za-z0-9_\-.]+$"
REF = {
    "type": "object",
    "required": ["$ref"],
    "additionalProperties": False,
    "properties": {"$ref": {"type": "string", "pattern": "^#/"}},
}
TEXT = {"type": "string", "minLength": 1}


def record(required: dict[str, Any], optional: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": required | optional,
        "patternProperties": {r"^x-[\w\d.\x2d_]+$": {}},
        "additionalProperties": False,
    }


def table(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "patternProperties": {NAME: of}, "additionalProperties": False}


WS_BINDING = record(
    {},
    {"method": {"enum": ["GET", "POST"]}, "query": {"type": "object"}, "bindingVersion": {"enum": ["0.1.0"]}},
)
MESSAGE = record(
    {},
    {"name": TEXT, "title": TEXT, "summary": TEXT, "contentType": TEXT, "payload": {"type": "object"}},
)
DOCUMENT = record(
    {
        "asyncapi": {"const": "3.0.0"},
        "info": record({"title": TEXT, "version": TEXT}, {"description": TEXT}),
    },
    {
        "defaultContentType": TEXT,
        "servers": table(record({"host": TEXT, "protocol": TEXT}, {"pathname": TEXT})),
        "channels": table(
            record(
                {},
                {
                    "address": TEXT,
                    "summary": TEXT,
                    "messages": table(REF),
                    "parameters": table(record({}, {"description": TEXT})),
                    "bindings": record({}, {"ws": WS_BINDING}),
                },
            )
        ),
        "operations": table(
            record(
                {"action": {"enum": ["send", "receive"]}, "channel": REF},
                {"messages": {"type": "array", "items": REF, "uniqueItems": True}},
            )
        ),
        "components": record({}, {"schemas": table({"type": "object"}), "messages": table(MESSAGE)}),
    },
)


def problems(document: dict[str, Any]) -> list[str]:
    """Return what is wrong with a document: its shape, references to nothing, parameters, operations."""
    found = [e.json_path for e in jsonschema.Draft202012Validator(DOCUMENT).iter_errors(document)]
    found += [ref for ref in references(document) if resolve(document, ref) is None]
    for name, channel in document.get("channels", {}).items():
        if set(re.findall(r"\{(\w+)\}", channel["address"])) != set(channel.get("parameters", {})):
            found.append(f"parameters of {name}")
    for name, operation in document.get("operations", {}).items():
        channel = str(operation["channel"].get("$ref"))
        for message in operation.get("messages", []):
            if not str(message.get("$ref")).startswith(f"{channel}/messages/"):
                found.append(f"message of {name}")  # "MUST NOT point to the components" (Operation Object)
    for schema in document.get("components", {}).get("schemas", {}).values():
        jsonschema.Draft202012Validator.check_schema(schema)
    return found


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for each in value.values() for ref in references(each)]
    if isinstance(value, list):
        return [ref for each in value for ref in references(each)]
    return []


def resolve(document: Any, ref: str) -> Any:
    for part in ref.removeprefix("#/").split("/"):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def documented(name: str) -> dict[str, Any]:
    with serve(name) as lab:
        return httpx.get(lab.url + "/asyncapi.json", trust_env=False, timeout=5).json()


@pytest.mark.parametrize("name", APP_NAMES)
def test_the_document_is_as_asyncapi_asks(name):
    assert problems(documented(name)) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("info"),
        lambda d: d["info"].pop("version"),
        lambda d: d.update(asyncapi="2.6.0"),
        lambda d: d.update(paths={}),
        lambda d: d["operations"]["send_chat"].update(action="publish"),
        lambda d: d["operations"]["send_chat"]["channel"].update({"$ref": "#/channels/nowhere"}),
        lambda d: d["operations"]["send_chat"].update(
            messages=[{"$ref": "#/components/messages/server.ping"}]
        ),
        lambda d: d["channels"]["chat"].update(address="/ws/{nobody}"),
        lambda d: d["components"]["schemas"].pop("Error"),
        lambda d: d["servers"]["this"].pop("host"),
    ],
)
def test_the_check_finds(spoil):
    servers = {"this": {"host": "127.0.0.1:8000", "protocol": "ws"}}
    document = json.loads(json.dumps({**asyncapi_document("chat", CHANNELS), "servers": servers}))
    assert problems(document) == []
    spoil(document)
    assert problems(document)


@pytest.mark.parametrize("name", APP_NAMES)
def test_every_route_is_in_it(name):
    described = {channel["address"] for channel in documented(name)["channels"].values()}
    routes = {route.path for route in create(name).routes if type(route).__name__ == "APIWebSocketRoute"}
    assert described == routes - {"/host/ws"}  # the host's own business


def test_texts_of_two_channels_are_told_apart():
    document = documented("pitfalls")
    said = {
        name: [document["components"]["messages"][message]["summary"] for message in channel["messages"]]
        for name, channel in document["channels"].items()
    }
    assert "Every text is said to all." in said["chat"]
    assert "Every text is a piece of work." in said["work"]


def test_every_message_is_in_it():
    document = documented("chat")
    messages = document["channels"]["chat"]["messages"]
    assert set(messages) == {
        "client.private",
        "client.typing",
        "client.pong",
        "client.text",
        *(f"server.{kind}" for kind in KINDS),
    }
    assert document["operations"]["receive_chat"]["action"] == "receive"


KINDS = ("message", "private", "typing", "welcome", "rules", "cleared", "error", "ping")


def test_what_the_server_says_is_what_the_document_says():
    with serve("chat") as lab:
        document = httpx.get(lab.url + "/asyncapi.json", trust_env=False, timeout=5).json()
        ada = connect(lab, "/ws/ada?resume=1")
        ada.send("hello")
        ada.send_json({"type": "private", "to": "ada", "message": "x"})
        ada.send_json({"type": "private", "to": "nobody", "message": "x"})
        for expected in ("welcome", "message", "message", "private", "error"):
            message = ada.receive_json()
            assert message["type"] == expected
            described = document["components"]["messages"][f"server.{expected}"]
            schema = {**described["payload"], "components": document["components"]}
            jsonschema.validate(message, schema)
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({**message, "type": "other"}, schema)


def test_the_server_it_names_is_the_one_that_was_asked():
    document = documented("rooms")
    assert document["servers"]["this"]["protocol"] == "ws"
    assert re.fullmatch(r"127\.0\.0\.1:\d+", document["servers"]["this"]["host"])
    assert json.dumps(document).count("host_token") == 0
