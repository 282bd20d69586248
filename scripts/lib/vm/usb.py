"""What is plugged into the machine's USB ports, and pulled out again.

Ports are numbered from 1 over both controllers. A port of QEMU's controller is one socket with two port paths in the
guest: one for high speed and below, one for super speed.
"""

from machine import CONTROLLERS, PORTS


class Ports:
    """The ports of a machine."""

    def __init__(self, machine):
        self.machine, self.plugged = machine, {}

    def storage(self, port, disk, serial, bytes_per_s=None, bad_sectors=(), uas=False):
        """A mass-storage device with this image file as its disk.

        `bytes_per_s` is what the medium gives; reading one of `bad_sectors` (of 512 bytes) is an I/O error.
        """
        name = f"port{port}"
        node = {"driver": "file", "filename": str(disk), "aio": "threads"}
        if bad_sectors:
            failing = [
                {"event": "none", "iotype": "read", "errno": 5, "sector": sector, "once": False, "immediately": False}
                for sector in bad_sectors
            ]
            node = {"driver": "blkdebug", "image": node, "inject-error": failing}
        node = {"driver": "raw", "file": node}
        if bytes_per_s:
            group = {"qom-type": "throttle-group", "id": f"{name}-rate", "limits": {"bps-total": bytes_per_s}}
            self.machine.qmp.execute("object-add", group)
            node = {"driver": "throttle", "throttle-group": f"{name}-rate", "file": node}
        self.machine.qmp.execute("blockdev-add", {**node, "node-name": f"{name}-disk"})
        if uas:
            self._add(port, "usb-uas", name, serial=serial)
            lun = {
                "driver": "scsi-hd",
                "id": f"{name}-lun",
                "bus": f"{name}.0",
                "drive": f"{name}-disk",
                "serial": serial,
            }
            self.machine.qmp.execute("device_add", lun)
            # This one waits until all its disks are there; nobody but its owner knows when that is.
            self.machine.qmp.execute("qom-set", {"path": name, "property": "attached", "value": True})
        else:
            self._add(port, "usb-storage", name, drive=f"{name}-disk", serial=serial, removable=True)
        self.plugged[port] = (f"{name}-disk", bool(bytes_per_s))

    def mtp(self, port, folder, serial, writable=False):
        """A device that speaks MTP and shows a directory of this machine."""
        self._add(
            port, "usb-mtp", f"port{port}", rootdir=str(folder), desc=serial, serial=serial, readonly=not writable
        )
        self.plugged[port] = (None, False)

    def keyboard(self, port):
        """What has no business in a bay."""
        self._add(port, "usb-kbd", f"port{port}", serial="KBD")
        self.plugged[port] = (None, False)

    def pull(self, port):
        """Out, whatever it is doing."""
        disk, limited = self.plugged.pop(port)
        name, qmp = f"port{port}", self.machine.qmp
        qmp.execute("device_del", {"id": name})
        qmp.wait_event("DEVICE_DELETED", device=name)
        if disk:
            qmp.execute("blockdev-del", {"node-name": disk})
        if limited:
            qmp.execute("object-del", {"id": f"{name}-rate"})

    def bytes_read(self, port):
        """How much was read of a disk since it was plugged in, by the emulation's own count."""
        disk, _ = self.plugged[port]
        (row,) = [row for row in self.machine.qmp.execute("query-blockstats") if row.get("node-name") == disk]
        return row["stats"]["rd_bytes"]

    def _add(self, port, driver, name, **properties):
        controller, socket = divmod(port - 1, PORTS)
        device = {"driver": driver, "id": name, "bus": f"{CONTROLLERS[controller]}.0", "port": str(socket + 1)}
        self.machine.qmp.execute("device_add", {**device, **properties})
