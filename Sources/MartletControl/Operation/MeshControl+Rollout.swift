internal import MartletConfig
internal import MartletCore

/// Rollouts: a change that is checked as others are, and written as a rollout in place of documents.
extension MeshControl {
    /// Who ends a rollout that nobody else has ended.
    static let itself = "martlet-control"

    package func startRollout(
        _ submission: Submission, _ plan: RolloutPlan, by author: String
    ) async throws(OperationError) -> Applied {
        if let mistake = plan.mistake { throw .badRequest(mistake) }
        let everyone = try await everyone()
        return try await commit(
            author, "rollout started" + (submission.message.isEmpty ? "" : ": \(submission.message)")
        ) {
            mesh throws(OperationError) in
            let checked = try await self.check(submission, everyone.proxies, against: mesh)
            let changed = checked.changes.filter { $0.action != .unchanged }.map(\.key)
            guard let namespace = changed.first?.namespace else { return checked }
            guard changed.allSatisfy({ $0.namespace == namespace }) else {
                throw .badRequest("a rollout is of one namespace: write one for each")
            }
            if mesh.variants[namespace] != nil {
                throw .conflict(
                    "a rollout is under way in namespace \(namespace): promote or abort it first (martlet rollout status)"
                )
            }
            let changes = changed.map { key in
                Rollout.Change(
                    kind: key.kind, name: key.name,
                    body: checked.after.documents[key].map { String(decoding: $0.body, as: UTF8.self) })
            }
            var rollout = Rollout(
                namespace: namespace, author: author, message: submission.message, startedAt: self.now(),
                changes: changes, plan: plan)
            // With it, the documents that guard the change.
            guard changes.count + 3 <= StoreTransaction.changeLimit else {
                throw .badRequest(
                    "a rollout changes \(StoreTransaction.changeLimit - 3) documents at most, not \(changes.count)")
            }
            try self.checkShadow(rollout, mesh)
            for stage in plan.stages.indices {
                var later = rollout
                later.stage = stage
                _ = try await self.members(of: later, among: everyone, over: mesh)
            }
            try await self.beginStage(of: &rollout, after: nil, everyone, over: mesh)
            return try self.writing(rollout, checked, changes: checked.changes)
        }
    }

    /// To its next stage, or to all; to all from the last one.
    package func promoteRollout(
        _ namespace: String, from stage: Int?, toAll: Bool, within: Set<String>?, by author: String
    ) async throws(OperationError) -> Applied {
        try await moveOn(namespace, toAll: toAll, within: within, by: author, reason: "by \(author)") {
            stage == nil || $0.stage == stage
        }
    }

    /// Takes it back.
    package func abortRollout(
        _ namespace: String, by author: String, message: String
    ) async throws(OperationError) -> Applied {
        let reason = message.isEmpty ? "by \(author)" : message
        return try await end(namespace, .aborted, by: author, reason: reason) { _ in true }
    }

    /// - Parameter isMeant: as it is now; whoever has judged it has judged an earlier moment.
    func moveOn(
        _ namespace: String, toAll: Bool, within: Set<String>?, by author: String, reason: String,
        if isMeant: (Rollout) -> Bool
    ) async throws(OperationError) -> Applied {
        let everyone = try await everyone()
        return try await commit(author, "rollout goes on: \(reason.prefix(Rollout.reasonLimit))") {
            mesh throws(OperationError) in
            var rollout = try self.running(namespace, in: mesh, if: isMeant)
            guard toAll || rollout.isLastStage else {
                let earlier = rollout
                rollout.stage += 1
                try await self.beginStage(of: &rollout, after: earlier, everyone, over: mesh)
                try self.checkVariant(rollout, mesh)
                return try self.writing(rollout, self.nothing(in: mesh), changes: [])
            }
            let promoted = rollout.ended(.promoted, reason: reason, at: self.now())
            var changes: [DocumentKey: MeshDocument?] = [:]
            for (key, document) in rollout.documents { changes.updateValue(document, forKey: key) }
            let rest = mesh.changing([:], rollouts: [namespace: promoted], revision: mesh.revision)
            guard !rollout.documents.values.contains(where: { rest.rival(of: $0) != nil }) else {
                throw .conflict("another namespace shares something under a name that this would share, too")
            }
            let checked = try self.check(changes, within: within, everyone.proxies, against: rest)
            return try self.writing(promoted, checked, changes: checked.changes)
        }
    }

