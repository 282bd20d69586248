"""A WebDAV server that takes no parts of files; it misbehaves when told to.

Usage: webdav_plain.py PORT DIRECTORY; user "station", password "s3cret".

A file beside DIRECTORY orders a fault for as long as it is there: `full` (507 to every PUT), `deaf` (201 to every PUT, of
which nothing is kept), `no-range` (gives the whole whatever range is asked for).
"""

import os
import sys

from cheroot import wsgi
from wsgidav.fs_dav_provider import FilesystemProvider
from wsgidav.wsgidav_app import WsgiDAVApp

PORT, ROOT = int(sys.argv[1]), sys.argv[2]


def told(fault: str) -> bool:
    return os.path.exists(os.path.join(os.path.dirname(ROOT), fault))


class Faulty:
    """The application as the orders want it."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        put = environ["REQUEST_METHOD"] == "PUT"
        if put and (told("full") or told("deaf")):
            while environ["wsgi.input"].read(1 << 16):
                pass
            start_response("507 Insufficient Storage" if told("full") else "201 Created", [("Content-Length", "0")])
            return [b""]
        if told("no-range"):
            environ.pop("HTTP_RANGE", None)
        return self.app(environ, start_response)


def main() -> None:
    config = {
        "provider_mapping": {"/": FilesystemProvider(ROOT)},
        "simple_dc": {"user_mapping": {"*": {"station": {"password": "s3cret"}}}},
        "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
        "lock_storage": True,
        "property_manager": None,
        "logging": {"enable": False},
        "verbose": 1,
    }
    wsgi.Server(("127.0.0.1", PORT), Faulty(WsgiDAVApp(config))).start()


main()
