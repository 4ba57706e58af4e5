internal import MartletConfig
internal import MartletCore
internal import MartletNet

/// Look-ups that a reload waits for: a cluster that is new in a snapshot must have its endpoints before the workers send
/// it requests. Later ones are the `EndpointResolver`'s. Blocking; for the loader's thread.
struct NameLookups {
    private struct Answer: Sendable {
        let name: DNSConfig
        let result: Result<[SocketAddress], ResolveError>
    }

    /// For all names together. A name server that is silent delays a reload by this much, and does not prevent it.
    private static let limit = Nanoseconds.seconds(5)

    /// Fills the clusters that go by a name and have no endpoints yet. What does not resolve in time is told as a warning;
    /// the cluster starts without endpoints.
    static func fill(_ clusters: [ClusterRuntime], diagnostics: ConfigDiagnostics) {
        var names: [DNSConfig] = []
        var empty: [(runtime: ClusterRuntime, name: DNSConfig)] = []
        for runtime in clusters where runtime.currentEndpoints.isEmpty {
            guard case .dns(let name) = runtime.config.source else { continue }
            empty.append((runtime, name))
            if !names.contains(where: name.isSameName) { names.append(name) }
        }
        guard !names.isEmpty else { return }
        let answers = ask(names)
        for (runtime, name) in empty {
            switch answers.first(where: { $0.name.isSameName(name) })?.result {
            case .success(let addresses): _ = runtime.update(resolved: addresses)
            case .failure(let error): warn(runtime, error.description, diagnostics)
            case nil: warn(runtime, "cannot resolve \(name.host): no answer in time", diagnostics)
            }
        }
    }

    private static func warn(_ runtime: ClusterRuntime, _ message: String, _ diagnostics: ConfigDiagnostics) {
        diagnostics.warning(
            at: runtime.config.place.key("discovery").key("dns"), message,
            hint: "the cluster has no endpoints until it does")
    }

    /// Each on a thread of its own, which outlives the wait when its name server is silent: getaddrinfo(3) cannot be
    /// called off.
    private static func ask(_ names: [DNSConfig]) -> [Answer] {
        var answers: [Answer] = []
        do throws(SystemError) {
            let loop = try EventLoop()
            let mailbox = try Mailbox<Answer>()
            let mail = try loop.attach(mailbox) {
                answers += mailbox.drain()
                if answers.count == names.count { loop.stop() }
            }
            let timer = loop.arm(at: loop.now + limit, TimerAction { loop.stop() }, tag: 0)
            // Both hold the loop, and it them.
            defer {
                mail.close()
                loop.cancel(timer)
            }
            for name in names {
                try LoopThread.start("resolve") {
                    mailbox.post(Answer(name: name, result: NameResolver.addresses(of: name.host, port: name.port)))
                }
            }
            loop.run()
        } catch {
            // No descriptor or no thread to spare: a state in which the names can wait for the resolver.
        }
        return answers
    }
}

extension DNSConfig {
    /// Stands for the same endpoints, however often they are asked for.
    func isSameName(_ other: DNSConfig) -> Bool { host == other.host && port == other.port }
}
