internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

// The kinds of value that messages and documents write differently.

extension Google_Protobuf_Duration {
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.init(seconds: seconds, nanos: Int32(attoseconds / 1_000_000_000))
    }

    /// What no configuration takes, below zero or beyond all bounds, is spelled out for the decoder to say so.
    var document: Document {
        guard (0...1_000_000_000).contains(seconds), (0..<1_000_000_000).contains(nanos) else {
            return .text(nanos == 0 ? "\(seconds)s" : "\(seconds)s \(nanos)ns")
        }
        return .duration(.seconds(seconds) + .nanoseconds(Int64(nanos)))
    }
}

extension Google_Protobuf_UInt32Value {
    /// Nil when it is none: what does not fit is no number of a valid configuration.
    init?(_ value: Int?) {
        guard let value, let number = UInt32(exactly: value) else { return nil }
        self.init(number)
    }
}

extension Envoy_Type_V3_Percent {
    init(fraction: Double) {
        self.init()
        // `14.3` of a document is 0.143 and must not come back as 14.299999.
        value = (fraction * 100_000_000).rounded() / 1_000_000
    }

    var document: Document { .percent(value / 100) }
}

extension Envoy_Type_V3_FractionalPercent {
    init(fraction: Double) {
        self.init()
        let millionths = (fraction * 1_000_000).rounded()
        if millionths.truncatingRemainder(dividingBy: 10_000) == 0 {
            numerator = UInt32(millionths / 10_000)
        } else {
            (numerator, denominator) = (UInt32(millionths), .million)
        }
    }

    var document: Document {
        let whole =
            switch denominator {
            case .hundred, .UNRECOGNIZED: 100.0
            case .tenThousand: 10_000.0
            case .million: 1_000_000.0
            }
        return .percent(Double(numerator) / whole)
    }
}

extension Envoy_Config_Core_V3_ConfigSource {
    /// By the stream that brought what names it.
    static var aggregated: Self {
        .with {
            $0.ads = .init()
            $0.resourceApiVersion = .v3
        }
    }
}

extension Envoy_Config_Core_V3_Address {
    /// `10.0.0.1:8080`, `[::1]:8080`, `unix:/run/app.sock`; a name before the port as well.
    init(_ text: String) {
        self.init()
        if text.hasPrefix("unix:") {
            pipe.path = String(text.dropFirst(5))
            return
        }
        let colon = text.lastIndex(of: ":") ?? text.endIndex
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        socketAddress.address = String(host)
        socketAddress.portValue = UInt32(text[colon...].dropFirst()) ?? 0
    }

    /// Nil after reporting that it is none of a stream of bytes.
    func text(_ reading: ResourceReading, in field: String) -> String? {
        switch address {
        case .pipe(let pipe): return "unix:" + pipe.path
        case .socketAddress(let socket):
            if socket.protocol != .tcp { reading.unsupported(field, "UDP") }
            let host = socket.address.contains(":") ? "[\(socket.address)]" : socket.address
            return "\(host):\(socket.portValue)"
        case nil:
            reading.error("\(field): there is no address")
            return nil
        }
    }
}

// MARK: Martlet's own words

/// The key of `typed_filter_metadata` under which a resource says what only Martlet knows.
let ownMetadata = "martlet"

extension Envoy_Config_Core_V3_Metadata {
    init(own message: some Message) {
        self.init()
        typedFilterMetadata[ownMetadata] = Google_Protobuf_Any(of: message)
    }

    mutating func removeOwn() { typedFilterMetadata[ownMetadata] = nil }

    /// Martlet's words; nil where there are none. Others' metadata is for others.
    func own<Wanted: Message>(_ type: Wanted.Type, _ reading: ResourceReading) -> Wanted? {
        typedFilterMetadata[ownMetadata].flatMap { reading.unpack($0, as: type, in: "metadata") }
    }
}
