internal import CMartletModule
internal import MartletConfig
internal import MartletCore

/// A section of the configuration as the border has it: nodes in one array, their texts in another.
struct LentSection {
    private struct Node {
        let kind: Int
        let children: Int
        let mark: ConfigMark
        let keyMark: ConfigMark
        let key: Range<Int>
        let text: Range<Int>
    }

    private var nodes: [Node] = []
    private var bytes: [UInt8] = []
    private let file: Range<Int>

    init(_ root: ConfigNode) {
        bytes = Array(root.mark.file.utf8)
        file = 0..<bytes.count
        add(root, key: nil)
    }

    private mutating func add(_ node: ConfigNode, key: ConfigNode.Entry?) {
        var text = ""
        let (kind, children): (Int, Int) =
            switch node.content {
            case .null: (MARTLET_NODE_NULL, 0)
            case .scalar(let content, let plain):
                {
                    text = content
                    return (plain ? MARTLET_NODE_PLAIN : MARTLET_NODE_QUOTED, 0)
                }()
            case .list(let items): (MARTLET_NODE_LIST, items.count)
            case .mapping(let entries): (MARTLET_NODE_MAPPING, entries.count)
            }
        nodes.append(
            Node(
                kind: kind, children: children, mark: node.mark, keyMark: key?.keyMark ?? node.mark,
                key: store(key?.key ?? ""), text: store(text)))
        for item in node.items ?? [] { add(item, key: nil) }
        for entry in node.entries ?? [] { add(entry.value, key: entry) }
    }

    private mutating func store(_ text: String) -> Range<Int> {
        let start = bytes.count
        bytes += text.utf8
        return start..<bytes.count
    }

    func lend<Result>(_ body: (UnsafePointer<martlet_borrowed_section>) -> Result) -> Result {
        unsafe bytes.withUnsafeBufferPointer { bytes in
            func lent(_ range: Range<Int>) -> martlet_borrowed_bytes {
                unsafe martlet_borrowed_bytes(lending: bytes.span.extracting(range))
            }
            let nodes = unsafe nodes.map { node in
                unsafe martlet_borrowed_node(
                    kind: UInt32(node.kind), children: UInt32(clamping: node.children),
                    line: UInt32(clamping: node.mark.line), column: UInt32(clamping: node.mark.column),
                    key_line: UInt32(clamping: node.keyMark.line), key_column: UInt32(clamping: node.keyMark.column),
                    key: lent(node.key), text: lent(node.text))
            }
            return unsafe nodes.withUnsafeBufferPointer { nodes in
                // The root is always there.
                guard let first = nodes.baseAddress else { preconditionFailure("a section without a node") }
                var section = unsafe martlet_borrowed_section(nodes: first, count: nodes.count, file: lent(file))
                return unsafe body(&section)
            }
        }
    }
}
