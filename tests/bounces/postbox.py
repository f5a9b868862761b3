"""A real IMAP server on loopback, in a thread: pymap, with one mailbox in memory, and TLS where it is given."""

from __future__ import annotations

import asyncio
import imaplib
import ssl
import threading
from argparse import ArgumentParser
from typing import Any

from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer, IMAPService
from pysasl.hashing import BuiltinHash

USER, PASSWORD = "bounces@news.example.org", "canary-of-the-cast-mail%box"


class Postbox:
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(20)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(self._serve())
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _serve(self) -> asyncio.Server:
        parser = ArgumentParser()
        parser.set_defaults(passlib_cfg=None, debug=False)
        IMAPService.add_arguments(parser)
        DictBackend.add_subparser("dict", parser.add_subparsers())
        args = parser.parse_args(["dict", "--demo-user", USER, "--demo-password", PASSWORD])
        backend, config = await DictBackend.init(args, reject_insecure_auth=False, hash_context=BuiltinHash(rounds=1))
        config.apply_context()
        answer = ProxyProtocolReader(config.proxy_protocol).get_callback(IMAPServer(backend.login, config))
        return await asyncio.start_server(answer, "127.0.0.1", 0, ssl=self._tls)

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    def url(self, scheme: str = "imap", password: str = PASSWORD) -> str:
        return f"{scheme}://{USER.replace('@', '%40')}:{password.replace('%', '%25')}@127.0.0.1:{self.port}/INBOX"

    def client(self) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.port)
        client.login(USER, PASSWORD)
        return client

    def put(self, *mails: bytes) -> None:
        client: Any = self.client()
        for mail in mails:
            client.append("INBOX", None, None, mail)
        client.logout()

    def holds(self) -> dict[str, int]:
        """How many mails lie in each folder that has any."""
        client: Any = self.client()
        found = {}
        for folder in ("INBOX", "INBOX/Read", "INBOX/Not understood"):
            status, answer = client.select(f'"{folder}"', readonly=True)
            found[folder] = int(answer[0]) if status == "OK" else 0
        client.logout()
        return {folder: count for folder, count in found.items() if count}
