import Testing

/// A script that tries to get out of its budget.
struct Escape: Sendable, CustomTestStringConvertible {
    let name: String
    /// What may end it, any of them: `.script` is an ordinary error, `.none` an end that did no harm.
    let ends: [EscapeVM.Class]
    /// Defines `on_request`. What it keeps in upvalues does not grow from run to run.
    let source: String

    var testDescription: String { name }

    init(_ name: String, _ ends: EscapeVM.Class..., source: String) {
        self.name = name
        self.ends = ends
        self.source = source
    }

    static let all = memory + calls + tables + text + loading + nesting
}
