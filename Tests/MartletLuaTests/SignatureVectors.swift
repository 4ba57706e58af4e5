/// Keys made for these tests, and their signatures of `hello`.
enum SignatureVectors {
    static let rsaKey =
        "30820122300d06092a864886f70d01010105000382010f003082010a0282010100bc5cced1ac6f7b5543720bc8f28ab0"
        + "030c5ccf939a1fe0bd1c4850b4c1cdf378c8f4b0e0bcb8c031694662a2c9c40c8adeccc8872d4c4b8e0ce72f364dae75"
        + "fd1d611389eef848d3ba76df1e3f3bbbda90f9afd519241cb70c1ca15fdb90ea1202472bc515e8fdfa2ea01dc3a974de"
        + "2c0b7d4a1ab387b89e3d7c6160df07ed5fa84c6af54e61adc22d2756c0af751089b2b1707deea2bc45e330bd0615c099"
        + "dec03576967265f87f322ea74f085a07d7aa774e53c5891c02d0636686603e2f69e3027f04161ed8cf3c042cd983a8ed"
        + "210a5522c754b996392a2d0f9cf4d0c1291121d312fe42e4909c2e9b7de7ec3202166ad503ba0ac38c694042f67bc045"
        + "810203010001"
    static let ellipticKey =
        "3059301306072a8648ce3d020106082a8648ce3d03010703420004315bb66d8331abf14f2cc478d35ab0a576bffbf7d4"
        + "8478deb6e4778305eac17d5b46ee06935957ead1d5919132111fb12d2affda8052e73748f0cb486607382c"
    static let edwardsKey =
        "302a300506032b6570032100b939144014471f4cabc83e6275c5f066cdad79f6dda96b906af14f850090e8ec"
    /// Key, hash, signature.
    static let signatures: [(key: String, hash: String, signature: String)] = [
        (
            rsaKey, "sha1",
            "53a5f420cce23ad7f86941c51cbe2b862416be2aeaa8faa8107ac4589b6f41e633b1e35460c566bf1fe0b840d9923827"
                + "1f0245ad2e2ccbebedbaaed6115ad7b05f117145b34c9507a549e3a131a5c7f163a075f5c828cca74e3d056eb3f3281b"
                + "ba75395881d40b513a0b7d590ef3daf6969e82bac65653b6aa38a6bccfab0fd6f9a36b504bea396377fefb6bf1de757d"
                + "8578743591eab7d5ddb116808072b417a829cde90ff93ba012e8c9449c432c3fabb061c1345faa6c2b2bd2add5e31c30"
                + "d10352d384ac52d314e6ddf7a768eeaa40307a5c99747235276a89aaed0afd77e5194f3a50497903c235df8d4a6830fd"
                + "6f39c0027dd5b50cb09ca5acfff0e7ec"
        ),
        (
            rsaKey, "sha256",
            "5312f8f33bcca54d104cd07db057e333f8e9a409001fb8bd066aa2ded46d128550e3ee73bcbabf16c41f684ab0178dc8"
                + "bc6509ed0722b122e142a66484ce955ea05f00e9c8f7ae544699dc504f4da0a01b9b6a554e9c7ef80b121196fba20204"
                + "c9227f9a9e44b8eea38f45557478a46f0457f032e52c9efcd00cded0013a345632bbaf71b5f31716089e8f7c70fdc384"
                + "b294ae0e89fe7d67783d74181ad98fee3c7b6e6cea833f868805328598f0567e79f012cfe046986e78d9250dd0e05864"
                + "6029856681545e9eb72a13627944c4c252ee091ff822c89c1134145a907450da5ae844c10157a3d3218bd03bbcbf8bd8"
                + "9ab4b1f65838ba2a1716b147f3c5a918"
        ),
        (
            rsaKey, "sha512",
            "9437b96f1c70ec31c2145156a4bfc971d991d5f57485bebe9e9809bcc458986c4608fd08b7e719e8948ce8d7ef4726b5"
                + "2adc62a4e4509c447ad2a692f9a8ad97a640b312c51b640ce350b4b8570bea6e3c969a1a73f3d9f6a99df856333d7744"
                + "645ab5d729ff6cccd0b68bddb11e04e199db4bec67dc520699ef85da81f0c8674fcd899b1de7574ed46abee59a7374aa"
                + "a1f5cca5dfbfefc4c57f35ce03c297c67a7d69d5c2096c1cbcee4181c122e41d605c1910d9d35ece02ae4f9e9115b969"
                + "dfe2c0234282b2145304db456702fcadb3224ca428c1dc11bbda4a674fc868de7ff76e30bd117b4cf2ab806c996b5649"
                + "dc78fc2b4fbd5853c417de2bfe4c065b"
        ),
        (
            ellipticKey, "sha1",
            "304402207176d33e1b219c1c1fedf90eef37dc695746bb77e813f492200067e432e9a6cc02201afae136821dacb51c0c"
                + "2e507b7354196a1280ddbdc0cd1e340b24d719882b6c"
        ),
        (
            ellipticKey, "sha224",
            "3044022060d95ec4093ce82cd934bbfb9a2382b4f9ce42d53c8758bece082680fae9e63002206acb8a7e9f0459ea900f"
                + "82edbd302d945584aa62f4207148274f103b7a3c8e54"
        ),
        (
            ellipticKey, "sha256",
            "3045022100e0b43dd73ee449b6b80aebb33bbfafded124d59d52f68ab0da95456abe492a6202202a25bc0305dad40eb4"
                + "624e354efb06c8fa4d93932258decca48f96caf45b82a1"
        ),
        (
            ellipticKey, "sha384",
            "3046022100f8ebe7e224fa01ba5eacbc9f1e1c9437709353c71072bd037e2a8c9b66e542c8022100da007608b80fb863"
                + "9bb432d217e6b137218fa6fdc4c6a476272718fb37e761e0"
        ),
        (
            ellipticKey, "sha512",
            "30450221009b54f66203ba53d052e96b379f943008d085cc4a82a541d4d667806df734c6720220168f64f4add94ebcdc"
                + "722c9ba00c08de0a781141203a06c50c551520cf381fe2"
        ),
    ]
}
