"""Certificates of a private authority, good ones and bad ones."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Whose certificates our client trusts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self.certificate = self._sign(name, name, self.key, ca=True)
        (folder / "authority.pem").write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        self.good = self.server("good")

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "authority.pem"))

    def server(self, kind: str) -> ssl.SSLContext:
        """A server's context with a certificate that is good, expired, for another address, or signed by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mail server")])
        address = "127.0.0.9" if kind == "wrong name" else "127.0.0.1"
        issuer = (name, key) if kind == "self-signed" else (self.certificate.subject, self.key)
        certificate = self._sign(name, issuer[0], issuer[1], key=key, address=address, expired=kind == "expired")
        path = self.folder / f"{kind}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _sign(
        self, subject: x509.Name, issuer: x509.Name, signer: ec.EllipticCurvePrivateKey, *,
        key: ec.EllipticCurvePrivateKey | None = None, address: str = "", expired: bool = False, ca: bool = False,
    ) -> x509.Certificate:  # fmt: skip
        now = datetime.now(UTC)
        public = (key or signer).public_key()
        made = (
            x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=-1 if expired else 1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        if address:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            made = made.add_extension(names, critical=False)
        return made.sign(signer, hashes.SHA256())
