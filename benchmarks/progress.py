"""Progress of a long run: one line a step, with the time that is gone and that is left."""

import time

import click


class Progress:
    """Counts steps that take about as long as each other."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._start = time.monotonic()

    def done(self, what: str) -> None:
        """Tell that a step is over, and what came of it."""
        self._done += 1
        elapsed = time.monotonic() - self._start
        left = elapsed / self._done * (self._steps - self._done)
        place = f"[{self._done:{len(str(self._steps))}}/{self._steps}]"
        click.echo(f"{place} {_clock(elapsed)} gone, about {_clock(left)} left · {what}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
