import MartletCore
import MartletFilter
import MartletGRPC
import MartletHTTP
import Testing

@testable import MartletTransform

@Suite("gRPC-Web through the chain")
struct GRPCWebTests {
    private static func message(_ text: String) -> [UInt8] { MessageEncoder.encode(Array(text.utf8)) }

    private static func base64(_ bytes: [UInt8]) -> [UInt8] {
        var encoder = TextEncoder()
        var text: [UInt8] = []
        encoder.encode(bytes.span, into: &text)
        encoder.flush(into: &text)
        return text
    }

    private static func decoded(_ text: [UInt8]) -> [UInt8] {
        var decoder = TextDecoder()
        var bytes: [UInt8] = []
        let isText = decoder.decode(text.span, into: &bytes)
        #expect(isText && decoder.isBetweenQuanta)
        return bytes
    }

    private static func frame(_ block: String) -> [UInt8] {
        [0x80, 0, 0, 0, UInt8(block.utf8.count)] + Array(block.utf8)
    }

    private static func trailers(_ script: ChainScript, _ fields: [(String, String)]) {
        let table = script.exchange.responseTrailers
        for (name, value) in fields { table.append(named: name.utf8Span.span, value.utf8Span.span) }
        script.exchange.responseFlow.trailersReceived(script.exchange)
    }

    private static func requestBody(_ script: ChainScript, _ bytes: [UInt8], isLast: Bool) {
        script.exchange.requestFlow.bodyReceived(
            script.exchange, BodyChunk(ByteSlice(copying: bytes), isLast: isLast))
    }

    @Test(
        "What upstream is asked, and what the client is answered",
        arguments: [
            ("application/grpc-web", "", "application/grpc", "application/grpc-web+proto"),
            ("application/grpc-web+proto", "*/*", "application/grpc+proto", "application/grpc-web+proto"),
            ("application/grpc-web-text", "", "application/grpc", "application/grpc-web-text+proto"),
            ("application/grpc-web-text+json", "", "application/grpc+json", "application/grpc-web-text+proto"),
            (
                "application/grpc-web+proto", "application/grpc-web-text", "application/grpc+proto",
                "application/grpc-web-text+proto"
            ),
            (
                "application/grpc-web-text", "application/grpc-web+proto", "application/grpc",
                "application/grpc-web+proto"
            ),
        ])
    func types(type: String, accept: String, asked: String, answered: String) throws {
        let script = try ChainScript { [GRPCWeb($0)] }
        var fields = [("content-type", type), ("content-length", "5")]
        if !accept.isEmpty { fields.append(("accept", accept)) }
        script.request(fields, method: "POST", body: .exactly(5))
        let request = script.exchange.request.headers
        #expect(request.string(.contentType) == asked)
        #expect(request.string(.te) == "trailers")
        #expect((script.exchange.request.body == .chunked) == type.contains("text"))
        script.response(200, [("content-type", "application/grpc"), ("content-length", "5")])
        #expect(script.exchange.response.headers.string(.contentType) == answered)
        #expect(!script.exchange.response.headers.contains(.contentLength))
        script.finish()
    }

    @Test("Requests of others, and responses that are no gRPC, are left as they are")
    func others() throws {
        for (method, type) in [("POST", "application/grpc"), ("GET", "application/grpc-web"), ("POST", "text/plain")] {
            let script = try ChainScript { [GRPCWeb($0)] }
            script.request([("content-type", type)], method: method)
            #expect(script.exchange.request.headers.string(.contentType) == type)
            script.response(200, [("content-type", "application/grpc")])
            #expect(script.exchange.response.headers.string(.contentType) == "application/grpc")
        }
        let script = try ChainScript { [GRPCWeb($0)] }
        script.request([("content-type", "application/grpc-web-text")], method: "POST")
        script.response(503, [("content-type", "text/plain")])
        script.send(Array("sorry".utf8), isLast: true)
        #expect(script.exchange.response.headers.string(.contentType) == "text/plain")
        #expect(script.body == Array("sorry".utf8))
    }

