internal import CCompress
public import MartletCore

/// Decodes one body: a stream and, where the coding knows them, the members or frames behind it. What comes out is
/// limited while it comes out, so that a bomb is never inflated beyond its limit.
///
/// Memory of a stream: gzip and deflate 44 KiB; zstd and br their window, as far as `maxWindowLog` allows, and 150 KiB or
/// up to 3 MiB of code tables beside it.
@safe
public final class ContentDecoder {
    public struct Limits: Sendable, Equatable {
        /// Bytes of decoded body.
        public var size: UInt64 = 64 << 20
        /// Decoded bytes for each encoded one, looked at beyond `unratedSize`.
        public var ratio: UInt64 = 100
        /// Decoded bytes whose ratio is nobody's concern: a small body of zeros is an honest one.
        public var unratedSize: UInt64 = 1 << 20
        /// 10...24. RFC 9659 has 8 MiB for zstd; gzip and deflate never have more than 32 KiB.
        public var maxWindowLog = 23

        public init() {}
    }

    public let coding: ContentCoding
    private let limits: Limits
    // Made in `init`, freed in `deinit`, never handed out.
    private let coder: OpaquePointer
    /// Encoded bytes taken.
    public private(set) var taken: UInt64 = 0
    /// Decoded bytes given.
    public private(set) var given: UInt64 = 0
    /// The last byte taken was the last of a stream, or none was taken yet.
    private var isAtEnd = true
    /// What comes now stands behind a whole stream.
    private var hasEndedOnce = false

    /// Nil without memory.
    public init?(_ coding: ContentCoding, _ limits: Limits) {
        self.coding = coding
        self.limits = limits
        guard let made = unsafe mrt_decoder_new(coding.number, Int32(truncatingIfNeeded: limits.maxWindowLog)) else {
            return nil
        }
        unsafe coder = made
    }

    deinit { unsafe mrt_coder_free(coder) }

    /// Takes bytes off the front of `input` and appends to `out`, which must have room. After `failed`, what `out` got is
    /// not to be used, and the decoder neither.
    /// - Parameter isLast: nothing follows `input`.
    public func decode(_ input: inout ByteSlice, isLast: Bool, into out: ByteBuffer) -> CodingStep {
        guard given <= limits.size else { return .failed(.tooLarge) }
        while out.free > 0 {
            guard !input.isEmpty || !isAtEnd else { return isLast ? .ended : .hungry }
            if isAtEnd && taken > 0 && !(unsafe mrt_decoder_takes_another(coder)) { return .failed(.trailingBytes) }
            let outcome = move(&input, into: out)
            if given > limits.size { return .failed(.tooLarge) }
            if given > limits.unratedSize && given / limits.ratio > taken { return .failed(.ratio) }
            switch outcome {
            case MRT_ENDED: isAtEnd = true
            case MRT_FULL: continue
            case MRT_HUNGRY: return isLast ? .failed(.truncated) : .hungry
            case MRT_WINDOW: return .failed(.window)
            case MRT_NO_MEMORY: return .failed(.noMemory)
            default: return .failed(hasEndedOnce ? .trailingBytes : .malformed)
            }
            if isAtEnd { hasEndedOnce = true }
        }
        return isAtEnd && input.isEmpty ? (isLast ? .ended : .hungry) : .full
    }

    private func move(_ input: inout ByteSlice, into out: ByteBuffer) -> mrt_outcome {
        // One byte beyond the limit is enough to see that it is passed.
        let most = Int(truncatingIfNeeded: min(limits.size - given + 1, UInt64(out.free)))
        var moved = 0
        var made = 0
        var outcome = MRT_MALFORMED
        unsafe input.bytes().withUnsafeBytes { source in
            _ = unsafe out.fill { room in
                // Reads within `source` and writes within `room`: `most` is no more than is free.
                unsafe outcome = mrt_decode(
                    coder, source.baseAddress, source.count, &moved, room.baseAddress, most, &made)
                return made
            }
        }
        if moved > 0 { isAtEnd = false }
        input.removeFirst(moved)
        taken &+= UInt64(moved)
        given &+= UInt64(made)
        return outcome
    }
}
