package import MartletConfig
package import MartletCore
internal import MartletHTTP

/// A route's `hash` policies, compiled: what of a request decides which endpoint it goes to.
package struct HashRule: Sendable {
    package enum Source: Sendable {
        case header(HeaderName)
        case cookie([UInt8], set: CookieText?)
        case clientIP
        case query([UInt8])
    }

    package struct CookieText: Sendable {
        /// `name=`.
        let start: [UInt8]
        /// What stands behind the value, without and with `Secure`.
        let end: [UInt8]
        let secureEnd: [UInt8]
    }

    package var source: Source
    package var isTerminal: Bool

    package init(_ policy: HashPolicy) {
        isTerminal = policy.isTerminal
        switch policy.source {
        case .header(let name): source = .header(name)
        case .clientIP: source = .clientIP
        case .query(let name): source = .query(Array(name.utf8))
        case .cookie(let cookie):
            source = .cookie(Array(cookie.name.utf8), set: cookie.ttl.map { CookieText(cookie, lasting: $0) })
        }
    }
}

extension HashRule.CookieText {
    init(_ cookie: HashCookie, lasting ttl: Duration) {
        start = Array("\(cookie.name)=".utf8)
        let age = ttl == .zero ? "" : "; Max-Age=\(max(ttl.components.seconds, 1))"
        let text = "\(age); Path=\(cookie.path); HttpOnly; SameSite=Lax"
        end = Array(text.utf8)
        secureEnd = Array((text + "; Secure").utf8)
    }
}

/// What a route's rules make of one request.
package struct HashKey {
    /// Nil: no rule had a value.
    package private(set) var key: UInt64?
    /// The value of a `set-cookie` field for a client that was given a new cookie.
    package private(set) var cookie: [UInt8]?

    package init(_ rules: [HashRule], _ exchange: Exchange) {
        for rule in rules {
            guard let found = value(of: rule, exchange) else { continue }
            // Each rule's part moves, so that two equal values do not cancel each other (as Envoy combines them).
            key = key.map { ($0 << 1 | $0 >> 63) ^ found } ?? found
            if rule.isTerminal { return }
        }
    }

    private mutating func value(of rule: HashRule, _ exchange: Exchange) -> UInt64? {
        let request = exchange.request
        let headers = request.headers
        switch rule.source {
        case .header(let name):
            guard let value = headers.first(name) else { return nil }
            return StableHash.of(value)
        case .clientIP:
            return exchange.clientIP.isEmpty ? nil : StableHash.of(exchange.clientIP)
        case .query(let name):
            guard let query = request.query() else { return nil }
            return Self.find(name.span, in: query, .query)
        case .cookie(let name, let text):
            var start = 0
            while let place = headers.firstIndex(of: .cookie, from: start) {
                if let found = Self.find(name.span, in: headers.value(at: place), .cookies) { return found }
                start = place + 1
            }
            // Two rules may not both make a cookie: one field is sent.
            guard let text, cookie == nil else { return nil }
            return make(text, exchange)
        }
    }

    /// The value is random, not the endpoint's name: a client learns nothing of what is behind the proxy.
    private mutating func make(_ text: HashRule.CookieText, _ exchange: Exchange) -> UInt64 {
        var system = SystemRandomNumberGenerator()
        var value: [UInt8] = []
        for _ in 0..<2 {
            let bits = system.next()
            for shift in stride(from: 60, through: 0, by: -4) {
                let digit = UInt8(truncatingIfNeeded: (bits >> UInt64(shift)) & 15)
                value.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
            }
        }
        let isSecure = exchange.downstream?.scheme == .https
        cookie = text.start + value + (isSecure ? text.secureEnd : text.end)
        return StableHash.of(value.span)
    }

    /// The hash of the first `name=value` in a list; blanks around a part and quotes around its value are left out. An empty
    /// value is none.
    static func find(_ name: Span<UInt8>, in list: Span<UInt8>, _ form: NamedPairs.Form) -> UInt64? {
        var pairs = NamedPairs(form)
        while let pair = pairs.next(in: list) {
            guard let range = pair.value, list.extracting(pair.name).equals(name) else { continue }
            var value = list.extracting(range)
            if form == .cookies, value.count >= 2, value[0] == 0x22, value[value.count - 1] == 0x22 {
                value = value.extracting(1..<value.count - 1)
            }
            return value.isEmpty ? nil : StableHash.of(value)
        }
        return nil
    }
}
