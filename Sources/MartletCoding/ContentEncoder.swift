internal import CCompress
public import MartletCore

/// Encodes one stream after the other.
///
/// Memory of a stream at the levels that filters allow: gzip 260 KiB, br 70 KiB to 3 MiB, zstd 1 to 14 MiB by level and
/// window (measured; `Docs/Filters/compress.md` has the table).
@safe
public final class ContentEncoder {
    public enum Push: Sendable {
        /// Keep what compresses better together with what follows.
        case goOn
        /// Everything that went in comes out.
        case flush
        /// And the stream ends.
        case finish
    }

    public let coding: ContentCoding
    // Made in `init`, freed in `deinit`, never handed out.
    private let coder: OpaquePointer

    /// - Parameters:
    ///   - level: gzip and deflate 1...9, br 0...11, zstd 1...22.
    ///   - windowLog: how far back it looks, as a power of two: gzip and deflate 9...15, br and zstd 10...24.
    /// Nil when they are out of bounds, or without memory.
    public init?(_ coding: ContentCoding, level: Int, windowLog: Int) {
        self.coding = coding
        guard let level = Int32(exactly: level), let windowLog = Int32(exactly: windowLog),
            let made = unsafe mrt_encoder_new(coding.number, level, windowLog)
        else { return nil }
        unsafe coder = made
    }

    deinit { unsafe mrt_coder_free(coder) }

    /// Makes it ready for another stream, whatever became of the last one; gzip keeps the window it was made with. False
    /// when it cannot be used again.
    public func reset(windowLog: Int) -> Bool {
        unsafe mrt_coder_reset(coder, Int32(truncatingIfNeeded: windowLog))
    }

    /// Takes bytes off the front of `input` and appends to `out`, which must have room for 16 bytes.
    public func encode(_ input: inout ByteSlice, _ push: Push, into out: ByteBuffer) -> CodingStep {
        var taken = 0
        var outcome = MRT_MALFORMED
        let wish =
            switch push {
            case .goOn: MRT_GO_ON
            case .flush: MRT_FLUSH
            case .finish: MRT_FINISH
            }
        unsafe input.bytes().withUnsafeBytes { source in
            _ = unsafe out.fill { room in
                var written = 0
                // Reads within `source` and writes within `room`: both counts go along.
                unsafe outcome = mrt_encode(
                    coder, source.baseAddress, source.count, &taken, room.baseAddress, room.count, &written, wish)
                return written
            }
        }
        input.removeFirst(taken)
        switch outcome {
        case MRT_HUNGRY: return .hungry
        case MRT_FULL: return .full
        case MRT_ENDED: return .ended
        case MRT_NO_MEMORY: return .failed(.noMemory)
        default: return .failed(.malformed)
        }
    }
}
