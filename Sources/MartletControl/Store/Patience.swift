/// It took too long.
struct OutOfPatience: Error, CustomStringConvertible {
    let patience: Duration

    var description: String { "no answer within \(patience)" }
}

/// What a body returns, or `OutOfPatience`; the body is cancelled then, and must heed that.
func within<Value: Sendable>(
    _ patience: Duration, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: patience)
            return nil
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() ?? nil else { throw OutOfPatience(patience: patience) }
        return value
    }
}
