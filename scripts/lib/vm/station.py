"""evidock inside the guest, as its users have it: the installed package, the command line, the page.

Nothing here reads the database or the vault behind evidock's back, but for `vault_files`, which says so.
"""

import datetime
import json
import shlex

from guest_root import REGISTRY

STATE = "/var/lib/evidock"
PAGE = "http://127.0.0.1:8480"


class Station:
    """The station of one machine."""

    def __init__(self, machine, log):
        self.machine, self.log = machine, log

    def install(self):
        """Installs what stands in the shared directory with the script that a person would use."""
        self.log.say(self.machine.sh("cd /mnt/share/evidock && scripts/install --program program"))
        self.forget()

    def forget(self):
        """A station that never ran, but knows its media plug-ins; see `guest_root.REGISTRY`."""
        self.machine.sh(
            f"rm -rf {STATE} && install -d -o evidock -g evidock -m 710 {STATE} && "
            f"install -o evidock -g evidock -m 600 /{REGISTRY} {STATE}/gstreamer-registry.bin"
        )

    def configure(self, toml):
        """Becomes /etc/evidock/evidock.toml."""
        self.machine.sh(f"printf %s {shlex.quote(toml)} >/etc/evidock/evidock.toml && evidock config check")

    def start(self):
        """As a person does; returns once the daemon told systemd that it is ready."""
        self.machine.sh("systemctl start $(cd /usr/lib/systemd/system && ls evidock*.socket 2>/dev/null) evidock", 120)

    def stop(self):
        self.machine.sh("systemctl stop 'evidock*'", 120)

    def evidock(self, *words, codes=(0,)):
        """A verb with --json; its answer. `codes` are the exit codes that are fine."""
        command = "evidock --json " + " ".join(map(shlex.quote, words)) + " 2>/tmp/said"
        code, told = self.machine.run(command)
        if code not in codes:
            said = self.machine.sh("cat /tmp/said")
            raise AssertionError(f"`evidock {' '.join(words)}` ended with {code}: {told}{said}")
        return json.loads(told) if told.strip() else None

    def status(self):
        """`evidock status`."""
        return self.evidock("status")

    def page(self, path):
        """What the API answers, as JSON."""
        return json.loads(self.machine.sh(f"curl -sS --max-time 30 {shlex.quote(PAGE + path)}"))

    def clips(self):
        """The record of every clip; the API's list names them."""
        ids, after = [], ""
        while after is not None:
            page = self.page(f"/api/v1/clips?limit=200{after}")
            ids += [clip["record_id"] for clip in page["items"]]
            after = f"&after={page['next']}" if page.get("next") else None
        records = []
        for n in range(0, len(ids), 50):
            addresses = " ".join(f"{PAGE}/api/v1/clips/{clip}" for clip in ids[n : n + 50])
            told = self.machine.sh(f"curl -sS --max-time 30 -w '\\n' {addresses}", 120)
            records += [json.loads(line) for line in told.split("\n") if line]
        return records

    def bays(self):
        """`evidock status` by bay."""
        return {bay["bay"]: bay for bay in self.status()["docked"]}

    def held(self):
        """What waits at the gate or was refused there."""
        return self.evidock("recorders", "list")["at_the_gate"] or []

    def stages(self):
        """How many clips are where."""
        return {name: stage["count"] for name, stage in self.status()["stages"].items()}

    def unit(self, name, unit="evidock"):
        """A property of a unit, as systemd prints it."""
        return self.machine.sh(f"systemctl show --value -p {name} {unit}").strip()

    def exposure(self, unit):
        """How much systemd finds exposed, of 10."""
        told = self.machine.sh(f"systemd-analyze security --no-pager {unit} | tail -n 1")
        return float(told.split(":")[1].split()[0])

    def journal(self, unit="evidock"):
        """What a unit wrote."""
        return self.machine.sh(f"journalctl -q --no-pager -o short-monotonic -u {unit}", 60)

    def vault_files(self):
        """SHA-256 of each file in the vault: the bytes on the station's disk, seen without evidock's eyes."""
        told = self.machine.sh(f"cd {STATE}/vault && find . -type f -exec sha256sum {{}} +", 300)
        return dict(reversed(line.split(None, 1)) for line in told.splitlines())

    def part_files(self):
        """What was begun to be copied: names and sizes of `.part` files."""
        told = self.machine.sh(f"find {STATE}/vault -name '*.part' -printf '%f %s\\n'")
        return {name: int(size) for name, size in (line.split() for line in told.splitlines())}

    def resident_bytes(self):
        """Memory of the daemon, the gatekeeper and the readers of recorders, shared pages counted once (Pss).

        Without the media worker, whose memory does not grow with recorders and has a limit of its own.
        """
        told = self.machine.sh(
            "cd /sys/fs/cgroup/system.slice; cat evidock.service/cgroup.procs evidock-gatekeeper.service/cgroup.procs"
            " 2>/dev/null | while read -r p; do tr '\\0' ' ' </proc/$p/cmdline | grep -q 'worker media' ||"
            " cat /proc/$p/smaps_rollup; done 2>/dev/null | awk '/^Pss:/ { sum += $2 } END { print sum * 1024 }'"
        )
        return int(float(told))

    def clock_ms(self):
        """The station's clock, milliseconds since the Unix epoch."""
        return int(self.machine.sh("date +%s%3N"))


def ms(rfc3339):
    """Milliseconds since the Unix epoch of a time in a record."""
    return int(datetime.datetime.fromisoformat(rfc3339).timestamp() * 1000)
