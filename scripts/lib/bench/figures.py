"""The figures: which there are, their targets, and how each group of them is measured.

A new figure is a row of FIGURES; a new way to measure is a function of GROUPS that gives, for each figure of
its group, the list of its pairs (ours, peer).
"""

import contextlib
import dataclasses
import datetime as dt
import pathlib
import shutil
import subprocess
import time
import typing

import casework
import cloud
import custody
import page
import replay
import streams
from peers import ACCESS_KEY, NOWHERE, SECRET_KEY, Server, copies, timed
from station import EVIDOCK, ROOT, TOOLS, Station, files, say, settle, twin


@dataclasses.dataclass(frozen=True)
class Figure:
    name: str
    group: str
    unit: str
    about: str
    peer: str = ""
    target: typing.Optional[float] = None
    # What the target bounds: the ratio to the peer, or our own value.
    target_is: str = "ratio"


COPY = "cp + sync + dd iflag=direct"
B3SUM = "cp + sync + b3sum"
RCLONE = "rclone 1.75, same server"
GST = "gst-launch-1.0, same server"
FFMPEG = "8 x ffmpeg -c copy, same camera"
RAW = "dd iflag=direct bs=1M of the same range"
BEST = "the faster of rclone and s5cmd"
S5 = "s5cmd 2.3"
HALVES = "the slower of copying and sending, each alone"


def of_cloud(group, files, place, wall):
    """The figures of one group of uploads."""
    told = [
        Figure(f"{group}_wall", group, "s", f"start of the daemon to the last proof, {files}, {place}", BEST, wall),
        Figure(f"{group}_cpu", group, "cpu s", "CPU of daemon and children for that", S5, 0.4),
        Figure(f"{group}_memory", group, "MiB", "largest memory above that of an idle daemon", S5, 32, "ours"),
    ]
    if place == "sink":
        told.append(Figure(f"{group}_requests", group, "1/GB", "requests for each GB", S5))
    return told

FIGURES = [
    Figure("intake_wall", "intake", "s", "first byte to last seal of 4 files, stillness not counted", COPY, 1.15),
    Figure("intake_b3sum_wall", "intake", "s", "the same against tools that hash", B3SUM),
    Figure("intake_cpu", "intake", "cpu s", "CPU of daemon and children, dock to last seal", B3SUM),
    Figure("usb_read", "usb", "s", "one file of a card's image through the reader, as the daemon reads it", RAW, 1.1),
    Figure("upload_wall", "upload", "s", "start of the daemon to the last proof, 8 files", RCLONE, 1.0),
    Figure("upload_cpu", "upload", "cpu s", "CPU of daemon and children for that", RCLONE, 0.5),
    Figure("upload_memory", "upload", "MiB", "largest resident memory of the daemon meanwhile", RCLONE, 100, "ours"),
    Figure("streams_cpu", "streams", "cores", "CPU of daemon and workers while 8 streams of 1080p are recorded", FFMPEG, 1.0),
    Figure("streams_memory", "streams", "MiB", "memory of all of them, each with its share of what is mapped by several", FFMPEG, 200, "ours"),
    # No less than 0.9 of the rate that the peer gets.
    Figure("replay_wall", "replay", "s", "first byte to last seal of one recording, rate control off", GST, 1.11),
    Figure("replay_cpu", "replay", "cpu s", "CPU of daemon and children for that, looks included"),
    Figure("dock_to_proven_wall", "path", "s", "first byte to last proof, 8 files, all at once"),
    Figure("dock_to_proven_cpu", "path", "s/GiB", "CPU of daemon and children for each GiB, dock to last proof"),
    Figure("memory_peak", "path", "MiB", "largest resident memory of the daemon meanwhile", target=100, target_is="ours"),
    Figure("children_peak", "path", "MiB", "largest resident memory of one child process meanwhile"),
    Figure("log_append", "custody", "us", "an event of the log, appended in batches of 1,000", target=30, target_is="ours"),
    Figure("log_proof", "custody", "ms", "the slowest of 1,000 proofs of single events of the long log", target=5, target_is="ours"),
    Figure("log_start", "custody", "MiB", "what a start of the daemon reads more with the long log than with an empty one", target=16, target_is="ours"),
    Figure("log_share", "custody", "%", "what the events of intake add, of intake's time", target=5, target_is="ours"),
    # No less than 0.8 of the rate that the peer gets.
    Figure("export_wall", "custody", "s", "an evidence package of 4 clips", "cp -r of the same files, then sync", 1.25),
    Figure("case_find_store", "casework", "ms", "a case and its clips in the store, p99", target=10, target_is="ours"),
    Figure("case_find_growth", "casework", "ms", "the same, against a hundredth of the clips", "a hundredth of the clips", 2.0),
    Figure("case_find_http", "casework", "ms", "a case with its records over HTTP, p99", target=30, target_is="ours"),
    Figure("case_half_http", "casework", "ms", "cases of half a number over HTTP, p99"),
    Figure("search_http", "casework", "ms", "clips by place and day, party, matter or name over HTTP, p99"),
    Figure("triage_page", "casework", "ms", "the page of what waits, p99", target=100, target_is="ours"),
    Figure("clips_page", "casework", "ms", "the first page of all clips, p99"),
    Figure("station_page", "casework", "ms", "the station page, p99"),
    Figure("keeping_page", "casework", "ms", "the page of what is due for disposal, p99"),
    Figure("daily_page", "casework", "ms", "the page of 日常检查, to which half of the clips are linked, p99"),
    Figure("rules_try", "casework", "s", "what the rules would do to 100,000 clips", target=10, target_is="ours"),
    Figure("roster_import", "casework", "s", "a roster of 10,000 rows", target=5, target_is="ours"),
    Figure("page_paint", "page", "ms", "first paint of the station page, never seen before", target=150, target_is="ours"),
    Figure("page_wire", "page", "kB", "the station page on the wire, everything it loads", target=120, target_is="ours"),
    Figure("page_viewers", "page", "%", "of one core, for 200 open pages during intake", target=10, target_is="ours"),
    Figure("page_viewers_idle", "page", "%", "of one core, daemon and 200 open pages, nothing going on", target=10, target_is="ours"),
    Figure("page_intake", "page", "s", "intake of 8 files with 200 open pages", "the same with none", 1.05),
    Figure("page_seek", "page", "ms", "the slowest of 12 places in a clip of 4 GB, asked to picture", "the file from the disk", 200, "ours"),
    Figure("page_range", "page", "ms", "the slowest of 12 ranges of that clip, asked to first byte", target=100, target_is="ours"),
    Figure("page_paging", "page", "ms", "the slowest of 70 pages of 50 all over a million clips, by the API", target=200, target_is="ours"),
    Figure("page_list", "page", "ms", "the slowest of 12 pages of the list of a million clips, in the browser", target=500, target_is="ours"),
    *of_cloud("long", "8 files of an eighth of it each", "real server", 1.0),
    *of_cloud("short", "files of 1 MiB", "real server", 1.0),
    *of_cloud("long_sink", "8 files of an eighth of it each", "sink", 0.95),
    *of_cloud("short_sink", "files of 1 MiB", "sink", 0.95),
    Figure("thin_wall", "thin", "s", "a thirty-second of it over 20 Mbit/s, 100 ms, with resets", BEST, 1.05),
    Figure("thin_again", "thin", "parts", "parts that went up twice for each reset", BEST, 1, "ours"),
    Figure("overlap_wall", "overlap", "s", "first byte to last proof, 8 files, sent while they are copied", HALVES, 1.15),
]


