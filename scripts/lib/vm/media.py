"""Recorders: their contents, and the images that hold them. Nothing here mounts or needs root.

Contents come from `scripts/make-recorder`: real footage under the names of a recorder family. FAT32 is filled by
mtools, exFAT by the guest's own kernel (`fill_exfat`), so that neither is written by what later reads it.
"""

import hashlib
import os
import pathlib
import shutil
import struct
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
SECTOR = 512
# Where partitions usually begin.
FIRST_SECTOR = 2048
# MBR partition types.
FAT32_LBA, EXFAT = 0x0C, 0x07
# Asia/Shanghai is so far ahead of UTC, seconds.
ZONE_S = 8 * 3600
# Recorders live in China; FAT's times are local ones.
LOCAL = {**os.environ, "TZ": "Asia/Shanghai", "LC_ALL": "C.UTF-8"}


def contents(folder, profile="dsj", device="36NCC009910", clips=3, pad_bytes=0, **options):
    """A recorder as a directory. `pad_bytes` are put behind each clip as an MP4 `free` box, to make it large."""
    footage = pathlib.Path(os.environ.get("EVIDOCK_TOOLS", REPOSITORY / ".tools")) / "footage"
    words = [str(word) for key, value in options.items() for word in (f"--{key}", value)]
    command = [REPOSITORY / "scripts/make-recorder", profile, folder, "--device", device, "--clips", str(clips)]
    subprocess.run([*command, "--footage", footage, *words], check=True, stderr=subprocess.DEVNULL)
    if pad_bytes:
        for clip in sorted(folder.rglob("*.mp4")):
            pad(clip, pad_bytes)
    return folder


def even_seconds(folder):
    """Gives all files times that FAT can tell, whose seconds are even (Microsoft's FAT specification, section 6)."""
    for file in folder.rglob("*"):
        even = int(file.stat().st_mtime) // 2 * 2
        os.utime(file, (even, even))


def for_mtp(folder, target):
    """A copy for QEMU's MTP device, which tells UTC without a zone: later, so that it reads as a recorder's clock."""
    shutil.copytree(folder, target)
    for file in target.rglob("*"):
        late = file.stat().st_mtime + ZONE_S
        os.utime(file, (late, late))
    return target


