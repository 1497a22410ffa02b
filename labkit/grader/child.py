"""The program of the child: imports one submission and serves its `app` on the socket that it was given.

Nothing that it says counts as a verdict. What goes wrong before it serves, it tells on stderr in one line
that starts with `REFUSAL`; that line becomes the words of a report whose score is 0 either way.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

from labkit.grader.confinement import confine

WHOAMI_PATH = "/_lab/whoami"
"""Answered by the child itself: who gets an answer here knows that the submission is being served."""

PREFIX = "/_lab/prefix"
"""Whatever is asked below this path, the submission sees as behind a proxy with such a prefix."""

REFUSAL = "labkit: cannot serve: "
REFUSED_EXIT_CODE = 86
IMPORT_FAILED_EXIT_CODE = 87

MAX_MESSAGE_BYTES = 64 * 1024

_MODULE_NAME = "solution"
_FEW_PROCESSES = 10


class ServingAtImport(BaseException):
    """The submission started a server of its own. No `except Exception` of it may swallow this."""


def main() -> None:
    """Serve until the parent kills this process, or is gone itself."""
    assignment, lifeline_fd = _take_assignment()
    threading.Thread(
        target=_end_with_parent, args=(lifeline_fd,), name="labkit-lifeline", daemon=True
    ).start()
    listener = _take_socket(assignment)
    confine(assignment["confinement"])
    if "trial" in assignment:
        os.write(1, json.dumps(_try_out(**assignment["trial"])).encode())
        return
    if not assignment["trusted"]:
        _put_labkit_out_of_reach()
    app = find_app(_import_submission(os.path.join(assignment["place"], assignment["solution"])))
    _serve(app, listener)


def _take_assignment() -> tuple[dict[str, Any], int]:
    """Read one line of JSON from stdin; then put the null device there, and keep the pipe as a lifeline."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            sys.exit("labkit: no assignment on stdin")
        line += byte
    lifeline_fd = os.dup(0)
    null_fd = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null_fd, 0)
    os.close(null_fd)
    return json.loads(line), lifeline_fd


def _end_with_parent(lifeline_fd: int) -> None:
    with contextlib.suppress(OSError):
        os.read(lifeline_fd, 1)
        if sys.platform != "win32":
            os.killpg(os.getpgrp(), signal.SIGKILL)
        os._exit(1)


def _take_socket(assignment: dict[str, Any]) -> socket.socket:
    if sys.platform == "win32":
        import base64

        return socket.fromshare(base64.b64decode(assignment["socket_share"]))
    return socket.socket(fileno=assignment["socket_fd"])


def _try_out(others: str, elsewhere: str, port: int) -> dict[str, Any]:
    """Do what a submission must not be able to do, and tell what came of it."""

    def works(attempt: Callable[[], Any]) -> bool:
        try:
            attempt()
        except (OSError, ImportError, LookupError):  # an encoding that cannot be loaded is a LookupError
            return False
        return True

    def write(path: str) -> None:
        with open(path, "w", encoding="utf-8") as file:
            file.write("x")

    def read(path: str) -> None:
        with open(path, "rb") as file:
            file.read(1)

    def find_packages() -> None:
        for name in ("asyncio", "uvicorn", "fastapi", "websockets"):
            spec = importlib.util.find_spec(name)
            if spec is None or spec.origin is None:
                raise ImportError(name)
            read(spec.origin)

    facts: dict[str, Any] = {
        "finds_packages": works(find_packages),
        "writes_own_folder": works(lambda: write("trial")),
        "reads_others": works(lambda: read(others)),
        "writes_elsewhere": works(lambda: write(elsewhere)),
        "connects": works(lambda: socket.create_connection(("127.0.0.1", port), timeout=2).close()),
        "is_alone": os.getpid() < _FEW_PROCESSES,
    }
    if sys.platform != "win32":
        import resource

        facts["limits_files"] = resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY
        facts["is_root"] = os.geteuid() == 0
    return facts


class _OutOfReach:
    """A finder that finds labkit nowhere, and says why."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] == "labkit":
            raise ModuleNotFoundError(
                f"{name} is out of reach: a solution is judged by itself, without labkit", name=name
            )
        return None


def _put_labkit_out_of_reach() -> None:
    """Make importing labkit an error that a learner understands. Keeping its files away is the sandbox's part."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "labkit"]:
        del sys.modules[name]
    sys.meta_path.insert(0, _OutOfReach())


