"""A station under measurement: the release build on a state directory of its own, its figures read from its
database (times) and from /proc (CPU seconds, memory). Changes nothing that evidock would notice."""

import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
TOOLS = pathlib.Path(os.environ.get("EVIDOCK_TOOLS", ROOT / ".tools"))
EVIDOCK = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "evidock"
TICKS = os.sysconf("SC_CLK_TCK")
# Longer than any run that is worth waiting for.
PATIENCE_S = 900

CONFIG = """\
[station]
id = "bench"
[vault]
reserve_gb = 1
[source.folder]
# Waiting until a file is still is no part of the work.
poll_ms = 50
still_after_ms = 0
[web]
listen = "127.0.0.1:0"
[casework]
number_rule_version = 2
# As the commented configuration has it: what is written where no case was opened.
[[casework.number_shape]]
name = "daily"
pattern = '日常检查(?:\\(未立案\\))?'
display = "日常检查(未立案)"
key = "日常检查(未立案)"
kind = "unfiled"
example = "日常检查(未立案)"
[[destination]]
name = "cloud"
kind = "s3"
endpoint = "{endpoint}"
bucket = "{bucket}"
access_key_file = "access-key"
secret_key_file = "secret-key"
"""


def say(words):
    print(words, file=sys.stderr, flush=True)


def settle(*dirs):
    """Makes everything durable and drops these files from the page cache, so that each run begins alike."""
    os.sync()
    for dir in dirs:
        for path in files(dir):
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def files(dir):
    return sorted(path for path in pathlib.Path(dir).rglob("*") if path.is_file())


def stat(pid):
    """utime, stime and those of reaped children, seconds (proc(5)); nothing for a process that is gone."""
    try:
        after_name = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(ticks) for ticks in after_name[11:15]) / TICKS


def status_mib(pid, key):
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def pss_mib(pid):
    """Its share of memory: what it alone has, and of what others map too its part (proc(5), smaps_rollup)."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def descendants(pid):
    """Living children and theirs."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found += [int(child), *descendants(child)]
    return found


class Station:
    """One daemon; a context manager, so that it ends with the measurement."""

    def __init__(self, state, endpoint, bucket, access_key, secret_key):
        self.state, self.process, self.children_mib = pathlib.Path(state), None, 0.0
        (self.state / "docks").mkdir(parents=True, exist_ok=True)
        self.config = self.state / "bench.toml"
        self.config.write_text(CONFIG.format(endpoint=endpoint, bucket=bucket))
        (self.state / "access-key").write_text(access_key)
        (self.state / "secret-key").write_text(secret_key)

    def __enter__(self):
        with open(self.state / "daemon.log", "ab") as log:
            command = [EVIDOCK, "--config", self.config, "--state", self.state, "run"]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu(self):
        """CPU seconds of the daemon and its children so far, the reaped ones included."""
        return stat(self.process.pid) + sum(stat(child) for child in descendants(self.process.pid))

    def peak_mib(self):
        """Largest resident memory of the daemon itself so far (VmHWM)."""
        return status_mib(self.process.pid, "VmHWM")

    def until(self, what, met):
        """Waits until `met` holds; notes meanwhile the largest child."""
        end = time.monotonic() + PATIENCE_S
        while not met():
            if self.process.poll() is not None or time.monotonic() > end:
                tail = (self.state / "daemon.log").read_text(errors="replace")[-2000:]
                sys.exit(f"error: the daemon did not get to {what}; its last words:\n{tail}")
            for child in descendants(self.process.pid):
                self.children_mib = max(self.children_mib, status_mib(child, "VmHWM"))
            time.sleep(0.02)

    def until_ready(self):
        self.until("ready", lambda: (self.state / "evidock.sock").exists())

    def one(self, query):
        """The first row of a query; None while there is no database or it is busy."""
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.state}/evidock.db?mode=ro", uri=True)) as db:
                return db.execute(query).fetchone()
        except sqlite3.OperationalError:
            return None

    def until_sealed(self, clips):
        self.until(f"{clips} sealed clips", lambda: self.one("SELECT count(sealed_ms) FROM clip") == (clips,))

    def until_probed(self, clips):
        self.until(f"{clips} probed clips", lambda: self.one("SELECT count(*) FROM media") == (clips,))

    def until_proven(self, clips):
        query = "SELECT count(*) FROM delivery WHERE state = 'proven'"
        self.until(f"{clips} proven clips", lambda: self.one(query) == (clips,))

    def intake_seconds(self):
        """From the first clip's row, which is stored before its first byte, to the last seal."""
        first, last = self.one("SELECT min(created_ms), max(sealed_ms) FROM clip")
        return (last - first) / 1000

    @contextlib.contextmanager
    def docked(self, recorder):
        """The recorder in a bay; afterwards it is back where it was, for the next run."""
        bay = self.state / "docks" / "bay-1"
        os.rename(recorder, bay)
        try:
            yield
        finally:
            os.rename(bay, recorder)


def twin(state, copy):
    """A copy of a state directory that shares the bytes of sealed files with it (nobody writes to those)."""
    shutil.copytree(state, copy, ignore=lambda dir, names: [n for n in names if n in ("vault", "evidock.sock")])
    shutil.copytree(pathlib.Path(state) / "vault", pathlib.Path(copy) / "vault", copy_function=os.link)
