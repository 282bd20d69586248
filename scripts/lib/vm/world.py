"""What scenarios start from: the installed guest, a station in it, recorders to dock."""

import contextlib
import pathlib
import shutil
import subprocess

import media
from machine import PORTS, Machine, overlay
from station import Station
from usb import Ports

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


class World:
    """One run of the tests. Everything lies in `work` and goes with it."""

    def __init__(self, image, work, program, full, log_dir):
        self.image, self.work, self.program, self.full, self.log_dir = image, work, program, full, log_dir
        self.installed = (work / "installed.state", work / "installed.qcow2")
        # One recorder on exFAT disks, with a partition table and without. Scenarios take copies.
        self.exfat_disk, self.exfat_bare, self.exfat_contents = (
            work / name for name in ("exfat.img", "bare.img", "exfat")
        )

    def install(self, log):
        """Installs evidock once into the booted guest and saves that, too: every scenario goes on from there."""
        state, disk = self.image.booted()
        machine = Machine(self.image, self.work / "install", overlay(disk, self.installed[1]), state)
        self._package(machine.share / "evidock")
        media.contents(self.exfat_contents, device="36NCC000099")
        media.even_seconds(self.exfat_contents)
        disks = [media.exfat(self.exfat_disk), media.exfat(self.exfat_bare, partitioned=False)]
        with machine:
            # Before evidock is there, whose gate would rightly keep them out.
            media.fill_exfat(machine, Ports(machine), [(disk, self.exfat_contents) for disk in disks])
            station = Station(machine, log)
            station.install()
            machine.save(self.installed[0])

    def _package(self, folder):
        """The clone as far as installing needs it, and the program without what only a debugger reads."""
        for name in ("systemd", "docs"):
            shutil.copytree(REPOSITORY / name, folder / name)
        (folder / "scripts").mkdir()
        shutil.copy(REPOSITORY / "scripts/install", folder / "scripts")
        shutil.copy(REPOSITORY / "README.md", folder)
        strip = ["objcopy", "--strip-debug", self.program, folder / "program"]
        subprocess.run(strip, check=True)

    @contextlib.contextmanager
    def scene(self, name, log):
        """A machine of a scenario's own, going on from the installed guest."""
        work = self.work / name
        work.mkdir()
        state, disk = self.installed
        machine = Machine(self.image, work / "vm", overlay(disk, work / "disk.qcow2"), state)
        scene = Scene(self, machine, log, work)
        try:
            with machine:
                try:
                    yield scene
                except BaseException:
                    scene.keep_evidence(self.log_dir / name)
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)


# Recorders of the tests by the serial number that they show; which socket is which bay.
ALLOW = '[[source.usb.allow]]\nserial = "BWC*"\n'


def bays(count):
    """Bays 1 to `count`: of each socket both ports, that for high speed and that for super speed."""
    text = ""
    for port in range(1, count + 1):
        controller, socket = divmod(port - 1, PORTS)
        for bus in (2 * controller + 1, 2 * controller + 2):
            text += f'[[source.usb.bay]]\nname = "{port}"\nport = "{bus}-{socket + 1}"\n'
    return text


