/// The fields of a message head or of trailers, in wire order and wire case.
///
/// Names and values live in one arena; a field is two ranges and a number, so parsing a head copies its bytes once and
/// allocates nothing once the table has been used before. Lookups scan: a head has a dozen fields.
/// A span from this table borrows it. Bind the table to a local first (`let headers = exchange.request.headers`).
public final class HeaderTable {
    private struct Field {
        var name: ByteRange
        var value: ByteRange
        var id: HeaderID
        /// Whoever added it saw to it that it may be sent.
        var isChecked = false
    }

    package let arena: ByteArena
    private var fields: [Field] = []
    /// Arena offset before which a codec has checked every byte.
    private var checked: UInt32 = 0

    public init() {
        arena = ByteArena()
        fields.reserveCapacity(16)
    }

    public var count: Int { fields.count }
    public var isEmpty: Bool { fields.isEmpty }

    /// Bytes that names and values take, edits included. Never shrinks within an exchange.
    public var size: Int { arena.count }

    /// Removes every field.
    public func removeAll() { fields.removeAll(keepingCapacity: fields.capacity <= 256) }

    /// As new. A head keeps its method, target and reason in the same arena: this forgets them too.
    package func reset() {
        removeAll()
        checked = 0
        arena.removeAll()
    }

    // MARK: Reading

    @_lifetime(borrow self)
    public func name(at index: Int) -> Span<UInt8> {
        let arena = self.arena
        let bytes = arena.bytes(fields[index].name)
        // The arena is ours for as long as the table lives.
        return unsafe _overrideLifetime(bytes, borrowing: self)
    }

    @_lifetime(borrow self)
    public func value(at index: Int) -> Span<UInt8> {
        let arena = self.arena
        let bytes = arena.bytes(fields[index].value)
        return unsafe _overrideLifetime(bytes, borrowing: self)
    }

    package func id(at index: Int) -> HeaderID { fields[index].id }

    /// Where the first field called `name` is, at `start` or after.
    public func firstIndex(of name: HeaderName, from start: Int = 0) -> Int? {
        if name.id != .unknown { return firstIndex(id: name.id, from: start) }
        let lowercased = name.lowercased
        return firstIndex(named: lowercased.span, from: start)
    }

    package func firstIndex(id: HeaderID, from start: Int = 0) -> Int? {
        var index = start
        while index < fields.count {
            if fields[index].id == id { return index }
            index += 1
        }
        return nil
    }

    package func lastIndex(id: HeaderID) -> Int? {
        var index = fields.count
        while index > 0 {
            index -= 1
            if fields[index].id == id { return index }
        }
        return nil
    }

    /// As `firstIndex(of:)`, for a name that is only bytes, any case.
    public func firstIndex(named name: Span<UInt8>, from start: Int = 0) -> Int? {
        let id = HeaderIndex.id(of: name)
        if id != .unknown { return firstIndex(id: id, from: start) }
        let arena = self.arena
        var index = start
        while index < fields.count {
            if fields[index].id == .unknown && fields[index].name.count == name.count
                && arena.bytes(fields[index].name).equalsIgnoringCase(name)
            {
                return index
            }
            index += 1
        }
        return nil
    }

    /// The first value of `name`.
    @_lifetime(borrow self)
    public func first(_ name: HeaderName) -> Span<UInt8>? {
        guard let index = firstIndex(of: name) else { return nil }
        return value(at: index)
    }

    @_lifetime(borrow self)
    package func first(id: HeaderID) -> Span<UInt8>? {
        guard let index = firstIndex(id: id) else { return nil }
        return value(at: index)
    }

    public func contains(_ name: HeaderName) -> Bool { firstIndex(of: name) != nil }

    /// The first value as text. Allocates when it is longer than 15 bytes.
    public func string(_ name: HeaderName) -> String? { first(name)?.string() }

    // MARK: Writing

    /// Adds a field at the end. Names and values are the caller's to have checked; see `isSafeValue`.
    public func append(_ name: HeaderName, _ value: Span<UInt8>) {
        let lowercased = name.lowercased
        append(id: name.id, name: lowercased.span, value: value)
    }

    public func append(_ name: HeaderName, _ value: String) {
        append(name, value.utf8Span.span)
    }

