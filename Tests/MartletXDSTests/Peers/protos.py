"""Reads the .proto files of a folder, as far as this project's go: proto3, no groups, no extensions; services are passed over."""

import re

_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:[^"\\]|\\.)*")|([\w.]+)|([{}<>=;,\[\]])', re.DOTALL)
SCALARS = {"double", "float", "int32", "int64", "uint32", "uint64", "bool", "string", "bytes"}


class Field:
    def __init__(self, name, number, kind, repeated, oneof):
        self.name, self.number, self.kind, self.repeated, self.oneof = name, number, kind, repeated, oneof


class Protos:
    """Everything that the files declare, by full name."""

    def __init__(self, folder):
        self.messages = {}
        self.enums = {}
        for path in sorted(folder.rglob("*.proto")):
            self._file(path)
        for message, fields in self.messages.items():
            for field in fields:
                field.kind = tuple(self._resolve(kind, message) for kind in field.kind)

    def _file(self, path):
        found = _TOKEN.finditer(path.read_text())
        self._tokens = [next(filter(None, match.groups())) for match in found if any(match.groups())]
        self._package = ""
        while self._tokens:
            word = self._next()
            if word == "package":
                self._package = self._next()
            elif word == "message":
                self._message(self._package)
                continue
            elif word == "enum":
                self._enum(self._package)
                continue
            elif word == "service":
                while self._next() != "}":
                    pass
                continue
            while self._next() != ";":
                pass

    def _next(self, wanted=None):
        token = self._tokens.pop(0)
        if wanted is not None and token != wanted:
            raise ValueError(f"expected {wanted}, found {token}")
        return token

    def _enum(self, scope):
        name = f"{scope}.{self._next()}"
        values = self.enums.setdefault(name, {})
        self._next("{")
        while (word := self._next()) != "}":
            if word == "option":
                while self._next() != ";":
                    pass
                continue
            self._next("=")
            values[word] = int(self._next())
            self._next(";")

    def _message(self, scope):
        name = f"{scope}.{self._next()}"
        fields = self.messages.setdefault(name, [])
        self._next("{")
        oneof = None
        while True:
            word = self._next()
            if word == "}":
                if oneof is None:
                    return
                oneof = None
            elif word == "message":
                self._message(name)
            elif word == "enum":
                self._enum(name)
            elif word == "oneof":
                oneof = self._next()
                self._next("{")
            else:
                fields.append(self._field(word, oneof))

    def _field(self, word, oneof):
        repeated = word == "repeated"
        if repeated:
            word = self._next()
        kind = (word,)
        if word == "map":
            self._next("<")
            key = self._next()
            self._next(",")
            kind = (key, self._next())
            self._next(">")
        name = self._next()
        self._next("=")
        number = int(self._next())
        while self._next() != ";":
            pass
        return Field(name, number, kind, repeated or len(kind) == 2, oneof)

    def _resolve(self, kind, scope):
        if kind in SCALARS or kind.startswith("google.protobuf."):
            return kind
        while scope:
            name = f"{scope}.{kind}"
            if name in self.messages or name in self.enums:
                return name
            scope = scope.rpartition(".")[0]
        return kind
