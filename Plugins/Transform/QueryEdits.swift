internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Edits of the parameters in a request's query: removed first, then set, then added. Names and values are written here as
/// they are meant; on the way out all but letters, digits and `-._~` is percent-encoded.
struct QueryEdits: Sendable {
    private typealias Parameter = (name: [UInt8], encoded: [UInt8], value: EditValue)
    private let remove: [[UInt8]]
    private let parameters: [Parameter]

    /// An edit may not make a target longer than this.
    static let maxTarget = 65_536

    init() { (remove, parameters) = ([], []) }

    var isEmpty: Bool { remove.isEmpty && parameters.isEmpty }

    init(_ section: ConfigSection) {
        func read(_ key: String) -> [Parameter] {
            section.formats(key, .name).map { parameter in
                var encoded: [UInt8] = []
                for byte in parameter.name.utf8 { encoded.append(queryByte: byte) }
                return (Array(parameter.name.utf8), encoded, EditValue(parameter.value))
            }
        }
        let set = read("set")
        parameters = set + read("add")
        remove = section.values("remove", .name).map { Array($0.utf8) } + set.map(\.name)
        if parameters.isEmpty && remove.isEmpty && !section.isMalformed {
            section.error("edits nothing", hint: "write set, add or remove")
        }
    }

    /// False when the target would become too long.
    func apply(to request: RequestHead, _ run: inout EditRun, _ writer: inout FormatWriter) -> Bool {
        let old = request.target()
        // The target of CONNECT and of `OPTIONS *` is no path.
        guard old.count > 0, old[0] == 0x2F else { return true }
        guard !parameters.isEmpty || hasRemoved(request.query()) else { return true }
        var target = request.path().array()
        var separator: UInt8 = 0x3F
        if let query = request.query() {
            var pairs = NamedPairs(.query)
            while let pair = pairs.next(in: query) {
                if pair.whole.isEmpty || isRemoved(query.extracting(pair.name)) { continue }
                target.append(separator)
                target.append(contentsOf: query.extracting(pair.whole).array())
                separator = 0x26
            }
        }
        for parameter in parameters {
            let value = run.bytes(of: parameter.value, &writer, as: .raw)
            if value.isEmpty && parameter.value.isFormat { continue }
            target.append(separator)
            target += parameter.encoded
            target.append(0x3D)
            for byte in value { target.append(queryByte: byte) }
            separator = 0x26
        }
        guard target.count <= Self.maxTarget, RequestHead.isSafeTarget(target.span) else { return false }
        request.setTarget(target.span)
        return true
    }

    private func hasRemoved(_ query: Span<UInt8>?) -> Bool {
        guard let query, !remove.isEmpty else { return false }
        var pairs = NamedPairs(.query)
        while let pair = pairs.next(in: query) {
            if isRemoved(query.extracting(pair.name)) { return true }
        }
        return false
    }

    /// Compared as whoever reads the query will: `%64ebug` is `debug`.
    private func isRemoved(_ name: Span<UInt8>) -> Bool { remove.contains { name.isFormOf($0.span) } }
}

extension [UInt8] {
    mutating func append(queryByte byte: UInt8) { if byte.isUnreserved { append(byte) } else { append(encoded: byte) } }
}
