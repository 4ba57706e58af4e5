internal import CTLS
internal import MartletCore

#if canImport(Glibc)
internal import Glibc
#endif

/// One connection's TLS: ciphertext in buffers on one side, bytes on the other. It knows no socket.
///
/// All that is unsafe about OpenSSL's sessions is in this file: buffers are lent for one call.
@safe
final class TLSSession {
    enum Outcome {
        /// What was asked for is done.
        case done
        /// More ciphertext is needed.
        case hungry
        /// The peer has said close_notify.
        case ended
        /// An alert may wait to be sent; `failure` says why.
        case failed
    }

    private let session: OpaquePointer
    // Held for the session, which has pointers into them.
    private let context: TLSContext
    private let names: NameCheck?
    private let target: TLSClientTarget?

    /// Nil without memory.
    init?(_ server: TLSServerContext) {
        context = server.context
        names = server.clientNames
        target = nil
        let lent = unsafe names.map { unsafe Unmanaged.passUnretained($0).toOpaque() }
        guard let session = unsafe ctls_session_make(context.context, lent, nil, false) else { return nil }
        unsafe self.session = session
    }

    /// - Parameter resuming: a session begun before; begun under other rules it is not used.
    init?(_ target: TLSClientTarget, resuming: TLSClientSession?) {
        context = target.context.context
        names = target.names
        self.target = target
        let lent = unsafe names.map { unsafe Unmanaged.passUnretained($0).toOpaque() }
        let made = unsafe ctls_session_make(context.context, lent, target.serverName, target.offersProtocols)
        guard let session = unsafe made else { return nil }
        unsafe self.session = session
        if let resumed = unsafe resuming?.usable(for: target) { _ = unsafe ctls_session_resume(session, resumed) }
    }

    deinit { unsafe ctls_session_free(session) }

    private static func outcome(_ step: ctls_step) -> Outcome {
        switch Int(step.outcome) {
        case CTLS_GO_ON: .done
        case CTLS_HUNGRY: .hungry
        case CTLS_ENDED: .ended
        default: .failed
        }
    }

    // MARK: Ciphertext

    /// Goes on shaking hands with the bytes of `input` from `used` on.
    func shakeHands(_ input: ByteBuffer?, from used: inout Int) -> Outcome {
        let step = unsafe Self.withBytes(input, from: used) {
            unsafe ctls_session_handshake(session, $0.baseAddress, $0.count)
        }
        used += step.taken
        return Self.outcome(step)
    }

    /// Opens what of `input`, from `used` on, fits into the free space of `output`, which is not empty.
    func open(_ input: ByteBuffer?, from used: inout Int, into output: ByteBuffer) -> Outcome {
        var step = ctls_step()
        _ = unsafe output.fill { space in
            step = unsafe Self.withBytes(input, from: used) {
                unsafe ctls_session_read(session, $0.baseAddress, $0.count, space.baseAddress, space.count)
            }
            return step.made
        }
        used += step.taken
        return Self.outcome(step)
    }

    private static func withBytes(
        _ input: ByteBuffer?, from used: Int, _ body: (UnsafeRawBufferPointer) -> ctls_step
    ) -> ctls_step {
        guard let input else { return unsafe body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return unsafe input.withUnsafeBytes(in: used..<input.count, body)
    }

    /// Opened bytes, or the end or a failure behind them, wait.
    var hasPending: Bool { unsafe ctls_session_has_pending(session) }

    /// Seals what of the pieces, bytes of one output queue, fits into the free space of `output`; how many bytes that took.
    /// Negative when it cannot.
    func seal(_ pieces: UnsafeMutableBufferPointer<iovec>, _ count: Int, into output: ByteBuffer) -> Int {
        var step = ctls_step()
        _ = unsafe output.fill { space in
            step = unsafe ctls_session_write(
                session, pieces.baseAddress, Int32(count), space.baseAddress, space.count)
            return step.made
        }
        return step.taken > 0 || Self.outcome(step) == .done ? step.taken : -1
    }

    func sayGoodbye() { unsafe ctls_session_close(session) }

    /// Handshakes, alerts and tickets that wait to be sent.
    var unsent: Int { unsafe ctls_session_unsent(session) }

    /// Moves as much of that as fits into the free space.
    func takeUnsent(into output: ByteBuffer) {
        _ = unsafe output.fill { unsafe ctls_session_take(session, $0.baseAddress, $0.count) }
    }

    /// TLS 1.3: asks the peer for new keys. For tests.
    func updateKeys() -> Bool { unsafe ctls_session_update_keys(session) }

    // MARK: What came of it

    /// Why it failed.
    var failure: TLSFailure {
        var text = [CChar](repeating: 0, count: 200)
        let fault = Int(unsafe ctls_session_fault(session, &text, text.count))
        let why = String(untilNUL: text)
        let kind: TLSFailure.Kind =
            switch fault {
            case CTLS_FAULT_ALERT: .alert
            case CTLS_FAULT_NO_CERTIFICATE: .noCertificate
            case CTLS_FAULT_UNTRUSTED: .untrusted
            case CTLS_FAULT_WRONG_NAME: .wrongName
            case CTLS_FAULT_NO_COMMON_PROTOCOL: .noCommonProtocol
            default: .protocolError
            }
        if kind == .wrongName, let names {
            return TLSFailure(kind, "no name of the certificate is one of: \(names.text)")
        }
        return TLSFailure(kind, why)
    }

    /// After the handshake.
    func makeDetails() -> TLSDetails {
        let facts = unsafe ctls_session_facts(session)
        var size = 0
        let peer =
            unsafe facts.has_peer
            ? unsafe CertificateDetails.take(ctls_session_describe_peer(session, &size), size) : nil
        // The pointers live until the next call with this session.
        return unsafe TLSDetails(
            version: facts.version == CTLS_TLS12 ? .tls12 : .tls13, cipherSuiteID: facts.suite,
            cipherSuite: facts.suite_name.map { unsafe String(cString: $0) } ?? "",
            serverName: facts.server_name.map { unsafe String(cString: $0).lowercased() },
            alpn: facts.alpn_size == 0 ? nil : Self.text(facts.alpn, facts.alpn_size),
            sessionID: Self.hex(facts.id, facts.id_size), isResumed: facts.is_resumed, peer: peer,
            local: context.details.indices.contains(Int(facts.identity)) ? context.details[Int(facts.identity)] : nil,
            isPeerValidated: facts.is_validated)
    }

    private static func text(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> String {
        unsafe String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    private static func hex(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> String {
        let digits = Array("0123456789abcdef".utf8)
        let text = unsafe UnsafeBufferPointer(start: bytes, count: count).flatMap {
            [digits[Int($0 >> 4)], digits[Int($0 & 15)]]
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The newest session that the server has offered since the last call.
    func takeResumption() -> TLSClientSession? {
        guard let target, let found = unsafe ctls_session_resumption(session) else { return nil }
        return unsafe TLSClientSession(found, target)
    }
}
