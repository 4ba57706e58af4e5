public import MartletCore

/// The typed readings. Each comes as `default:` (absent and wrong give the default), as optional (nil), and as
/// `required:` (absent is reported; the value returned then is a placeholder nobody will run).
extension ConfigSection {
    // MARK: Text

    public func string(_ key: String) -> String? { value(key, .string) }
    public func string(_ key: String, default standard: String) -> String { value(key, .string) ?? standard }
    public func string(required key: String) -> String { value(required: key, .name) ?? "" }

    // MARK: Truth and numbers

    public func bool(_ key: String, default standard: Bool) -> Bool { value(key, .bool) ?? standard }
    public func bool(_ key: String) -> Bool? { value(key, .bool) }

    public func int(_ key: String, in bounds: ClosedRange<Int>) -> Int? { value(key, .int(in: bounds)) }
    public func int(_ key: String, default standard: Int, in bounds: ClosedRange<Int>) -> Int {
        value(key, .int(in: bounds)) ?? standard
    }
    public func int(required key: String, in bounds: ClosedRange<Int>) -> Int {
        value(required: key, .int(in: bounds)) ?? bounds.lowerBound
    }

    public func double(_ key: String, in bounds: ClosedRange<Double>) -> Double? { value(key, .double(in: bounds)) }
    public func double(_ key: String, default standard: Double, in bounds: ClosedRange<Double>) -> Double {
        value(key, .double(in: bounds)) ?? standard
    }

    /// `20%` reads as 0.2. Bounds are fractions too.
    public func percent(_ key: String, in bounds: ClosedRange<Double> = 0...1) -> Double? {
        value(key, .percent(in: bounds))
    }
    public func percent(_ key: String, default standard: Double, in bounds: ClosedRange<Double> = 0...1) -> Double {
        value(key, .percent(in: bounds)) ?? standard
    }

    // MARK: Time and size

    /// The longest duration that may be written where nothing shorter is asked for.
    public static let longestDuration = Duration.seconds(365 * 86_400)

    public func duration(
        _ key: String, in bounds: ClosedRange<Duration> = .zero...ConfigSection.longestDuration
    ) -> Duration? {
        value(key, .duration(in: bounds))
    }
    public func duration(
        _ key: String, default standard: Duration,
        in bounds: ClosedRange<Duration> = .zero...ConfigSection.longestDuration
    ) -> Duration {
        value(key, .duration(in: bounds)) ?? standard
    }
    public func duration(
        required key: String, in bounds: ClosedRange<Duration> = .zero...ConfigSection.longestDuration
    ) -> Duration {
        value(required: key, .duration(in: bounds)) ?? bounds.lowerBound
    }

    public func size(_ key: String, in bounds: ClosedRange<ByteCount>) -> ByteCount? {
        value(key, .size(in: bounds))
    }
    public func size(_ key: String, default standard: ByteCount, in bounds: ClosedRange<ByteCount>) -> ByteCount {
        value(key, .size(in: bounds)) ?? standard
    }

    // MARK: Choices

    public func choice<Choice: RawRepresentable & CaseIterable>(_ key: String) -> Choice?
    where Choice.RawValue == String {
        value(key, .choice)
    }
    public func choice<Choice: RawRepresentable & CaseIterable>(_ key: String, default standard: Choice) -> Choice
    where Choice.RawValue == String {
        value(key, .choice) ?? standard
    }

    // MARK: HTTP

    public func headerName(_ key: String) -> HeaderName? { value(key, .headerName) }
    public func headerName(required key: String) -> HeaderName? { value(required: key, .headerName) }
    public func headerValue(_ key: String) -> String? { value(key, .headerValue) }

    /// A regular expression's text with its place: whoever compiles it can say where it is wrong.
    public func regex(_ key: String) -> RegexSource? {
        guard let node = raw(key), let text = read(node, .name) else { return nil }
        return RegexSource(pattern: text, place: node.place)
    }

    // MARK: Lists and maps

    /// A list in which every item is a `kind`; items that are wrong are reported and left out.
    public func values<Value>(_ key: String, _ kind: ConfigScalar<Value>) -> [Value] {
        list(key).compactMap { read($0, kind) }
    }

    public func strings(_ key: String) -> [String] { values(key, .name) }

    /// A list, or one scalar that stands for a list of one.
    public func oneOrMore<Value>(_ key: String, _ kind: ConfigScalar<Value>) -> [Value] {
        guard let node = raw(key) else { return [] }
        if case .scalar = node.content { return read(node, kind).map { [$0] } ?? [] }
        return values(key, kind)
    }

    /// A mapping whose keys are the operator's own and whose values are all `kind`, in file order.
    public func map<Value>(_ key: String, _ kind: ConfigScalar<Value>) -> [(key: String, value: Value)] {
        guard let section = section(key) else { return [] }
        return section.allEntries().compactMap { entry in
            read(entry.value, kind).map { (entry.key, $0) }
        }
    }

    public func stringMap(_ key: String) -> [(key: String, value: String)] { map(key, .string) }

    /// Headers with their values, in file order: `name: value`, or `name: [value, value]` for several fields.
    public func headers(_ key: String) -> [(name: HeaderName, value: String)] {
        guard let section = section(key) else { return [] }
        var headers: [(name: HeaderName, value: String)] = []
        var names: Set<HeaderName> = []
        for entry in section.allEntries() {
            let place = ConfigPlace(mark: entry.keyMark, path: entry.value.path)
            guard let name = HeaderName(entry.key) else {
                diagnostics.error(at: place, "\"\(entry.key.prefix(60))\" is not a header's name")
                continue
            }
            if !names.insert(name).inserted {
                diagnostics.error(
                    at: place, "header \"\(name)\" twice", hint: "write \(name): [first, second] for two fields")
            }
            for value in entry.value.items ?? [entry.value] {
                if let text = read(value, .headerValue) { headers.append((name, text)) }
            }
        }
        return headers
    }
}

/// A regular expression as written, not yet compiled.
public struct RegexSource: Sendable, Hashable {
    public var pattern: String
    public var place: ConfigPlace

    public init(pattern: String, place: ConfigPlace) {
        self.pattern = pattern
        self.place = place
    }

    public static func == (left: RegexSource, right: RegexSource) -> Bool { left.pattern == right.pattern }
    public func hash(into hasher: inout Hasher) { hasher.combine(pattern) }
}
