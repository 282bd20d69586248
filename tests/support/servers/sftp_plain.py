"""An SFTP server without any extension, with a password, whose rename takes names over; it misbehaves when told to.

Usage: sftp_plain.py PORT DIRECTORY HOST_KEY; user "station", password "s3cret".

A file beside DIRECTORY orders a fault for as long as it is there: `full` (no room), `deaf` (says yes to a write and keeps
nothing), `mute` (never answers a write), `long` (tells every file longer than it is).
"""

import errno
import os
import socket
import sys
import threading

import paramiko
from paramiko import SFTPAttributes, SFTPHandle, SFTPServer, SFTPServerInterface

PORT, ROOT, HOST_KEY = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def told(fault: str) -> bool:
    return os.path.exists(os.path.join(os.path.dirname(ROOT), fault))


def attributes(found: os.stat_result) -> SFTPAttributes:
    told_of = SFTPAttributes.from_stat(found)
    if told("long"):
        told_of.st_size += 1
    return told_of


def errors_told(work):
    def wrapped(*args, **kwargs):
        try:
            return work(*args, **kwargs)
        except OSError as e:
            return SFTPServer.convert_errno(e.errno)

    return wrapped


class Door(paramiko.ServerInterface):
    def get_allowed_auths(self, username):
        return "password"

    def check_auth_password(self, username, password):
        right = (username, password) == ("station", "s3cret")
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED


class File(SFTPHandle):
    def __init__(self, descriptor: int, flags: int):
        super().__init__(flags)
        self.descriptor = descriptor

    def close(self):
        os.close(self.descriptor)

    @errors_told
    def stat(self):
        return attributes(os.fstat(self.descriptor))

    @errors_told
    def read(self, offset, length):
        return os.pread(self.descriptor, length, offset)

    @errors_told
    def write(self, offset, data):
        if told("full"):
            raise OSError(errno.ENOSPC, "no room")
        if told("mute"):
            threading.Event().wait()
        if not told("deaf"):
            os.pwrite(self.descriptor, data, offset)
        return paramiko.SFTP_OK


class Files(SFTPServerInterface):
    @errors_told
    def list_folder(self, path):
        found = []
        for name in os.listdir(path):
            entry = attributes(os.lstat(os.path.join(path, name)))
            entry.filename = name
            found.append(entry)
        return found

    @errors_told
    def stat(self, path):
        return attributes(os.stat(path))

    @errors_told
    def lstat(self, path):
        return attributes(os.lstat(path))

    @errors_told
    def open(self, path, flags, attr):
        return File(os.open(path, flags, 0o644), flags)

    @errors_told
    def remove(self, path):
        os.unlink(path)
        return paramiko.SFTP_OK

    @errors_told
    def rename(self, oldpath, newpath):
        os.rename(oldpath, newpath)
        return paramiko.SFTP_OK

    @errors_told
    def mkdir(self, path, attr):
        os.mkdir(path)
        return paramiko.SFTP_OK


def serve(connection: socket.socket, key: paramiko.PKey) -> None:
    transport = paramiko.Transport(connection)
    transport.add_server_key(key)
    transport.set_subsystem_handler("sftp", SFTPServer, Files)
    try:
        transport.start_server(server=Door())
    except (paramiko.SSHException, EOFError, OSError):
        transport.close()


def main() -> None:
    key = paramiko.Ed25519Key.from_private_key_file(HOST_KEY)
    listener = socket.create_server(("127.0.0.1", PORT))
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(connection, key), daemon=True).start()


main()