@dataclasses.dataclass
class Run:
    """What a group gets: a directory of its own, sizes, and a stack for what must end with it."""

    work: pathlib.Path
    gib: float
    pairs: int
    events: int
    long_log: int
    clips: int
    stack: contextlib.ExitStack

    @staticmethod
    def station(state, endpoint=NOWHERE, bucket="none"):
        return Station(state, endpoint, bucket, ACCESS_KEY, SECRET_KEY)

    def __post_init__(self):
        self.work.mkdir()
        self.stack.callback(shutil.rmtree, self.work, ignore_errors=True)

    def in_pairs(self, ours, peer):
        """Runs both sides alternately, each first as often as the other; gives pairs of what they return."""
        pairs = []
        for n in range(self.pairs):
            if n % 2:
                theirs = peer(n)
                pairs.append((ours(n), theirs))
            else:
                mine = ours(n)
                pairs.append((mine, peer(n)))
            say(f"  pair {n + 1}: ours {shown(pairs[-1][0])}, peer {shown(pairs[-1][1])}")
        return pairs


def shown(numbers):
    return " ".join(f"{n:.2f}" if isinstance(n, float) else shown(n) for n in numbers)


def make_recorder(dir, count, gib):
    """Recorder files with footage that plays: one clip repeated, under names of the profile "dsj"."""
    source = TOOLS / "footage" / "bunny-1080p.mp4"
    again = max(0, round(gib * (1 << 30) / count / source.stat().st_size) - 1)
    start = dt.datetime(2026, 1, 5, 9)
    (dir / "DCIM" / "VIDEO").mkdir(parents=True)
    for n in range(count):
        name = f"DSJ_0012345_130123_{start + dt.timedelta(hours=n):%Y%m%d_%H%M%S}.mp4"
        command = ["ffmpeg", "-nostdin", "-v", "error", "-stream_loop", str(again), "-i", str(source), "-c", "copy"]
        # The header goes first, so that files differ from their first bytes on.
        command += ["-metadata", f"comment=evidock bench {n}", "-movflags", "+faststart"]
        subprocess.run([*command, str(dir / "DCIM" / "VIDEO" / name)], check=True)
    return dir


station = Run.station


def new_state(run, state):
    """A state directory as it is after the first start: GStreamer has looked through its plug-ins, which takes it
    seconds, once in the life of a station."""
    registry = run.work / "gstreamer-registry.bin"
    if not registry.exists():
        recorder = make_recorder(run.work / "first-recorder", 1, 0)
        with station(run.work / "first-state") as box:
            box.until_ready()
            with box.docked(recorder):
                box.until_probed(1)
        shutil.copy(run.work / "first-state" / registry.name, registry)
    state.mkdir()
    shutil.copy(registry, state)
    return state


