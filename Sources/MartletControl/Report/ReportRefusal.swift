/// Why a proxy's report is not taken.
package enum ReportRefusal: Error, Sendable, Equatable, CustomStringConvertible {
    case missingNode
    case otherNode(String)
    /// It may be by another replica that the proxy gets its configuration.
    case notConnected(String)
    case otherAddress(String)

    package var description: String {
        switch self {
        case .missingNode: "the first report on a stream must have a node with an id"
        case .otherNode(let id): "the stream reports for another node than \"\(id.prefix(100))\""
        case .notConnected(let id): "no proxy \"\(id.prefix(100))\" gets its configuration here"
        case .otherAddress(let id): "the proxy \"\(id.prefix(100))\" gets its configuration at another address"
        }
    }
}
