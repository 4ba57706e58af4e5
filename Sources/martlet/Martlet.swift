internal import ArgumentParser
internal import MartletBuiltIn

@main
struct Martlet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "A small, fast proxy whose policies are Lua and whose configuration changes live.",
        version: Version.text,
        subcommands: [Run.self, Check.self, Test.self, Demo.self])
}
