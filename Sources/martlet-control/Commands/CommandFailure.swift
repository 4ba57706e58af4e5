internal import MartletConfig
internal import MartletControlServer

/// Why a command ends otherwise than well; each way has its exit code.
enum CommandFailure: Error {
    /// Said already.
    case silent
    /// The control plane, or a file here, says no.
    case refused(String)
    case invalid([MistakeMessage])
    case usage(String)
    case conflict(String)
    /// It cannot be asked, or does not let us in.
    case unreachable(String)

    var exitCode: Int32 {
        switch self {
        case .silent, .refused, .invalid: 1
        case .usage: 2
        case .conflict: 3
        case .unreachable: 4
        }
    }

    func print() {
        switch self {
        case .silent: break
        case .invalid(let mistakes): for mistake in mistakes { Swift.print(ConfigError.printable(mistake.text)) }
        case .refused(let text), .usage(let text), .conflict(let text), .unreachable(let text):
            StandardError.print("martlet: " + ConfigError.printable(text))
        }
    }

    init(status: Int, _ failure: FailureMessage?) {
        let text = failure?.error.message ?? "the answer's status is \(status)"
        switch status {
        case 422 where failure?.error.errors.isEmpty == false: self = .invalid(failure?.error.errors ?? [])
        case 401, 403, 502, 503, 504: self = .unreachable(text)
        case 409: self = .conflict(text)
        default: self = .refused(text)
        }
    }
}
