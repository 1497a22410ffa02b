"""What a check sees: the running submission, spoken to from outside."""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from labkit.grader.child import WHOAMI_PATH
from labkit.grader.failures import Crash, LostConnection, NoAnswer, WrongAnswer
from labkit.grader.fetch import BadResponse, Response, fetch
from labkit.grader.limits import Limits
from labkit.grader.line import BUFFER_BYTES
from labkit.grader.page import Page, read_page
from labkit.grader.pattern import describe, difference
from labkit.grader.peer import SMALL_BUFFER_BYTES, Peer
from labkit.grader.sandbox import Child
from labkit.grader.traceback_tail import has_traceback, own_traceback
from labkit.grader.wording import printable, quote, quote_items, shorten

MAX_SHOWN_ACTIONS = 6

_POLL_S = 0.02
_CRASH_GRACE_S = 0.5
_SHOWN_LOG_CHARACTERS = 600
_SYLLABLES = ("ba", "do", "fi", "ga", "ko", "lu", "me", "na", "po", "ri", "su", "ta", "vo", "wi", "ze")
_FLOURISHES = ("🦊", "Grüße", "naïve café", "日本語", "👩‍🚀", "Ελλάδα", "🎈", "שלום")


class Server:
    """The submission while one check runs.

    Attributes:
        random: random choices of this check, the same in every run with the same seed.
        settings: environment variables that the submission got, by name.
    """

    def __init__(
        self,
        child: Child,
        limits: Limits,
        seed: str,
        settings: Mapping[str, str] | None = None,
        restart: Callable[[], Child] | None = None,
    ) -> None:
        self.settings = dict(settings or {})
        self._restart = restart
        self._child = child
        self._limits = limits
        self._check_deadline = time.monotonic() + limits.check_s
        self._log_mark = child.log.mark
        self._actions: list[str] = []
        self._peers: list[Peer] = []
        self.random = random.Random(seed)

    # What a check does

    def connect(self, path: str, who: str = "", *, will_stall: bool = False) -> Peer:
        """Open a WebSocket.

        Args:
            path: such as `/ws`.
            who: a name for this client in the report, where a check has several.
            will_stall: this client will stop reading; what is sent to it then gets stuck after kilobytes.
        """
        peer = self._peer(path, who, SMALL_BUFFER_BYTES if will_stall else BUFFER_BYTES)
        peer.open()
        return peer

    def expect_refused(self, path: str, statuses: set[int], code: int, welcome: str, who: str = "") -> None:
        """Require that nobody is let in at a path, see `Peer.expect_refused`."""
        self._peer(path, who, BUFFER_BYTES).expect_refused(statuses, code, welcome)

    def get(self, path: str) -> Response:
        """Return the response to GET."""
        self.note(f"GET {path}")
        expected = f"an answer to GET {path}"
        started = time.monotonic()
        try:
            return fetch(self._child.port, path, self.deadline(), lambda: self._child.is_alive)
        except TimeoutError:
            waited_s = time.monotonic() - started
            self.fail_as_late(expected, "the request is still without an answer", waited_s)
        except OSError:
            self.fail_as_lost(expected, "the connection was cut before there was an answer")
        except BadResponse as error:
            self.fail_as_answered(expected, f"no HTTP response: {printable(str(error))}")

    def get_text(self, path: str) -> str:
        """Return what GET answers with status 200, as text."""
        response = self.get(path)
        if response.status != 200:
            self.fail_as_answered(
                f"GET {path} answers with HTTP 200",
                f"HTTP {response.status} {printable(response.phrase)}, {quote(response.text[:200])}",
            )
        return response.text

    def get_json(self, path: str, like: Any = object) -> Any:
        """Return the JSON value that GET answers with status 200.

        Args:
            like: the pattern that it must match, see `labkit.grader.pattern`.
        """
        text = self.get_text(path)
        expected = f"GET {path} answers with JSON{'' if like is object else f': {describe(like)}'}"
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise WrongAnswer(expected=expected, observed=f"{quote(text)}, which is no JSON") from None
        self.expect(value, like, expected=expected)
        return value

    def expect(self, seen: Any, like: Any, *, expected: str = "") -> None:
        """Require that something seen matches a pattern.

        Args:
            seen: a JSON value.
            like: the pattern, see `labkit.grader.pattern`.
            expected: the pattern in words, where it does not speak for itself.
        """
        found = difference(seen, like)
        if found:
            raise WrongAnswer(expected=expected or describe(like), observed=f"{quote_items(seen)}\n{found}")

    def get_page(self, path: str = "/") -> Page:
        """Return an HTML page with the scripts that it loads from this server."""
        return read_page(self, path)

    def expect_websocket_at_own_address(self, page: Page, path: str) -> None:
        """Require that nothing ties a page's WebSocket at `path` to one host, port, scheme or path prefix."""
        page.expect_websocket_at_own_address(path, self.port)

    def wait_until(self, look: Callable[[], Any], like: Any, *, expected: str = "") -> Any:
        """Look again and again until what is seen matches a pattern, and return it.

        For what a server may do a moment later, such as writing down that somebody has left.

        Args:
            look: returns what is to be seen.
            like: the pattern, see `labkit.grader.pattern`.
            expected: the pattern in words, where it does not speak for itself.
        """
        settle_s = self._limits.settle_s
        deadline = self.deadline(settle_s)
        while True:
            actions = len(self._actions)
            seen = look()
            found = difference(seen, like)
            if not found:
                return seen
            if time.monotonic() > deadline:
                observed = f"{quote_items(seen)}\nstill after {settle_s:g} s: {found}"
                self.fail_as_answered(expected or describe(like), observed)
            del self._actions[actions:]
            time.sleep(_POLL_S)

    def restart(self) -> None:
        """Stop the submission and start it again, with what it has left in `DATA_DIR`. All connections are cut.

        Raises:
            CheckFailure: it does not start again.
        """
        if self._restart is None:
            raise RuntimeError("this server cannot be started again")
        self.note("the server is stopped and started again")
        for peer in self._peers:
            peer.abort_quietly()
        self._child = self._restart()
        self._log_mark = 0

    def files_outside_data(self, word: str) -> list[str]:
        """Return files outside of `DATA_DIR` whose names hold a word, near it and in the folder for temporary files."""
        data = self._child.data_folder
        near = [path for path in data.parent.rglob(f"*{word}*") if not path.is_relative_to(data)]
        return sorted(map(str, [*near, *Path(tempfile.gettempdir()).glob(f"*{word}*")]))

    def word(self) -> str:
        """Return a random word of ASCII letters and digits, new to this server."""
        syllables = "".join(self.random.choices(_SYLLABLES, k=3))
        return f"{syllables}-{self.random.randrange(1000, 10000)}"

    def phrase(self) -> str:
        """Return random words in several alphabets with an emoji."""
        return f"{' '.join(self.random.sample(_FLOURISHES, k=4))} {self.word()}"

    @property
    def log(self) -> str:
        """Return what the submission has printed since this check began."""
        return self._child.log.text_since(self._log_mark)

    def expect_no_traceback(self, after: str) -> None:
        """Require that nothing was raised and not caught since the check began.

        Args:
            after: what happened, for the report.
        """
        log = self.log
        if has_traceback(log):
            raise WrongAnswer(
                expected=f"no traceback in the server's log {after}",
                observed=f"its log says:\n{self._tail(log)}",
            )

    def expect_not_printed(self, secret: str, what: str, after: str) -> None:
        """Require that a secret is nowhere in what the submission has printed since the check began.

        Args:
            secret: what must not be there.
            what: the same in words.
            after: what happened, for the report.
        """
        line = next((line for line in self.log.splitlines() if secret in line), None)
        if line is not None:
            shown = shorten(printable(line.strip().replace(secret, "…")), _SHOWN_LOG_CHARACTERS)
            raise WrongAnswer(
                expected=f"{what} is nowhere in what the server logs or prints, {after}",
                observed=f"one line of it, with {what} in place of …:\n{shown}",
            )

    # What the grader does around a check

    @property
    def port(self) -> int:
        """Return the port of 127.0.0.1 on which the submission is served."""
        return self._child.port

    @property
    def step_timeout_s(self) -> float:
        """Return how long one step may take from now on."""
        return max(0.01, self.deadline() - time.monotonic())

    def deadline(self, timeout_s: float | None = None) -> float:
        """Return when a step that begins now has to end, by `time.monotonic()`."""
        allowed_s = self._limits.step_s if timeout_s is None else timeout_s
        return min(time.monotonic() + allowed_s, self._check_deadline)

    def note(self, action: str) -> None:
        """Write down what the check does, for the report."""
        self._actions.append(action)

    @property
    def actions(self) -> str:
        """Return what the check did last, one action a line."""
        earlier = len(self._actions) - MAX_SHOWN_ACTIONS
        shown = self._actions[-MAX_SHOWN_ACTIONS:]
        return "\n".join([f"… ({earlier} earlier)", *shown] if earlier > 0 else shown)

    def require_all_sent(self) -> None:
        """End the check if a client could not send all, because the server had let it go."""
        for peer in self._peers:
            peer.require_all_sent()

    def close(self, *, settle: bool) -> None:
        """Let go of all connections.

        Args:
            settle: wait until the server has dealt with that, so that the next check finds a quiet one.
        """
        for peer in self._peers:
            peer.drop()
        if settle:
            try:
                fetch(self._child.port, WHOAMI_PATH, time.monotonic() + self._limits.step_s)
            except (OSError, BadResponse):
                return

    def fail_as_late(self, expected: str, observed: str, waited_s: float) -> NoReturn:
        """End the check because nothing came in time; a crash is named as the reason if there was one."""
        self._fail_as_crashed(expected, grace_s=0)
        observed = f"{observed}, after {waited_s:.1f} s of waiting"
        raise NoAnswer(expected=expected, observed="; ".join([observed, *self._losses()]))

    def fail_as_lost(self, expected: str, observed: str) -> NoReturn:
        """End the check because a connection is gone; a crash is named as the reason if there was one."""
        self._fail_as_crashed(expected, grace_s=_CRASH_GRACE_S)
        raise LostConnection(expected=expected, observed=observed)

    def fail_as_answered(self, expected: str, observed: str) -> NoReturn:
        """End the check because the answer is wrong; a crash is named as the reason if there was one."""
        self._fail_as_crashed(expected, grace_s=0)
        raise WrongAnswer(expected=expected, observed=observed)

    def _losses(self) -> list[str]:
        return [loss for peer in self._peers if (loss := peer.loss)]

    def _peer(self, path: str, who: str, buffer_bytes: int) -> Peer:
        try:
            peer = Peer(self, self._child.port, path, who, buffer_bytes)
        except OSError as error:
            self.fail_as_lost(
                f"a TCP connection for {path}", f"{type(error).__name__}: nobody listens any more"
            )
        self._peers.append(peer)
        return peer

    def _fail_as_crashed(self, expected: str, grace_s: float) -> None:
        log = self.log
        if has_traceback(log):
            raise Crash(expected=expected, observed=f"the server's code raised:\n{self._tail(log)}")
        if self._child.wait_for_end(grace_s):
            tail = shorten(printable(self.log.strip()[-_SHOWN_LOG_CHARACTERS:]), _SHOWN_LOG_CHARACTERS)
            said = f"; it printed last:\n{tail}" if tail else ""
            raise Crash(
                expected=expected, observed=f"the server's process ended ({self._child.describe_end()}){said}"
            )

    def _tail(self, log: str) -> str:
        return own_traceback(log, self._child.solution_path)
