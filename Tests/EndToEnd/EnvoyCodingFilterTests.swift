import Foundation
import MartletTesting
import Testing

@Suite("Martlet with the filters of Envoy's files that encode, decode and ask for keys", .serialized)
struct EnvoyCodingFilterTests {
    private typealias Files = EnvoyFilterTests

    private static func library(_ name: String, _ direction: String) -> String {
        let any = Files.any("envoy.extensions.compression.\(name).\(direction).v3.\(name.capitalized)")
        return "\(direction)_library: { name: \(name), typed_config: \(any) }"
    }

    @Test("Responses are compressed alike")
    func responses() throws {
        let body = String(repeating: "all work and no play ", count: 20)
        let page = { (path: String, changes: String) in
            "{ match: { prefix: \(path) }, direct_response: { status: 200, body: { inline_string: \"\(body)\" } }, typed_per_filter_config: { \(changes) } }"
        }
        let both = try Files.Both { port in
            Files.file(
                port,
                [
                    ("gzip", "compressor.v3.Compressor", Self.library("gzip", "compressor")),
                    (
                        "brotli", "compressor.v3.Compressor",
                        Self.library("brotli", "compressor") + ", choose_first: true"
                    ),
                ],
                routes: [
                    page("/off", "gzip: \(Files.off), brotli: \(Files.off)"), Files.route("/short", 200),
                    page("/", ""),
                ])
        }
        for (accepted, wanted) in [
            ("gzip", "gzip"), ("br", "br"), ("gzip, br", "br"), ("br;q=0.5, gzip", "gzip"), ("zstd", ""),
            ("identity", ""), ("gzip;q=0", ""),
        ] {
            both.expect("GET /", wanted, with: ["Accept-Encoding: \(accepted)"], header: "content-encoding")
        }
        both.expect("GET /", "", header: "content-encoding")
        both.expect("GET /off", "", with: ["Accept-Encoding: gzip"], header: "content-encoding")
        both.expect("GET /short", "", with: ["Accept-Encoding: gzip"], header: "content-encoding")
    }

    @Test("Requests are decoded alike")
    func requests() throws {
        let upstream = try ScriptedUpstream.answering { request in
            let isPlain = request.hasSuffix("plain text") || request.contains("plain text\r\n")
            return "HTTP/1.1 200 OK\r\nX-Body: \(isPlain ? "plain" : "other")\r\nContent-Length: 0\r\n\r\n"
        }
        let cluster = """
            [{ name: up, type: STATIC, connect_timeout: 1s, load_assignment: { cluster_name: up, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: \(upstream.port) } } } }] }] } }]
            """
        let decompressor = { (name: String) in
            (
                name, "decompressor.v3.Decompressor",
                Self.library(name, "decompressor")
                    + ", response_direction_config: { common_config: { enabled: { default_value: false } } }"
            )
        }
        let both = try Files.Both { port in
            Files.file(
                port, [decompressor("gzip"), decompressor("zstd")],
                routes: [
                    "{ match: { prefix: /off }, route: { cluster: up }, typed_per_filter_config: { gzip: \(Files.off), zstd: \(Files.off) } }",
                    "{ match: { prefix: / }, route: { cluster: up } }",
                ], clusters: cluster)
        }
        let folder = try PeerEnvironment.folder("bodies")
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("body").path
        try Data("plain text".utf8).write(to: URL(fileURLWithPath: file))
        for (coding, tool, ending) in [("gzip", ["gzip", "-k", file], ".gz"), ("zstd", ["zstd", "-q", file], ".zst")] {
            #expect(try Tool.run(tool[0], Array(tool.dropFirst())).code == 0)
            for (path, wanted) in [("/", "plain"), ("/off", "other")] {
                for (name, port) in both.doors {
                    let answer = try Tool.run(
                        "curl",
                        [
                            "-sS", "-o", "/dev/null", "-w", "%header{x-body}", "-H", "Content-Encoding: \(coding)",
                            "--data-binary", "@\(file)\(ending)", "http://127.0.0.1:\(port)\(path)",
                        ])
                    #expect(answer.output == wanted, "\(name) \(coding) \(path)")
                }
            }
        }
    }

    @Test("Keys are asked for alike")
    func keys() throws {
        let filter = """
            credentials: [{ key: k-one, client: one }, { key: k-two, client: two }],
            key_sources: [{ header: x-key }, { header: authorization }, { query: key }, { cookie: key }]
            """
        let clients = Files.any("api_key_auth.v3.ApiKeyAuthPerRoute", "allowed_clients: [one]")
        let both = try Files.Both { port in
            Files.file(
                port, [("keys", "api_key_auth.v3.ApiKeyAuth", filter)],
                routes: [
                    Files.route("/open", 201, "keys: \(Files.off)"), Files.route("/one", 202, "keys: \(clients)"),
                    Files.route("/", 200),
                ])
        }
        both.expect("GET /", "401")
        both.expect("GET /", "401", with: ["X-Key: k-three"])
        both.expect("GET /", "200", with: ["X-Key: k-one"])
        both.expect("GET /", "200", with: ["Authorization: Bearer k-two"])
        both.expect("GET /?key=k-one", "200")
        both.expect("GET /", "200", with: ["Cookie: a=b; key=k-two"])
        both.expect("GET /", "401", with: ["X-Key: k-none", "Cookie: key=k-two"])
        both.expect("GET /one", "202", with: ["X-Key: k-one"])
        both.expect("GET /one", "403", with: ["X-Key: k-two"])
        both.expect("GET /open", "201", with: ["X-Key: k-three"])
    }

    @Test("Passwords are asked for alike")
    func passwords() throws {
        let users = { (name: String) in "users: { inline_string: \"\(name):{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\" }" }
        let both = try Files.Both { port in
            Files.file(
                port, [("basic", "basic_auth.v3.BasicAuth", "\(users("ann")), forward_username_header: x-user")],
                routes: [
                    Files.route("/open", 201, "basic: \(Files.off)"),
                    Files.route("/bob", 202, "basic: \(Files.any("basic_auth.v3.BasicAuthPerRoute", users("bob")))"),
                    Files.route("/", 200),
                ])
        }
        let sent = { (text: String) in ["Authorization: Basic \(Data(text.utf8).base64EncodedString())"] }
        both.expect("GET /", "401")
        both.expect("GET /", "200", with: sent("ann:password"))
        both.expect("GET /", "401", with: sent("ann:passwort"))
        both.expect("GET /", "401", with: sent("bob:password"))
        both.expect("GET /", "401", with: ["Authorization: Bearer ann"])
        both.expect("GET /bob", "202", with: sent("bob:password"))
        both.expect("GET /bob", "401", with: sent("ann:password"))
        both.expect("GET /open", "201", with: sent("ann:passwort"))
    }
}
