package import CMartletModule

/// Where the handles of one exchange's parts are kept: written when it begins and when it ends, and read by all faces of
/// its parts, which hold this object.
@safe
package final class LentParts {
    package private(set) var parts: martlet_borrowed_parts?

    package init() { unsafe parts = nil }

    @inline(__always)
    package func open(_ parts: martlet_borrowed_parts) { unsafe self.parts = unsafe parts }
    @inline(__always)
    package func close() { unsafe parts = nil }
}
