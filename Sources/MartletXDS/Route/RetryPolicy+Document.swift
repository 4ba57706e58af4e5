internal import MartletXDSMessages
internal import SwiftProtobuf

// What others say of retries, with the routes that are retried, is a filter here. Martlet's own chains travel as they are.

extension Envoy_Config_Route_V3_RetryPolicy {
    /// The settings of `retry` for a route. Which methods may be sent again is as everywhere in Martlet: the idempotent ones.
    var document: DocumentSection {
        var retry = DocumentSection()
        let conditions = retryOn.split(separator: ",").map { $0.trimming() }
        guard !conditions.isEmpty else { return DocumentSection([("attempts", .int(1))]) }
        retry["on"] = .texts(conditions)
        retry["attempts"] = .int(min(hasNumRetries ? numRetries.value : 1, 15) + 1)
        if hasPerTryTimeout { retry["per_try_timeout"] = perTryTimeout.document }
        if !retriableStatusCodes.isEmpty { retry["status_codes"] = .list(retriableStatusCodes.map { .int($0) }) }
        if retryBackOff.hasBaseInterval {
            retry["backoff"] = .object(
                ("base", retryBackOff.baseInterval.document),
                ("max", retryBackOff.hasMaxInterval ? retryBackOff.maxInterval.document : nil))
        }
        return retry
    }
}

extension Substring {
    fileprivate func trimming() -> String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

extension DocumentSection {
    /// A listener whose routes say when to retry needs the filter that does it; by itself it then retries nothing.
    mutating func addRetryFilter() {
        let isAsked = (list("routes") ?? []).contains { $0.section?.section("filters")?["retry"] != nil }
        var filters = list("filters") ?? []
        let isThere = filters.contains { $0.text == "retry" || $0.section?["retry"] != nil }
        guard isAsked, !isThere else { return }
        filters.insert(.object(("retry", .object(("attempts", .int(1))))), at: max(0, filters.count - 1))
        self["filters"] = .list(filters)
    }
}
