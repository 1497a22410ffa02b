"""Which Python a notebook of the course runs: always the one that labkit is installed in.

A kernelspec is looked up by its name, `python3`, in the user's home and in `JUPYTER_PATH` before the
environment's own; one left there by another project would start a Python without labkit.
"""

from __future__ import annotations

from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec, KernelSpecManager, NoSuchKernel

LOAD_LABKIT = "--ext=labkit"
"""Loads labkit into the kernel before the first cell, which may be one in the middle after a restart."""


class OwnKernelOnly(KernelSpecManager):
    """Knows one kernel, `python3`: ipykernel in the Python that runs this."""

    def find_kernel_specs(self) -> dict[str, str]:
        """Return the kernel's name and where its icons are."""
        return {NATIVE_KERNEL_NAME: RESOURCES}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the kernelspec of `python3`.

        Raises:
            NoSuchKernel: any other name.
        """
        if kernel_name.lower() != NATIVE_KERNEL_NAME:
            raise NoSuchKernel(kernel_name)
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict([LOAD_LABKIT]))
