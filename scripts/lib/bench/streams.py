"""Live recording beside ffmpeg: eight viewers of one camera for a while, CPU and memory of whoever records.

The camera is the tests' own (GStreamer's RTSP server), sends footage that nobody here made, and counts for neither side.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time

from station import ROOT, TOOLS, descendants, pss_mib, stat

STREAMS = 8
# Long enough that starting and stopping weigh nothing; both sides are measured between.
SECONDS = 20
CAMERA = ROOT / "tests" / "support" / "camera.py"


def footage(run):
    """A few minutes of 1080p, so that the camera does not end before the measurement."""
    path = run.work / "footage.mp4"
    source = TOOLS / "footage" / "bunny-1080p.mp4"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-stream_loop", "7", "-i", str(source), "-an", "-c", "copy"]
    subprocess.run([*command, str(path)], check=True)
    return path


@contextlib.contextmanager
def camera(path):
    """Gives its port."""
    command = ["/usr/bin/python3", str(CAMERA), "--footage", str(path), "1080p"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            yield int(server.stdout.readline().split()[1])
        finally:
            server.kill()


def config(port):
    stream = '[[stream]]\nname = "room-{n}"\nurl = "rtsp://127.0.0.1:{port}/1080p"\nmode = "always"\n'
    return "".join(stream.format(n=n, port=port) for n in range(STREAMS))


def watched(pids):
    """CPU seconds for each second of SECONDS, and MiB at the end, of these processes together. Of memory that several
    processes map (the program, its libraries) each has its share, so that nothing is counted twice."""
    before, began = sum(map(stat, pids)), time.monotonic()
    time.sleep(SECONDS)
    spent, lasted = sum(map(stat, pids)) - before, time.monotonic() - began
    return spent / lasted, sum(map(pss_mib, pids))


def streams(run, station, new_state):
    """`station` and `new_state` as the other groups use them."""
    path = footage(run)

    def ours(n):
        state = new_state(run, run.work / f"state-{n}")
        with camera(path) as port:
            box = station(state)
            with open(box.config, "a", encoding="utf-8") as file:
                file.write(config(port))
            with box:
                query = "SELECT count(*) FROM segment WHERE length_ms >= 3000"
                box.until("eight recorded streams", lambda: box.one(query) == (STREAMS,))
                figures = watched([box.process.pid, *descendants(box.process.pid)])
        shutil.rmtree(state)
        return figures

    def peer(n):
        out = run.work / f"peer-{n}"
        out.mkdir()
        with contextlib.ExitStack() as stack:
            port = stack.enter_context(camera(path))
            url = f"rtsp://127.0.0.1:{port}/1080p"
            command = ["ffmpeg", "-nostdin", "-v", "quiet", "-rtsp_transport", "tcp", "-i", url, "-c", "copy"]
            command += ["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-flush_packets", "1"]
            running = [subprocess.Popen([*command, str(out / f"{s}.mp4")]) for s in range(STREAMS)]
            for process in running:
                stack.callback(process.wait)
                stack.callback(lambda pid=process.pid: os.kill(pid, signal.SIGKILL))
            while any(not (out / f"{s}.mp4").exists() or (out / f"{s}.mp4").stat().st_size < 1 << 20 for s in range(STREAMS)):
                time.sleep(0.05)
            figures = watched([process.pid for process in running])
        shutil.rmtree(out)
        return figures

    pairs = run.in_pairs(ours, peer)
    return {
        "streams_cpu": [(mine[0], theirs[0]) for mine, theirs in pairs],
        "streams_memory": [(mine[1], theirs[1]) for mine, theirs in pairs],
    }
