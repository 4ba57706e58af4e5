internal import CMartletModule
internal import MartletCore

extension martlet_borrowed_bytes {
    static var none: martlet_borrowed_bytes { unsafe martlet_borrowed_bytes(start: nil, count: 0) }

    /// Bytes that whoever lends them keeps where they are for as long as the header says. Empty ones have a start too: without
    /// one there is no value.
    @inline(__always)
    init(lending bytes: Span<UInt8>) {
        unsafe self = unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe martlet_borrowed_bytes(start: bytes.baseAddress ?? Self.somewhere, count: bytes.count)
        }
    }

    // Never read: it is the start of nothing.
    private static var somewhere: UnsafePointer<UInt8> { unsafe UnsafePointer(bitPattern: 1).unsafelyUnwrapped }

    var isPresent: Bool { unsafe start != nil }
    /// A copy; what is not UTF-8 becomes U+FFFD.
    var text: String { unsafe String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self) }
    var textIfPresent: String? { unsafe isPresent ? text : nil }
    /// A copy.
    var array: [UInt8] { unsafe Array(UnsafeBufferPointer(start: start, count: count)) }

    /// What the module lends, for one call.
    @inline(__always)
    func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        guard let start = unsafe start else { return body(Span()) }
        // Good until the host's function returns, and `body` ends before it.
        return body(unsafe Span(_unsafeStart: start, count: count))
    }
}

extension martlet_borrowed_fields {
    var pairs: [(name: String, value: String)] {
        unsafe UnsafeBufferPointer(start: start, count: count).map { unsafe (name: $0.name.text, value: $0.value.text) }
    }
}

extension martlet_room {
    /// The answer of a function that fills a room when there is nothing.
    static let nothing = -1

    /// Writes what fits and answers how much there is.
    func fill(_ bytes: Span<UInt8>) -> Int {
        unsafe bytes.withUnsafeBufferPointer { bytes in
            if let start = unsafe start, let source = bytes.baseAddress {
                unsafe start.update(from: source, count: min(bytes.count, capacity))
            }
        }
        return bytes.count
    }

    func fill(_ text: String) -> Int { unsafe fill(text.utf8Span.span) }

    func fill(_ text: String?) -> Int {
        guard let text else { return unsafe Self.nothing }
        return unsafe fill(text)
    }
}

/// Objects behind the border's handles.
enum Handle {
    /// For the time the object lives otherwise.
    @inline(__always)
    @safe static func lend(_ object: AnyObject) -> OpaquePointer {
        unsafe OpaquePointer(Unmanaged.passUnretained(object).toOpaque())
    }

    /// The module's from now on, until it gives the handle to `release`.
    @safe static func handOver(_ object: AnyObject) -> OpaquePointer {
        unsafe OpaquePointer(Unmanaged.passRetained(object).toOpaque())
    }

    /// What was lent or handed over as this type. The border's types say which; the module is trusted to keep to them.
    @inline(__always)
    @safe static func object<Object: AnyObject>(_ handle: OpaquePointer, as type: Object.Type) -> Object {
        unsafe Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }

    /// As `object`, without counting a reference: for what every request does.
    @inline(__always)
    @safe static func with<Object: AnyObject, Result>(
        _ handle: OpaquePointer, as type: Object.Type, _ body: (Object) -> Result
    ) -> Result {
        unsafe Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle))._withUnsafeGuaranteedRef(body)
    }
}

/// A value of this side, as an object that a handle can name.
final class Boxed<Value> {
    let value: Value
    init(_ value: Value) { self.value = value }
}
