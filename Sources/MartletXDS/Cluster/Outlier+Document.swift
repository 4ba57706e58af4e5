internal import MartletXDSMessages
internal import SwiftProtobuf

// `outlier_detection`: the names are Envoy's, so the tables below are most of it.

extension Envoy_Config_Cluster_V3_OutlierDetection {
    private typealias Number = WritableKeyPath<Self, Google_Protobuf_UInt32Value>
    private static var counts: [(String, Number, KeyPath<Self, Bool>)] {
        [
            ("consecutive_5xx", \.consecutive5Xx, \.hasConsecutive5Xx),
            ("consecutive_gateway_failure", \.consecutiveGatewayFailure, \.hasConsecutiveGatewayFailure),
            ("consecutive_local_origin_failure", \.consecutiveLocalOriginFailure, \.hasConsecutiveLocalOriginFailure),
            ("success_rate_minimum_hosts", \.successRateMinimumHosts, \.hasSuccessRateMinimumHosts),
            ("success_rate_request_volume", \.successRateRequestVolume, \.hasSuccessRateRequestVolume),
            ("success_rate_stdev_factor", \.successRateStdevFactor, \.hasSuccessRateStdevFactor),
            ("failure_percentage_minimum_hosts", \.failurePercentageMinimumHosts, \.hasFailurePercentageMinimumHosts),
            (
                "failure_percentage_request_volume", \.failurePercentageRequestVolume,
                \.hasFailurePercentageRequestVolume
            ),
        ]
    }
    /// Whole percents.
    private static var shares: [(String, Number, KeyPath<Self, Bool>)] {
        [
            ("max_ejection_percent", \.maxEjectionPercent, \.hasMaxEjectionPercent),
            ("failure_percentage_threshold", \.failurePercentageThreshold, \.hasFailurePercentageThreshold),
            ("enforcing_consecutive_5xx", \.enforcingConsecutive5Xx, \.hasEnforcingConsecutive5Xx),
            (
                "enforcing_consecutive_gateway_failure", \.enforcingConsecutiveGatewayFailure,
                \.hasEnforcingConsecutiveGatewayFailure
            ),
            (
                "enforcing_consecutive_local_origin_failure", \.enforcingConsecutiveLocalOriginFailure,
                \.hasEnforcingConsecutiveLocalOriginFailure
            ),
            ("enforcing_success_rate", \.enforcingSuccessRate, \.hasEnforcingSuccessRate),
            (
                "enforcing_local_origin_success_rate", \.enforcingLocalOriginSuccessRate,
                \.hasEnforcingLocalOriginSuccessRate
            ),
            ("enforcing_failure_percentage", \.enforcingFailurePercentage, \.hasEnforcingFailurePercentage),
            (
                "enforcing_failure_percentage_local_origin", \.enforcingFailurePercentageLocalOrigin,
                \.hasEnforcingFailurePercentageLocalOrigin
            ),
        ]
    }
    private static var times: [(String, WritableKeyPath<Self, Google_Protobuf_Duration>, KeyPath<Self, Bool>)] {
        [
            ("interval", \.interval, \.hasInterval), ("base_ejection_time", \.baseEjectionTime, \.hasBaseEjectionTime),
            ("max_ejection_time", \.maxEjectionTime, \.hasMaxEjectionTime),
            ("max_ejection_time_jitter", \.maxEjectionTimeJitter, \.hasMaxEjectionTimeJitter),
        ]
    }

    init(_ outlier: DocumentSection) {
        self.init()
        for (key, field, _) in Self.counts {
            if let value = Google_Protobuf_UInt32Value(outlier.int(key)) { self[keyPath: field] = value }
        }
        for (key, field, _) in Self.shares {
            guard let share = outlier.percent(key) else { continue }
            self[keyPath: field] = .init(UInt32((share * 100).rounded()))
        }
        for (key, field, _) in Self.times {
            if let time = outlier.duration(key) { self[keyPath: field] = .init(time) }
        }
        splitExternalLocalOriginErrors = outlier.bool("split_external_local_origin_errors") ?? false
        // Envoy's defaults for these are the others.
        alwaysEjectOneHost = .init(outlier.bool("always_eject_one_host") ?? true)
        successfulActiveHealthCheckUnejectHost = .init(
            outlier.bool("successful_active_health_check_uneject_host") ?? false)
    }

    var document: DocumentSection {
        var outlier = DocumentSection()
        for (key, field, isSet) in Self.counts where self[keyPath: isSet] {
            outlier[key] = .int(self[keyPath: field].value)
        }
        for (key, field, isSet) in Self.shares where self[keyPath: isSet] {
            outlier[key] = .percent(Double(self[keyPath: field].value) / 100)
        }
        for (key, field, isSet) in Self.times where self[keyPath: isSet] {
            outlier[key] = self[keyPath: field].document
        }
        // Without the split nobody looks at it.
        if !splitExternalLocalOriginErrors { outlier["consecutive_local_origin_failure"] = nil }
        if splitExternalLocalOriginErrors { outlier["split_external_local_origin_errors"] = .bool(true) }
        if !hasAlwaysEjectOneHost || !alwaysEjectOneHost.value { outlier["always_eject_one_host"] = .bool(false) }
        if !hasSuccessfulActiveHealthCheckUnejectHost || successfulActiveHealthCheckUnejectHost.value {
            outlier["successful_active_health_check_uneject_host"] = .bool(true)
        }
        return outlier
    }
}
