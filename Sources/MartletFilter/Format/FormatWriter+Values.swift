internal import MartletConfig
internal import MartletCore
internal import MartletGRPC
internal import MartletHTTP

/// What each operator writes. One that writes nothing has no value.
extension FormatWriter {
    mutating func write(_ value: FormatValue, _ exchange: Exchange, _ scene: Scene) {
        switch value {
        case .request(let sources): write(sources, exchange.request, withQuery: true)
        case .requestWithoutQuery(let sources): write(sources, exchange.request, withQuery: false)
        case .response(let names): write(names, exchange.response.headers)
        case .trailer(let names): write(names, exchange.responseTrailers)
        case .time(let pattern):
            let wall = (WallClock.now() - scene.duration).nanoseconds
            write(pattern, seconds: wall / 1_000_000_000, nanoseconds: wall % 1_000_000_000)
        case .metadata(let path): write(path, exchange.metadata[path[0]])
        case .filterState(let path):
            if let bytes = exchange.filterState[path[0]] { write(bytes, path.dropFirst()) }
        case .claim(let path): write(claim: path, exchange)
        case .identity(let proof): write(identity: proof, exchange)
        case .grpcStatus(let isSnake):
            guard let status = exchange.grpcStatus else { return }
            if let name = isSnake ? status.snakeName : status.camelName {
                line.append(name)
            } else {
                line.append(number: UInt64(status.rawValue))
            }
        case .certificateIdentity: writeCertificateIdentity(exchange)
        case .certificateTime(let isEnd, let pattern):
            guard let peer = exchange.downstream?.tls?.peer else { return }
            write(pattern, seconds: UInt64(clamping: isEnd ? peer.expires : peer.validFrom), nanoseconds: 0)
        case .plain(let operation): write(operation, exchange, scene)
        }
    }

    private mutating func write(_ operation: FormatOperator, _ exchange: Exchange, _ scene: Scene) {
        switch operation {
        case .startTime: put(WallClock.now() - scene.duration)
        case .protocol: if !exchange.isConnection { line.append(exchange.request.version.text) }
        case .responseCode:
            // What never reached the client is no response to it.
            line.append(number: exchange.hasSentHead || !scene.isOver ? UInt64(exchange.response.status) : 0)
        case .responseCodeDetails: if let reason = exchange.reason { put(reason) }
        case .responseFlags: line.append(exchange.flags)
        case .grpcStatusNumber: if let status = exchange.grpcStatus { line.append(number: UInt64(status.rawValue)) }
        case .localReplyBody: put(scene.replyBody.span)
        case .bytesReceived: line.append(number: exchange.requestBytes)
        case .bytesSent: line.append(number: exchange.bytesSent)
        case .duration: put(scene.duration)
        case .requestDuration: if let span = exchange.requestDuration { put(span) }
        case .responseDuration: if let span = exchange.responseDuration { put(span) }
        case .responseTransferDuration:
            if scene.isOver, let span = exchange.responseDuration, scene.duration >= span {
                put(Nanoseconds(rawValue: scene.duration.rawValue - span.rawValue))
            }
        case .upstreamHost, .upstreamRemoteAddress: if let host = exchange.upstreamAddress { put(host) }
        case .upstreamRemoteAddressWithoutPort:
            if let host = exchange.upstreamAddress { put(Self.withoutPort(host.utf8Span.span)) }
        case .upstreamCluster: if let cluster = exchange.clusterName { put(cluster) }
        case .upstreamAttempts: line.append(number: UInt64(exchange.attempts))
        case .upstreamFailure: if let reason = exchange.upstreamFailure { put(reason) }
        case .routeName: if let name = exchange.matchedRoute?.name { put(name) }
        case .connectionID: if let peer = exchange.downstream { line.append(number: peer.connectionID) }
        case .hostname:
            let name = LogHost.name
            put(name.span)
        case .traceID: if let trace = exchange.trace { line.append(trace: trace) }
        case .spanID: if let trace = exchange.trace { line.append(hex: trace.spanID) }
        case .shadow:
            for (index, note) in exchange.shadowNotes.enumerated() {
                if index > 0 { line.append("; ") }
                put(note)
            }
        case .listenerName, .downstreamRemoteAddress, .downstreamRemoteAddressWithoutPort, .downstreamRemotePort,
            .downstreamDirectRemoteAddress, .downstreamDirectRemoteAddressWithoutPort, .downstreamLocalAddress:
            write(downstream: operation, exchange)
        // Made with their argument.
        case .request, .requestWithoutQuery, .response, .trailer, .dynamicMetadata, .filterState, .clientIdentity,
            .jwtClaim, .grpcStatus, .peerValidFrom, .peerExpires:
            break
        case .requestedServerName: if let name = exchange.downstream?.tls?.serverName ?? scene.serverName { put(name) }
        case .tlsVersion, .tlsCipher, .tlsSessionID, .peerSubject, .peerIssuer, .peerURISAN,
            .peerDNSSAN, .peerIPSAN, .peerSerial, .peerFingerprint, .peerCertificate, .peerIsValidated, .localSubject,
            .localURISAN, .localDNSSAN:
            if let tls = exchange.downstream?.tls { write(operation, tls) }
        }
    }