    func end(
        _ namespace: String, _ state: Rollout.State, by author: String, reason: String, if isMeant: (Rollout) -> Bool
    ) async throws(OperationError) -> Applied {
        try await commit(
            author, "rollout \(state.rawValue.replacing("_", with: " ")): \(reason.prefix(Rollout.reasonLimit))"
        ) {
            mesh throws(OperationError) in
            let rollout = try self.running(namespace, in: mesh, if: isMeant).ended(
                state, reason: reason, at: self.now())
            return try self.writing(rollout, self.nothing(in: mesh), changes: [])
        }
    }

    private func running(
        _ namespace: String, in mesh: Mesh, if isMeant: (Rollout) -> Bool
    ) throws(OperationError) -> Rollout {
        guard let rollout = mesh.variants[namespace]?.rollout else {
            throw .notFound("no rollout is under way in namespace \(namespace)")
        }
        guard isMeant(rollout) else { throw .conflict("the rollout of namespace \(namespace) has moved on") }
        return rollout
    }

    // MARK: Writing

    private func nothing(in mesh: Mesh) -> CheckedChange {
        CheckedChange(before: mesh, after: mesh, changes: [], store: [], namespaces: [], warnings: [])
    }

    /// A finished rollout's documents and the rollout, or the rollout alone.
    private func writing(
        _ rollout: Rollout, _ checked: CheckedChange, changes: [DocumentChange]
    ) throws(OperationError) -> CheckedChange {
        let before = checked.before.rollouts[rollout.namespace]?.revision ?? 0
        let key: DocumentKey
        do { key = try Rollout.key(rollout.namespace) } catch { throw Self.operation(error) }
        let written = StoreTransaction.Change.put(
            key, rollout.body, if: before > 0 ? .revision(before) : .absent)
        return CheckedChange(
            before: checked.before, after: checked.after, changes: changes,
            store: (rollout.isRunning ? [] : checked.store) + [written], namespaces: checked.namespaces,
            warnings: checked.warnings)
    }

    // MARK: What may be rolled out

    private func checkShadow(_ rollout: Rollout, _ mesh: Mesh) throws(OperationError) {
        guard let index = rollout.plan.stages.firstIndex(where: { $0.kind == .shadow }) else { return }
        if let canary = rollout.plan.stages.firstIndex(where: { $0.kind == .canary }), canary < index {
            throw .badRequest("shadow stages come before the others")
        }
        if let obstacle = PolicyShadow.obstacle(to: rollout.documents, over: mesh) {
            throw .badRequest("it cannot run as a shadow first: \(obstacle); leave out the shadow stage")
        }
        var shadow = rollout
        shadow.stage = index
        try checkVariant(shadow, mesh)
    }

    /// That the proxies of the present stage could do with what they would be told.
    private func checkVariant(_ rollout: Rollout, _ mesh: Mesh) throws(OperationError) {
        let diagnostics = ConfigDiagnostics()
        MeshCheck(mesh: RolloutVariant(rollout, of: mesh).mesh, checker: checker, drafts: [:], attachments: [:])
            .run(namespaces: [rollout.namespace], proxies: [], into: diagnostics)
        guard !diagnostics.hasErrors else { throw .invalid(diagnostics.errors) }
    }

    // MARK: Proxies

    /// All proxies, as a stage finds them that begins.
    private struct Everyone {
        var proxies: [ProxyIdentity]
        var refusing: Set<ProxyIdentity>
        /// What they did in the last minute.
        var past: [(proxy: ProxyIdentity, traffic: ReportedTraffic)]
    }

