internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletNet

/// What a listener's connections go through before their protocol begins.
struct OpeningPlan {
    let proxyProtocol: ProxyProtocolConfig?
    /// Whose PROXY headers are believed; empty: everybody's.
    let trusted: IPSet
    /// Nil: clear text.
    let tls: ListenerTLS?
    /// Clear text is taken as well.
    let isTLSOptional: Bool
    let isHTTP: Bool
    /// What is neither HTTP nor TLS has somewhere to go; of a tcp listener, all that is not told apart by name.
    let hasTarget: Bool
    /// Where a connection goes depends on the name that its TLS handshake asks for.
    let peeksName: Bool
    /// How long the first bytes may be waited for that tell protocols apart; nil when they need not be.
    let detectTime: Nanoseconds?
    /// How long the rest of a handshake's first message may then take.
    let helloTime: Nanoseconds?

    init(_ listener: ListenerConfig, _ tls: ListenerTLS?) {
        self.tls = tls
        proxyProtocol = listener.proxyProtocol
        trusted = IPSet(listener.proxyProtocol?.trusted ?? [])
        isTLSOptional = listener.tls?.isOptional == true
        isHTTP = listener.protocol == .http
        hasTarget = listener.tcp?.target != nil || listener.other != nil
        peeksName = listener.tcp?.sni.isEmpty == false
        if peeksName {
            // With somewhere to go without a name, a client may also be waiting for the server to speak.
            let whole = Nanoseconds(TCPConfig.clientHelloTimeout)
            detectTime = hasTarget ? Nanoseconds(listener.limits.detectTimeout) : whole
            helloTime = hasTarget ? whole : nil
        } else {
            helloTime = nil
            detectTime = isTLSOptional || listener.other != nil ? Nanoseconds(listener.limits.detectTimeout) : nil
        }
    }

    var isTLS: Bool { tls != nil }

    /// Connections are HTTP in clear text from their first byte.
    var isPlainHTTP: Bool { isHTTP && proxyProtocol == nil && !isTLS && detectTime == nil }
}

/// Why a connection was closed before its protocol began.
enum OpeningRefusal: String, CaseIterable {
    case proxyHeaderMissing = "proxy_header_missing"
    case proxyHeaderMalformed = "proxy_header_malformed"
    case proxyHeaderUntrusted = "proxy_header_untrusted"
    case proxyHeaderTimeout = "proxy_header_timeout"
    case clientHelloMalformed = "client_hello_malformed"
    case clientHelloTimeout = "client_hello_timeout"
    case notTLS = "not_tls"
    case unexpectedTLS = "unexpected_tls"
    case handshakeTimeout = "handshake_timeout"
    /// The client broke a rule of TLS, or shares no version, suite or group with us.
    case handshakeFailed = "handshake_failed"
    /// It would have nothing to do with us: most often it does not trust our certificate.
    case clientAlert = "client_alert"
    case certificateMissing = "client_certificate_missing"
    case certificateUntrusted = "client_certificate_untrusted"
    case certificateName = "client_certificate_wrong_name"
    case noCommonProtocol = "no_common_protocol"
    case tooManyHandshakes = "too_many_handshakes"
    case clientGone = "client_gone"
    case drained = "drained"
}

extension OpeningRefusal {
    init(_ failure: TLSFailure) {
        self =
            switch failure.kind {
            case .protocolError: .handshakeFailed
            case .alert: .clientAlert
            case .noCertificate: .certificateMissing
            case .untrusted: .certificateUntrusted
            case .wrongName: .certificateName
            case .noCommonProtocol: .noCommonProtocol
            case .ended: .clientGone
            }
    }
}

/// Counts them, for one listener.
final class OpeningCounts {
    private let counters: [OpeningRefusal: Counter]
    let handshakes: Counter
    let resumptions: Counter

    init(_ labels: [(String, String)], _ metrics: Metrics) {
        handshakes = metrics.counter("martlet_downstream_tls_handshakes_total", labels)
        resumptions = metrics.counter("martlet_downstream_tls_resumptions_total", labels)
        counters = Dictionary(
            uniqueKeysWithValues: OpeningRefusal.allCases.map {
                (
                    $0,
                    metrics.counter("martlet_downstream_openings_failed_total", labels + [("reason", $0.rawValue)])
                )
            })
    }

    func count(_ reason: OpeningRefusal) { counters[reason]?.add() }

    // MARK: What is told of them

    /// When the next handshake that fails has a line in the log again, and how many have had none since the last.
    private var nextWord = Instant(nanoseconds: 0)
    private var untold = 0

    /// What to write of a client's handshake that failed; nil most of the time, for clients can fail as often as they like.
    func words(of failure: String, at now: Instant) -> String? {
        guard now >= nextWord else {
            untold += 1
            return nil
        }
        nextWord = now + .seconds(1)
        defer { untold = 0 }
        return untold == 0 ? failure : "\(failure) (and \(untold) more since the last that was told)"
    }
}
