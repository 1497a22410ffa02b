"""The course executed and published, as pages to read."""

from labkit.publish.publishing import Published, publish

__all__ = ["Published", "publish"]
