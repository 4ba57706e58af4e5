internal import MartletCrypto

/// How a token is signed (RFC 7518 section 3.1, RFC 8037). What is not here, `none` above all, no token is accepted with.
enum JWTAlgorithm: String, Sendable, CaseIterable {
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case es512 = "ES512"
    case edDSA = "EdDSA"
    case hs256 = "HS256"
    case hs384 = "HS384"
    case hs512 = "HS512"

    /// Who can sign can check and the other way round, or not.
    enum Family: Sendable, Equatable {
        case publicKey(PublicKey.Scheme)
        case secret(HashAlgorithm)
    }

    var family: Family {
        switch self {
        case .rs256: .publicKey(.rsaPKCS1(.sha256))
        case .rs384: .publicKey(.rsaPKCS1(.sha384))
        case .rs512: .publicKey(.rsaPKCS1(.sha512))
        case .ps256: .publicKey(.rsaPSS(.sha256))
        case .ps384: .publicKey(.rsaPSS(.sha384))
        case .ps512: .publicKey(.rsaPSS(.sha512))
        case .es256: .publicKey(.ecdsa(.sha256))
        case .es384: .publicKey(.ecdsa(.sha384))
        case .es512: .publicKey(.ecdsa(.sha512))
        case .edDSA: .publicKey(.edwards)
        case .hs256: .secret(.sha256)
        case .hs384: .secret(.sha384)
        case .hs512: .secret(.sha512)
        }
    }
}
