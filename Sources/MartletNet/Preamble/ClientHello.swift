internal import MartletCore

/// What the first message of TLS asks for, read without taking part: to choose where a connection goes that is passed through.
///
/// Nothing here is verified beyond its form; whoever ends the TLS decides.
package struct ClientHello: Sendable, Equatable {
    /// Lower case, without a dot at the end; nil when the client named none.
    package internal(set) var serverName: String?
    /// In the client's order; empty when it offered none.
    package internal(set) var alpn: [[UInt8]] = []
    /// In the client's order, made-up values (RFC 8701) left out: `0x0303` is TLS 1.2, `0x0304` 1.3.
    package internal(set) var versions: [UInt16]

    package enum Step: Sendable, Equatable {
        /// Pass the same bytes again with more behind them.
        case needMore
        case hello(ClientHello)
        case fault(ClientHelloFault)
    }

    /// Bytes within which the message must be whole, record headers included.
    package static let maxLength = 16_384

    /// Looks at a connection's first bytes, and takes none. The answer for some bytes is the same however many more follow,
    /// unless it is `needMore`.
    package static func peek(_ bytes: Span<UInt8>) -> Step {
        switch Self.message(in: bytes) {
        case .failure(let fault): return .fault(fault)
        case .success(nil): return .needMore
        case .success(.some(let message)):
            do throws(ClientHelloFault) {
                return .hello(try ClientHello(message: message.span))
            } catch {
                return .fault(error)
            }
        }
    }

    /// The message behind its header, once it has arrived whole. RFC 8446 section 5.1: it may be spread over records.
    private static func message(in bytes: Span<UInt8>) -> Result<[UInt8]?, ClientHelloFault> {
        var ranges: [Range<Int>] = []
        var header: [UInt8] = []
        var missing = Int.max
        var place = 0
        while place < bytes.count {
            guard bytes[place] == 22 else { return .failure(place == 0 ? .notTLS : .notHandshake) }
            guard place + 1 < bytes.count else { break }
            guard bytes[place + 1] == 3 else { return .failure(.notTLS) }
            guard place + 5 <= bytes.count else { break }
            let length = bytes.bigEndian16(at: place + 3)
            guard length > 0 && length <= 16_384 else { return .failure(.badRecordLength) }
            var start = place + 5
            let end = start + length
            while header.count < 4 && start < min(end, bytes.count) {
                header.append(bytes[start])
                start += 1
            }
            guard header.first ?? 1 == 1 else { return .failure(.notClientHello) }
            if header.count == 4 {
                if missing == .max {
                    missing = Int(header[1]) << 16 | Int(header[2]) << 8 | Int(header[3])
                    guard start + missing <= maxLength else { return .failure(.tooLong) }
                }
                let part = start..<min(end, bytes.count, start + missing)
                ranges.append(part)
                missing -= part.count
                if missing == 0 { return .success(joined(ranges, of: bytes)) }
            }
            guard bytes.count >= end else { break }
            // Records of little each: the message would end behind the limit.
            guard end + (missing == .max ? 0 : missing) <= maxLength else { return .failure(.tooLong) }
            place = end
        }
        return .success(nil)
    }

    private static func joined(_ ranges: [Range<Int>], of bytes: Span<UInt8>) -> [UInt8] {
        var message: [UInt8] = []
        for range in ranges { message += bytes.extracting(range).array() }
        return message
    }
}

/// Why the first message of TLS is refused.
package enum ClientHelloFault: String, Error, Sendable, CaseIterable {
    case notTLS = "the connection does not begin with a TLS record"
    case notHandshake = "the TLS handshake is interrupted by a record of another kind"
    case badRecordLength = "a TLS record is empty or longer than 16 KiB"
    case notClientHello = "the first TLS message is no ClientHello"
    case tooLong = "the ClientHello is longer than 16 KiB"
    case malformed = "the ClientHello is malformed"
    case duplicateExtension = "the ClientHello has an extension twice"
    case badServerName = "the server name is no host name"
    case badALPN = "the list of application protocols is malformed"
}
