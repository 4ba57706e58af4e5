import MartletCore
import MartletTesting

@testable import MartletNet

extension TLSCertificateFiles {
    init(_ issued: CertificateForge.Issued) {
        self.init(
            chain: TLSFile(name: "cert.pem", bytes: issued.certificate),
            key: TLSFile(name: "cert.key", bytes: issued.key))
    }
}

/// A client and a server with nothing but memory between them.
struct TLSPair {
    /// One side, with what the other has sent it.
    struct Side {
        let session: TLSSession
        let inbox = ByteBuffer(capacity: 1 << 20)
        var used = 0
        var outcome = TLSSession.Outcome.hungry

        mutating func step() {
            outcome = session.shakeHands(inbox, from: &used)
        }
    }

    var client: Side
    var server: Side

    init(_ server: TLSServerContext, _ target: TLSClientTarget, resuming: TLSClientSession? = nil) throws {
        guard let accepted = TLSSession(server), let dialled = TLSSession(target, resuming: resuming) else {
            throw TLSFault("", .refused)
        }
        self.server = Side(session: accepted)
        client = Side(session: dialled)
    }

    /// Moves bytes to and fro, `piece` at a time, until both sides are done or one has failed.
    mutating func shakeHands(piece: Int = .max) {
        client.step()
        for _ in 0..<20_000 {
            let before = client.used + server.used + client.inbox.count + server.inbox.count
            Self.move(client.session, server.inbox, piece)
            server.step()
            Self.move(server.session, client.inbox, piece)
            client.step()
            if before == client.used + server.used + client.inbox.count + server.inbox.count { return }
        }
    }

    static func move(_ from: TLSSession, _ to: ByteBuffer, _ piece: Int) {
        let part = ByteBuffer(capacity: min(max(piece, 1), 1 << 16))
        from.takeUnsent(into: part)
        to.append(part.bytes())
    }

    var isDone: Bool { client.outcome == .done && server.outcome == .done }
}
