/// How HTTP goes over a connection: its version, in clear text or over TLS.
public enum WireForm: String, Sendable, CaseIterable {
    case http1 = "HTTP/1.1"
    case http1TLS = "HTTP/1.1 over TLS"
    case http2 = "HTTP/2 in clear text"
    case http2TLS = "HTTP/2 over TLS"

    public var isTLS: Bool { self == .http1TLS || self == .http2TLS }
    public var isHTTP2: Bool { self == .http2 || self == .http2TLS }
    /// As access logs name the version.
    public var version: String { isHTTP2 ? "HTTP/2" : "HTTP/1.1" }
}

/// The two forms that meet in a proxy: its client's and its upstream's.
public struct Wire: Sendable, CustomStringConvertible {
    public let downstream: WireForm
    public let upstream: WireForm

    public init(_ downstream: WireForm, _ upstream: WireForm) {
        self.downstream = downstream
        self.upstream = upstream
    }

    /// Each form on either side.
    public static let all = WireForm.allCases.flatMap { client in WireForm.allCases.map { Wire(client, $0) } }

    public var description: String { "\(downstream.rawValue) to \(upstream.rawValue)" }

    /// The name that certificates on either side bear.
    public static let name = "api.test"

    public static func certificate() throws -> CertificateForge.Issued { try CertificateForge.shared.server(name) }
    public static func authority() throws -> String { try CertificateForge.shared.authority().certificateFile }

    /// A line of the listener, indented by four spaces; empty for clear text.
    public func listener() throws -> String {
        guard downstream.isTLS else { return "" }
        let own = try Self.certificate()
        return "    tls: { certificate: \(own.certificateFile), private_key: \(own.keyFile) }\n"
    }

    /// Lines of a cluster, indented by four spaces.
    public func cluster() throws -> String {
        let tls = upstream.isTLS ? "\n    tls: { ca: \(try Self.authority()), sni: \(Self.name) }" : ""
        return "    protocol: \(upstream.isHTTP2 ? "http2" : "http1")\(tls)"
    }

    /// Where a path is on a port, as curl is told.
    public func url(_ port: UInt16, _ path: String) -> String {
        "\(downstream.isTLS ? "https" : "http")://\(Self.name):\(port)\(path)"
    }

    /// What makes curl speak the downstream form to a port of this machine, and to no other way out.
    public func curl(_ port: UInt16) throws -> [String] {
        let version =
            switch downstream {
            case .http1, .http1TLS: "--http1.1"
            case .http2: "--http2-prior-knowledge"
            case .http2TLS: "--http2"
            }
        return ["-sS", "--max-time", "20", "--noproxy", "*", version, "--resolve", "\(Self.name):\(port):127.0.0.1"]
            + (downstream.isTLS ? ["--cacert", try Self.authority()] : [])
    }
}
