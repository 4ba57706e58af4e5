internal import ArgumentParser
internal import MartletBuiltIn

@main
struct MartletControl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-control",
        abstract: "The control plane: tells proxies over xDS what to do, and operators where each change is.",
        version: Version.text)
}
