internal import MartletHTTP
internal import MartletNet

/// Frames go straight to the socket's queue.
extension StreamSocket: HTTP2Output {}
