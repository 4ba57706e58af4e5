import MartletCoding
import Testing

@testable import MartletTransform

@Suite("Settings of compress and decompress")
struct SettingsTests {
    @Test("Defaults, and a route's keys in their place")
    func compress() throws {
        let (listener, errors) = try settings("{ algorithms: [br, gzip], min_size: 100B, br: { level: 2 } }") {
            CompressConfig($0, base: nil)
        }
        #expect(errors.isEmpty)
        #expect(listener.codings == [.br, .gzip])
        #expect(listener.minSize == 100)
        #expect(listener.effort(.br) == CompressConfig.Effort(level: 2, windowLog: 18))
        #expect(listener.effort(.zstd) == CompressConfig.Effort(level: 3, windowLog: 19))
        let (route, mistakes) = try settings("{ br: { window: 64KiB }, flush: always, content_types: [text/*] }") {
            CompressConfig($0, base: listener)
        }
        #expect(mistakes.isEmpty)
        #expect(route.codings == [.br, .gzip])
        #expect(route.minSize == 100)
        #expect(route.effort(.br) == CompressConfig.Effort(level: 2, windowLog: 16))
        #expect(route.flush == .always)
        let hasJSON = route.contentTypes.contains("application/json".utf8Span.span)
        #expect(!hasJSON)
        #expect(route.maxActive == listener.maxActive)
    }

    @Test(
        "Mistakes of compress",
        arguments: [
            (
                "algorithms: [gzip, snappy]",
                "s:1:20: error: algorithms[1]: \"snappy\" is not known here (valid: zstd, br, gzip)"
            ),
            (
                "algorithms: []",
                "s:1:13: error: algorithms: an empty list compresses nothing (write some of zstd, br, gzip)"
            ),
            (
                "algorithms: [gzip, gzip]",
                "s:1:13: error: algorithms: an algorithm twice (the first of those a client likes best is used)"
            ),
            (
                "content_types: [text]",
                "s:1:17: error: content_types[0]: \"text\" is no media type (write one such as text/html, text/* or application/*+json, without parameters)"
            ),
            (
                "content_types: []",
                "s:1:16: error: content_types: an empty list compresses nothing (leave it out for the default)"
            ),
            ("br: { level: 11 }", "s:1:14: error: br.level: 11 is out of bounds (expected 0 to 6)"),
            ("gzip: { window: 64KiB }", "s:1:17: error: gzip.window: 64KiB is out of bounds (expected 512B to 32KiB)"),
            (
                "zstd: { window: 100KiB }",
                "s:1:17: error: zstd.window: 102400 bytes are no power of two (16KiB, 32KiB, 256KiB, 1MiB)"
            ),
            ("flush: sometimes", "s:1:8: error: flush: \"sometimes\" is not known here (valid: auto, always, never)"),
            ("min_size: 100", "s:1:11: error: min_size: \"100\" has no unit (write 100B or 100KiB)"),
            ("max_active: 0", "s:1:13: error: max_active: 0 is out of bounds (expected 1 to 1000000)"),
            ("minsize: 1KiB", "s:1:1: error: minsize: unknown key \"minsize\" (did you mean \"min_size\"?)"),
        ])
    func compressMistakes(text: String, error: String) throws {
        let errors = try settings(text) { CompressConfig($0, base: nil) }.errors
        #expect(errors == [error])
    }

    @Test("Sides that are off, and on, by listener and by route")
    func decompress() throws {
        func decode(_ text: String, base: DecompressConfig? = nil) throws -> DecompressConfig {
            let (config, errors) = try settings(text) { DecompressConfig($0, base: base) }
            #expect(errors.isEmpty, "\(text): \(errors)")
            return config
        }
        let plain = try decode("{}")
        #expect(plain.request?.codings == [.gzip, .br, .zstd, .deflate])
        #expect(plain.request?.limits == ContentDecoder.Limits())
        #expect(plain.response == nil)
        let both = try decode("{ response: { algorithms: [br], max_size: 1GiB }, request: { max_window: 1MiB } }")
        #expect(both.response?.limits.size == 1 << 30)
        #expect(both.response.map { String(decoding: $0.names, as: UTF8.self) } == "br")
        #expect(both.request?.limits.maxWindowLog == 20)
        let route = try decode("{ request: off, response: { max_ratio: 5 } }", base: both)
        #expect(route.request == nil)
        #expect(route.response?.codings == [.br])
        #expect(route.response?.limits.size == 1 << 30)
        #expect(route.response?.limits.ratio == 5)
        #expect(try decode("{ request: {} }", base: route).request?.limits.maxWindowLog == 23)
    }

    @Test(
        "Mistakes of decompress",
        arguments: [
            ("request: off", "s:1:1: error: decodes nothing (leave the filter out)"),
            (
                "request: { algorithms: [lzma] }",
                "s:1:25: error: request.algorithms[0]: \"lzma\" is not known here (valid: gzip, br, zstd, deflate)"
            ),
            (
                "response: { algorithms: [] }",
                "s:1:25: error: response.algorithms: an empty list decodes nothing (write `response: off`)"
            ),
            ("response: on", "s:1:11: error: response: expected a mapping, found \"on\" (write keys as `name: value`)"),
            (
                "request: { max_size: 0 }",
                "s:1:22: error: request.max_size: 0 is out of bounds (expected 1B to 1024GiB)"
            ),
            (
                "request: { max_ratio: 0 }",
                "s:1:23: error: request.max_ratio: 0 is out of bounds (expected 1 to 1000000)"
            ),
            (
                "request: { max_window: 1GiB }",
                "s:1:24: error: request.max_window: 1GiB is out of bounds (expected 32KiB to 16MiB)"
            ),
            (
                "request: { unknown: drop }",
                "s:1:21: error: request.unknown: \"drop\" is not known here (valid: forward, refuse)"
            ),
            (
                "max_size: 1MiB",
                "s:1:1: error: max_size: unknown key \"max_size\" (valid keys: max_active, request, response)"
            ),
        ])
    func decompressMistakes(text: String, error: String) throws {
        let errors = try settings(text) { DecompressConfig($0, base: nil) }.errors
        #expect(errors == [error])
    }
}
