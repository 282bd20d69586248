"""A mail server that asks for STARTTLS and a sign-in, and keeps what it is given.

Usage: mail.py PORT DIRECTORY; user "evidock", password "s3cret"; its certificate stands in DIRECTORY/../cert.pem, its key in
key.pem. Each message is DIRECTORY/NUMBER.eml, headers and text decoded. While a file `busy` is beside DIRECTORY, messages are refused for the moment.
"""

import asyncio
import email
import email.policy
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

PORT, ROOT = int(sys.argv[1]), sys.argv[2]
BESIDE = os.path.dirname(ROOT)


class Keep:
    async def handle_DATA(self, server, session, envelope):
        if os.path.exists(os.path.join(BESIDE, "busy")):
            return "451 4.3.2 not now"
        number = len(os.listdir(ROOT)) + 1
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        with open(os.path.join(ROOT, f".{number}"), "w", encoding="utf-8") as file:
            file.writelines(f"{name}: {value}\n" for name, value in letter.items())
            file.write("\n" + letter.get_content())
        os.rename(os.path.join(ROOT, f".{number}"), os.path.join(ROOT, f"{number:03}.eml"))
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"evidock" and data.password == b"s3cret"
    return AuthResult(success=good, handled=good)


async def main() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(os.path.join(BESIDE, "cert.pem"), os.path.join(BESIDE, "key.pem"))

    def session():
        return SMTP(
            Keep(), hostname="127.0.0.1", tls_context=tls, require_starttls=True, auth_required=True,
            authenticator=authenticate, enable_SMTPUTF8=True,
        )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", PORT)
    await server.serve_forever()


asyncio.run(main())
