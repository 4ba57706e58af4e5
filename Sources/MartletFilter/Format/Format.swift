package import MartletConfig
internal import MartletCore

/// A format of the configuration, compiled: what an exchange says, rendered with nothing looked up by name.
/// Shared by all workers; each renders with its own `FormatWriter`.
package struct Format: Sendable {
    enum Step: Sendable {
        case literal([UInt8])
        case value(FormatValue, limit: Int?)
        /// A JSON value: a number, a string in quotes, or null.
        case json(FormatValue, isNumber: Bool, limit: Int?)
    }

    let steps: [Step]
    /// Inside a JSON text: what is written is escaped as one.
    let isJSON: Bool

    /// A line, a header's value, a text.
    package init(_ parts: [FormatPart]) {
        isJSON = false
        steps = parts.map { part in
            switch part {
            case .literal(let text): .literal(Array(text.utf8))
            case .value(let operation, let argument, let alternative, let limit):
                .value(FormatValue(operation, argument, alternative), limit: limit)
            }
        }
    }

    package init(_ template: JSONTemplate) {
        isJSON = true
        var builder = Builder()
        builder.add(template)
        builder.flush()
        steps = builder.steps
    }

    /// Nothing of it depends on the exchange.
    package var constant: [UInt8]? {
        var bytes: [UInt8] = []
        for step in steps {
            guard case .literal(let text) = step else { return nil }
            bytes += text
        }
        return bytes
    }

    /// Puts what stands between two values into one literal.
    private struct Builder {
        var steps: [Step] = []
        private var text = LineBuffer()

        mutating func flush() {
            if !text.isEmpty { steps.append(.literal(text.bytes)) }
            text.removeAll()
        }

        mutating func add(_ template: JSONTemplate) {
            switch template {
            case .constant(let constant): text.append(constant)
            case .list(let items):
                text.append("[")
                for (index, item) in items.enumerated() {
                    if index > 0 { text.append(",") }
                    add(item)
                }
                text.append("]")
            case .object(let members):
                text.append("{")
                for (index, member) in members.enumerated() {
                    text.append(index > 0 ? ",\"" : "\"")
                    text.append(json: member.name.utf8Span.span)
                    text.append("\":")
                    add(member.value)
                }
                text.append("}")
            case .text(let parts): add(parts)
            }
        }

        private mutating func add(_ parts: [FormatPart]) {
            if parts.count == 1, case .value(let operation, let argument, let alternative, let limit) = parts[0] {
                flush()
                let value = FormatValue(operation, argument, alternative)
                return steps.append(.json(value, isNumber: operation.isNumber, limit: limit))
            }
            text.append("\"")
            for part in parts {
                switch part {
                case .literal(let literal): text.append(json: literal.utf8Span.span)
                case .value(let operation, let argument, let alternative, let limit):
                    flush()
                    steps.append(.value(FormatValue(operation, argument, alternative), limit: limit))
                }
            }
            text.append("\"")
        }
    }
}
