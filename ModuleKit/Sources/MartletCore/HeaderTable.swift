internal import CMartletModule

/// The fields of a message head or of trailers, in wire order and wire case; see the proxy's. They stay in the host's
/// memory: a lookup is one call of the host, and what it finds is looked at in place.
///
/// A span from this table borrows it. Bind the table to a local first (`let headers = exchange.request.headers`). Once the
/// exchange is over the table is empty and takes nothing.
@safe
public final class HeaderTable {
    /// Whose table it is.
    package enum Place: Sendable {
        case request, response, requestTrailers, responseTrailers
    }

    // Of an exchange, whose parts these are; otherwise this module's own, or empty.
    private let parts: LentParts?
    private let place: Place
    private let own: OpaquePointer?
    // What is to be given back at the end.
    private let owner: OpaquePointer?

    /// A table of its own, of no message.
    public init() {
        let made = unsafe martlet_of_host().pointee.make_headers()
        unsafe own = unsafe made
        unsafe owner = unsafe made
        parts = nil
        place = .request
    }

    package init(of parts: LentParts, _ place: Place) {
        self.parts = parts
        self.place = place
        unsafe own = nil
        unsafe owner = nil
    }

    /// The table of a head that lives as long as `owner`, which is given back with this table.
    package init(_ table: OpaquePointer?, of owner: OpaquePointer) {
        unsafe own = unsafe table
        unsafe self.owner = unsafe owner
        parts = nil
        place = .request
    }

    deinit { Border.release(unsafe owner) }

    /// For one call of the host.
    package var lent: OpaquePointer? { unsafe handle }

    private var handle: OpaquePointer? {
        @inline(__always) get {
            guard let parts else { return unsafe own }
            switch place {
            case .request: return unsafe parts.parts?.request_headers
            case .response: return unsafe parts.parts?.response_headers
            case .requestTrailers: return unsafe parts.parts?.request_trailers
            case .responseTrailers: return unsafe parts.parts?.response_trailers
            }
        }
    }

    public var count: Int {
        guard let handle = unsafe handle else { return 0 }
        return unsafe martlet_of_host().pointee.headers_count(handle)
    }
    public var isEmpty: Bool { count == 0 }

    /// Bytes that names and values take, edits included. Never shrinks within an exchange.
    public var size: Int {
        guard let handle = unsafe handle else { return 0 }
        return unsafe martlet_of_host().pointee.headers_size(handle)
    }

    /// Removes every field.
    public func removeAll() {
        if let handle = unsafe handle { unsafe martlet_of_host().pointee.headers_remove_all(handle) }
    }

    // MARK: Reading

    /// Empty when there is no such field.
    @_lifetime(borrow self)
    public func name(at index: Int) -> Span<UInt8> {
        guard let handle = unsafe handle else { return Span() }
        return unsafe span(unsafe martlet_of_host().pointee.headers_name(handle, index))
    }

    /// Empty when there is no such field.
    @_lifetime(borrow self)
    public func value(at index: Int) -> Span<UInt8> {
        guard let handle = unsafe handle else { return Span() }
        return unsafe span(unsafe martlet_of_host().pointee.headers_value(handle, index))
    }

    /// Where the first field called `name` is, at `start` or after.
    public func firstIndex(of name: HeaderName, from start: Int = 0) -> Int? {
        let lowercased = name.lowercased
        return firstIndex(named: lowercased.span, from: start)
    }

    /// As `firstIndex(of:)`, for a name that is only bytes, any case.
    public func firstIndex(named name: Span<UInt8>, from start: Int = 0) -> Int? {
        guard let handle = unsafe handle else { return nil }
        let index = Border.lend(name) { unsafe martlet_of_host().pointee.headers_index(handle, $0, start) }
        return index == Border.none ? nil : index
    }