    private mutating func write(downstream operation: FormatOperator, _ exchange: Exchange) {
        switch operation {
        case .downstreamRemoteAddress:
            put(exchange.clientIP)
            if let port = exchange.downstream?.directRemotePort {
                line.append(":")
                line.append(number: UInt64(port))
            }
        case .downstreamRemoteAddressWithoutPort: put(exchange.clientIP)
        default: break
        }
        guard let peer = exchange.downstream else { return }
        switch operation {
        case .listenerName: put(peer.listener)
        case .downstreamRemotePort: line.append(number: UInt64(peer.directRemotePort))
        case .downstreamDirectRemoteAddress: put(peer.directRemoteAddress)
        case .downstreamDirectRemoteAddressWithoutPort: put(peer.directRemoteIP)
        case .downstreamLocalAddress: put(peer.localAddress)
        default: break
        }
    }

    /// Whole milliseconds.
    private mutating func put(_ span: Nanoseconds) { line.append(number: span.rawValue / 1_000_000) }

    // MARK: Heads

    private mutating func write(_ sources: [FormatValue.Source], _ request: RequestHead, withQuery: Bool) {
        for source in sources {
            switch source {
            case .method: return put(request.methodBytes())
            case .target: return put(withQuery ? request.target() : request.path())
            case .authority: return put(request.authority())
            case .scheme: return line.append(request.scheme == .https ? "https" : "http")
            case .field(let name):
                let headers = request.headers
                guard let value = headers.first(name) else { continue }
                let end = withQuery ? value.count : value.firstIndex(of: 0x3F) ?? value.count
                return put(value.extracting(0..<end))
            }
        }
    }

    private mutating func write(_ names: [HeaderName], _ headers: HeaderTable) {
        for name in names {
            if let value = headers.first(name) { return put(value) }
        }
    }

    /// `[::1]:80` and `10.0.0.1:80` without their port; others as they are.
    @_lifetime(copy address)
    private static func withoutPort(_ address: Span<UInt8>) -> Span<UInt8> {
        guard address.count > 0, address[0] != 0x2F else { return address }
        if address[0] == 0x5B, let close = address.firstIndex(of: 0x5D) { return address.extracting(1..<close) }
        return address.extracting(0..<(address.firstIndex(of: 0x3A) ?? address.count))
    }

    // MARK: What filters left

    private mutating func write(identity proof: Identity.Proof?, _ exchange: Exchange) {
        if let proof {
            if let identity = exchange.identity(proof) { put(identity.name) }
            return
        }
        for proof in Identity.Proof.allCases {
            if let identity = exchange.identity(proof) { return put(identity.name) }
        }
        writeCertificateIdentity(exchange)
    }

