"""Pulling a recorder in the network, beside a bare GStreamer pipeline that plays the same footage from the same server.

The recorder is the tests' own (GStreamer's RTSP server with ONVIF replay, as fast as the connection allows); what it is and
lists is told by the few answers below, which count for neither side.
"""

import contextlib
import http.server
import pathlib
import re
import shutil
import subprocess
import threading
import time

from station import EVIDOCK, ROOT, TOOLS

RECORDER = ROOT / "tests" / "support" / "recorder.py"
# 2026-06-19T10:00:00Z.
BEGIN_MS = 1_781_863_200_000
ENVELOPE = (
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><{0}Response>{1}</{0}Response></s:Body></s:Envelope>'
)


def footage(run):
    """About as much as was asked for, of footage that nobody here made; and how long it is, milliseconds."""
    path = run.work / "footage.mp4"
    source = TOOLS / "footage" / "bunny-1080p.mp4"
    again = max(0, round(run.gib * (1 << 30) / source.stat().st_size) - 1)
    command = ["ffmpeg", "-nostdin", "-v", "error", "-stream_loop", str(again), "-i", str(source), "-an", "-c", "copy"]
    subprocess.run([*command, str(path)], check=True)
    probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(path)]
    return path, round(float(subprocess.run(probe, check=True, stdout=subprocess.PIPE, text=True).stdout) * 1000)


@contextlib.contextmanager
def recorder(path):
    """Gives its port."""
    command = ["/usr/bin/python3", str(RECORDER), "--mute", "--begin", str(BEGIN_MS), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            yield int(server.stdout.readline().split()[1])
        finally:
            server.kill()


def stamp(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"


def answers(port, length_ms):
    """What an ONVIF recorder says, by the name of the question."""
    information = (
        "<RecordingInformation><RecordingToken>R</RecordingToken>"
        f"<EarliestRecording>{stamp(BEGIN_MS)}</EarliestRecording><LatestRecording>{stamp(BEGIN_MS + length_ms)}</LatestRecording>"
        "<RecordingStatus>Stopped</RecordingStatus></RecordingInformation>"
    )
    services = "".join(
        f"<Service><Namespace>http://www.onvif.org/ver10/{name}/wsdl</Namespace><XAddr>http://x/{name}</XAddr></Service>"
        for name in ("search", "replay")
    )
    return {
        "GetSystemDateAndTime": "",
        "GetDeviceInformation": "<SerialNumber>BENCH-0001</SerialNumber>",
        "GetServices": services,
        "FindRecordings": "<SearchToken>1</SearchToken>",
        "GetRecordingSearchResults": f"<ResultList><SearchState>Completed</SearchState>{information}</ResultList>",
        "EndSearch": "",
        "GetReplayUri": f"<Uri>rtsp://x:{port}/replay</Uri>",
    }


@contextlib.contextmanager
def device(port, length_ms):
    """Gives the address of its device service."""
    known = answers(port, length_ms)

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
            name = re.search(r"<s:Body><\w+:(\w+)", asked).group(1)
            body = ENVELOPE.format(name, known[name]).encode() if name in known else b""
            self.send_response(200 if body else 500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/device"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def config(url):
    return f'[[network_recorder]]\nname = "wifi-1"\nurl = "{url}"\nevery_s = 1\nsegment_minutes = 240\n'


def replay(run, station, new_state):
    """`station` and `new_state` as the other groups use them."""
    path, length_ms = footage(run)

    def ours(n):
        state = new_state(run, run.work / f"state-{n}")
        with recorder(path) as port, device(port, length_ms) as url:
            box = station(state)
            with open(box.config, "a", encoding="utf-8") as file:
                file.write(config(url))
            with box:
                box.until_ready()
                command = [EVIDOCK, "--config", box.config, "--state", state, "recorders", "approve", "net:BENCH-0001"]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                box.until("a pulled recording", lambda: box.one("SELECT count(*) FROM listed WHERE state = 'whole'") == (1,))
                (wall_ms,) = box.one("SELECT max(sealed_ms) - min(created_ms) FROM clip")
                figures = wall_ms / 1000, box.cpu()
        shutil.rmtree(state)
        return figures

    def peer(n):
        out = pathlib.Path(run.work / f"peer-{n}.mp4")
        with recorder(path) as port:
            source = f"rtspsrc location=rtsp://127.0.0.1:{port}/replay protocols=tcp latency=0 buffer-mode=none"
            chain = "onvif-mode=true onvif-rate-control=false ! rtph264depay ! h264parse ! mp4mux ! filesink"
            command = ["gst-launch-1.0", "-q", *source.split(), *chain.split(), f"location={out}"]
            began = time.monotonic()
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
                process.wait()
                wall = time.monotonic() - began
        if out.stat().st_size < path.stat().st_size * 0.9:
            raise RuntimeError("the peer did not fetch all of it")
        out.unlink()
        return (wall,)

    pairs = run.in_pairs(ours, peer)
    return {
        "replay_wall": [(mine[0], theirs[0]) for mine, theirs in pairs],
        "replay_cpu": [(mine[1], None) for mine, _ in pairs],
    }
