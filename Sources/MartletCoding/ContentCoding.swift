// MartletCoding encodes and decodes the content codings of HTTP as streams: bytes in, bytes out, no message and no I/O.
// What of a message is encoded, and which of its fields say so, is the filters' affair in Plugins/Transform.

internal import CCompress
internal import MartletCore

/// A content coding (RFC 9110 section 8.4.1).
public enum ContentCoding: String, Sendable, CaseIterable {
    case gzip, br, zstd
    /// A zlib stream (RFC 1950). Some send a bare one (RFC 1951) under this name; that is malformed.
    case deflate

    /// By its name on the wire, in any case. `x-gzip` is `gzip` (RFC 9110 section 8.4.1.3).
    public init?(_ name: Span<UInt8>) {
        switch name.count {
        case 2 where name.equalsIgnoringCase("br"): self = .br
        case 4 where name.equalsIgnoringCase("gzip"): self = .gzip
        case 4 where name.equalsIgnoringCase("zstd"): self = .zstd
        case 6 where name.equalsIgnoringCase("x-gzip"): self = .gzip
        case 7 where name.equalsIgnoringCase("deflate"): self = .deflate
        default: return nil
        }
    }

    var number: mrt_coding {
        switch self {
        case .gzip: MRT_GZIP
        case .br: MRT_BROTLI
        case .zstd: MRT_ZSTD
        case .deflate: MRT_DEFLATE
        }
    }
}

/// What became of one move of bytes through a coder.
public enum CodingStep: Sendable, Equatable {
    /// The input is taken, and what was asked for is done.
    case hungry
    /// There is more to come: call again with more room, the rest of the input and the same wish.
    case full
    /// The stream is at its end.
    case ended
    case failed(CodingFault)
}

/// Why a stream cannot go on, in the words that clients and logs get.
public enum CodingFault: String, Sendable {
    case malformed
    /// The body ended before its stream did.
    case truncated
    /// Bytes behind the end of the stream that begin no other.
    case trailingBytes = "bytes-behind-the-end"
    case tooLarge = "too-large"
    case ratio = "expands-too-much"
    case window = "window-too-large"
    case noMemory = "out-of-memory"
}