    private mutating func writeCertificateIdentity(_ exchange: Exchange) {
        if let name = exchange.downstream?.tls?.validatedPeer?.principals.first { put(name) }
    }

    private mutating func write(claim path: ClaimPath, _ exchange: Exchange) {
        if let value = exchange.identity(.jwt)?.claims.flatMap({ path.value(in: $0) }) { write(value) }
    }

    /// A list of texts and numbers with commas between them.
    private mutating func write(_ value: JSONValue) {
        switch value {
        case .null, .object: return
        case .bool(let isTrue): line.append(isTrue ? "true" : "false")
        case .integer(let number): put(String(number))
        case .number(let number): put(String(number))
        case .string(let text): put(text)
        case .array(let items):
            for (index, item) in items.enumerated() {
                if case .array = item { continue }
                if index > 0 { line.append(",") }
                write(item)
            }
        }
    }

    private mutating func write(_ path: [String], _ values: [String: [UInt8]]?) {
        guard path.count > 1, let bytes = values?[path[1]] else { return }
        write(bytes, path.dropFirst(2))
    }

    /// An encoded value, or what a mapping has under further keys.
    private mutating func write(_ bytes: [UInt8], _ keys: ArraySlice<String>) {
        switch EncodedScalar.read(bytes.span, keys) {
        case .text(let range): put(bytes.span.extracting(range))
        case .integer(let number): put(String(number))
        case .number(let number): put(String(number))
        case .bool(let isTrue): line.append(isTrue ? "true" : "false")
        case nil: return
        }
    }

    // MARK: Time

    /// Since 1970.
    private mutating func write(_ pattern: [TimePattern.Part], seconds: UInt64, nanoseconds: UInt64) {
        let days = Int(seconds / 86_400)
        let (year, month, day) = LogTime.date(days: days)
        for part in pattern {
            switch part {
            case .literal(let text): put(text)
            case .year: line.append(number: UInt64(year), width: 4)
            case .shortYear: line.append(number: UInt64(year % 100), width: 2)
            case .month: line.append(number: UInt64(month), width: 2)
            case .monthName: line.append(Self.months[(month - 1) % 12])
            case .day: line.append(number: UInt64(day), width: 2)
            case .paddedDay:
                if day < 10 { line.append(0x20) }
                line.append(number: UInt64(day))
            case .dayOfYear:
                line.append(number: UInt64(days - LogTime.days(year: year, month: 1, day: 1) + 1), width: 3)
            // 1970-01-01 was a Thursday.
            case .weekday: line.append(Self.weekdays[(days + 4) % 7])
            case .hour: line.append(number: seconds / 3600 % 24, width: 2)
            case .minute: line.append(number: seconds / 60 % 60, width: 2)
            case .second: line.append(number: seconds % 60, width: 2)
            case .epoch: line.append(number: seconds)
            case .fraction(let digits):
                var fraction = nanoseconds
                for _ in digits..<9 { fraction /= 10 }
                line.append(number: fraction, width: digits)
            case .offset: line.append("+0000")
            case .zone: line.append("UTC")
            }
        }
    }

    private static let months: [StaticString] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    private static let weekdays: [StaticString] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
}

extension HTTPVersion {
    package var text: StaticString {
        switch self {
        case .http10: "HTTP/1.0"
        case .http11: "HTTP/1.1"
        case .http2: "HTTP/2"
        }
    }
}

extension LineBuffer {
    /// The letters, with commas between them; `-` for none.
    package mutating func append(_ flags: ResponseFlags) {
        guard !flags.isEmpty else { return append("-") }
        var isFirst = true
        for flag in ResponseFlag.allCases where flags.contains(flag) {
            if !isFirst { append(",") }
            append(flag.letters)
            isFirst = false
        }
    }

    /// The trace's id, in 32 digits.
    package mutating func append(trace: TraceContext) {
        append(hex: trace.traceHigh)
        append(hex: trace.traceLow)
    }
}
