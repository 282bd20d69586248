"""One emulated machine: QEMU's process, the root shell inside it, its power.

Without KVM, which build machines rarely offer: everything is interpreted, ten to twenty times slower than the same
program outside. What is plugged into the machine stands in `usb`; what runs in it, in `station`.
"""

import base64
import contextlib
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import time

from qmp import Qmp

MEMORY_MB = 1024
# USB ports of one controller; QEMU has at most 15 for each speed.
PORTS = 15
# Two of them: a bench of sixteen bays and one more.
CONTROLLERS = ("usb0", "usb1")

# "max" is every CPU feature that the emulation has. Five-level page tables (la57) only slow it down.
HARDWARE = [
    "-M", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off", "-smp", "2", "-m", str(MEMORY_MB),
    "-nodefaults", "-no-user-config", "-display", "none", "-device", "virtio-rng-pci",
]  # fmt: skip
for _controller in CONTROLLERS:
    HARDWARE += ["-device", f"qemu-xhci,id={_controller},p2={PORTS},p3={PORTS}"]
KERNEL_LINE = (
    "root=/dev/vda rw console=ttyS1 quiet mitigations=off audit=0 tsc=reliable no_timer_check random.trust_cpu=on"
)


# QEMU's processes that run now.
RUNNING = set()


def end_all():
    """Ends every machine at once: for whoever is told to stop."""
    for process in list(RUNNING):
        process.kill()


class GuestError(Exception):
    """A command in the guest failed or did not end in time."""


def overlay(base, path):
    """A disk that begins as `base` and keeps its own changes."""
    fmt = "qcow2" if base.suffix == ".qcow2" else "raw"
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", fmt, "-b", str(base.resolve()), str(path)]
    subprocess.run(create, check=True)
    return path


