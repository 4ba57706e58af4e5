internal import ArgumentParser

/// What `martlet-control` does with its words, for `martlet` to pass on: listed here, done there.
enum ControlPlaneCommands {
    static let group = CommandGroup(
        name: "Mesh (martlet-control)",
        subcommands: [
            Apply.self, Diff.self, Get.self, Delete.self, Status.self, Services.self, History.self, Rollback.self,
            Rollout.self, Log.self,
            Audit.self,
        ])

    private static var names: [String] { group.subcommands.map { $0._commandName } }

    /// Whether the arguments are for the other program. Asked before anything is parsed: its options are not known here.
    static func passOn(_ arguments: [String]) -> Bool {
        guard arguments.count > 1 else { return false }
        let isHelp = arguments[1] == "help" && arguments.count > 2
        return names.contains(isHelp ? arguments[2] : arguments[1])
    }

    private static func listed(_ abstract: String) -> CommandConfiguration { CommandConfiguration(abstract: abstract) }

    struct Apply: ParsableCommand {
        static let configuration = listed("Check files and make the mesh what they say.")
    }
    struct Diff: ParsableCommand {
        static let configuration = listed(
            "Show what apply would change: documents, proxies, connections that would drain.")
    }
    struct Get: ParsableCommand {
        static let configuration = listed("Show documents: all, those of a kind, or one.")
    }
    struct Delete: ParsableCommand {
        static let configuration = listed("Delete documents, by name or by the files that describe them.")
    }
    struct Status: ParsableCommand {
        static let configuration = listed("Show where each connected proxy stands.")
    }
    struct Services: ParsableCommand {
        static let configuration = listed("Show the instances that are registered, by service.")
    }
    struct History: ParsableCommand {
        static let configuration = listed("Show the versions of a document, newest first.")
    }
    struct Rollback: ParsableCommand {
        static let configuration = listed("Make a document, or all of a namespace, what it was after a revision.")
    }
    struct Rollout: ParsableCommand {
        static let configuration = listed(
            "Give a change to some proxies first, watched, and take it back by itself when it is bad.")
    }
    struct Log: ParsableCommand {
        static let configuration = listed("Show the changes of a namespace, newest first.")
    }
    struct Audit: ParsableCommand {
        static let configuration = listed("Show who changed what, and what was refused, newest first.")
    }
}