    /// Adds a field whose name is only bytes, kept in the case given.
    public func append(named name: Span<UInt8>, _ value: Span<UInt8>) {
        // What is no token is nobody's well-known header, and is refused when it is encoded.
        append(id: Self.isToken(name) ? HeaderIndex.id(of: name) : .unknown, name: name, value: value)
    }

    private func append(id: HeaderID, name: Span<UInt8>, value: Span<UInt8>, isChecked: Bool = false) {
        let nameRange = arena.append(name)
        let valueRange = arena.append(value)
        fields.append(Field(name: nameRange, value: valueRange, id: id, isChecked: isChecked))
    }

    /// As `append(named:)`, for a name that is a token and a value without CR, LF and NUL.
    package func append(checked name: Span<UInt8>, _ value: Span<UInt8>) {
        append(id: HeaderIndex.id(of: name), name: name, value: value, isChecked: true)
    }

    /// As `set(named:)`, for a name that is a token and a value without CR, LF and NUL.
    package func set(checked name: Span<UInt8>, _ value: Span<UInt8>) {
        guard let index = firstIndex(named: name) else { return append(checked: name, value) }
        replaceValue(at: index, value)
        // The bytes of the present name are as many and, but for case, the same.
        fields[index].isChecked = true
        removeAll(named: name, from: index + 1)
    }

    /// Gives the first field called `name` this value, in its place and case, and removes any further ones; adds the
    /// field when there is none.
    public func set(_ name: HeaderName, _ value: Span<UInt8>) {
        guard let index = firstIndex(of: name) else { return append(name, value) }
        replaceValue(at: index, value)
        removeAll(name, from: index + 1)
    }

    public func set(_ name: HeaderName, _ value: String) {
        set(name, value.utf8Span.span)
    }

    public func set(named name: Span<UInt8>, _ value: Span<UInt8>) {
        guard let index = firstIndex(named: name) else { return append(named: name, value) }
        replaceValue(at: index, value)
        removeAll(named: name, from: index + 1)
    }

    public func replaceValue(at index: Int, _ value: Span<UInt8>) {
        let range = arena.append(value)
        fields[index].value = range
        fields[index].isChecked = false
    }

    /// Adds `separator` and `addition` to the end of a field's value, as a list header grows.
    public func extendValue(at index: Int, separator: StaticString, _ addition: Span<UInt8>) {
        let arena = self.arena
        let old = fields[index].value
        let start = arena.append(arena.bytes(old))
        if separator.hasPointerRepresentation {
            // A static string's bytes live for ever.
            _ = arena.append(unsafe Span(_unsafeStart: separator.utf8Start, count: separator.utf8CodeUnitCount))
        }
        _ = arena.append(addition)
        fields[index].value = ByteRange(start: Int(start.start), length: arena.count - Int(start.start))
        fields[index].isChecked = false
    }

    /// Joins the values of every field after `index` that is the same well-known header to its value, and removes them.
    package func joinValues(at index: Int, separator: StaticString) {
        let id = fields[index].id
        guard id != .unknown, separator.hasPointerRepresentation else { return }
        let arena = self.arena
        let start = arena.append(arena.bytes(fields[index].value))
        var kept = index + 1
        for next in (index + 1)..<fields.count {
            guard fields[next].id == id else {
                fields[kept] = fields[next]
                kept += 1
                continue
            }
            // A static string's bytes live for ever.
            _ = arena.append(unsafe Span(_unsafeStart: separator.utf8Start, count: separator.utf8CodeUnitCount))
            _ = arena.append(arena.bytes(fields[next].value))
        }
        fields.removeLast(fields.count - kept)
        fields[index].value = ByteRange(start: Int(start.start), length: arena.count - Int(start.start))
        fields[index].isChecked = false
    }

    /// Removes every field called `name` and says whether there was one.
    @discardableResult
    public func remove(_ name: HeaderName) -> Bool { removeAll(name, from: 0) }

    @discardableResult
    public func remove(named name: Span<UInt8>) -> Bool { removeAll(named: name, from: 0) }

    @discardableResult
    private func removeAll(named name: Span<UInt8>, from start: Int) -> Bool {
        var removed = false
        var next = start
        while let index = firstIndex(named: name, from: next) {
            fields.remove(at: index)
            next = index
            removed = true
        }
        return removed
    }

    public func remove(at index: Int) { fields.remove(at: index) }

