package import MartletCore

/// How long the one who asks will wait, as it says in the head; the same field in the request that goes on, with what is
/// left.
package enum RequestDeadline {
    /// The shorter of `grpc-timeout` and `x-envoy-expected-rq-timeout-ms`; nil when neither is there or can be read.
    package static func received(_ headers: HeaderTable) -> Nanoseconds? {
        let grpc = headers.firstIndex(id: .grpcTimeout).flatMap { self.grpc(headers.value(at: $0)) }
        let envoy = headers.firstIndex(id: .xEnvoyExpectedTimeout).flatMap { index -> Nanoseconds? in
            // Envoy's 0 is none.
            headers.value(at: index).decimal().flatMap { $0 == 0 ? nil : .milliseconds(min($0, 1 << 40)) }
        }
        guard let grpc, let envoy else { return grpc ?? envoy }
        return min(grpc, envoy)
    }

    /// gRPC's `TimeoutValue TimeoutUnit`: up to eight digits and one of H, M, S, m, u, n.
    package static func grpc(_ value: Span<UInt8>) -> Nanoseconds? {
        guard value.count >= 2, value.count <= 9,
            let amount = value.extracting(0..<(value.count - 1)).decimal()
        else { return nil }
        switch value[value.count - 1] {
        case 0x48: return .seconds(amount * 3600)
        case 0x4D: return .seconds(amount * 60)
        case 0x53: return .seconds(amount)
        case 0x6D: return .milliseconds(amount)
        case 0x75: return Nanoseconds(rawValue: amount * 1000)
        case 0x6E: return Nanoseconds(rawValue: amount)
        default: return nil
        }
    }

    /// Writes what is left into the head that goes on, in whole milliseconds and at least one: zero would be no limit.
    package static func send(_ left: Nanoseconds, in headers: HeaderTable) {
        let milliseconds = min(max(left.rawValue / 1_000_000, 1), 99_999_999)
        var text = InlineArray<9, UInt8>(repeating: 0x6D)
        var start = 8
        var rest = milliseconds
        repeat {
            start -= 1
            text[start] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        headers.set(.xEnvoyExpectedTimeout, text.span.extracting(start..<8))
        if let index = headers.firstIndex(id: .grpcTimeout) {
            headers.replaceValue(at: index, text.span.extracting(start..<9))
        }
    }
}
