"""A signed token and the key set that vouches for it, made anew for every run with the openssl command line."""

import base64
import functools
import json
import subprocess
import tempfile
import time
from pathlib import Path

ISSUER = "https://id.example.com"
AUDIENCE = "shop"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, text=None):
    return subprocess.run(["openssl", *arguments], input=text, check=True, capture_output=True).stdout


@functools.cache
def rs256():
    """(token, key set as JSON text)."""
    with tempfile.TemporaryDirectory(prefix="martlet-key-") as name:
        key = Path(name) / "key.pem"
        openssl("genrsa", "-out", key, "2048")
        modulus = openssl("rsa", "-in", key, "-noout", "-modulus").decode().strip().partition("=")[2]
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "role": "admin", "exp": int(time.time()) + 86400}
        header = {"alg": "RS256", "typ": "JWT", "kid": "bench"}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        signature = openssl("dgst", "-sha256", "-sign", key, text=text.encode())
    jwk = {"kty": "RSA", "kid": "bench", "alg": "RS256", "use": "sig", "e": "AQAB", "n": base64url(bytes.fromhex(modulus))}
    return f"{text}.{base64url(signature)}", json.dumps({"keys": [jwk]})
