"""Probes of JupyterLab and of the kernel that a notebook gets."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

from labkit.doctor.report import Finding, State

PARTS = ("jupyterlab", "ipykernel", "jupyter-server-proxy")


def jupyterlab() -> Finding:
    """Is JupyterLab there, with the parts that the course uses?"""
    try:
        found = ", ".join(f"{part} {metadata.version(part)}" for part in PARTS)
    except metadata.PackageNotFoundError as missing:
        return Finding(
            "JupyterLab",
            State.FAIL,
            f"{missing.name} is not installed",
            f"{sys.executable} -m pip install {missing.name}",
        )
    from jupyterlab.commands import get_app_dir

    page = Path(get_app_dir(), "static", "index.html")
    if page.is_file():
        return Finding("JupyterLab", State.OK, found)
    return Finding(
        "JupyterLab",
        State.FAIL,
        f"{found}, but its page {page} is missing",
        f"{sys.executable} -m pip install --force-reinstall --no-deps jupyterlab",
    )


def kernel() -> Finding:
    """Does the kernel named python3 run this very Python, in any JupyterLab or editor?"""
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec("python3")
    program = spec.argv[0] if spec.argv else ""
    # A bare "python" is replaced by the Python of the Jupyter server; a path is not. Two environments may
    # link to the same program, so that only the folder tells them apart.
    own = os.path.basename(program) == program and program.startswith("python")
    if own or _folder(program) == _folder(sys.executable):
        return Finding("kernel", State.OK, f"python3 runs this Python ({spec.resource_dir})")
    return Finding(
        "kernel",
        State.WARN,
        f"python3 runs {program or 'nothing'} ({spec.resource_dir})",
        "`labkit lab` uses the right one all the same; elsewhere choose this environment's kernel, "
        f"or remove the one in {spec.resource_dir}.",
    )


def _folder(program: str) -> str:
    return os.path.normcase(os.path.dirname(os.path.abspath(program)))
