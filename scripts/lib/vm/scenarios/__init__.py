"""The scenarios, in the order in which they run. Each is a function that gets a `world.Scene` and makes claims."""

import dataclasses
import typing

SCENARIOS = []


@dataclasses.dataclass
class Scenario:
    """One story with claims; `short` ones also run where there is little time."""

    name: str
    what: str
    short: bool
    play: typing.Callable


def scenario(short=True):
    """Marks a function as a scenario. Its name is the scenario's, the first line of its docstring tells it."""

    def mark(function):
        what = function.__doc__.strip().splitlines()[0].rstrip(".")
        SCENARIOS.append(Scenario(function.__name__.replace("_", "-"), what, short, function))
        return function

    return mark


# In the order in which they run.
from . import service  # noqa: E402, F401 isort: skip
from . import usb  # noqa: E402, F401 isort: skip
from . import trouble  # noqa: E402, F401 isort: skip
