internal import Foundation
internal import MartletXDSMessages
internal import SwiftProtobuf

// `health_check`. What Envoy requires is always written, Martlet's defaults included; on the way back defaults are left out.

extension Envoy_Config_Core_V3_HealthCheck {
    /// Nil: it asks for nothing that could be said here.
    init?(_ check: DocumentSection) {
        self.init()
        let interval = check.duration("interval") ?? .seconds(5)
        self.interval = .init(interval)
        timeout = .init(check.duration("timeout") ?? .seconds(1))
        unhealthyThreshold = .init(check.int("unhealthy_threshold") ?? 3) ?? .init(3)
        healthyThreshold = .init(check.int("healthy_threshold") ?? 2) ?? .init(2)
        intervalJitterPercent = UInt32(((check.percent("jitter") ?? 0.1) * 100).rounded())
        if let interval = check.duration("unhealthy_interval") { unhealthyInterval = .init(interval) }
        noTrafficInterval = .init(check.duration("no_traffic_interval") ?? interval)
        if let port = Google_Protobuf_UInt32Value(check.int("port")) { altPort = port }
        if let http = check.section("http") {
            httpHealthCheck = .init(http)
        } else if let tcp = check.section("tcp") {
            tcpHealthCheck = .init()
            if let text = tcp.text("send"), !text.isEmpty { tcpHealthCheck.send = .init(text) }
            if let text = tcp.text("receive"), !text.isEmpty { tcpHealthCheck.receive = [.init(text)] }
        } else if let grpc = check.section("grpc") {
            grpcHealthCheck = .init()
            grpcHealthCheck.serviceName = grpc.text("service") ?? ""
            grpcHealthCheck.authority = grpc.text("authority") ?? ""
        } else {
            return nil
        }
    }

    func document(_ reading: ResourceReading) -> DocumentSection {
        var check = DocumentSection()
        switch healthChecker {
        case .httpHealthCheck(let http): check["http"] = .section(http.document(reading))
        case .tcpHealthCheck(let tcp):
            if tcp.receive.count > 1 { reading.unsupported("tcp_health_check.receive", "more than one payload") }
            check["tcp"] = .object(
                ("send", tcp.hasSend ? tcp.send.document(reading) : nil),
                ("receive", tcp.receive.first.flatMap { $0.document(reading) }))
        case .grpcHealthCheck(let grpc):
            check["grpc"] = .object(
                ("service", grpc.serviceName.isEmpty ? nil : .text(grpc.serviceName)),
                ("authority", grpc.authority.isEmpty ? nil : .text(grpc.authority)))
        case nil: reading.error("health_checks: there is no health_checker")
        }
        func put(_ key: String, _ value: Document, unless standard: Document?) {
            if value != standard { check[key] = value }
        }
        put("interval", interval.document, unless: .duration(.seconds(5)))
        put("timeout", timeout.document, unless: .duration(.seconds(1)))
        put("unhealthy_threshold", .int(unhealthyThreshold.value), unless: .int(3))
        put("healthy_threshold", .int(healthyThreshold.value), unless: .int(2))
        put("jitter", .percent(Double(intervalJitterPercent) / 100), unless: .percent(0.1))
        if hasUnhealthyInterval { check["unhealthy_interval"] = unhealthyInterval.document }
        put(
            "no_traffic_interval", hasNoTrafficInterval ? noTrafficInterval.document : .duration(.seconds(60)),
            unless: interval.document)
        if hasAltPort { check["port"] = .int(altPort.value) }
        if hasReuseConnection, !reuseConnection.value {
            reading.warning("health_checks: each check has a connection of its own")
        }
        return check
    }
}

extension Envoy_Config_Core_V3_HealthCheck.Payload {
    fileprivate init(_ text: String) {
        self.init()
        self.text = text.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    fileprivate func document(_ reading: ResourceReading) -> Document? {
        switch payload {
        case .binary(let data):
            if let text = String(data: data, encoding: .utf8) { return .text(text) }
        case .text(let digits):
            let digits = Array(digits)
            let pairs = stride(from: 0, to: digits.count, by: 2).map {
                UInt8(String(digits[$0..<min($0 + 2, digits.count)]), radix: 16)
            }
            let bytes = pairs.compactMap { $0 }
            if bytes.count == pairs.count, let text = String(validating: bytes, as: UTF8.self) { return .text(text) }
        case nil: return nil
        }
        reading.unsupported("tcp_health_check", "a payload that is no text")
        return nil
    }
}

extension Envoy_Config_Core_V3_HealthCheck.HttpHealthCheck {
    private static let methods: [(String, Envoy_Config_Core_V3_RequestMethod)] = [
        ("GET", .get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete), ("OPTIONS", .options),
        ("PATCH", .patch),
    ]

    fileprivate init(_ http: DocumentSection) {
        self.init()
        path = http.text("path") ?? "/"
        host = http.text("host") ?? ""
        method = Self.methods.first { $0.0 == http.text("method") }?.1 ?? .methodUnspecified
        expectedStatuses = (http.texts("expect") ?? []).compactMap { text in
            let ends = text.split(separator: "-").compactMap { Int64($0) }
            guard let first = ends.first, let last = ends.last else { return nil }
            return .with { ($0.start, $0.end) = (first, last + 1) }
        }
    }

    fileprivate func document(_ reading: ResourceReading) -> DocumentSection {
        var http = DocumentSection()
        http["path"] = .text(path)
        if let name = Self.methods.first(where: { $0.1 == method })?.0 {
            http["method"] = .text(name)
        } else if method != .methodUnspecified {
            reading.unsupported("http_health_check.method", "\(method)")
        }
        if !host.isEmpty { http["host"] = .text(host) }
        if !expectedStatuses.isEmpty {
            http["expect"] = .list(
                expectedStatuses.map { range in
                    range.start &+ 1 == range.end
                        ? .int(range.start) : .text("\(range.start)-\(range.end &- 1)")
                })
        }
        return http
    }
}
