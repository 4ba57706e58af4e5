internal import ArgumentParser
internal import MartletBuiltIn

#if canImport(Glibc)
internal import Glibc
#endif

@main
struct MartletControl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-control",
        abstract: "The control plane: tells proxies over xDS what to do, and operators where each change is.",
        discussion: """
            The commands for a mesh ask a control plane that runs: --server, or MARTLET_CONTROL in the environment. They exit \
            with 0, or 1 when something was refused, 2 when the command makes no sense, 3 when somebody else changed the same \
            meanwhile, 4 when the control plane cannot be reached or does not let the token in.
            """,
        version: Version.text,
        subcommands: [Run.self, Check.self],
        groupedSubcommands: [
            CommandGroup(
                name: "Mesh",
                subcommands: [
                    Apply.self, Diff.self, Get.self, Delete.self, Status.self, Services.self, History.self,
                    Rollback.self, Rollout.self, Log.self,
                    Audit.self,
                ])
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            failure.print()
            Glibc.exit(failure.exitCode)
        } catch {
            // Of usage, and of nothing else, the parser knows the exit code.
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            StandardError.print(fullMessage(for: error))
            Glibc.exit(CommandFailure.usage("").exitCode)
        }
    }
}
