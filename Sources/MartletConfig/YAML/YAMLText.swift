/// A file's text, known to be safe for the YAML library.
///
/// The library recurses over what aliases make of a document, when it compares keys and when it frees nodes, so a small
/// file could cost it exponential time or the stack. Files without anchors cannot; files with anchors must stay within
/// limits that are checked here, on the text, before the library sees it. The checks take quotes and comments for
/// text like any other: at worst they refuse a file with anchors and very odd strings.
struct YAMLText {
    struct Position: Hashable {
        var line: Int
        var column: Int
    }

    private static let maxAnchors = 64
    private static let maxAliases = 4096
    private static let maxDepthWithAnchors = 100

    private(set) var string: String
    var count: Int { string.utf8.count }

    /// Nil after reporting what is wrong with it.
    init?(_ bytes: [UInt8], file: String, diagnostics: ConfigDiagnostics) {
        let body = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
        let report = { (position: Position, message: String, hint: String?) in
            let mark = ConfigMark(file: file, line: position.line, column: position.column)
            diagnostics.add(ConfigError(mark: mark, path: "", message: message, hint: hint))
        }
        guard body.count <= ConfigFile.maxConfiguration else {
            report(Position(line: 1, column: 1), "larger than \(ConfigFile.maxConfiguration >> 20) MiB", nil)
            return nil
        }
        guard let string = String(validating: body, as: UTF8.self) else {
            let position = Self.positionOfFault(in: body)
            report(position, "not UTF-8", "save the file as UTF-8")
            return nil
        }
        self.string = string
        if let (position, letter) = forbiddenLetter() {
            let code = String(letter.value, radix: 16, uppercase: true)
            report(
                position, "the character U+\(code) cannot stand in YAML", "in a double-quoted string write an escape")
            return nil
        }
        if let (line, message, hint) = Self.aliasFault(in: body) {
            report(Position(line: line, column: 1), message, hint)
            return nil
        }
    }

    // MARK: Letters

    /// Where the first byte is that is not UTF-8.
    private static func positionOfFault(in bytes: ArraySlice<UInt8>) -> Position {
        var position = Position(line: 1, column: 1)
        var iterator = bytes.makeIterator()
        var decoder = UTF8()
        while case .scalarValue(let letter) = decoder.decode(&iterator) { advance(&position, over: letter, next: nil) }
        return position
    }

    /// YAML 1.2 section 5.1: the library's reader refuses these without saying where.
    private func forbiddenLetter() -> (Position, Unicode.Scalar)? {
        // Most files are clean ASCII, and this test is far cheaper than decoding.
        guard string.utf8.contains(where: { ($0 < 0x20 && $0 != 0x0A) || $0 >= 0x7F }) else { return nil }
        var position = Position(line: 1, column: 1)
        var letters = string.unicodeScalars.makeIterator()
        var next = letters.next()
        while let letter = next {
            next = letters.next()
            switch letter.value {
            // The library takes U+0085, U+2028 and U+2029 for line breaks, editors do not: refused.
            case 0x09, 0x0A, 0x0D, 0x20...0x7E, 0xA0...0x2027, 0x202A...0xD7FF, 0xE000...0xFEFE, 0xFF00...0xFFFD,
                0x10000...0x10FFFF:
                Self.advance(&position, over: letter, next: next)
            default: return (position, letter)
            }
        }
        return nil
    }

    /// Counts as the library does.
    private static func advance(_ position: inout Position, over letter: Unicode.Scalar, next: Unicode.Scalar?) {
        switch letter.value {
        case 0x0A:
            position = Position(line: position.line + 1, column: 1)
        case 0x0D where next?.value != 0x0A:
            position = Position(line: position.line + 1, column: 1)
        default: position.column += 1
        }
    }

    private func index(of wanted: Position) -> String.UnicodeScalarView.Index? {
        var position = Position(line: 1, column: 1)
        let letters = string.unicodeScalars
        var index = letters.startIndex
        while index != letters.endIndex {
            if position == wanted { return index }
            let letter = letters[index]
            index = letters.index(after: index)
            Self.advance(&position, over: letter, next: index == letters.endIndex ? nil : letters[index])
        }
        return nil
    }

