"""Uploads beside rclone and s5cmd: long files and short ones, to a real server and to a sink that throws all away, and
over a thin line that drops connections. Every run sends the same footage; who goes first alternates.
"""

import os
import shutil
import time

from peers import Failed, Server, rclone_copy, s5cmd_copy
from sink import BLOCK, Sink
from station import say, settle, status_mib, twin
from thin import ThinLine

PEERS = {"rclone": rclone_copy, "s5cmd": s5cmd_copy}
# Parts as evidock cuts them.
PART_BYTES = 8 << 20


def footage(dir, count, size):
    """Files of one block that is repeated, each another: what the sink can give back. They do not play."""
    below = dir / "DCIM" / "VIDEO"
    below.mkdir(parents=True)
    for n in range(count):
        block, left = os.urandom(BLOCK), size
        with open(below / f"DSJ_0012345_130123_20260105_{n // 3600:02}{n // 60 % 60:02}{n % 60:02}.mp4", "wb") as file:
            while left:
                file.write(block[: min(left, BLOCK)])
                left -= min(left, BLOCK)
    return dir


def sealed_station(run, station, recorder, clips):
    """A state directory in which all is sealed and nothing sent; and the memory of a daemon that has nothing to do."""
    state = run.work / "sealed"
    with station(state) as box:
        box.until_ready()
        with box.docked(recorder):
            box.until_sealed(clips)
            box.until_probed(clips)
    with station(run.work / "idle") as box:
        box.until_ready()
        idle_mib = status_mib(box.process.pid, "VmRSS")
    return state, idle_mib


def ours(run, station, sealed, clips, server, n):
    """Start of the daemon to the last proof: wall, CPU, memory, requests."""
    bucket, state = f"ours-{n}", run.work / f"state-{n}"
    server.make(bucket)
    twin(sealed, state)
    before = getattr(server, "requests", 0)
    box = station(state, server.endpoint, bucket)
    settle(state)
    began = time.monotonic()
    with box:
        box.until_proven(clips)
        told = time.monotonic() - began, box.cpu(), box.peak_mib(), getattr(server, "requests", 0) - before
    shutil.rmtree(state)
    server.drop(bucket)
    return told


def theirs(run, recorder, server, n):
    """Every peer once: by name wall, CPU, memory, requests."""
    told = {}
    for name, copy in PEERS.items():
        bucket = f"{name}-{n}"
        server.make(bucket)
        settle(recorder)
        before = getattr(server, "requests", 0)
        told[name] = (*copy(server.endpoint, recorder, bucket), getattr(server, "requests", 0) - before)
        server.drop(bucket)
    return told


