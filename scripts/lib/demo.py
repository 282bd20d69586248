#!/usr/bin/env python3
"""The acts of scripts/demo, which sets up, builds and calls this: a station, a recorder, a person, a check.

Everything goes through the command line that a person has; nothing reads the database or the vault behind
evidock's back. A statement that turns out untrue ends the demo with a message and exit code 1.
Python 3.9, standard library only.
"""

import argparse
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unicodedata
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LISTEN = ("127.0.0.1", 8480)  # [web] listen of the embedded defaults
# Longest path of a Unix socket is 107 bytes (unix(7)); the socket is evidock.sock in the state directory.
MAX_STATE_PATH = 107 - len("/evidock.sock")
# From the moment a recorder is docked until its clips are proven.
PROMISED_S = 60
# A slow disk may break the promise, and is told so; it does not hang the demo.
DEADLINE_S = 180

# The page is on this machine, whatever stands between it and others.
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))

CASE, WRONG, OTHER = "赵卫罚〔2026〕12号", "赵卫罚〔2026〕31号", "赵卫罚〔2026〕13号"
DEVICE = "36NCC009910"
# Who had the recorder when. The clips begin at 09:12, 09:27, 09:42 and 09:57; of 09:42 it says nothing.
ROSTER = f"""officer,recorder,from,to,case,place,matter,proves
李建国,{DEVICE},2026-06-19 08:30,2026-06-19 09:20,{CASE},正定县东关街28号,现场检查,经营场所卫生状况
李建国,{DEVICE},2026-06-19 09:20,2026-06-19 09:40,,正定县东关街30号,现场检查,经营场所卫生状况
王淑芳,{DEVICE},2026-06-19 09:50,2026-06-19 11:00,{OTHER},正定县常山路6号,送达,文书送达过程
"""
ROSTERED, BY_HAND, BARE, SECOND = "091200", "092700", "094200", "095700"


class Untrue(Exception):
    """Something is not as the demo says."""


def say(text=""):
    print(text, flush=True)


class Step:
    """Says what is done, and how long it took."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        say(f"\n== {self.what}")
        self.begun = time.monotonic()

    def __exit__(self, kind, *_):
        if kind is None:
            say(f"   done in {time.monotonic() - self.begun:.1f} s")


def true(what, fact):
    """A statement that is checked."""
    if not fact:
        raise Untrue(what)
    say(f"   ✓ {what}")


class Station:
    """A daemon with a fresh state, and the command line beside it."""

    def __init__(self, program):
        self.program = str(program)
        self.state = fresh_state()
        self.config = "default"
        if not is_free(LISTEN):
            port = free_port()
            say(f"   port {LISTEN[1]} is in use; this station takes {port}")
            self.state.mkdir(parents=True, exist_ok=True)
            file = self.state / "evidock.toml"
            file.write_text(f'[web]\nlisten = "{LISTEN[0]}:{port}"\n')
            self.config = str(file)
        self.log = self.state / "evidock.log"
        self.daemon = None

    def start(self):
        self.state.mkdir(parents=True, exist_ok=True)
        with open(self.log, "wb") as log:
            # A group of its own: Ctrl-C reaches this script, which stops the daemon in order.
            self.daemon = subprocess.Popen(
                self.command("run"), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.wait("the daemon answers", lambda: self.ask("status", codes=None)[0] == 0, 30)

    def stop(self):
        if self.daemon is None or self.daemon.poll() is not None:
            return
        self.daemon.send_signal(signal.SIGTERM)
        try:
            self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
            raise Untrue("the daemon stops when it is asked to") from None

    def command(self, *args):
        return [self.program, "--config", self.config, "--state", str(self.state), *args]

    def ask(self, *args, codes=(0,), state=None):
        """A verb with --json: exit code and answer. `codes` are those that are fine; None takes any."""
        command = [*self.command(*args), "--json"]
        if state is not None:
            command[command.index("--state") + 1] = str(state)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S)
        if codes is not None and done.returncode not in codes:
            raise Untrue(f"`evidock {' '.join(args)}` succeeds; it ended with {done.returncode}: {done.stderr.strip()}")
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None

    def wait(self, what, ready, seconds):
        """Waits for a condition; gives the seconds that it took."""
        begun = time.monotonic()
        while not ready():
            if self.daemon.poll() is not None:
                raise Untrue(f"the daemon keeps running; it ended with {self.daemon.returncode}, see {self.log}")
            if time.monotonic() - begun > seconds:
                raise Untrue(f"{what} within {seconds} s; see {self.log}")
            time.sleep(0.2)
        return time.monotonic() - begun

    def dock(self, bay, recorder):
        """A recorder that is put into a bay: its directory appears there, whole."""
        os.replace(recorder, self.state / "docks" / bay)

    def undock(self, bay, aside):
        os.replace(self.state / "docks" / bay, aside)

    def status(self):
        return self.ask("status")[1]

    def settled(self, files, bay):
        """Whether every file is proven, every record published and the bay's recorder free to go."""
        now = self.status()
        count = {stage: figures["count"] for stage, figures in now["stages"].items()}
        free = any(dock["bay"] == bay and dock["safe_to_remove"] and dock["files"] == files for dock in now["docked"])
        under_way = count["copying"] + count["sealed"] + count["sending"]
        return free and count["proven"] == files and under_way == 0 and now["outbox"] == 0

    def records(self):
        """Every record of the station, by the time of day in its name; the recorder's own log is left out."""
        clips = [self.ask("show", found["clip"])[1] for found in self.ask("verify", "--all")[1]]
        named = {re.search(r"_(\d{6})(?:_IMP)?\.mp4$", clip["original_filename"]): clip for clip in clips}
        return {match.group(1): clip for match, clip in named.items() if match}

    def page(self):
        """The address of the page, as the daemon said it."""
        said = re.search(r'\bready\b.*\bpage="?(https?://[^\s"]+)', self.log.read_text(errors="replace"))
        return said and said.group(1)


