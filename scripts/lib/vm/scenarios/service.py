"""The packaged daemon under systemd, with recorders that are directories."""

import hashlib

import media
from . import scenario

CASE = "赵卫罚〔2026〕12号"


def digests(folder):
    """SHA-256 of the videos in a recorder."""
    return sorted(hashlib.sha256(clip.read_bytes()).hexdigest() for clip in folder.rglob("*.mp4"))


def all_proven(scene, count, seconds=180):
    scene.log.until(
        f"{count} clips are proven", scene.station.stages, lambda s: s["proven"] + s["released"] == count, seconds
    )


@scenario()
def package(scene):
    """The package starts under systemd, takes a docked directory in, proves it, and answers alike everywhere."""
    log, station, machine = scene.log, scene.station, scene.machine
    station.start()
    log.equal("systemd knows the daemon as ready", (station.unit("ActiveState"), station.unit("Type")), ("active", "notify"))
    main = station.unit("MainPID")
    status = machine.sh(f"cat /proc/{main}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    log.equal("it holds no capability, not even one that it could gain", fields["CapBnd"], "0" * 16)
    log.equal("it can gain no privilege", fields["NoNewPrivs"], "1")
    log.equal("its system calls are filtered", fields["Seccomp"], "2")
    log.true("it is not root", not fields["Uid"].startswith("0"), fields["Uid"])
    exposure = machine.sh("systemd-analyze security --no-pager evidock | tail -n 1")
    log.at_most("systemd finds little exposed (of 10)", float(exposure.split(":")[1].split()[0]), 1.5)

    folder = media.contents(scene.work / "recorder")
    scene.dock_folder("3", folder)
    log.until("bay 3 may be emptied", lambda: station.bays().get("3"), lambda b: b and b["safe_to_remove"])
    count = len(digests(folder))
    # The recorder's own log is evidence, too.
    files = len([f for f in folder.rglob("*") if f.is_file()])
    all_proven(scene, files)
    clips = station.clips()
    log.equal("the page lists what status counts", len(clips), files)
    shown = [station.evidock("show", clip["id"]) for clip in clips]
    log.say(str(shown[0]))
    log.equal("the sealed bytes are the recorder's", sorted(set(digests(folder)) & set(station.vault_files().values())), digests(folder))
    log.equal("and as many videos as it had", count, 3)
