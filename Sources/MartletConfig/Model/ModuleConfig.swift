/// A shared library of native filters that is loaded while the proxy runs. Its filters' names join the built-in ones.
package struct ModuleConfig: Sendable {
    /// Unique.
    package var name: String
    /// An absolute path, or one that starts where the configuration file's does.
    package var path: String
    /// A hook that takes longer is counted and logged; nil: none is. Default 10ms, 5ms to 10s: the clock that can be read at
    /// every hook without being felt goes by milliseconds.
    package var slowHook: Duration?
    package var place: ConfigPlace
    package var pathPlace: ConfigPlace
}

extension ModuleConfig {
    init(_ section: ConfigSection) {
        name = section.value(required: "name", .label) ?? ""
        path = section.path("path") ?? ""
        if !section.has("path") { section.missing("path", hint: "expected the path of a shared library") }
        let limit = section.duration("slow_hook", default: .milliseconds(10), in: .zero ... .seconds(10))
        slowHook = limit == .zero ? nil : limit
        if limit > .zero, limit < .milliseconds(5) {
            section.error(
                at: "slow_hook", "a hook's time is measured in steps of some milliseconds",
                hint: "5ms or more; 0 is off")
        }
        place = section.place
        pathPlace = section.place(of: "path")
    }
}
