"""A minimal initramfs for the guest: loads the few kernel modules between it and its disk, then hands over.

Debian's own (initramfs-tools) would take a minute to make and seconds of every boot under emulation. Owns the cpio
format and the init script; which modules there are is told by `modules.dep` of the kernel.
"""

import io
import lzma
import pathlib
import stat

# From the emulated machine to its root file system; what they need in turn is looked up.
ROOT_MODULES = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"]

INIT = """#!/busybox sh
/busybox mount -t devtmpfs dev /dev
while read -r module; do /busybox insmod "/modules/$module"; done </modules/order
until [ -b /dev/vda ]; do /busybox sleep 0.1; done
/busybox mount -t ext4 -o rw,noatime /dev/vda /root
/busybox mount --move /dev /root/dev
exec /busybox switch_root /root /sbin/init
"""


def initramfs(busybox, modules_dir):
    """The archive's bytes. `busybox` must be linked statically; `modules_dir` is /lib/modules/VERSION after depmod."""
    archive = _Cpio()
    for folder in ("dev", "root", "modules"):
        archive.folder(folder)
    archive.file("busybox", busybox.read_bytes(), executable=True)
    archive.file("init", INIT.encode(), executable=True)
    order = []
    for path in load_order(modules_dir, ROOT_MODULES):
        data = (modules_dir / path).read_bytes()
        name = pathlib.PurePath(path).name
        if name.endswith(".xz"):
            data, name = lzma.decompress(data), name[: -len(".xz")]
        archive.file(f"modules/{name}", data)
        order.append(name)
    archive.file("modules/order", "".join(f"{name}\n" for name in order).encode())
    return archive.end()


def load_order(modules_dir, names):
    """Paths of modules and all that they need, each after what it needs (modules.dep(5) lists the nearest first)."""
    needs = {}
    for line in (modules_dir / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[pathlib.PurePath(path).name.partition(".ko")[0]] = [path, *others.split()]
    built_in = {pathlib.PurePath(p).stem for p in (modules_dir / "modules.builtin").read_text().split()}
    order = []
    for name in names:
        if name in built_in:
            continue
        if name not in needs:
            raise SystemExit(f"error: the guest's kernel has no module {name}")
        order += [path for path in reversed(needs[name]) if path not in order]
    return order


class _Cpio:
    """The "newc" form of cpio that the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self):
        self.out, self.inode = io.BytesIO(), 0

    def folder(self, name):
        self._entry(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name, data, executable=False):
        self._entry(name, stat.S_IFREG | (0o755 if executable else 0o644), data)

    def end(self):
        self._entry("TRAILER!!!", 0, b"")
        return self.out.getvalue()

    def _entry(self, name, mode, data):
        self.inode += 1
        path = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0]
        self.out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + path)
        self._pad()
        self.out.write(data)
        self._pad()

    def _pad(self):
        self.out.write(b"\0" * (-self.out.tell() % 4))
