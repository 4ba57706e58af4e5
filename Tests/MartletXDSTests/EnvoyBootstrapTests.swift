import Foundation
import MartletConfig
import MartletXDS
import Testing

@Suite("Envoy's file as a document")
struct EnvoyBootstrapTests {
    private func document(_ text: String) throws -> (ConfigNode, ConfigDiagnostics) {
        let diagnostics = ConfigDiagnostics()
        let root = try #require(YAMLDocument.read(Array(text.utf8), file: "/etc/envoy.yaml", diagnostics: diagnostics))
        return (ProcessDocument(.envoy).whole(root, nil, diagnostics: diagnostics), diagnostics)
    }

    private func dynamic(_ sources: String) -> String {
        "node: { id: edge-1, cluster: edge }\ndynamic_resources: \(sources)\n"
    }

    @Test("A control plane over REST is asked as Envoy would")
    func polling() throws {
        let source = """
            { resource_api_version: V3, initial_fetch_timeout: 3s,
              api_config_source: { api_type: REST, cluster_names: [xds], refresh_delay: 0.5s } }
            """
        let (root, diagnostics) = try document(dynamic("{ lds_config: \(source), cds_config: \(source) }"))
        #expect(!diagnostics.hasErrors, "\(diagnostics.report)")
        let section = try #require(root["control_plane"])
        let read = ["cluster", "method", "refresh", "request_timeout", "initial_fetch_timeout"].map {
            section[$0]?.text ?? "none"
        }
        #expect(read == ["xds", "rest", "500ms", "1s", "3s"])
        #expect(section["node"]?["id"]?.text == "edge-1" && section["node"]?["cluster"]?.text == "edge")
    }

    static let refused: [(String, String)] = [
        ("{ lds_config: { ads: {} } }", "lds_config: a control plane for listeners or clusters alone is not supported"),
        ("{ lds_config: { ads: {} }, cds_config: { ads: {} } }", "there is no ads_config"),
        ("{ lds_config: { ads: {} }, cds_config: { api_config_source: { api_type: REST } } }", "another source"),
        (
            "{ lds_config: { api_config_source: { api_type: GRPC } }, cds_config: { api_config_source: { api_type: GRPC } } }",
            "a stream that is not aggregated"
        ),
        (
            "{ ads_config: { api_type: GRPC, grpc_services: [{ google_grpc: {} }] }, lds_config: { ads: {} }, cds_config: { ads: {} } }",
            "GrpcService.google_grpc is not supported"
        ),
    ]

    @Test("Sources that Martlet cannot ask are refused with their line", arguments: refused)
    func refusals(sources: String, wanted: String) throws {
        let (_, diagnostics) = try document(dynamic(sources))
        #expect(
            diagnostics.errors.contains { $0.message.contains(wanted) && $0.mark.line == 2 }, "\(diagnostics.report)")
    }

    @Test("Certificates are files, or stand in place")
    func certificates() throws {
        let text = """
            static_resources:
              secrets:
                - { name: shop, tls_certificate: { certificate_chain: { inline_string: one }, private_key: { inline_string: two } } }
              listeners:
                - address: { socket_address: { address: 127.0.0.1, port_value: 1 } }
                  filter_chains:
                    - filters:
                        - name: envoy.filters.network.tcp_proxy
                          typed_config:
                            "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                            cluster: a
                      transport_socket:
                        name: envoy.transport_sockets.tls
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                          common_tls_context:
                            tls_certificates:
                              - { certificate_chain: { filename: /etc/a.pem }, private_key: { inline_string: KEY } }
                            tls_certificate_sds_secret_configs: [{ name: shop }]
                            validation_context: { trusted_ca: { filename: /etc/ca.pem } }
            """
        let (root, diagnostics) = try document(text)
        #expect(!diagnostics.hasErrors, "\(diagnostics.report)")
        let listener = try #require(root["listeners"]?.items?.first)
        #expect(listener["name"]?.text == "listener-0" && listener["tls"]?["client_ca"]?.text == "/etc/ca.pem")
        let certificates = try #require(listener["tls"]?["certificates"]?.items)
        #expect(certificates[0]["certificate"]?.text == "/etc/a.pem")
        let key = try #require(certificates[0]["private_key"]?.text)
        #expect(try diagnostics.files.read(key, atMost: 9) == Array("KEY".utf8))
        // As the decoder resolves it.
        let chain = try #require(certificates[1]["certificate"]?.text)
        #expect(try diagnostics.files.read("/etc/" + chain, atMost: 9) == Array("one".utf8))
    }

    @Test("Secrets come from files, too, which name others")
    func secretFiles() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-sds-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (sds, authority) = (folder.appendingPathComponent("sds.yaml"), folder.appendingPathComponent("ca.pem"))
        try "AUTHORITY".write(to: authority, atomically: true, encoding: .utf8)
        try """
        resources:
          - "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
            name: trusted
            validation_context: { trusted_ca: { filename: \(authority.path) } }
        """.write(to: sds, atomically: true, encoding: .utf8)
        let (root, diagnostics) = try document(
            """
            static_resources:
              clusters:
                - name: a
                  type: STATIC
                  transport_socket:
                    name: envoy.transport_sockets.tls
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
                      common_tls_context:
                        validation_context_sds_secret_config:
                          { name: trusted, sds_config: { path_config_source: { path: \(sds.path) } } }
              listeners: [{ name: l }]
            """)
        let cluster = try #require(root["clusters"]?.items?.first)
        let path = try #require(cluster["tls"]?["ca"]?.text)
        #expect(try diagnostics.files.read("/etc/" + path, atMost: 99) == Array("AUTHORITY".utf8))
        #expect(diagnostics.files.paths.contains(sds.path) && diagnostics.files.paths.contains(authority.path))
        #expect(!diagnostics.errors.contains { $0.message.contains("secret") }, "\(diagnostics.report)")
    }
}
