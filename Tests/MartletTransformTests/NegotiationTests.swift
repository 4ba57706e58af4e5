import MartletCoding
import MartletCore
import MartletFilter
import MartletHTTP
import Testing

@testable import MartletTransform

@Suite("What a client takes, and what is compressed for it")
struct NegotiationTests {
    @Test(
        "accept-encoding, with zstd, br, gzip offered in this order",
        arguments: [
            ([], nil), ([""], nil), (["gzip"], .gzip), (["GZIP"], .gzip), (["x-gzip"], .gzip), (["br"], .br),
            (["gzip, br, zstd"], .zstd), (["gzip", "br"], .br), (["gzip, deflate, br"], .br),
            (["gzip;q=1, br;q=0.9"], .gzip), (["gzip;q=0.5, br;q=0.501"], .br), (["gzip ; Q=0.5 ,br;q=0.4"], .gzip),
            (["*"], .zstd), (["*;q=0.1"], .zstd), (["zstd;q=0, *"], .br), (["gzip, *;q=0"], .gzip), (["*;q=0"], nil),
            (["identity"], nil), (["identity;q=0"], nil), (["identity;q=0, gzip;q=0.001"], .gzip),
            (["gzip;q=0.5, identity"], nil), (["gzip;q=0.5, identity;q=0.5"], .gzip), (["gzip, identity;q=0.5"], .gzip),
            (["gzip;q=0"], nil), (["gzip;q=0.000"], nil), (["gzip;q=1.000"], .gzip), (["gzip;q=0."], nil),
            (["gzip;q=1."], .gzip),
            // What is no weight makes nothing acceptable.
            (["gzip;q=1.001"], nil), (["gzip;q=2"], nil), (["gzip;q=-1"], nil), (["gzip;q=0.0001"], nil),
            (["gzip;q="], nil), (["gzip;q"], nil), (["gzip;"], nil), (["gzip;v=1"], nil), (["gzip;q=a"], nil),
            (["gzip;q=0.5;x"], nil), (["gzip, , br"], .br), ([",,"], nil), (["gzipp"], nil), (["deflate"], nil),
            (["\"gzip\""], nil), (["\"a, gzip"], nil), (["compress, gzip"], .gzip),
        ] as [([String], ContentCoding?)])
    func choice(fields: [String], coding: ContentCoding?) {
        let accepted = AcceptEncoding(headers(fields.map { ("Accept-Encoding", $0) }))
        #expect(accepted.best(of: [.zstd, .br, .gzip]) == coding)
    }

    @Test("Weights decide before the server's order does")
    func order() {
        let accepted = AcceptEncoding(headers([("accept-encoding", "gzip, br;q=0.8, zstd;q=0.8")]))
        #expect(accepted.best(of: [.zstd, .br, .gzip]) == .gzip)
        #expect(accepted.best(of: [.br, .zstd]) == .br)
        #expect(accepted.best(of: [.zstd, .br]) == .zstd)
        #expect(accepted.best(of: []) == nil)
    }

    @Test(
        "Media types",
        arguments: [
            ("text/html", true), ("Text/HTML; charset=utf-8", true), ("text/html;charset=utf-8", true),
            ("application/json", true), ("application/problem+json", true), ("application/vnd.api+JSON ; v=1", true),
            ("application/atom+xml", true), ("image/svg+xml", true), ("application/+json", false),
            ("text/event-stream", false), ("image/png", false), ("application/grpc", false), ("text", false),
            ("", false), ("/", false), ("text/", false), ("text/html2", false), ("application/octet-stream", false),
        ])
    func types(value: String, isCompressible: Bool) {
        let matches = ContentTypes.compressible.contains(value.utf8Span.span)
        #expect(matches == isCompressible)
    }

    @Test("Patterns of media types")
    func patterns() {
        for bad in ["", "text", "text/", "/html", "*/html", "text/html; a=b", "text/*html", "a/b/c", "te xt/html", "*"]
        {
            #expect(ContentTypes.Pattern(bad) == nil, "\(bad)")
        }
        for (pattern, type, matches) in [
            ("*/*", "a/b", true), ("text/*", "text/event-stream", true), ("text/*", "image/png", false),
            ("*/*", "nonsense", false), ("Text/Event-Stream", "text/event-stream", true),
        ] {
            let types = ContentTypes([pattern].compactMap { ContentTypes.Pattern($0) })
            let isIn = types.contains(type.utf8Span.span)
            #expect(isIn == matches, "\(pattern) \(type)")
        }
    }

    private static let json = ("content-type", "application/json")

