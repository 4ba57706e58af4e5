#if canImport(Glibc)
internal import Glibc
#endif

/// Byte comparisons and small parsers for wire text. ASCII only: what is not ASCII compares by its bytes.
extension Span where Element == UInt8 {
    public func equals(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        return unsafe withUnsafeBufferPointer { left in
            unsafe other.withUnsafeBufferPointer { right in
                guard let l = left.baseAddress, let r = right.baseAddress else { return true }
                return unsafe memcmp(l, r, left.count) == 0
            }
        }
    }

    public func equals(_ text: StaticString) -> Bool {
        guard text.hasPointerRepresentation, count == text.utf8CodeUnitCount else { return false }
        return unsafe withUnsafeBufferPointer { left in
            guard let l = left.baseAddress else { return true }
            return unsafe memcmp(l, text.utf8Start, left.count) == 0
        }
    }

    public func hasPrefix(_ other: Span<UInt8>) -> Bool {
        count >= other.count && extracting(first: other.count).equals(other)
    }

    public func hasSuffix(_ other: Span<UInt8>) -> Bool {
        count >= other.count && extracting(last: other.count).equals(other)
    }

    /// Compares ignoring ASCII case.
    public func equalsIgnoringCase(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index].lowercasedASCII != other[index].lowercasedASCII { return false }
        return true
    }

    /// `lowercase` must be written in lower case.
    public func equalsIgnoringCase(_ lowercase: StaticString) -> Bool {
        guard lowercase.hasPointerRepresentation, count == lowercase.utf8CodeUnitCount else { return false }
        // A static string's bytes live for ever.
        let other = unsafe Span(_unsafeStart: lowercase.utf8Start, count: lowercase.utf8CodeUnitCount)
        for index in indices where self[index].lowercasedASCII != other[index] { return false }
        return true
    }

    /// As `equalsIgnoringCase`, eight bytes at a time, for tokens: `self` must be one, and `lowercase` letters, digits and
    /// hyphens, among which setting bit 5 joins nothing but the two cases of a letter.
    @inline(__always)
    func tokenEquals(_ lowercase: StaticString) -> Bool {
        let count = self.count
        guard count == lowercase.utf8CodeUnitCount else { return false }
        return unsafe withUnsafeBytes { mine in
            let known = unsafe UnsafeRawPointer(lowercase.utf8Start)
            guard let mine = mine.baseAddress else { return true }
            let bit: UInt64 = 0x2020_2020_2020_2020
            var index = 0
            // In bounds: both sides have `count` bytes and eight are left.
            while index + 8 <= count {
                let left = unsafe mine.loadUnaligned(fromByteOffset: index, as: UInt64.self) | bit
                let right = unsafe known.loadUnaligned(fromByteOffset: index, as: UInt64.self) | bit
                if left != right { return false }
                index += 8
            }
            while index < count {
                let left = unsafe mine.load(fromByteOffset: index, as: UInt8.self) | 0x20
                let right = unsafe known.load(fromByteOffset: index, as: UInt8.self) | 0x20
                if left != right { return false }
                index += 1
            }
            return true
        }
    }

    public func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        guard start < count else { return nil }
        return unsafe withUnsafeBufferPointer { bytes -> Int? in
            guard let base = bytes.baseAddress,
                let found = unsafe memchr(base + start, Int32(byte), bytes.count - start)
            else { return nil }
            return unsafe UnsafeRawPointer(found) - UnsafeRawPointer(base)
        }
    }

    /// Digits only, at least one, no sign, no overflow.
    public func decimal() -> UInt64? {
        guard !isEmpty, count <= 20 else { return nil }
        var value: UInt64 = 0
        for index in indices {
            let byte = self[index]
            guard byte >= 0x30 && byte <= 0x39 else { return nil }
            let (product, high) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(byte &- 0x30))
            guard !high && !carry else { return nil }
            value = sum
        }
        return value
    }

    /// Without spaces and tabs at either end.
    @_lifetime(copy self)
    public func trimmed() -> Span<UInt8> {
        var start = 0
        var end = count
        while start < end && (self[start] == 0x20 || self[start] == 0x09) { start += 1 }
        while end > start && (self[end - 1] == 0x20 || self[end - 1] == 0x09) { end -= 1 }
        return extracting(start..<end)
    }

    /// As text; bytes that are not UTF-8 become U+FFFD. Allocates beyond 15 bytes, so not for the steady path.
    public func string() -> String {
        unsafe withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    public func array() -> [UInt8] {
        unsafe withUnsafeBufferPointer { unsafe [UInt8]($0) }
    }
}

extension UInt8 {
    /// Lower case for `A`...`Z`, everything else unchanged.
    public var lowercasedASCII: UInt8 { (self &- 0x41) < 26 ? self | 0x20 : self }
    public var isDigit: Bool { (self &- 0x30) < 10 }
    /// RFC 9110 section 5.6.2: a character of a token.
    public var isTokenCharacter: Bool {
        switch self {
        case 0x61...0x7A, 0x41...0x5A, 0x30...0x39: true
        case 0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E, 0x5F, 0x60, 0x7C, 0x7E: true
        default: false
        }
    }
}

extension UInt8 {
    /// What the hexadecimal digit stands for, in either case.
    package var hexValue: UInt8? {
        switch self {
        case 0x30...0x39: self - 0x30
        case 0x41...0x46: self - 0x41 + 10
        case 0x61...0x66: self - 0x61 + 10
        default: nil
        }
    }
}
