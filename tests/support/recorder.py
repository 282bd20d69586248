#!/usr/bin/env python3
"""A recorder in the network for tests: recorded footage, replayed by GStreamer's own RTSP server (Debian's
gir1.2-gst-rtsp-server-1.0) on a free port of 127.0.0.1.

usage: recorder.py [--port N] [--user NAME:PASSWORD] [--tls CERTIFICATE KEY] [--mute] [--kind KIND] --begin MS FILE
       recorder.py --make SECONDS [--kind KIND] FILE

Serves FILE (MP4 or QuickTime with a picture and, without --mute, sound; h264-aac where no KIND is told) at /replay as an ONVIF
recorder does (`Require: onvif-replay`, clock ranges, `Rate-Control`, wall times in the RTP header extension), as if it had been
recorded from MS (milliseconds since 1970) on; and at /plain without ONVIF, by normal play time. Prints `ready PORT`. With --make
the file is made, and nothing served.
"""
import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
gi.require_version("GstRtsp", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

# Seconds from 1900-01-01 to 1970-01-01: clock ranges and wall times count from 1900.
NTP_TO_UNIX_S = 2_208_988_800
PATTERN = "zone-plate kx2=20 ky2=20 kt=1"
H264 = ("openh264enc gop-size=25 bitrate=600000 ! h264parse", "queue ! h264parse config-interval=-1 ! rtph264pay pt=96")
H265 = (
    "x265enc key-int-max=25 bitrate=400 speed-preset=ultrafast tune=zerolatency option-string=pools=none:frame-threads=1 ! h265parse",
    "queue ! h265parse config-interval=-1 ! rtph265pay pt=96",
)
AAC = (48_000, "avenc_aac ! aacparse", "queue ! aacparse ! rtpmp4gpay pt=97")
A_LAW = (8_000, "alawenc", "queue ! rtppcmapay pt=8")
U_LAW = (8_000, "mulawenc", "queue ! rtppcmupay pt=0")
# What is recorded, what it shows, and the file's form: the sound of telephones does not stand in MP4.
KINDS = {
    "h264-aac": (H264, AAC, PATTERN, "mp4mux"),
    "h264-aac-other": (H264, AAC, "ball", "mp4mux"),
    "h265-aac": (H265, AAC, PATTERN, "mp4mux"),
    "h264-alaw": (H264, A_LAW, PATTERN, "qtmux"),
    "h264-ulaw": (H264, U_LAW, PATTERN, "qtmux"),
    "h265-alaw": (H265, A_LAW, PATTERN, "qtmux"),
}


def make(path, seconds, kind):
    """Deterministic footage: 25 pictures a second, a key frame each second, ticks each second."""
    (encoder, _), (rate, sound, _), pattern, mux = KINDS[kind]
    samples = 1024 if rate > 8_000 else 160
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers={seconds * 25} pattern={pattern} ! video/x-raw,width=320,height=180,framerate=25/1"
        f" ! {encoder} ! queue ! {mux} name=m ! filesink location={path}"
        f" audiotestsrc num-buffers={seconds * rate // samples} samplesperbuffer={samples} wave=ticks ! audio/x-raw,rate={rate},channels=1"
        f" ! {sound} ! queue ! m."
    )
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(120 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message is None or message.type == Gst.MessageType.ERROR:
        sys.exit("the footage could not be made")


class Replay(GstRtspServer.RTSPOnvifMediaFactory):
    """The file on the time line of wall time."""

    def __init__(self, path, begin_ns, chains):
        super().__init__()
        self.path, self.begin_ns, self.chains = path, begin_ns, chains
        self.set_media_gtype(GstRtspServer.RTSPOnvifMedia.__gtype__)
        self.set_replay_support(True)

    def do_create_element(self, _url):
        top = Gst.Bin.new(None)
        source, demux = Gst.ElementFactory.make("filesrc"), Gst.ElementFactory.make("qtdemux")
        source.set_property("location", self.path)
        top.add(source)
        top.add(demux)
        source.link(demux)
        lanes, floor = {}, [0]
        for n, (kind, chain) in enumerate(self.chains):
            stamp = f"rtponviftimestamp set-t-bit=true set-e-bit=true drop-out-of-segment=true ntp-offset={self.begin_ns}"
            lane = Gst.parse_bin_from_description(f"{chain} ! {stamp} ! queue", True)
            lane.set_name(f"pay{n}")
            top.add(lane)
            sink = lane.get_static_pad("sink")
            sink.add_probe(Gst.PadProbeType.EVENT_UPSTREAM, self.seek, floor)
            sink.add_probe(Gst.PadProbeType.BUFFER, self.keep, floor)
            lanes[kind] = sink

        def added(_demux, pad):
            sink = lanes.get(pad.get_name().split("_")[0])
            if sink is not None and not sink.is_linked():
                pad.link(sink)

        demux.connect("pad-added", added)
        return top

    @staticmethod
    def keep(_pad, info, floor):
        """Sound from before the picture has no place on the time line, and the extension's element fails over it."""
        early = info.get_buffer().pts < floor[0]
        return Gst.PadProbeReturn.DROP if early else Gst.PadProbeReturn.OK

    def seek(self, pad, info, floor):
        """Wall time becomes time of the file, from the key frame before: there is one each second."""
        event = info.get_event()
        if event.type != Gst.EventType.SEEK:
            return Gst.PadProbeReturn.OK
        rate, form, _, start_type, start, stop_type, stop = event.parse_seek()
        if start < self.begin_ns:
            return Gst.PadProbeReturn.OK
        if stop_type == Gst.SeekType.SET and stop > self.begin_ns:
            stop -= self.begin_ns
        floor[0] = (start - self.begin_ns) // Gst.SECOND * Gst.SECOND
        flags = Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE
        moved = Gst.Event.new_seek(rate, form, flags, start_type, floor[0], stop_type, stop)
        moved.set_seqnum(event.get_seqnum())
        pad.get_peer().send_event(moved)
        return Gst.PadProbeReturn.DROP


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--user")
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--mute", action="store_true")
    parser.add_argument("--kind", default="h264-aac", choices=sorted(KINDS))
    parser.add_argument("--begin", type=int, default=0)
    parser.add_argument("--make", type=int, default=0)
    parser.add_argument("file")
    args = parser.parse_args()
    Gst.init(None)
    if args.make:
        make(args.file, args.make, args.kind)
        return 0
    server = GstRtspServer.RTSPOnvifServer()
    server.set_address("127.0.0.1")
    server.set_service(args.port)
    begin_ns = args.begin * 1_000_000 + NTP_TO_UNIX_S * Gst.SECOND
    plain = GstRtspServer.RTSPMediaFactory()
    (_, picture), (_, _, sound), _, _ = KINDS[args.kind]
    plain.set_launch(f"( filesrc location={args.file} ! qtdemux ! {picture} name=pay0 )")
    chains = [("video", picture)] + [("audio", sound)] * (not args.mute)
    factories = {"/replay": Replay(args.file, begin_ns, chains), "/plain": plain}
    auth = None
    viewer = GstRtspServer.RTSPToken()
    viewer.set_string("media.factory.role", "viewer")
    if args.user or args.tls:
        auth = GstRtspServer.RTSPAuth()
        server.set_auth(auth)
    if args.tls:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*args.tls))
        if not args.user:
            auth.set_default_token(viewer)
    if args.user:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(*args.user.split(":", 1), viewer)
    for path, factory in factories.items():
        # Each who asks gets a player of his own, from whatever time he asks for.
        factory.set_shared(False)
        if auth:
            rights = GstRtspServer.RTSPPermissions()
            rights.add_permission_for_role("viewer", "media.factory.access", True)
            rights.add_permission_for_role("viewer", "media.factory.construct", True)
            factory.set_permissions(rights)
        server.get_mount_points().add_factory(path, factory)
    if server.attach(None) == 0:
        print("the port cannot be had", file=sys.stderr)
        return 1
    print(f"ready {server.get_bound_port()}", flush=True)
    loop = GLib.MainLoop()
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, 15, loop.quit)
    loop.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