    /// The first value of `name`.
    @_lifetime(borrow self)
    public func first(_ name: HeaderName) -> Span<UInt8>? {
        guard let handle = unsafe handle else { return nil }
        let lowercased = name.lowercased
        let found = Border.lend(lowercased) { unsafe martlet_of_host().pointee.headers_first(handle, $0) }
        guard unsafe found.isPresent else { return nil }
        return unsafe span(unsafe found)
    }

    public func contains(_ name: HeaderName) -> Bool { firstIndex(of: name) != nil }

    /// The first value as text. Allocates when it is longer than 15 bytes.
    public func string(_ name: HeaderName) -> String? { first(name)?.string() }

    /// The bytes lie in the host's table until it is changed, and a span of them is dead after that, as with the host's own.
    @_lifetime(borrow self)
    private func span(_ bytes: martlet_borrowed_bytes) -> Span<UInt8> {
        guard let start = unsafe bytes.start else { return Span() }
        let span = unsafe Span(_unsafeStart: start, count: bytes.count)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    // MARK: Writing

    /// Adds a field at the end. Names and values are the caller's to have checked; see `isSafeValue`.
    public func append(_ name: HeaderName, _ value: Span<UInt8>) {
        let lowercased = name.lowercased
        append(named: lowercased.span, value)
    }

    public func append(_ name: HeaderName, _ value: String) { append(name, value.utf8Span.span) }

    /// Adds a field whose name is only bytes, kept in the case given.
    public func append(named name: Span<UInt8>, _ value: Span<UInt8>) {
        guard let handle = unsafe handle else { return }
        Border.lend(name) { name in
            Border.lend(value) { unsafe martlet_of_host().pointee.headers_append(handle, name, $0) }
        }
    }

    /// Gives the first field called `name` this value, in its place and case, and removes any further ones; adds the
    /// field when there is none.
    public func set(_ name: HeaderName, _ value: Span<UInt8>) {
        let lowercased = name.lowercased
        set(named: lowercased.span, value)
    }

    public func set(_ name: HeaderName, _ value: String) { set(name, value.utf8Span.span) }

    public func set(named name: Span<UInt8>, _ value: Span<UInt8>) {
        guard let handle = unsafe handle else { return }
        Border.lend(name) { name in
            Border.lend(value) { unsafe martlet_of_host().pointee.headers_set(handle, name, $0) }
        }
    }

    public func replaceValue(at index: Int, _ value: Span<UInt8>) {
        guard let handle = unsafe handle else { return }
        Border.lend(value) { unsafe martlet_of_host().pointee.headers_replace(handle, index, $0) }
    }

    /// Adds `separator` and `addition` to the end of a field's value, as a list header grows.
    public func extendValue(at index: Int, separator: StaticString, _ addition: Span<UInt8>) {
        guard index < count else { return }
        var longer = value(at: index).array()
        longer += separator.description.utf8
        longer += addition.array()
        replaceValue(at: index, longer.span)
    }

    /// Removes every field called `name` and says whether there was one.
    @discardableResult
    public func remove(_ name: HeaderName) -> Bool {
        let lowercased = name.lowercased
        return remove(named: lowercased.span)
    }

    @discardableResult
    public func remove(named name: Span<UInt8>) -> Bool {
        guard let handle = unsafe handle else { return false }
        return Border.lend(name) { unsafe martlet_of_host().pointee.headers_remove(handle, $0) }
    }

    public func remove(at index: Int) {
        if let handle = unsafe handle { unsafe martlet_of_host().pointee.headers_remove_at(handle, index) }
    }

    // MARK: Checking

    /// True when `value` may stand in a field: no CR, LF or NUL (RFC 9110 section 5.5).
    public static func isSafeValue(_ value: Span<UInt8>) -> Bool {
        for index in value.indices where value[index] == 0 || value[index] == 0x0A || value[index] == 0x0D {
            return false
        }
        return true
    }

    /// True when `name` is a token (RFC 9110 section 5.1).
    public static func isToken(_ name: Span<UInt8>) -> Bool {
        guard !name.isEmpty else { return false }
        for index in name.indices where !name[index].isTokenCharacter { return false }
        return true
    }
}
