/// Taking endpoints out for a while that answer worse than the others: Envoy's outlier detection.
package struct OutlierConfig: Sendable, Equatable {
    /// Answers of 5xx in a row. Default 5; 0 is off.
    package var consecutive5xx = 5
    /// Answers of 502, 503 or 504 in a row. Default 5; 0 is off.
    package var consecutiveGatewayFailure = 5
    /// Failures to connect, resets and timeouts in a row, when those count apart. Default 5; 0 is off.
    package var consecutiveLocalOriginFailure = 5
    /// Whether what fails without an answer counts apart from answers of 5xx. Default false.
    package var splitsLocalOrigin = false
    /// Time between two looks at success rates. Default 10s, 100ms to 1h.
    package var interval = Duration.seconds(10)
    /// The first ejection's length; the next ones are as many times longer. Default 30s, 100ms to 1h.
    package var baseEjectionTime = Duration.seconds(30)
    /// Default 300s, or `base_ejection_time` if that is longer.
    package var maxEjectionTime = Duration.seconds(300)
    /// A random time up to this is added. Default 0, to 1h.
    package var maxEjectionTimeJitter = Duration.zero
    /// Of a cluster's endpoints, ejected at once. Default 0.1.
    package var maxEjectionPercent = 0.1
    /// One endpoint may be ejected although that is more than `maxEjectionPercent`. Default true: at Envoy's false, ten
    /// endpoints are needed before 10% ejects any.
    package var alwaysEjectsOne = true
    /// Requests at once to an endpoint that comes back, and successes in a row that end its probation. Default 3, 1 to 1000.
    package var halfOpenRequests = 3
    /// A health check that succeeds ends the ejection: the endpoint is on probation at once. Default false.
    package var checkUnejects = false

    package struct SuccessRate: Sendable, Equatable {
        /// Endpoints with `requestVolume` that are needed. Default 5.
        package var minimumHosts = 5
        /// Default 100.
        package var requestVolume = 100
        /// Thousandths of the standard deviation below the mean. Default 1900.
        package var stdevFactor = 1900
    }
    package struct FailurePercentage: Sendable, Equatable {
        /// Default 85.
        package var threshold = 0.85
        package var minimumHosts = 5
        package var requestVolume = 50
    }
    package var successRate = SuccessRate()
    package var failurePercentage = FailurePercentage()

    /// How likely each finding leads to an ejection. Percentages as fractions.
    package struct Enforcing: Sendable, Equatable {
        package var consecutive5xx = 1.0
        package var consecutiveGatewayFailure = 0.0
        package var consecutiveLocalOriginFailure = 1.0
        package var successRate = 1.0
        package var localOriginSuccessRate = 1.0
        package var failurePercentage = 0.0
        package var failurePercentageLocalOrigin = 0.0
    }
    package var enforcing = Enforcing()

    init() {}

    init(_ section: ConfigSection) {
        consecutive5xx = section.int("consecutive_5xx", default: consecutive5xx, in: 0...1_000_000)
        consecutiveGatewayFailure = section.int(
            "consecutive_gateway_failure", default: consecutiveGatewayFailure, in: 0...1_000_000)
        consecutiveLocalOriginFailure = section.int(
            "consecutive_local_origin_failure", default: consecutiveLocalOriginFailure, in: 0...1_000_000)
        splitsLocalOrigin = section.bool("split_external_local_origin_errors", default: splitsLocalOrigin)
        let times = Duration.milliseconds(100) ... .seconds(3600)
        interval = section.duration("interval", default: interval, in: times)
        baseEjectionTime = section.duration("base_ejection_time", default: baseEjectionTime, in: times)
        maxEjectionTime = section.duration(
            "max_ejection_time", default: max(maxEjectionTime, baseEjectionTime), in: times)
        if maxEjectionTime < baseEjectionTime {
            section.error(at: "max_ejection_time", "is below base_ejection_time")
        }
        maxEjectionTimeJitter = section.duration(
            "max_ejection_time_jitter", default: .zero, in: .zero ... .seconds(3600))
        maxEjectionPercent = section.percent("max_ejection_percent", default: maxEjectionPercent)
        alwaysEjectsOne = section.bool("always_eject_one_host", default: alwaysEjectsOne)
        halfOpenRequests = section.int("half_open_requests", default: halfOpenRequests, in: 1...1000)
        checkUnejects = section.bool("successful_active_health_check_uneject_host", default: checkUnejects)
        successRate.minimumHosts = section.int("success_rate_minimum_hosts", default: 5, in: 1...1_000_000)
        successRate.requestVolume = section.int("success_rate_request_volume", default: 100, in: 1...1_000_000)
        successRate.stdevFactor = section.int("success_rate_stdev_factor", default: 1900, in: 0...1_000_000)
        failurePercentage.threshold = section.percent("failure_percentage_threshold", default: 0.85)
        failurePercentage.minimumHosts = section.int(
            "failure_percentage_minimum_hosts", default: 5, in: 1...1_000_000)
        failurePercentage.requestVolume = section.int(
            "failure_percentage_request_volume", default: 50, in: 1...1_000_000)
        enforcing = Enforcing(section)
        if section.has("consecutive_local_origin_failure") && !splitsLocalOrigin {
            section.error(
                at: "consecutive_local_origin_failure", "is not used",
                hint: "add split_external_local_origin_errors: true")
        }
    }
}

