"""What a scenario claims. Every claim names what it expected and what it saw; the first that is untrue ends it."""

import threading
import time


class Untrue(Exception):
    """A claim that did not hold."""


class Log:
    """What one scenario did, with seconds since its begin. Also shown at once where someone wants to watch."""

    def __init__(self, path, aloud=False):
        self.file, self.begun, self.aloud, self.lock = (
            open(path, "w", encoding="utf-8"),
            time.monotonic(),
            aloud,
            threading.Lock(),
        )
        self.claims = 0

    def say(self, text):
        line = f"{time.monotonic() - self.begun:7.1f}  {text}"
        with self.lock:
            print(line, file=self.file, flush=True)
            if self.aloud:
                print(line, flush=True)

    def equal(self, what, seen, expected):
        self._claim(what, seen == expected, expected, seen)

    def at_most(self, what, seen, limit):
        self._claim(f"{what}: {seen}", seen <= limit, f"at most {limit}", seen)

    def at_least(self, what, seen, limit):
        self._claim(f"{what}: {seen}", seen >= limit, f"at least {limit}", seen)

    def contains(self, what, seen, part):
        self._claim(what, part in seen, f"{part!r} in it", seen)

    def true(self, what, fact, seen=None):
        """For what is no comparison; `seen` is shown where it fails."""
        self._claim(what, bool(fact), "that", fact if seen is None else seen)

    def until(self, what, look, fact=bool, seconds=120, pause=0.5):
        """Looks again and again until `fact` is true of what was seen; gives that. No other waiting in scenarios."""
        begun = time.monotonic()
        while True:
            seen = look()
            if fact(seen):
                self.claims += 1
                self.say(f"ok    {what} (after {time.monotonic() - begun:.1f} s)")
                return seen
            if time.monotonic() - begun > seconds:
                self.say(f"FALSE {what}")
                raise Untrue(f"{what}\n  expected  within {seconds} s\n  seen      {seen!r}")
            time.sleep(pause)

    def _claim(self, what, holds, expected, seen):
        if holds:
            self.claims += 1
            self.say(f"ok    {what}")
            return
        self.say(f"FALSE {what}")
        raise Untrue(f"{what}\n  expected  {expected!r}\n  seen      {seen!r}")
