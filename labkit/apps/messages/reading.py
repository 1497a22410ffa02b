"""Reads what a client sent: JSON that may be anything, into one of the messages that the app knows."""

from __future__ import annotations

import json
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from labkit.hub import Refused, to_json

Known = TypeVar("Known")


class Reader(Generic[Known]):
    """Reads the messages of one union, discriminated by ``type``."""

    def __init__(self, union: Any) -> None:
        self._adapter: TypeAdapter[Known] = TypeAdapter(union)
        self._types = {name for model in models_of(union) for name in type_names(model)}

    def read(self, text: str) -> Known | None:
        """Return the message, or None if the text is no JSON object with a known ``type``.

        Raises:
            Refused: the type is known, and the rest is not as it should be.
        """
        try:
            value = read_object(text)
        except RecursionError:
            if not any(f'"{name}"' in text for name in self._types):
                return None
            # It may have been meant for one person alone, so it is not taken for a text to all.
            raise Refused("bad_message", "This JSON is nested too deeply.") from None
        kind = value.get("type") if value is not None else None
        if not isinstance(kind, str) or kind not in self._types:
            return None
        try:
            return self._adapter.validate_python(value, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"][1:]) or "it"
            raise Refused(
                "bad_message",
                f"A {kind!r} message was not understood: {place}: {first['msg']}.",
                hint="see asyncapi.json for its fields.",
            ) from None


def read_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that a text is, or None if it is none.

    Raises:
        RecursionError: it begins like an object and is nested too deeply to be read.
    """
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")  # Python reads NaN and Infinity, RFC 8259 does not have them


def encode(message: Any) -> str | bytes:
    """Serialise a message for the wire: a model, or whatever the hub itself sends."""
    return message.model_dump_json(exclude_none=True) if isinstance(message, BaseModel) else to_json(message)


def models_of(union: Any) -> tuple[type[BaseModel], ...]:
    """Return the models of a union, annotated or not, in the order in which they are written."""
    if isinstance(union, type):
        return (union,)
    return tuple(model for member in get_args(union) if not _is_note(member) for model in models_of(member))


def type_names(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the values that a model's ``type`` may have; of a model without one, its own name."""
    field = model.model_fields.get("type")
    return get_args(field.annotation) if field is not None else (model.__name__.lower(),)


def _is_note(member: object) -> bool:
    """Tell what else stands in an Annotated: everything but types and unions of them."""
    return not isinstance(member, type) and not get_args(member)
