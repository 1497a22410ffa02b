"""One HTTP request that ends at a deadline, however slowly the server drips its answer."""

from __future__ import annotations

import http.client
import io
import socket
import string
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
"""A browser's, so that a server cannot tell the grader from a visitor."""

MAX_BODY_BYTES = 4 * 1024 * 1024

_READ_BYTES = 64 * 1024
_LOOK_UP_S = 0.25


class BadResponse(Exception):
    """The server answered with something that is no HTTP response, or with too much."""


@dataclass(frozen=True)
class Response:
    """An HTTP response.

    Attributes:
        headers: names in lower case.
    """

    status: int
    phrase: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode("utf-8", "replace")


def fetch(port: int, path: str, deadline: float, is_alive: Callable[[], bool] = lambda: True) -> Response:
    """Get a path from 127.0.0.1.

    Args:
        deadline: by `time.monotonic()`.
        is_alive: asked now and then whether waiting still makes sense.
    Raises:
        TimeoutError: the deadline passed.
        ConnectionError: nobody listens, or the server closed before it answered.
        BadResponse: the answer is no HTTP response, or has more than `MAX_BODY_BYTES`.
    """
    target = quote(path, safe=string.printable.strip())  # a redirect may lead to any letters
    request = (
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: {USER_AGENT}\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=_left(deadline)) as connection:
        connection.sendall(request.encode("ascii"))
        return _parse(_read_all(connection, deadline, is_alive))


def _read_all(connection: socket.socket, deadline: float, is_alive: Callable[[], bool]) -> bytes:
    received = bytearray()
    while len(received) <= MAX_BODY_BYTES:
        connection.settimeout(min(_left(deadline), _LOOK_UP_S))
        try:
            data = connection.recv(_READ_BYTES)
        except TimeoutError:
            if not is_alive():
                raise ConnectionAbortedError("the server's process ended") from None
            continue
        if not data:
            return bytes(received)
        received += data
    raise BadResponse(f"more than {MAX_BODY_BYTES // 2**20} MiB")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Received:
    """What `http.client` takes for a socket: bytes that are all there already."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _parse(received: bytes) -> Response:
    if not received:
        raise ConnectionResetError("the server closed the connection without an answer")
    response = http.client.HTTPResponse(_Received(received))  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read()
    except (http.client.HTTPException, ValueError) as error:
        raise BadResponse(f"{type(error).__name__}: {error}") from error
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Response(response.status, response.reason, headers, body)
