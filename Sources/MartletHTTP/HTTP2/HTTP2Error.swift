/// The error codes of RST_STREAM and GOAWAY (RFC 9113 section 7).
package enum HTTP2Error: UInt32, Sendable {
    case noError, protocolError, internalError, flowControlError, settingsTimeout, streamClosed, frameSizeError
    case refusedStream, cancel, compressionError, connectError, enhanceYourCalm, inadequateSecurity, http11Required

    /// RFC 9113 section 7: a code that is not known is treated as INTERNAL_ERROR.
    package init(code: UInt32) { self = HTTP2Error(rawValue: code) ?? .internalError }
}
