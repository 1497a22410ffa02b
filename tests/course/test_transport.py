"""How Jupyter reaches a kernel: sockets in the file system, or TCP where there can be none."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from labkit.course.transport import connection_options, kernel_options

needs_sockets = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets on this system")


@needs_sockets
def test_kernels_listen_on_sockets_in_the_file_system_and_trying_leaves_nothing() -> None:
    folder = Path(connection_options()["connection_file"]).parent
    before = set(folder.iterdir())
    assert kernel_options()["transport"] == "ipc"
    assert set(folder.iterdir()) == before


def test_a_folder_whose_path_is_too_long_for_sockets_leaves_tcp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / ("long" * 25)))
    assert "transport" not in kernel_options()


def test_a_folder_that_cannot_be_made_leaves_tcp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "folder"))
    assert "transport" not in kernel_options()


def test_two_kernels_have_files_of_their_own() -> None:
    assert connection_options()["connection_file"] != connection_options()["connection_file"]
