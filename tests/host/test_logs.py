"""A server's log: its own lines only, without secrets, and bounded."""

from __future__ import annotations

import contextvars
import io
import logging
from collections.abc import Callable

import pytest
import uvicorn.logging
from fastapi import FastAPI, WebSocket

from labkit import connect, serve
from labkit.errors import ReceiveTimeout
from labkit.host.logs import (
    CURRENT_LOGS,
    MAX_LINES,
    LogBook,
    Redaction,
    _ToTheRightLab,
    hide_secrets,
    redact,
)


@pytest.mark.parametrize(
    ("line", "kept", "hidden"),
    [
        ('"WebSocket /ws/secure?token=eyJ0.abc.def&x=1" [accepted]', "&x=1", "eyJ0"),
        ("GET /x?a=1&access_token=s3cret", "a=1", "s3cret"),
        ("Authorization: Bearer s3cret", "Authorization", "s3cret"),
        ("headers={'authorization': 'Basic s3cret'}", "authorization", "s3cret"),
        ("Cookie: session=s3cret", "Cookie", "s3cret"),
        ("[(b'cookie', b's3cret')]", "cookie", "s3cret"),
        ("Cookie: a=1; session=s3cret", "Cookie", "s3cret"),
        ("(b'cookie', b'a=\"1; 2\"; session=s3cret'), (b'x', b'y')", "(b'x', b'y')", "s3cret"),
        ("Authorization: Digest username=ada, response=s3cret", "Authorization", "s3cret"),
        ("token=s3cret at the start", "at the start", "s3cret"),
        ("GET /ws?ticket=s3cret&room=1", "room=1", "s3cret"),
        ('{"access_token": "s3cret", "token_type": "bearer"}', '"token_type": "bearer"', "s3cret"),
        ("{'password': 's3cret'}", "password", "s3cret"),
        ("subprotocols=['bearer', 'eyJhbGciOiJIUzI1NiJ9.e30.s3cret']", "bearer", "s3cret"),
    ],
)
def test_secrets_are_hidden(line, kept, hidden):
    shown = redact(line)
    assert hidden not in shown
    assert kept in shown
    assert "[hidden]" in shown


def test_ordinary_words_are_not_hidden():
    line = "the token ring, its cookie, and cookies: nothing secret, authorization is taught in lesson 5"
    assert redact(line) == line


def test_a_token_in_the_address_never_reaches_the_log(echo_app):
    lab = serve(echo_app)
    ws = connect(lab, "/ws?token=eyJhbGciOiJIUzI1NiJ9.e30.sig")
    ws.ping()
    assert "token=[hidden]" in str(lab.logs)
    assert "eyJ" not in str(lab.logs)


def emitted(logger: logging.Logger, formatter: logging.Formatter, log: Callable[[], None]) -> str:
    """Return what a handler of somebody else's writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    try:
        log()
    finally:
        logger.removeHandler(handler)
    return stream.getvalue()


def test_other_handlers_of_the_servers_loggers_get_no_secrets_either(echo_app):
    """Say, those of `logging.basicConfig()` in a notebook, or of uvicorn's own log configuration."""
    lab = serve(echo_app)

    def connect_with_a_token() -> None:
        connect(lab, "/ws?token=s3cret").ping()
        lab.logs.wait_for("accepted")

    shown = emitted(logging.getLogger(), logging.Formatter("%(message)s"), connect_with_a_token)
    assert '"WebSocket /ws?token=[hidden]" [accepted]' in shown
    assert "s3cret" not in shown


def test_uvicorns_access_lines_keep_their_form():
    """Its formatter takes the five arguments apart, so they must stay five."""
    hide_secrets()
    logger = logging.getLogger("uvicorn.access")
    formatter = uvicorn.logging.AccessFormatter(
        "%(client_addr)s %(request_line)s %(status_code)s", use_colors=False
    )
    arguments = ("127.0.0.1:5000", "GET", "/x?a=1&token=s3cret", "1.1", 200)
    shown = emitted(logger, formatter, lambda: logger.warning('%s - "%s %s HTTP/%s" %d', *arguments))
    assert shown == "127.0.0.1:5000 GET /x?a=1&token=[hidden] HTTP/1.1 200 OK\n"


