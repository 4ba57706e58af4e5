internal import ArgumentParser
internal import MartletConfig
internal import MartletControlServer

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the configuration of a control plane without running it.",
        discussion: "Exits 0 when it can be run as it is; otherwise 1, with every mistake, its place and a hint.")

    @Argument(help: "The configuration file of the control plane itself.")
    var file: String

    func run() throws {
        let diagnostics = ConfigDiagnostics()
        _ = ControlConfig.load(file: file, diagnostics: diagnostics)
        for warning in diagnostics.warnings { print(warning) }
        for error in diagnostics.errors { print(error) }
        guard diagnostics.hasErrors else { return print("\(file): ok") }
        throw ExitCode(1)
    }
}
