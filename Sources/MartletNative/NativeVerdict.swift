internal import CMartletModule
internal import MartletCore
internal import MartletFilter

extension Verdict {
    /// The verdict of a module; a reply in it is ours from now on.
    init(taking verdict: martlet_verdict) {
        let reply = unsafe verdict.reply.map {
            unsafe Unmanaged<Reply>.fromOpaque(UnsafeRawPointer($0)).takeRetainedValue()
        }
        switch Int(unsafe verdict.decision) {
        case MARTLET_NEXT: self = .next
        case MARTLET_WAIT: self = .wait
        case MARTLET_REPLY: self = .reply(reply ?? .refusal(500, "module-reply-missing", flag: .localReset))
        case MARTLET_RESET: self = .reset(ResetReason(lent: unsafe verdict.reason))
        default: self = .reply(.refusal(500, "module-verdict-unknown", flag: .localReset))
        }
    }
}

extension ResetReason {
    fileprivate init(lent number: UInt32) {
        switch Int(number) {
        case MARTLET_RESET_DOWNSTREAM_DISCONNECT: self = .downstreamDisconnect
        case MARTLET_RESET_DOWNSTREAM_PROTOCOL: self = .downstreamProtocolError
        case MARTLET_RESET_UPSTREAM_DISCONNECT: self = .upstreamDisconnect
        case MARTLET_RESET_UPSTREAM_PROTOCOL: self = .upstreamProtocolError
        case MARTLET_RESET_IDLE_TIMEOUT: self = .idleTimeout
        case MARTLET_RESET_REQUEST_TIMEOUT: self = .requestTimeout
        case MARTLET_RESET_TOO_LARGE: self = .tooLarge
        case MARTLET_RESET_DRAIN: self = .drain
        default: self = .filter
        }
    }
}

extension Reply {
    convenience init(
        status: UInt16, headers: martlet_borrowed_fields, body: martlet_borrowed_bytes, reason: martlet_borrowed_bytes,
        flag: martlet_borrowed_bytes
    ) {
        self.init(
            status: status,
            headers: unsafe headers.pairs.compactMap { pair in
                HeaderName(pair.name).map { (name: $0, value: pair.value) }
            }, body: unsafe body.array, reason: unsafe reason.textIfPresent,
            flag: unsafe flag.isPresent ? ResponseFlag(letters: flag) : nil)
    }
}

extension ResponseFlag {
    /// The first flag of these letters.
    init?(letters: martlet_borrowed_bytes) {
        let found = unsafe letters.withSpan { letters in Self.allCases.first { letters.equals($0.letters) } }
        guard let found else { return nil }
        self = found
    }
}

extension ResponseFlags {
    /// What crosses the border: the first flag of its letters has a bit.
    private static let named: [ResponseFlag] = ResponseFlag.allCases.filter { flag in
        let text = flag.letters.description
        return ResponseFlag.allCases.first { $0.letters.description == text } == flag
    }

    var lent: UInt32 {
        // A flag without a bit of its own shows as the one that shares its letters.
        Self.named.reduce(0) { bits, flag in
            let isSet = ResponseFlag.allCases.contains {
                contains($0) && $0.letters.description == flag.letters.description
            }
            return isSet ? bits | 1 << UInt32(flag.rawValue) : bits
        }
    }

    /// These flags as a module wants them; those it cannot tell apart stay while their letters do.
    func changed(to bits: UInt32) -> ResponseFlags {
        var flags = ResponseFlags()
        for flag in ResponseFlag.allCases {
            guard let named = Self.named.first(where: { $0.letters.description == flag.letters.description }) else {
                continue
            }
            let isWanted = bits & (1 << UInt32(named.rawValue)) != 0
            let isShared = ResponseFlag.allCases.contains {
                contains($0) && $0.letters.description == flag.letters.description
            }
            if isWanted && (isShared ? contains(flag) : flag == named) { flags.insert(flag) }
        }
        return flags
    }
}
