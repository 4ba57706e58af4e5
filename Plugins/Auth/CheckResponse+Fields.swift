internal import MartletCore
internal import MartletGRPC

extension CheckResponse.Field {
    /// Whether it may stand in a head: no framing, no pseudo-header, nothing that would break the message.
    var isSendable: Bool {
        HeaderTable.isToken(name.span) && HeaderTable.isSafeValue(value.span)
            && HeaderName(String(decoding: name, as: UTF8.self))?.framesMessages == false
    }

    func apply(to headers: HeaderTable) {
        guard isSendable else { return }
        switch change {
        case .append: headers.append(named: name.span, value.span)
        case .addIfAbsent:
            if headers.firstIndex(named: name.span) == nil { headers.append(named: name.span, value.span) }
        case .set: headers.set(named: name.span, value.span)
        case .setIfPresent: if headers.firstIndex(named: name.span) != nil { headers.set(named: name.span, value.span) }
        }
    }
}
