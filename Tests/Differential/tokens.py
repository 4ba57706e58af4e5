"""JSON web tokens and their keys, made with the openssl command."""

import base64
import hashlib
import hmac
import json
import subprocess
import tempfile
from pathlib import Path


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, stdin=b""):
    return subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, check=True).stdout


class Keys:
    """One key of each kind, in a folder that goes with the object."""

    SECRET = b"0123456789abcdef0123456789abcdef-and-more-for-longer-hashes-0123"
    KINDS = {
        "rsa": ("RSA", "rsa_keygen_bits:2048"),
        "other": ("RSA", "rsa_keygen_bits:2048"),
        "ec": ("EC", "ec_paramgen_curve:P-256"),
        "ed": ("ED25519", None),
    }

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="martlet-tokens-")
        for name, (algorithm, option) in self.KINDS.items():
            extra = ["-pkeyopt", option] if option else []
            openssl("genpkey", "-algorithm", algorithm, *extra, "-out", self.path(name))

    def path(self, name):
        return Path(self._folder.name) / f"{name}.pem"

    def public_pem(self, name):
        return openssl("pkey", "-in", self.path(name), "-pubout")

    def public_der(self, name):
        return openssl("pkey", "-in", self.path(name), "-pubout", "-outform", "DER")

    def jwk(self, name):
        # The key itself stands at the end of its DER: 32 bytes for Ed25519, two coordinates for P-256.
        der = self.public_der(name)
        if name == "ed":
            return {"kty": "OKP", "crv": "Ed25519", "kid": name, "alg": "EdDSA", "x": encoded(der[-32:])}
        if name == "ec":
            x, y = der[-64:-32], der[-32:]
            return {"kty": "EC", "crv": "P-256", "kid": name, "alg": "ES256", "x": encoded(x), "y": encoded(y)}
        text = openssl("rsa", "-pubin", "-modulus", "-noout", stdin=self.public_pem(name)).decode()
        modulus = bytes.fromhex(text.strip().removeprefix("Modulus="))
        return {"kty": "RSA", "kid": name, "n": encoded(modulus), "e": "AQAB"}

    def jwks(self, *names):
        return json.dumps({"keys": [self.jwk(name) for name in names]})

    # Signing

    def token(self, claims, algorithm="RS256", key="rsa", header=None):
        """`claims`: a mapping, or bytes as they are to stand. A None in `header` takes a member out."""
        head = {"alg": algorithm, "typ": "JWT", "kid": key} | (header or {})
        head = {name: value for name, value in head.items() if value is not None}
        payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        message = f"{encoded(json.dumps(head).encode())}.{encoded(payload)}"
        return f"{message}.{encoded(self.signature(message.encode(), algorithm, key))}"

    def signature(self, message, algorithm, key):
        if algorithm == "none":
            return b""
        digest = f"sha{algorithm[2:]}" if algorithm != "EdDSA" else None
        if algorithm.startswith("HS"):
            secret = self.SECRET if key == "hmac" else self.public_pem(key)
            return hmac.new(secret, message, getattr(hashlib, digest)).digest()
        if algorithm == "EdDSA":
            file = self.path("message")
            file.write_bytes(message)
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path(key), "-in", file)
        options = []
        if algorithm.startswith("PS"):
            options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
        signed = openssl("dgst", f"-{digest}", "-sign", self.path(key), *options, stdin=message)
        return joined_points(signed) if algorithm.startswith("ES") else signed


def joined_points(der):
    """RFC 7518 section 3.4 has the two numbers of an ECDSA signature side by side; OpenSSL has them in DER."""
    numbers, at = [], 2
    for _ in range(2):
        length = der[at + 1]
        numbers.append(der[at + 2 : at + 2 + length].lstrip(b"\0").rjust(32, b"\0"))
        at += 2 + length
    return b"".join(numbers)
