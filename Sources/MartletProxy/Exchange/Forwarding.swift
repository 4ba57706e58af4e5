internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// What a proxy adds to and takes from heads on their way: who the client is, which request this is, the way it took.
/// Names and choices as Envoy's users know them.
final class Forwarding: Sendable {
    private let config: ForwardingConfig
    private let path: PathPolicy
    private let upgrades: [String]
    private let allowsConnect: Bool
    private let via: [UInt8]
    private let certificateDetails: ForwardedCertificate.Details

    init(_ listener: ListenerConfig) {
        config = listener.forwarding
        path = listener.path
        upgrades = listener.upgrades.map { $0.lowercased() }
        allowsConnect = listener.allowsConnect
        certificateDetails = ForwardedCertificate.Details(config.clientCertificateDetails)
        via = config.via.map { Array("1.1 \($0)".utf8) } ?? []
    }

    /// What clients say is vouched for by a trusted proxy.
    var trustsClients: Bool { config.trustedHops > 0 || !config.useRemoteAddress }

    // MARK: Request

    /// Runs before the chain. A reply means that the request goes no further.
    func prepare(_ exchange: Exchange, _ worker: Worker) -> Reply? {
        let request = exchange.request
        let headers = request.headers
        if request.method == .connect && !allowsConnect {
            return .refusal(405, "connect-not-allowed", flag: .downstreamProtocolError)
        }
        if request.expectsContinue || request.version == .http10 { headers.remove(.expect) }
        // HTTP/1.0 may leave Host out; what goes on is HTTP/1.1 and may not (RFC 9112 section 3.2).
        if headers.firstIndex(id: .host) == nil { headers.append(.host, Self.defaultHost.span) }
        if request.asksForUpgrade && !isUpgradeAllowed(request) {
            request.dropUpgrade()
        }
        if let reply = PathNormalizer.normalize(request, path) { return reply }
        client(exchange, headers)
        ForwardedCertificate.apply(
            config.forwardClientCertificate, certificateDetails, exchange.downstream, headers,
            isScrubbed: !trustsClients)
        requestID(headers, worker)
        if !via.isEmpty { add(via, to: headers, .via) }
        return nil
    }

    private func isUpgradeAllowed(_ request: RequestHead) -> Bool {
        let headers = request.headers
        guard let value = headers.first(.upgrade) else { return false }
        for allowed in upgrades where value.equalsIgnoringCase(allowed.utf8Span.span) { return true }
        return false
    }

    private func client(_ exchange: Exchange, _ headers: HeaderTable) {
        guard let peer = exchange.downstream else { return }
        let isTrusted = trustsClients
        exchange.clientIP = peer.directRemoteIP
        let last = headers.lastIndex(id: .xForwardedFor)
        if isTrusted, last != nil {
            let hops = config.useRemoteAddress ? config.trustedHops : max(config.trustedHops, 0) + 1
            if let address = Self.entry(fromRight: hops, of: headers) { exchange.clientIP = address }
        }
        // A unix socket's peer has no address to add.
        if config.useRemoteAddress && peer.directRemotePort > 0 {
            // Several fields are one list in their order (RFC 9110 section 5.3): what we know goes to the end of the last.
            let ip = peer.directRemoteIP
            if let last {
                headers.extendValue(at: last, separator: ", ", ip.utf8Span.span)
            } else {
                headers.append(.xForwardedFor, ip.utf8Span.span)
            }
        }
        // The scheme of the client's own connection counts unless a trusted proxy in front says what it saw. What a client of
        // HTTP/2 writes into `:scheme` (RFC 9113 section 8.3.1) says nothing about how it came.
        if isTrusted, let said = headers.first(.xForwardedProto) {
            exchange.request.scheme = said.equalsIgnoringCase(Self.https.span) ? .https : .http
        } else {
            headers.set(.xForwardedProto, peer.scheme == .https ? Self.https.span : Self.http.span)
        }
        if !isTrusted { Self.removeInternal(headers) }
    }

