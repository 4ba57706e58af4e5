package import MartletCore

/// The filters of one listener on one worker, with one list a hook. Response lists are reversed.
package final class Chain {
    package struct Entry {
        package let filter: any Filter
        /// Place in the configured chain, from 0.
        package let position: Int
        let wantsBodyEnd: Bool
    }

    package let requestHead: [Entry]
    package let requestBody: [Entry]
    package let requestTrailers: [Entry]
    package let responseHead: [Entry]
    package let responseBody: [Entry]
    package let responseTrailers: [Entry]
    package let end: [Entry]
    package let routes: RouteIndex
    /// Of a body that a filter has collected, unless it says otherwise (`filter_buffer`).
    package let bodyLimit: ByteCount
    let localReplies: LocalReplies

    package init(
        filters: [any Filter], routes: RouteIndex, bodyLimit: ByteCount = .mebibytes(1),
        localReplies: LocalReplies = .standard
    ) {
        self.localReplies = localReplies
        self.bodyLimit = bodyLimit
        let entries = filters.enumerated().map {
            Entry(filter: $0.element, position: $0.offset, wantsBodyEnd: $0.element.hooks.contains(.bodyEnd))
        }
        func wanting(_ hook: Hooks) -> [Entry] { entries.filter { $0.filter.hooks.contains(hook) } }
        requestHead = wanting(.requestHead)
        requestBody = wanting(.requestBody)
        requestTrailers = wanting(.requestTrailers)
        responseHead = wanting(.responseHead).reversed()
        responseBody = wanting(.responseBody).reversed()
        responseTrailers = wanting(.responseTrailers).reversed()
        end = wanting(.end)
        self.routes = routes
    }
}
