"""What evidock is compared with: plain copies, rclone, and the S3 server that both sides send to."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

from station import TOOLS, files, settle

ACCESS_KEY, SECRET_KEY = "benchkey", "benchsecret123"
RCLONE = TOOLS / "bin" / "rclone"
S5CMD = TOOLS / "bin" / "s5cmd"
# Where nothing listens: an uplink that is away costs intake nothing.
NOWHERE = "http://127.0.0.1:1"


class Failed(Exception):
    """A tool that gave up."""


def timed(*command, env=None):
    """Runs a command; gives wall seconds, CPU seconds, and largest resident memory in MiB. Raises Failed."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env and {**os.environ, **env})
    _, code, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode:
        raise Failed(f"{command[0]} ended with {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def copies(source, target):
    """The plain ways to copy and check: (wall, CPU) of copy + sync + uncached re-read, and of copy + sync + b3sum."""
    settle(source)
    target.mkdir()
    sources, made = files(source), []
    try:
        copy = timed("cp", "--", *sources, target)
        made = files(target)
        # These files only: what others left unwritten is not the copy's burden.
        sync = timed("sync", *made)
        direct = [timed("dd", f"if={path}", "of=/dev/null", "bs=1M", "iflag=direct", "status=none") for path in made]
        settle(target)
        b3sum = timed("b3sum", *made)
        both = [copy[i] + sync[i] for i in (0, 1)]
        return (
            (both[0] + sum(d[0] for d in direct), both[1] + sum(d[1] for d in direct)),
            (both[0] + b3sum[0], both[1] + b3sum[1]),
        )
    finally:
        shutil.rmtree(target)


def rclone(endpoint, *words):
    """An rclone command on a server, with rclone's own defaults for everything that costs time."""
    command = [RCLONE, *words, "--config", "/dev/null", "--s3-provider", "SeaweedFS", "--s3-endpoint", endpoint]
    return [*command, "--s3-access-key-id", ACCESS_KEY, "--s3-secret-access-key", SECRET_KEY, "--quiet"]


def rclone_copy(endpoint, source, bucket):
    """Sends a directory with rclone; wall seconds, CPU seconds, memory in MiB."""
    return timed(*rclone(endpoint, "copy", str(source), f":s3:{bucket}"))


def s5cmd_copy(endpoint, source, bucket):
    """The same with s5cmd and its defaults."""
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": "us-east-1"}
    return timed(S5CMD, "--endpoint-url", endpoint, "--log", "error", "cp", f"{source}/", f"s3://{bucket}/", env=keys)


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Server:
    """SeaweedFS on free ports, with its data in a directory; a context manager."""

    def __init__(self, dir):
        self.dir = pathlib.Path(dir)
        self.dir.mkdir(parents=True)
        names = "master.port master.port.grpc volume.port volume.port.grpc filer.port filer.port.grpc s3.port s3.port.grpc"
        self.ports = dict(zip(names.split(), free_ports(8)))
        self.endpoint = f"http://127.0.0.1:{self.ports['s3.port']}"

    def __enter__(self):
        keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
        actions = ["Admin", "Read", "List", "Tagging", "Write"]
        identity = {"identities": [{"name": "bench", "credentials": keys, "actions": actions}]}
        (self.dir / "s3.json").write_text(json.dumps(identity))
        command = [TOOLS / "venv/bin/weed", "-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        command += ["-filer", "-s3", f"-dir={self.dir}", f"-s3.config={self.dir}/s3.json"]
        command += [f"-s3.localSocket={self.dir}/s3.sock", f"-filer.localSocket={self.dir}/filer.sock"]
        command += [f"-{name}={port}" for name, port in self.ports.items()]
        command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-metricsPort=0", "-master.telemetry=false"]
        # Many small volumes, and bounds on what uploads may hold in memory (gigabytes without them).
        command += ["-master.volumeSizeLimitMB=1024", "-volume.max=2000"]
        command += ["-s3.concurrentUploadLimitMB=64", "-volume.concurrentUploadLimitMB=128"]
        environment = {**os.environ, "GOMEMLIMIT": "500MiB", "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        for _ in range(120):
            if self.try_rclone("mkdir", ":s3:ready") and self.try_rclone("touch", ":s3:ready/ready"):
                return self
            time.sleep(0.5)
        self.__exit__()
        sys.exit("error: SeaweedFS does not serve within a minute; run scripts/setup bench")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def try_rclone(self, *words):
        once = ["--retries", "1", "--low-level-retries", "1"]
        done = subprocess.run(rclone(self.endpoint, *words, *once), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return done.returncode == 0

    def make(self, bucket):
        subprocess.run(rclone(self.endpoint, "mkdir", f":s3:{bucket}"), check=True)

    def drop(self, bucket):
        """Removes a bucket and what it holds."""
        subprocess.run(rclone(self.endpoint, "purge", f":s3:{bucket}"), check=True)

    def copy(self, source, bucket):
        """Sends a directory with rclone; wall seconds, CPU seconds, memory in MiB."""
        return rclone_copy(self.endpoint, source, bucket)
