import MartletCore
import MartletTesting
import Testing

@testable import MartletNet

@Suite("TLS sessions taken up again")
struct TLSResumptionTests {
    let forge = CertificateForge.shared

    /// One connection; whether it was a session taken up, and the session that it leaves.
    private func connect(
        _ server: TLSServerContext, _ target: TLSClientTarget, resuming: TLSClientSession? = nil
    ) throws -> (isResumed: Bool, session: TLSClientSession?) {
        let rig = try LoopRig()
        try rig.listen(server) { $0.onReceived = { $0.write("pong") } }
        let client = try rig.dial(target, resuming: resuming)
        client.write("ping")
        try rig.run { client.text == "pong" || client.failure != nil }
        #expect(client.failure == nil)
        let (here, there) = (client.socket.tls, rig.accepted[0].socket.tls)
        #expect(here?.isResumed == there?.isResumed)
        #expect(there?.serverName == "a.test" && there?.local != nil)
        #expect(there?.isPeerValidated == (there?.peer != nil))
        #expect(here?.isPeerValidated == true && here?.peer?.dnsSANs == ["a.test"])
        return (here?.isResumed == true, client.socket.takeTLSSession())
    }

    private func server(
        _ keys: TLSTicketKeys?, _ change: (inout TLSServerSettings) throws -> Void = { _ in }
    ) throws -> TLSServerContext {
        try TLSFixture.server {
            $0.ticketKeys = keys
            try change(&$0)
        }
    }

    @Test("on another worker and after a reload: wherever the keys are", arguments: TLSDetails.Version.allCases)
    func acrossContexts(version: TLSDetails.Version) throws {
        let keys = try TLSTicketKeys()
        let target = try TLSFixture.target(version)
        let first = try connect(server(keys), target)
        #expect(!first.isResumed)
        let session = try #require(first.session)
        let second = try connect(server(keys), target, resuming: session)
        #expect(second.isResumed)
        #expect(try !connect(server(TLSTicketKeys()), target, resuming: session).isResumed)
    }

    @Test("no tickets, no sessions", arguments: TLSDetails.Version.allCases)
    func off(version: TLSDetails.Version) throws {
        let target = try TLSFixture.target(version)
        let first = try connect(server(nil), target)
        if let session = first.session { #expect(try !connect(server(nil), target, resuming: session).isResumed) }
    }

    @Test("two keys back a ticket is still good, three back it is not", arguments: TLSDetails.Version.allCases)
    func rotation(version: TLSDetails.Version) throws {
        let keys = try TLSTicketKeys()
        let server = try server(keys)
        let target = try TLSFixture.target(version)
        let session = try #require(try connect(server, target).session)
        for (age, expected) in [true, true, true, false].enumerated() {
            #expect(try connect(server, target, resuming: session).isResumed == expected, "\(age)")
            keys.rotate()
        }
    }

    @Test(
        "keys change with time, and are gone when nobody has come for long",
        arguments: [
            ([0], true), ([11], true), ([12], true), ([12, 12], true), ([35], true), ([12, 12, 12], false),
            ([48], false),
        ])
    func time(hours: [Int], isResumed: Bool) throws {
        let keys = try TLSTicketKeys()
        let server = try server(keys)
        let target = try TLSFixture.target()
        let session = try #require(try connect(server, target).session)
        for hours in hours {
            keys.age(by: .seconds(hours * 3600))
            _ = try connect(server, target)
        }
        #expect(try connect(server, target, resuming: session).isResumed == isResumed)
    }

    @Test("keys from files: the first makes tickets, all open them", arguments: [48, 80])
    func files(size: Int) throws {
        func file(_ byte: UInt8) -> TLSFile { TLSFile(name: "key", bytes: [UInt8](repeating: byte, count: size)) }
        let target = try TLSFixture.target()
        let old = try server(TLSTicketKeys(files: [file(1)]))
        let new = try server(TLSTicketKeys(files: [file(2), file(1)]))
        let session = try #require(try connect(old, target).session)
        #expect(try connect(new, target, resuming: session).isResumed)
        let newer = try #require(try connect(new, target).session)
        #expect(try !connect(old, target, resuming: newer).isResumed)
    }

    @Test("what lets clients in has changed: the ticket counts no more", arguments: TLSDetails.Version.allCases)
    func scope(version: TLSDetails.Version) throws {
        let keys = try TLSTicketKeys()
        let (ca, other) = (try forge.authority(), try forge.authority("Other CA"))
        func guarded(_ change: (inout TLSServerSettings) throws -> Void = { _ in }) throws -> TLSServerContext {
            try server(keys) {
                $0.clientCA = TLSFixture.file(ca)
                $0.requiresClientCertificate = true
                try change(&$0)
            }
        }
        let client = TLSCertificateFiles(try forge.client(uri: "spiffe://mesh.test/a"))
        let target = try TLSFixture.target(version) { $0.certificate = client }
        let session = try #require(try connect(guarded(), target).session)
        #expect(try connect(guarded(), target, resuming: session).isResumed)
        let changes: [(inout TLSServerSettings) throws -> Void] = [
            // Each alone is enough.
            { $0.clientCA?.bytes += other.certificate },
            { $0.requiresClientCertificate = false },
            { $0.clientNames = [.uri("spiffe://mesh.test/a")] },
            { $0.listener = "another" },
            { $0.clientCA = nil },
        ]
        for change in changes { #expect(try !connect(guarded(change), target, resuming: session).isResumed) }
    }

    @Test("a session is not taken up for another name, other rules or another context")
    func otherTargets() throws {
        let server = try server(TLSTicketKeys())
        let context = try TLSFixture.client()
        func target(_ context: TLSClientContext, _ names: [SANPattern]?) -> TLSClientTarget {
            TLSClientTarget(context, serverName: "a.test", names: names)
        }
        let session = try #require(try connect(server, target(context, [.dns("a.test")])).session)
        #expect(try connect(server, target(context, [.dns("a.test")]), resuming: session).isResumed)
        #expect(try !connect(server, target(context, nil), resuming: session).isResumed)
        #expect(
            try !connect(server, target(context, [.dns("a.test"), .dns("b.test")]), resuming: session).isResumed)
        #expect(try !connect(server, target(TLSFixture.client(), [.dns("a.test")]), resuming: session).isResumed)
    }
}