    private static let defaultHost = Array("localhost".utf8)
    private static let http = Array("http".utf8)
    private static let https = Array("https".utf8)

    /// The n-th address of the x-forwarded-for list from the right, 1 being the last.
    private static func entry(fromRight count: Int, of headers: HeaderTable) -> String? {
        var left = count
        for index in (0..<headers.count).reversed() where headers.id(at: index) == .xForwardedFor {
            let list = headers.value(at: index)
            var end = list.count
            while true {
                var start = end
                while start > 0 && list[start - 1] != 0x2C { start -= 1 }
                left -= 1
                if left == 0 {
                    let entry = list.extracting(start..<end).trimmed()
                    return entry.isEmpty ? nil : entry.string()
                }
                guard start > 0 else { break }
                end = start - 1
            }
        }
        return nil
    }

    /// Headers by which trusted proxies talk to each other; from a stranger they are lies.
    private static func removeInternal(_ headers: HeaderTable) {
        var index = 0
        while index < headers.count {
            let isInternal =
                switch headers.id(at: index) {
                case .xEnvoyExpectedTimeout, .xMartletError, .xForwardedHost, .xForwardedPort,
                    .forwarded, .xRealIP:
                    true
                // No lie that helps: whoever sends it asks for fewer attempts of its own request. But a number it must be.
                case .xMartletAttempt:
                    headers.value(at: index).count > 2 || headers.value(at: index).decimal() == nil
                case .unknown:
                    headers.name(at: index).hasPrefixIgnoringASCIICase("x-envoy-")
                        || headers.name(at: index).hasPrefixIgnoringASCIICase("x-martlet-")
                        || headers.name(at: index).hasPrefixIgnoringASCIICase("x-forwarded-")
                        || isSpelledInternal(headers.name(at: index))
                default: false
                }
            if isInternal { headers.remove(at: index) } else { index += 1 }
        }
    }

    private static func isSpelledInternal(_ name: Span<UInt8>) -> Bool {
        guard name.firstIndex(of: 0x5F) != nil else { return false }
        for prefix in internalPrefixes where name.beginsWithSpelling(of: prefix.span) { return true }
        for field in internalNames where name.isSpelling(of: field.span) { return true }
        return false
    }

    private static let internalPrefixes = ["x-envoy-", "x-martlet-", "x-forwarded-"].map { Array($0.utf8) }
    private static let internalNames = ["x-real-ip", "x-request-id"].map { Array($0.utf8) }

    private func requestID(_ headers: HeaderTable, _ worker: Worker) {
        guard config.generateRequestID else { return }
        if headers.firstIndex(id: .xRequestID) != nil {
            // A stranger's id could be made to collide with another request's.
            if config.preserveExternalRequestID || config.trustedHops > 0 || !config.useRemoteAddress { return }
            headers.remove(.xRequestID)
        }
        worker.appendRequestID(to: headers)
    }

    private func add(_ value: [UInt8], to headers: HeaderTable, _ name: HeaderName) {
        if let index = headers.firstIndex(of: name) {
            headers.extendValue(at: index, separator: ", ", value.span)
        } else {
            headers.append(name, value.span)
        }
    }

    // MARK: Response

    /// Runs after the chain.
    func prepareResponse(_ exchange: Exchange, _ worker: Worker) {
        let headers = exchange.response.headers
        worker.dateResponse(headers)
        if !via.isEmpty { add(via, to: headers, .via) }
        switch config.serverHeader {
        case .passThrough: break
        case .overwrite: headers.set(.server, config.serverName)
        case .appendIfAbsent: if !headers.contains(.server) { headers.append(.server, config.serverName) }
        }
    }
}

extension Span where Element == UInt8 {
    /// `lowercase` must be written in lower case.
    func hasPrefixIgnoringASCIICase(_ lowercase: StaticString) -> Bool {
        count >= lowercase.utf8CodeUnitCount
            && extracting(0..<lowercase.utf8CodeUnitCount).equalsIgnoringCase(lowercase)
    }
}
