"""The relay's TLS certificate: files of the operator's, or one it makes itself on the first run.

A self-made certificate is trusted by its hash (`certificate_pin`), which activation links carry.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import os
import ssl
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chappe.relay.config import Settings
from chappe.relay.database import os_failure
from chappe.wire.api import to_base64
from chappe.wire.cryptology import TLS_MINIMUM
from chappe.wire.durable import sync_folder
from chappe.wire.errors import error

CERTIFICATE_NAME: Final = "tls-certificate.pem"
KEY_NAME: Final = "tls-key.pem"
_YEARS: Final = 20
"""Long, because the certificate is trusted by its hash: a new one would have to be pinned anew."""


def certificate_pin(data_dir: Path) -> str:
    """base64url of the SHA-256 of the self-made certificate's DER. Raises storage.missing."""
    return _hash(_read(data_dir / CERTIFICATE_NAME))


def pin_in_force(settings: Settings) -> str | None:
    """The pin that links carry; None where somebody else vouches for the certificate, or it is the proxy's.

    A self-signed one among the operator's files is trusted by its hash too: nobody else vouches for it.
    """
    if settings.behind_proxy:
        return None
    if settings.tls_cert is None:
        return certificate_pin(settings.data_dir)
    own = _read(settings.tls_cert)
    return _hash(own) if _is_self_signed(own) else None


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS for the port, made on the first run; None behind a proxy. Raises tls.unreadable, storage.*."""
    if settings.behind_proxy:
        return None
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None or key is None:
        ensure_certificate(settings.data_dir, settings.server_name)
        cert, key = settings.data_dir / CERTIFICATE_NAME, settings.data_dir / KEY_NAME
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion[TLS_MINIMUM]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    load(context, cert, key)
    return context


def load(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    """Load the files; new connections use them at once. Raises tls.unreadable."""
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError):
        raise error("tls.unreadable") from None


def ensure_certificate(data_dir: Path, server_name: str) -> None:
    """Make key and certificate if they are not there. The key is readable by its owner alone."""
    certificate_path, key_path = data_dir / CERTIFICATE_NAME, data_dir / KEY_NAME
    if certificate_path.exists() and key_path.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(key, server_name)
    key_bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        # The certificate last: a crash between leaves no certificate, and both are made again.
        _write_whole(key_path, key_bytes, 0o600)
        _write_whole(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    except OSError as problem:
        raise os_failure(problem) from None


def _self_signed(key: ec.EllipticCurvePrivateKey, server_name: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, server_name[:64])])
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in dict.fromkeys((server_name, "localhost"))]
    names += [x509.IPAddress(ipaddress.ip_address(host)) for host in ("127.0.0.1", "::1")]
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError:
        raise error("storage.missing", "There is no relay here yet; run `chappe serve` first.") from None
    except (OSError, ValueError):
        raise error("tls.unreadable") from None


def _is_self_signed(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _hash(certificate: x509.Certificate) -> str:
    return to_base64(hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest())


def _write_whole(path: Path, data: bytes, mode: int) -> None:
    """Write beside, sync, rename, sync: the file is there whole or not at all, and then stays."""
    beside = path.with_suffix(".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)
    sync_folder(path.parent)
