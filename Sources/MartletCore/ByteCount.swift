/// A number of bytes, so that a limit in the configuration cannot be taken for a count of something else.
public struct ByteCount: Sendable, Comparable, Hashable, ExpressibleByIntegerLiteral {
    public var bytes: Int

    public init(_ bytes: Int) { self.bytes = bytes }
    public init(integerLiteral value: Int) { bytes = value }

    public static func kibibytes(_ count: Int) -> ByteCount { ByteCount(count * 1024) }
    public static func mebibytes(_ count: Int) -> ByteCount { ByteCount(count * 1024 * 1024) }
    public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }
}