extension OutlierConfig.Enforcing {
    init(_ section: ConfigSection) {
        consecutive5xx = section.percent("enforcing_consecutive_5xx", default: 1)
        consecutiveGatewayFailure = section.percent("enforcing_consecutive_gateway_failure", default: 0)
        consecutiveLocalOriginFailure = section.percent("enforcing_consecutive_local_origin_failure", default: 1)
        successRate = section.percent("enforcing_success_rate", default: 1)
        localOriginSuccessRate = section.percent("enforcing_local_origin_success_rate", default: 1)
        failurePercentage = section.percent("enforcing_failure_percentage", default: 0)
        failurePercentageLocalOrigin = section.percent("enforcing_failure_percentage_local_origin", default: 0)
    }
}

extension OutlierConfig {
    var json: ConfigJSON {
        .object([
            ("consecutive_5xx", .number(consecutive5xx)),
            ("consecutive_gateway_failure", .number(consecutiveGatewayFailure)),
            (
                "consecutive_local_origin_failure",
                splitsLocalOrigin ? .number(consecutiveLocalOriginFailure) : nil
            ),
            ("split_external_local_origin_errors", .bool(splitsLocalOrigin)),
            ("interval", .string(ConfigText.duration(interval))),
            ("base_ejection_time", .string(ConfigText.duration(baseEjectionTime))),
            ("max_ejection_time", .string(ConfigText.duration(maxEjectionTime))),
            ("max_ejection_time_jitter", .string(ConfigText.duration(maxEjectionTimeJitter))),
            ("max_ejection_percent", .string(ConfigText.percent(maxEjectionPercent))),
            ("always_eject_one_host", .bool(alwaysEjectsOne)),
            ("half_open_requests", .number(halfOpenRequests)),
            ("successful_active_health_check_uneject_host", .bool(checkUnejects)),
            ("success_rate_minimum_hosts", .number(successRate.minimumHosts)),
            ("success_rate_request_volume", .number(successRate.requestVolume)),
            ("success_rate_stdev_factor", .number(successRate.stdevFactor)),
            ("failure_percentage_threshold", .string(ConfigText.percent(failurePercentage.threshold))),
            ("failure_percentage_minimum_hosts", .number(failurePercentage.minimumHosts)),
            ("failure_percentage_request_volume", .number(failurePercentage.requestVolume)),
            ("enforcing_consecutive_5xx", .string(ConfigText.percent(enforcing.consecutive5xx))),
            (
                "enforcing_consecutive_gateway_failure",
                .string(ConfigText.percent(enforcing.consecutiveGatewayFailure))
            ),
            (
                "enforcing_consecutive_local_origin_failure",
                .string(ConfigText.percent(enforcing.consecutiveLocalOriginFailure))
            ),
            ("enforcing_success_rate", .string(ConfigText.percent(enforcing.successRate))),
            ("enforcing_local_origin_success_rate", .string(ConfigText.percent(enforcing.localOriginSuccessRate))),
            ("enforcing_failure_percentage", .string(ConfigText.percent(enforcing.failurePercentage))),
            (
                "enforcing_failure_percentage_local_origin",
                .string(ConfigText.percent(enforcing.failurePercentageLocalOrigin))
            ),
        ])
    }
}