@pytest.mark.parametrize(
    ("message", "argument"), [("failed %s", "?token=s3cret"), ("failed ?token=%s", "s3cret")]
)
def test_secrets_in_a_traceback_and_in_a_coloured_message_are_hidden(message, argument):
    hide_secrets()
    logger = logging.getLogger("uvicorn.error")

    def log() -> None:
        try:
            raise ValueError("cannot read ?token=s3cret")
        except ValueError:
            logger.exception(message, argument, extra={"color_message": f"\x1b[1m{message}\x1b[0m"})

    for formatter in (logging.Formatter(), uvicorn.logging.DefaultFormatter("%(message)s", use_colors=True)):
        shown = emitted(logger, formatter, log)
        assert "failed ?token=[hidden]" in shown
        assert "ValueError: cannot read ?token=[hidden]" in shown
        assert "s3cret" not in shown


def test_a_record_whose_arguments_do_not_fit_is_left_to_its_handler():
    record = logging.LogRecord("x", logging.INFO, "", 0, "%d", ("token=s3cret",), None)
    assert Redaction().filter(record)
    assert record.args == ("token=s3cret",)


def test_a_line_that_cannot_be_written_does_not_fail_whoever_logs_it(capsys):
    record = logging.LogRecord("learner", logging.WARNING, "", 0, "got %d", ("hello",), None)
    book = LogBook()

    def log() -> None:
        CURRENT_LOGS.set(book)
        _ToTheRightLab().emit(record)

    contextvars.copy_context().run(log)
    assert "Logging error" in capsys.readouterr().err
    assert not book.errors


def test_two_servers_keep_their_lines_apart():
    def app_that_logs(word: str) -> FastAPI:
        app = FastAPI()

        @app.websocket("/ws")
        async def log(ws: WebSocket):
            await ws.accept()
            logging.getLogger("learner").warning("this is %s", word)
            await ws.send_text("logged")

        return app

    one, two = serve(app_that_logs("one")), serve(app_that_logs("two"))
    connect(one).receive()
    connect(two).receive()
    assert "this is one" in str(one.logs)
    assert "this is two" not in str(one.logs)
    assert "this is two" in str(two.logs)


def test_warnings_from_elsewhere_are_still_printed(echo_app):
    """A handler on the root logger must not silence everybody else's warnings."""
    import subprocess
    import sys

    program = (
        "import logging; from labkit import serve; lab = serve('echo');"
        "logging.getLogger('elsewhere').warning('look here'); lab.stop()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stderr == "look here\n"


def test_a_uvicorn_configured_in_a_cell_takes_no_log_away():
    """uvicorn.Config() takes uvicorn's loggers off the root, and prints what they say."""
    import subprocess
    import sys

    program = (
        "import uvicorn; from labkit import serve; uvicorn.Config(None)\n"
        "lab = serve('echo'); lab.stop(); print(len([l for l in lab.logs if 'startup complete' in l.text]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout == "1\n"


def test_the_log_is_bounded():
    book = LogBook()
    for number in range(MAX_LINES + 10):
        book.add(logging.LogRecord("x", logging.INFO, "", 0, f"line {number}", None, None))
    assert len(book) == MAX_LINES
    assert next(iter(book)).text == "line 10"


def test_waiting_for_a_line_has_an_end():
    with pytest.raises(ReceiveTimeout, match=r"No log line contained 'never' within 0\.01 s"):
        LogBook().wait_for("never", timeout_s=0.01)


def test_the_cell_shows_the_log_escaped():
    book = LogBook()
    assert repr(book) == "(no log lines yet)"
    book.add(logging.LogRecord("x", logging.ERROR, "", 0, "<script>", None, None))
    assert "&lt;script&gt;" in book._repr_html_()
    assert [line.text for line in book.errors] == ["<script>"]
