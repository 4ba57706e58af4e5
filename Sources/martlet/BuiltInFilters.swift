internal import MartletAuth
internal import MartletFilter
internal import MartletLua
internal import MartletNative
internal import MartletObserve
internal import MartletResilience
internal import MartletRouting
internal import MartletTransform

/// Every filter compiled into this executable. To add one, import its module and add its kind here.
enum BuiltInFilters {
    static let policies = PolicyCatalog()
    static let modules = ModuleCatalog()

    static let registry = FilterRegistry([
        RouterKind(),
        AccessControlKind(),
        RBACKind(),
        ExtAuthzKind(),
        CORSKind(),
        FaultKind(),
        BufferKind(),
        BodyLimitKind(),
        CompressKind(),
        GRPCWebKind(),
        DecompressKind(),
        JWTKind(),
        APIKeyKind(),
        BasicAuthKind(),
        HeadersKind(),
        TracingKind(),
        GRPCStatsKind(),
        RateLimitKind(),
        ConcurrencyLimitKind(),
        AdaptiveConcurrencyKind(),
        LuaKind(policies),
        RetryKind(),
    ]).taking(from: modules)
}