    @discardableResult
    private func removeAll(_ name: HeaderName, from start: Int) -> Bool {
        var removed = false
        var next = start
        while let index = firstIndex(of: name, from: next) {
            fields.remove(at: index)
            next = index
            removed = true
        }
        return removed
    }

    /// Copies every field of `other`.
    package func copy(from other: HeaderTable) {
        reset()
        for index in 0..<other.count {
            append(id: other.id(at: index), name: other.name(at: index), value: other.value(at: index))
        }
    }

    // MARK: For codecs

    /// A codec has checked everything in the arena so far; what filters add later is checked when it is encoded.
    package func markParsed() { checked = UInt32(truncatingIfNeeded: arena.count) }

    /// No more than this many bytes encode every field as `name: value\r\n`.
    package var encodedBound: Int { arena.count + fields.count * 4 }

    /// Appends every field in order, but those in `special`, which are `body`'s to write or to leave out. False when a field
    /// cannot be sent or `body` says so.
    package func encode(into out: ByteBuffer, leaving special: HeaderIDs, to body: (Int, HeaderID) -> Bool) -> Bool {
        var index = 0
        while index < fields.count {
            let id = fields[index].id
            if special.contains(id) {
                guard body(index, id) else { return false }
                index += 1
                continue
            }
            var end = index + 1
            if isAsReceived(index) {
                while end < fields.count, isAsReceived(end), follows(end), !special.contains(fields[end].id) {
                    end += 1
                }
                guard appendReceived(index..<end, into: out) else { return false }
            } else {
                guard encodeField(at: index, into: out) else { return false }
            }
            index = end
        }
        return true
    }

    /// The field lies in the arena as `name: value`, checked by the codec that put it there.
    private func isAsReceived(_ index: Int) -> Bool {
        let field = fields[index]
        return field.value.start < checked && field.value.start == field.name.start + field.name.length + 2
    }

    /// The field's line begins right behind the line of the field before it.
    private func follows(_ index: Int) -> Bool {
        let before = fields[index - 1].value
        return fields[index].name.start == before.start + before.length + 2
    }

    /// Lines that lie one behind the other are one copy.
    private func appendReceived(_ range: Range<Int>, into out: ByteBuffer) -> Bool {
        let start = fields[range.lowerBound].name.start
        let last = fields[range.upperBound - 1].value
        let arena = self.arena
        return out.append(
            line: arena.bytes(ByteRange(start: Int(start), length: Int(last.start + last.length - start))))
    }

    /// A codec or whoever added the field saw to it that it may be sent, or it is looked at now.
    package func isSendable(at index: Int) -> Bool {
        let field = fields[index]
        if field.value.start < checked || field.isChecked { return true }
        let arena = self.arena
        // A known name was checked when it was made known.
        guard field.id != .unknown || field.name.start < checked || Self.isToken(arena.bytes(field.name)) else {
            return false
        }
        return Self.isSafeValue(arena.bytes(field.value))
    }

    /// Appends `name: value\r\n`. False, and nothing appended, when an edited field has bytes that would break the
    /// message, or there is no room.
    package func encodeField(at index: Int, into out: ByteBuffer) -> Bool {
        guard isSendable(at: index) else { return false }
        let field = fields[index]
        let arena = self.arena
        return out.append(field: arena.bytes(field.name), arena.bytes(field.value))
    }

    /// Calls `body` with every field in order until it answers false. False then, or when a field may not be sent; fields
    /// of which `isLeftOut` are passed over.
    package func forEachSendable(
        leaving isLeftOut: HeaderIDs, _ body: (HeaderID, Span<UInt8>, Span<UInt8>) -> Bool
    ) -> Bool {
        let arena = self.arena
        var index = 0
        while index < fields.count {
            let field = fields[index]
            if !isLeftOut.contains(field.id) {
                guard isSendable(at: index), body(field.id, arena.bytes(field.name), arena.bytes(field.value)) else {
                    return false
                }
            }
            index += 1
        }
        return true
    }

    /// Takes a field whose bytes a codec has already put into the arena.
    package func appendStored(name: ByteRange, value: ByteRange, id: HeaderID) {
        fields.append(Field(name: name, value: value, id: id))
    }

    /// True when `value` may stand in a field: no CR, LF or NUL (RFC 9110 section 5.5).
    public static func isSafeValue(_ value: Span<UInt8>) -> Bool {
        for index in value.indices {
            switch value[index] {
            case 0x00, 0x0A, 0x0D: return false
            default: continue
            }
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