def digests(folder, pattern="*"):
    """SHA-256 of a recorder's files, by their paths on it."""
    files = sorted(f for f in folder.rglob(pattern) if f.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def pad(clip, size):
    """Makes an MP4 larger by a `free` box, whose bytes differ from file to file and from place to place."""
    times = clip.stat()
    with open(clip, "ab") as file:
        file.write(struct.pack(">I4s", size, b"free"))
        word = clip.name.encode()
        for at in range(8, size, 1 << 16):
            block = struct.pack(">Q", at) + word
            file.write((block * ((1 << 16) // len(block) + 1))[: min(1 << 16, size - at)])
    os.utime(clip, ns=(times.st_atime_ns, times.st_mtime_ns))


def fat32(disk, folder=None, label="RECORDER", size=320 << 20, partitioned=True):
    """A FAT32 disk with a directory's contents."""
    offset = FIRST_SECTOR * SECTOR if partitioned else 0
    with open(disk, "wb") as file:
        file.truncate(size)
        if partitioned:
            file.write(partition_table(FAT32_LBA, size))
    # Clusters of 4 KiB, so that a small disk has enough of them to be FAT32 at all.
    form = [
        "mkfs.vfat",
        "-F",
        "32",
        "-s",
        "8",
        "-n",
        label,
        f"--offset={offset // SECTOR}",
        disk,
        str((size - offset) // 1024),
    ]
    subprocess.run(form, check=True, stdout=subprocess.DEVNULL)
    if folder:
        copy = ["mcopy", "-s", "-m", "-Q", "-i", f"{disk}@@{offset}", *sorted(folder.iterdir()), "::/"]
        subprocess.run(copy, check=True, env=LOCAL)
    return disk


def exfat(disk, label="RECORDER", size=320 << 20, partitioned=True):
    """An empty exFAT disk; `fill_exfat` puts something on it."""
    offset = FIRST_SECTOR * SECTOR if partitioned else 0
    volume = disk.with_suffix(".volume")
    with open(volume, "wb") as file:
        file.truncate(size - offset)
    subprocess.run(["mkfs.exfat", "-L", label, volume], check=True, stdout=subprocess.DEVNULL)
    with open(disk, "wb") as file:
        if partitioned:
            file.write(partition_table(EXFAT, size))
        copy_sparse(volume, file, offset)
        file.truncate(size)
    volume.unlink()
    return disk


def fill_exfat(machine, ports, fillings):
    """Lets the guest's kernel copy directories onto exFAT disks: (disk, directory) each, one after the other."""
    stage = machine.share / "fill"
    for disk, folder in fillings:
        shutil.copytree(folder, stage)
        ports.storage(1, disk, "FILL")
        part = "-part1" if is_partitioned(disk) else ""
        node = f"/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_FILL-0:0{part}"
        machine.wait(f"test -e {node}")
        copy = "cp -r --preserve=timestamps /mnt/share/fill/. /mnt/fill/"
        machine.sh(f"mkdir -p /mnt/fill && mount -t exfat {node} /mnt/fill && {copy} && umount /mnt/fill", 300)
        ports.pull(1)
        machine.wait("! ls /dev/disk/by-id/usb-*FILL* 2>/dev/null")
        shutil.rmtree(stage)


def is_partitioned(disk):
    """Whether it is one of ours with a partition table; a bare exFAT volume has its name there."""
    with open(disk, "rb") as file:
        return file.read(11)[3:8] != b"EXFAT"


def partition_table(kind, size):
    """A master boot record with one partition to the end of the disk."""
    sectors = size // SECTOR - FIRST_SECTOR
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", FIRST_SECTOR, sectors)
    return b"\0" * 446 + entry + b"\0" * 48 + b"\x55\xaa"


def copy_sparse(source, out, offset):
    """Copies a file into another at an offset and leaves its holes out."""
    with open(source, "rb") as file:
        size, at = os.fstat(file.fileno()).st_size, 0
        while at < size:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole up to the end
                return
            at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            file.seek(begin)
            out.seek(offset + begin)
            shutil.copyfileobj(_Part(file, at - begin), out, 1 << 20)


class _Part:
    """The next `left` bytes of a file."""

    def __init__(self, file, left):
        self.file, self.left = file, left

    def read(self, size):
        data = self.file.read(min(size, self.left))
        self.left -= len(data)
        return data


def find_bytes(disk, file, at=0, length=4096):
    """Where on a disk a part of a file stands, by looking for it: the emulation's bad sectors need to know."""
    with open(file, "rb") as source:
        source.seek(at)
        wanted = source.read(length)
    with open(disk, "rb") as image:
        size, place = os.fstat(image.fileno()).st_size, 0
        while place < size:
            try:
                place = os.lseek(image.fileno(), place, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(image.fileno(), place, os.SEEK_HOLE)
            image.seek(place)
            found = image.read(end - place).find(wanted)
            if found >= 0:
                return place + found
            place = end
    sys.exit(f"error: {file} does not stand in {disk} in one piece")


def listed(disk):
    """The files on a partitioned FAT32 disk, as mtools sees them."""
    where = f"{disk}@@{FIRST_SECTOR * SECTOR}"
    told = subprocess.run(["mdir", "-/", "-b", "-i", where, "::/"], stdout=subprocess.PIPE, text=True, env=LOCAL)
    return [line.removeprefix("::") for line in told.stdout.splitlines() if not line.endswith("/")]


def fat32_is_sound(disk):
    """Whether the checker of dosfstools finds nothing wrong."""
    volume = disk.with_suffix(".volume")
    with open(disk, "rb") as source, open(volume, "wb") as out:
        source.seek(FIRST_SECTOR * SECTOR)
        shutil.copyfileobj(source, out, 1 << 20)
    return subprocess.run(["fsck.vfat", "-n", volume], stdout=subprocess.DEVNULL).returncode == 0
