"""The packaged daemon under systemd, with recorders that are directories."""

import media
from . import scenario

CASE = "赵卫罚〔2026〕12号"
ROSTER = f"""officer,recorder,from,to,case,place,matter,proves
李建国,36NCC009910,2026-06-19 08:30,2026-06-19 10:30,{CASE},正定县东关街28号,现场检查,经营场所卫生状况
"""
# Exposure runs from 0.0 to 10.0.
EXPOSED_AT_MOST = 1.5


@scenario()
def package(scene):
    """The package starts under systemd, holds no rights, takes a recorder in, proves it, answers alike everywhere."""
    log, station, machine = scene.log, scene.station, scene.machine
    station.start()
    log.equal(
        "systemd knows that it is ready", (station.unit("ActiveState"), station.unit("Type")), ("active", "notify")
    )
    status = machine.sh(f"cat /proc/{station.unit('MainPID')}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    log.equal("it holds no capability, nor could it gain one", fields["CapBnd"], "0" * 16)
    log.equal("it can gain no privilege", fields["NoNewPrivs"], "1")
    log.equal("its system calls are filtered", fields["Seccomp"], "2")
    log.true("it is not root", "0" not in fields["Uid"].split(), fields["Uid"])
    log.at_most("systemd finds little exposed", station.exposure("evidock"), EXPOSED_AT_MOST)

    folder = media.contents(scene.work / "recorder")
    (machine.share / "roster.csv").write_text(ROSTER)
    machine.sh("evidock roster import /mnt/share/roster.csv")
    scene.dock_folder("3", folder)
    scene.until_safe("3")
    scene.until_proven(folder)
    bay = station.bays()["3"]
    log.equal("the command line names recorder and files", (bay["recorder"], bay["files"]), ("36NCC009910", 4))
    (on_page,) = [b for b in station.page("/api/v1/status")["bays"] if b["bay"] == "3"]
    log.equal(
        "the page says the same",
        (on_page["recorder"], on_page["state"], on_page["safe_to_remove"]),
        ("36NCC009910", "safe", True),
    )

    found = station.evidock("find", "--case", CASE)
    videos = media.digests(folder, "*.mp4")
    log.equal("the case has the recorder's videos", sorted(clip["sha256"] for clip in found), sorted(videos.values()))
    log.until(
        "each was looked into by GStreamer in its sandbox",
        lambda: [station.evidock("show", clip["record_id"]) for clip in found],
        lambda shown: all(s["duration_ms"] and s["vcodec"] for s in shown),
    )
    log.equal(
        "the page lists the same",
        sorted(c["record_id"] for c in station.clips() if c["case_no"]),
        sorted(c["record_id"] for c in found),
    )
    scene.nothing_lost(folder)


@scenario(short=False)
def watchdog(scene):
    """A daemon that hangs in the middle of a copy is killed and started again by systemd, and goes on."""
    log, station = scene.log, scene.station
    # The package allows a minute; waiting that long shows nothing more.
    scene.drop_in("WatchdogSec=15")
    station.configure("[vault]\ncheckpoint_mb = 1\n")
    station.start()
    folder = media.contents(scene.work / "recorder", clips=1, pad_bytes=48 << 20)
    hung = station.unit("MainPID")
    scene.dock_folder("1", folder)
    scene.until_copying(f"kill -STOP {hung}")
    log.true("it hangs in the middle of a copy", station.part_files())
    log.until("systemd started another one", lambda: station.unit("MainPID"), lambda pid: pid not in ("0", hung), 180)
    log.contains("because the watchdog was not fed", station.journal(), "Watchdog timeout")
    scene.until_active()
    scene.until_safe("1")
    scene.until_proven(folder)
    scene.nothing_lost(folder)


@scenario(short=False)
def power_cut(scene):
    """Power is cut in the middle of a copy, in the full form once more later; nothing is lost or there twice."""
    log, station, machine = scene.log, scene.station, scene.machine
    station.configure("[vault]\ncheckpoint_mb = 1\n")
    machine.sh("systemctl enable --now evidock", 120)
    folder = media.contents(scene.work / "recorder", clips=2, pad_bytes=24 << 20)
    scene.dock_folder("1", folder)
    scene.until_copying()
    scene.cut_power()
    scene.until_active()
    # Each start takes its time; the second cut is for those who have it.
    if scene.world.full:
        log.until("the first clip is sealed", station.stages, lambda s: s["sealed"] + s["sending"] + s["proven"])
        scene.cut_power()
        scene.until_active()
    scene.until_safe("1")
    scene.until_proven(folder)
    scene.nothing_lost(folder)