class Scene:
    """What one scenario holds in its hands."""

    def __init__(self, world, machine, log, work):
        self.world, self.machine, self.log, self.work = world, machine, log, work
        self.station, self.ports = Station(machine, log), Ports(machine)

    def start(self, extra="", allow=ALLOW, count=20):
        """Configures and starts a station with USB bays. `extra` is more of the configuration, sections of its own."""
        self.station.configure(f"{extra}\n{bays(count)}{allow}")
        self.station.start()

    def restart(self, extra="", **how):
        """The same, with a station that forgot everything."""
        self.station.stop()
        self.station.forget()
        self.start(extra, **how)

    def recorder(self, number, **options):
        """A recorder's contents, unlike all others of this scene."""
        return media.contents(self.work / f"recorder-{number}", device=f"36NCC{number:06}", **options)

    def disk(self, number, folder, **options):
        """A FAT32 disk with them."""
        return media.fat32(self.work / f"disk-{number}.img", folder, **options)

    def copy(self, disk):
        """A disk of this scene's own."""
        copy = self.work / f"copy-of-{disk.name}"
        subprocess.run(["cp", "--sparse=always", disk, copy], check=True)
        return copy

    def dock_folder(self, bay, folder):
        """Docks a directory: whole, as a move makes it appear."""
        shutil.copytree(folder, self.machine.share / "dock")
        self.machine.sh(
            f"D=/var/lib/evidock/docks; mkdir -p $D && cp -r --preserve=timestamps /mnt/share/dock $D/.{bay} "
            # What a test of power cuts docks must outlive them.
            f"&& chown -R evidock: $D && mv $D/.{bay} $D/{bay} && sync -f $D",
            300,
        )
        shutil.rmtree(self.machine.share / "dock")

    def drop_in(self, *lines, unit="evidock"):
        """Settings of a unit that differ from the package's."""
        text = "\\n".join(["[Service]", *lines, ""])
        folder = f"/etc/systemd/system/{unit}.service.d"
        self.machine.sh(f"mkdir -p {folder} && printf '{text}' >{folder}/test.conf && systemctl daemon-reload")

    def cut_power(self):
        """Pulls the plug of the station, and switches it on again."""
        self.machine.power_cut()
        self.ports.plugged.clear()
        self.log.say("      power cut")
        self.machine.power_on()
        self.log.say("      booted again")

    def until_copying(self, then="true", bytes_at_least=2 << 20):
        """Waits inside the guest until so much of a file was copied, and does something at that very moment."""
        look = f"find /var/lib/evidock/vault -name '*.part' -size +{bytes_at_least >> 10}k | grep -q ."
        self.machine.sh(f'timeout 120 bash -c "until {look}; do sleep 0.05; done" && {then}', 150)
        self.log.say("      copying is under way")

    def until_active(self):
        """Waits until systemd has the daemon running, by itself."""
        active = lambda state: state == "active"  # noqa: E731
        self.log.until("the daemon is up by itself", lambda: self.station.unit("ActiveState"), active)

    def until_safe(self, bay, seconds=300):
        """Waits until a recorder may be taken out."""
        self.log.until(
            f"bay {bay} may be emptied",
            lambda: self.station.bays().get(bay),
            lambda b: b and b["safe_to_remove"],
            seconds,
        )

    def until_proven(self, *folders, seconds=300):
        """Waits until all files of these recorders are proven."""
        count = sum(len(media.digests(folder)) for folder in folders)
        proven = lambda stages: stages["proven"] + stages["released"] >= count  # noqa: E731
        self.log.until(f"{count} files are proven", self.station.stages, proven, seconds)

    def nothing_lost(self, *folders):
        """The vault holds these recorders' files byte by byte, each once and nothing else, and all checks agree."""
        wanted = sorted(d for folder in folders for d in media.digests(folder).values())
        self.log.equal("every file is known once", sorted(c["sha256"] for c in self.station.clips()), wanted)
        masters = {path: sha for path, sha in self.station.vault_files().items() if sha in set(wanted)}
        self.log.equal("the vault holds each once, byte by byte", sorted(masters.values()), wanted)
        self.log.equal("nothing half-copied is left", self.station.part_files(), {})
        self.station.evidock("verify", "--all", "--remote")
        self.log.say("ok    every copy, here and at the destination, has its digest")
        self.station.evidock("log", "verify")
        self.log.say("ok    the log is whole")

    def keep_evidence(self, folder):
        """What a person wants to read after a failure."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, command in {
            "journal.log": "journalctl -q --no-pager -o short-monotonic",
            "units.log": "systemctl --no-pager -l status 'evidock*'",
            "status.log": "evidock status --json; curl -sS --max-time 10 http://127.0.0.1:8480/api/v1/status",
            "usb.log": "lsusb -t; lsusb; ls -l /dev/disk/by-id",
        }.items():
            with contextlib.suppress(Exception):
                (folder / name).write_text(self.machine.run(command, 60)[1])
        for name in ("console.log", "qemu.log"):
            with contextlib.suppress(OSError):
                shutil.copy(self.machine.work / name, folder)
