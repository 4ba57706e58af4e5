package import MartletCore

/// A Lua filter with a name, which chains refer to by `lua: { policy: name }`.
package struct PolicyConfig: Sendable {
    package enum Source: Sendable {
        /// An absolute path, or one that starts where the configuration file's does.
        case file(path: String)
        case inline(String)
    }

    package enum OnError: String, Sendable, CaseIterable {
        /// 500, and nothing is forwarded.
        case deny
        /// Go on as if the policy were not in the chain.
        case skip
    }

    package enum Mode: String, Sendable, CaseIterable {
        case enforce
        /// Run, and record what it would have done; apply nothing and hold nothing.
        case shadow
    }

    /// Unique.
    package var name: String
    package var source: Source
    /// Texts for the script, by the names of its global `data`.
    package var data: [PolicyFile]
    /// Lua files for `require`, by the names that scripts use.
    package var modules: [PolicyFile]
    /// Default: deny.
    package var onError: OnError
    /// Default: enforce.
    package var mode: Mode
    package var budget: PolicyBudget
    package var place: ConfigPlace

    /// Every file that the policy is made of.
    package var files: [String] {
        var files = (data + modules).map(\.path)
        if case .file(let path) = source { files.append(path) }
        return files
    }
}

/// A file beside the script. The path is absolute or starts where the configuration file's does.
package struct PolicyFile: Sendable {
    package var name: String
    package var path: String
    package var place: ConfigPlace
}

/// What one run of a hook may spend; memory is what a whole VM may hold.
package struct PolicyBudget: Sendable {
    /// Virtual-machine instructions a hook run. Default 1 million, 1000 to 1 billion.
    package var instructions = 1_000_000
    /// Default 8MiB, 256KiB to 1GiB.
    package var memory: ByteCount = .mebibytes(8)
    /// Time on the worker a hook run, waits taken off. Default 50ms, 1ms to 10s.
    package var time: Duration = .milliseconds(50)
    /// Breaches of the others within a minute, over all workers, before the policy is no longer run until it is replaced.
    /// Default 100, 0 is never, up to 1 million.
    package var breaches = 100

    package init() {}

    /// Also read by the `lua` filter for its inline policies.
    package init(_ section: ConfigSection) {
        instructions = section.int("instructions", default: instructions, in: 1000...1_000_000_000)
        memory = section.size("memory", default: memory, in: .kibibytes(256) ... .mebibytes(1024))
        time = section.duration("time", default: time, in: .milliseconds(1) ... .seconds(10))
        breaches = section.int("breaches", default: breaches, in: 0...1_000_000)
    }
}
