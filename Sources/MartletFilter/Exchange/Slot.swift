/// Where one filter keeps its state of one exchange. A slot nobody fills costs nothing.
///
/// Made by `FilterContext.slot(_:)` when the chain is built; read and written as `exchange[slot]`.
public struct Slot<State: AnyObject> {
    let index: Int

    /// Only the chain under construction hands out indices, each once, so what is stored under one is always a `State`.
    init(index: Int) { self.index = index }
}

extension Exchange {
    public subscript<State: AnyObject>(slot: Slot<State>) -> State? {
        get {
            guard slot.index < slots.count, let object = slots[slot.index] else { return nil }
            // See Slot.init: one index, one type.
            return unsafe unsafeDowncast(object, to: State.self)
        }
        set {
            while slots.count <= slot.index { slots.append(nil) }
            slots[slot.index] = newValue
        }
    }
}
