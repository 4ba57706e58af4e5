import Foundation
import MartletTesting
import Testing

/// A server that speaks HTTP in each form at once (Peers/origin.py), with an HTTP/2 that is not the proxy's.
final class Origin {
    private let ports: [UInt16]
    private let tool: BackgroundTool

    /// Debian's, which has the packages that the peers need; another one in front need not.
    static let python = "/usr/bin/python3"

    static func script(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Peers/\(name)").path
    }

    /// - Parameter certificate: nil is the one that `Wire.authority` vouches for.
    init(_ certificate: CertificateForge.Issued? = nil) throws {
        let own = try certificate ?? Wire.certificate()
        // A free port may be somebody else's by the time it is listened on.
        for _ in 0..<3 {
            let ports = try WireForm.allCases.map { _ in try TCPListener.freePort() }
            let tool = try BackgroundTool(
                Self.python, [Self.script("origin.py"), own.certificateFile, own.keyFile] + ports.map { "\($0)" },
                endedBy: SIGKILL)
            let last = ports.last ?? 0
            guard eventually({ (try? TCPSocket(port: last)) != nil }) else { continue }
            (self.ports, self.tool) = (ports, tool)
            return
        }
        throw TestProxy.NotReady(description: "the origin did not start: Scripts/install-packages test")
    }

    func port(_ form: WireForm) -> UInt16 { ports[WireForm.allCases.firstIndex(of: form) ?? 0] }

    /// A proxy in front of it, whose listener and cluster `up` are of a wire's forms.
    func proxy(
        _ wire: Wire, workers: Int = 1, listener: String = TestProxy.forwarding, rest: String = "",
        files: [String: String] = [:]
    ) throws -> TestProxy {
        try TestProxy(
            workers: workers, listener: try wire.listener() + listener,
            rest: TestProxy.cluster(port(wire.upstream), try wire.cluster()) + "\n" + rest, files: files)
    }
}

/// What the origin says it has received.
struct SeenRequest: Decodable {
    let `protocol`: String
    let pseudo: [String: String]
    let fields: [[String]]
    let length: Int
    let digest: String
    let trailers: [[String]]

    /// The values of all fields of a name.
    subscript(_ name: String) -> [String] { fields.filter { $0.first == name }.compactMap(\.last) }

    init(_ json: String) throws { self = try JSONDecoder().decode(Self.self, from: Data(json.utf8)) }
}

/// A response as curl shows it: each head, and the last one's body.
struct CurlResponse {
    let heads: [String]
    let body: String

    /// - Parameter text: what `curl -i` printed.
    init(_ text: String) {
        var (heads, rest) = ([String](), Substring(text))
        while rest.hasPrefix("HTTP/"), let end = rest.range(of: "\r\n\r\n") {
            heads.append(rest[..<end.lowerBound].lowercased())
            rest = rest[end.upperBound...]
        }
        self.heads = heads
        body = String(rest)
    }

    /// Of the response, not of what came before it. 0: there was none.
    var status: Int { heads.last.flatMap { Int($0.split(separator: " ").dropFirst().first?.prefix(3) ?? "") } ?? 0 }

    subscript(_ name: String) -> [String] {
        (heads.last ?? "").components(separatedBy: "\r\n").dropFirst().filter { $0.hasPrefix(name + ":") }
            .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
    }
}

extension Wire {
    /// The response to a request of curl's.
    func get(_ proxy: TestProxy, _ path: String, _ more: [String] = [], input: String = "") throws -> CurlResponse {
        let result = try Tool.run(
            "curl", try curl(proxy.port) + ["-i", url(proxy.port, path)] + more, input: input)
        #expect(result.code == 0, "\(self), \(path): \(result.output)")
        return CurlResponse(result.output)
    }

    /// What the origin received of it.
    func seen(_ proxy: TestProxy, _ path: String = "/seen", _ more: [String] = [], input: String = "") throws
        -> SeenRequest
    {
        try SeenRequest(try get(proxy, path, more, input: input).body)
    }

    /// A request of what curl cannot send (Peers/http_client.py).
    func send(
        _ proxy: TestProxy, _ method: String, _ path: String, fields: [[String]] = [], pieces: [String] = [],
        trailers: [[String]] = [], authority: String = Self.name, scheme: String? = nil, preamble: [UInt8] = []
    ) throws -> ToldResponse {
        let result = try tell(
            proxy, method, path, fields: fields, pieces: pieces, trailers: trailers, authority: authority,
            scheme: scheme, preamble: preamble)
        try #require(result.code == 0, "\(self), \(path): \(result.output)")
        return try JSONDecoder().decode(ToldResponse.self, from: Data(result.output.utf8))
    }

    /// The same for a request that may have no answer: what the client says of it.
    func tell(
        _ proxy: TestProxy, _ method: String, _ path: String, fields: [[String]] = [], pieces: [String] = [],
        trailers: [[String]] = [], authority: String = Self.name, scheme: String? = nil, preamble: [UInt8] = []
    ) throws -> (code: Int32, output: String) {
        let order = ToldRequest(
            method: method, path: path, fields: fields, pieces: pieces, trailers: trailers, authority: authority,
            scheme: scheme ?? (downstream.isTLS ? "https" : "http"),
            preamble: preamble.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
        return try Tool.run(
            Origin.python,
            [Origin.script("http_client.py"), downstream.isHTTP2 ? "2" : "1", "\(proxy.port)"]
                + (downstream.isTLS ? [try Self.authority(), Self.name] : []),
            input: String(decoding: try JSONEncoder().encode(order), as: UTF8.self))
    }
}

private struct ToldRequest: Encodable {
    let method: String
    let path: String
    let fields: [[String]]
    let pieces: [String]
    let trailers: [[String]]
    let authority: String
    /// In HTTP/2, which says it.
    let scheme: String
    let preamble: String
}

/// The answer to a request of Peers/http_client.py.
struct ToldResponse: Decodable {
    let status: Int
    let fields: [[String]]
    let body: String
    let trailers: [[String]]
    /// Statuses of what came before the response.
    let hints: [Int]
    /// Its fields.
    let hinted: [[String]]

    /// The values of all fields of a name.
    subscript(_ name: String) -> [String] { fields.filter { $0.first == name }.compactMap(\.last) }
}
