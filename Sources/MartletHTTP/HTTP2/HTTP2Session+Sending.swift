internal import CHTTP2
package import MartletCore

/// Heads, body and trailers into frames.
extension HTTP2Session {
    /// Client role: opens a stream. `ended`: no body and no trailers follow. Nil, and nothing is sent, when the head cannot be
    /// encoded or no stream can be opened; ask `canOpenStream` before. A head that `asksForUpgrade` goes as an extended
    /// CONNECT, which takes a peer that allows it.
    package func sendRequest(_ head: RequestHead, ended: Bool, tag: Int) -> Int32? {
        guard head.isSafeLine else { return nil }
        let headers = head.headers
        let authority = head.method == .connect ? head.target() : head.authority()
        unsafe mrt_h2_head_begin(session)
        digits.removeAll()
        if head.asksForUpgrade {
            guard peerAllowsExtendedConnect, let wanted = headers.firstIndex(id: .upgrade),
                head.hasPlainUpgrade
            else { return nil }
            add(":method", "CONNECT")
            guard add(":protocol", headers.value(at: wanted)) else { return nil }
        } else {
            guard add(":method", head.methodBytes()) else { return nil }
        }
        if head.method != .connect {
            add(":scheme", head.scheme == .https ? "https" : "http")
            guard add(":path", head.target()) else { return nil }
        }
        if !authority.isEmpty {
            guard HeaderTable.isSafeValue(authority), add(":authority", authority) else { return nil }
        }
        guard addFields(headers, of: .request, isUpgrade: head.asksForUpgrade, length: head.body) else { return nil }
        let method =
            switch head.method {
            case .head: MRT_H2_HEAD
            case .connect: MRT_H2_CONNECT
            default: head.asksForUpgrade ? MRT_H2_CONNECT : MRT_H2_ANY_METHOD
            }
        let stream = unsafe mrt_h2_submit_request(session, method, ended, Int64(tag))
        return stream > 0 ? stream : nil
    }

    /// Server role: the final response's head. `framing`: how long its body is. `keepsLength`: content-length describes what
    /// is not sent, as for HEAD. `ended`: nothing follows. False, and nothing is sent, when it cannot be encoded.
    package func sendResponse(
        _ head: ResponseHead, framing: BodyLength, keepsLength: Bool, ended: Bool, on stream: Int32
    ) -> Bool {
        guard begin(head), (200...999).contains(head.status) else { return false }
        guard addFields(head.headers, of: .response, length: framing, keepsLength: keepsLength) else { return false }
        return unsafe mrt_h2_submit_response(session, stream, ended)
    }

    /// Server role: a 1xx head; not 101, of which HTTP/2 has none. Before the final one.
    package func sendInformational(_ head: ResponseHead, on stream: Int32) -> Bool {
        guard begin(head), (100...199).contains(head.status), head.status != 101 else { return false }
        guard addFields(head.headers, of: .response, length: .none) else { return false }
        return unsafe mrt_h2_submit_informational(session, stream)
    }

    /// Queues body. `ended`: the message ends with it. Does nothing when the stream takes no more.
    package func sendData(_ slice: ByteSlice, ended: Bool, on stream: Int32) {
        let slot = unsafe mrt_h2_queue(session, stream, slice.count, ended)
        guard slot >= 0, !slice.isEmpty else { return }
        while queues.count <= Int(slot) { queues.append(HTTP2SendQueue()) }
        queues[Int(slot)].append(staged(slice))
    }

    /// A small piece must not hold the large buffer that it was read into until its turn to be sent has come: the next read
    /// would need another, and each of many streams would hold one.
    private func staged(_ slice: ByteSlice) -> ByteSlice {
        guard slice.count <= Self.stagedAtMost, slice.count < slice.buffer.capacity / 4 else { return slice }
        if isKnownUniquelyReferenced(&staging) { staging?.removeAll() }
        if staging == nil || (staging?.free ?? 0) < slice.count { staging = ByteBuffer(capacity: Self.stagingSize) }
        guard let staging else { return slice }
        let start = staging.count
        staging.append(slice.bytes())
        return ByteSlice(staging, start..<staging.count)
    }

    private static let stagedAtMost = 2048
    private static let stagingSize = 8192

    /// Ends the message with trailers, behind the body that is queued. False, and the message goes on, when there are none or
    /// they cannot be encoded.
    package func sendTrailers(_ trailers: HeaderTable, on stream: Int32) -> Bool {
        unsafe mrt_h2_head_begin(session)
        guard addFields(trailers, of: .trailers, length: .none) else { return false }
        return unsafe mrt_h2_submit_trailers(session, stream)
    }

    /// The stream's number means something still.
    package func isOpen(_ stream: Int32) -> Bool { unsafe mrt_h2_is_open(session, stream) }

    /// Our last frame of the stream has been made, whatever its peer still sends; also when there is no such stream.
    package func hasSentEnd(of stream: Int32) -> Bool { unsafe mrt_h2_has_sent_end(session, stream) }

    /// Body of the stream that is queued here.
    package func queuedBytes(of stream: Int32) -> Int { unsafe mrt_h2_queued(session, stream) }

    /// One `drained` comes once no more than `left` bytes of the stream's body are queued here; at once when it is so already.
    package func askDrained(_ stream: Int32, left: Int = 16_384) {
        unsafe mrt_h2_ask_drained(session, stream, max(left, 0))
    }

