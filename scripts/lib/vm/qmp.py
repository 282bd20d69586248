"""QEMU's control socket (QMP): commands, answers, events. Knows nothing of what the commands mean."""

import json
import socket
import time


class Refused(Exception):
    """QEMU answered a command with an error."""


class Qmp:
    """A connection. Events that come between answers are kept until someone waits for them."""

    def __init__(self, path, alive, seconds=30):
        """`alive` says whether QEMU still runs, so that nobody waits for a dead one."""
        self.socket, self.buffer, self.events, self.alive = socket.socket(socket.AF_UNIX), b"", [], alive
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                if not alive() or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self._message(deadline)
        self.execute("qmp_capabilities")

    def execute(self, command, arguments=None, seconds=60):
        """The answer to a command."""
        request = {"execute": command, "arguments": arguments or {}}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        deadline = time.monotonic() + seconds
        while True:
            message = self._message(deadline)
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise Refused(f"{command}: {message['error']['desc']}")
            else:
                return message["return"]

    def wait_event(self, name, seconds=30, **data):
        """Waits for an event with this data; one that came before counts once."""
        deadline = time.monotonic() + seconds
        while True:
            for event in self.events:
                if event["event"] == name and data.items() <= event.get("data", {}).items():
                    self.events.remove(event)
                    return event
            self.events.append(self._message(deadline))

    def _message(self, deadline):
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("QEMU did not answer in time")
            self.socket.settimeout(left)
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError("QEMU ended")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)
