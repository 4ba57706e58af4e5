internal import MartletCore

/// Why a stream of messages cannot be read.
package enum MessageFault: String, Error, Sendable, CaseIterable {
    case tooLarge = "message larger than the limit"
    case badFlags = "message flags that are not known"
    case truncated = "stream ends within a message"
    case compressed = "message is compressed and nothing was agreed on"
}

/// Takes a body of gRPC apart into its messages: a byte of flags, four of length, the message (gRPC over HTTP/2,
/// Length-Prefixed-Message). Fed in pieces of any size; keeps no more than one message.
package struct MessageDecoder {
    package struct Message: Equatable {
        package let isCompressed: Bool
        package let bytes: [UInt8]
    }

    /// Bytes of one message. Default 4 MiB, as gRPC's libraries have it.
    package let maxMessage: Int
    package static let defaultMaxMessage = 4 << 20

    private var prefix = MessagePrefix()
    private var bytes: [UInt8] = []

    package init(maxMessage: Int = MessageDecoder.defaultMaxMessage) { self.maxMessage = maxMessage }

    /// The next message of `input`, from `start`, which moves past what was taken. Nil when all of it was taken and no message is
    /// whole. After a fault nothing more may be fed.
    package mutating func next(_ input: Span<UInt8>, _ start: inout Int) throws(MessageFault) -> Message? {
        if !prefix.isWhole {
            guard prefix.take(input, &start) else { return nil }
            guard prefix.flags <= 1 else { throw .badFlags }
            guard prefix.length <= maxMessage else { throw .tooLarge }
        }
        // Grows with what comes, not with what is announced.
        let part = min(prefix.length - bytes.count, input.count - start)
        if part > 0 {
            bytes.append(contentsOf: input.extracting(start..<start + part).array())
            start += part
        }
        guard bytes.count == prefix.length else { return nil }
        let message = Message(isCompressed: prefix.flags == 1, bytes: bytes)
        prefix = MessagePrefix()
        bytes = []
        return message
    }

    /// No message has begun: the stream may end here.
    package var isBetweenMessages: Bool { prefix.isEmpty }
}

/// The five bytes in front of a message, as far as they have come.
struct MessagePrefix {
    private var taken = 0
    private(set) var flags: UInt8 = 0
    private var size: UInt32 = 0

    static let count = 5

    var isEmpty: Bool { taken == 0 }
    var isWhole: Bool { taken == Self.count }
    var length: Int { Int(size) }

    /// True when it is whole.
    mutating func take(_ input: Span<UInt8>, _ start: inout Int) -> Bool {
        while taken < Self.count, start < input.count {
            let byte = input[start]
            if taken == 0 { flags = byte } else { size = size << 8 | UInt32(byte) }
            taken += 1
            start += 1
        }
        return isWhole
    }
}

/// Counts the messages of a body that passes by, whatever their size, and keeps nothing of them.
package struct MessageCounter {
    private var prefix = MessagePrefix()
    private var left = 0
    /// Messages that have begun: their flags and length have come.
    package private(set) var count: UInt64 = 0
    /// What comes is no gRPC; nothing more is counted.
    package private(set) var isLost = false

    package init() {}

    package mutating func take(_ input: Span<UInt8>) {
        var start = 0
        while start < input.count, !isLost {
            if left > 0 {
                let part = min(left, input.count - start)
                left -= part
                start += part
            } else if prefix.take(input, &start) {
                // gRPC-Web's trailers are no message.
                if prefix.flags & 0x7E != 0 { return isLost = true }
                if prefix.flags & 0x80 == 0 { count &+= 1 }
                left = prefix.length
                prefix = MessagePrefix()
            }
        }
    }
}

/// Puts messages into a body.
package enum MessageEncoder {
    /// Appends flags, length and `message`, which has less than 4 GiB, not compressed.
    package static func append(_ message: Span<UInt8>, to out: inout [UInt8]) {
        out.reserveCapacity(out.count + MessagePrefix.count + message.count)
        appendPrefix(flags: 0, length: message.count, to: &out)
        out.append(contentsOf: message.array())
    }

    package static func encode(_ message: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        append(message.span, to: &out)
        return out
    }

    static func appendPrefix(flags: UInt8, length: Int, to out: inout [UInt8]) {
        let size = UInt32(truncatingIfNeeded: length)
        out.append(flags)
        for shift in [UInt32(24), 16, 8, 0] { out.append(UInt8(truncatingIfNeeded: size >> shift)) }
    }
}
