internal import ArgumentParser
internal import MartletBuiltIn
internal import MartletConfig
internal import MartletFilter
internal import MartletProxy
internal import MartletXDS

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a configuration and its policies without running them.",
        discussion: "Exits 0 when it can be run as it is; otherwise 1, with every mistake, its place and a hint.")

    @Argument(help: "The configuration file.")
    var file: String?

    @Option(help: ArgumentHelp("Envoy's bootstrap, YAML or JSON, in its place.", valueName: "FILE"))
    var envoyConfig: String?

    func validate() throws {
        if (file == nil) == (envoyConfig == nil) { throw ValidationError("FILE or --envoy-config FILE is needed") }
    }

    func run() throws {
        let diagnostics = ConfigDiagnostics()
        let file = envoyConfig ?? self.file ?? ""
        ConfigCheck.run(
            file: file, language: envoyConfig == nil ? .martlet : .envoy, registry: BuiltInFilters.registry,
            diagnostics: diagnostics)
        for warning in diagnostics.warnings { print(warning) }
        for error in diagnostics.errors { print(error) }
        if envoyConfig != nil {
            // Who moves wants to know how far away that is.
            print(
                "\(file): \(diagnostics.errors.count) that would make requests meet something else, "
                    + "\(diagnostics.warnings.count) that change only what is seen")
        }
        guard diagnostics.hasErrors else { return print("\(file): ok") }
        throw ExitCode(1)
    }
}
