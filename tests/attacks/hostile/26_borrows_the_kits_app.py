# attack: serves the kit's own app, imported or read from disk
# resisted from: landlock
try:
    from labkit.apps.echo import app
except ImportError:
    try:
        import sys

        sys.meta_path = [finder for finder in sys.meta_path if isinstance(finder, type)]
        sys.path.insert(0, f"{PACKAGE}/..")
        from labkit.apps.echo import app
    except Exception:
        try:
            exec(open(f"{PACKAGE}/apps/echo.py").read())
        except Exception:
            pass