def _import_submission(path: str) -> ModuleType:
    """Import the file by its path. Its folder is not on `sys.path`: a submission is one file."""
    spec = importlib.util.spec_from_file_location(_MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no loader for {path}")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pydantic look annotations up in the module of that name.
    sys.modules[_MODULE_NAME] = module
    sys.argv = [path]
    try:
        with _serving_forbidden():
            spec.loader.exec_module(module)
    except ServingAtImport as attempt:
        _refuse(
            f"The file calls {attempt} while it is imported.",
            expected="a file that only defines `app`; labkit serves it.",
            hint='put that call below `if __name__ == "__main__":`',
        )
    except SystemExit as request:
        _refuse(
            f"The file ends the program while it is imported: sys.exit({request.code!r}).",
            expected="a file that can be imported and then has an `app`.",
            hint="remove the call of sys.exit(), exit() or quit().",
        )
    except BaseException:  # noqa: BLE001 - whatever it raises, the process ends here and says so
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(IMPORT_FAILED_EXIT_CODE)
    return module


@contextlib.contextmanager
def _serving_forbidden() -> Iterator[None]:
    """Make `uvicorn.run(app)` and its kin an error instead of a server that nobody asked for."""
    import uvicorn

    def forbid(name: str) -> Any:
        def attempt(*args: Any, **kwargs: Any) -> NoReturn:
            raise ServingAtImport(name)

        return attempt

    forbidden: dict[tuple[Any, str], str] = {(uvicorn, "run"): "uvicorn.run()"}
    forbidden |= {(uvicorn.Server, name): f"uvicorn.Server.{name}()" for name in ("run", "serve")}
    originals = {(owner, name): getattr(owner, name) for owner, name in forbidden}
    for (owner, name), shown in forbidden.items():
        setattr(owner, name, forbid(shown))
    try:
        yield
    finally:
        for (owner, name), original in originals.items():
            setattr(owner, name, original)


def find_app(module: ModuleType) -> Any:
    """Return the ASGI application called `app`, or end the process with one line that says what it is instead."""
    values = vars(module)
    if "app" not in values:
        others = [name for name, value in values.items() if type(value).__name__ in ("FastAPI", "Starlette")]
        _refuse(
            "The file has no `app`.",
            expected="an ASGI application in a variable called `app`, such as `app = FastAPI()`.",
            hint=f"rename `{others[0]}` to `app`." if others else "the starter shows where it goes.",
        )
    app = values["app"]
    complaint, hint = _complaint(app)
    if complaint:
        _refuse(
            f"`app` is {complaint}.", expected="an ASGI application, such as `app = FastAPI()`.", hint=hint
        )
    return app


def _complaint(app: Any) -> tuple[str, str]:
    """Say what an object is that is no ASGI application, and what to do; two empty texts if it is one."""
    kind = type(app).__name__
    if inspect.isclass(app):
        # A class whose instances can be awaited is one, such as a Starlette endpoint.
        is_application = hasattr(app, "__await__")
        return (
            ("", "")
            if is_application
            else (f"the class {app.__name__} itself", f"call it: `{app.__name__}()`.")
        )
    if not callable(app):
        article = "an" if kind[0] in "aeiouAEIOU" else "a"
        return f"{article} {kind}, which cannot be called", "look at the line that sets `app`."
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return "", ""
    if _accepts(signature, 3):
        return "", ""
    name = getattr(app, "__name__", kind)
    if _accepts(signature, 0) and not inspect.iscoroutinefunction(app):
        return f"the function {name}() that makes one", f"call it: `app = {name}()`."
    return f"a callable {name}{signature}", "an ASGI application takes (scope, receive, send)."


def _accepts(signature: inspect.Signature, arguments: int) -> bool:
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        return False
    return True


def _refuse(happened: str, *, expected: str, hint: str) -> NoReturn:
    """Say why this file cannot be served, and end."""
    told = json.dumps({"happened": happened, "expected": expected, "hint": hint})
    os.write(2, f"\n{REFUSAL}{told}\n".encode())
    os._exit(REFUSED_EXIT_CODE)


class Reception:
    """Stands before a submission, so that readiness can be asked without troubling it."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve one connection, or the lifespan."""
        path = scope.get("path", "")
        if path == WHOAMI_PATH and scope["type"] == "http":
            headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"ok"})
            return
        if path.startswith(PREFIX + "/"):
            scope = {**scope, "root_path": PREFIX}
        await self._app(scope, receive, send)


def _serve(app: Any, listener: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(
        Reception(app),
        interface="asgi3",
        loop="asyncio",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=MAX_MESSAGE_BYTES,
        lifespan="auto",
        log_level="warning",
        access_log=False,
        use_colors=False,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
