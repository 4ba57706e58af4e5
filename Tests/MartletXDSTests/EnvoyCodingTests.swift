internal import MartletConfig
internal import MartletXDS
internal import MartletXDSMessages
internal import SwiftProtobuf
internal import Testing

@Suite("A filter of Martlet's that is several of Envoy's")
struct EnvoyCodingTests {
    private static func compressor(_ name: String, _ more: String = "") -> String {
        ForeignFilters.any(
            "compressor.v3.Compressor",
            "\(CodingCases.compress(name)), response_direction_config: { common_config: { content_type: [text/css] } }\(more)"
        )
    }
    private static func decompressor(_ name: String, _ library: String = "", _ more: String = "") -> String {
        ForeignFilters.any("decompressor.v3.Decompressor", "\(CodingCases.decompress(name, library))\(more)")
    }
    private static let off = ForeignFilters.any("envoy.config.route.v3.FilterConfig", "disabled: true")
    private static let gzip = "gzip: { level: 6, window: 4KiB }"
    private static let br = "br: { level: 3, window: 256KiB }"

    @Test("Compressors beside each other are one, with the chosen first in front")
    func compressors() throws {
        let plain = try ForeignFilters([("one", Self.compressor("gzip")), ("two", Self.compressor("brotli"))])
        #expect(plain.errors == [])
        #expect(
            plain.chain == [
                "compress: { algorithms: [gzip, br], content_types: [text/css], min_size: 30B, \(Self.gzip), \(Self.br) }"
            ])
        let chosen = try ForeignFilters([
            ("one", Self.compressor("gzip")), ("two", Self.compressor("brotli", ", choose_first: true")),
            ("three", Self.compressor("zstd", ", choose_first: true")),
        ])
        #expect(chosen.errors == [])
        #expect(
            chosen.chain == [
                "compress: { algorithms: [zstd, br, gzip], content_types: [text/css], min_size: 30B, zstd: { level: 3 }, \(Self.br), \(Self.gzip) }"
            ])
    }

    @Test("What would be two filters in Martlet is refused")
    func refusals() throws {
        let headers = ("h", ForeignFilters.any("header_mutation.v3.HeaderMutation"))
        let apart = try ForeignFilters([("a", Self.compressor("gzip")), headers, ("b", Self.compressor("zstd"))])
        #expect(apart.errors.contains("http_filters b: another compress further up in the chain is not supported"))
        let twice = try ForeignFilters([("a", Self.compressor("gzip")), ("b", Self.compressor("gzip"))])
        #expect(twice.errors == ["http_filters b: a second compressor with gzip is not supported"])
        let unlike = try ForeignFilters([
            ("a", Self.compressor("gzip")),
            ("b", ForeignFilters.any("compressor.v3.Compressor", CodingCases.compress("brotli"))),
        ])
        #expect(unlike.errors == ["http_filters b: what differs from the compressor in front of it is not supported"])
        let ratio = try ForeignFilters([
            ("a", Self.decompressor("gzip", "max_inflate_ratio: 7")), ("b", Self.decompressor("brotli")),
        ])
        #expect(ratio.errors == ["http_filters b: what differs from the decompressor in front of it is not supported"])
        let same = try ForeignFilters([("a", Self.decompressor("zstd")), ("b", Self.decompressor("zstd"))])
        #expect(same.errors == ["http_filters b: what differs from the decompressor in front of it is not supported"])
        let disabled = try ForeignFilters([("a", Self.compressor("gzip"))], route: [("a", Self.off)])
        #expect(disabled.errors == [] && disabled.changes == ["compress: off"])
        let some = try ForeignFilters(
            [("a", Self.compressor("gzip")), ("b", Self.compressor("zstd"))], route: [("b", Self.off)])
        #expect(some.errors == ["typed_per_filter_config: a change of 1 of 2 compress filters is not supported"])
    }

    @Test("The last of several compressors takes away what the client accepts, and no other")
    func acceptEncoding() throws {
        func compressor(_ name: String, _ takes: Bool) -> String {
            ForeignFilters.any(
                "compressor.v3.Compressor",
                "\(CodingCases.compress(name)), response_direction_config: { common_config: { content_type: [text/css] }, remove_accept_encoding_header: \(takes) }"
            )
        }
        let last = try ForeignFilters([("a", compressor("gzip", false)), ("b", compressor("brotli", true))])
        #expect(last.errors == [] && last.chain[0].contains("remove_accept_encoding_header: true"))
        let first = try ForeignFilters([("a", compressor("gzip", true)), ("b", compressor("brotli", false))])
        #expect(first.errors.contains { $0.contains("true but for the last of several") }, "\(first.errors)")
    }

    @Test("A route that says nothing of its own takes back what its host says")
    func takenBack() throws {
        let off = ForeignFilters.any("compressor.v3.CompressorPerRoute", "disabled: true")
        let on = ForeignFilters.any(
            "compressor.v3.CompressorPerRoute", "overrides: { response_direction_config: {} }")
        let chain = [("c", Self.compressor("gzip"))]
        #expect(try ForeignFilters(chain, host: [("c", off)]).changes == ["compress: off"])
        let both = try ForeignFilters(chain, host: [("c", off)], route: [("c", on)])
        #expect(both.errors == [] && both.changes == ["compress: {}"])
    }

    @Test("Decompressors beside each other are one")
    func decompressors() throws {
        let noResponse = ", response_direction_config: { common_config: { enabled: { default_value: false } } }"
        let both = try ForeignFilters([
            ("a", Self.decompressor("gzip", "", noResponse)), ("b", Self.decompressor("zstd", "", noResponse)),
        ])
        #expect(both.errors == [])
        #expect(both.chain == ["decompress: { request: { algorithms: [gzip, zstd], max_size: 1024GiB } }"])
    }

    @Test("Routes change what stands in a filter's own words")
    func changes() throws {
        let leave = ForeignFilters.any(
            "compressor.v3.CompressorPerRoute",
            "overrides: { response_direction_config: { remove_accept_encoding_header: true } }")
        let compressor = try ForeignFilters([("c", Self.compressor("gzip"))], route: [("c", leave)])
        #expect(compressor.errors == [] && compressor.changes == ["compress: { remove_accept_encoding_header: true }"])
        let library = ForeignFilters.any(
            "compressor.v3.CompressorPerRoute", "overrides: { \(CodingCases.compress("gzip")) }")
        let other = try ForeignFilters([("c", Self.compressor("gzip"))], route: [("c", library)])
        #expect(other.errors.contains { $0.contains("compressor_library is not supported") }, "\(other.errors)")
        let key = ("k", ForeignFilters.any("api_key_auth.v3.ApiKeyAuth", "key_sources: [{ header: a }]"))
        let clients = ForeignFilters.any("api_key_auth.v3.ApiKeyAuthPerRoute", "allowed_clients: [team]")
        #expect(try ForeignFilters([key], route: [("k", clients)]).changes == ["api_key: { allowed_clients: [team] }"])
        let keys = ForeignFilters.any("api_key_auth.v3.ApiKeyAuthPerRoute", "key_sources: [{ header: b }]")
        let wrong = try ForeignFilters([key], route: [("k", keys)])
        #expect(wrong.errors.contains { $0.contains("key_sources is not supported") }, "\(wrong.errors)")
        let basic = ("b", ForeignFilters.any("basic_auth.v3.BasicAuth", "users: { inline_string: a }"))
        let users = ForeignFilters.any("basic_auth.v3.BasicAuthPerRoute", "users: { inline_string: b }")
        let change = try ForeignFilters([basic], route: [("b", users)])
        #expect(change.errors == [])
        #expect(change.chain[0].hasPrefix("basic_auth: { htpasswd: /inline/"))
        #expect(change.chain[0].hasSuffix(", hide_credentials: false }"))
        #expect(change.changes.count == 1 && change.changes[0].hasPrefix("basic_auth: { htpasswd: /inline/"))
        #expect(!change.chain[0].contains(change.changes[0].suffix(12)))
    }

    @Test("Several algorithms travel as several of Envoy's filters, and are off together")
    func written() throws {
        let trip = try EnvoyFilterTests.trip(
            ["compress: { content_types: [text/css], algorithms: [br, gzip] }"], route: "{ compress: off }")
        #expect(trip.errors == [] && trip.after.json == trip.expected.json)
        let chain = try #require(trip.resources.chains.first)
        #expect(chain.map(\.name) == ["compress", "compress.2"])
        let messages = try chain.map {
            try Envoy_Extensions_Filters_Http_Compressor_V3_Compressor(unpackingAny: $0.typedConfig)
        }
        #expect(messages.map(\.compressorLibrary.name) == ["br", "gzip"])
        #expect(messages.map(\.chooseFirst) == [true, false])
        #expect(trip.resources.changes.map(\.0) == ["compress", "compress.2"])
        let change = try EnvoyFilterTests.trip(
            ["compress: { content_types: [text/css] }"],
            route: "{ compress: { remove_accept_encoding_header: true } }")
        #expect(change.errors == [] && change.after.json == change.expected.json)
        // Envoy's would take the header from the filters behind it.
        #expect(change.resources.changes.map(\.0) == ["compress"])
        #expect(change.resources.changes.allSatisfy { $0.1.isA(Martlet_Config_V1_Filter.self) })
    }
}
