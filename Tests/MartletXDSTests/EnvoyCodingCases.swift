internal import Foundation

/// Envoy's compressors and decompressors, each alone. Several are in `EnvoyCodingTests`.
enum CodingCases {
    private static let compressor = "compressor.v3.Compressor"
    private static let decompressor = "decompressor.v3.Decompressor"
    private static let types =
        "[text/html, text/plain, text/css, application/javascript, application/x-javascript, text/javascript, text/x-javascript, text/ecmascript, text/js, text/jscript, text/x-js, application/ecmascript, application/x-json, application/xml, application/json, image/svg+xml, text/xml, application/xhtml+xml, application/grpc-web, application/grpc-web+proto]"

    static func library(_ name: String, _ direction: String, _ fields: String = "") -> String {
        let any = ForeignFilters.any("envoy.extensions.compression.\(name).\(direction).v3.\(name.capitalized)", fields)
        return "\(direction)_library: { name: \(name), typed_config: \(any) }"
    }
    static func compress(_ name: String, _ fields: String = "") -> String { library(name, "compressor", fields) }
    static func decompress(_ name: String, _ fields: String = "") -> String { library(name, "decompressor", fields) }

    private static func response(_ common: String, _ more: String = "") -> String {
        ", response_direction_config: { common_config: { \(common) }\(more) }"
    }

    static let read: [(String, String, String)] = [
        (
            compressor, compress("gzip"),
            "compress: { algorithms: [gzip], content_types: \(types), min_size: 30B, gzip: { level: 6, window: 4KiB } }"
        ),
        (
            compressor,
            compress("gzip", "compression_level: COMPRESSION_LEVEL_9, window_bits: 15, memory_level: 3")
                + response(
                    "min_content_length: 2048, content_type: [text/html], enabled: { default_value: true, runtime_key: a }",
                    ", remove_accept_encoding_header: true"),
            "compress: { algorithms: [gzip], content_types: [text/html], min_size: 2KiB, remove_accept_encoding_header: true, gzip: { level: 9, window: 32KiB } }"
        ),
        (
            compressor, compress("brotli", "quality: 11, window_bits: 24") + response("content_type: [text/css]"),
            "compress: { algorithms: [br], content_types: [text/css], min_size: 30B, br: { level: 6, window: 8MiB } }"
        ),
        (
            compressor,
            compress("zstd", "enable_checksum: true")
                + response(
                    "content_type: [text/css], min_content_length: 0", ", uncompressible_response_codes: [204, 206]"),
            "compress: { algorithms: [zstd], content_types: [text/css], min_size: 30B, zstd: { level: 3 } }"
        ),
        (
            decompressor, decompress("gzip", "window_bits: 15, max_inflate_ratio: 50"),
            "decompress: { request: { algorithms: [gzip], max_size: 1024GiB, max_ratio: 50 }, response: { algorithms: [gzip], max_size: 1024GiB, max_ratio: 50 } }"
        ),
        (
            decompressor,
            decompress("brotli")
                + ", response_direction_config: { common_config: { enabled: { default_value: false } } }",
            "decompress: { request: { algorithms: [br], max_size: 1024GiB } }"
        ),
    ]

    static let refused: [(String, String, String)] = [
        (
            compressor, compress("gzip") + ", request_direction_config: {}",
            "the compression of requests is not supported"
        ),
        (
            compressor, compress("gzip") + response("enabled: { default_value: false }"),
            "enabled: false is not supported"
        ),
        (
            compressor, compress("gzip") + response("", ", disable_on_etag_header: true"),
            "disable_on_etag_header: true is not supported"
        ),
        (
            compressor, compress("gzip") + response("", ", uncompressible_response_codes: [206, 404]"),
            "uncompressible_response_codes: 404 is not supported"
        ),
        (compressor, compress("gzip") + ", content_type: [text/html]", "content_type is not supported"),
        (compressor, compress("zstd", "dictionary: { inline_string: a }"), "dictionary is not supported"),
        (compressor, "choose_first: true", "compressor_library: nothing is not supported"),
        (
            decompressor, decompress("gzip") + ", request_direction_config: { advertise_accept_encoding: false }",
            "the decoding of responses that the request has not asked for is not supported"
        ),
        (
            decompressor,
            decompress("gzip")
                + ", request_direction_config: { common_config: { enabled: { default_value: false } } }, response_direction_config: { common_config: { enabled: { default_value: false } } }",
            "one that decodes nothing is not supported"
        ),
        (
            decompressor,
            decompress("gzip")
                + ", response_direction_config: { common_config: { ignore_no_transform_header: true } }",
            "ignore_no_transform_header: true is not supported"
        ),
    ]

    static let written: [(String, Bool)] = [
        ("compress: { content_types: [text/html, application/json] }", true),
        (
            "compress: { algorithms: gzip, content_types: [text/html], min_size: 2KiB, gzip: { level: 9 }, flush: auto, max_active: 256 }",
            true
        ),
        (
            "compress: { algorithms: [br, zstd], content_types: text/css, min_size: 1B, br: { level: 0, window: 1KiB }, zstd: { level: 9, window: 512KiB } }",
            true
        ),
        (
            "compress: { algorithms: [br, gzip], content_types: text/css, remove_accept_encoding_header: true }", true
        ),
        ("compress: {}", false),
        // Envoy's 0 is its default.
        ("compress: { content_types: [text/css], min_size: 0 }", false),
        ("compress: { content_types: [text/*] }", false),
        ("compress: { content_types: [text/css], flush: never }", false),
        ("compress: { content_types: [text/css], max_active: 9 }", false),
        ("compress: { content_types: [text/css], zstd: { window: 1MiB } }", false),
        ("compress: { algorithms: [gzip], content_types: [text/css], br: { level: 2 } }", false),
        ("decompress: { request: { algorithms: [gzip], max_size: 1TiB } }", false),
    ]
}

/// Credentials: Envoy's filters hold them in words that Martlet's do not take.
enum CredentialCases {
    private static let basic = "basic_auth.v3.BasicAuth"
    private static let key = "api_key_auth.v3.ApiKeyAuth"
    private static let users = "users: { inline_string: \"ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\" }"
    private static let keys = "credentials: [{ key: secret, client: team }]"
    private static let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"

    static let read: [(String, String, String)] = [
        (
            key,
            "\(keys), key_sources: [{ header: x-key }, { query: key }, { cookie: k }], forwarding: { header: x-client, hide_credentials: true }",
            "api_key: { header: [x-key], query: [key], cookie: [k], hide_credentials: true, forward_client_header: x-client, keys: [{ key_sha256: \(hash), client: team }] }"
        ),
        (
            key, "\(keys), key_sources: [{ header: authorization }]",
            "api_key: { header: [authorization], hide_credentials: false, keys: [{ key_sha256: \(hash), client: team }] }"
        ),
    ]

    static let refused: [(String, String, String)] = [
        (basic, "\(users), authentication_header: x-a", "authentication_header is not supported"),
        (basic, "users: { environment_variable: A }", "environment_variable is not supported"),
        (basic, "", "users: there is nothing in it"),
        (key, "credentials: [{ client: a }], key_sources: [{ query: key }]", "credentials: a key is empty"),
        (
            key, "\(keys), key_sources: [{ query: key }, { header: x-key }]",
            "another order than headers, queries, cookies is not supported"
        ),
    ]

    static let written: [(String, Bool)] = [
        ("api_key: { header: x-key, keys: [{ key_sha256: \(hash), client: team }] }", false)
    ]
}
