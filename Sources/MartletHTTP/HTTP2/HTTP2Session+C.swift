internal import CHTTP2
internal import MartletCore

// Between the words of the C side and ours.

extension mrt_h2_config {
    init(isServer: Bool, _ settings: HTTP2Settings, _ limits: HTTP2Limits) {
        func bound(_ value: Int) -> UInt32 { UInt32(min(max(value, 0), 1 << 30)) }
        self.init()
        server = isServer
        extended_connect = settings.allowsExtendedConnect
        max_streams = settings.maxConcurrentStreams
        stream_window = settings.streamWindow
        connection_window = settings.connectionWindow
        decoder_table = settings.decoderTable
        encoder_table = settings.encoderTable
        peer_streams = settings.assumedPeerStreams
        head = bound(limits.head)
        fields = bound(limits.fields)
        informational = bound(limits.informational)
        continuations = limits.continuations
        empty_continuations = limits.emptyContinuations
        queued_frames = limits.queuedFrames
        // In the order of `mrt_h2_counter`.
        allowances = (
            mrt_h2_allowance(limits.resets), mrt_h2_allowance(limits.provokedResets), mrt_h2_allowance(limits.settings),
            mrt_h2_allowance(limits.pings), mrt_h2_allowance(limits.emptyData), mrt_h2_allowance(limits.priorities),
            mrt_h2_allowance(limits.windowUpdates), mrt_h2_allowance(limits.unknownFrames),
            mrt_h2_allowance(limits.strayFrames), mrt_h2_allowance(limits.refusedStreams)
        )
    }
}

extension mrt_h2_allowance {
    init(_ allowance: HTTP2Allowance) { self.init(burst: allowance.burst, per_second: allowance.perSecond) }
}

extension HTTP2Fault {
    init(_ fault: mrt_h2_fault) {
        switch fault.rawValue {
        case MRT_H2_BAD_PREFACE.rawValue: self = .badPreface
        case MRT_H2_CONTINUATION_FLOOD.rawValue: self = .continuationFlood
        case MRT_H2_OUTPUT_FLOOD.rawValue: self = .outputFlood
        case MRT_H2_NO_MEMORY.rawValue: self = .noMemory
        case MRT_H2_ENDED.rawValue: self = .ended
        case MRT_H2_ALLOWANCE.rawValue...: self = Self.flood(fault.rawValue - MRT_H2_ALLOWANCE.rawValue)
        default: self = .protocolViolation
        }
    }

    private static func flood(_ counter: UInt32) -> HTTP2Fault {
        switch counter {
        case MRT_H2_RESETS.rawValue: .rapidReset
        case MRT_H2_PROVOKED.rawValue: .provokedResets
        case MRT_H2_SETTINGS.rawValue: .settingsFlood
        case MRT_H2_PINGS.rawValue: .pingFlood
        case MRT_H2_EMPTY_DATA.rawValue: .emptyDataFlood
        case MRT_H2_PRIORITIES.rawValue: .priorityFlood
        case MRT_H2_WINDOW_UPDATES.rawValue: .windowUpdateFlood
        case MRT_H2_UNKNOWN_FRAMES.rawValue: .unknownFrameFlood
        case MRT_H2_STRAY_FRAMES.rawValue: .strayFrameFlood
        default: .refusedStreamFlood
        }
    }
}

extension HTTP2Counters {
    init(_ count: (mrt_h2_counter) -> UInt64) {
        resetsReceived = count(MRT_H2_RESETS)
        resetsProvoked = count(MRT_H2_PROVOKED)
        continuations = count(MRT_H2_CONTINUATIONS)
        settings = count(MRT_H2_SETTINGS)
        pings = count(MRT_H2_PINGS)
        emptyData = count(MRT_H2_EMPTY_DATA)
        priorities = count(MRT_H2_PRIORITIES)
        windowUpdates = count(MRT_H2_WINDOW_UPDATES)
        unknownFrames = count(MRT_H2_UNKNOWN_FRAMES)
        strayFrames = count(MRT_H2_STRAY_FRAMES)
        refusedStreams = count(MRT_H2_REFUSED)
        headsTooLarge = count(MRT_H2_TOO_LARGE)
    }
}

extension HTTP2Event {
    init(_ event: mrt_h2_event) {
        stream = event.stream
        tag = Int(event.tag)
        let head = HTTP2Head(index: event.a, endsHere: event.ends)
        switch UInt32(event.kind) {
        case MRT_H2_REQUEST.rawValue: kind = .request(head, endsHere: event.ends)
        case MRT_H2_RESPONSE.rawValue: kind = .response(head, endsHere: event.ends)
        case MRT_H2_INFORMATIONAL.rawValue: kind = .informational(head)
        case MRT_H2_TRAILERS.rawValue: kind = .trailers(head)
        case MRT_H2_DATA.rawValue: kind = .data(Int(event.a)..<(Int(event.a) + Int(event.b)), endsHere: event.ends)
        case MRT_H2_END.rawValue: kind = .end
        case MRT_H2_CLOSED.rawValue: kind = .closed(HTTP2Close(event.b, HTTP2Error(code: event.a)))
        case MRT_H2_NEW_SETTINGS.rawValue: kind = .settings
        case MRT_H2_GOAWAY.rawValue:
            kind = .goAway(lastStream: Int32(bitPattern: event.b), error: HTTP2Error(code: event.a))
        case MRT_H2_DRAINED.rawValue: kind = .drained
        default: kind = .pong(event.wide)
        }
    }
}

extension HTTP2Close {
    init(_ how: UInt32, _ error: HTTP2Error) {
        switch how {
        case MRT_H2_COMPLETE.rawValue: self = .complete
        case MRT_H2_BY_PEER.rawValue: self = .resetByPeer(error)
        case MRT_H2_BY_US.rawValue: self = .reset(error)
        case MRT_H2_UNPROCESSED.rawValue: self = .refused
        default: self = .failed(error)
        }
    }
}
