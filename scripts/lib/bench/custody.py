"""The custody log and evidence packages: how quickly events are appended and proven, what a start reads of a long log, what
the log costs beside intake, and a package beside `cp` of the same files.

Sizes: `--events` entries of the log (10^6 by default; the figures' targets are for 10^6 and 10^7)."""

import contextlib
import shutil
import sqlite3
import subprocess
import time

from peers import timed
from station import EVIDOCK, ROOT, settle

CASE = "赵卫罚〔2026〕12号"


def tool():
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--example", "custody"], cwd=ROOT, check=True)
    return EVIDOCK.parent / "examples" / "custody"


def told(*command):
    out = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [float(word) for word in out.split()]


def log(run):
    program = tool()
    appended, proven, opened = [], [], []
    for n in range(run.pairs):
        state = run.work / f"log-{n}"
        state.mkdir()
        (seconds,) = told(program, "append", state, run.events)
        # Each event's share, so that other sizes say the same.
        appended.append((seconds * 1e6 / run.events, None))
        settle(state)
        largest, _ = told(program, "prove", state, 1000)
        proven.append((largest, None))
        settle(state)
        _, read = told(program, "open", state)
        opened.append((read / (1 << 20), None))
        shutil.rmtree(state)
    return {"log_append": appended, "log_proof": proven, "log_start": opened}


def package(run, station, new_state, make_recorder):
    """`station`, `new_state` and `make_recorder` as the other groups use them."""
    program, clips = tool(), 4
    recorder = make_recorder(run.work / "recorder", clips, run.gib)
    state = new_state(run, run.work / "state")
    box = station(state)
    with box:
        box.until_ready()
        with box.docked(recorder):
            box.until_sealed(clips)
            box.until_probed(clips)
            seconds = box.intake_seconds()
        (events,) = box.one("SELECT count(*) FROM log_entry")
        ids = [row[0] for row in all_rows(box, "SELECT clip_id FROM clip")]
        for clip in ids:
            subprocess.run([EVIDOCK, "--config", box.config, "--state", state, "link", clip, CASE], check=True, stdout=subprocess.DEVNULL)
        spare = run.work / "spare"
        spare.mkdir()
        (cost,) = told(program, "append", spare, 100_000)
        share = 100 * (cost / 100_000) * events / seconds

        def ours(n):
            settle(state / "vault")
            to = run.work / f"package-{n}"
            began = time.monotonic()
            command = [EVIDOCK, "--config", box.config, "--state", state, "export", "--case", CASE, "--to", to]
            subprocess.run([*command, "--reason", "bench", "--basis", "bench"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            took = time.monotonic() - began
            shutil.rmtree(to)
            return [took]

        def peer(n):
            settle(state / "vault")
            to = run.work / f"copy-{n}"
            figures = timed("sh", "-c", 'cp -r "$0" "$1" && sync -f "$1"', state / "vault", to)
            shutil.rmtree(to)
            return figures[:1]

        pairs = run.in_pairs(ours, peer)
    return {"export_wall": [(mine[0], theirs[0]) for mine, theirs in pairs], "log_share": [(share, None)]}


def all_rows(box, query):
    with contextlib.closing(sqlite3.connect(f"file:{box.state}/evidock.db?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()
