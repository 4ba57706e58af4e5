internal import CMartletModule
internal import MartletConfig
internal import MartletCore

extension ConfigNode {
    /// A copy of what the host lends. Its path begins at the section.
    init(lent section: martlet_borrowed_section) {
        var next = 0
        self = unsafe Self.node(section, &next, .root, file: section.file.text)
    }

    private static func node(
        _ section: martlet_borrowed_section, _ next: inout Int, _ path: ConfigPath, file: String
    ) -> ConfigNode {
        let node = unsafe section.nodes[next]
        next += 1
        let content: Content
        switch Int(unsafe node.kind) {
        case MARTLET_NODE_PLAIN: content = .scalar(unsafe node.text.text, plain: true)
        case MARTLET_NODE_QUOTED: content = .scalar(unsafe node.text.text, plain: false)
        case MARTLET_NODE_LIST:
            content = .list(
                (0..<Int(unsafe node.children)).map { unsafe Self.node(section, &next, path.index($0), file: file) })
        case MARTLET_NODE_MAPPING:
            content = .mapping(
                (0..<Int(unsafe node.children)).map { _ in
                    let (key, line, column) = unsafe (
                        section.nodes[next].key.text, section.nodes[next].key_line, section.nodes[next].key_column
                    )
                    return Entry(
                        key: key, keyMark: ConfigMark(file: file, line: Int(line), column: Int(column)),
                        value: unsafe Self.node(section, &next, path.key(key), file: file))
                })
        default: content = .null
        }
        let mark = unsafe ConfigMark(file: file, line: Int(node.line), column: Int(node.column))
        return ConfigNode(content, mark: mark, path: path)
    }
}

extension ConfigError {
    func report(to load: OpaquePointer) {
        Border.lend(path) { path in
            Border.lend(message) { message in
                Border.lend(hint) { hint in
                    var report = unsafe martlet_borrowed_report(
                        severity: UInt32(severity == .error ? MARTLET_ERROR : MARTLET_WARNING),
                        line: UInt32(clamping: mark.line), column: UInt32(clamping: mark.column), path: path,
                        message: message, hint: hint)
                    unsafe martlet_of_host().pointee.load_report(load, &report)
                }
            }
        }
    }
}
