"""The page: how soon it paints and what it weighs, what viewers cost, how soon a place in a long clip plays, and paging over
a list of a million clips.

A browser (Debian's Chromium, by page.mjs) measures what a person waits for; viewers are plain connections that do what the
page's script does: listen, and fetch the live part when something changed.
"""

import contextlib
import http.client
import json
import os
import selectors
import shutil
import socket
import sqlite3
import statistics
import subprocess
import threading
import time
import urllib.request

from station import ROOT, TOOLS, say, settle, stat

VIEWERS = 200
# Clips in the long list.
CLIPS = 1_000_000
# Bytes of the clip in which places are looked for.
LONG_BYTES = 4_000_000_000
SEEKS = 12


def address(box):
    box.until("its page's address", lambda: "page=" in (box.state / "daemon.log").read_text(errors="replace"))
    said = (box.state / "daemon.log").read_text(errors="replace").rpartition("page=")[2]
    return said.lstrip('"').split('"')[0].split()[0].rstrip("/")


def browse(*words):
    """Runs page.mjs; gives what it tells."""
    command = ["node", str(ROOT / "scripts/lib/bench/page.mjs"), *map(str, words)]
    env = {**os.environ, "EVIDOCK_TOOLS": str(TOOLS)}
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=env).stdout)


class Viewers(threading.Thread):
    """Open pages: each listens to /live and fetches the live part of the station page when it is told to."""

    def __init__(self, url, count):
        super().__init__(daemon=True)
        self.host, self.port = url.rpartition("/")[2].rsplit(":", 1)
        self.count, self.over, self.fetched = count, False, 0

    def connect(self, path):
        sock = socket.create_connection((self.host, int(self.port)))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAccept-Language: zh-CN\r\n\r\n".encode())
        return sock

    def run(self):
        with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
            for _ in range(self.count):
                sock = stack.enter_context(self.connect("/live?topic=station"))
                part = stack.enter_context(contextlib.closing(http.client.HTTPConnection(self.host, int(self.port))))
                selector.register(sock, selectors.EVENT_READ, part)
            while not self.over:
                for key, _ in selector.select(0.2):
                    if b"event:" in key.fileobj.recv(65536):
                        key.data.request("GET", "/?part=live")
                        key.data.getresponse().read()
                        self.fetched += 1


def seen(run, station, new_state, make_recorder):
    """Paint and weight of the station page with a full station behind it."""
    state = new_state(run, run.work / "paint")
    recorder = make_recorder(run.work / "paint-recorder", 8, 0.01)
    with station(state) as box:
        box.until_ready()
        with box.docked(recorder):
            box.until_sealed(8)
            box.until_probed(8)
            told = browse("paint", address(box), 9)
    return told


def viewers(run, station, new_state, make_recorder):
    """Intake with nobody there and with everybody looking on: CPU of the daemon for each second, and how long it took."""
    recorder = make_recorder(run.work / "viewers-recorder", 8, run.gib)

    def take(n, count):
        state = new_state(run, run.work / f"viewers-{n}-{count}")
        settle(recorder)
        with station(state) as box:
            box.until_ready()
            crowd = Viewers(address(box), count)
            crowd.start()
            if count:
                time.sleep(2)
            before = box.cpu()
            with box.docked(recorder):
                box.until_sealed(8)
                wall, cpu = box.intake_seconds(), box.cpu() - before
            crowd.over = True
            crowd.join()
        shutil.rmtree(state)
        say(f"  {count} viewers: {wall:.2f} s, {cpu:.2f} cpu s, {crowd.fetched} parts fetched")
        return wall, cpu

    pairs = []
    for n in range(run.pairs):
        alone, watched = take(n, 0), take(n, VIEWERS)
        pairs.append((100 * max(0.0, watched[1] - alone[1]) / watched[0], watched[0], alone[0]))
    # And with nothing to look at.
    state = new_state(run, run.work / "idle-viewers")
    with station(state) as box:
        box.until_ready()
        crowd = Viewers(address(box), VIEWERS)
        crowd.start()
        time.sleep(3)
        before = stat(box.process.pid)
        time.sleep(10)
        idle = 100 * (stat(box.process.pid) - before) / 10
        crowd.over = True
        crowd.join()
    return pairs, idle


def seek(run, station, new_state):
    """Milliseconds from asking for a place in a long clip to its picture, the slowest of several; and the same with the file
    opened from the disk, which is what the browser itself takes."""
    below = run.work / "long-recorder" / "DCIM" / "VIDEO"
    below.mkdir(parents=True)
    # A whole picture every other second, as recorders write them: the sample has some only every ten seconds, and a browser
    # decodes from the one before the place on.
    source = run.work / "long-source.mp4"
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "6M", "-g", "48", "-sc_threshold", "0", "-c:a", "copy"]
    ffmpeg = ["ffmpeg", "-nostdin", "-v", "error"]
    subprocess.run([*ffmpeg, "-i", str(TOOLS / "footage" / "bunny-1080p.mp4"), *encode, str(source)], check=True)
    again = LONG_BYTES // source.stat().st_size
    long = below / "DSJ_0012345_130123_20260105_090000.mp4"
    subprocess.run([*ffmpeg, "-stream_loop", str(again), "-i", str(source), "-c", "copy", str(long)], check=True)
    plain = run.work / "long.html"
    plain.write_text(f'<video src="{long.as_uri()}" width="960"></video>')
    from_disk = browse("seek", plain.as_uri(), SEEKS)["seeks_ms"]
    state = new_state(run, run.work / "long")
    with station(state) as box:
        box.until_ready()
        with box.docked(run.work / "long-recorder"):
            box.until_sealed(1)
            box.until_probed(1)
            settle(state / "vault")
            (clip,) = box.one("SELECT clip_id FROM clip")
            url = f"{address(box)}/clips/{clip}"
            told = browse("seek", url, SEEKS)
            # The station's own share: a range, from asking to its first bytes, verified.
            settle(state / "vault")
            (size,) = box.one("SELECT size_bytes FROM clip")
            told["ranges_ms"] = []
            for n in range(SEEKS):
                begin = int(size * ((n * 0.618034 + 0.11) % 1))
                asked = urllib.request.Request(f"{url}/media", headers={"Range": f"bytes={begin}-{min(size, begin + 65536) - 1}"})
                began = time.monotonic()
                with urllib.request.urlopen(asked) as answer:
                    answer.read(1)
                    told["ranges_ms"].append(1000 * (time.monotonic() - began))
    told["from_disk_ms"] = from_disk
    shutil.rmtree(state)
    shutil.rmtree(run.work / "long-recorder")
    return told


