"""The part of the pytest plugin that is loaded everywhere: it waits until an exercise of ours is collected.

    pytest exercises/echo --solution solution.py [--seed 7]

Every pytest run of an environment that has labkit loads this module, so it imports nothing and does nothing
until then.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from labkit.grader.grading import GradingPlugin

_TEST_NAME = "test_task.py"
_CATALOGUE_NAME = "catalogue.toml"
_PLUGIN_NAME = "labkit-grading"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--solution` and `--seed`."""
    group = parser.getgroup("labkit", "labkit exercises")
    for name, kind, what in (
        ("--solution", Path, "the file that the checks of an exercise judge"),
        ("--seed", int, "makes the random data of the checks the same as in an earlier run"),
    ):
        try:
            group.addoption(name, type=kind, default=None, dest=f"labkit_{name[2:]}", help=what)
        except ValueError:
            # Another plugin has this option. Our exercises can do without, everybody else's tests cannot.
            continue


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> None:
    """Bring in the rest when an exercise turns up."""
    if file_path.name == _TEST_NAME and (file_path.parent.parent / _CATALOGUE_NAME).is_file():
        _grading(parent.config)


def _grading(config: pytest.Config) -> GradingPlugin:
    plugin: GradingPlugin | None = config.pluginmanager.get_plugin(_PLUGIN_NAME)
    if plugin is None:
        from labkit.grader.grading import GradingPlugin, examine_option

        plugin = GradingPlugin(examine_option(config))
        plugin.register_marks(config)
        config.pluginmanager.register(plugin, _PLUGIN_NAME)
    return plugin
