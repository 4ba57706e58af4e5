internal import MartletAuth
package import MartletFilter
package import MartletLua
package import MartletNative
internal import MartletObserve
internal import MartletResilience
internal import MartletRouting
internal import MartletTransform

// MartletBuiltIn is what both executables share: the one table of filters, their version, what they keep out of core dumps.

/// Every filter that is compiled in. To add one, import its module and add its kind here.
package enum BuiltInFilters {
    package static let policies = PolicyCatalog()
    package static let modules = ModuleCatalog()

    package static let registry = FilterRegistry([
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
