"""Takes webhooks and says whether their signatures hold, by the reference library of Standard Webhooks; misbehaves when told to.

Usage: webhook.py PORT DIRECTORY. The secret stands in DIRECTORY/../secret. Each request is one line of JSON in
DIRECTORY/told: path, id, whether its signature holds, the status that was answered, the body.

A file beside DIRECTORY orders an answer for as long as it is there: `500`, `429` (with retry-after: 1), `302` (to another
path here), `410`, or `hang` (none at all).
"""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook

PORT, ROOT = int(sys.argv[1]), sys.argv[2]
BESIDE = os.path.dirname(ROOT)
LOCK = threading.Lock()


def ordered(fault: str) -> bool:
    return os.path.exists(os.path.join(BESIDE, fault))


class Receiver(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with open(os.path.join(BESIDE, "secret"), encoding="utf-8") as secret:
            webhook = Webhook(secret.read().strip())
        try:
            webhook.verify(body, {k.lower(): v for k, v in self.headers.items()})
            holds = True
        except Exception as e:  # whatever it says, it does not hold
            print(f"{e!r}", flush=True)
            holds = False
        status = next((int(s) for s in ("500", "429", "302", "410") if ordered(s)), 204)
        hang = ordered("hang")
        line = {"path": self.path, "id": self.headers.get("webhook-id"), "holds": holds, "status": 0 if hang else status, "body": json.loads(body)}
        with LOCK, open(os.path.join(ROOT, "told"), "a", encoding="utf-8") as told:
            told.write(json.dumps(line, ensure_ascii=False) + "\n")
        if hang:
            time.sleep(600)
        self.send_response(status)
        if status == 429:
            self.send_header("retry-after", "1")
        if status == 302:
            self.send_header("location", f"http://127.0.0.1:{PORT}/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", PORT), Receiver).serve_forever()
