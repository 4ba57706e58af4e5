internal import ArgumentParser
internal import MartletBuiltIn

#if canImport(Glibc)
internal import Glibc
#endif

@main
struct Martlet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "A small, fast proxy whose policies are Lua and whose configuration changes live.",
        version: Version.text,
        subcommands: [Run.self, Check.self, Test.self, Demo.self],
        groupedSubcommands: [ControlPlaneCommands.group])

    static func main() {
        let arguments = CommandLine.arguments
        if ControlPlaneCommands.passOn(arguments) {
            Glibc.exit(ControlPlaneProgram.become(Array(arguments.dropFirst())))
        }
        main(nil)
    }
}
