"""The one place that applies nest-asyncio."""

from __future__ import annotations

import importlib
import sys


def nested() -> None:
    """Let `asyncio.run()` and `loop.run_until_complete()` work inside a running loop, in this process, from now on.

    A kernel's event loop always runs, so a script's `asyncio.run(main())` fails in a cell with "cannot be
    called from a running event loop". After this call it runs, nested. The price is why the kit never does
    it by itself: asyncio is patched for the whole process and cannot be unpatched, tasks become slower
    pure-Python ones, timings are those of a different asyncio, and `uvicorn.run()` still does not work.
    `serve()` needs none of it, and `await` works in a cell as it is.

    On Python 3.14 and later the maintained fork is used: under the original, `asyncio.current_task()` is
    None there, and FastAPI answers 500.
    """
    package = "nest_asyncio2" if sys.version_info >= (3, 14) else "nest_asyncio"
    importlib.import_module(package).apply()
