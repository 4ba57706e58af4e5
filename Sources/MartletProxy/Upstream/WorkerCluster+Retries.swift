internal import MartletCore
internal import MartletFilter
internal import MartletNet

/// What retries and hedges a cluster allows, and how they end.
extension WorkerCluster {
    /// One more retry may be under way: within the policy's budget, or without one within `max_retries`.
    func takeRetry(_ policy: RetryPolicy) -> Bool {
        let isAllowed =
            if let budget = policy.budget {
                retryBudget.takeRetry(share: budget, worker.loop.now)
            } else {
                runtime.limits.retries.take()
            }
        if isAllowed {
            retries.started.add()
        } else {
            refused(.retries)
            retries.overBudget.add()
        }
        return isAllowed
    }

    /// One more request beside one under way: a slot of `max_requests`, and its part of the budget. `endHedge` gives back.
    func takeHedge(_ policy: RetryPolicy) -> Bool {
        guard runtime.limits.requests.take() else {
            refused(.requests)
            return false
        }
        let isAllowed =
            if let budget = policy.budget {
                retryBudget.takeHedge(share: budget, worker.loop.now)
            } else {
                runtime.limits.retries.take()
            }
        guard isAllowed else {
            runtime.limits.requests.giveBack()
            refused(.retries)
            retries.overBudget.add()
            return false
        }
        retries.hedged.add()
        return true
    }

    func endHedge(_ policy: RetryPolicy) {
        runtime.limits.requests.giveBack()
        if policy.budget == nil { runtime.limits.retries.giveBack() }
    }

    func finishRetry(_ policy: RetryPolicy, failed: Bool) {
        if !failed { retries.succeeded.add() }
        if policy.budget == nil {
            runtime.limits.retries.giveBack()
        } else {
            retryBudget.retryEnded(failed: failed, worker.loop.now)
        }
    }

    /// As `finishRetry`, when nobody waits for how it goes.
    func cancelRetry(_ policy: RetryPolicy) {
        if policy.budget == nil { runtime.limits.retries.giveBack() } else { retryBudget.retryCancelled() }
    }
}
