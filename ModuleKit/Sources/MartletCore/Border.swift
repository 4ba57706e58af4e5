package import CMartletModule

/// What crosses to the host, and back.
package enum Border {
    /// The answer of a function that fills a room, when there is nothing.
    package static let none = -1

    /// Lends bytes for one call.
    @inline(__always)
    @safe package static func lend<Result>(_ bytes: Span<UInt8>, _ body: (martlet_borrowed_bytes) -> Result) -> Result {
        unsafe bytes.withUnsafeBufferPointer { unsafe body(martlet_borrowed_bytes($0)) }
    }

    @inline(__always)
    @safe package static func lend<Result>(_ bytes: [UInt8], _ body: (martlet_borrowed_bytes) -> Result) -> Result {
        unsafe bytes.withUnsafeBufferPointer { unsafe body(martlet_borrowed_bytes($0)) }
    }

    @safe package static func lend<Result>(_ text: String, _ body: (martlet_borrowed_bytes) -> Result) -> Result {
        lend(text.utf8Span.span, body)
    }

    /// Nil is lent as no bytes at all.
    @safe package static func lend<Result>(_ text: String?, _ body: (martlet_borrowed_bytes) -> Result) -> Result {
        guard let text else { return unsafe body(martlet_borrowed_bytes(start: nil, count: 0)) }
        return lend(text, body)
    }

    @safe package static func lend<Result>(_ text: StaticString, _ body: (martlet_borrowed_bytes) -> Result) -> Result {
        // Flags and reasons are written out, never single scalars, and so have a pointer.
        unsafe body(martlet_borrowed_bytes(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Lends names with values for one call. Both are copied: for what is not on every request's path.
    @safe package static func lend<Result>(
        _ fields: [(name: String, value: String)], _ body: (martlet_borrowed_fields) -> Result
    ) -> Result {
        var bytes: [UInt8] = []
        for field in fields {
            bytes += field.name.utf8
            bytes += field.value.utf8
        }
        return unsafe bytes.withUnsafeBufferPointer { bytes in
            var start = 0
            func next(_ count: Int) -> martlet_borrowed_bytes {
                defer { start += count }
                return unsafe martlet_borrowed_bytes(UnsafeBufferPointer(rebasing: bytes[start..<start + count]))
            }
            let lent = unsafe fields.map { field in
                unsafe martlet_borrowed_field(name: next(field.name.utf8.count), value: next(field.value.utf8.count))
            }
            return unsafe lent.withUnsafeBufferPointer {
                unsafe body(martlet_borrowed_fields(start: $0.baseAddress, count: $0.count))
            }
        }
    }

    /// The text that `fill` writes; nil when there is none.
    @safe package static func text(_ fill: (martlet_room) -> Int) -> String? {
        unsafe read(fill) { unsafe String(decoding: $0, as: UTF8.self) }
    }

    @safe package static func bytes(_ fill: (martlet_room) -> Int) -> [UInt8]? {
        unsafe read(fill) { unsafe Array($0) }
    }

    private static func read<Value>(
        _ fill: (martlet_room) -> Int, _ make: (UnsafeBufferPointer<UInt8>) -> Value
    ) -> Value? {
        var capacity = 256
        while true {
            let (needed, value): (Int, Value?) = unsafe withUnsafeTemporaryAllocation(
                of: UInt8.self, capacity: capacity
            ) { room in
                // The host writes within the room and says how much there is.
                let count = unsafe fill(martlet_room(start: room.baseAddress, capacity: room.count))
                guard count >= 0, count <= room.count else { return (count, nil) }
                return (count, unsafe make(UnsafeBufferPointer(rebasing: room[..<count])))
            }
            guard needed > capacity else { return value }
            capacity = needed
        }
    }

    @safe package static func release(_ object: OpaquePointer?) {
        if let object = unsafe object { unsafe martlet_of_host().pointee.release(UnsafeMutableRawPointer(object)) }
    }
}

extension martlet_borrowed_bytes {
    /// Empty bytes have a start too: without one there is no value.
    @inline(__always)
    package init(_ bytes: UnsafeBufferPointer<UInt8>) {
        unsafe self.init(start: bytes.baseAddress ?? Self.somewhere, count: bytes.count)
    }

    // Never read: it is the start of nothing.
    private static var somewhere: UnsafePointer<UInt8> { unsafe UnsafePointer(bitPattern: 1).unsafelyUnwrapped }

    package var isPresent: Bool { unsafe start != nil }

    /// A copy.
    package var array: [UInt8] { unsafe Array(UnsafeBufferPointer(start: start, count: count)) }
    /// A copy; what is not UTF-8 becomes U+FFFD.
    package var text: String { unsafe String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self) }
}
