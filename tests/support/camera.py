#!/usr/bin/env python3
"""Cameras for tests: an RTSP server (GStreamer's, Debian's gir1.2-gst-rtsp-server-1.0) on a free port of 127.0.0.1.

usage: camera.py [--port N] [--user NAME:PASSWORD] [--tls CERTIFICATE KEY] [--running] KIND...

Serves each KIND at /KIND, pictures at 25 a second with a key frame each second, and prints `ready PORT` when it does.
With --running a viewer of its own keeps each camera going, so that its times go on while nobody else looks.
"""
import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
gi.require_version("GstRtsp", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PICTURE = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=25/1"
H264 = f"{PICTURE} ! openh264enc gop-size=25 bitrate=400000 ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96"
H265 = (
    f"{PICTURE} ! x265enc key-int-max=25 speed-preset=ultrafast tune=zerolatency ! h265parse config-interval=-1"
    " ! rtph265pay name=pay0 pt=96"
)
TICKS = "audiotestsrc is-live=true wave=ticks"
AAC = f"{TICKS} ! audio/x-raw,rate=48000,channels=1 ! avenc_aac ! aacparse ! rtpmp4gpay name=pay1 pt=97"
G711 = f"{TICKS} ! audio/x-raw,rate=8000,channels=1"

KINDS = {
    "h264": H264,
    "h264-aac": f"{H264} {AAC}",
    "h264-alaw": f"{H264} {G711} ! alawenc ! rtppcmapay name=pay1 pt=8",
    "h264-ulaw": f"{H264} {G711} ! mulawenc ! rtppcmupay name=pay1 pt=0",
    "h265-aac": f"{H265} {AAC}",
    # Announces sound and never sends any.
    "h264-mute": f"{H264} {G711} ! alawenc ! valve name=mute ! rtppcmapay name=pay1 pt=8",
    # Sound alone, as a microphone on the table.
    "alaw": f"{G711} ! alawenc ! rtppcmapay name=pay0 pt=8",
    # Nothing that can be kept.
    "vp8": f"{PICTURE} ! vp8enc deadline=1 ! rtpvp8pay name=pay0 pt=96",
    # For figures: what a room camera sends.
    "1080p": (
        "filesrc location={footage} ! qtdemux ! h264parse config-interval=-1 ! identity sync=true"
        " ! rtph264pay name=pay0 pt=96"
    ),
}


def silence(_factory, media):
    """Closes the valve once the server knows the sound's form, which it announces."""
    valve = media.get_element().get_by_name("mute")
    if valve:
        media.connect("prepared", lambda _: valve.set_property("drop", True))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--user")
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--running", action="store_true")
    parser.add_argument("--footage", default="")
    parser.add_argument("kinds", nargs="+", choices=sorted(KINDS))
    args = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(args.port)
    auth = None
    if args.user or args.tls:
        auth = GstRtspServer.RTSPAuth()
        server.set_auth(auth)
    viewer = GstRtspServer.RTSPToken()
    viewer.set_string("media.factory.role", "viewer")
    if args.tls:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*args.tls))
        if not args.user:
            auth.set_default_token(viewer)
    if args.user:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(*args.user.split(":", 1), viewer)
    for kind in args.kinds:
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch("( " + KINDS[kind].replace("{footage}", args.footage) + " )")
        factory.connect("media-configure", silence)
        factory.set_shared(True)
        if auth:
            rights = GstRtspServer.RTSPPermissions()
            rights.add_permission_for_role("viewer", "media.factory.access", True)
            rights.add_permission_for_role("viewer", "media.factory.construct", True)
            factory.set_permissions(rights)
        server.get_mount_points().add_factory("/" + kind, factory)
    if server.attach(None) == 0:
        print("the port cannot be had", file=sys.stderr)
        return 1
    port = server.get_bound_port()
    viewers = [
        Gst.parse_launch(f"rtspsrc location=rtsp://127.0.0.1:{port}/{kind} protocols=tcp latency=0 ! fakesink sync=false")
        for kind in (args.kinds if args.running else [])
    ]
    for viewer_of_one in viewers:
        viewer_of_one.set_state(Gst.State.PLAYING)
    print(f"ready {port}", flush=True)
    loop = GLib.MainLoop()
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, 15, loop.quit)
    loop.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
