"""A name server on the loopback interface, which knows what a test tells it."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class NameServer:
    """Answers questions by UDP; ``silent``: it hears them, and says nothing."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.silent = False
        self.rcode = dns.rcode.NOERROR
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def say(self, domain: str, kind: str, *records: str) -> None:
        self.records[f"{domain}.", kind] = list(records)

    def resolver(self) -> dns.asyncresolver.Resolver:
        """A resolver that asks this server and no other."""
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = self.port
        return resolver

    def stop(self) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, sender = self._socket.recvfrom(4_096)
            if not data:
                return
            if not self.silent:
                self._socket.sendto(self._answer(dns.message.from_wire(data)).to_wire(), sender)

    def _answer(self, asked: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.RA
        answer.set_rcode(self.rcode)
        (question,) = asked.question
        name = question.name.to_text().lower()
        records = self.records.get((name, question.rdtype.name))
        if records:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", question.rdtype.name, *records))
        elif self.rcode == dns.rcode.NOERROR and not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


@contextlib.contextmanager
def name_server() -> Iterator[NameServer]:
    """Run a name server meanwhile."""
    server = NameServer()
    try:
        yield server
    finally:
        server.stop()
