internal import MartletControl

extension APIDesk {
    func startRollout(_ call: APICall) async throws -> APIAnswer {
        let request = try call.decode(
            RolloutRequest.self,
            keys: [
                "": ["files", "attachments", "message", "expected_revision", "stages", "limits"],
                "files[]": ["name", "text"], "stages[]": ["kind", "share", "seconds"],
                "limits": ["errors", "latency", "requests", "patience_seconds"],
            ])
        let submission = try call.submission(
            ApplyRequest(
                files: request.files, attachments: request.attachments ?? [:], message: request.message,
                expectedRevision: request.expectedRevision))
        let started = try await control.startRollout(submission, try plan(request), by: call.caller.name)
        return try APIAnswer(of: AppliedMessage(started))
    }

    private func plan(_ request: RolloutRequest) throws -> RolloutPlan {
        let stages = try request.stages.enumerated().map { index, stage in
            guard let kind = RolloutStage.Kind(rawValue: stage.kind) else {
                throw APIFailure.badRequest(
                    "stages[\(index)].kind is shadow or canary, not \"\(stage.kind.prefix(40))\"")
            }
            let share: RolloutShare
            do {
                share = try RolloutShare(stage.share)
            } catch {
                throw APIFailure.badRequest("stages[\(index)].share: \(error)")
            }
            return stage.seconds.map { RolloutStage(kind, share, seconds: $0) } ?? RolloutStage(kind, share)
        }
        var limits = RolloutLimits()
        limits.errors = request.limits?.errors ?? limits.errors
        limits.latency = request.limits?.latency ?? limits.latency
        limits.requests = request.limits?.requests ?? limits.requests
        limits.patience = request.limits?.patienceSeconds ?? limits.patience
        return RolloutPlan(stages: stages, limits: limits)
    }

    func rollout(_ call: APICall) async throws -> APIAnswer {
        try APIAnswer(RolloutMessage(try await control.rollout(call.namespace)))
    }

    func promoteRollout(_ call: APICall) async throws -> APIAnswer {
        let request = try call.decode(PromoteRequest.self, keys: ["": ["all", "stage"]])
        let applied = try await control.promoteRollout(
            call.namespace, from: request.stage.map { max(0, $0) - 1 }, toAll: request.all ?? false,
            within: call.caller.namespaces, by: call.caller.name)
        return try APIAnswer(of: AppliedMessage(applied))
    }

    func abortRollout(_ call: APICall) async throws -> APIAnswer {
        let request = try call.decode(AbortRequest.self, keys: ["": ["message"]])
        guard (request.message ?? "").utf8.count <= APICall.maxMessage else { throw APICall.messageTooLong }
        let applied = try await control.abortRollout(
            call.namespace, by: call.caller.name, message: request.message ?? "")
        return try APIAnswer(of: AppliedMessage(applied))
    }
}
