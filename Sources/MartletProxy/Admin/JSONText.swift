internal import MartletCore

/// The few JSON texts of the admin API, written in order.
enum JSONText {
    static func string(_ text: String) -> String {
        var line = LineBuffer()
        line.append(0x22)
        line.append(json: text.utf8Span.span)
        line.append(0x22)
        return String(decoding: line.bytes, as: UTF8.self)
    }

    static func object(_ fields: [(String, String)]) -> String {
        "{" + fields.map { "\(string($0.0)):\($0.1)" }.joined(separator: ",") + "}"
    }

    static func array(_ items: [String]) -> String { "[" + items.joined(separator: ",") + "]" }
}