    @Test(
        "Why a response is left as it is",
        arguments: [
            (200, [json], .chunked, nil), (200, [json], .untilClose, nil), (404, [json], .exactly(1024), nil),
            (200, [json], .exactly(1023), .small), (500, [json], .exactly(5000), nil),
            (204, [json], .chunked, .noBody), (205, [json], .chunked, .noBody), (304, [json], .chunked, .noBody),
            (101, [json], .chunked, .noBody), (206, [json], .chunked, .partial),
            (200, [json, ("Content-Range", "bytes 0-1/2")], .chunked, .partial),
            (416, [json, ("content-range", "bytes */2")], .chunked, .partial),
            (200, [], .chunked, .contentType), (200, [("content-type", "image/png")], .chunked, .contentType),
            (200, [json, ("content-encoding", "gzip")], .chunked, .encoded),
            (200, [json, ("content-encoding", "identity")], .chunked, .encoded),
            (200, [json, ("cache-control", "max-age=5, No-Transform")], .chunked, .noTransform),
            (200, [json, ("cache-control", "public"), ("cache-control", "no-transform")], .chunked, .noTransform),
            (200, [json, ("cache-control", "x=\"a, no-transform\"")], .chunked, nil),
            (200, [json, ("cache-control", "no-transform=1")], .chunked, nil),
            (200, [json, ("Repr-Digest", "sha-256=:AA==:")], .chunked, .digest),
            (200, [json, ("content-md5", "AA==")], .chunked, .digest),
        ] as [(UInt16, [(String, String)], BodyLength, CompressSkip?)])
    func objections(status: UInt16, fields: [(String, String)], body: BodyLength, skip: CompressSkip?) throws {
        let config = try settings("{}") { CompressConfig($0, base: nil) }.config
        let response = ResponseHead()
        response.status = status
        response.body = body
        for (name, value) in fields { response.headers.append(named: name.utf8Span.span, value.utf8Span.span) }
        #expect(config.objection(response, isHeadOnly: false) == skip)
        #expect(config.objection(response, isHeadOnly: true) != nil)
    }

    @Test("vary and etag")
    func fields() {
        for (before, after) in [
            ([], ["accept-encoding"]), (["Origin"], ["Origin, accept-encoding"]), (["*"], ["*"]),
            (["origin, Accept-Encoding"], ["origin, Accept-Encoding"]),
            (["a", "accept-encoding"], ["a", "accept-encoding"]),
            (["accept-encoding-x"], ["accept-encoding-x, accept-encoding"]), ([""], [", accept-encoding"]),
        ] {
            let table = headers(before.map { ("Vary", $0) })
            Representation.addVary(table)
            #expect((0..<table.count).map { table.value(at: $0).string() } == after)
        }
        for (before, after) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\""), ("a", "a"), ("", "")] {
            let table = headers([("Accept-Ranges", "bytes"), ("ETag", before)])
            Representation.weaken(table)
            #expect(table.count == 1)
            #expect(table.value(at: 0).string() == after)
        }
    }

    @Test("A window is no larger than what there is to compress")
    func windows() throws {
        let config = try settings("{}") { CompressConfig($0, base: nil) }.config
        let effort = CompressConfig.Effort(level: 3, windowLog: 19)
        for (body, log) in [
            (BodyLength.chunked, 19), (.untilClose, 19), (.exactly(0), 19), (.exactly(1), 19), (.exactly(2), 10),
            (.exactly(1024), 10), (.exactly(1025), 11), (.exactly(65_536), 16), (.exactly(65_537), 17),
            (.exactly(.max), 19),
        ] {
            #expect(config.windowLog(effort, for: body) == log, "\(body)")
        }
    }

    @Test(
        "content-encoding of what is to be decoded",
        arguments: [
            ([], .plain), (["identity"], .plain), (["gzip"], .one(.gzip)), (["X-GZIP"], .one(.gzip)),
            (["br"], .one(.br)),
            (["identity, gzip"], .one(.gzip)), (["gzip, identity"], .one(.gzip)), ([" , gzip ,"], .one(.gzip)),
            (["gzip, gzip"], .layers), (["gzip", "br"], .layers), (["gzip, foo"], .layers), (["foo, gzip"], .layers),
            (["foo"], .unknown), (["gzip;q=1"], .unknown), (["foo, bar"], .layers), ([""], .plain),
        ] as [([String], EncodedContent)])
    func encodedContent(fields: [String], content: EncodedContent) {
        #expect(EncodedContent(headers(fields.map { ("Content-Encoding", $0) })) == content)
    }
}
