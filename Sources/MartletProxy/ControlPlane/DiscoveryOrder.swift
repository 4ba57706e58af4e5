internal import MartletCore
internal import MartletGRPC
internal import MartletXDS

/// What the supervisor asks of the worker that carries its streams, or its questions, to the control plane. Streams and questions
/// are numbered, so that what is late about one is not taken for the next.
enum DiscoveryOrder: Sendable {
    case open(DiscoveryCall)
    case send(stream: Int, [UInt8])
    case close(stream: Int)
    /// Over REST.
    case ask(DiscoveryQuestion)
}

/// What that worker tells, and who reads answers for the supervisor.
enum DiscoveryNews: Sendable {
    case message(stream: Int, [UInt8])
    /// It is over, for that reason.
    case ended(stream: Int, GRPCStatus, String)
    case answered(question: Int, ResourceType, DiscoveryAnswer)
    case read(question: Int, [Result<DiscoveryOffer, DiscoveryClient.Unreadable>])
}

/// A stream: of discovery, or of reports.
struct DiscoveryCall: Sendable {
    let stream: Int
    let cluster: String
    /// Of the gRPC method.
    let path: String
    /// Of the answers.
    let maxMessage: ByteCount
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
