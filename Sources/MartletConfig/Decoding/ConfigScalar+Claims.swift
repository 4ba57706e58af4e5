public import MartletCore

extension ConfigScalar where Value == ClaimPath {
    /// A claim of a token, or a member of one.
    public static var claimPath: ConfigScalar {
        ConfigScalar(expected: "a claim's name") { text in
            if let path = ClaimPath(text) { return .success(path) }
            return .failure(
                Problem(
                    "\"\(text.prefix(60))\" is not a claim's name",
                    hint:
                        "write role, or realm_access.roles for a member of a member, at most \(ClaimPath.maxDots) dots")
            )
        }
    }
}
