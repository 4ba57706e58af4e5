internal import MartletXDS

/// What the supervisor asks of the worker that carries its stream, or its questions, to the control plane. Streams and questions
/// are numbered, so that what is late about one is not taken for the next.
enum DiscoveryOrder: Sendable {
    case open(stream: Int, cluster: String, path: String, authority: String)
    case send(stream: Int, [UInt8])
    case close
    /// Over REST.
    case ask(DiscoveryQuestion)
}

/// What that worker tells, and who reads answers for the supervisor.
enum DiscoveryNews: Sendable {
    case message(stream: Int, [UInt8])
    /// It is over, for that reason.
    case ended(stream: Int, String)
    case answered(question: Int, ResourceType, DiscoveryAnswer)
    case read(question: Int, [Result<DiscoveryOffer, DiscoveryClient.Unreadable>])
}

struct DiscoveryQuestion: Sendable {
    let number: Int
    let type: ResourceType
    let cluster: String
    let path: String
    let body: [UInt8]
    let timeout: Duration
}

enum DiscoveryAnswer: Sendable {
    case response(status: Int, [UInt8])
    /// There was none, for that reason.
    case failure(String)
}

/// An answer that nobody has looked into yet.
struct DiscoveryBody: Sendable {
    let type: ResourceType
    let bytes: [UInt8]

    func read() -> Result<DiscoveryOffer, DiscoveryClient.Unreadable> {
        Result { () throws(DiscoveryClient.Unreadable) in try DiscoveryOffer.read(json: bytes, type) }
    }
}
