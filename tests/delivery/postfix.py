"""A real Postfix in folders of its own, on a free loopback port. What it takes it throws away, and it writes a log."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mail.example.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
default_transport = discard:thrown away
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = {certificate}
smtpd_tls_loglevel = 1
smtpd_data_restrictions = reject_unauth_pipelining
smtpd_forbid_unauth_pipelining = yes
# Stricter than "yes", which mends what it finds.
smtpd_forbid_bare_newline = reject
# By default those of mynetworks may do what nobody else may.
smtpd_forbid_bare_newline_exclusions =
smtpd_client_event_limit_exceptions =
"""

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

#: What Postfix says of a client that it finds fault with; "warning:" stands before most of it, and before the rest.
COMPLAINTS = re.compile(
    r"warning:|error:|fatal:|panic:|improper command|pipelining|bare <LF>|bare newline|reject|lost connection|timeout"
    r"|too many errors|SSL_accept|concatenated"
)
#: What it says of its own machine: a virtual one's clock may differ from its file system's.
OF_ITSELF = re.compile(r"resetting file time stamps|file system clock is \d+ seconds? ahead")


def why_not() -> str:
    """Why there can be no Postfix here; empty where there can."""
    if shutil.which("postfix", path=PATH) is None:
        return "Postfix is not installed"
    return "" if os.geteuid() == 0 else "Postfix is started by root alone"


class Postfix:
    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port, self._forgotten = folder, port, 0

    @property
    def log(self) -> str:
        """What it has written since `forget`."""
        return (self.folder / "log").read_text(errors="replace")[self._forgotten :]

    def forget(self) -> None:
        self._forgotten += len(self.log)

    def accepted(self) -> int:
        """The messages that it took into its queue."""
        return len(re.findall(r"/cleanup\[\d+\]: \w+: message-id=", self.log))

    def thrown_away(self) -> int:
        return len(re.findall(r"/discard\[\d+\]: .*status=sent", self.log))

    def complaints(self) -> list[str]:
        return [line for line in self.log.splitlines() if COMPLAINTS.search(line) and not OF_ITSELF.search(line)]


@contextlib.contextmanager
def running(certificate: Path) -> Iterator[Postfix]:
    """Started, and ended with all its processes. The folder is one that every user can reach, as Postfix asks."""
    folder = Path(tempfile.mkdtemp(prefix="postfix-", dir="/var/tmp"))
    folder.chmod(0o755)
    postfix = Postfix(folder, _free_port())
    for name in ("queue", "data"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix", "root")
    shown = shutil.copy(certificate, folder / "server.pem")
    (folder / "main.cf").write_text(MAIN.format(folder=folder, certificate=shown))
    (folder / "master.cf").write_text(MASTER.format(port=postfix.port))
    try:
        _postfix(folder, "start")
        _wait(postfix)
        yield postfix
    finally:
        _postfix(folder, "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _postfix(folder: Path, what: str) -> None:
    command = ["postfix", "-c", str(folder), what]
    done = subprocess.run(command, env={**os.environ, "PATH": PATH}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{_said(folder)}"


def _said(folder: Path) -> str:
    return (folder / "log").read_text() if (folder / "log").exists() else "no log"


def _wait(postfix: Postfix) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", postfix.port), timeout=5) as client:
            if client.recv(100).startswith(b"220"):
                client.sendall(b"QUIT\r\n")
                client.recv(100)
                return
        time.sleep(0.05)
    raise AssertionError(_said(postfix.folder))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
