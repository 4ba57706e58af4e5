internal import Foundation
internal import MartletConfig

#if canImport(Glibc)
internal import Glibc
#endif

/// What a command prints. Texts come from others: a terminal is shown none of what it would obey.
enum Printout {
    /// Columns as wide as what is in them.
    static func table(_ titles: [String], _ rows: [[String]]) {
        let rows = ([titles] + rows).map { $0.map { $0.isEmpty ? "-" : ConfigError.printable($0) } }
        let widths = titles.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row, widths).map { cell, width in
                cell + String(repeating: " ", count: max(0, width - cell.count))
            }
            print(String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed()))
        }
    }

    /// Line by line.
    static func text(_ text: String) {
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            print(ConfigError.printable(String(line)))
        }
    }

    /// As it came, unless it goes to a terminal.
    static func document(_ text: String) {
        let text = text.hasSuffix("\n") ? String(text.dropLast()) : text
        isatty(STDOUT_FILENO) == 1 ? Self.text(text) : print(text)
    }

    /// A JSON answer, laid out.
    static func json(_ data: Data) {
        guard let value = try? JSONSerialization.jsonObject(with: data),
            let laidOut = try? JSONSerialization.data(
                withJSONObject: value, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        else { return }
        document(String(decoding: laidOut, as: UTF8.self))
    }

    /// A JSON answer as YAML, of which JSON is part.
    static func answer(_ data: Data, _ format: OutputFormat) {
        guard format == .yaml else { return json(data) }
        let diagnostics = ConfigDiagnostics()
        guard let node = YAMLDocument.read(Array(data), file: "answer", diagnostics: diagnostics) else {
            return json(data)
        }
        document(YAMLWriter.text(node))
    }

    static func lag(_ milliseconds: Int64?) -> String {
        guard let milliseconds else { return "" }
        return milliseconds < 10_000 ? "\(milliseconds)ms" : "\(milliseconds / 1000)s"
    }

    /// To one place; nothing when it is not known.
    static func rate(_ number: Double?) -> String {
        guard let number, number.isFinite else { return "" }
        return "\((number * 10).rounded() / 10)"
    }

    static func percent(_ share: Double?) -> String { share.map { rate($0 * 100) + "%" } ?? "" }
}