def intake(run):
    recorder, clips = make_recorder(run.work / "recorder", 4, run.gib), 4

    def ours(n):
        state = new_state(run, run.work / f"state-{n}")
        box = station(state)
        settle(recorder)
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, state)
            stack.enter_context(box)
            box.until_ready()
            before = box.cpu()
            with box.docked(recorder):
                box.until_sealed(clips)
                return box.intake_seconds(), box.cpu() - before

    pairs = run.in_pairs(ours, lambda n: copies(recorder, run.work / "copy"))
    return {
        "intake_wall": [(ours[0], plain[0]) for ours, (plain, _) in pairs],
        "intake_b3sum_wall": [(ours[0], hashed[0]) for ours, (_, hashed) in pairs],
        "intake_cpu": [(ours[1], hashed[1]) for ours, (_, hashed) in pairs],
    }


def usb(run):
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--example", "card"], cwd=ROOT, check=True)
    card, image = EVIDOCK.parent / "examples" / "card", run.work / "card.img"
    subprocess.run([card, "make", image, str(round(run.gib * (1 << 30)) >> 20 << 20)], check=True)

    def read():
        settle(run.work)
        told = subprocess.run([card, "read", image, EVIDOCK], check=True, stdout=subprocess.PIPE, text=True).stdout
        return told.split()

    offset, size, _ = read()

    def peer(_):
        settle(run.work)
        where = ["iflag=direct,skip_bytes,count_bytes", f"skip={offset}", f"count={size}"]
        return timed("dd", f"if={image}", "of=/dev/null", "bs=1M", "status=none", *where)[:1]

    pairs = run.in_pairs(lambda _: [float(read()[2])], peer)
    return {"usb_read": [(ours[0], theirs[0]) for ours, theirs in pairs]}


def upload(run):
    recorder, clips = make_recorder(run.work / "recorder", 8, run.gib), 8
    sealed = run.work / "sealed"
    with station(sealed) as box:
        box.until_ready()
        with box.docked(recorder):
            box.until_sealed(clips)
            box.until_probed(clips)
    server = run.stack.enter_context(Server(run.work / "server"))

    def ours(n):
        bucket, state = f"ours-{n}", run.work / f"state-{n}"
        server.make(bucket)
        twin(sealed, state)
        box = station(state, server.endpoint, bucket)
        settle(state)
        began = time.monotonic()
        with box:
            box.until_proven(clips)
            figures = time.monotonic() - began, box.cpu(), box.peak_mib()
        shutil.rmtree(state)
        server.drop(bucket)
        return figures

    def peer(n):
        bucket = f"peer-{n}"
        server.make(bucket)
        settle(recorder)
        figures = server.copy(recorder, bucket)
        server.drop(bucket)
        return figures

    pairs = run.in_pairs(ours, peer)
    names = ["upload_wall", "upload_cpu", "upload_memory"]
    return {name: [(mine[i], theirs[i]) for mine, theirs in pairs] for i, name in enumerate(names)}


def path(run):
    recorder, clips = make_recorder(run.work / "recorder", 8, run.gib), 8
    gib = sum(file.stat().st_size for file in files(recorder)) / (1 << 30)
    server = run.stack.enter_context(Server(run.work / "server"))
    runs = []
    for n in range(run.pairs):
        bucket, state = f"path-{n}", new_state(run, run.work / f"state-{n}")
        server.make(bucket)
        box = station(state, server.endpoint, bucket)
        settle(recorder)
        with box:
            box.until_ready()
            before = box.cpu()
            with box.docked(recorder):
                box.until_proven(clips)
                box.until_probed(clips)
                (wall_ms,) = box.one("SELECT (SELECT max(proven_ms) FROM delivery) - (SELECT min(created_ms) FROM clip)")
                runs.append((wall_ms / 1000, (box.cpu() - before) / gib, box.peak_mib(), box.children_mib))
        shutil.rmtree(state)
        server.drop(bucket)
        say(f"  run {n + 1}: {shown(runs[-1])}")
    names = ["dock_to_proven_wall", "dock_to_proven_cpu", "memory_peak", "children_peak"]
    return {name: [(run[i], None) for run in runs] for i, name in enumerate(names)}


def live(run):
    return streams.streams(run, station, new_state)


def pulled(run):
    return replay.replay(run, station, new_state)


def cases(run):
    return casework.casework(run, station, new_state, make_recorder)


def log_and_package(run):
    return {**custody.log(run, station), **custody.package(run, station, new_state, make_recorder)}


def looked_at(run):
    return page.page(run, station, new_state, make_recorder)


GROUPS = {
    "page": looked_at,
    "custody": log_and_package,
    "casework": cases,
    "intake": intake,
    "usb": usb,
    "upload": upload,
    "path": path,
    "streams": live,
    "replay": pulled,
    **cloud.GROUPS,
}
