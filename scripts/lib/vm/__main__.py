"""scripts/test-vm calls this after it installed and built what is needed. Standard library only."""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback

import image
from checks import Log, Untrue
from machine import end_all
from scenarios import SCENARIOS
from world import World


def main():
    args = arguments()
    if args.prepare:
        with tempfile.TemporaryDirectory(prefix="evidock-vm-") as work:
            image.prepared(args.tools, pathlib.Path(work), say)
        return 0
    wanted = (
        [s for s in SCENARIOS if s.name in args.names] if args.names else [s for s in SCENARIOS if args.full or s.short]
    )
    args.logs.mkdir(parents=True, exist_ok=True)
    # Short: a socket's path has at most 107 bytes (unix(7)).
    work = pathlib.Path(tempfile.mkdtemp(prefix="evidock-vm-"))
    begun = time.monotonic()

    def stop(*_):
        end_all()
        shutil.rmtree(work, ignore_errors=True)
        os._exit(130)

    # Threads would be waited for; what is told to stop leaves no machine behind.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        guest = image.prepared(args.tools, work, say)
        world = World(guest, work, args.program, args.full, args.logs)
        world.install(Log(args.logs / "install.log", args.verbose))
        say(f"guest: evidock installed; {time.monotonic() - begun:.0f} s so far")
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            failed = sum(pool.map(lambda s: not played(world, s, args), wanted))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    # The form that scripts/test counts.
    word = "FAILED" if failed else "ok"
    say(f"\ntest result: {word}. {len(wanted) - failed} passed; {failed} failed; in {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


def played(world, scenario, args):
    """Runs one scenario; whether it went as it should."""
    path = args.logs / f"{scenario.name}.log"
    log = Log(path, args.verbose)
    try:
        with world.scene(scenario.name, log) as scene:
            scenario.play(scene)
        if not log.claims:
            raise Untrue("a scenario without a claim shows nothing")
    except Exception as error:
        if not isinstance(error, Untrue):
            log.say(traceback.format_exc())
        log.say(f"{type(error).__name__}: {error}")
        seconds = time.monotonic() - log.begun
        say(f"FAILED {scenario.name} after {seconds:.0f} s; the end of {path}:\n{image.tail(path)}\n")
        return False
    say(f"ok     {scenario.name}: {scenario.what} ({log.claims} claims, {time.monotonic() - log.begun:.0f} s)")
    return True


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/test-vm", description="Tests of the packaged station in a virtual machine."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these scenarios")
    parser.add_argument("--full", action="store_true", help="all scenarios, the long ones with more footage")
    parser.add_argument("--list", action="store_true", help="tell what there is")
    parser.add_argument("--prepare", action="store_true", help="make the guest, without playing anything")
    parser.add_argument("--verbose", action="store_true", help="show each step at once")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="machines at the same time (default: 2)")
    parser.add_argument("--program", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--tools", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--logs", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.list:
        for scenario in SCENARIOS:
            print(f"{scenario.name:24} {'short' if scenario.short else 'full '} {scenario.what}")
        sys.exit(0)
    unknown = set(args.names) - {scenario.name for scenario in SCENARIOS}
    if unknown:
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; --list tells what there is")
    return args


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
