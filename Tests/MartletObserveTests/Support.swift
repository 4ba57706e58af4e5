import MartletConfig
import MartletCore
import MartletFilter
import MartletHTTP

/// A section read from YAML, and what decoding it reports.
struct Written {
    let section: ConfigSection
    let diagnostics = ConfigDiagnostics()

    init(_ text: String) {
        let root = YAMLDocument.read(Array(text.utf8), file: "t.yaml", diagnostics: diagnostics)
        section = ConfigSection(
            root ?? ConfigNode(.null, mark: ConfigMark(file: "t.yaml", line: 1, column: 1), path: .root),
            diagnostics: diagnostics)
    }

    var errors: [String] { diagnostics.errors.map(\.description) }
}

/// Any bytes, the same for the same seed.
struct Bytes {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func array(upTo count: Int) -> [UInt8] {
        (0..<Int(next() % UInt64(count + 1))).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}

extension HeaderTable {
    func set(_ name: String, _ value: [UInt8]) {
        let name = Array(name.utf8)
        set(named: name.span, value.span)
    }

    func text(_ name: String) -> [String] {
        let name = Array(name.utf8)
        var found: [String] = []
        var index = firstIndex(named: name.span)
        while let place = index {
            found.append(value(at: place).string())
            index = firstIndex(named: name.span, from: place + 1)
        }
        return found
    }
}
