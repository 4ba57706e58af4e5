"""Sovereign, a control plane that speaks REST.

    sovereign_server.py FOLDER PORT

Its templates give out what FOLDER has at the moment: clusters.json, endpoints.json, listeners.json, routes.json, secrets.json, each a
list of resources; of a file that is not there, none. @ID@ in them stands for the node's id. Answers a line on standard input with the requests that it was sent of that type
("clusters"), as JSON.
"""

import json
import os
import sys
import threading
from pathlib import Path

TYPES = ("clusters", "endpoints", "listeners", "routes", "secrets")
folder, port = Path(sys.argv[1]).resolve(), int(sys.argv[2])

TEMPLATE = """import json
from pathlib import Path


def call(discovery_request, **_):
    file = Path({path!r})
    text = file.read_text() if file.exists() else "[]"
    yield from json.loads(text.replace('"@ID@"', discovery_request.node.id))
"""


def configure():
    templates = folder / "templates"
    templates.mkdir(exist_ok=True)
    specs = []
    for kind in TYPES:
        template = templates / f"{kind}_template.py"
        template.write_text(TEMPLATE.format(path=str(folder / f"{kind}.json")))
        specs.append({"type": kind, "spec": {"protocol": "python", "path": str(template)}})
    settings = folder / "sovereign.yaml"
    silence = {"access_logs": {"enabled": False}}
    text = json.dumps({"templates": {"default": specs}, "matching": {"enabled": False}, "logging": silence})
    settings.write_text(text)
    os.environ["SOVEREIGN_CONFIG"] = f"file://{settings}"


class Recorder:
    """Keeps what was asked, in front of the application."""

    def __init__(self, app):
        self.app = app
        self.seen = {}

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        kind = scope["path"].rpartition(":")[2]
        body = bytearray()

        async def recording():
            message = await receive()
            body.extend(message.get("body", b""))
            if message["type"] == "http.request" and not message.get("more_body"):
                self.seen.setdefault(kind, []).append(json.loads(bytes(body) or b"null"))
            return message

        await self.app(scope, recording, send)


def answer_orders(recorder):
    for line in sys.stdin:
        print(json.dumps(recorder.seen.get(line.strip(), [])), flush=True)
    os._exit(0)


configure()
import uvicorn  # noqa: E402: sovereign reads its configuration when it is imported
from sovereign.app import app  # noqa: E402

recorder = Recorder(app)
threading.Thread(target=answer_orders, args=(recorder,), daemon=True).start()
uvicorn.run(recorder, host="127.0.0.1", port=port, log_level="critical", access_log=False)
