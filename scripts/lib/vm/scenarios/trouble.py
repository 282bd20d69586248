"""Recorders that are pulled, slow, worn out; power that goes; what is erased, and what is not."""

import media
from station import ms

from . import scenario

CHECKPOINT = 1_000_000  # [vault] checkpoint_mb = 1
EVERY_MB = "[vault]\ncheckpoint_mb = 1\n"


@scenario()
def pulled(scene):
    """A recorder pulled in the middle of a file goes on where it stopped; at most one checkpoint is copied again."""
    log, station, ports = scene.log, scene.station, scene.ports
    folder = scene.recorder(1, clips=1, pad_bytes=24 << 20)
    disk, size = scene.disk(1, folder), sum(f.stat().st_size for f in folder.rglob("*.mp4"))
    scene.start(EVERY_MB)
    ports.storage(1, disk, "BWC1", bytes_per_s=1 << 20)
    scene.until_copying(bytes_at_least=8 << 20)
    ports.pull(1)
    log.until("bay 1 is empty", station.bays, lambda b: b == {})
    parts = station.part_files()
    kept = max(parts.values())
    log.say(f"      part files: {parts}")
    log.at_least("what was copied is kept", kept, 8 << 20)
    log.true("and it was the middle", kept < size, (kept, size))
    log.equal(
        "nothing is sealed that was not read to its end", station.stages()["sealed"] + station.stages()["proven"], 0
    )

    ports.storage(1, disk, "BWC1", bytes_per_s=4 << 20)
    scene.until_safe("1")
    read = ports.bytes_read(1)
    # What was durable is not copied again. Beyond the rest: one checkpoint, the samples that prove that it is the same
    # file (8 MiB at most), and what the kernel and the reader read to find partitions and directories.
    log.at_most("the second dock read the rest and little more", read, size - kept + CHECKPOINT + (8 << 20) + (6 << 20))
    scene.until_proven(folder)
    scene.nothing_lost(folder)
    (clip,) = [c for c in station.clips() if c["role"] == "clip"]
    log.equal("the record says that it was compared by samples", clip["resume_check"], "sampled")


@scenario(short=False)
def bad_sectors(scene):
    """Bad sectors cost what stands in them and nothing else, and a slow, broken recorder holds up no other."""
    log, station, ports = scene.log, scene.station, scene.ports
    broken, slow, good = (
        scene.recorder(1, pad_bytes=4 << 20),
        scene.recorder(2, clips=1, pad_bytes=8 << 20),
        scene.recorder(3),
    )
    disk = scene.disk(1, broken)
    victim = sorted(broken.rglob("*.mp4"))[1]
    bad = media.find_bytes(disk, victim, at=3 << 20) // media.SECTOR
    scene.start()
    ports.storage(1, disk, "BWC1", bad_sectors=range(bad, bad + 8))
    ports.storage(2, scene.disk(2, slow), "BWC2", bytes_per_s=100_000)
    ports.storage(3, scene.disk(3, good), "BWC3")
    log.until("the good recorder may go", station.bays, lambda b: b.get("3", {}).get("safe_to_remove"), 120)
    log.true("the slow one is read still", not station.bays().get("2", {}).get("safe_to_remove"), station.bays())
    scene.until_safe("1")
    log.equal("of the broken one, everything was taken that can be read", station.bays()["1"]["files"], 4)
    clips = {c["original_filename"]: c for c in station.clips()}
    holes = clips[victim.name]["holes"]
    log.at_least("the file with the bad place is marked with its hole", len(holes), 1)
    lost = sum(hole["bytes"] for hole in holes)
    log.at_most("the hole is no larger than one physical block around each bad place", lost, 64 << 10)
    whole = {name: sha for name, sha in media.digests(broken).items() if not name.endswith(victim.name)}
    log.equal("all other files are whole", {n: clips[n.rsplit("/")[-1]]["sha256"] for n in whole}, whole)


@scenario(short=False)
def erase(scene):
    """Space is given back after the proof; power cut between intent and deletion erases nothing twice, nothing else."""
    log, station, ports, machine = scene.log, scene.station, scene.ports, scene.machine
    second = (
        '[[destination]]\nname = "second"\nkind = "folder"\ndir = "/mnt/second/evidock"\n'
        '[[erase]]\nrecorders = ["36NCC*"]\nproof = "anchored"\n[custody]\ncheckpoint_interval_s = 5\n'
    )
    # A second disk, so that a copy stands off the vault's.
    machine.sh(
        "truncate -s 1G /srv/second.img && mkfs.ext4 -q /srv/second.img && mkdir -p /mnt/second "
        "&& echo '/srv/second.img /mnt/second ext4 loop 0 0' >>/etc/fstab && mount /mnt/second "
        "&& install -d -o evidock -g evidock /mnt/second/evidock"
    )
    scene.drop_in("ReadWritePaths=/mnt/second/evidock")
    folder = scene.recorder(1, clips=4)
    disk = scene.disk(1, folder)
    scene.start(second)
    machine.sh("systemctl enable evidock $(cd /usr/lib/systemd/system && ls evidock*.socket)")
    # Slow, so that between two steps there is time to lose power in. Later each time: before the first deletion,
    # among them, and after the last one, as it happens.
    for pause in (0, 1, 3):
        ports.storage(1, disk, "BWC1", bytes_per_s=400_000)
        machine.wait("journalctl -q -b -u evidock | grep 'about to be erased'", 300)
        log.say(f"      an erasing was begun; {pause} s later:")
        machine.sh(f"sleep {pause}")
        scene.cut_power()
        log.true("what is left on the recorder is sound", media.fat32_is_sound(disk))
        scene.until_active()
        if released(station) == 4:
            break
    ports.storage(1, disk, "BWC1")
    log.until("all clips are released", lambda: released(station), lambda count: count == 4, 300)
    scene.until_safe("1")
    station.evidock("log", "verify")
    wanted = sorted(media.digests(folder).values())
    log.equal("every clip is known once", sorted(c["sha256"] for c in station.clips()), wanted)
    station.stop()
    ports.pull(1)
    left = sorted(path.rsplit("/")[-1] for path in media.listed(disk))
    log.equal("the recorder keeps its log and nothing else", left, ["20260619.txt"])
    log.true("its file system is sound", media.fat32_is_sound(disk))