    /// Ends the stream now; what is queued for it is dropped. `provoked`: for what the peer did wrong, which counts.
    package func reset(_ stream: Int32, _ error: HTTP2Error, provoked: Bool = false) {
        let slot = unsafe mrt_h2_reset(session, stream, error.rawValue, provoked)
        if slot >= 0 && Int(slot) < queues.count { queues[Int(slot)].removeAll() }
    }

    /// There are frames that can be written now.
    package var wantsFlush: Bool { unsafe mrt_h2_wants_pull(session) }

    // MARK: Frames out

    /// Body of a frame up to this is copied behind its header; more is shared.
    private static let copied = 8192

    /// Writes frames until there are none or `limit` bytes have been written, which the last frame may go beyond; says how
    /// many were.
    package func flush(into output: any HTTP2Output, atMost limit: Int) -> Int {
        var written = 0
        var chunk = unsafe mrt_h2_chunk()
        while written < limit {
            unsafe mrt_h2_pull(session, &chunk)
            guard let bytes = unsafe chunk.bytes, unsafe chunk.count > 0 else { break }
            let count = unsafe chunk.count
            let body = unsafe chunk.body
            let slot = unsafe Int(chunk.slot)
            let shares = body > Self.copied
            output.write(reserving: count + (shares ? 0 : body)) { buffer in
                // Valid until the next pull, which comes after.
                _ = unsafe buffer.append(Span(_unsafeStart: bytes, count: count))
                if !shares { copy(body, from: slot, to: buffer) }
            }
            if shares { share(body, from: slot, with: output) }
            written += count + body
        }
        return written
    }

    private func copy(_ count: Int, from slot: Int, to buffer: ByteBuffer) {
        var left = count
        while left > 0, slot < queues.count, let piece = queues[slot].take(atMost: left) {
            buffer.append(piece.bytes())
            left -= piece.count
        }
    }

    private func share(_ count: Int, from slot: Int, with output: any HTTP2Output) {
        var left = count
        while left > 0, slot < queues.count, let piece = queues[slot].take(atMost: left) {
            left -= piece.count
            output.write(piece)
        }
    }

    // MARK: Fields out

    private enum Kind { case request, response, trailers }

    // RFC 9113 section 8.2.2, and what is written anew from what is known.
    private static let dropped: HeaderIDs = [
        .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade, .http2Settings,
    ]

    private func begin(_ head: ResponseHead) -> Bool {
        let digits = self.digits
        unsafe mrt_h2_head_begin(session)
        digits.removeAll()
        digits.append(decimal: UInt64(head.status))
        return add(":status", digits.bytes())
    }

    private func addFields(
        _ headers: HeaderTable, of kind: Kind, isUpgrade: Bool = false, length: BodyLength, keepsLength: Bool = false
    ) -> Bool {
        var wroteLength = kind == .trailers
        let isWritten = headers.forEachSendable(leaving: Self.dropped) { id, name, value in
            var isSecret = false
            switch id {
            case .unknown: return add(name, value)
            case .host:
                if case .request = kind { return true }
            case .te:
                // RFC 9113 section 8.2.2: the only thing it may say.
                guard case .request = kind, value.equalsIgnoringCase("trailers") else { return true }
            case .contentLength:
                if wroteLength { return true }
                if !keepsLength {
                    guard case .exactly(let count) = length else { return true }
                    wroteLength = true
                    return addLength(count)
                }
                wroteLength = true
            // RFC 8441 section 5: of the handshake in HTTP/1.1 only.
            case .secWebSocketKey: if isUpgrade { return true }
            case .authorization, .proxyAuthorization: isSecret = true
            default: break
            }
            return add(id.text, value, isSecret: isSecret)
        }
        guard isWritten else { return false }
        if case .exactly(let count) = length, !wroteLength { return addLength(count) }
        return true
    }

    private func addLength(_ count: UInt64) -> Bool {
        // Behind the status, which must stay where it is.
        let digits = self.digits
        let start = digits.count
        digits.append(decimal: count)
        return add("content-length", digits.bytes(in: start..<digits.count))
    }

    @discardableResult
    private func add(_ name: StaticString, _ value: StaticString) -> Bool {
        // Static strings live for ever.
        unsafe mrt_h2_head_add(
            session, name.utf8Start, name.utf8CodeUnitCount, value.utf8Start, value.utf8CodeUnitCount,
            MRT_H2_STATIC_NAME.rawValue)
    }

    private func add(_ name: StaticString, _ value: Span<UInt8>, isSecret: Bool = false) -> Bool {
        let traits = isSecret ? MRT_H2_STATIC_NAME.rawValue | MRT_H2_SECRET.rawValue : MRT_H2_STATIC_NAME.rawValue
        return unsafe value.withUnsafeBytes {
            // The bytes lie in an arena or in `digits`, neither of which is written to before the head is submitted.
            unsafe mrt_h2_head_add(session, name.utf8Start, name.utf8CodeUnitCount, $0.baseAddress, $0.count, traits)
        }
    }

    private func add(_ name: Span<UInt8>, _ value: Span<UInt8>) -> Bool {
        unsafe name.withUnsafeBytes { name in
            unsafe value.withUnsafeBytes { value in
                // As above.
                unsafe mrt_h2_head_add(session, name.baseAddress, name.count, value.baseAddress, value.count, 0)
            }
        }
    }
}
