"""Assertions on a trace, for lessons and checks, in words that a learner can act on.

    lab.wire.expect().handshake(101).count("text", 3, sender="client").closed_by("server").close_code(4001)
    expect(trace[2]).pings_answered().nobody_sent_after_close()

On a wire each assertion waits for its turn: it passes as soon as it is true, and fails at the end of its time. On a
trace, which does not change, it decides at once. The negative ones (`nobody_sent_after_close`, `no_secrets`,
`no_problems`, `count`) decide at once too, on what there is: let them follow one that waits, `closed_by` for example.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

from labkit.errors import LabError, UnknownName, describe_close
from labkit.wire.conversation import Conversation
from labkit.wire.frame import CLOSE, OPCODE_NAMES, Frame, Sender
from labkit.wire.log_text import happenings
from labkit.wire.trace import Trace

EXPECT_TIMEOUT_S = 5.0
SHOWN_LINES = 12

Step = tuple[Sender, str] | tuple[Sender, str, str | bytes]
Wait = Callable[[Callable[[Trace], Any], float], Any]


class WireMismatch(LabError, AssertionError):
    """The wire was not as expected; the message shows the end of what was on it."""


def expect(traced: Trace | Conversation, conversation: int | None = None) -> Expectation:
    """Return what assertions on a trace, or on one conversation of it, begin with."""
    trace = traced if isinstance(traced, Trace) else Trace(0.0, (traced,))
    return Expectation(lambda look, timeout_s: look(trace), conversation, 0.0)


class Expectation:
    """Assertions on one conversation. Each returns the expectation, so that they can be chained.

    Args:
        wait: calls a function with the trace until it returns something true, or for so many seconds.
        conversation: the conversation's id, or None for the newest WebSocket.
        timeout_s: how long each assertion may take to come true.
    """

    def __init__(self, wait: Wait, conversation: int | None, timeout_s: float) -> None:
        self._wait = wait
        self._id = conversation
        self._timeout_s = timeout_s

    # -- the handshake ---------------------------------------------------------------------------

    def handshake(self, status: int = 101) -> Self:
        """The server answered the handshake with this HTTP status."""

        def found(talk: Conversation) -> int | None:
            return talk.handshake.response.status if talk.handshake and talk.handshake.response else None

        return self._that(
            lambda talk: found(talk) == status,
            lambda talk: f"The handshake was answered with {found(talk) or 'nothing'}.",
            f"HTTP {status}.",
            "a wrong path, a refused Origin and a close() before accept() all give 403."
            if status == 101
            else "what does the handler do before accept()?",
        )

    # -- frames ------------------------------------------------------------------------------------

    def sent(self, sender: Sender, opcode: str, payload: str | bytes | None = None) -> Self:
        """That side sent a frame of that kind, with that payload if one is given."""
        _require_opcode(opcode)
        wanted = None if payload is None else _payload(payload)
        shown = "" if payload is None else f" with {payload!r}"

        def there(talk: Conversation) -> bool:
            return any(
                frame.sender == sender and frame.opcode_name == opcode and wanted in (None, frame.payload)
                for frame in talk.frames
            )

        return self._that(
            there,
            lambda talk: f"The {sender} sent no {opcode} frame{shown}.",
            "one.",
            "compare the payloads letter by letter." if payload is not None else "",
        )

    def received(self, message: str | bytes, *, sender: Sender = "server") -> Self:
        """That side sent this whole message, in however many frames."""
        return self._that(
            lambda talk: any(each.sender == sender and each.data == message for each in talk.messages),
            lambda talk: (
                f"The {sender} never sent the message {message!r:.200}; its last one was {_last(talk, sender)}."
            ),
            "that message.",
            "compare it letter by letter.",
        )

    def count(self, opcode: str, count: int, *, sender: Sender | None = None) -> Self:
        """There are exactly so many frames of that kind, of one side or of both."""
        _require_opcode(opcode)

        def number(talk: Conversation) -> int:
            return sum(
                frame.opcode_name == opcode and sender in (None, frame.sender) for frame in talk.frames
            )

        return self._that(
            lambda talk: number(talk) == count,
            lambda talk: f"{_whose(sender)}{number(talk)} {opcode} frames were sent.",
            f"{count}.",
            "is something sent twice, or to somebody who should not get it?",
        )

    def order(self, *steps: Step) -> Self:
        """These frames came in this order, maybe with others between: `("client", "text", "hi"), ("server", "text")`.

        The order is that in which the proxy saw them: of two that crossed each other it may be either.
        """
        for step in steps:
            _require_opcode(step[1])

        def missing(talk: Conversation) -> int:
            """Return the place of the first step that was not found after those before it."""
            done = 0
            for frame in talk.frames:
                if done < len(steps) and _is_step(frame, steps[done]):
                    done += 1
            return done

        return self._that(
            lambda talk: missing(talk) == len(steps),
            lambda talk: (
                f"Step {missing(talk) + 1}, {_told(steps[missing(talk)])}, did not come in its turn."
            ),
            f"in this order: {'; '.join(map(_told, steps))}.",
            "who has to wait for whom?",
        )

    def problem(self, sender: Sender, section: str) -> Self:
        """That side sent a frame that breaks a rule of this section, such as `5.1`."""
        return self._that(
            lambda talk: any(
                frame.sender == sender and frame.problem is not None and frame.problem.section == section
                for frame in talk.frames
            ),
            lambda talk: f"The {sender} broke no rule of section {section}.",
            "a frame that does.",
        )

    def no_problems(self, *, sender: Sender | None = None) -> Self:
        """No frame breaks a rule of RFC 6455."""

        def wrong(talk: Conversation) -> list[str]:
            return [
                f"{frame.sender}'s frame {frame.number}: {frame.problem}"
                for frame in talk.problems
                if sender in (None, frame.sender)
            ]

        return self._at_once(
            lambda talk: not wrong(talk),
            lambda talk: f"A frame breaks a rule: {wrong(talk)[0]}.",
            "frames as RFC 6455 has them.",
        )

    # -- pings -------------------------------------------------------------------------------------

    def pings_answered(self, *, sender: Sender | None = None) -> Self:
        """Every ping got its pong."""

        def silent(talk: Conversation) -> list[int]:
            return [
                ping.frame.number for ping in talk.unanswered_pings if sender in (None, ping.frame.sender)
            ]

        return self._that(
            lambda talk: not silent(talk),
            lambda talk: f"No pong came to the ping in frame {silent(talk)[0]}.",
            "a pong with the same payload to every ping (RFC 6455 section 5.5.2).",
            "does the other side still read? Who does not read sees no ping.",
        )

    def unanswered_ping(self, *, sender: Sender | None = None) -> Self:
        """A ping, of one side or of either, was never answered."""
        return self._that(
            lambda talk: any(sender in (None, ping.frame.sender) for ping in talk.unanswered_pings),
            lambda talk: f"Each of the {len(talk.pings)} pings was answered.",
            "a ping without a pong.",
        )

    # -- the end -----------------------------------------------------------------------------------

    def closed_by(self, who: Literal["client", "server", "nobody"]) -> Self:
        """The connection is closed, and this side sent the first close frame; `nobody`: it was lost."""
        return self._that(
            lambda talk: talk.closed_by == who,
            lambda talk: f"The connection is {_close_text(talk)}.",
            "a loss without a close frame." if who == "nobody" else f"a close frame from the {who} first.",
            "a handler that returns or raises sends no close frame: call close(code, reason)."
            if who == "server"
            else "",
        )

    def close_code(self, code: int) -> Self:
        """The first close frame has this code; 1005: it has none; 1006: there was no close frame."""
        return self._that(
            lambda talk: talk.close_code == code,
            lambda talk: f"The connection is {_close_text(talk)}.",
            f"{code}.",
            "a handler that returns or raises sends no close frame, and that is 1006."
            if code not in (1005, 1006)
            else "",
        )

    def close_reason(self, reason: str) -> Self:
        """The first close frame has this reason."""
        return self._that(
            lambda talk: talk.closed_by is not None and talk.close_reason == reason,
            lambda talk: f"The reason is {talk.close_reason!r}; the connection is {_close_text(talk)}.",
            f"{reason!r}.",
        )

    def closed_cleanly(self) -> Self:
        """Both sides sent a close frame (RFC 6455 section 7.1.4)."""
        return self._that(
            lambda talk: talk.closed_cleanly,
            lambda talk: f"The close frames are from: {_senders(talk) or 'nobody'}.",
            "one from each side.",
            "keep reading until the other side has answered your close frame.",
        )

    def nobody_sent_after_close(self) -> Self:
        """Nobody sent a frame after its own close frame (RFC 6455 section 5.5.1)."""

        def late(talk: Conversation) -> list[str]:
            closed, found = set[Sender](), []
            for frame in talk.frames:
                if frame.sender in closed:
                    found.append(f"the {frame.sender} sent {frame.opcode_name} in frame {frame.number}")
                if frame.opcode == CLOSE:
                    closed.add(frame.sender)
            return found

        return self._at_once(
            lambda talk: not late(talk),
            lambda talk: f"After its close frame {late(talk)[0]}.",
            "nothing after a close frame.",
            "does another task still hold this socket? Take it from the registry before you close it.",
        )

    # -- secrets -----------------------------------------------------------------------------------

    def no_secrets(self) -> Self:
        """No token, cookie or Authorization header went over the wire."""

        def look(trace: Trace) -> list[str]:
            talk = self._pick(trace)
            return [
                secret.where for secret in trace.secrets if talk is None or secret.conversation == talk.id
            ]

        found = self._wait(lambda trace: (look(trace),), 0.0)[0]
        if found:
            raise WireMismatch(
                f"A secret went over the wire, in {found[0]}.",
                expected="none.",
                hint="send it in the first message, or use a ticket that is good for one connection.",
            )
        return self

    # -- inside ------------------------------------------------------------------------------------

    def _pick(self, trace: Trace) -> Conversation | None:
        if self._id is None:
            return trace.websockets[-1] if trace.websockets else None
        return next((talk for talk in trace.conversations if talk.id == self._id), None)

    def _that(
        self,
        is_so: Callable[[Conversation], bool],
        found: Callable[[Conversation], str],
        expected: str,
        hint: str = "",
        *,
        timeout_s: float | None = None,
    ) -> Self:
        def look(trace: Trace) -> bool:
            talk = self._pick(trace)
            return talk is not None and is_so(talk)

        if not self._wait(look, self._timeout_s if timeout_s is None else timeout_s):
            talk = self._wait(lambda trace: (self._pick(trace),), 0.0)[0]
            raise _mismatch(talk, found, expected, hint)
        return self

    def _at_once(
        self,
        is_so: Callable[[Conversation], bool],
        found: Callable[[Conversation], str],
        expected: str,
        hint: str = "",
    ) -> Self:
        return self._that(is_so, found, expected, hint, timeout_s=0.0)


def _mismatch(
    talk: Conversation | None, found: Callable[[Conversation], str], expected: str, hint: str
) -> WireMismatch:
    if talk is None:
        return WireMismatch(
            "No WebSocket went over this wire.",
            expected=expected,
            hint="connect to lab.wire, not to lab: connect(lab.wire), lab.wire.show().",
        )
    lines = [text for _, _, text in sorted(happenings(talk), key=lambda each: each[0])]
    shown = "\n".join(f"    {line}" for line in lines[-SHOWN_LINES:])
    before = f"    … {len(lines) - SHOWN_LINES} before\n" if len(lines) > SHOWN_LINES else ""
    return WireMismatch(f"{found(talk)}\nOn the wire:\n{before}{shown}", expected=expected, hint=hint)


def _require_opcode(name: str) -> None:
    if name not in OPCODE_NAMES.values():
        raise UnknownName("kind of frame", name, OPCODE_NAMES.values())


def _payload(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _is_step(frame: Frame, step: Step) -> bool:
    sender, opcode, *payload = step
    return (
        frame.sender == sender
        and frame.opcode_name == opcode
        and (not payload or frame.payload == _payload(payload[0]))
    )


def _told(step: Step) -> str:
    sender, opcode, *payload = step
    return f"{opcode} from the {sender}" + (f" with {payload[0]!r:.80}" if payload else "")


def _whose(sender: Sender | None) -> str:
    return f"By the {sender} " if sender else ""


def _last(talk: Conversation, sender: Sender) -> str:
    sent = [message for message in talk.messages if message.sender == sender]
    return f"{sent[-1].data!r:.200}" if sent else "none at all"


def _senders(talk: Conversation) -> str:
    return ", ".join(f"the {frame.sender}" for frame in talk.close_frames)


def _close_text(talk: Conversation) -> str:
    if talk.closed_by is None:
        return "still open" if talk.is_open else "over, and never was a WebSocket"
    return describe_close(talk.close_code or 0, talk.close_reason, talk.closed_by).replace(" (you)", "")
