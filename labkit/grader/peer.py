"""A WebSocket client for checks: every wait ends at a deadline, and it can leave rudely or stop reading."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from websockets.exceptions import InvalidState, InvalidStatus

from labkit.errors import describe_close
from labkit.grader.failures import WrongAnswer
from labkit.grader.line import BUFFER_BYTES, Line
from labkit.grader.pattern import describe, difference
from labkit.grader.wording import count, differing_parts, quote

if TYPE_CHECKING:
    from labkit.grader.server import Server

SMALL_BUFFER_BYTES = 4096
"""For a client that will stop reading: so little is taken in for it that the server feels it soon."""

_STALLED_S = 0.2
_HELD_UP_S = 3.0  # how long a busy machine may keep a server from answering a ping
_GOODBYE_S = 1.0
_SHOWN_BODY_CHARACTERS = 200
_SHOWN_PASSED_OVER = 3
_SHOWN_MISSING = 3


class Peer:
    """One WebSocket connection to the submission.

    It reads only while a method of it waits: a client that is left alone is one that has stopped reading.
    A method that does not get what it waits for ends the check, and says what was expected and observed.
    """

    def __init__(
        self, server: Server, port: int, path: str, who: str, buffer_bytes: int = BUFFER_BYTES
    ) -> None:
        self._server = server
        self._path = path
        self._who = who
        self._left_first = False
        self._sent_in_vain = False
        self._end_was_expected = False
        self._line = Line(port, path, server.step_timeout_s, buffer_bytes)
        self._note(f"connects to {self._path}")

    # What a check does

    def send(self, *texts: str) -> None:
        """Send texts, one frame each; what the server sends meanwhile is kept for later.

        If the server has let this client go, that is told by what the check waits for next, or at its end: whether
        a text was sent just before or just after is chance, and a report must not depend on it.
        """
        if len(texts) == 1:
            self._note(f"sends {quote(texts[0])}")
        else:
            self._note(f"sends {len(texts)} texts, from {quote(texts[0], 40)} to {quote(texts[-1], 40)}")
        for text in texts:
            try:
                self._line.queue_text(text)
            except InvalidState:
                self._sent_in_vain = True
                return
            if not self._pump(lambda: not self._line.has_unsent or self._line.is_over):
                self._fail_as_late("the server reads what is sent to it", "it has stopped reading")

    def send_unread(self, *texts: str) -> None:
        """Send texts without reading any reply, until the server takes no more of them.

        With replies of a megabyte or more in all, the server is then stuck in sending: the buffers between it
        and this client hold less. If it is only slow, and so goes on reading after a pause, a check that
        builds on its being stuck sees less than it could; nothing right becomes wrong.
        """
        self._note(f"sends {len(texts)} texts of {count(len(texts[0]))} characters and reads no reply")
        for text in texts:
            try:
                self._line.queue_text(text)
            except InvalidState:
                break
        deadline = self._server.deadline()
        self._line.write_only(_STALLED_S, deadline)
        # The first byte of a reply shows that the server has begun.
        self._line.wait_for_bytes(deadline)

    def send_if_taken(self, *texts: str) -> None:
        """Send texts as far as the server takes them, without reading. It may also have let this client go."""
        self._note(f"sends {len(texts)} texts, from {quote(texts[0], 40)} to {quote(texts[-1], 40)}")
        for text in texts:
            try:
                self._line.queue_text(text)
            except InvalidState:
                return
        self._line.write_only(_STALLED_S, self._server.deadline())

    def send_json(self, value: Any) -> None:
        """Send one JSON value as a text frame."""
        self.send(json.dumps(value, ensure_ascii=False))

    def ping(self, timeout_s: float | None = None) -> None:
        """Send a ping and require its pong. Only a server that keeps reading answers one."""
        self._note("sends a ping")
        payload = self._server.word().encode()
        expected = "a pong for the ping"
        try:
            self._line.queue_ping(payload)
        except InvalidState:
            self._fail_as_lost(expected)
        if not self._pump(lambda: payload in self._line.pongs or self._line.is_over, timeout_s):
            self._fail_as_late(expected, "no pong: the server has stopped reading this connection")
        if payload not in self._line.pongs:
            self._fail_as_lost(expected)

    # What a check waits for

    def receive(self, *, expected: str = "a message", timeout_s: float | None = None) -> str | bytes:
        """Return the next message.

        Args:
            expected: what it will be, for the report if nothing comes.
            timeout_s: how long to wait, instead of the usual.
        """
        return self._receive(expected, self._server.deadline(timeout_s))

    def take_in(self, messages: int) -> None:
        """Read until this many messages wait here, or nothing has come for a moment; they are kept for later.

        So a check finds a server either done with them or stuck in sending to somebody else. If it is only
        slow, the check sees less than it could; nothing right becomes wrong.
        """
        while self._line.waiting < messages and not self._line.is_over:

            def has_more(than: int = self._line.waiting) -> bool:
                return self._line.waiting > than or self._line.is_over

            if not self._pump(has_more, _STALLED_S):
                return

    def expect_text(self, expected: str) -> None:
        """Require that the next message is this text."""
        message = self.receive(expected=quote(expected))
        if message != expected:
            shown = (
                differing_parts(expected, message)
                if isinstance(message, str)
                else (quote(expected), quote(message))
            )
            raise WrongAnswer(expected=shown[0], observed=shown[1])

    def expect_json(
        self, pattern: Any, among: Callable[[Any], bool] | None = None, timeout_s: float | None = None
    ) -> Any:
        """Require that the next message is JSON which matches a pattern, and return its value.

        The language of patterns is told in `labkit.grader.pattern`.

        Args:
            pattern: what the message must match.
            among: tells which JSON values concern the check; the others are passed over.
            timeout_s: how long to wait, instead of the usual.
        """
        value = next(self._values(describe(pattern), among, timeout_s))
        found = difference(value, pattern)
        if found:
            raise WrongAnswer(expected=describe(pattern), observed=f"{quote(value)}: {found}")
        return value

    def expect_all_json(self, *patterns: Any, among: Callable[[Any], bool] | None = None) -> None:
        """Require JSON messages that match these patterns, one each, in any order.

        Args:
            patterns: what the messages must match.
            among: tells which JSON values concern the check; the others are passed over.
        """
        missing = list(patterns)
        while missing:
            expected = " and ".join(map(describe, missing[:_SHOWN_MISSING]))
            if len(missing) > _SHOWN_MISSING:
                expected += f" and {len(missing) - _SHOWN_MISSING} more"
            value = next(self._values(expected, among, None))
            differences = [difference(value, pattern) for pattern in missing]
            if "" not in differences:
                raise WrongAnswer(expected=expected, observed=f"{quote(value)}: {differences[0]}")
            del missing[differences.index("")]

    def collect_json(self, until: Any, among: Callable[[Any], bool] | None = None) -> list[Any]:
        """Return the JSON values that come before the first one which matches a pattern.

        That one is a fence: a message of which the check knows that it comes after all that it asks for.

        Args:
            until: the pattern of the fence.
            among: tells which JSON values concern the check; the others are passed over.
        """
        collected = []
        for value in self._values(describe(until), among, None):
            if not difference(value, until):
                break
            collected.append(value)
        return collected

    def hears(
        self,
        until: Any,
        heard: list[Any],
        among: Callable[[Any], bool] | None = None,
        patience_s: float = 0.0,
    ) -> bool:
        """Take in what comes, and tell whether that brought a message which matches a pattern.

        Unlike `collect_json` it ends no check, for where it is right as well that nothing comes: because the
        server is stuck with somebody else, or has sent this client away.

        Args:
            until: the pattern of the last message to take in.
            heard: gets the JSON values, that one included.
            among: tells which JSON values concern the check; the others are passed over.
            patience_s: how long in all to wait; 0 takes in only what is there already. A server that was held up,
                as on a busy machine, gets that time once more when it goes on.
        """
        if self._takes_in(until, heard, among, patience_s):
            return True
        return patience_s > 0 and self._goes_on() and self._takes_in(until, heard, among, patience_s)

    def _takes_in(
        self, until: Any, heard: list[Any], among: Callable[[Any], bool] | None, patience_s: float
    ) -> bool:
        deadline = self._server.deadline(patience_s)
        self._line.pump(lambda: self._line.waiting > 0, 0.0, at_least_once=True)
        while self._line.pump(lambda: self._line.waiting > 0 or self._line.is_over, deadline):
            if not self._line.waiting:
                return False
            value = self._parsed(self._line.take_message(), describe(until))
            if among is None or among(value):
                heard.append(value)
                if not difference(value, until):
                    return True
        return False

    def _goes_on(self) -> bool:
        """Tell whether the server answers a ping, which it does as soon as its event loop has a turn."""
        payload = secrets.token_bytes(8)  # no word: those are the same for each seed, whatever a machine does
        try:
            self._line.queue_ping(payload)
        except InvalidState:
            return False
        self._pump(lambda: payload in self._line.pongs or self._line.is_over, _HELD_UP_S)
        return payload in self._line.pongs

    def take_json(self) -> list[Any]:
        """Return the JSON values that have come by now, without waiting."""
        self._line.pump(lambda: False, 0.0, at_least_once=True)
        values = []
        while self._line.waiting:
            values.append(self._parsed(self._line.take_message(), "JSON objects"))
        return values

    def has_come(self, text: str) -> bool:
        """Tell whether a text is among what has come by now, without waiting, and without taking it."""
        self._line.pump(lambda: False, 0.0, at_least_once=True)
        return self._line.holds(text)

    def expect_silence(self, probe: str, answer: str) -> None:
        """Require that nothing waits for this client.

        Nothing can be proved by waiting. So this sends a probe: its answer must be the next message, which
        leaves no room for anything that was sent before.
        """
        self.send(probe)
        expected = f"nothing for {self._subject} but the answer to its own text, {quote(answer)}"
        message = self.receive(expected=expected)
        if message != answer:
            raise WrongAnswer(expected=expected, observed=quote(message))

    def expect_close(
        self, code: int, *, expected: str = "", but_not: str = "", timeout_s: float | None = None
    ) -> None:
        """Require that the server closes the connection with a code; what it says before is passed over.

        Args:
            code: such as 1008.
            expected: the same in words, with its reason.
            but_not: the beginning of a text that must not come before.
            timeout_s: how long to wait, instead of the usual.
        """
        expected = expected or f"the server closes with {code}"
        deadline = self._server.deadline(timeout_s)
        while True:
            if not self._line.pump(lambda: self._line.waiting > 0 or self._line.is_over, deadline):
                self._fail_as_late(expected, "the connection is still open")
            if not self._line.waiting:
                break
            message = self._line.take_message()
            if but_not and isinstance(message, str) and message.startswith(but_not):
                raise WrongAnswer(expected=expected, observed=quote(message))
        if self._line.protocol.close_rcvd is None or self._line.protocol.close_code != code:
            self._fail_as_lost(expected)
        self._end_was_expected = True
        self._sent_in_vain = False  # what was said meanwhile met the close that was to come

    @property
    def is_over(self) -> bool:
        """Tell whether the connection has ended and all that the server said before is taken."""
        return self._line.is_over and not self._line.waiting

    def require_all_sent(self) -> None:
        """End the check if the server had let this client go before it could send all."""
        if self._sent_in_vain:
            self._fail_as_lost(f"{self._subject} can go on sending")

    @property
    def loss(self) -> str:
        """Tell how the server has let this client go against what was expected; empty if it has not."""
        if not (self._left_first or self._end_was_expected or self._line.is_let_go):
            self._line.pump(lambda: False, 0.0, at_least_once=True)
            if self._line.protocol.close_rcvd is not None:
                self._pump(lambda: self._line.is_over, _GOODBYE_S)
            if self._line.is_over:
                return self._told_loss()
        return ""

    def require_open(self, expected: str) -> None:
        """End the check if the server has let this client go, and all that it said before is taken.

        Args:
            expected: what the check waits for, for the report.
        """
        if self.is_over:
            self._fail_as_lost(expected)

    # How a check leaves

    def close(self, code: int | None = 1000, reason: str = "") -> None:
        """Leave politely: send a close frame, wait for the answer. None sends a frame without a code."""
        self._note(f"closes with {code}{f' and reason {quote(reason)}' if reason else ''}")
        self._line.queue_close(code, reason)
        self._left_first = True
        if not self._pump(lambda: self._line.is_over):
            self._fail_as_late("an answer to the close frame", "no answer, so the server is stuck")
        self._line.hang_up()

    def abort(self) -> None:
        """Leave rudely: cut the TCP connection without a close frame, as a phone does that loses its network."""
        self._note("cuts the connection")
        self._line.cut()

    def abort_quietly(self) -> None:
        """Cut the connection without a word in the report."""
        self._line.cut()

    def drop(self) -> None:
        """Let go of the connection at the end of a check, without a word in the report."""
        if self._line.is_let_go:
            return
        self._line.queue_close(1000)
        self._pump(lambda: self._line.is_over, timeout_s=_GOODBYE_S)
        self._line.cut()

    # How the handshake ended

    def open(self) -> None:
        """Wait for the handshake, and require that it is accepted."""
        expected = f"the WebSocket handshake for {self._path} is accepted (HTTP 101)"
        refusal = self.refusal(expected)
        if refusal is not None:
            self._server.fail_as_answered(expected, _describe_refusal(refusal))

    def refusal(self, expected: str) -> InvalidStatus | None:
        """Wait for the handshake, and return the HTTP answer that refuses it, or None if it is accepted.

        Args:
            expected: what the check waits for, for the report if there is no answer at all.
        """
        if not self._pump(lambda: self._line.has_response or self._line.is_over):
            self._line.cut()
            self._fail_as_late(expected, "no answer to the handshake: accept() was never reached")
        refusal = self._line.protocol.handshake_exc
        if refusal is None:
            return None
        self._line.cut()
        if not isinstance(refusal, InvalidStatus):
            self._server.fail_as_lost(
                expected, "the server cut the connection before it answered the handshake"
            )
        return refusal

    def expect_refused(self, statuses: set[int], code: int, welcome: str) -> None:
        """Require that the server lets this client in at no time.

        Either it refuses the handshake, or it accepts and then closes; both are right, because a browser can
        only read the code of the second.

        Args:
            statuses: HTTP statuses that refuse the handshake.
            code: the close code after it.
            welcome: how a text begins that only one who is let in may get.
        """
        shown = "/".join(map(str, sorted(statuses)))
        expected = f"the handshake is refused (HTTP {shown}), or the connection closed with {code}"
        refusal = self.refusal(expected)
        if refusal is None:
            self.expect_close(code, expected=expected, but_not=welcome)
        elif refusal.response.status_code not in statuses:
            self._server.fail_as_answered(expected, _describe_refusal(refusal))

    # How it is done

    @property
    def _subject(self) -> str:
        return self._who or "the client"

    def _note(self, action: str) -> None:
        self._server.note(f"{self._who} {action}" if self._who else action)

    def _pump(self, until: Callable[[], bool], timeout_s: float | None = None) -> bool:
        return self._line.pump(until, self._server.deadline(timeout_s))

    def _receive(self, expected: str, deadline: float, passed_over: str = "nothing") -> str | bytes:
        if not self._line.pump(lambda: self._line.waiting > 0 or self._line.is_over, deadline):
            self._fail_as_late(
                expected, f"{self._subject} got {passed_over}, on a connection that is still open"
            )
        if not self._line.waiting:
            self._fail_as_lost(expected)
        return self._line.take_message()

    def _values(
        self, expected: str, among: Callable[[Any], bool] | None, timeout_s: float | None
    ) -> Iterator[Any]:
        """Yield the JSON values of the messages that come before one deadline, without those passed over."""
        deadline = self._server.deadline(timeout_s)
        others: list[Any] = []
        while True:
            passed_over = f"nothing but {' and '.join(map(quote, others))}" if others else "nothing"
            message = self._receive(expected, deadline, passed_over)
            value = self._parsed(message, expected)
            if among is None or among(value):
                yield value
                others.clear()
                deadline = self._server.deadline(timeout_s)
            else:
                others = [*others[1 - _SHOWN_PASSED_OVER :], value]
            if time.monotonic() > deadline:
                # A server that never stops talking does not stretch the wait.
                self._line.waited_s = 0.0
                self._fail_as_late(expected, f"{self._subject} got other messages without end")

    def _parsed(self, message: str | bytes, expected: str) -> Any:
        try:
            return json.loads(message)
        except (ValueError, RecursionError):
            raise WrongAnswer(expected=expected, observed=f"{quote(message)}, which is no JSON") from None

    def _fail_as_late(self, expected: str, observed: str) -> NoReturn:
        self._server.fail_as_late(expected, observed, self._line.waited_s)

    def _fail_as_lost(self, expected: str) -> NoReturn:
        self._server.fail_as_lost(expected, self._told_loss())

    def _told_loss(self) -> str:
        protocol = self._line.protocol
        code = protocol.close_code or 1006
        reason = protocol.close_reason or ""
        broken = protocol.parser_exc
        if self._left_first:
            return describe_close(code, reason, "client")
        if broken is not None and not isinstance(broken, EOFError):
            return f"the server sent what breaks the protocol or its limits: {broken}"
        if protocol.close_rcvd is not None:
            return f"{self._subject} was sent away: {describe_close(code, reason, 'server')}"
        whose = f"{self._who}'s" if self._who else "the"
        return f"the server cut {whose} connection without a close frame (1006), as it does when a handler returns"


def _describe_refusal(refusal: InvalidStatus) -> str:
    response = refusal.response
    said = f"HTTP {response.status_code} {response.reason_phrase}"
    body = (response.body or b"")[:_SHOWN_BODY_CHARACTERS].decode("utf-8", "replace").strip()
    if response.status_code == 403 and not body:
        return f"{said}: no WebSocket route has this path, or the handler ended before it called accept()"
    return f"{said}{f', {quote(body)}' if body else ''}"
