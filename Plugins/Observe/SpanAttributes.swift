internal import MartletCore

/// Writes attributes as OTLP's JSON has them (opentelemetry-proto, common/v1): a list of key and typed value.
struct SpanAttributes {
    private var isFirst = true

    /// For what comes behind attributes that are there already.
    static var further: SpanAttributes {
        var list = SpanAttributes()
        list.isFirst = false
        return list
    }

    /// Longer texts are cut: a span is no place for a body.
    static let maxText = 1024

    mutating func add(_ key: StaticString, _ value: Span<UInt8>, to out: inout LineBuffer) {
        begin(to: &out)
        out.append(key)
        text(value, &out)
    }

    mutating func add(_ key: Span<UInt8>, _ value: Span<UInt8>, to out: inout LineBuffer) {
        begin(to: &out)
        out.append(json: key)
        text(value, &out)
    }

    /// As JSON's mapping of protobuf has it, 64 bits are a string.
    mutating func add(_ key: StaticString, _ value: UInt64, to out: inout LineBuffer) {
        begin(to: &out)
        out.append(key)
        out.append("\",\"value\":{\"intValue\":\"")
        out.append(number: value)
        out.append("\"}}")
    }

    private mutating func begin(to out: inout LineBuffer) {
        out.append(isFirst ? "{\"key\":\"" : ",{\"key\":\"")
        isFirst = false
    }

    private func text(_ value: Span<UInt8>, _ out: inout LineBuffer) {
        out.append("\",\"value\":{\"stringValue\":\"")
        out.append(json: Self.cut(value))
        out.append("\"}}")
    }

    /// At a character's beginning.
    @_lifetime(copy value)
    static func cut(_ value: Span<UInt8>, to limit: Int = maxText) -> Span<UInt8> {
        guard value.count > limit else { return value }
        var end = limit
        while end > 0 && end > limit - 4 && value[end] & 0xC0 == 0x80 { end -= 1 }
        return value.extracting(0..<end)
    }
}