    private func everyone() async throws(OperationError) -> Everyone {
        let others = await others()
        guard others.silent.isEmpty else {
            throw .unavailable(
                "a replica of the control plane does not answer, so which proxies there are is not known: see martlet status, and try again"
            )
        }
        let seen = await view().proxies + others.proxies
        // One that has just come has no status yet.
        let proxies = Set(seen.map(\.status.proxy) + (await publisher.proxies))
        return Everyone(
            proxies: Array(proxies),
            refusing: Set(seen.filter { $0.status.state == .refused }.map(\.status.proxy)),
            past: seen.compactMap { proxy in proxy.past.map { (proxy.status.proxy, $0) } })
    }

    /// - Parameter earlier: as it was in the stage before.
    private func beginStage(
        of rollout: inout Rollout, after earlier: Rollout?, _ everyone: Everyone, over mesh: Mesh
    ) async throws(OperationError) {
        rollout.members = try await members(
            of: rollout, after: earlier.map { RolloutMembers($0) }, among: everyone, over: mesh)
        rollout.stageStartedAt = now()
        // A shadow is not in force: what was is what is compared with.
        let tainted = earlier.flatMap { $0.presentStage.kind == .canary ? RolloutMembers($0) : nil }
        let chosen = RolloutMembers(rollout)
        let newcomers = everyone.past.filter { chosen.covers($0.proxy) && !(tainted?.covers($0.proxy) ?? false) }
        guard !newcomers.isEmpty else { return }
        var before = ReportedTraffic.none
        for newcomer in newcomers { before.add(newcomer.traffic) }
        let names = Set(rollout.judgedPolicies.flatMap { [$0.name, $0.before] })
        before.policies = before.policies.filter { names.contains($0.key) }
        rollout.before = before
    }

    /// Proxies of the present stage, where its share is a number: those of the stage before first, then by chance, but always
    /// the same. Of those that are connected and that the change concerns.
    private func members(
        of rollout: Rollout, after previous: RolloutMembers? = nil, among everyone: Everyone, over mesh: Mesh
    ) async throws(OperationError) -> [String] {
        let stage = rollout.presentStage
        // One that refuses something already cannot tell what comes of this.
        // What the stage would make of documents is nothing that is kept under the revision of the one before.
        var unwritten = rollout
        unwritten.revision = 0
        let concerned = await concerned(by: unwritten, among: everyone.proxies, over: mesh)
            .filter { !everyone.refusing.contains($0) }
        guard !concerned.isEmpty else {
            throw .badRequest(
                "no connected Martlet proxy of namespace \(rollout.namespace) runs what would change: there is nobody to try it on; use apply"
            )
        }
        guard let size = stage.share.size(of: Set(concerned.map(\.id)).count) else {
            guard case .selected(let selector) = stage.share, concerned.contains(where: { selector.covers($0) }) else {
                throw .badRequest(
                    "no connected proxy that the change concerns is \(stage.share.text): there is nobody to try it on")
            }
            return []
        }
        let earlier = Set(concerned.filter { previous?.covers($0) ?? false }.map(\.id))
        let seed = StableHash.mix(UInt64(bitPattern: rollout.startedAt))
        let ranked = Set(concerned.map(\.id)).sorted { one, other in
            let (isEarlier, isOtherEarlier) = (earlier.contains(one), earlier.contains(other))
            if isEarlier != isOtherEarlier { return isEarlier }
            let (rank, otherRank) = (
                StableHash.mix(StableHash.of(one) ^ seed), StableHash.mix(StableHash.of(other) ^ seed)
            )
            return rank == otherRank ? one < other : rank < otherRank
        }
        return ranked.prefix(max(size, earlier.count)).sorted()
    }

    /// Those that could be told of it, and would be told something else by it.
    func concerned(
        by rollout: Rollout, among proxies: [ProxyIdentity], over mesh: Mesh
    ) async -> [ProxyIdentity] {
        var whole = rollout
        whole.plan.stages[whole.stage].share = .selected(ProxySelector())
        let after = mesh.changing([:], rollouts: [rollout.namespace: whole], revision: mesh.revision)
        let before = mesh.changing(
            [:], rollouts: [rollout.namespace: rollout.ended(.aborted, reason: "", at: 0)], revision: mesh.revision)
        return await publisher.concerned(by: (before, after), among: proxies.filter { rollout.isOpen(to: $0) })
    }
}
