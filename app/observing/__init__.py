"""What an operator sees of a process: metrics on a port of their own, and traces where there is an exporter."""

from app.observing.observing import observed

__all__ = ["observed"]
