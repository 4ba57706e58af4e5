"""Compiles the small C programs of the benchmark into a folder."""

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


def compiler():
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def upstream(folder):
    return _compile("upstream.c", folder / "upstream", [])


def upstream_grpc(folder):
    return _compile("upstream_grpc.c", folder / "upstream_grpc", [])


def handshakes(folder):
    return _compile("handshakes.c", folder / "handshakes", [], libraries=["-lssl", "-lcrypto"])


def malloc_count(folder):
    return _compile("malloc_count.c", folder / "malloc_count.so", ["-shared", "-fPIC"])


def _compile(source, result, flags, libraries=()):
    if compiler() is None:
        raise SystemExit("a C compiler is missing: apt-get install gcc libc6-dev")
    subprocess.run([compiler(), "-O2", "-Wall", "-Wextra", *flags, "-o", result, HERE / source, *libraries], check=True)
    return result
