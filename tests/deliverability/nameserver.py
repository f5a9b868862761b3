"""A DNS server on loopback, over UDP and TCP, that answers from a zone, and can be told to keep silent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dnslib import QTYPE, RCODE, RR, DNSRecord
from dnslib.server import BaseResolver, DNSHandler, DNSLogger, DNSServer


class Zone(BaseResolver):  # type: ignore[misc]  # dnslib has no types
    """Records by name and type, as the lines of a zone file. Names that are `broken` answer SERVFAIL."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.broken: set[str] = set()
        self.asked: list[tuple[str, str]] = []

    def put(self, *lines: str) -> None:
        for line in lines:
            self.records += RR.fromZone(line)

    def replace(self, line: str) -> None:
        """In place of the records of the same name and type."""
        (new,) = RR.fromZone(line)
        self.records = [one for one in self.records if (one.rname, one.rtype) != (new.rname, new.rtype)] + [new]

    def drop(self, name: str, kind: str) -> None:
        self.records = [r for r in self.records if not (r.rname.matchGlob(f"{name}.") and QTYPE[r.rtype] == kind)]

    def resolve(self, request: Any, handler: Any) -> Any:
        answer = request.reply()
        name, kind = str(request.q.qname).rstrip(".").lower(), QTYPE[request.q.qtype]
        self.asked.append((name, kind))
        if name in self.broken:
            answer.header.rcode = RCODE.SERVFAIL
            return answer
        named = [one for one in self.records if str(one.rname).rstrip(".").lower() == name]
        answer.add_answer(*(one for one in named if QTYPE[one.rtype] in {kind, "CNAME"}))
        if not named:
            answer.header.rcode = RCODE.NXDOMAIN
        return answer


class Quiet(DNSLogger):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(log="-recv,-send,-request,-reply,-truncated,-error,-data")


class Short(DNSHandler):  # type: ignore[misc]
    """Over UDP nothing is longer than 512 bytes (RFC 1035 §4.2.1). dnslib itself would leave the question out then."""

    def get_reply(self, data: bytes) -> bytes:
        whole: bytes = super().get_reply(data)
        if self.protocol == "tcp" or len(whole) <= 512:
            return whole
        cut = DNSRecord.parse(data).reply()
        cut.header.tc = 1
        return bytes(cut.pack())


@contextmanager
def serving(zone: Zone) -> Iterator[str]:
    """Its address, as PUBLISHER_DNS_SERVERS has it. Over UDP long answers are cut off, and asked for again over TCP."""
    udp = DNSServer(zone, address="127.0.0.1", port=0, logger=Quiet(), handler=Short)
    port = udp.server.server_address[1]
    tcp = DNSServer(zone, address="127.0.0.1", port=port, tcp=True, logger=Quiet())
    threads = [threading.Thread(target=one.server.serve_forever, args=(0.01,), daemon=True) for one in (udp, tcp)]
    for thread in threads:
        thread.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        for one in (udp, tcp):
            one.server.shutdown()
            one.server.server_close()
        for thread in threads:
            thread.join()