def group(name, short, to_sink):
    """A group of figures: `short` files or long ones, to the sink or to the real server."""

    def measure(run):
        count, size = (max(8, round(run.gib * 1000)), 1 << 20) if short else (8, round(run.gib * (1 << 30)) // 8)
        recorder = footage(run.work / "recorder", count, size)
        gb = count * size / 1e9
        sealed, idle_mib = sealed_station(run, run.station, recorder, count)
        server = run.stack.enter_context(Sink() if to_sink else Server(run.work / "server"))
        wall, cpu, memory, requests = [], [], [], []
        for n in range(run.pairs):
            sides = [lambda: ours(run, run.station, sealed, count, server, n), lambda: theirs(run, recorder, server, n)]
            order = (0, 1) if n % 2 == 0 else (1, 0)
            done = {side: sides[side]() for side in order}
            mine, peers = done[0], done[1]
            wall.append((mine[0], min(peer[0] for peer in peers.values())))
            cpu.append((mine[1], peers["s5cmd"][1]))
            memory.append((mine[2] - idle_mib, peers["s5cmd"][2]))
            requests.append((mine[3] / gb, peers["s5cmd"][3] / gb))
            say(f"  pair {n + 1}: ours {mine}, " + ", ".join(f"{peer} {figures}" for peer, figures in peers.items()))
        told = {f"{name}_wall": wall, f"{name}_cpu": cpu, f"{name}_memory": memory}
        return {**told, f"{name}_requests": requests} if to_sink else told

    return measure


def thin(run):
    """Over 20 Mbit/s with 100 ms, where connections drop: time, and parts that went up twice for each drop."""
    size = max(4 * PART_BYTES, round(run.gib * (1 << 30)) // 32)
    recorder = footage(run.work / "recorder", 1, size)
    sealed, _ = sealed_station(run, run.station, recorder, 1)
    server = run.stack.enter_context(Sink())
    wall, again = [], []

    def over_a_line(seed, send):
        with ThinLine(server.server_address[1], seed=seed) as line:
            seconds = send(line.endpoint)
            return seconds, max(0, line.up_bytes - size) / PART_BYTES, line.resets

    def mine(endpoint):
        state = run.work / f"state-{n}"
        twin(sealed, state)
        began = time.monotonic()
        with run.station(state, endpoint, f"ours-{n}") as box:
            box.until_proven(1)
        seconds = time.monotonic() - began
        shutil.rmtree(state)
        return seconds

    for n in range(run.pairs):
        seconds, twice, resets = over_a_line(n, mine)
        peers = {}
        for name, copy in PEERS.items():
            try:
                peers[name] = over_a_line(n, lambda end: copy(end, recorder, f"{name}-{n}")[0])
            except Failed as gave_up:
                # On a line like this some do; it is slower than whoever arrived.
                say(f"  pair {n + 1}: {gave_up}")
        wall.append((seconds, min((peer[0] for peer in peers.values()), default=None)))
        again.append((twice / max(resets, 1), min((peer[1] / max(peer[2], 1) for peer in peers.values()), default=None)))
        say(f"  pair {n + 1}: ours {seconds:.1f} s, {twice:.2f} parts twice, {resets} resets; {peers}")
    return {"thin_wall": wall, "thin_again": again}


def overlap(run):
    """Dock to proven beside the slower of its two halves, measured alone: copying, and sending what was sealed."""
    count, size = 8, round(run.gib * (1 << 30)) // 8
    recorder = footage(run.work / "recorder", count, size)
    server = run.stack.enter_context(Server(run.work / "server"))
    runs = []
    for n in range(run.pairs):
        alone, both = run.work / f"alone-{n}", run.work / f"both-{n}"
        settle(recorder)
        with run.station(alone) as box:
            box.until_ready()
            with box.docked(recorder):
                box.until_sealed(count)
                copying = box.intake_seconds()
                box.until_probed(count)
        server.make(f"alone-{n}")
        settle(alone)
        with run.station(alone, server.endpoint, f"alone-{n}") as box:
            box.until_proven(count)
            first, last = box.one("SELECT (SELECT min(begun_ms) FROM (SELECT wall_ms AS begun_ms FROM log_entry WHERE kind = 'delivery.begun')), max(proven_ms) FROM delivery")
            sending = (last - first) / 1000
        server.make(f"both-{n}")
        settle(recorder)
        with run.station(both, server.endpoint, f"both-{n}") as box:
            box.until_ready()
            with box.docked(recorder):
                box.until_proven(count)
                first, last = box.one("SELECT (SELECT min(created_ms) FROM clip), max(proven_ms) FROM delivery")
        runs.append(((last - first) / 1000, max(copying, sending)))
        say(f"  run {n + 1}: copying {copying:.2f} s, sending {sending:.2f} s, both at once {runs[-1][0]:.2f} s")
        for state in (alone, both):
            shutil.rmtree(state)
        server.drop(f"alone-{n}")
        server.drop(f"both-{n}")
    return {"overlap_wall": runs}


GROUPS = {
    "long": group("long", False, False),
    "short": group("short", True, False),
    "long_sink": group("long_sink", False, True),
    "short_sink": group("short_sink", True, True),
    "thin": thin,
    "overlap": overlap,
}
