/// What the configuration language has and this version does not run. Writing one is an error, never ignored.
///
/// The one list: who builds a feature deletes its line here and reads the key where it belongs.
enum UnavailableFeatures {
    /// Keys by the kind of mapping they stand in, which is the last name in its path: `listeners[0]` is a "listeners".
    private static let keys: [String: [String: String]] = [
        "": ["modules": "native modules are"],
        "listeners": [
            "tls": "TLS is", "cluster": "proxying of plain TCP is", "split": "proxying of plain TCP is",
            "sni": "TLS passthrough is",
        ],
        "clusters": ["tls": "TLS to upstreams is"],
        "health_check": ["grpc": "checking by gRPC is"],
    ]

    /// Values by `mapping.key`.
    private static let values: [String: [String: String]] = [
        "listeners.protocol": ["tcp": "proxying of plain TCP is"],
        "listeners.proxy_protocol": ["true": "the PROXY protocol is"],
        "clusters.protocol": ["http2": "HTTP/2 to upstreams is", "auto": "HTTP/2 to upstreams is"],
    ]

    static func name(of key: String, at path: ConfigPath) -> String? { keys[path.lastName]?[key] }

    static func name(of value: String, for key: String, at path: ConfigPath) -> String? {
        values["\(path.lastName).\(key)"]?[value]
    }
}
