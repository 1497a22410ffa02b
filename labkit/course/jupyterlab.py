"""JupyterLab on the course, in this process: the same on every machine, whatever its Jupyter is used for.

- Configuration, settings and the window layout are the course's own (`.labkit/jupyterlab`); the user's are
  neither read nor written.
- The kernel is this Python; see `labkit.course.kernels`.
- Nothing is fetched from outside: no news, no check for updates, no catalogue of extensions.
- It listens on 127.0.0.1 alone and wants a token, which is never on a command line.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.course.locate import PACKAGE, course_root, is_course, workspace_root
from labkit.course.transport import kernel_options
from labkit.course.workspace import STATE_FOLDER, Report, init
from labkit.errors import LabError

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

LOOPBACK = "127.0.0.1"
FIRST_NOTEBOOK = "notebooks/00_start_here.ipynb"
DEFAULT_WORKSPACE = "labkit-course"

SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}
"""Defaults that differ from JupyterLab's: it neither asks about news nor fetches any."""

PAGE_CONFIG = {"disabledExtensions": {"@jupyterlab/extensionmanager-extension": True}}
"""Parts of JupyterLab that the course leaves out: extensions come from the environment."""


def choose_workspace(folder: Path | None) -> tuple[Path, Report | None]:
    """Return the course that JupyterLab shall open, and what `init` did if it had to be made first.

    It is the folder given; else the course around the current folder; else the checkout that labkit is
    installed from; else `./labkit-course`.

    Raises:
        LabError: the folder cannot be made a workspace.
    """
    if folder is None:
        around = workspace_root()
        if around is not None:
            return around, None
        source = course_root()
        if not source.is_relative_to(PACKAGE):
            return source, None
        folder = Path(DEFAULT_WORKSPACE)
    folder = folder.expanduser().absolute()
    if is_course(folder):
        return folder, None
    return folder, init(folder)


class CourseLab:
    """A JupyterLab server for one course, made ready but not yet started; at most one in a process.

    Args:
        root: the course's folder.
        port: 1 to 65535; 0 for any free one; None for Jupyter's usual 8888 or the next free one.
        browser: whether to open a browser window.

    Raises:
        LabError: JupyterLab is missing or broken, the port is taken, or the folder cannot be written to.
    """

    def __init__(self, root: Path, *, port: int | None = None, browser: bool = True) -> None:
        _isolate(root)
        self._server = _make_server(_arguments(root, port, browser))
        self._stopping = False

    @property
    def url(self) -> str:
        """The address to open, with its token."""
        server = self._server
        return f"http://{LOOPBACK}:{server.port}{server.default_url}?token={server.identity_provider.token}"

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until `stop()`; kernels and terminals are shut down when this returns.

        Args:
            on_ready: called once, when the server accepts connections.
        """
        # Callbacks run in order, and an earlier one binds the port.
        self._server.io_loop.add_callback(on_ready)
        try:
            self._server.start()
        except SystemExit as ended:
            raise _cannot_start("; it says why above") from ended

    def stop(self) -> None:
        """Stop the server; made to be called by a signal handler.

        Raises:
            KeyboardInterrupt: when called again, for whoever does not want to wait any longer.
        """
        if self._stopping:
            raise KeyboardInterrupt
        self._stopping = True
        self._server.stop(from_signal=True)


def _isolate(root: Path) -> None:
    """Point Jupyter to the course's own configuration, for this process and its kernels."""
    state = _state_folder(root)
    try:
        (state / "labconfig").mkdir(parents=True, exist_ok=True)
        for name, content in (("page_config", PAGE_CONFIG), ("default_setting_overrides", SETTINGS)):
            (state / "labconfig" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        (root / STATE_FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise LabError(
            f"JupyterLab cannot keep its settings in {state}: {error.strerror or error}.",
            expected="a course in a folder that you may write to.",
            hint=f"labkit lab {Path.home() / DEFAULT_WORKSPACE}, which makes a course there.",
        ) from error
    for name in list(os.environ):
        if name.startswith("JUPYTERLAB_") or name in _FOREIGN_SETTINGS:
            del os.environ[name]
    os.environ["JUPYTER_CONFIG_DIR"] = str(state)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"


_FOREIGN_SETTINGS = {
    "JUPYTER_CONFIG_PATH",
    "JUPYTER_NO_CONFIG",
    "JUPYTER_PORT",
    "JUPYTER_TOKEN",  # an empty one would turn the token off
    "JUPYTER_TOKEN_FILE",
}
"""Environment variables that would bring another set-up's configuration in."""


def _state_folder(root: Path) -> Path:
    return root / STATE_FOLDER / "jupyterlab"


def _arguments(root: Path, port: int | None, browser: bool) -> list[str]:
    """Return Jupyter's arguments. They stay in this process: nobody sees the token in a list of processes."""
    state = _state_folder(root)
    start = f"/lab/tree/{FIRST_NOTEBOOK}" if (root / FIRST_NOTEBOOK).is_file() else "/lab"
    options: dict[str, object] = {
        "ServerApp.ip": LOOPBACK,
        "ServerApp.port": 8888 if port is None else port,
        "ServerApp.port_retries": 50 if port is None else 0,
        "ServerApp.root_dir": root,
        "LabApp.default_url": start,
        "ServerApp.open_browser": browser,
        "ServerApp.allow_root": hasattr(os, "geteuid") and os.geteuid() == 0,
        "Application.log_level": "WARN",
        # Looking for language servers runs npm, if there is one.
        "LanguageServerManager.autodetect": False,
        "ServerApp.kernel_spec_manager_class": "labkit.course.kernels.OwnKernelOnly",
        "MultiKernelManager.default_kernel_name": "python3",
        # As long and as random as Jupyter's own, which it would print with three more addresses.
        "IdentityProvider.token": secrets.token_hex(24),
        "LabApp.news_url": None,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.extension_manager": "readonly",
        "LabApp.user_settings_dir": state / "lab" / "user-settings",
        "LabApp.workspaces_dir": state / "lab" / "workspaces",
    }
    options |= {f"KernelManager.{name}": value for name, value in kernel_options().items()}
    return [f"--{name}={value}" for name, value in options.items()]


def _make_server(arguments: list[str]) -> ServerApp:
    """Make the server, with all that is installed for Jupyter in this environment."""
    try:
        from jupyterlab.commands import get_app_dir
        from jupyterlab.labapp import LabApp
    except Exception as error:  # a broken package may raise anything
        raise _cannot_start(f": {type(error).__name__}: {error}") from error
    page = Path(get_app_dir(), "static", "index.html")
    if not page.is_file():
        raise _cannot_start(f": its page {page} is missing")
    try:
        server = LabApp.initialize_server(argv=arguments)
    except SystemExit as ended:  # Jupyter's way to say that it cannot start; it has logged why
        raise _cannot_start("; it says why above") from ended
    for handler in server.log.handlers:
        handler.addFilter(_is_worth_reading)
    return server


_NOISE = (
    "is not trusted",  # said of each notebook that was never saved here; the page shows it where it matters
    "The websocket_ping_timeout",  # Jupyter counts it in milliseconds, Tornado in seconds
)


def _is_worth_reading(record: logging.LogRecord) -> bool:
    return not any(noise in record.getMessage() for noise in _NOISE)


def _cannot_start(why: str) -> LabError:
    return LabError(
        f"JupyterLab cannot start in {sys.prefix}{why}.",
        expected="JupyterLab 4.4 or newer, whole, beside labkit.",
        hint='python -m pip install --force-reinstall "jupyterlab>=4.4", or ask `labkit doctor`.',
    )
