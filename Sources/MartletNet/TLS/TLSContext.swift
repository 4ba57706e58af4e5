internal import CTLS
internal import MartletCore

/// OpenSSL's context, being set up, and then shared.
///
/// `@unchecked Sendable`: written to in `init` of those that own it; after that only sessions are made from it, which
/// OpenSSL allows from any thread at once.
@safe
final class TLSContext: @unchecked Sendable {
    let context: OpaquePointer
    /// Of our certificates, in order.
    private(set) var details: [CertificateDetails] = []
    private(set) var warnings: [TLSWarning] = []

    init(isServer: Bool, _ choices: TLSChoices) throws(TLSFault) {
        var problem: Int32 = 0
        let made = unsafe ctls_context_make(
            isServer, choices.minVersion.number, choices.maxVersion.number,
            choices.cipherSuites.joined(separator: ":"), choices.curves.joined(separator: ":"),
            { names, sections, size in
                guard let names = unsafe names, let sections = unsafe sections else { return false }
                // The session that is shaking hands holds the object; `size` bytes are lent for this call.
                let check = unsafe Unmanaged<NameCheck>.fromOpaque(names).takeUnretainedValue()
                return unsafe check.allows(CertificateDetails(sections: Span(_unsafeStart: sections, count: size)))
            }, &problem)
        guard let context = unsafe made else {
            throw TLSFault("", code: problem) ?? TLSFault("", .refused)
        }
        unsafe self.context = context
    }

    deinit { unsafe ctls_context_free(context) }

    /// - Parameter now: seconds since 1970.
    func add(_ files: TLSCertificateFiles, now: Int64) throws(TLSFault) {
        let identity = try TLSIdentity(files, now: now)
        let new = identity.details
        warnings += identity.warnings
        let pointer = unsafe identity.take()
        guard unsafe ctls_context_add(context, pointer) == CTLS_FINE else {
            throw TLSFault(files.chain.name, .refused)
        }
        let number = details.count
        details.append(new)
        for name in new.servedNames { try answer(to: name, with: number) }
    }

    /// - Parameters:
    ///   - name: in lower case; `*.` in front stands for one label.
    ///   - number: which of our certificates it is.
    func answer(to name: String, with number: Int) throws(TLSFault) {
        try check("", unsafe ctls_context_name(context, Int32(number), name))
    }

    /// Which of our certificates would be shown to who asks for `name`; the first where there are several kinds of key.
    func picked(for name: String) -> Int { Int(unsafe ctls_context_picked(context, name)) }

    func trust(_ file: TLSFile) throws(TLSFault) {
        try check(file.name, unsafe ctls_context_trust(context, file.bytes, file.bytes.count))
    }

    func trustSystem() throws(TLSFault) { try check("", unsafe ctls_context_trust_system(context)) }

    func revoke(_ file: TLSFile) throws(TLSFault) {
        try check(file.name, unsafe ctls_context_revoke(context, file.bytes, file.bytes.count))
    }

    func verify(_ mode: Int) { unsafe ctls_context_verify(context, Int32(mode)) }

    /// Names of 1 to 255 bytes; others are left out.
    func offer(_ protocols: [String]) throws(TLSFault) {
        guard !protocols.isEmpty else { return }
        let list = protocols.filter { (1...255).contains($0.utf8.count) }.flatMap { [UInt8($0.utf8.count)] + $0.utf8 }
        try check("", unsafe ctls_context_alpn(context, list, list.count))
    }

    func useTickets(_ keys: TLSTicketKeys, lifetime: Duration, scope: [UInt8]) throws(TLSFault) {
        let seconds = Int(max(lifetime.components.seconds, 1))
        try check("", unsafe ctls_context_tickets(context, keys.keys, seconds, scope, scope.count))
    }

    private func check(_ file: String, _ code: Int32) throws(TLSFault) {
        if let fault = TLSFault(file, code: code) { throw fault }
    }
}
