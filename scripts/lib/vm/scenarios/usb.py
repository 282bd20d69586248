"""Recorders on USB: let in or kept out, docked side by side, read whatever holds their files."""

import media
from . import scenario

# How a clip came, and when, and a time in the medium's own words; all else in two records of a clip must agree.
WAY = {
    "record_id", "annotation_rev", "ingested_at", "uploaded_at", "object_uri", "copies", "origins", "sealed_log_index",
    "clock_offset_ms", "captured_raw",
}  # fmt: skip


@scenario()
def gate(scene):
    """What nobody knows waits at the gate for a yes; a keyboard in a bay stays dead; disks are set read-only."""
    log, station, machine, ports = scene.log, scene.station, scene.machine, scene.ports
    scene.start(allow="")
    log.at_most("systemd finds little exposed of the gatekeeper", station.exposure("evidock-gatekeeper"), 3.0)
    folder = scene.recorder(1)
    disk = scene.disk(1, folder)
    before = media.digests(scene.work, "disk-1.img")
    inputs = machine.sh("cat /proc/bus/input/devices")
    ports.storage(1, disk, "STRANGER1")
    ports.keyboard(2)
    held = log.until("the stranger waits in bay 1", lambda: {h["bay"]: h for h in station.held()}, lambda h: "1" in h)
    log.contains("it is told apart by make and serial number", held["1"]["device"], "STRANGER1")
    log.equal("the kernel made no disk of it", machine.sh("ls /sys/block | grep sd || true"), "")
    log.until("the keyboard is refused, too", lambda: {h["bay"]: h["why"] for h in station.held()}, lambda h: "2" in h)
    log.equal("the kernel made no input device of it", machine.sh("cat /proc/bus/input/devices"), inputs)
    log.equal("nothing was read of the stranger", ports.bytes_read(1), 0)
    log.equal("nothing is docked", station.bays(), {})

    station.evidock("recorders", "approve", "STRANGER1")
    scene.until_safe("1")
    log.equal("the kernel refuses every write to its disk", machine.sh("cat /sys/block/sd?/ro").split(), ["1"])
    scene.until_proven(folder)
    log.equal("the keyboard is dead still", machine.sh("cat /proc/bus/input/devices"), inputs)
    scene.nothing_lost(folder)
    ports.pull(1)
    log.until("bay 1 is empty", station.bays, lambda b: "1" not in b)
    log.equal("not one byte of the disk was changed", media.digests(scene.work, "disk-1.img"), before)
    ports.storage(3, disk, "STRANGER1")
    log.until("next time it is known, in any bay", station.bays, lambda b: b.get("3", {}).get("safe_to_remove"))


@scenario(short=False)
def same_clip(scene):
    """A clip that comes by folder, FAT32, exFAT, the kernel or MTP has the same digest and the same record."""
    log, station, ports = scene.log, scene.station, scene.ports
    folder, exfat, bare = scene.world.exfat_contents, scene.world.exfat_disk, scene.world.exfat_bare
    by_kernel = '[source.usb]\nread = "kernel"\n'
    ways = {
        "folder": ("", lambda: scene.dock_folder("1", folder)),
        "FAT32": ("", lambda: ports.storage(1, scene.disk(1, folder), "BWC1")),
        "exFAT": ("", lambda: ports.storage(1, scene.copy(exfat), "BWC1")),
        # Not exFAT: its entries have an offset from UTC, which the kernel applies without a word (source::usb::mount).
        "the kernel": (by_kernel, lambda: ports.storage(1, scene.disk(3, folder), "BWC1")),
        "MTP": ("", lambda: ports.mtp(1, media.for_mtp(folder, scene.work / "mtp"), "BWC1")),
    }
    if scene.world.full:
        ways |= {
            "FAT32 without partitions": (
                "",
                lambda: ports.storage(1, scene.disk(2, folder, partitioned=False), "BWC1"),
            ),
            "exFAT without partitions, over UAS": ("", lambda: ports.storage(1, scene.copy(bare), "BWC1", uas=True)),
        }
    first = None
    for way, (config, dock) in ways.items():
        scene.restart(config)
        dock()
        scene.until_safe("1")
        scene.until_proven(folder)
        scene.nothing_lost(folder)
        seen = lambda rows: all(r["media_health"] for r in rows)  # noqa: E731
        records = log.until("every file was looked into", station.clips, seen)
        plain = {r["original_path"]: {k: v for k, v in r.items() if k not in WAY} for r in records}
        first = first or plain
        for path, record in plain.items():
            differing = {k: (v, first[path].get(k)) for k, v in record.items() if v != first[path].get(k)}
            log.equal(f"by {way}, the record of {path} says what the first said", differing, {})
        if ports.plugged:
            ports.pull(1)


@scenario(short=False)
def twelve(scene):
    """Twelve recorders docked at once are all read, proven and may go; each is pulled and its bay is empty."""
    log, station, ports = scene.log, scene.station, scene.ports
    folders = [scene.recorder(n) for n in range(1, 12)] + [scene.world.exfat_contents]
    disks = [scene.disk(n, folder) for n, folder in enumerate(folders[:-1], 1)] + [scene.copy(scene.world.exfat_disk)]
    scene.start()
    for port, disk in enumerate(disks, 1):
        ports.storage(port, disk, f"BWC{port:04}")
    bays = {str(n) for n in range(1, 13)}
    log.until(
        "all twelve may be emptied",
        lambda: {n for n, b in station.bays().items() if b["safe_to_remove"]},
        lambda s: s == bays,
        400,
    )
    scene.until_proven(*folders)
    scene.nothing_lost(*folders)
    for port in range(1, 13):
        ports.pull(port)
    log.until("all bays are empty", station.bays, lambda b: b == {})
