"""A certificate made anew for every run with the openssl command line, and how the clients take it.

Clients offer TLS 1.3 with AES-128-GCM and X25519 and nothing else, so every proxy does the same cryptography or none.
"""

import functools
import ssl
import tempfile
from pathlib import Path

from tokens import openssl

# wrk has no option for ciphers; it reads OpenSSL's own configuration, as h2load does.
CLIENT_CONFIGURATION = """
openssl_conf = settings
[settings]
ssl_conf = protocols
[protocols]
system_default = client
[client]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
"""


@functools.cache
def _pair(name):
    """(certificate, private key), PEM: ECDSA on P-256, signed by itself."""
    with tempfile.TemporaryDirectory(prefix="martlet-certificate-") as folder:
        key, certificate = Path(folder) / "key.pem", Path(folder) / "certificate.pem"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
        openssl("req", "-x509", "-new", "-key", key, "-sha256", "-days", "2", *subject, "-out", certificate)
        return certificate.read_text(), key.read_text()


def write(folder, name):
    """Puts the name's certificate and key, and one file of both, as HAProxy wants it, into the folder."""
    certificate, key = _pair(name)
    paths = folder / "certificate.pem", folder / "key.pem", folder / "both.pem"
    for path, text in zip(paths, (certificate, key, certificate + key)):
        path.touch(mode=0o600)
        path.write_text(text)
    return paths


def client_environment(folder):
    """What makes a load generator offer the one suite."""
    path = folder / "client.cnf"
    path.write_text(CLIENT_CONFIGURATION)
    return {"OPENSSL_CONF": str(path)}


def client_context(name, protocol):
    """For the sockets of Python: believes the name's certificate only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=_pair(name)[0])
    context.set_alpn_protocols([protocol])
    return context
