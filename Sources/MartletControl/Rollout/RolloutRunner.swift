internal import MartletCore

/// Moves rollouts on and takes them back: a watch for each, looked at each second, by the replica that leads.
package actor RolloutRunner {
    private let control: MeshControl
    private let log: @Sendable (String) -> Void
    private var watches: [String: RolloutWatch] = [:]

    private static let interval = Duration.seconds(1)
    /// A proxy that has not reported for so long does not report: its workers may hang.
    private static let stale = Duration.seconds(10)
    /// The last trouble of each namespace: it is told once.
    private var troubles: [String: String] = [:]

    package init(_ control: MeshControl, log: @escaping @Sendable (String) -> Void) {
        (self.control, self.log) = (control, log)
    }

    /// Until the task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            await step(now: .now)
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// Looks at every rollout once.
    package func step(now: ContinuousClock.Instant) async {
        guard control.replicas.isLeader else {
            watches = [:]
            return
        }
        let mesh = await control.mesh
        let rollouts = mesh.rollouts.values.filter(\.isRunning)
        watches = watches.filter { namespace, _ in rollouts.contains { $0.namespace == namespace } }
        guard !rollouts.isEmpty else { return }
        let others = await control.others()
        let statuses = await control.ownProxies() + others.proxies.map(\.status)
        let missing = others.silent.isEmpty ? nil : "a replica of the control plane does not answer"
        for rollout in rollouts.sorted(by: { $0.namespace < $1.namespace }) {
            let known = watches[rollout.namespace]
            var seen =
                known.flatMap { $0.rollout.revision == rollout.revision ? $0 : nil }
                ?? RolloutWatch(rollout, age: control.age(of: rollout), now: now)
            let chosen = RolloutMembers(rollout)
            // What others do that have nothing of it is no measure.
            let rest = statuses.map(\.proxy).filter { !chosen.covers($0) }
            let concerned = Set(await control.concerned(by: rollout, among: rest, over: mesh).map(\.name))
            let outcome = seen.look(
                at: statuses.filter { chosen.covers($0.proxy) || concerned.contains($0.proxy.name) }, missing: missing,
                now: now, report: { status in status.report.flatMap { $0.age < Self.stale ? $0.newest : nil } })
            watches[rollout.namespace] = seen
            control.note(seen.sight, of: rollout)
            await act(outcome, on: rollout)
        }
    }

    private func act(_ outcome: RolloutWatch.Outcome, on rollout: Rollout) async {
        let stage = rollout.revision
        do {
            switch outcome {
            case .wait: return
            case .moveOn:
                let name = "stage \(rollout.stage + 1) of \(rollout.plan.stages.count)"
                _ = try await control.moveOn(
                    rollout.namespace, toAll: false, within: nil, by: MeshControl.itself, reason: "\(name) was good"
                ) { $0.revision == stage }
            case .rollBack(let reason):
                _ = try await control.end(
                    rollout.namespace, .rolledBack, by: MeshControl.itself, reason: reason
                ) { $0.revision == stage }
                log("rollout of namespace \(rollout.namespace) rolled back: \(reason)")
            }
        } catch OperationError.conflict, OperationError.notFound {
            // Somebody else was faster; what there is then is looked at next time.
        } catch OperationError.invalid where outcome == .moveOn {
            // It would have been refused if it were applied now. Whose the mistakes are that it would make is not this namespace's.
            await giveUp(rollout, "it does not go with what has changed meanwhile: diff shows the mistakes")
        } catch OperationError.badRequest(let reason) where outcome == .moveOn {
            await giveUp(rollout, "it cannot go on: \(reason)")
        } catch {
            let trouble = "rollout of namespace \(rollout.namespace): \(error)"
            if troubles.updateValue(trouble, forKey: rollout.namespace) != trouble { log(trouble) }
        }
    }

    private func giveUp(_ rollout: Rollout, _ reason: String) async {
        _ = try? await control.end(rollout.namespace, .rolledBack, by: MeshControl.itself, reason: reason) {
            $0.revision == rollout.revision
        }
    }
}
