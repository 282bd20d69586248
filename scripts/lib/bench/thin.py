"""A thin line: a TCP proxy on 127.0.0.1 that moves so many bits a second in each direction over all connections, delays
what passes, and resets a connection every so many bytes, at places that a seed decides. Python 3.9, standard library only.
"""

import asyncio
import random
import socket
import struct
import threading

CHUNK = 16 << 10
# Bytes that one connection may have on the line: what a window of its bandwidth and delay would hold.
WINDOW = 1 << 20


class ThinLine:
    """A context manager; `endpoint` leads through it to `port`."""

    def __init__(self, port, mbit=20, round_trip_s=0.1, reset_every_bytes=8 << 20, seed=1):
        self.port, self.rate, self.delay_s = port, mbit * 1_000_000 / 8, round_trip_s / 2
        self.random, self.every = random.Random(seed), reset_every_bytes
        self.up_bytes = self.resets = 0
        self.until_reset = self.draw()
        self.free_at = {"up": 0.0, "down": 0.0}
        self.loop = asyncio.new_event_loop()

    def draw(self):
        return self.random.expovariate(1 / self.every)

    def __enter__(self):
        self.server = self.loop.run_until_complete(asyncio.start_server(self.connected, "127.0.0.1", 0, limit=WINDOW))
        self.endpoint = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self.end(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def end(self):
        self.server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def connected(self, reader, writer):
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.port, limit=WINDOW)
        except OSError:
            return reset(writer)
        cut = asyncio.Event()
        ways = [self.way("up", reader, to_writer, cut), self.way("down", to_reader, writer, cut)]
        tasks = [asyncio.ensure_future(way) for way in ways]
        stop = asyncio.ensure_future(cut.wait())
        await asyncio.wait([stop, asyncio.gather(*tasks, return_exceptions=True)], return_when=asyncio.FIRST_COMPLETED)
        for task in [*tasks, stop]:
            task.cancel()
        for end in (writer, to_writer):
            reset(end) if cut.is_set() else end.close()

    async def way(self, name, reader, writer, cut):
        """One direction: each chunk waits for its place on the line, and arrives a delay later."""
        queue = asyncio.Queue(WINDOW // CHUNK)
        arrivals = asyncio.ensure_future(self.arrive(queue, writer))
        try:
            while True:
                chunk = await reader.read(CHUNK)
                if not chunk:
                    break
                now = self.loop.time()
                self.free_at[name] = max(self.free_at[name], now) + len(chunk) / self.rate
                await asyncio.sleep(self.free_at[name] - now)
                if name == "up":
                    self.up_bytes += len(chunk)
                    self.until_reset -= len(chunk)
                    if self.until_reset <= 0:
                        self.until_reset, self.resets = self.draw(), self.resets + 1
                        cut.set()
                        return
                await queue.put((self.loop.time() + self.delay_s, chunk))
            await queue.put((0, None))
            await arrivals
        except OSError:
            cut.set()
        finally:
            arrivals.cancel()

    async def arrive(self, queue, writer):
        while True:
            at, chunk = await queue.get()
            if chunk is None:
                return writer.write_eof()
            await asyncio.sleep(max(0, at - self.loop.time()))
            writer.write(chunk)
            await writer.drain()


def reset(writer):
    """Ends a connection as a line does that drops it."""
    end = writer.get_extra_info("socket")
    if end is not None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
