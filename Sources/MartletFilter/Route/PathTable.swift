internal import MartletCore
internal import MartletHTTP

/// Finds routes by path: one pass over the path meets every exact path and every prefix it has, however many there are.
struct PathTable: Sendable {
    private struct Positions: Sendable {
        // Ascending, so that the first that matches is the first in configured order.
        var exact: [Int32] = []
        var prefix: [Int32] = []
        var segments: [Int32] = []
    }

    private var table: ByteTable
    private var positions: [Positions] = []
    /// Whether some prefix has this length.
    private var hasLength: [Bool] = []

    init(folds: Bool) { table = ByteTable(folds: folds) }

    var isEmpty: Bool { table.count == 0 }

    enum Kind { case exact, prefix, segments }

    mutating func insert(_ path: [UInt8], _ kind: Kind, position: Int) {
        let number = table.insert(path)
        if number == positions.count { positions.append(Positions()) }
        switch kind {
        case .exact: positions[number].exact.append(Int32(position))
        case .prefix, .segments:
            if kind == .prefix {
                positions[number].prefix.append(Int32(position))
            } else {
                positions[number].segments.append(Int32(position))
            }
            while hasLength.count <= path.count { hasLength.append(false) }
            hasLength[path.count] = true
        }
    }

    /// The smallest position below `limit` whose path matches and whose conditions hold; `limit` when there is none.
    func first(
        _ path: Span<UInt8>, below limit: Int, _ conditions: [RouteConditions?], _ request: RequestHead
    ) throws(RouteMatchFailure) -> Int {
        guard table.count > 0 else { return limit }
        var best = limit
        var hash = ByteTable.seed
        var length = 0
        while true {
            let isPrefix = length < hasLength.count && hasLength[length]
            let isWhole = length == path.count
            if isPrefix || isWhole, let number = table.find(path.extracting(0..<length), hash: hash) {
                if isPrefix {
                    best = try Self.first(positions[number].prefix, below: best, conditions, request)
                    // RFC 3986 section 3.3: a segment ends at a slash or with the path. The prefix `/` holds every segment.
                    if isWhole || path[length] == 0x2F || length == 1 {
                        best = try Self.first(positions[number].segments, below: best, conditions, request)
                    }
                }
                if isWhole { best = try Self.first(positions[number].exact, below: best, conditions, request) }
            }
            guard length < path.count else { return best }
            hash = ByteTable.step(hash, table.fold(path[length]))
            length += 1
        }
    }

    @inline(__always)
    private static func first(
        _ positions: [Int32], below limit: Int, _ conditions: [RouteConditions?], _ request: RequestHead
    ) throws(RouteMatchFailure) -> Int {
        var index = 0
        while index < positions.count {
            let position = Int(positions[index])
            if position >= limit { return limit }
            if try holds(position, conditions, request) { return position }
            index += 1
        }
        return limit
    }
}
