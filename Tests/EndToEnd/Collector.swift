import Foundation
import MartletTesting

/// An OpenTelemetry collector that takes nothing that opentelemetry-proto's JSON does not have, in Python. Spans are lines
/// of a file, and so are complaints.
final class Collector {
    let port: UInt16
    private let folder: URL
    private let tool: BackgroundTool

    struct Span {
        let fields: [String: Any]
        /// Of strings and numbers, all as texts.
        let attributes: [String: String]
        let service: String

        subscript(_ field: String) -> String? { fields[field] as? String }
        var kind: Int? { fields["kind"] as? Int }
    }

    init() throws {
        port = try TCPListener.freePort()
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-otlp-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let script = folder.appendingPathComponent("collector.py")
        try Self.script.write(to: script, atomically: true, encoding: .utf8)
        tool = try BackgroundTool("python3", [script.path, "\(port)", folder.appendingPathComponent("spans").path])
        let port = self.port
        guard eventually({ (try? TCPSocket(port: port)) != nil }) else {
            throw TestProxy.NotReady(description: "the collector did not start")
        }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private var lines: [[String: Any]] {
        let text = (try? String(contentsOf: folder.appendingPathComponent("spans"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap {
            (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any]
        }
    }

    var complaints: [String] { lines.compactMap { $0["complaint"] as? String } }

    /// The spans so far, once there are `count` or somebody complains.
    func spans(_ count: Int) -> [Span] {
        _ = eventually { lines.count >= count || !complaints.isEmpty }
        return lines.compactMap { line in
            guard let span = line["span"] as? [String: Any], let attributes = line["attributes"] as? [String: String]
            else { return nil }
            return Span(fields: span, attributes: attributes, service: line["service"] as? String ?? "")
        }
    }

    private static let script = #"""
        import http.server, json, re, signal, sys

        # Inherited as blocked or ignored, the signal that ends this would not.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

        out = open(sys.argv[2], "a", buffering=1)

        class Wrong(Exception): pass

        def need(condition, what):
            if not condition: raise Wrong(what)

        def only(value, required, optional=()):
            need(isinstance(value, dict), f"not an object: {value!r}")
            need(set(required) <= set(value), f"{sorted(set(required) - set(value))} missing in {value!r}")
            need(set(value) <= set(required) | set(optional), f"unknown {sorted(set(value) - set(required) - set(optional))}")

        def attributes(items):
            found = {}
            need(isinstance(items, list), "attributes are no list")
            for item in items:
                only(item, ["key", "value"])
                need(isinstance(item["key"], str) and item["key"], "a key is no text")
                need(item["key"] not in found, f"{item['key']} twice")
                need(len(item["value"]) == 1, "a value of several kinds")
                (kind, value), = item["value"].items()
                need(kind in ("stringValue", "intValue"), kind)
                need(isinstance(value, str), f"{kind} must be text")
                if kind == "intValue": need(re.fullmatch(r"-?\d{1,19}", value), value)
                found[item["key"]] = value
            return found

        def hexadecimal(value, digits):
            need(isinstance(value, str) and re.fullmatch(r"[0-9a-f]{%d}" % digits, value), f"id {value!r}")
            need(set(value) != {"0"}, "an id of zeros")

        def span(value):
            only(value, ["traceId", "spanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes"],
                 ["parentSpanId", "traceState", "flags", "status"])
            hexadecimal(value["traceId"], 32); hexadecimal(value["spanId"], 16)
            if "parentSpanId" in value: hexadecimal(value["parentSpanId"], 16)
            need(value["kind"] in (2, 3) and isinstance(value["kind"], int), "kind")
            need(isinstance(value["name"], str) and value["name"], "name")
            for key in ("startTimeUnixNano", "endTimeUnixNano"):
                need(isinstance(value[key], str) and re.fullmatch(r"\d{19}", value[key]), key)
            need(int(value["startTimeUnixNano"]) <= int(value["endTimeUnixNano"]), "ends before it starts")
            if "flags" in value: need(isinstance(value["flags"], int) and value["flags"] & 1, "flags")
            if "status" in value:
                only(value["status"], ["code"], ["message"])
                need(value["status"]["code"] == 2, "status")
            return attributes(value["attributes"])

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def log_message(self, *_): pass
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                try:
                    need(self.path == "/v1/traces", self.path)
                    need(self.headers["content-type"] == "application/json", "content-type")
                    document = json.loads(body.decode("utf-8"))
                    only(document, ["resourceSpans"])
                    for resource in document["resourceSpans"]:
                        only(resource, ["resource", "scopeSpans"])
                        only(resource["resource"], ["attributes"])
                        service = attributes(resource["resource"]["attributes"])["service.name"]
                        for scope in resource["scopeSpans"]:
                            only(scope, ["scope", "spans"]); only(scope["scope"], ["name"], ["version"])
                            for item in scope["spans"]:
                                found = span(item)
                                out.write(json.dumps({"span": item, "attributes": found, "service": service}) + "\n")
                except (Wrong, ValueError, KeyError) as error:
                    out.write(json.dumps({"complaint": f"{error!r} {body[:2000]!r}"}) + "\n")
                answer = b"{}"
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
        """#
}
