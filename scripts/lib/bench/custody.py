"""The custody log and evidence packages: how quickly events are appended, how quickly one of a long log is proven, what a
start reads of that log, what the log costs beside intake, and a package beside `cp` of the same files.

Sizes: `--events` are appended for `log_append` (10^6 by default); `log_proof` and `log_start` are of a log of
`--long-log` (10^7 by default), made once; `--gib` of footage are taken in and exported."""

import contextlib
import pathlib
import shutil
import sqlite3
import subprocess
import time

from peers import Failed, timed
from station import EVIDOCK, ROOT, say, settle

CASE = "赵卫罚〔2026〕12号"
# What begins beside the start has read what it reads by then.
AFTER_START_S = 3


def tool():
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--example", "custody"], cwd=ROOT, check=True)
    return EVIDOCK.parent / "examples" / "custody"


def told(*command):
    out = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [float(word) for word in out.split()]


def log(run, station):
    program = tool()
    appended = []
    for n in range(run.pairs):
        state = run.work / f"log-{n}"
        state.mkdir()
        (seconds,) = told(program, "append", state, run.events)
        # Each event's share, so that other sizes say the same.
        appended.append((seconds * 1e6 / run.events, None))
        shutil.rmtree(state)
        say(f"  {run.events} events appended in {seconds:.1f} s")
    state, empty = run.work / "long-log", run.work / "empty-log"
    state.mkdir()
    (seconds,) = told(program, "append", state, run.long_log)
    say(f"  the long log, {run.long_log} events, was made in {seconds:.1f} s")
    # A station that has started before, so that neither start is its first.
    started(station, empty)
    shutil.copytree(empty, state, dirs_exist_ok=True, ignore=lambda _, names: [n for n in names if n.startswith("evidock.db")])
    started(station, state)
    proven, read = [], []
    for _ in range(run.pairs):
        settle(state)
        largest, median = told(program, "prove", state, 1000)
        proven.append((largest, None))
        # The program itself, its configuration and its plug-ins are read by either; the log is what differs.
        settle(state)
        long, short = started(station, state), started(station, empty)
        read.append((max(long - short, 0) / (1 << 20), None))
        say(f"  a proof {largest:.2f} ms at most, {median:.2f} ms in the middle; a start reads {read[-1][0]:.2f} MiB more")
    shutil.rmtree(state)
    return {"log_append": appended, "log_proof": proven, "log_start": read}


def started(station, state):
    """Starts the daemon on a state directory and ends it; bytes that it has read, from disk or cache, until it was ready and
    a little longer (proc(5), io: rchar)."""
    box = station(state)
    with box:
        box.until_ready()
        time.sleep(AFTER_START_S)
        for line in pathlib.Path(f"/proc/{box.process.pid}/io").read_text().splitlines():
            if line.startswith("rchar: "):
                return int(line.split()[1])
    raise Failed("/proc tells no rchar")


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
        # What an event adds to the transaction in which it stands, times the events that there were.
        adds_us, _ = told(program, "beside", spare, 1000)
        share = 100 * max(adds_us, 0) / 1e6 * events / seconds
        say(f"  {events} events of {clips} clips, {adds_us:.0f} us each beside what they tell of; intake took {seconds:.1f} s")

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
