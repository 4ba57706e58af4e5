internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// What an edit writes: bytes known at load, or a format that each exchange fills in.
enum EditValue: Sendable {
    case plain([UInt8])
    case format(Format)

    init(_ parts: [FormatPart]) {
        let format = Format(parts)
        self = format.constant.map { .plain($0) } ?? .format(format)
    }

    var isFormat: Bool {
        if case .format = self { return true }
        return false
    }
}

/// One run of a filter's edits over one exchange: what formats need, made when the first asks for it.
struct EditRun: ~Copyable {
    let exchange: Exchange
    private var scene: FormatWriter.Scene?

    init(_ exchange: Exchange) { self.exchange = exchange }

    /// Plain bytes as they are; a format's text fit for a field, or as it is for whoever encodes it further. Hold it no
    /// longer than the edit takes: the writer then uses the memory again.
    mutating func bytes(
        of value: EditValue, _ writer: inout FormatWriter, as style: FormatWriter.Style = .field
    ) -> [UInt8] {
        switch value {
        case .plain(let bytes): return bytes
        case .format(let format):
            let scene =
                self.scene ?? FormatWriter.Scene(duration: exchange.now - exchange.started, isOver: false)
            self.scene = scene
            return writer.render(format, of: exchange, scene, as: style)
        }
    }
}
