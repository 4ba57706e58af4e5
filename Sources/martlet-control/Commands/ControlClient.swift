internal import AsyncHTTPClient
internal import Foundation
internal import MartletControlServer
internal import NIOCore
internal import NIOFoundationCompat
internal import NIOHTTP1
internal import NIOSSL

/// Asks a control plane over its API.
struct ControlClient {
    /// An answer: what it says, and as it came.
    struct Answer<Message> {
        let message: Message
        let data: Data
    }

    let namespace: String
    private let base: String
    private let socket: String?
    private let token: String?
    private let http: HTTPClient

    /// What a control plane may answer at once.
    private static let answerLimit = 256 << 20
    /// For a change with its policies' tests.
    private static let patience = TimeAmount.seconds(120)

    init(_ server: String, token: String?, ca: String?, namespace: String) throws {
        self.namespace = namespace
        self.token = token
        socket = server.hasPrefix("unix:") ? String(server.dropFirst(5)) : nil
        base = socket == nil ? String(server.reversed().drop { $0 == "/" }.reversed()) : ""
        guard socket != nil || base.hasPrefix("http://") || base.hasPrefix("https://") else {
            throw CommandFailure.usage("\"\(server)\" is no URL: write http://127.0.0.1:18001")
        }
        if let token, !token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) || token.isEmpty {
            throw CommandFailure.refused("the token is empty, or has characters that no header can carry")
        }
        var tls = TLSConfiguration.makeClientConfiguration()
        if let ca {
            do {
                tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(ca))
            } catch {
                throw CommandFailure.refused("\(ca) has no certificates: \(error)")
            }
        }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
        // A token goes where it was meant for, and nowhere else.
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(10)
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    func close() async throws { try await http.shutdown() }

    /// Below the namespace.
    func inNamespace(_ path: String...) -> [String] { ["v1", "namespaces", namespace] + path }

    func get<Message: Decodable>(
        _ path: [String], query: [(String, String)] = [], as type: Message.Type = Message.self
    ) async throws -> Answer<Message> {
        try await ask(.GET, path, query, body: nil)
    }

    func post<Message: Decodable>(
        _ path: [String], query: [(String, String)] = [], _ body: some Encodable, as type: Message.Type = Message.self
    ) async throws -> Answer<Message> {
        try await ask(.POST, path, query, body: try APICoding.encoder.encode(body))
    }

    private func ask<Message: Decodable>(
        _ method: HTTPMethod, _ path: [String], _ query: [(String, String)], body: Data?
    ) async throws -> Answer<Message> {
        var target = path.map { "/" + Self.escaped($0) }.joined()
        if !query.isEmpty {
            target += "?" + query.map { Self.escaped($0.0) + "=" + Self.escaped($0.1) }.joined(separator: "&")
        }
        var url = base + target
        if let socket {
            guard let local = URL(httpURLWithSocketPath: socket, uri: target) else {
                throw CommandFailure.usage("\"\(socket)\" is no socket's path")
            }
            url = local.absoluteString
        }
        var request = HTTPClientRequest(url: url)
        request.method = method
        if let token { request.headers.add(name: "authorization", value: "Bearer \(token)") }
        if let body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(data: body))
        }
        let (status, data) = try await exchange(request)
        guard status == 200 else {
            throw CommandFailure(status: status, try? APICoding.decoder.decode(FailureMessage.self, from: data))
        }
        do {
            return Answer(message: try APICoding.decoder.decode(Message.self, from: data), data: data)
        } catch {
            throw CommandFailure.unreachable("what answers at \(shown) is no control plane of this version")
        }
    }

    private func exchange(_ request: HTTPClientRequest) async throws -> (Int, Data) {
        do {
            let response = try await http.execute(request, timeout: Self.patience)
            let buffer = try await response.body.collect(upTo: Self.answerLimit)
            return (Int(response.status.code), Data(buffer.readableBytesView))
        } catch {
            throw CommandFailure.unreachable("cannot reach the control plane at \(shown): \(error)")
        }
    }

    private var shown: String { socket.map { "unix:\($0)" } ?? base }

    private static func escaped(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: Self.unreserved) ?? text
    }

    private static let unreserved = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
}