class Machine:
    """A machine that runs from `with` to its end, whatever happens in between."""

    def __init__(self, image, work, disk, state=None):
        """`image`: kernel, initramfs and preload of the guest. `work`: an empty directory for sockets, logs and the
        directory shared with the guest. `disk`: a qcow2 overlay of this machine's own. `state`: where to go on."""
        self.image, self.work, self.disk, self.state = image, pathlib.Path(work), disk, state
        self.share = self.work / "share"
        self.share.mkdir(parents=True, exist_ok=True)
        self.process = self.qmp = self.serial = None
        self.commands, self.buffer = 0, b""

    def __enter__(self):
        self.power_on(self.state)
        return self

    def __exit__(self, *_):
        self.power_off()

    # --- power

    def power_on(self, state=None):
        """Boots, or goes on where `state` was saved; returns when the shell answers."""
        for name in ("shell", "qmp"):
            (self.work / name).unlink(missing_ok=True)
        command = ["qemu-system-x86_64", *HARDWARE]
        command += ["-kernel", self.image.kernel, "-initrd", self.image.initrd, "-append", KERNEL_LINE]
        command += ["-drive", f"file={self.disk},if=virtio,format=qcow2,discard=unmap"]
        command += [
            "-chardev",
            f"socket,id=shell,path={self.work}/shell,server=on,wait=off",
            "-serial",
            "chardev:shell",
        ]
        command += ["-chardev", f"file,id=console,path={self.work}/console.log,append=on", "-serial", "chardev:console"]
        command += [
            "-chardev",
            f"socket,id=qmp,path={self.work}/qmp,server=on,wait=off",
            "-mon",
            "chardev=qmp,mode=control",
        ]
        command += ["-virtfs", f"local,id=share,path={self.share},mount_tag=share,security_model=none,multidevs=remap"]
        if state:
            command += ["-incoming", f"exec:cat {shlex.quote(str(state))}"]
        with open(self.work / "qemu.log", "ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "LD_PRELOAD": str(self.image.preload), "TZ": "UTC"},
            )
        RUNNING.add(self.process)
        try:
            self._connect(state)
        except BaseException:
            self.power_off()
            raise

    def _connect(self, state):
        self.qmp = Qmp(self.work / "qmp", lambda: self.process.poll() is None)
        self.serial = socket.socket(socket.AF_UNIX)
        self.serial.connect(str(self.work / "shell"))
        if state:
            deadline = time.monotonic() + 120
            while (now := self.qmp.execute("query-status")["status"]) != "running":
                if now == "paused":
                    self.qmp.execute("cont")
                if time.monotonic() > deadline or now == "internal-error":
                    raise GuestError(f"the saved machine does not go on: {now}")
                time.sleep(0.05)
        self._await_shell(300)
        # The saved clock stands still while nobody runs.
        self.sh(f"date -s @{time.time():.0f} >/dev/null")
        self.sh("mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none share /mnt/share")

    def _await_shell(self, seconds):
        """Asks until the shell answers; what was said to it before it was there is lost."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(TimeoutError):
                self.sh("true", 3)
                return
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise GuestError(f"the guest did not come up; its console is {self.work}/console.log")

    def power_cut(self):
        """Ends the machine as a pulled plug does: nothing is told, what the guest had not yet written is lost.

        What it had written counts as written: the emulated disk has no cache of its own that could be lost.
        """
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._close()

    def power_off(self):
        """Ends the machine; the guest is not asked."""
        if self.process is None:
            return
        with contextlib.suppress(Exception):
            self.qmp.execute("quit", seconds=5)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._close()

    def _close(self):
        RUNNING.discard(self.process)
        for connection in (self.serial, self.qmp and self.qmp.socket):
            if connection:
                connection.close()
        self.process = self.qmp = self.serial = None
        self.buffer = b""

    def save(self, state):
        """Writes memory and devices to a file and ends the machine. Nothing may be plugged in."""
        # Less in memory is less to read at every start.
        self.sh("umount /mnt/share; sync; echo 3 >/proc/sys/vm/drop_caches; sync", 120)
        self.qmp.execute("stop")
        self.qmp.execute("migrate-set-parameters", {"max-bandwidth": 1 << 33})
        part = pathlib.Path(f"{state}.part")
        self.qmp.execute("migrate", {"uri": f"exec:cat >{shlex.quote(str(part))}"})
        deadline = time.monotonic() + 120
        while (now := self.qmp.execute("query-migrate").get("status")) != "completed":
            if now == "failed" or time.monotonic() > deadline:
                raise GuestError("the machine's state could not be saved; is the disk full?")
            time.sleep(0.1)
        self.power_off()
        part.rename(state)

    # --- shell

    def sh(self, command, seconds=120, check=True):
        """Runs a command in the guest's root shell; its output, with what it said on standard error."""
        return self.run(command, seconds, check)[1]

    def run(self, command, seconds=120, check=False):
        """The same, with the exit code before the output."""
        self.commands += 1
        token = f"{os.getpid()}-{self.commands}"
        self.serial.settimeout(30)
        self.serial.sendall(f"{token} {base64.b64encode(command.encode()).decode()}\n".encode())
        begin, end = f"begin {token}\n".encode(), f"end {token} ".encode()
        deadline = time.monotonic() + seconds
        while not ((at := self.buffer.rfind(end)) >= 0 and b"\n" in self.buffer[at:]):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"in the guest, not done after {seconds} s: {command}")
            self.serial.settimeout(min(left, 5))
            try:
                data = self.serial.recv(1 << 16)
            except TimeoutError:
                continue
            if not data:
                raise GuestError(f"the machine ended during: {command}")
            self.buffer += data
        output = self.buffer[self.buffer.find(begin) + len(begin) : at].decode(errors="replace")
        code = int(self.buffer[at + len(end) :].split(b"\n")[0])
        self.buffer = b""
        if check and code:
            raise GuestError(f"exit code {code} of: {command}\n{output}")
        return code, output

    def wait(self, command, seconds=120):
        """Waits inside the guest until a command succeeds; its output."""
        loop = f'until out=$({command}); do sleep 0.2; done; printf %s "$out"'
        try:
            return self.sh(f"timeout {seconds} bash -c {shlex.quote(loop)}", seconds + 30)
        except GuestError as error:
            if "exit code 124" in str(error):
                raise GuestError(f"in the guest, not true within {seconds} s: {command}") from None
            raise
