internal import CPCRE2

/// A compiled regular expression over bytes (PCRE2, JIT where the machine has it), with limits that end a match which
/// backtracks without bound. Immutable; matching takes its scratch memory from the calling thread.
@safe
public final class Pattern: Sendable, CustomStringConvertible {
    /// As written.
    public let description: String
    // Written once in init, then only read: pcre2_match takes the code as const, and each thread has its own match data.
    private nonisolated(unsafe) let code: OpaquePointer
    private nonisolated(unsafe) let limits: OpaquePointer

    /// Backtracking steps before a match is given up as a mismatch (PCRE2's own default is 10,000,000).
    public static let matchLimit: UInt32 = 100_000

    /// What of a text a match must cover.
    public enum Extent: Sendable {
        case whole, part
    }

    /// - Throws: `PatternError` with PCRE2's message and the offset of the fault.
    public init(_ source: String, matching extent: Extent) throws(PatternError) {
        description = source
        var errorCode: Int32 = 0
        var offset = 0
        let bytes = Array(source.utf8)
        // Said here and not when matching, where it would keep the JIT out.
        let ends = extent == .whole ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0
        let compiled = unsafe bytes.withUnsafeBufferPointer {
            unsafe pcre2_compile_8(
                $0.baseAddress, $0.count, PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY | ends, &errorCode, &offset,
                nil)
        }
        guard let compiled = unsafe compiled else {
            var text = [UInt8](repeating: 0, count: 256)
            let length = unsafe pcre2_get_error_message_8(errorCode, &text, text.count)
            throw PatternError(
                message: String(decoding: text.prefix(max(0, Int(length))), as: UTF8.self), offset: offset)
        }
        unsafe code = compiled
        // Where there is no JIT, matching is slower and no different.
        _ = unsafe pcre2_jit_compile_8(compiled, PCRE2_JIT_COMPLETE)
        guard let context = unsafe pcre2_match_context_create_8(nil) else {
            unsafe pcre2_code_free_8(compiled)
            throw PatternError(message: "out of memory", offset: 0)
        }
        unsafe limits = context
        unsafe pcre2_set_match_limit_8(context, Self.matchLimit)
        // In KiB. The match limit bounds the time, this the memory.
        unsafe pcre2_set_heap_limit_8(context, 16_384)
    }

    deinit {
        unsafe pcre2_match_context_free_8(limits)
        unsafe pcre2_code_free_8(code)
    }

    /// What came of a match. Giving up is not the same as not matching: a route that refuses by a pattern must not be passed
    /// by who makes the pattern give up.
    public enum Outcome: Sendable {
        case matches, differs, gaveUp
    }

    /// Whether `bytes` match: the whole or a part of them, as said when the pattern was made.
    public func match(_ bytes: Span<UInt8>) -> Outcome {
        unsafe run(bytes) { status, _ in
            status >= 0 ? .matches : status == PCRE2_ERROR_NOMATCH ? .differs : .gaveUp
        }
    }

    private func run<R>(_ bytes: Span<UInt8>, _ body: (Int32, OpaquePointer) -> R) -> R {
        // Per call: match data of a few hundred bytes. Regular expressions are the slow path of routing by contract.
        guard let data = unsafe pcre2_match_data_create_from_pattern_8(code, nil) else {
            return unsafe body(PCRE2_ERROR_NOMEMORY, code)
        }
        defer { unsafe pcre2_match_data_free_8(data) }
        let status = unsafe bytes.withUnsafeBufferPointer { subject in
            let first = unsafe pcre2_match_8(code, subject.baseAddress, subject.count, 0, 0, data, limits)
            // Compiled code runs on 32 KiB of the thread's stack; what needs more is interpreted, on the heap.
            guard first == PCRE2_ERROR_JIT_STACKLIMIT else { return first }
            return unsafe pcre2_match_8(code, subject.baseAddress, subject.count, 0, PCRE2_NO_JIT, data, limits)
        }
        return unsafe body(status, data)
    }

    /// `bytes` with the first match replaced by `replacement`, where `\1`...`\9` are groups and `\0` is the match (RE2's
    /// notation, as Envoy's users write it). Nil when nothing matches or the result would exceed `limit` bytes.
    public func replacingFirst(in bytes: Span<UInt8>, with replacement: [UInt8], limit: Int) -> [UInt8]? {
        unsafe run(bytes) { status, data in
            guard status > 0, let offsets = unsafe pcre2_get_ovector_pointer_8(data) else { return nil }
            let groups = Int(status)
            // pcre2api(3): the vector holds `status` pairs, each within the subject, or PCRE2_UNSET.
            func group(_ number: Int) -> Range<Int> {
                guard number < groups else { return 0..<0 }
                let start = unsafe offsets[2 * number]
                let end = unsafe offsets[2 * number + 1]
                return start <= end && end <= bytes.count ? start..<end : 0..<0
            }
            var out: [UInt8] = []
            func copy(_ range: Range<Int>) { for index in range { out.append(bytes[index]) } }
            let whole = group(0)
            copy(0..<whole.lowerBound)
            var index = 0
            while index < replacement.count {
                let byte = replacement[index]
                if byte == 0x5C, index + 1 < replacement.count {
                    let next = replacement[index + 1]
                    if next.isDigit { copy(group(Int(next - 0x30))) } else { out.append(next) }
                    index += 2
                } else {
                    out.append(byte)
                    index += 1
                }
                if out.count > limit { return nil }
            }
            copy(whole.upperBound..<bytes.count)
            return out.count <= limit ? out : nil
        }
    }
}

public struct PatternError: Error, Sendable, CustomStringConvertible {
    public let message: String
    /// In bytes from the start of the pattern.
    public let offset: Int
    public var description: String { "\(message) at offset \(offset)" }
}
