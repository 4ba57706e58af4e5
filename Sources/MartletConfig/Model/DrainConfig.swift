/// How a proxy stops: it accepts nothing new and lets exchanges end.
package struct DrainConfig: Sendable {
    /// After this, exchanges still running are cut. Default 30s, 0 to 24h.
    package var deadline: Duration = .seconds(30)

    init() {}

    init(_ section: ConfigSection) {
        deadline = section.duration("deadline", default: deadline, in: .zero ... .seconds(86_400))
    }
}