    func letter(at position: Position) -> Unicode.Scalar? { index(of: position).map { string.unicodeScalars[$0] } }

    /// A letter of the private use area: as long as any other for the library's columns, and special nowhere.
    static func placeholder(_ number: Int) -> Unicode.Scalar {
        Unicode.Scalar(UInt32(0xE000 + number % 0x1000)) ?? "_"
    }

    /// Puts another first letter to the key at `position`, past its quote. Returns the one that stood there; nil when the
    /// key is nothing to be renamed so simply.
    mutating func rename(at position: Position, to letter: Unicode.Scalar) -> Unicode.Scalar? {
        guard var index = index(of: position) else { return nil }
        var letters = string.unicodeScalars
        if letters[index] == "\"" || letters[index] == "'" {
            index = letters.index(after: index)
            guard index != letters.endIndex else { return nil }
        }
        let old = letters[index]
        guard !["\\", "\"", "'", "&", "!", "*", "?", "|", ">", "[", "{"].contains(old), !old.properties.isWhitespace
        else { return nil }
        letters.replaceSubrange(index...index, with: CollectionOfOne(letter))
        string = String(letters)
        return old
    }

    // MARK: Aliases

    /// What would let anchors and aliases cost more than the file is long: line, message, hint.
    private static func aliasFault(in bytes: ArraySlice<UInt8>) -> (Int, String, String?)? {
        guard bytes.contains(0x26) else { return nil }
        let survey = AliasSurvey(bytes)
        guard survey.anchors > 0 else { return nil }
        if survey.anchors > maxAnchors { return (1, "more than \(maxAnchors) anchors", nil) }
        if survey.aliases > maxAliases { return (1, "more than \(maxAliases) aliases", nil) }
        if survey.depth > maxDepthWithAnchors {
            return (survey.deepestLine, "nested more than \(YAMLDocument.maxDepth) deep", nil)
        }
        if let line = survey.compoundKeyLine {
            return (
                line, "a key must be a word", "in a file with anchors quote strings that hold \"?\", \"]:\" or \"}:\""
            )
        }
        return nil
    }
}

/// Counts what looks like anchors and aliases, and bounds how deep values are nested.
private struct AliasSurvey {
    var anchors = 0
    var aliases = 0
    /// Never less than the true depth: columns of indentation plus open brackets.
    var depth = 0
    var deepestLine = 1
    /// Where a mapping's key may be an alias or a collection.
    var compoundKeyLine: Int?

    init(_ bytes: ArraySlice<UInt8>) {
        var line = 1
        var indentation = 0
        var isIndenting = true
        var open = 0
        var previous: UInt8 = 0x0A
        var isInAlias = false
        var isAfterClosing = false
        for byte in bytes {
            // A dash opens something only when a blank follows it.
            let startsToken = " \t\n\r[]{},:?".utf8.contains(previous)
            if byte == 0x3F && startsToken { compoundKeyLine = compoundKeyLine ?? line }
            switch byte {
            case 0x0A, 0x0D:
                if byte == 0x0A { line += 1 }
                indentation = 0
                isIndenting = true
            case _ where isIndenting && Self.indents(byte): indentation += 1
            case 0x5B, 0x7B: open += 1
            case 0x5D, 0x7D: open = max(0, open - 1)
            case 0x26 where startsToken: anchors += 1
            case 0x2A where startsToken: aliases += 1
            case 0x3A where isInAlias || isAfterClosing: compoundKeyLine = compoundKeyLine ?? line
            default: break
            }
            if !Self.indents(byte) && byte != 0x0A && byte != 0x0D { isIndenting = false }
            if byte == 0x2A && startsToken { isInAlias = true }
            if isInAlias && (byte == 0x0A || byte == 0x2C) { isInAlias = false }
            if byte == 0x5D || byte == 0x7D {
                isAfterClosing = true
            } else if byte != 0x20 && byte != 0x09 {
                isAfterClosing = false
            }
            if indentation + open > depth {
                depth = indentation + open
                deepestLine = line
            }
            previous = byte
        }
    }

    /// Spaces, tabs, and the indicators that can open several levels on one line: `- ? :`.
    private static func indents(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x2D || byte == 0x3F || byte == 0x3A
    }
}
