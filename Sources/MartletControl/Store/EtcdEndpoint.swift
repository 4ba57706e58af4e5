internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// A member of etcd, reached over HTTP/1.1. Connections to it are kept and used again, by all parts of this process.
package struct EtcdEndpoint: Sendable, CustomStringConvertible {
    package let host: String
    package let port: Int
    private let security: EtcdSecurity?

    /// - Parameter security: nil: in clear text.
    package init(host: String, port: Int, security: EtcdSecurity? = nil) {
        (self.host, self.port, self.security) = (host, port, security)
    }

    package var description: String {
        "\(security == nil ? "http" : "https")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }

    /// Nothing was sent.
    struct Unreachable: Error, CustomStringConvertible {
        let description: String
    }

    struct BrokenResponse: Error, CustomStringConvertible {
        let description: String
    }

    struct Response: Sendable {
        var status = 0
        var body: [UInt8] = []
    }

    /// Of a response; a page of documents is larger than one of them.
    private static let byteLimit = 256 << 20

    /// Of the whole process, so it is never shut down.
    private static let http: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = .seconds(2)
        // The next member is asked instead.
        configuration.connectionPool.retryConnectionEstablishment = false
        // Watches have a connection each for as long as they last.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.connectionPool.idleTimeout = .seconds(30)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    func post(_ path: String, _ body: [UInt8]) async throws -> Response {
        let response = try await exchange(path, body)
        do {
            let buffer = try await response.body.collect(upTo: Self.byteLimit)
            return Response(status: Int(response.status.code), body: Array(buffer.readableBytesView))
        } catch is NIOTooManyBytesError {
            throw BrokenResponse(description: "its response is larger than \(Self.byteLimit) bytes")
        }
    }

    /// Tells of each piece of a response that does not end, until it does or the task is cancelled.
    ///
    /// A member that has lost its leader would stay silent for ever: it is asked to end the response then.
    func follow(_ path: String, _ body: [UInt8], _ heard: ([UInt8]) async throws -> Void) async throws {
        let response = try await exchange(path, body, headers: ["grpc-metadata-hasleader": "true"])
        guard response.status == .ok else { throw BrokenResponse(description: "it answers \(response.status)") }
        for try await buffer in response.body { try await heard(Array(buffer.readableBytesView)) }
    }

    private func exchange(
        _ path: String, _ body: [UInt8], headers: HTTPHeaders = [:]
    ) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: "\(self)\(path)")
        request.method = .POST
        request.headers = headers
        request.headers.add(name: "content-type", value: "application/json")
        request.body = .bytes(ByteBuffer(bytes: body))
        request.tlsConfiguration = security?.configuration
        do {
            // How long is waited is the caller's to say.
            return try await Self.http.execute(request, deadline: .distantFuture)
        } catch let error as NIOConnectionError {
            throw Unreachable(description: "\(self): \(error)")
        } catch let error as NIOSSLError {
            throw Unreachable(description: "\(self): \(error)")
        } catch let error as HTTPClientError
            where [.connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout].contains(error)
        {
            throw Unreachable(description: "\(self): \(error)")
        }
    }
}

/// With what a member of etcd is reached over TLS.
package struct EtcdSecurity: Sendable {
    let configuration: TLSConfiguration

    /// - Parameters: paths of PEM files.
    ///   - ca: who issued the members' certificates; nil: somebody whom the machine trusts.
    ///   - certificate: of this process, where etcd wants to know who comes; with `privateKey`.
    package init(ca: String?, certificate: String?, privateKey: String?) throws {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let ca { configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(ca)) }
        if let certificate, let privateKey {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: privateKey, format: .pem))
        }
        self.configuration = configuration
    }
}
