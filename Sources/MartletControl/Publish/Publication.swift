/// What a group of proxies is to have, of which revision.
package struct Publication: Sendable {
    package let snapshot: Snapshot
    package let revision: Revision
    /// When it became known here, in milliseconds since 1970.
    package let time: Int64
}
