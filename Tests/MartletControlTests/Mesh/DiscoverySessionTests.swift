import Foundation
import GRPCCore
import MartletControl
import MartletControlCheck
import MartletXDSMessages
import SwiftProtobuf
import Synchronization
import Testing

@testable import MartletControlServer

private typealias Request = Envoy_Service_Discovery_V3_DeltaDiscoveryRequest

@Suite("The stream of a proxy", .timeLimit(.minutes(1)))
struct DiscoverySessionTests {
    private struct Responses: RPCWriterProtocol {
        func write(_ element: DiscoveryResponseBytes) async throws { Issue.record("nothing is known to answer with") }
        func write(contentsOf elements: some Sequence<DiscoveryResponseBytes>) async throws {
            for element in elements { try await write(element) }
        }
    }

    /// A control plane that does not read its store: its etcd may be away.
    private static func unread(_ body: (MeshControl) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-unread-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try SQLiteStore(path: folder.appendingPathComponent("store").path)
        try await body(
            MeshControl(
                store: store, checker: ProxyCheck(), files: EndpointFiles(folder: nil, log: { _ in }),
                replicas: SoleReplica(), now: { 0 }, log: { _ in }))
    }

    private static func asking(_ types: String...) -> [Request] {
        types.map { type in
            Request.with {
                $0.node.id = "early"
                $0.typeURL = "type.googleapis.com/\(type)"
            }
        }
    }

    @Test("A client that is gone before the store has been read is let go, whatever it has asked for")
    func goneEarly() async throws {
        try await Self.unread { control in
            let (stream, feed) = AsyncThrowingStream.makeStream(of: Request.self, throwing: (any Error).self)
            for request in Self.asking("envoy.config.cluster.v3.Cluster", "envoy.config.listener.v3.Listener") {
                feed.yield(request)
            }
            let session = DiscoverySession<Request>(control: control, identifier: "t", address: "a", now: { 0 })
            await withServerContextRPCCancellationHandle { handle in
                let run = Task {
                    try await session.run(RPCAsyncSequence(wrapping: stream), RPCWriter(wrapping: Responses()))
                }
                while await control.publisher.proxies.isEmpty { await Task.yield() }
                // The requests do not end: nobody reads them any more.
                handle.cancel()
                let failure = await #expect(throws: RPCError.self) { try await run.value }
                #expect(failure?.code == .unavailable)
            }
            while await !control.publisher.proxies.isEmpty { await Task.yield() }
            feed.finish()
        }
    }

    @Test("One that says who it is nowhere is refused")
    func nameless() async throws {
        try await Self.unread { control in
            let (stream, feed) = AsyncThrowingStream.makeStream(of: Request.self, throwing: (any Error).self)
            feed.yield(Request.with { $0.typeURL = "type.googleapis.com/envoy.config.cluster.v3.Cluster" })
            let session = DiscoverySession<Request>(control: control, identifier: "t", address: "a", now: { 0 })
            let failure = await #expect(throws: RPCError.self) {
                try await session.run(RPCAsyncSequence(wrapping: stream), RPCWriter(wrapping: Responses()))
            }
            #expect(failure?.code == .invalidArgument)
            #expect(await control.publisher.proxies.isEmpty)
            feed.finish()
        }
    }
}
