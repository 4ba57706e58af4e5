internal import MartletCore

extension AccessLogConfig {
    static func json(_ logs: [AccessLogConfig]) -> ConfigJSON {
        switch logs.count {
        case 0: .string("off")
        case 1: logs[0].json
        default: .list(logs, \.json)
        }
    }

    /// A text without operators has to say that it is one.
    private static func json(text: String) -> ConfigJSON {
        text.contains("%") ? .string(text) : .object([("text", .string(text))])
    }

    private var json: ConfigJSON {
        let format: ConfigJSON =
            switch format {
            case .json: .string("json")
            case .text(let parts): Self.json(text: parts.map(\.text).joined())
            case .fields(let template): .object([("json", template.json)])
            }
        return .object([("path", .string(path)), ("format", format), ("filter", filter?.json)])
    }
}

extension LogCondition {
    fileprivate var json: ConfigJSON {
        switch self {
        case .all(let conditions): .object([("all", .list(conditions, \.json))])
        case .any(let conditions): .object([("any", .list(conditions, \.json))])
        case .not(let condition): .object([("not", condition.json)])
        case .status(let range):
            .object([("status", .object([("min", .number(range.lowerBound)), ("max", .number(range.upperBound))]))])
        case .duration(let range):
            .object([
                (
                    "duration",
                    .object([
                        ("min", .string(ConfigText.duration(range.lowerBound))),
                        ("max", .string(ConfigText.duration(range.upperBound))),
                    ])
                )
            ])
        case .flags(let letters): .object([("flags", letters.isEmpty ? .string("any") : .strings(letters))])
        case .request(let match): match.json
        case .share(let share): .object([("percent", .string(ConfigText.percent(share)))])
        case .traced(let isTraced): .object([("traced", .bool(isTraced))])
        }
    }
}

extension LocalReplyConfig {
    var json: ConfigJSON {
        var match: [(String, ConfigJSON?)] = []
        if !statuses.isEmpty {
            match.append(
                ("status", .list(statuses) { .string($0.count > 1 ? "\($0.lowerBound / 100)xx" : "\($0.lowerBound)") }))
        }
        if !flags.isEmpty { match.append(("flags", .strings(flags))) }
        if !reasons.isEmpty { match.append(("reasons", .strings(reasons))) }
        if case .object(let members) = request?.json { match += members }
        return .object([
            ("match", .object(match)), ("status", status.map { .number($0) }),
            (
                "headers",
                headers.isEmpty
                    ? nil
                    : .object(
                        headers.map { field in
                            let isSecret = ConfigJSON.isSecret(field.name.description)
                            let text = field.value.map(\.text).joined()
                            return (field.name.description, isSecret ? .redacted : .string(text))
                        })
            ),
            ("text", textBody.map { .string($0.map(\.text).joined()) }), ("json", jsonBody?.json),
            ("content_type", contentType.map { .string($0) }),
        ])
    }
}
