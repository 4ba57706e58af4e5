import MartletModule
import ProbeFilter

@c(martlet_module_entry)
public func enter(_ host: UnsafeRawPointer?) -> UnsafeRawPointer? {
    Module.enter(host) { [ProbeKind(), StampKind()] }
}
