internal import MartletConfig
internal import MartletCore
internal import MartletNet

/// A listener's TLS as its snapshot has it.
struct ListenerTLS: Sendable {
    let context: TLSServerContext
    let handshakeTimeout: Nanoseconds
    /// Handshakes under way at once, on each worker.
    let maxHandshakes: Int
    /// Of what it was made from.
    private let digest: UInt64
    private let description: String
    private let tickets: (keys: TLSTicketKeys, config: SessionTicketsConfig)?

    /// Nil after reporting what is wrong.
    /// - Parameter present: that of the listener of the same name before: when its files and settings are the same it goes on,
    ///   and its ticket keys do in any case.
    static func make(
        _ config: ListenerTLSConfig, listener: String, present: ListenerTLS?, _ diagnostics: ConfigDiagnostics
    ) -> ListenerTLS? {
        let reader = TLSFileReader(diagnostics: diagnostics)
        let certificates = config.certificates.map { reader.certificate($0) }
        let clientCA = config.clientCA.map { reader.read($0) }
        let revoked = config.crl.map { reader.read($0) }
        let keyFiles = (config.sessionTickets?.keys ?? []).map { reader.readKey($0) }
        guard !certificates.contains(where: { $0 == nil }), clientCA != .some(nil), revoked != .some(nil),
            !keyFiles.contains(where: { $0 == nil })
        else { return nil }
        let digest = diagnostics.files.digest(of: config.files.map(\.path))
        let description = "\(listener) \(config.fingerprint)"
        if let present, present.digest == digest, present.description == description { return present }
        var settings = TLSServerSettings(certificates: certificates.compactMap { $0 })
        settings.choices = TLSChoices(config.parameters)
        settings.alpn = config.alpn
        settings.clientCA = clientCA ?? nil
        settings.revoked = revoked ?? nil
        settings.requiresClientCertificate = config.requireClientCertificate
        settings.clientNames = config.verifySAN
        settings.listener = listener
        do throws(TLSFault) {
            let tickets = try Self.tickets(config.sessionTickets, keyFiles.compactMap { $0 }, present?.tickets)
            settings.ticketKeys = tickets?.keys
            let context = try TLSServerContext(settings)
            reader.warn(context.warnings, among: config.files, at: config.place)
            return ListenerTLS(
                context: context, handshakeTimeout: Nanoseconds(config.handshakeTimeout),
                maxHandshakes: config.maxHandshakes, digest: digest, description: description, tickets: tickets)
        } catch {
            reader.report(error, among: config.files, at: config.place)
            return nil
        }
    }

    private static func tickets(
        _ config: SessionTicketsConfig?, _ files: [TLSFile],
        _ present: (keys: TLSTicketKeys, config: SessionTicketsConfig)?
    ) throws(TLSFault) -> (keys: TLSTicketKeys, config: SessionTicketsConfig)? {
        guard let config else { return nil }
        guard files.isEmpty else { return (try TLSTicketKeys(files: files), config) }
        // Sessions begun before a reload can be taken up after it.
        if let present, present.config == config { return present }
        return (try TLSTicketKeys(rotation: config.rotation), config)
    }
}