def multiply(database, count):
    """Makes `count` clips of the only one that there is, through the real schema: its triggers and its constraints."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA synchronous = OFF")
        (clip,) = db.execute("SELECT clip_id FROM clip").fetchone()
        db.execute(f"CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n")
        # Half a minute apart, back into the past.
        id = "printf('019a%04x-%04x-7%03x-8000-%012x', i / 65536, i % 65536, i % 4096, i)"
        given = {
            "clip_id": id,
            "path": "CAST(printf('DCIM/VIDEO/DSJ_0012345_130123_%08d.mp4', i) AS BLOB)",
            "sealed_ms": "sealed_ms - i * 30000",
            "created_ms": "created_ms - i * 30000",
            "captured_start_ms": "captured_start_ms - i * 30000",
            "proven_ms": "sent_ms",
            # Their files are elsewhere: only the list is looked at.
            "local": "'evicted'",
            "evict_seq": "NULL",
            "record_stale": "0",
            "record_rev": "1",
            "fact_id": "NULL",
        }
        of_delivery = {"clip_id": id, "state": "'proven'", "sent_ms": "1", "proven_ms": "1", "proof": "'remote_checksum'"}
        for table in ("clip", "media", "clip_index", "fact", "delivery"):
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            values = {**given, "state": "'proven'"} if table == "clip" else of_delivery if table == "delivery" else given
            told = ", ".join(values.get(column, column) for column in columns)
            db.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {told} FROM {table}, n WHERE clip_id = ?", [clip])
        db.commit()
        db.execute("ANALYZE")
        db.commit()


def paging(run, station, new_state, make_recorder):
    """The slowest page of many, all over the list, milliseconds; that no clip comes twice or is left out; and the pages of
    the browser."""
    state = new_state(run, run.work / "many")
    recorder = make_recorder(run.work / "many-recorder", 1, 0)
    with station(state) as box:
        box.until_ready()
        with box.docked(recorder):
            box.until_sealed(1)
            box.until_probed(1)
            box.until("a record", lambda: box.one("SELECT count(*) FROM clip_index WHERE captured_start_ms IS NOT NULL") == (1,))
    began = time.monotonic()
    multiply(state / "evidock.db", CLIPS - 1)
    say(f"  {CLIPS} clips written in {time.monotonic() - began:.0f} s")
    with station(state) as box:
        box.until_ready()
        url = address(box)

        def page(query):
            began = time.monotonic()
            with urllib.request.urlopen(f"{url}/api/v1/clips?limit=50&{query}") as answer:
                told = json.load(answer)
            return told, 1000 * (time.monotonic() - began)

        page("")
        slowest, ids, after, total = 0.0, [], "", None
        for _ in range(50):
            told, ms = page(after)
            slowest, total = max(slowest, ms), told["total"]
            ids += [clip["record_id"] for clip in told["items"]]
            after = "after=" + urllib.request.quote(told["next"])
        assert len(set(ids)) == len(ids) == 50 * 50 and ids == sorted(ids, reverse=True), "a clip comes twice, or in another order"
        assert total in (None, CLIPS), total
        # Deep in the list: by a day long ago, and to the very end.
        days = CLIPS * 30 // 86400
        for back in (days // 2, days - 1):
            (last_ms,) = box.one("SELECT max(captured_start_ms) FROM clip_index")
            day = time.strftime("%Y-%m-%d", time.gmtime(last_ms / 1000 - back * 86400))
            after = ""
            for _ in range(10):
                told, ms = page(f"to={day}&{after}")
                slowest = max(slowest, ms)
                if not told["next"]:
                    break
                after = "after=" + urllib.request.quote(told["next"])
        shown = browse("list", f"{url}/clips", 12)
    shutil.rmtree(state)
    return slowest, shown["slowest_ms"]


def page(run, station, new_state, make_recorder):
    """`station`, `new_state` and `make_recorder` as the other groups use them."""
    told = seen(run, station, new_state, make_recorder)
    pairs, idle = viewers(run, station, new_state, make_recorder)
    places = seek(run, station, new_state)
    slowest, list_ms = paging(run, station, new_state, make_recorder)
    say(f"  seeks: {' '.join(f'{ms:.0f}' for ms in places['seeks_ms'])} ms; median {statistics.median(places['seeks_ms']):.0f}")
    return {
        "page_paint": [(ms, None) for ms in told["paints_ms"]],
        "page_wire": [(told["wire_bytes"] / 1000, None)],
        "page_viewers": [(cost, None) for cost, _, _ in pairs],
        "page_viewers_idle": [(idle, None)],
        "page_intake": [(watched, alone) for _, watched, alone in pairs],
        "page_seek": [(max(places["seeks_ms"]), max(places["from_disk_ms"]))],
        "page_range": [(max(places["ranges_ms"]), None)],
        "page_paging": [(slowest, None)],
        "page_list": [(list_ms, None)],
    }
