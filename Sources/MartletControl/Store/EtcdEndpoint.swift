internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// A member of etcd, reached over HTTP/1.1 in clear text. A connection a call: a control plane calls seldom.
package struct EtcdEndpoint: Sendable, Equatable, CustomStringConvertible {
    package let host: String
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package var description: String { "http://\(host):\(port)" }

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
    private static let connectPatience = TimeAmount.seconds(5)

    private typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    func post(_ path: String, _ body: [UInt8]) async throws -> Response {
        var response = Response()
        try await exchange(path, body) { part in
            switch part {
            case .head(let head): response.status = Int(head.status.code)
            case .body(let buffer):
                response.body += buffer.readableBytesView
                guard response.body.count <= Self.byteLimit else {
                    throw BrokenResponse(description: "its response is larger than \(Self.byteLimit) bytes")
                }
            case .end: return true
            }
            return false
        }
        return response
    }

    /// Tells of each piece of a response that does not end, until it does or the task is cancelled.
    ///
    /// A member that has lost its leader would stay silent for ever: it is asked to end the response then.
    func follow(_ path: String, _ body: [UInt8], _ heard: ([UInt8]) async throws -> Void) async throws {
        try await exchange(path, body, headers: ["grpc-metadata-hasleader": "true"]) { part in
            switch part {
            case .head(let head):
                guard head.status == .ok else {
                    throw BrokenResponse(description: "it answers \(head.status)")
                }
            case .body(let buffer): try await heard(Array(buffer.readableBytesView))
            case .end: return true
            }
            return false
        }
    }

    /// - Parameter part: takes each part of the response; true ends it.
    private func exchange(
        _ path: String, _ body: [UInt8], headers: HTTPHeaders = [:],
        _ take: (HTTPClientResponsePart) async throws -> Bool
    ) async throws {
        let connection: Connection
        do {
            connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(Self.connectPatience)
                .connect(host: host, port: port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        return try Connection(wrappingChannelSynchronously: channel)
                    }
                }
        } catch {
            throw Unreachable(description: "\(self): \(error)")
        }
        var head = HTTPRequestHead(
            version: .http1_1, method: .POST, uri: path,
            headers: [
                "host": "\(host):\(port)", "content-type": "application/json",
                "content-length": "\(body.count)",
                "connection": "close",
            ])
        head.headers.add(contentsOf: headers)
        try await connection.executeThenClose { responses, requests in
            // At once: having had all of the body, the server may answer and close before the end of a request is written.
            try await requests.write(
                contentsOf: [.head(head), .body(.byteBuffer(ByteBuffer(bytes: body))), .end(nil)])
            for try await part in responses where try await take(part) { return }
            throw BrokenResponse(description: "it closed the connection")
        }
    }
}
