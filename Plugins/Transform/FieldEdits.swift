internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Edits of the fields of a head: removed first, then set, then added.
struct FieldEdits: Sendable {
    private typealias Field = (name: HeaderName, value: EditValue)
    private let remove: [HeaderName]
    private let set: [Field]
    private let add: [Field]
    private let addIfAbsent: [Field]

    var isEmpty: Bool { remove.isEmpty && set.isEmpty && add.isEmpty && addIfAbsent.isEmpty }

    init() { (remove, set, add, addIfAbsent) = ([], [], [], []) }

    init(_ section: ConfigSection) {
        func fields(_ key: String) -> [Field] {
            section.formats(key, .headerName).map { ($0.name, EditValue($0.value)) }
        }
        set = fields("set")
        add = fields("add")
        addIfAbsent = fields("add_if_absent")
        remove = section.values("remove", .headerName)
        let named = [
            "set": set.map(\.name), "add": add.map(\.name), "add_if_absent": addIfAbsent.map(\.name),
            "remove": remove,
        ]
        for key in ["set", "add", "add_if_absent", "remove"] {
            for name in named[key] ?? [] { Self.check(name, key, section) }
        }
        checkHosts(section)
    }

    /// Framing belongs to the proxy: edited by hand it would cut messages at the wrong place.
    private static func check(_ name: HeaderName, _ key: String, _ section: ConfigSection) {
        switch name {
        case .contentLength, .transferEncoding, .connection, .upgrade, .te, .trailer:
            section.error(at: key, "\(name) cannot be edited", hint: "the proxy frames messages itself")
        case .host where key != "set":
            section.error(at: key, "host can only be set", hint: "every request has exactly one")
        default: break
        }
    }

    /// What goes on as Host must be one, as it must when it comes in.
    private func checkHosts(_ section: ConfigSection) {
        for field in set where field.name == .host {
            guard case .plain(let value) = field.value, !Authority.isValid(value.span) else { continue }
            section.error(
                at: "set", "\"\(String(decoding: value.prefix(60), as: UTF8.self))\" is no host",
                hint: "a name or an address, maybe with :port")
        }
    }

    /// False when what a format made cannot be a host.
    func apply(to headers: HeaderTable, _ run: inout EditRun, _ writer: inout FormatWriter) -> Bool {
        for name in remove { headers.remove(name) }
        for field in set {
            let value = run.bytes(of: field.value, &writer)
            if field.value.isFormat {
                if field.name == .host {
                    // Every request has one: without a value it stays.
                    if value.isEmpty { continue }
                    guard Authority.isValid(value.span) else { return false }
                } else if value.isEmpty {
                    // Left in its place, what the client sent would pass for the value.
                    headers.remove(field.name)
                    continue
                }
            }
            headers.set(field.name, value.span)
        }
        for field in add { append(field, to: headers, &run, &writer) }
        for field in addIfAbsent where !headers.contains(field.name) { append(field, to: headers, &run, &writer) }
        return true
    }

    private func append(_ field: Field, to headers: HeaderTable, _ run: inout EditRun, _ writer: inout FormatWriter) {
        let value = run.bytes(of: field.value, &writer)
        if value.isEmpty && field.value.isFormat { return }
        headers.append(field.name, value.span)
    }
}
