"""The package as a whole: what it exports, what importing it costs, and what its sources promise."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import labkit

PACKAGE = Path(labkit.__file__).parent
TESTS = Path(__file__).parent
HEAVY = (
    "fastapi",
    "starlette",
    "uvicorn",
    "pydantic",
    "httpx",
    "pytest",
    "rich",
    "typer",
    "IPython",
    "websockets",
)


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_labkit_imports_nothing_heavy():
    assert run(f"import labkit, sys; print([name for name in {HEAVY!r} if name in sys.modules])") == "[]"


def test_the_learners_verbs_are_the_whole_public_surface():
    assert labkit.__all__ == sorted(labkit.__all__)
    assert labkit.__all__ == ["check", "connect", "hint", "predict", "serve", "show"]
    for verb in labkit.__all__:
        assert callable(getattr(labkit, verb))
        assert inspect.getdoc(getattr(labkit, verb))


def test_what_does_not_exist_is_said_so():
    with pytest.raises(AttributeError, match="module 'labkit' has no attribute 'serv'"):
        _ = labkit.serv


def test_the_magic_is_there_after_importing_labkit_in_ipython():
    assert (
        run(
            "from IPython.core.interactiveshell import InteractiveShell as Shell\n"
            "shell = Shell.instance(); import labkit\n"
            "print('solution' in shell.magics_manager.magics['cell'])"
        )
        == "True"
    )


def modules() -> list[str]:
    return [
        info.name
        for info in pkgutil.walk_packages([str(PACKAGE)], "labkit.")
        if not info.name.endswith("__main__")
    ]


@pytest.mark.parametrize("name", [name for name in modules() if name != "labkit.grader.child"])
def test_documented_arguments_exist(name):
    """A docstring that names arguments names those of the signature."""
    module = importlib.import_module(name)
    for function in functions_of(module):
        documented = re.findall(r"^\s{4,}(\w+): ", _section(inspect.getdoc(function) or "", "Args"), re.M)
        signature = list(inspect.signature(function).parameters)
        assert set(documented) <= set(signature), f"{function.__qualname__} documents {documented}"


def functions_of(module):
    for value in vars(module).values():
        if inspect.isfunction(value) and value.__module__ == module.__name__:
            yield value
        elif inspect.isclass(value) and value.__module__ == module.__name__:
            yield from (member for member in vars(value).values() if inspect.isfunction(member))


def _section(doc: str, title: str) -> str:
    found = re.search(rf"^{title}:\n((?:    .*\n?|\n)*)", doc, re.M)
    return re.sub(r"^ {8,}.*$", "", found[1], flags=re.M) if found else ""


def test_no_assert_validates_input():
    """`python -O` removes assertions: errors are exceptions with a message."""
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if "_course" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_tests_wait_for_events_and_not_for_time():
    """No sleep in a test: where one polls, it is a fixture or function with a deadline, named here."""
    allowed = {"wait_until", "wait_for", "until"}
    found = []
    for path in TESTS.rglob("test_*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or function.name in allowed:
                continue
            found += [
                f"{path.relative_to(TESTS)}:{call.lineno}"
                for call in ast.walk(function)
                if isinstance(call, ast.Call) and ast.unparse(call.func) in {"time.sleep", "sleep"}
            ]
    assert found == []
