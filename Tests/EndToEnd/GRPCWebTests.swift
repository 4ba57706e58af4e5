import Foundation
import MartletTesting
import Testing

/// curl speaks gRPC-Web, grpcio gRPC.
@Suite("gRPC-Web from end to end")
struct GRPCWebTests {
    private struct Web {
        let peer: GRPCPeer
        let test: TestProxy
        private let isSecure: Bool

        /// - Parameter isSecure: both connections of the proxy speak TLS.
        init(isSecure: Bool = false) throws {
            self.isSecure = isSecure
            let tls = try GRPCPeer.tls(isSecure)
            peer = try GRPCPeer(isSecure: isSecure)
            test = try TestProxy(
                listener: """
                        \(tls.listener)
                        filters:
                          - cors: { allow_origins: ["https://shop.example"], allow_methods: [POST], allow_headers: [content-type, x-grpc-web, x-fail] }
                          - grpc_stats
                          - grpc_web
                          - router
                        routes: [{ match: { path: { prefix: /test.Echo/ } }, cluster: up }]
                        access_log: { path: log.txt, format: "%REQ(:PATH)% %GRPC_STATUS% %PROTOCOL%" }
                    """, rest: TestProxy.cluster(peer.port, "    protocol: http2\n    \(tls.cluster)"))
        }

        /// The head and the body, decoded when it is base64.
        func call(
            _ method: String, _ type: String, _ body: [UInt8], _ more: [String] = [], version: String = "--http1.1"
        ) throws -> (head: String, body: [UInt8]) {
            let (input, output) = (
                test.directory.appendingPathComponent("in"), test.directory.appendingPathComponent("out")
            )
            let isText = type.contains("text")
            try (isText ? Data(body).base64EncodedData() : Data(body)).write(to: input)
            let authorities = isSecure ? ["--cacert", try CertificateForge.shared.authority().certificateFile] : []
            let result = try Tool.run(
                "curl",
                [
                    "-sS", "--max-time", "20", version, "-D", "-", "-o", output.path, "-H", "content-type: \(type)",
                    "-H", "origin: https://shop.example", "--data-binary", "@\(input.path)",
                ] + authorities + more
                    + ["\(isSecure ? "https" : "http")://127.0.0.1:\(test.port)/test.Echo/\(method)"])
            #expect(result.code == 0, "\(result.output)")
            var bytes = Array((try? Data(contentsOf: output)) ?? Data())
            if isText {
                bytes = stride(from: 0, to: bytes.count, by: 4).flatMap { start in
                    Array(Data(base64Encoded: Data(bytes[start..<min(start + 4, bytes.count)])) ?? Data([0xEE]))
                }
            }
            return (result.output, bytes)
        }
    }

    private static func frame(_ flag: UInt8, _ text: String) -> [UInt8] {
        [flag, 0, 0, UInt8(text.utf8.count >> 8), UInt8(text.utf8.count & 0xFF)] + Array(text.utf8)
    }

    /// The messages, and the trailers of the last frame.
    private static func parts(_ body: [UInt8]) -> (messages: [String], trailers: String) {
        var (messages, trailers, rest) = ([String](), "", body[...])
        while rest.count >= 5 {
            let length = rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
            let text = String(decoding: rest.dropFirst(5).prefix(length), as: UTF8.self)
            if rest.first == 0x80 { trailers = text } else { messages.append(text) }
            rest = rest.dropFirst(5 + length)
        }
        #expect(rest.isEmpty)
        return (messages, trailers)
    }

    @Test(
        "Messages and trailers, binary and in base64, from HTTP/1.1 and HTTP/2, and HTTP/2 over TLS",
        arguments: ["application/grpc-web+proto", "application/grpc-web-text"],
        ["--http1.1", "--http2-prior-knowledge", "--http2"])
    func calls(type: String, version: String) throws {
        // What curl is told so, it agrees on in a TLS handshake.
        let web = try Web(isSecure: version == "--http2")
        let unary = try web.call("Unary", type, Self.frame(0, "hello"), version: version)
        #expect(unary.head.hasPrefix(version == "--http1.1" ? "HTTP/1.1 200" : "HTTP/2 200"))
        #expect(unary.head.contains("content-type: \(type.contains("text") ? type + "+proto" : type)\r\n"))
        #expect(unary.head.contains("access-control-expose-headers: grpc-status, grpc-message\r\n"))
        let (messages, trailers) = Self.parts(unary.body)
        #expect(messages == ["hello"])
        #expect(trailers.contains("grpc-status: 0\r\n") && trailers.contains("x-trailing: unary\r\n"))
        let stream = try web.call("ServerStream", type, Self.frame(0, "300"), version: version)
        #expect(Self.parts(stream.body).messages == (0..<300).map { "\($0)" })
        let failing = Self.parts(try web.call("Failing", type, Self.frame(0, ""), version: version).body)
        #expect(failing.messages == ["one", "two"] && failing.trailers.contains("grpc-status: 15\r\n"))
        #expect(failing.trailers.contains("grpc-message: lost: 100%25 gone%0A%C3%BC\r\n"))
        let failed = try web.call("Unary", type, Self.frame(0, ""), ["-H", "x-fail: NOT_FOUND none"], version: version)
        #expect(failed.head.contains("grpc-status: 5\r\n") && failed.head.contains("grpc-message: none\r\n"))
        let log = web.test.directory.appendingPathComponent("log.txt")
        let name = version == "--http1.1" ? "HTTP/1.1" : "HTTP/2"
        #expect(
            eventually {
                (try? String(contentsOf: log, encoding: .utf8)) == """
                    /test.Echo/Unary OK \(name)
                    /test.Echo/ServerStream OK \(name)
                    /test.Echo/Failing DataLoss \(name)
                    /test.Echo/Unary NotFound \(name)

                    """
            })
        let labels = "{listener=\"public\",service=\"test.Echo\",method=\"Unary\",grpc_status=\"NOT_FOUND\"}"
        #expect(try web.test.metric("martlet_grpc_requests_total\(labels)") == "1")
    }

    @Test("A service that is gone, and base64 that is none, are told in gRPC-Web")
    func failures() throws {
        let web = try Web()
        let odd = try web.call("Unary", "application/grpc-web+proto", Array("AAA".utf8))
        #expect(!odd.head.contains("grpc-status: 0"))
        web.peer.stop()
        let gone = try web.call("Unary", "application/grpc-web-text", Self.frame(0, "x"))
        #expect(gone.head.hasPrefix("HTTP/1.1 200 ") && gone.head.contains("grpc-status: 14\r\n"))
        #expect(gone.head.contains("content-type: application/grpc-web-text+proto\r\n"))
    }
}