def fresh_state():
    """A new state directory; those of earlier demos go, unless their daemon still runs."""
    home = ROOT / ".demo"
    for old in home.glob("*/evidock.lock"):
        with open(old) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"   another demo runs in {old.parent}; it is left alone")
                continue
            shutil.rmtree(old.parent)
    state = home / time.strftime("%m%d-%H%M%S")
    if len(os.fsencode(state)) > MAX_STATE_PATH:
        state = pathlib.Path(tempfile.mkdtemp(prefix="evidock-demo-"))
        say(f"   this clone lies too deep for a Unix socket; the state is in {state}")
    return state


def is_free(address):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


def free_port():
    with socket.socket() as probe:
        probe.bind((LISTEN[0], 0))
        return probe.getsockname()[1]


def make_recorder(path):
    script = [sys.executable, str(ROOT / "scripts" / "make-recorder"), "dsj", str(path), "--device", DEVICE, "--clips", "4"]
    made = subprocess.run(script, capture_output=True, text=True)
    if made.returncode != 0:
        raise Untrue(f"the sample recorder can be made: {made.stderr.strip()}")
    return path


def columns(text):
    """Width on a terminal: Chinese takes two columns."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def table(header, rows):
    widths = [max(columns(row[n]) for row in [header, *rows]) for n in range(len(header))]
    for row in [header, *rows]:
        say("  " + "  ".join(cell + " " * (width - columns(cell)) for cell, width in zip(row, widths)).rstrip())


def show_clips(records):
    rows = []
    for _, clip in sorted(records.items()):
        proof = ", ".join(f"{c['destination']}: {c['state']} ({c['proof']})" for c in clip["copies"])
        cases = ", ".join(case["case_no"] for case in clip["cases"]) or "—"
        facts = "待标注: " + ", ".join(clip["missing"]) if clip["missing"] else "complete"
        rows.append([clip["original_filename"], clip["officer"] or "—", cases, facts, clip["state"], proof])
    table(["clip", "officer", "case", "facts", "state", "proof"], rows)


def cases_of(clip):
    return [case["case_no"] for case in clip["cases"]]


def ids(records):
    return sorted(record["record_id"] for record in records)


def look_at_page(station):
    page = station.page()
    if page is None:
        raise Untrue(f"the daemon says where its page is; see {station.log}")
    with NO_PROXY.open(page, timeout=10) as answer:
        true(f"the page answers at {page}", answer.status == 200)
    return page


def acts(station):
    """The demo. Gives the page's address."""
    with Step("start a station with a fresh state and the embedded defaults"):
        station.start()
        say(f"   state: {station.state}")
        look_at_page(station)

    roster = station.state / "roster.csv"
    with Step("import the roster: who had which recorder, when, for which case"):
        roster.write_text(ROSTER)
        true("three rows are imported", station.ask("roster", "import", str(roster))[1]["rows"] == 3)

    with Step("dock a recorder: four clips of real footage and the recorder's own log"):
        recorder = make_recorder(station.state / "recorder")
        files = sum(1 for file in recorder.rglob("*") if file.is_file())
        station.dock("BAY1", recorder)
        took = station.wait("all files are proven", lambda: station.settled(files, "BAY1"), DEADLINE_S)
        say(f"   ✓ {files} files sealed, annotated, sent and proven {took:.1f} s after the dock; the recorder is free to go")
        if took > PROMISED_S:
            raise Untrue(f"that takes less than {PROMISED_S} s")
        first = station.records()
        true("four clips are known", len(first) == 4)
        clip = first[ROSTERED]
        true("the roster linked the first one, and it is complete", cases_of(clip) == [CASE] and clip["missing"] == [])
        true("nothing tells the case of the one of 09:42: it stays 待标注, and was sent all the same",
             {"case_no", "proves"} <= set(first[BARE]["missing"]) and first[BARE]["state"] == "proven")

    with Step("relink one by hand: a wrong number, withdrawn with a reason, then the right one"):
        clip = first[BY_HAND]["record_id"]
        station.ask("link", clip, WRONG, "--proves", "经营场所卫生状况")
        true(f"it is found under {WRONG}", ids(station.ask("find", "--case", WRONG)[1]) == [clip])
        station.ask("unlink", clip, WRONG, "--reason", "案号录入有误")
        station.ask("link", clip, OTHER, "--proves", "经营场所卫生状况")
        true(f"it is no longer found under {WRONG}", station.ask("find", "--case", WRONG, codes=(3,))[0] == 3)
        expected = ids([first[BY_HAND], first[SECOND]])
        true(f"it is found under {OTHER}, with the clip that the roster put there",
             ids(station.ask("find", "--case", OTHER)[1]) == expected)

    with Step("dock the same recorder once more"):
        station.undock("BAY1", station.state / "went-home")
        station.wait("the bay is empty", lambda: not station.status()["docked"], 30)
        station.dock("BAY2", make_recorder(station.state / "recorder"))
        station.wait("the recorder is free to go again", lambda: station.settled(files, "BAY2"), DEADLINE_S)
        again = station.records()
        true("every clip was known: nothing is stored twice", ids(again.values()) == ids(first.values()))

    with Step("verify: hash every copy again, here and at the destination"):
        checked = station.ask("verify", "--all", "--remote")[1]
        same = all(copy["result"] == "same" for found in checked for copy in found["copies"])
        true(f"all {files} files are the same on both sides", len(checked) == files and same)

    with Step("find the case with nothing but the destination: no database, no vault"):
        cloud, elsewhere = station.state / "cloud", station.state / "elsewhere"

        def found(case):
            return ids(station.ask("find", "--case", case, "--from", str(cloud), state=elsewhere, codes=(0, 3))[1])

        # The index follows the link by seconds.
        station.wait("the same clips are found there", lambda: found(OTHER) == expected, 30)
        say("   ✓ the same clips are found")
        true("the withdrawn link is not", found(WRONG) == [])

    with Step("play a clip through the page, and hash what comes"):
        clip = first[SECOND]
        media = f"{station.page()}api/v1/clips/{clip['record_id']}/media"
        with NO_PROXY.open(urllib.request.Request(media, headers={"Range": "bytes=100-199"}), timeout=30) as part:
            true("a player gets the range that it asks for", part.status == 206 and len(part.read()) == 100)
        with NO_PROXY.open(media, timeout=60) as whole:
            true("the whole has the digest that was sealed", hashlib.sha256(whole.read()).hexdigest() == clip["sha256"])

    with Step("verify the log of all this against its signed checkpoints, here and at the destination"):
        station.ask("checkpoint")
        station.wait("its newest checkpoint is anchored", lambda: station.status()["outbox"] == 0, 30)
        log = station.ask("log", "verify")[1]
        # The demo's destination stands on this disk, so that nothing here counts as held off the box.
        there = next(h for h in log["holders"] if h["held_by"].startswith("anchor "))
        true(f"{log['size']} events, {there['confirms']} of them confirmed at the destination, nothing wrong",
             log["intact"] and there["confirms"] > 50 and log["anchored_size"] == 0 and not log["warnings"])
        true("`evidock doctor` knows of no problem on this machine", station.ask("doctor")[1]["ok"])

    say("\n== the clips")
    show_clips(again)
    true("all are proven", all(clip["state"] == "proven" for clip in again.values()))
    true("one is 待标注, the others are complete", [clip for clip in again if again[clip]["missing"]] == [BARE])
    return look_at_page(station)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--program", required=True, type=pathlib.Path, help="the evidock program")
    parser.add_argument("--since", type=float, default=0, help="seconds that went before")
    parser.add_argument("--once", action="store_true", help="stop when everything is shown")
    args = parser.parse_args()
    begun = time.monotonic()

    def leave(*_):
        raise KeyboardInterrupt

    # Ctrl-C is set, too: a shell without job control starts what it puts in the background with it ignored.
    for asked in (signal.SIGTERM, signal.SIGINT):
        signal.signal(asked, leave)
    station = Station(args.program.resolve())
    try:
        page = acts(station)
        say(f"\nAll of it is true; {args.since + time.monotonic() - begun:.0f} s in all.")
        if page:
            say(f"The page: {page}")
        if not args.once:
            say(f"Dock a recorder by making a directory in {station.state / 'docks'}; Ctrl-C ends the demo.")
            station.daemon.wait()
            raise Untrue(f"the daemon keeps running; see {station.log}")
    except Untrue as untrue:
        sys.exit(f"\nerror: this is not true: {untrue}")
    except KeyboardInterrupt:
        say("\nstopping")
    finally:
        station.stop()


main()
