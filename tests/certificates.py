"""A certificate authority and a server certificate for 127.0.0.1 and localhost, made for one test run."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Certificates:
    """`client` trusts the authority, whose certificate is in `ca_file`; `stranger` does not know it."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    stranger: ssl.SSLContext
    ca_file: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes other programs trust the authority: Python's clients and Node's, each of which reads another one."""
        path = str(self.ca_file)
        return {"SSL_CERT_FILE": path, "REQUESTS_CA_BUNDLE": path, "NODE_EXTRA_CA_CERTS": path}


def make_certificates(folder: Path, address: str = "127.0.0.1") -> Certificates:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("Test authority", ca_key.public_key(), ca_key, "Test authority", None)
    leaf = _certificate("mail.test", key.public_key(), ca_key, "Test authority", address)
    chain = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    authority = ca.public_bytes(serialization.Encoding.PEM)
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(authority)
    client = ssl.create_default_context(cadata=authority.decode())
    return Certificates(server, client, ssl.create_default_context(), ca_file)


def _certificate(
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    ca_key: ec.EllipticCurvePrivateKey,
    issuer: str,
    address: str | None,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=address is None, path_length=None), critical=True)
    )
    if address is not None:
        here = [x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName("localhost")]
        names = x509.SubjectAlternativeName(here)
        builder = builder.add_extension(names, critical=False)
    return builder.sign(ca_key, hashes.SHA256())
