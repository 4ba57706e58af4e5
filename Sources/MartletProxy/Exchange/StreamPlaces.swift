/// The streams of one HTTP/2 connection, found by the tag that its session knows them by: a place that is used again, plus one.
struct StreamPlaces<Stream: AnyObject> {
    private var streams: [Stream?] = []
    private var free: [Int] = []

    var count: Int { streams.count - free.count }

    subscript(tag: Int) -> Stream? { streams.indices.contains(tag - 1) ? streams[tag - 1] : nil }

    /// Its tag.
    mutating func insert(_ stream: Stream) -> Int {
        guard let place = free.popLast() else {
            streams.append(stream)
            return streams.count
        }
        streams[place] = stream
        return place + 1
    }

    /// The stream that had the tag.
    mutating func remove(_ tag: Int) -> Stream? {
        guard let stream = self[tag] else { return nil }
        streams[tag - 1] = nil
        free.append(tag - 1)
        return stream
    }

    /// Of a copy, when what is done to one stream may end others.
    func forEach(_ body: (Stream) -> Void) { for case let stream? in streams { body(stream) } }

    /// All of them, and none is left.
    mutating func takeAll() -> Self {
        defer { self = Self() }
        return self
    }
}
