"""The guest that every scenario starts from: built once, booted once, kept.

`.tools/vm/ROOT` holds disk, kernel and initramfs, and in `BOOTED-*` the memory and the disk of the machine after its
start. Both are named by a digest of all that they are made from, so that a second run costs nothing and a changed
recipe never meets an old image. Older ones are deleted.
"""

import fcntl
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import time

from machine import HARDWARE, KERNEL_LINE, Machine, overlay

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
FALLBACK_SUITE = "bookworm"

# Beside what evidock itself needs (`scripts/setup run`).
PACKAGES = [
    "systemd-sysv", "udev", "kmod", "dbus",
    "busybox-static",  # the initramfs
    "curl",            # asks the page
    "dosfstools", "exfatprogs",  # file systems' checks that are not ours
    "e2fsprogs",       # another disk, where a second copy goes
    "gstreamer1.0-tools",        # see REGISTRY in guest_root
    "usbutils",        # lsusb, to see what is plugged in
]  # fmt: skip

# Never unpacked. Icons and sounds would be as useless, but packages' own scripts look for them.
EXCLUDED = [
    "/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/lib/*/dri/*",
]  # fmt: skip


class Image:
    """Where the parts of a guest stand."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.kernel, self.initrd = self.folder / "vmlinuz", self.folder / "initrd"
        self.disk, self.preload = self.folder / "root.img", self.folder / "utf8_locale.so"

    def booted(self):
        """State and disk of the booted guest. Another QEMU or other hardware cannot go on from it."""
        version = subprocess.run(
            ["qemu-system-x86_64", "--version"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        name = digest(version, HARDWARE, KERNEL_LINE)
        return self.folder / f"booted-{name}.state", self.folder / f"booted-{name}.qcow2"


def prepared(tools, work, say):
    """The image, built and booted where that was not done before."""
    store = pathlib.Path(tools) / "vm"
    store.mkdir(parents=True, exist_ok=True)
    with open(store / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        image = Image(store / recipe())
        if not image.folder.exists():
            begun = time.monotonic()
            say("guest: installing Debian into an image (some minutes, once)")
            build(image, store)
            say(f"guest: installed in {time.monotonic() - begun:.0f} s")
        state, disk = image.booted()
        if not state.exists():
            begun = time.monotonic()
            say("guest: booting it once")
            boot(image, work / "boot", state, disk)
            say(f"guest: booted and saved in {time.monotonic() - begun:.0f} s, {state.stat().st_size >> 20} MiB")
        for old in store.iterdir():
            if old.is_dir() and old != image.folder:
                shutil.rmtree(old)
    return image


def digest(*parts):
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def recipe():
    """The name of what would be built now."""
    sources = [(HERE / name).read_text() for name in ("guest_root.py", "initramfs.py", "utf8_locale.c")]
    return digest(sources, packages(), EXCLUDED, apt_sources())


def packages():
    """What the guest has installed: evidock's own list, read where it stands, and ours."""
    script = '. "$0"; printf "%s\\n" "${APT_RUN[@]}"'
    listed = subprocess.run(
        ["bash", "-c", script, REPOSITORY / "scripts/lib/setup.sh"], check=True, stdout=subprocess.PIPE, text=True
    )
    return sorted({*PACKAGES, *(entry.partition(":")[0] for entry in listed.stdout.split())})


def apt_sources():
    """Suite and sources of the guest: this machine's Debian from where this machine has it.

    The same suite, because the program is built here and needs this suite's libraries or newer ones.
    """
    form = "$(ORIGIN)|$(CODENAME)|deb $(REPO_URI) $(RELEASE) main"
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"], stdout=subprocess.PIPE, text=True
    )
    rows = [row.split("|") for row in told.stdout.splitlines() if row.startswith("Debian|")]
    lines = sorted({line for _, _, line in rows})
    suites = {codename.partition("-")[0] for _, codename, _ in rows}
    return (suites.pop(), lines) if len(suites) == 1 else (FALLBACK_SUITE, [])


def build(image, store):
    """Disk, kernel, initramfs, preload; the folder gets its name when all is there."""
    part = store / "making"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    suite, lines = apt_sources()
    # --variant=essential: the least that Debian is, without apt. The hook makes a disk of it while it is there.
    command = ["mmdebstrap", "--variant=essential", "--format=null", f"--include={','.join(packages())}"]
    for option in ('Acquire::Languages "none"', 'APT::Install-Recommends "false"'):
        command.append(f"--aptopt={option}")
    command += [f"--dpkgopt=path-exclude={path}" for path in EXCLUDED]
    command.append(f'--customize-hook="{sys.executable}" "{HERE}/guest_root.py" "$1" "{part}"')
    command += [suite, "-", *lines]
    log = store / "install.log"
    with open(log, "wb") as out:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    if done.returncode:
        sys.exit(f"error: the guest could not be installed; the end of {log}:\n{tail(log)}")
    shared = ["gcc", "-shared", "-fPIC", "-O2", "-o", part / image.preload.name, HERE / "utf8_locale.c"]
    subprocess.run(shared, check=True)
    part.rename(image.folder)


def boot(image, work, state, disk):
    """Boots until nothing is left to start, then saves memory and disk."""
    for old in image.folder.glob("booted-*"):
        old.unlink()
    machine = Machine(image, work, overlay(image.disk, disk))
    try:
        with machine:
            # "degraded" would mean that a unit of the guest's own failed: a fault of the recipe.
            machine.sh("systemctl is-system-running --wait || { systemctl --failed --no-legend; exit 1; }", 300)
            machine.save(state)
    except Exception as error:
        sys.exit(
            f"error: the guest does not boot: {error}\nthe end of its console:\n{tail(machine.work / 'console.log')}"
        )


def tail(path, lines=30):
    """The last lines of a log."""
    text = pathlib.Path(path).read_text(errors="replace") if pathlib.Path(path).exists() else ""
    return "\n".join(text.splitlines()[-lines:])
