internal import AsyncHTTPClient
internal import Foundation
package import MartletControl
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// Asks other replicas at their APIs what they know.
package struct ReplicaCaller: Sendable {
    private let http: HTTPClient

    /// What a replica may answer at once: ten thousand proxies with their reports.
    private static let limit = 64 << 20
    private static let patience = TimeAmount.seconds(2)

    /// - Parameters:
    ///   - ca: who issued the certificates of their APIs; nil: somebody whom the machine trusts.
    ///   - tls: of this one's API. Its certificate is also shown to the others, where they want one.
    package init(ca: String?, tls: ServerTLS?) throws {
        var trust = TLSConfiguration.makeClientConfiguration()
        trust.minimumTLSVersion = .tlsv12
        if let ca { trust.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(ca)) }
        if let tls {
            let own = try tls.server()
            (trust.certificateChain, trust.privateKey) = (own.certificateChain, own.privateKey)
        }
        var configuration = HTTPClient.Configuration(tlsConfiguration: trust)
        // A token goes where it was meant for, and nowhere else.
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = Self.patience
        configuration.connectionPool.retryConnectionEstablishment = false
        // Less than the API's own, so that no question meets a connection that is just being closed.
        configuration.connectionPool.idleTimeout = .seconds(30)
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    package func close() async { try? await http.shutdown() }

    package func ask(_ replica: Replica) async throws -> ReplicaView {
        guard let url = replica.url else { throw ReplicaFault("it has no address") }
        var request = HTTPClientRequest(url: url + "/v1/replica")
        request.headers.add(name: "authorization", value: "Bearer \(replica.token)")
        let response: HTTPClientResponse
        do {
            response = try await http.execute(request, timeout: Self.patience)
        } catch let error as NIOConnectionError {
            throw ReplicaGone("\(error)")
        }
        if response.status == .unauthorized { throw ReplicaGone("another process answers there") }
        guard response.status == .ok else { throw ReplicaFault("it answers \(response.status)") }
        let body = try await response.body.collect(upTo: Self.limit)
        let message: ReplicaMessage
        do {
            message = try APICoding.decoder.decode(ReplicaMessage.self, from: Data(body.readableBytesView))
        } catch {
            throw ReplicaFault("what it answers is nothing that a replica of this version says")
        }
        // Without tokens any process lets anybody in, the one that asks, too, if it has been given its own address.
        guard message.replica == replica.id else { throw ReplicaGone("another process answers there") }
        return ReplicaView(message, of: replica)
    }
}