    @Test("Bodies of requests in base64 are decoded, however they are cut")
    func requestText() throws {
        let body = Self.message("hello") + Self.message("")
        let text = Self.base64(Self.message("hello")) + Self.base64(Self.message(""))
        for cut in 0...text.count {
            let script = try ChainScript { [GRPCWeb($0)] }
            script.request([("content-type", "application/grpc-web-text")], method: "POST", body: .chunked)
            Self.requestBody(script, Array(text[..<cut]), isLast: false)
            Self.requestBody(script, Array(text[cut...]), isLast: true)
            #expect(script.body == body, "cut at \(cut)")
            #expect(script.passed.last == "request body")
        }
    }

    @Test("A body that is no base64 is refused, in gRPC-Web", arguments: ["AA*=", "AAA", "=AAA"])
    func malformed(text: String) throws {
        let script = try ChainScript { [GRPCWeb($0)] }
        script.request([("content-type", "application/grpc-web-text")], method: "POST", body: .chunked)
        Self.requestBody(script, Array(text.utf8), isLast: true)
        let headers = script.exchange.response.headers
        #expect(script.exchange.response.status == 200)
        #expect(headers.string(.contentType) == "application/grpc-web-text+proto")
        #expect(headers.string(.grpcStatus) == "13")
        #expect(headers.string(.grpcMessage) == "grpc-web-text-malformed")
        #expect(script.hasEnded && script.body.isEmpty)
        #expect(script.counter("martlet_grpc_web_refused_total") == 1)
    }

    @Test(
        "Trailers are the last frame of the body, whatever the pieces; messages go on at once",
        arguments: [true, false])
    func response(isText: Bool) throws {
        let body = Self.message("one") + Self.message("three")
        let end = Self.frame("grpc-status: 5\r\ngrpc-message: gone\r\nx-more: 1\r\n")
        for cut in 0...body.count {
            let script = try ChainScript { [GRPCWeb($0)] }
            script.request(
                [("content-type", isText ? "application/grpc-web-text" : "application/grpc-web")], method: "POST")
            script.response(200, [("content-type", "application/grpc+proto")])
            script.send(Array(body[..<cut]))
            #expect((isText ? Self.decoded(script.body) : script.body) == Array(body[..<cut]))
            script.send(Array(body[cut...]))
            Self.trailers(script, [("Grpc-Status", "5"), ("grpc-message", "gone"), ("X-More", "1")])
            #expect((isText ? Self.decoded(script.body) : script.body) == body + end, "cut at \(cut)")
            #expect(script.hasEnded)
            #expect(script.exchange.responseTrailers.isEmpty)
            #expect(script.exchange.grpcStatus == .notFound)
            script.finish()
        }
    }

    @Test("A head alone has its status where it was")
    func trailersOnly() throws {
        let script = try ChainScript { [GRPCWeb($0)] }
        script.request([("content-type", "application/grpc-web")], method: "POST")
        script.response(200, [("content-type", "application/grpc"), ("grpc-status", "7")], body: .none)
        #expect(script.hasEnded)
        #expect(script.exchange.response.headers.string(.grpcStatus) == "7")
        #expect(script.exchange.grpcStatus == .permissionDenied)
    }

    @Test("A response that ends without a status is not taken for a success")
    func noStatus() throws {
        let script = try ChainScript { [GRPCWeb($0)] }
        script.request([("content-type", "application/grpc-web")], method: "POST")
        script.response(200, [("content-type", "application/grpc")])
        script.send(Self.message("x"), isLast: true)
        let end = Self.frame("grpc-status: 2\r\ngrpc-message: no status from upstream\r\n")
        #expect(script.body == Self.message("x") + end)
        #expect(script.hasEnded && script.exchange.responseTrailers.isEmpty)
        #expect(script.exchange.grpcStatus == .unknown)
    }
}
