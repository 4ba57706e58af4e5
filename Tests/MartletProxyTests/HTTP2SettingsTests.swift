import MartletConfig
import MartletCore
import MartletHTTP
import Testing

@testable import MartletProxy

@Suite("What a configuration says about HTTP/2 is what sessions go by")
struct HTTP2SettingsTests {
    private static func allowances(_ limits: HTTP2Limits) -> [HTTP2Allowance] {
        [
            limits.resets, limits.provokedResets, limits.settings, limits.pings, limits.emptyData, limits.priorities,
            limits.windowUpdates, limits.unknownFrames, limits.strayFrames, limits.refusedStreams,
        ]
    }

    @Test("What is not written is what a session has by itself")
    func defaults() {
        let (written, standard) = (HTTP2Limits(ListenerLimits()), HTTP2Limits())
        #expect(Self.allowances(written) == Self.allowances(standard))
        #expect(written.head == standard.head)
        #expect(written.fields == standard.fields)
        #expect(written.continuations == standard.continuations)
        #expect(written.queuedFrames == standard.queuedFrames)
        let settings = HTTP2Settings(ListenerLimits())
        #expect(settings.maxConcurrentStreams == HTTP2Settings().maxConcurrentStreams)
        #expect(settings.streamWindow == HTTP2Settings().streamWindow)
        #expect(settings.connectionWindow == HTTP2Settings().connectionWindow)
        #expect(settings.decoderTable == HTTP2Settings().decoderTable)
    }

    @Test("What is written counts, and longer heads have more CONTINUATION frames")
    func written() throws {
        let text = """
            listeners:
            - name: l
              address: 127.0.0.1:0
              limits:
                request_headers: 1MiB
                max_concurrent_streams: 7
                http2:
                  initial_stream_window: 64KiB
                  initial_connection_window: 2MiB
                  header_table_size: 0
                  floods:
                    resets: { burst: 5 }
                    provoked_resets: { burst: 11, per_second: 12 }
                    settings: { burst: 13, per_second: 14 }
                    pings: { per_second: 3 }
                    empty_data: { burst: 15, per_second: 16 }
                    priorities: { burst: 17, per_second: 18 }
                    window_updates: { burst: 19, per_second: 20 }
                    unknown_frames: { burst: 21, per_second: 22 }
                    stray_frames: { burst: 23, per_second: 24 }
                    refused_streams: { burst: 25, per_second: 26 }
                    queued_frames: 10
              filters: [router]
              routes: []
            """
        let diagnostics = ConfigDiagnostics()
        let config = try #require(
            ProxyConfig.parse(text: text, file: "t.yaml", filters: ["router"], diagnostics: diagnostics),
            "\(diagnostics.errors)")
        var limits = config.listeners[0].limits
        let session = HTTP2Limits(limits)
        let numbers: [(UInt32, UInt32)] = [
            (5, 100), (11, 12), (13, 14), (500, 3), (15, 16), (17, 18), (19, 20), (21, 22), (23, 24), (25, 26),
        ]
        #expect(Self.allowances(session) == numbers.map { HTTP2Allowance(burst: $0.0, perSecond: $0.1) })
        #expect(session.queuedFrames == 10)
        #expect(session.head == 1 << 20)
        #expect(session.continuations == 128)
        let settings = HTTP2Settings(limits)
        #expect(settings.maxConcurrentStreams == 7)
        #expect(settings.streamWindow == 65_536)
        #expect(settings.connectionWindow == 2 << 20)
        #expect(settings.decoderTable == 0)
        limits.http2.floods.continuations = 3
        #expect(HTTP2Limits(limits).continuations == 3)
    }

    @Test("A cluster's windows and table are its sessions'")
    func cluster() {
        var config = ClusterHTTP2Config()
        config.initialStreamWindow = .kibibytes(128)
        config.initialConnectionWindow = .mebibytes(3)
        config.headerTableSize = .kibibytes(8)
        let settings = HTTP2Settings(config)
        #expect(settings.streamWindow == 128 << 10)
        #expect(settings.connectionWindow == 3 << 20)
        #expect(settings.decoderTable == 8 << 10)
    }
}
