/// Why a stream's head cannot be used, or why a connection was given up. Named by what was found; `status` is what a
/// server answers to a request, `Rescue` decides.
package enum HTTP2Fault: String, Error, Sendable, CaseIterable {
    // Of one head. A stream with one that is malformed in other ways is reset.
    case headTooLarge = "head larger than the limit"
    case tooManyFields = "more fields than the limit"
    case badMethod = "method is not a token"
    case badTarget = "path has a form or character that is not allowed"
    case badScheme = "scheme is neither http nor https"
    case badAuthority = "authority is not a host with an optional port"
    case differentHosts = "host is not what the authority says"
    case contentInConnect = "CONNECT with a content-length"
    case badProtocol = "protocol of an extended CONNECT is not a token, or is HTTP"
    case unknownExpectation = "expect is not 100-continue"
    case badStatus = "status is not from 100 to 599"
    case tooManyInformational = "too many 1xx responses"
    // Of a connection, from here on.
    case badPreface = "connection does not begin with the HTTP/2 preface"
    case protocolViolation = "peer broke the rules of the protocol"
    case rapidReset = "peer resets too many of its streams"
    case provokedResets = "peer makes us reset too many streams"
    case continuationFlood = "header block of too many or too large frames"
    case settingsFlood = "too many SETTINGS frames"
    case pingFlood = "too many PING frames"
    case emptyDataFlood = "too many empty DATA frames"
    case priorityFlood = "too many PRIORITY frames"
    case windowUpdateFlood = "too many WINDOW_UPDATE frames"
    case unknownFrameFlood = "too many frames of unknown types"
    case strayFrameFlood = "too many frames for streams that are over"
    case refusedStreamFlood = "too many streams beyond how many there may be at once"
    case outputFlood = "peer does not take what it made us answer"
    case ended = "we ended the connection"
    case noMemory = "no memory"

    /// Its name in metrics: `rapid_reset`.
    package var label: String {
        "\(self)".reduce(into: "") { $0 += $1.isUppercase ? "_\($1.lowercased())" : "\($1)" }
    }

    package var status: UInt16 {
        switch self {
        case .headTooLarge, .tooManyFields: 431
        case .unknownExpectation: 417
        default: 400
        }
    }
}
