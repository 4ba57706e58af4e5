internal import HTTPTypes

extension APIRoute {
    private static let place = "/v1/namespaces/{namespace}/rollout"

    static let rollouts: [APIRoute] = [
        APIRoute(
            action: "getRollout", method: .get, path: place,
            summary: "The rollout of a namespace that is under way, or the last one, and what is seen of it.",
            role: .read, content: .json("Rollout"), refusals: [404], answer: { try await $0.rollout($1) }),
        APIRoute(
            action: "startRollout", method: .post, path: place,
            summary: "Check what files describe, and give it to some proxies first.", role: .write, changes: true,
            body: "RolloutRequest", content: .json("Applied"), refusals: [409, 422],
            answer: { try await $0.startRollout($1) }),
        APIRoute(
            action: "promoteRollout", method: .post, path: place + "/promote",
            summary: "Go on to the next stage, from the last one to all proxies.", role: .write, changes: true,
            body: "PromoteRequest", content: .json("Applied"), refusals: [404, 409, 422],
            answer: { try await $0.promoteRollout($1) }),
        APIRoute(
            action: "abortRollout", method: .post, path: place + "/abort",
            summary: "Take the change back from the proxies that have it.", role: .write, changes: true,
            body: "AbortRequest", content: .json("Applied"), refusals: [404, 409],
            answer: { try await $0.abortRollout($1) }),
    ]
}
