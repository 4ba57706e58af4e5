internal import MartletConfig
internal import Testing

/// A generator that gives the same numbers every time.
private struct Dice: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

@Suite struct FuzzTests {
    /// Pieces that mean something to YAML or to us, so that mutations get past the first line.
    private static let pieces: [[UInt8]] = [
        "\n", " ", "  ", "- ", ": ", ",", "[", "]", "{", "}", "\"", "'", "|\n", ">", "&a ", "*a", "? ", "!!str ", "#",
        "%",
        "~", "off", "0", "-1", "99999999999999999999", "1.5", "1s", "1KiB", "100%", "\t", "\r", "---\n", "...\n",
        "<<: *a",
        "\u{0}", "\u{FEFF}", "\u{2028}", "é", "router", "lua: ", "name: ", "listeners: ", "unix:/x", "[::]:0", "\\x",
    ].map { Array($0.utf8) }

    private static func mutate(_ bytes: [UInt8], _ dice: inout Dice) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...6, using: &dice) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &dice)
            switch Int.random(in: 0..<6, using: &dice) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &dice)
            case 1: bytes.remove(at: at)
            case 2: bytes.insert(contentsOf: pieces.randomElement(using: &dice) ?? [], at: at)
            case 3:
                let end = min(bytes.count, at + Int.random(in: 1...40, using: &dice))
                bytes.removeSubrange(at..<end)
            case 4:
                let end = min(bytes.count, at + Int.random(in: 1...80, using: &dice))
                bytes.insert(contentsOf: bytes[at..<end], at: Int.random(in: 0...bytes.count, using: &dice))
            default: bytes.removeSubrange(at...)
            }
        }
        return bytes
    }

    /// Whatever the bytes, there is a configuration or at least one error, every error has a place in the file, and a
    /// configuration can be printed and read again.
    @Test(arguments: 0..<8)
    func mutatedFilesAreReadOrRefused(_ seed: Int) throws {
        let valid = Array(try Documents.complete().utf8)
        var dice = Dice(state: UInt64(seed))
        for _ in 0..<150 {
            let bytes = Self.mutate(valid, &dice)
            let diagnostics = ConfigDiagnostics()
            let config = ProxyConfig.parse(bytes: bytes, file: "f", filters: knownFilters, diagnostics: diagnostics)
            #expect((config == nil) == diagnostics.hasErrors)
            let lines = bytes.count { $0 == 0x0A || $0 == 0x0D } + 1
            #expect(diagnostics.errors.allSatisfy { (1...lines + 1).contains($0.mark.line) && $0.mark.column >= 1 })
            if let config { #expect(Decoded(config.json).config?.json == config.json) }
        }
    }

    @Test func randomBytesAreRefused() {
        var dice = Dice(state: 1)
        for length in 0..<300 {
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &dice) }
            let diagnostics = ConfigDiagnostics()
            #expect(ProxyConfig.parse(bytes: bytes, file: "f", filters: [], diagnostics: diagnostics) == nil)
            #expect(diagnostics.hasErrors)
        }
    }

    @Test func randomPiecesAreRefused() {
        var dice = Dice(state: 2)
        for length in 0..<300 {
            let bytes = (0..<length).flatMap { _ in Self.pieces.randomElement(using: &dice) ?? [] }
            let diagnostics = ConfigDiagnostics()
            #expect(ProxyConfig.parse(bytes: bytes, file: "f", filters: [], diagnostics: diagnostics) == nil)
            #expect(diagnostics.hasErrors)
        }
    }
}
