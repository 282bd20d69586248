"""An FTP server that lists for machines; it misbehaves when told to.

Usage: ftp_plain.py PORT DIRECTORY; user "station", password "s3cret".

A file beside DIRECTORY orders a fault for as long as it is there: `full` (no room), `deaf` (takes an upload and keeps
nothing of it), `long` (tells every file longer than it is), `no-rest` (does not resume), `short` (breaks every download off).
"""

import errno
import os
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

PORT, ROOT = int(sys.argv[1]), sys.argv[2]


def told(fault: str) -> bool:
    return os.path.exists(os.path.join(os.path.dirname(ROOT), fault))


class Faulty:
    """A file as the orders want it."""

    def __init__(self, file):
        self.file = file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        if told("full"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(data) if told("deaf") else self.file.write(data)

    def read(self, length):
        if told("short"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self.file.read(length)


class Files(AbstractedFS):
    def open(self, filename, mode):
        return Faulty(super().open(filename, mode))

    def getsize(self, path):
        return super().getsize(path) + (1 if told("long") else 0)


class Handler(FTPHandler):
    abstracted_fs = Files
    use_sendfile = False

    def ftp_REST(self, line):
        if told("no-rest"):
            self.respond("502 Command not implemented.")
            return None
        return super().ftp_REST(line)


def main() -> None:
    Handler.authorizer = DummyAuthorizer()
    Handler.authorizer.add_user("station", "s3cret", ROOT, perm="elradfmwMT")
    FTPServer(("127.0.0.1", PORT), Handler).serve_forever()


main()
