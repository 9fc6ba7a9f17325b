"""What is going on, on standard error, while a benchmark runs."""

import sys
import time

from lib import text


class Progress:
    """Lines that stay, and on a terminal one line that does not. Work is counted in
    estimated seconds, so that what is left can be told."""

    def __init__(self, total: float, out=None, clock=time.monotonic):
        self._out = out or sys.stderr
        self._clock = clock
        self._begun = clock()
        self._total = max(total, 1e-9)
        self._done = 0.0
        self._tty = self._out.isatty()
        self._last = self._begun
        self._open = False

    @property
    def elapsed(self) -> float:
        return self._clock() - self._begun

    def advance(self, seconds: float) -> None:
        self._done = min(self._done + seconds, self._total)

    def left(self) -> float:
        """Seconds, from the estimates and from how they have held so far."""
        rest = self._total - self._done
        if self._done < 5:
            return rest
        return rest * min(3.0, max(0.3, self.elapsed / self._done))

    def line(self, words: str) -> None:
        self._clear()
        print(words, file=self._out, flush=True)
        self._last = self._clock()

    def status(self, words: str) -> None:
        """Shown for the moment; where lines stay, now and then."""
        now = self._clock()
        words = (f"  {text.seconds(self.elapsed)}, about {text.seconds(self.left())} left: "
                 f"{words}")
        if self._tty:
            self._clear()
            self._out.write(words[:110])
            self._out.flush()
            self._open = True
        elif now - self._last >= 10:
            self.line(words)

    def _clear(self) -> None:
        if self._open:
            self._out.write("\r\x1b[K")
            self._open = False