def released(station):
    """How many clips are proven and gone from their recorder."""
    return sum(clip["state"] == "released" for clip in station.clips() if clip["role"] == "clip")


@scenario(short=False)
def sixteen(scene):
    """Sixteen recorders at once fit into 150 MiB resident, daemon, gatekeeper and readers together."""
    log, station, ports = scene.log, scene.station, scene.ports
    folders = [scene.recorder(n, clips=1, pad_bytes=8 << 20) for n in range(1, 17)]
    disks = [scene.disk(n, folder) for n, folder in enumerate(folders, 1)]
    scene.start()
    for port, disk in enumerate(disks, 1):
        ports.storage(port, disk, f"BWC{port:04}", bytes_per_s=400_000)
    most = 0
    bays = {str(n) for n in range(1, 17)}

    def look():
        nonlocal most
        most = max(most, station.resident_bytes())
        return {n for n, b in station.bays().items() if b["safe_to_remove"]}

    log.until("all sixteen may be emptied", look, lambda safe: safe == bays, 900)
    log.at_most("most that was resident, MiB", most >> 20, 150)
    scene.until_proven(*folders)
    scene.nothing_lost(*folders)


def plain_reading_s(scene, disks, rate):
    """Seconds from plugging in until the kernel's file system and `cat` have read every file of all disks at once."""
    machine, station, ports = scene.machine, scene.station, scene.ports
    gate = "for hub in /sys/bus/usb/devices/usb*; do echo {0} >$hub/authorized_default; echo {0} >$hub/interface_authorized_default; done"
    machine.sh(gate.format(1))
    begun = station.clock_ms()
    for port, disk in enumerate(disks, 1):
        ports.storage(port, disk, f"BWC{port:04}", bytes_per_s=rate)
    read = (
        "until [ -b /dev/disk/by-id/usb-*_BWC$n-0:0-part1 ]; do sleep 0.2; done; mkdir -p /run/plain/$n; "
        "mount -t vfat -o ro /dev/disk/by-id/usb-*_BWC$n-0:0-part1 /run/plain/$n && "
        "find /run/plain/$n -type f -exec cat {} + | wc -c >/run/plain/$n.bytes; umount /run/plain/$n"
    )
    machine.sh(f"for n in $(seq -f %04g {len(disks)}); do ( {read} ) & done; wait", 900)
    took = (station.clock_ms() - begun) / 1000
    counted = machine.sh("cat /run/plain/*.bytes").split()
    scene.log.true("all of every disk was read", len(counted) == len(disks) and all(int(n) > 0 for n in counted), counted)
    for port in range(1, len(disks) + 1):
        ports.pull(port)
    machine.sh(gate.format(0))
    return took


@scenario(short=False)
def end_of_shift(scene):
    """Ten recorders with slow media: all may leave when the media allow it, and the page was truthful all the while."""
    log, station, ports = scene.log, scene.station, scene.ports
    size, rate = 24 << 20, 120_000
    folders = [scene.recorder(n, clips=1, pad_bytes=size) for n in range(1, 11)]
    disks = [scene.disk(n, folder) for n, folder in enumerate(folders, 1)]
    plain = plain_reading_s(scene, disks, rate)
    log.say(f"      plain tools have read all of it {plain:.1f} s after it was plugged in")
    scene.start()
    begun = station.clock_ms()
    for port, disk in enumerate(disks, 1):
        ports.storage(port, disk, f"BWC{port:04}", bytes_per_s=rate)
    first_safe, percents = {}, {}

    def look():
        now = station.clock_ms()
        for bay in station.page("/api/v1/status")["bays"]:
            if bay["safe_to_remove"]:
                # Said no earlier than it was asked.
                first_safe.setdefault(bay["bay"], station.clock_ms())
            elif bay["bay"] in first_safe:
                log.true(f"what was said of bay {bay['bay']} is not taken back", False, bay)
            if bay["percent"] is not None:
                log.at_least(f"bay {bay['bay']} never goes back", bay["percent"], percents.get(bay["bay"], 0))
                percents[bay["bay"]] = bay["percent"]
        return len(first_safe), now

    log.until("all ten may leave", look, lambda seen: seen[0] == 10, 900, pause=1)
    took = (max(first_safe.values()) - begun) / 1000
    # What the media allow when plain tools read them; a tenth more for finding each recorder and reading back what was
    # written, on an emulated processor.
    log.at_most("seconds until the last may leave", took, plain * 1.1)
    sealed = {}
    for clip in station.clips():
        bay = str(int(clip["device_id"][-6:]))
        sealed[bay] = max(sealed.get(bay, 0), ms(clip["ingested_at"]))
    for bay, at in first_safe.items():
        log.at_least(f"bay {bay} was called safe only after all of it was sealed", at, sealed[bay])
    scene.until_proven(*folders)
    scene.nothing_lost(*folders)
