"""An S3 server that throws footage away: what is measured against it is the client. Keeps of each object its length, the
digests that it was told, and its first block; footage made for it repeats that block, so that ranges can still be given.
Small objects are kept whole and their SHA-256 is checked, as a client that tries the server out wants it. It believes
everybody, and only as much of the protocol is here as rclone, s5cmd and evidock speak. Python 3.9, standard library only.
"""

import base64
import hashlib
import http.server
import socketserver
import threading
import time
import urllib.parse

BLOCK = 64 << 10
OK_XML = '<?xml version="1.0" encoding="UTF-8"?>'


class Object:
    def __init__(self, size, block, checksum, etag):
        self.size, self.block, self.checksum, self.etag = size, block, checksum, etag

    def range(self, start, end):
        """The bytes of a range: the block over and over."""
        if not self.block:
            return b""
        first = start // BLOCK * BLOCK
        return (self.block * ((end - first) // max(len(self.block), 1) + 1))[start - first : end - first]


class Sink(socketserver.ThreadingTCPServer):
    """Serves on a free port of 127.0.0.1 in threads of this process; a context manager."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self):
        self.objects, self.uploads, self.requests, self.lock = {}, {}, 0, threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        pass  # Clients that go away are no news.

    # The same words as those of the real server, so that a figure can run against either.
    def make(self, _bucket):
        pass

    def drop(self, bucket):
        with self.lock:
            self.objects = {key: value for key, value in self.objects.items() if not key.startswith(f"/{bucket}/")}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.scratch = memoryview(bytearray(1 << 20))

    def parse_request(self):
        if not super().parse_request():
            return False
        with self.server.lock:
            self.server.requests += 1
        self.key, _, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        return True

    def take(self):
        """Reads the body; its length, its first block, and its SHA-256 where it is small."""
        left, block = int(self.headers.get("content-length") or 0), b""
        size = left
        while left:
            n = self.rfile.readinto(self.scratch[: min(left, len(self.scratch))])
            if not n:
                raise ConnectionError
            if len(block) < BLOCK:
                block += bytes(self.scratch[: min(n, BLOCK - len(block))])
            left -= n
        return size, block, hashlib.sha256(block).digest() if size <= BLOCK else None

    def answer(self, status, body=b"", headers=()):
        body = body.encode() if isinstance(body, str) else body
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code):
        self.answer(status, f"{OK_XML}<Error><Code>{code}</Code><Message>{code}</Message></Error>")

    def told(self):
        text = self.headers.get("x-amz-checksum-sha256")
        return base64.b64decode(text) if text else None

    def do_PUT(self):
        size, block, computed = self.take()
        if self.key.count("/") < 2:
            return self.answer(200)
        told = self.told()
        if told and computed and told != computed:
            return self.refuse(400, "BadDigest")
        # The tag that an honest server would give, as far as the client told it the digest.
        md5 = base64.b64decode(self.headers.get("content-md5") or "") or hashlib.md5(block).digest()
        echo = [("ETag", f'"{md5.hex()}"')]
        echo += [("x-amz-checksum-sha256", base64.b64encode(told).decode())] if told else []
        upload = self.server.uploads.get(self.query.get("uploadId"))
        if "uploadId" in self.query:
            if upload is None:
                return self.refuse(404, "NoSuchUpload")
            upload[int(self.query["partNumber"])] = (size, block, told, md5)
            return self.answer(200, headers=echo)
        if self.headers.get("if-none-match") == "*" and self.key in self.server.objects:
            return self.refuse(412, "PreconditionFailed")
        checksum = base64.b64encode(told).decode() if told else None
        self.server.objects[self.key] = Object(size, block, checksum, md5.hex())
        return self.answer(200, headers=echo)

    def do_POST(self):
        self.take()
        if "uploads" in self.query:
            upload = f"{time.monotonic_ns():x}{threading.get_ident():x}"
            self.server.uploads[upload] = {}
            return self.answer(
                200, f"{OK_XML}<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            )
        parts = self.server.uploads.pop(self.query.get("uploadId"), None)
        if parts is None:
            return self.refuse(404, "NoSuchUpload")
        parts = [parts[n] for n in sorted(parts)]
        told = [part[2] for part in parts]
        checksum = None
        if parts and all(told):
            composite = hashlib.sha256(b"".join(told)).digest()
            checksum = f"{base64.b64encode(composite).decode()}-{len(parts)}"
        etag = f"{hashlib.md5(b''.join(part[3] for part in parts)).hexdigest()}-{len(parts)}"
        size = sum(part[0] for part in parts)
        self.server.objects[self.key] = Object(size, parts[0][1] if parts else b"", checksum, etag)
        result = f'<CompleteMultipartUploadResult><ETag>"{etag}"</ETag></CompleteMultipartUploadResult>'
        return self.answer(200, OK_XML + result)

    def do_GET(self):
        if self.key.count("/") < 2 or self.key.endswith("/"):
            empty = {"object-lock": None, "versioning": "<VersioningConfiguration/>"}
            for name, body in empty.items():
                if name in self.query:
                    return self.answer(200, OK_XML + body) if body else self.refuse(404, "ObjectLockConfigurationNotFoundError")
            return self.answer(200, f"{OK_XML}<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        found = self.server.objects.get(self.key)
        if found is None:
            return self.refuse(404, "NoSuchKey")
        start, end = 0, found.size
        asked = self.headers.get("range")
        if asked:
            first, _, last = asked.partition("=")[2].partition("-")
            start, end = int(first), min(int(last) + 1 if last else found.size, found.size)
        return self.answer(206 if asked else 200, found.range(start, end), [("ETag", f'"{found.etag}"')])

    def do_HEAD(self):
        found = self.server.objects.get(self.key)
        if found is None:
            return self.answer(200 if self.key.count("/") < 2 else 404)
        headers = [("Content-Length", str(found.size)), ("ETag", f'"{found.etag}"')]
        headers.append(("Last-Modified", self.date_time_string()))
        if found.checksum:
            headers.append(("x-amz-checksum-sha256", found.checksum))
        return self.answer(200, headers=headers)

    def do_DELETE(self):
        self.server.objects.pop(self.key, None)
        self.answer(204)
