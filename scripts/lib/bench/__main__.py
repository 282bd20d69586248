"""Figures of evidock beside those of ordinary tools: runs the groups that are asked for and tells each figure.

How to read them: `ours` and `peer` are medians, `ratio` is the median of the ratios of pairs that ran one
after the other, so that what else the machine does weighs on both sides. Python 3.9, standard library only.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import sys

import figures
from peers import Failed
from station import ROOT, say

# On disk, with its place in the tree and what SQLite writes first.
BYTES_OF_AN_EVENT = 600


def told(figure, pairs):
    """One figure as an object; `pairs` holds (ours, peer), peer None where nothing compares."""
    ratios = sorted(ours / peer for ours, peer in pairs if peer)
    ours = statistics.median(ours for ours, _ in pairs)
    peer = statistics.median(peer for _, peer in pairs if peer) if ratios else None
    ratio = statistics.median(ratios) if ratios else None
    judged = ratio if figure.target_is == "ratio" else ours
    return {
        "name": figure.name,
        "unit": figure.unit,
        "ours": round(ours, 3),
        "peer": None if peer is None else round(peer, 3),
        "ratio": None if ratio is None else round(ratio, 3),
        "target": figure.target,
        "target_is": None if figure.target is None else figure.target_is,
        "met": None if figure.target is None or judged is None else judged <= figure.target,
        "ratio_min": round(ratios[0], 3) if ratios else None,
        "ratio_max": round(ratios[-1], 3) if ratios else None,
        "ratios": [round(ratio, 3) for ratio in ratios],
        "pairs": len(pairs),
        "against": figure.peer,
    }


def line(told):
    def text(value, form="{:.2f}"):
        return "-" if value is None else form.format(value)

    target = "-" if told["target"] is None else "<= {:g}{}".format(
        told["target"], "x" if told["target_is"] == "ratio" else f" {told['unit']}"
    )
    met = {True: "met", False: "MISSED", None: "-"}[told["met"]]
    spread = "" if told["ratio"] is None else f" ({told['ratio_min']:.2f}..{told['ratio_max']:.2f})"
    return (
        f"{told['name']:<20} ours {text(told['ours']):>7} {told['unit']:<5} peer {text(told['peer']):>7}"
        f"  ratio {text(told['ratio']):>5}{spread:<14}  target {target:<10} {met:<7} {told['against']}"
    )


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Figures of evidock beside those of ordinary tools.")
    parser.add_argument("name", nargs="?", help="a figure or a group of figures; without it, all")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--gib", type=float, default=2.0, help="GiB of footage (default 2)")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of runs (default 3, the fewest that show the noise)")
    parser.add_argument("--events", type=int, default=1_000_000, help="entries that are appended in the group custody (default 10^6)")
    parser.add_argument("--long-log", type=int, default=10_000_000, help="entries of the long log there (default 10^7)")
    parser.add_argument("--clips", type=int, default=1_000_000, help="clips in the group casework (default 10^6)")
    parser.add_argument("--list", action="store_true", help="the figures, without running any")
    args = parser.parse_args()

    wanted = [f for f in figures.FIGURES if args.name in (None, f.name, f.group)]
    if not wanted:
        parser.error(f"there is no figure {args.name!r}; --list shows them")
    if args.list:
        for figure in wanted:
            target = "" if figure.target is None else f"; target {figure.target:g}"
            print(f"{figure.name:<20} {figure.group:<8} {figure.about}{target}")
        return
    if args.pairs < 1 or args.gib <= 0 or args.events < 1 or args.long_log < 1 or args.clips < 1:
        parser.error("--pairs, --gib, --events, --long-log and --clips must be above 0")

    # Ended from outside, everything that was started still ends with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # One directory a run: two runs at once would only spoil each other's figures, not their files.
    work = ROOT / "target" / "bench" / str(os.getpid())
    work.mkdir(parents=True)
    try:
        need = 6 * args.gib * (1 << 30)
        if any(f.group == "custody" for f in wanted):
            need = max(need, BYTES_OF_AN_EVENT * max(args.events, args.long_log))
        if shutil.disk_usage(work).free < need:
            sys.exit(f"error: {need / 1e9:.0f} GB must be free below {work}; free space or give a smaller --gib or --long-log")
        for group in dict.fromkeys(f.group for f in wanted):
            say(f"{group}: {args.gib:g} GiB, {args.pairs} pairs")
            with contextlib.ExitStack() as stack:
                results = figures.GROUPS[group](figures.Run(work / group, args.gib, args.pairs, args.events, args.long_log, args.clips, stack))
            for figure in wanted:
                if figure.group == group:
                    object = told(figure, results[figure.name])
                    print(json.dumps(object) if args.json else line(object), flush=True)
    except Failed as gave_up:
        sys.exit(f"error: {gave_up}")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
