"""Turns a freshly installed Debian into the guest's disk, kernel and initramfs.

Runs as a hook of mmdebstrap, as root of the new system, with its directory and the place for the results as arguments.
Mounts nothing and leaves evidock out: every run of the tests installs the program that it tests.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from initramfs import initramfs

# Debian's kernel for machines; the one for clouds has no USB.
KERNEL = "linux-image-amd64"
# Of its modules, what a station with docks may meet. The rest is four fifths of it.
KERNEL_PARTS = [
    "arch", "block", "crypto", "lib",
    "drivers/ata", "drivers/block", "drivers/char", "drivers/gpio", "drivers/hid", "drivers/input", "drivers/leds",
    "drivers/scsi", "drivers/usb", "drivers/virtio",
    "fs/9p", "fs/autofs", "fs/exfat", "fs/ext4", "fs/fat", "fs/fscache", "fs/fuse", "fs/isofs", "fs/jbd2", "fs/netfs",
    "fs/nls", "fs/ntfs3", "fs/udf", "fs/mbcache.ko",
    "net/9p",
]  # fmt: skip

# Where GStreamer's registry waits for the station's first start.
REGISTRY = "usr/local/share/gstreamer-registry.bin"

# Loaded before the guest is saved, so that no scenario waits for them.
MODULES = [
    "9p", "9pnet_virtio", "sd_mod", "usb_storage", "uas", "exfat", "vfat", "nls_utf8", "nls_ascii", "nls_iso8859-1",
]  # fmt: skip

# Debian's services that a guest without people, network and upkeep does without; each costs seconds under emulation.
MASKED = [
    "apt-daily-upgrade.timer", "apt-daily.timer", "dev-hugepages.mount", "dev-mqueue.mount", "dpkg-db-backup.timer",
    "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "getty@tty1.service", "modprobe@drm.service",
    "modprobe@efi_pstore.service", "proc-sys-fs-binfmt_misc.automount", "serial-getty@ttyS0.service",
    "serial-getty@ttyS1.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "systemd-binfmt.service",
    "systemd-logind.service", "systemd-networkd.service", "systemd-pstore.service", "systemd-timesyncd.service",
    "systemd-update-utmp-runlevel.service", "systemd-update-utmp.service", "systemd-user-sessions.service",
]  # fmt: skip

# The tests' way in: one command a line, as TOKEN BASE64; its output stands between lines with the token, the last of
# which carries the exit code. Not a terminal: no echo, no limit of a line, no translation.
AGENT = """#!/bin/bash
stty -F /dev/ttyS0 raw -echo
exec </dev/ttyS0 >/dev/ttyS0 2>&1
export HOME=/root LANG=C.UTF-8
cd /root
while read -r token command; do
  printf 'begin %s\\n' "$token"
  bash -c "$(base64 -d <<<"$command")" </dev/null
  printf 'end %s %d\\n' "$token" "$?"
done
"""
AGENT_UNIT = """[Unit]
Description=Commands of the tests
# What ends for any reason begins anew: the tests have no other way in.
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/local/sbin/test-agent
Restart=always
RestartSec=0
OOMScoreAdjust=-1000
# A command may leave something running in the background.
KillMode=process

[Install]
WantedBy=multi-user.target
"""


def main():
    root, results = map(pathlib.Path, sys.argv[1:])
    modules = install_kernel(root, results)
    configure(root)
    # What GStreamer's plug-ins can do, found out here in two seconds instead of thirty in each scenario.
    registry = {"GST_REGISTRY": f"/{REGISTRY}", "PATH": "/usr/sbin:/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    subprocess.run(
        ["chroot", root, "gst-inspect-1.0", "--print-all"], check=True, env=registry, stdout=subprocess.DEVNULL
    )
    (results / "initrd").write_bytes(initramfs(root / "bin/busybox", modules))
    for leftover in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(root / leftover, ignore_errors=True)
    disk = results / "root.img"
    # Sparse; the guest adds footage of a few hundred MB at most, and its own log.
    with open(disk, "wb") as file:
        file.truncate(8 << 30)
    options = ["-q", "-F", "-t", "ext4", "-L", "root", "-E", "lazy_itable_init=1,lazy_journal_init=1"]
    # mmdebstrap still has /proc and its like mounted in there: hidden from the copy, in a view of its own.
    hide = 'root=$1; shift; umount -l "$root"/{proc,sys,dev} 2>/dev/null; exec "$@"'
    hidden = ["unshare", "--mount", "--propagation=private", "bash", "-c", hide, "-", root]
    subprocess.run([*hidden, "mke2fs", *options, "-d", root, disk], check=True)


def install_kernel(root, results):
    """Unpacks what is wanted of the kernel's package; gives the directory of its modules.

    Unpacked by hand: an installation would bring initramfs-tools along and build what is not used.
    """
    with tempfile.TemporaryDirectory() as work:
        depends = run("apt-cache", "depends", "--important", KERNEL)
        package = next(word for word in depends.split() if word.startswith("linux-image-") and word != KERNEL)
        subprocess.run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", package], cwd=work, check=True)
        version = package[len("linux-image-") :]
        (deb,) = pathlib.Path(work).glob("*.deb")
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as unpacked:
            modules = f"./lib/modules/{version}"
            wanted = [f"./boot/vmlinuz-{version}", f"{modules}/modules.*"]
            wanted += [f"{modules}/kernel/{part}" for part in KERNEL_PARTS]
            extract = ["tar", "-x", "--wildcards", "--no-same-owner", "-C", work, *wanted]
            code = subprocess.run(extract, stdin=unpacked.stdout, stderr=subprocess.PIPE, text=True)
        # A part that another version of the kernel has built in is no loss; what is needed is looked for below.
        if unpacked.returncode or (code.returncode and "Not found in archive" not in code.stderr):
            raise SystemExit(f"error: the kernel's package could not be unpacked: {code.stderr}")
        shutil.copy(pathlib.Path(work, f"boot/vmlinuz-{version}"), results / "vmlinuz")
        target = root / "lib/modules" / version
        target.parent.mkdir(exist_ok=True)
        shutil.move(pathlib.Path(work, "lib/modules", version), target)
    subprocess.run(["depmod", "-b", root, version], check=True)
    return target


def configure(root):
    """Name, file systems, services: the little that is not Debian's default."""
    units = root / "etc/systemd/system"
    for unit in MASKED:
        (units / unit).symlink_to("/dev/null")
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    write(root / "etc/hostname", "station\n")
    write(root / "etc/fstab", "/dev/vda / ext4 rw,noatime 0 1\n")
    write(
        root / "etc/systemd/journald.conf.d/tests.conf",
        "[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\nRateLimitIntervalSec=0\n",
    )
    write(root / "etc/modules-load.d/tests.conf", "".join(f"{module}\n" for module in MODULES))
    write(root / "usr/local/sbin/test-agent", AGENT, 0o755)
    write(units / "test-agent.service", AGENT_UNIT)
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "test-agent.service").symlink_to("/etc/systemd/system/test-agent.service")
    (root / "mnt/share").mkdir()


def write(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    # mmdebstrap names the new system's apt configuration there; apt-get and apt-cache then speak of that system.
    os.environ.setdefault("APT_CONFIG", os.environ.get("MMDEBSTRAP_APT_CONFIG", ""))
    main()
