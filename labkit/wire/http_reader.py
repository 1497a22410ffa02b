"""Reads the HTTP of both directions with h11, until the protocol is switched.

h11 is made for one side. Here two of it listen, one as the server does and one as the client does, and each is told
what the other heard, so that both know where a message ends.
"""

from __future__ import annotations

from typing import Any

import h11

from labkit.wire.frame import Problem, Sender
from labkit.wire.handshake import SWITCHING_PROTOCOLS, Exchange, Handshake, Headers, HttpRequest, HttpResponse

HEAD_MAX_BYTES = 64 * 1024
KEPT_BODY_BYTES = 4096
KEPT_EXCHANGES = 200
"""Of one connection: a page that asks every two seconds keeps its connection for a whole lesson."""

_OTHER: dict[Sender, Sender] = {"client": "server", "server": "client"}


class HttpReader:
    """Takes the bytes of both senders and keeps the exchanges.

    Attributes:
        exchanges: all so far; the last one is a `Handshake` if a WebSocket was asked for.
        switched: whether the server switched protocols: what follows is no HTTP.
    """

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.switched = False
        self._ears: dict[Sender, h11.Connection] = {
            "client": h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX_BYTES),
            "server": h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_MAX_BYTES),
        }
        self._unread: dict[Sender, bytes] = {"client": b"", "server": b""}
        self._head: dict[Sender, bytes] = {"client": b"", "server": b""}
        self._failed: set[Sender] = set()

    def feed(self, sender: Sender, data: bytes, at_s: float) -> None:
        """Take what one sender sent."""
        if sender in self._failed:
            self._unread[sender] += data[: KEPT_BODY_BYTES - len(self._unread[sender])]
            return
        self._head[sender] = (self._head[sender] + data)[:HEAD_MAX_BYTES]
        try:
            self._ears[sender].receive_data(data)
        except h11.RemoteProtocolError as error:
            self._fail(sender, error, data)
            return
        self._listen(sender, at_s)

    def rest(self, sender: Sender) -> bytes:
        """Return what came behind the handshake, once the protocol is switched; else what could not be read."""
        if sender in self._failed:
            return self._unread[sender]
        return bytes(self._ears[sender].trailing_data[0])

    def _listen(self, sender: Sender, at_s: float) -> None:
        ear = self._ears[sender]
        while True:
            try:
                event = ear.next_event()
            except h11.RemoteProtocolError as error:
                self._fail(sender, error, bytes(ear.trailing_data[0]))
                return
            if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                break
            self._note(event, at_s)
            self._tell(_OTHER[sender], event)
            if isinstance(event, h11.InformationalResponse) and event.status_code == SWITCHING_PROTOCOLS:
                self.switched = True
                return
        self._next_cycle(at_s)

    def _tell(self, sender: Sender, event: Any) -> None:
        """Let the other ear know what its own side has heard."""
        if sender in self._failed:
            return
        try:
            self._ears[sender].send(event)
        except h11.LocalProtocolError:
            self._failed.add(sender)

    def _next_cycle(self, at_s: float) -> None:
        if all(ear.our_state is ear.their_state is h11.DONE for ear in self._ears.values()):
            for sender, ear in self._ears.items():
                ear.start_next_cycle()
                self._head[sender] = bytes(ear.trailing_data[0])
            self._listen("client", at_s)

    # -- what is kept ------------------------------------------------------------------------------

    def _note(self, event: Any, at_s: float) -> None:
        if isinstance(event, h11.Request):
            self._note_request(event, at_s)
        elif isinstance(event, h11.Response | h11.InformationalResponse):
            self._note_response(event, at_s)
        elif isinstance(event, h11.Data) and self.exchanges and self.exchanges[-1].response is not None:
            response = self.exchanges[-1].response
            data = bytes(event.data)
            body = response.body + data[: KEPT_BODY_BYTES - len(response.body)]
            self._replace(_changed(response, body=body, body_bytes=response.body_bytes + len(data)))

    def _note_request(self, event: h11.Request, at_s: float) -> None:
        headers = _headers(event)
        request = HttpRequest(
            at_s,
            event.method.decode("latin-1"),
            event.target.decode("latin-1"),
            headers,
            event.http_version.decode(),
            self._head_size("client"),
        )
        asks = "websocket" in (request.header("Upgrade") or "").lower()
        self.exchanges.append(Handshake(request) if asks else Exchange(request))
        del self.exchanges[:-KEPT_EXCHANGES]

    def _note_response(self, event: h11.Response | h11.InformationalResponse, at_s: float) -> None:
        if not self.exchanges:
            self.exchanges.append(Exchange())
        response = HttpResponse(
            at_s,
            event.status_code,
            bytes(event.reason).decode("latin-1"),
            _headers(event),
            http_version=event.http_version.decode(),
            size_bytes=self._head_size("server"),
        )
        self._replace(response)

    def _replace(self, response: HttpResponse) -> None:
        last = self.exchanges[-1]
        self.exchanges[-1] = type(last)(last.request, response, last.problem)

    def _head_size(self, sender: Sender) -> int:
        return self._head[sender].find(b"\r\n\r\n") + 4

    def _fail(self, sender: Sender, error: Exception, data: bytes) -> None:
        self._failed.add(sender)
        self._unread[sender] = data[:KEPT_BODY_BYTES]
        problem = Problem(
            f"What the {sender} sent is no HTTP/1.1: {error}", "4.1" if sender == "client" else "4.2.2"
        )
        if sender == "client" or not self.exchanges:
            self.exchanges.append(Exchange(problem=problem))
        else:
            last = self.exchanges[-1]
            self.exchanges[-1] = type(last)(last.request, last.response, problem)


def _headers(event: Any) -> Headers:
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers.raw_items()
    )


def _changed(response: HttpResponse, **changes: Any) -> HttpResponse:
    import dataclasses

    return dataclasses.replace(response, **changes)
