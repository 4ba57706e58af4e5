internal import ArgumentParser
internal import MartletBuiltIn
internal import MartletConfig
internal import MartletFilter
internal import MartletProxy

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a configuration and its policies without running them.",
        discussion: "Exits 0 when it can be run as it is; otherwise 1, with every mistake, its place and a hint.")

    @Argument(help: "The configuration file.")
    var file: String

    func run() throws {
        let diagnostics = ConfigDiagnostics()
        ConfigCheck.run(file: file, registry: BuiltInFilters.registry, diagnostics: diagnostics)
        for warning in diagnostics.warnings { print(warning) }
        for error in diagnostics.errors { print(error) }
        guard diagnostics.hasErrors else { return print("\(file): ok") }
        throw ExitCode(1)
    }
}
