/// The fields of Envoy's messages that ours leave out: their names, for those who are told that Martlet does not know them.
enum EnvoyFields {
    /// Whatever they say changes what is counted, logged or traced, or how much memory is spent, and nothing about requests.
    private static let harmless: Set<String> = [
        "abort_grpc_status_runtime", "abort_http_status_runtime", "abort_percent_runtime", "access_log",
        "access_log_flush_interval", "access_log_options", "access_log_path", "alt_stat_name",
        "always_log_health_check_failures", "always_log_health_check_success", "always_set_request_id_in_response",
        "application_log_config", "audit_logging_options", "bypass_overload_manager", "charge_cluster_response_stats",
        "chunk_size", "cleanup_interval", "compression_strategy", "connection_balance_config", "decorator",
        "deferred_stat_options", "delay_duration_runtime", "delay_percent_runtime", "delayed_close_timeout",
        "disable_downstream_cluster_stats", "disable_literal_context_modeling", "disable_ring_buffer_reallocation",
        "dns_lookup_family", "drain_timeout", "drain_type", "dynamic_stats", "emit_filter_state_stats",
        "enable_checksum", "enable_dispatcher_stats", "enable_reuse_port", "encoder_mode", "event_log_path",
        "event_logger", "event_service", "failed_refetch_duration", "fast_listener", "fatal_actions",
        "filter_metadata", "flags_path", "flush_access_log_on_connected", "flush_access_log_on_new_request",
        "google_re2", "include_attempt_count_in_response", "input_block_bits", "jwt_cache_config",
        "lrs_report_endpoint_metrics", "lrs_server", "max_active_faults_runtime",
        "max_connections_to_accept_per_socket_event", "max_direct_response_body_size_bytes",
        "memory_allocator_manager", "memory_level", "per_connection_buffer_limit_bytes",
        "per_request_buffer_limit_bytes", "perf_tracing_file_path", "preconnect_policy", "profile_path",
        "request_id_extension", "respect_dns_ttl", "response_rate_limit_percent_runtime", "retry_host_predicate",
        "reuse_port", "rules_stat_prefix", "runtime_key", "runtime_key_prefix", "shadow_matcher",
        "shadow_rules_stat_prefix", "start_child_span", "stat_prefix", "stats_config", "stats_eviction_interval",
        "stats_flush_interval", "stats_flush_on_admin", "stats_server_version_override", "stats_sinks",
        "status_header_enabled", "tcp_backlog_size", "tcp_fast_open_queue_length", "total_weight", "trace_sampled",
        "tracing", "track_cluster_stats", "track_per_rule_stats", "track_remaining", "track_timeout_budgets",
        "upstream_connection_options", "upstream_log", "upstream_log_options", "validate_clusters",
        "virtual_clusters", "wait_for_warm_on_init", "watchdog", "watchdogs", "watched_directory", "window_bits",
    ]

    static func isHarmless(_ name: String) -> Bool { harmless.contains(name) }

    /// The name of a field, or its number where that is all there is to tell.
    static func name(of number: Int, in message: String) -> String { names[message]?[number] ?? "\(number)" }

    /// Of a field that ours leave out, by either of its names in JSON; nil: Envoy has none of that name.
    static func number(of name: String, in message: String) -> Int? {
        names[message]?.first { $0.value == name || camelCased($0.value) == name }?.key
    }

    private static func camelCased(_ name: String) -> String {
        let words = name.split(separator: "_")
        return words.dropFirst().reduce(String(words.first ?? "")) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
    }

    private static let names: [String: [Int: String]] = {
        var names: [String: [Int: String]] = [:]
        var fields: [Int: String] = [:]
        var message = ""
        // A line that begins with a number goes on with the message before it.
        for line in table.split(separator: "\n") {
            var words = line.split(separator: " ")[...]
            if line.first?.isNumber != true {
                names[message] = fields
                (message, fields) = (words.popFirst().map(String.init) ?? "", [:])
            }
            while let number = words.popFirst(), let name = words.popFirst() {
                fields[Int(number) ?? 0] = String(name)
            }
        }
        names[message] = fields
        return names
    }()

    /// A message and its fields a line, as `descriptors.py --names` of the tests prints them.
    private static let table = """
        envoy.config.bootstrap.v3.Admin 1 access_log_path 2 profile_path 4 socket_options 5 access_log
        6 ignore_global_conn_limit 7 allow_paths
        envoy.config.bootstrap.v3.Bootstrap 4 cluster_manager 5 flags_path 6 stats_sinks 7 stats_flush_interval
        8 watchdog 9 tracing 13 stats_config 14 hds_config 15 overload_manager 16 enable_dispatcher_stats
        17 layered_runtime 18 header_prefix 19 stats_server_version_override 20 use_tcp_for_dns_lookups
        21 bootstrap_extensions 22 config_sources 23 default_config_source 24 default_socket_interface
        25 certificate_provider_instances 26 node_context_params 27 watchdogs 28 fatal_actions 29 stats_flush_on_admin
        30 dns_resolution_config 31 typed_dns_resolver_config 32 inline_headers 33 perf_tracing_file_path
        34 default_regex_engine 35 xds_delegate_extension 36 xds_config_tracker_extension 37 listener_manager
        38 application_log_config 39 deferred_stat_options 40 grpc_async_client_manager_config
        41 memory_allocator_manager 42 stats_eviction_interval
        envoy.config.bootstrap.v3.Bootstrap.DynamicResources 5 lds_resources_locator 6 cds_resources_locator
        envoy.config.cluster.v3.CircuitBreakers 2 per_host_thresholds
        envoy.config.cluster.v3.CircuitBreakers.Thresholds 6 track_remaining 7 max_connection_pools 8 retry_budget
        envoy.config.cluster.v3.Cluster 5 per_connection_buffer_limit_bytes 9 max_requests_per_connection
        13 http_protocol_options 14 http2_protocol_options 17 dns_lookup_family 18 dns_resolvers 20 cleanup_interval
        21 upstream_bind_config 22 lb_subset_config 26 protocol_selection 28 alt_stat_name
        29 common_http_protocol_options 30 upstream_connection_options 31 close_connections_on_host_health_failure
        34 original_dst_lb_config 38 cluster_type 39 respect_dns_ttl 40 filters 41 load_balancing_policy 42 lrs_server
        43 transport_socket_matches 44 dns_failure_refresh_rate 45 use_tcp_for_dns_lookups
        46 upstream_http_protocol_options 47 track_timeout_budgets 48 upstream_config 49 track_cluster_stats
        50 preconnect_policy 51 connection_pool_per_downstream_connection 53 dns_resolution_config
        54 wait_for_warm_on_init 55 typed_dns_resolver_config 57 lrs_report_endpoint_metrics 58 dns_jitter
        59 transport_socket_matcher
        envoy.config.cluster.v3.Cluster.CommonLbConfig 2 zone_aware_lb_config 3 locality_weighted_lb_config
        4 update_merge_window 5 ignore_new_hosts_until_first_hc 6 close_connections_on_host_set_change
        7 consistent_hashing_lb_config 8 override_host_status
        envoy.config.cluster.v3.Cluster.LeastRequestLbConfig 1 choice_count 2 active_request_bias
        envoy.config.cluster.v3.OutlierDetection 24 monitors
        envoy.config.common.mutation_rules.v3.HeaderMutation 3 remove_on_match
        envoy.config.core.v3.Address 3 envoy_internal_address
        envoy.config.core.v3.ApiConfigSource 6 rate_limit_settings 9 config_validators
        envoy.config.core.v3.BuildVersion 1 version
        envoy.config.core.v3.ConfigSource 1 path 7 authorities
        envoy.config.core.v3.DataSource 5 watched_directory
        envoy.config.core.v3.GrpcService 2 google_grpc 5 initial_metadata 6 retry_policy
        envoy.config.core.v3.GrpcService.EnvoyGrpc 3 retry_policy 4 max_receive_message_length 5 skip_envoy_headers
        envoy.config.core.v3.HeaderValue 3 raw_value
        envoy.config.core.v3.HeaderValueOption 2 append
        envoy.config.core.v3.HealthCheck 3 interval_jitter 13 custom_health_check 15 unhealthy_edge_interval
        16 healthy_edge_interval 17 event_log_path 19 always_log_health_check_failures 20 initial_jitter
        21 tls_options 22 event_service 23 transport_socket_match_criteria 24 no_traffic_healthy_interval
        25 event_logger 26 always_log_health_check_success
        envoy.config.core.v3.HealthCheck.GrpcHealthCheck 3 initial_metadata
        envoy.config.core.v3.HealthCheck.HttpHealthCheck 3 send 4 receive 6 request_headers_to_add
        8 request_headers_to_remove 11 service_name_matcher 12 retriable_statuses 14 response_buffer_size
        envoy.config.core.v3.HealthCheck.TcpHealthCheck 3 proxy_protocol_config
        envoy.config.core.v3.Http1ProtocolOptions 1 allow_absolute_url 2 accept_http_10 3 default_host_for_http_10
        4 header_key_format 5 enable_trailers 6 allow_chunked_length 7 override_stream_error_on_invalid_http_message
        8 send_fully_qualified_url 9 use_balsa_parser 10 allow_custom_methods 11 ignore_http_11_upgrade
        envoy.config.core.v3.Http2ProtocolOptions 6 allow_metadata 7 max_outbound_frames 8 max_outbound_control_frames
        9 max_consecutive_inbound_frames_with_empty_payload 10 max_inbound_priority_frames_per_stream
        11 max_inbound_window_update_frames_per_data_frame_sent 12 stream_error_on_invalid_http_messaging
        13 custom_settings_parameters 14 override_stream_error_on_invalid_http_message 16 use_oghttp2_codec
        17 max_metadata_size
        envoy.config.core.v3.HttpProtocolOptions 3 max_connection_duration 4 max_stream_duration
        5 headers_with_underscores_action 6 max_requests_per_connection
        envoy.config.core.v3.KeepaliveSettings 3 interval_jitter 4 connection_idle_interval
        envoy.config.core.v3.PathConfigSource 2 watched_directory
        envoy.config.core.v3.Pipe 2 mode
        envoy.config.core.v3.ProxyProtocolConfig 2 pass_through_tlvs 3 added_tlvs
        envoy.config.core.v3.RuntimeFeatureFlag 2 runtime_key
        envoy.config.core.v3.SocketAddress 4 named_port 5 resolver_name 6 ipv4_compat 7 network_namespace_filepath
        envoy.config.endpoint.v3.ClusterLoadAssignment 5 named_endpoints
        envoy.config.endpoint.v3.ClusterLoadAssignment.Policy 2 drop_overloads 4 endpoint_stale_after
        6 weighted_priority_health
        envoy.config.endpoint.v3.Endpoint 2 health_check_config 4 additional_addresses
        envoy.config.endpoint.v3.LbEndpoint 5 endpoint_name
        envoy.config.endpoint.v3.LocalityLbEndpoints 6 proximity 7 load_balancer_endpoints
        8 leds_cluster_locality_config 9 metadata
        envoy.config.listener.v3.Filter 5 config_discovery
        envoy.config.listener.v3.FilterChain 4 use_proxy_proto 5 metadata
        envoy.config.listener.v3.FilterChainMatch 3 prefix_ranges 4 address_suffix 5 suffix_len 6 source_prefix_ranges
        7 source_ports 8 destination_port 12 source_type 13 direct_source_prefix_ranges
        envoy.config.listener.v3.Listener 4 use_original_dst 5 per_connection_buffer_limit_bytes 7 deprecated_v1
        8 drain_type 10 transparent 11 freebind 12 tcp_fast_open_queue_length 13 socket_options
        15 listener_filters_timeout 17 continue_on_listener_filters_timeout 18 udp_listener_config
        20 connection_balance_config 21 reuse_port 22 access_log 24 tcp_backlog_size 26 bind_to_port
        27 internal_listener 29 enable_reuse_port 30 enable_mptcp 31 ignore_global_conn_limit 32 filter_chain_matcher
        33 additional_addresses 34 max_connections_to_accept_per_socket_event 35 bypass_overload_manager
        36 fcds_config
        envoy.config.listener.v3.ListenerFilter 4 filter_disabled 5 config_discovery
        envoy.config.rbac.v3.Permission 5 destination_ip 6 destination_port 7 metadata 9 requested_server_name
        11 destination_port_range 12 matcher 13 uri_template 14 sourced_metadata
        envoy.config.rbac.v3.Policy 3 condition 4 checked_condition 5 cel_config
        envoy.config.rbac.v3.Principal 5 source_ip 7 metadata 12 filter_state 13 sourced_metadata 14 custom
        envoy.config.rbac.v3.RBAC 3 audit_logging_options
        envoy.config.route.v3.DirectResponseAction 3 body_format
        envoy.config.route.v3.HeaderMatcher 6 range_match
        envoy.config.route.v3.RetryPolicy 4 retry_priority 5 retry_host_predicate 9 retriable_headers
        10 retriable_request_headers 11 rate_limited_retry_back_off 12 retry_options_predicates
        13 per_try_idle_timeout
        envoy.config.route.v3.Route 5 decorator 9 request_headers_to_add 11 response_headers_to_remove
        12 request_headers_to_remove 15 tracing 16 per_request_buffer_limit_bytes 17 filter_action
        18 non_forwarding_action 19 stat_prefix 20 request_body_buffer_limit
        envoy.config.route.v3.RouteAction 2 cluster_header 4 metadata_match 7 auto_host_rewrite 11 priority
        13 rate_limits 14 include_vh_rate_limits 17 cors 20 cluster_not_found_response_code 23 max_grpc_timeout
        25 upgrade_configs 26 internal_redirect_action 27 hedge_policy 28 grpc_timeout_offset 29 host_rewrite_header
        31 max_internal_redirects 33 retry_policy_typed_config 34 internal_redirect_policy 35 host_rewrite_path_regex
        36 max_stream_duration 37 cluster_specifier_plugin 38 append_x_forwarded_host
        39 inline_cluster_specifier_plugin 40 early_data_policy 41 path_rewrite_policy 42 flush_timeout
        44 host_rewrite 45 path_rewrite
        envoy.config.route.v3.RouteAction.HashPolicy 6 filter_state
        envoy.config.route.v3.RouteAction.HashPolicy.Cookie 4 attributes
        envoy.config.route.v3.RouteAction.HashPolicy.Header 2 regex_rewrite
        envoy.config.route.v3.RouteAction.RequestMirrorPolicy 4 trace_sampled 5 cluster_header
        6 disable_shadow_host_suffix_append 7 request_headers_mutations 8 host_rewrite_literal
        envoy.config.route.v3.RouteConfiguration 3 internal_only_headers 4 response_headers_to_add
        5 response_headers_to_remove 6 request_headers_to_add 7 validate_clusters 8 request_headers_to_remove 9 vhds
        10 most_specific_header_mutations_wins 11 max_direct_response_body_size_bytes 12 cluster_specifier_plugins
        13 request_mirror_policies 15 ignore_path_parameters_in_path_matching 18 vhost_header
        envoy.config.route.v3.RouteMatch 8 grpc 9 runtime_fraction 12 connect_matcher 13 dynamic_metadata
        15 path_match_policy 16 filter_state
        envoy.config.route.v3.VirtualHost 4 require_tls 5 virtual_clusters 6 rate_limits 7 request_headers_to_add
        8 cors 10 response_headers_to_add 11 response_headers_to_remove 13 request_headers_to_remove
        14 include_request_attempt_count 16 retry_policy 17 hedge_policy 18 per_request_buffer_limit_bytes
        19 include_attempt_count_in_response 20 retry_policy_typed_config 21 matcher 22 request_mirror_policies
        23 include_is_timeout_retry_header 24 metadata 25 request_body_buffer_limit
        envoy.config.route.v3.WeightedCluster 2 runtime_key_prefix 3 total_weight 4 header_name 5 use_hash_policy
        envoy.config.route.v3.WeightedCluster.ClusterWeight 3 metadata_match 4 request_headers_to_add
        5 response_headers_to_add 6 response_headers_to_remove 9 request_headers_to_remove 10 typed_per_filter_config
        11 host_rewrite_literal 12 cluster_header
        envoy.extensions.compression.brotli.compressor.v3.Brotli 2 encoder_mode 4 input_block_bits 5 chunk_size
        6 disable_literal_context_modeling
        envoy.extensions.compression.brotli.decompressor.v3.Brotli 1 disable_ring_buffer_reallocation 2 chunk_size
        envoy.extensions.compression.gzip.compressor.v3.Gzip 1 memory_level 3 compression_strategy 5 chunk_size
        envoy.extensions.compression.gzip.decompressor.v3.Gzip 1 window_bits 2 chunk_size
        envoy.extensions.compression.zstd.compressor.v3.Zstd 2 enable_checksum 3 strategy 4 dictionary 5 chunk_size
        envoy.extensions.compression.zstd.decompressor.v3.Zstd 1 dictionaries 2 chunk_size
        envoy.extensions.filters.common.fault.v3.FaultRateLimit 3 header_limit
        envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute 1 credentials 2 key_sources 4 forwarding
        envoy.extensions.filters.http.basic_auth.v3.BasicAuth 3 authentication_header
        envoy.extensions.filters.http.compressor.v3.Compressor 1 content_length 2 content_type
        3 disable_on_etag_header 4 remove_accept_encoding_header 5 runtime_enabled
        envoy.extensions.filters.http.compressor.v3.Compressor.ResponseDirectionConfig 5 status_header_enabled
        envoy.extensions.filters.http.compressor.v3.CompressorOverrides 2 compressor_library
        envoy.extensions.filters.http.cors.v3.CorsPolicy 8 shadow_enabled
        envoy.extensions.filters.http.ext_authz.v3.AuthorizationRequest 1 allowed_headers
        envoy.extensions.filters.http.ext_authz.v3.AuthorizationResponse 3 allowed_upstream_headers_to_append
        5 dynamic_metadata_from_headers
        envoy.extensions.filters.http.ext_authz.v3.CheckSettings 2 disable_request_body_buffering 3 with_request_body
        4 grpc_service 5 http_service
        envoy.extensions.filters.http.ext_authz.v3.ExtAuthz 6 clear_route_cache 8 metadata_context_namespaces
        9 filter_enabled 10 include_peer_certificate 11 deny_at_disable 13 stat_prefix 14 filter_enabled_metadata
        15 bootstrap_metadata_labels_key 16 typed_metadata_context_namespaces 18 include_tls_session
        19 failure_mode_allow_header_add 20 charge_cluster_response_stats 21 route_metadata_context_namespaces
        22 route_typed_metadata_context_namespaces 23 encode_raw_headers 24 validate_mutations 25 disallowed_headers
        26 decoder_header_mutation_rules 27 enable_dynamic_metadata_ingestion 28 filter_metadata
        29 emit_filter_state_stats 30 max_denied_response_body_bytes 31 enforce_response_header_limits
        envoy.extensions.filters.http.ext_authz.v3.HttpService 9 retry_policy
        envoy.extensions.filters.http.fault.v3.FaultAbort 5 grpc_status
        envoy.extensions.filters.http.fault.v3.HTTPFault 3 upstream_cluster 5 downstream_nodes 8 delay_percent_runtime
        9 abort_percent_runtime 10 delay_duration_runtime 11 abort_http_status_runtime 12 max_active_faults_runtime
        13 response_rate_limit_percent_runtime 14 abort_grpc_status_runtime 15 disable_downstream_cluster_stats
        16 filter_metadata
        envoy.extensions.filters.http.header_mutation.v3.HeaderMutation 2 most_specific_header_mutations_wins
        envoy.extensions.filters.http.header_mutation.v3.Mutations 3 query_parameter_mutations
        4 response_trailers_mutations 5 request_trailers_mutations
        envoy.extensions.filters.http.jwt_authn.v3.JwksAsyncFetch 1 fast_listener 2 failed_refetch_duration
        envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication 3 filter_state_rules 6 strip_failure_response
        7 stat_prefix
        envoy.extensions.filters.http.jwt_authn.v3.JwtProvider 11 pad_forward_payload_header 12 jwt_cache_config
        14 header_in_metadata 16 failed_status_in_metadata 17 clear_route_cache 18 normalize_payload_in_metadata
        envoy.extensions.filters.http.jwt_authn.v3.RemoteJwks 4 retry_policy
        envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit 6 response_headers_to_add 8 descriptors
        9 stage 10 request_headers_to_add_when_not_enforced 12 enable_x_ratelimit_headers 13 vh_rate_limits
        14 always_consume_default_token_bucket 16 local_cluster_rate_limit 17 rate_limits 18 max_dynamic_descriptors
        envoy.extensions.filters.http.lua.v3.Lua 2 source_codes 4 stat_prefix 5 clear_route_cache
        envoy.extensions.filters.http.rbac.v3.RBAC 3 shadow_rules_stat_prefix 4 matcher 5 shadow_matcher
        6 rules_stat_prefix 7 track_per_rule_stats
        envoy.extensions.filters.http.router.v3.Router 1 dynamic_stats 2 start_child_span 3 upstream_log
        4 suppress_envoy_headers 5 strict_check_headers 6 respect_expected_rq_timeout
        7 suppress_grpc_request_failure_code_stats 8 upstream_http_filters 9 upstream_log_options
        envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol 1 rules 3 pass_through_tlvs
        4 disallowed_versions 5 stat_prefix 6 tlv_location
        envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector 1 enable_ja3_fingerprinting
        2 initial_read_buffer_size 3 enable_ja4_fingerprinting 4 close_connection_on_client_hello_parsing_errors
        5 max_client_hello_size
        envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager 6 add_user_agent 7 tracing
        8 http_protocol_options 12 drain_timeout 13 access_log 18 proxy_100_continue
        20 represent_ipv4_remote_address_as_ipv4_mapped_ipv6 21 skip_xff_append 25 internal_address_config
        26 delayed_close_timeout 28 request_timeout 31 scoped_routes 36 request_id_extension
        37 always_set_request_id_in_response 38 local_reply_config 39 strip_matching_host_port
        40 stream_error_on_invalid_http_message 42 strip_any_host_port 43 path_normalization_options
        44 http3_protocol_options 46 original_ip_detection_extensions 47 strip_trailing_host_dot
        48 scheme_header_transformation 49 proxy_status_config 50 typed_header_validation_config
        51 append_x_forwarded_port 52 early_header_mutation_extensions 53 add_proxy_protocol_connection_state
        54 access_log_flush_interval 55 flush_access_log_on_new_request 56 access_log_options 57 append_local_overload
        58 http1_safe_max_connection_duration 59 stream_flush_timeout 60 forward_client_cert_matcher
        envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig 2 filters
        envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy 3 downstream_idle_timeout 4 upstream_idle_timeout
        5 access_log 9 metadata_match 11 hash_policy 12 tunneling_config 14 on_demand 15 access_log_flush_interval
        16 flush_access_log_on_connected 17 access_log_options 18 backoff_options 19 proxy_protocol_tlvs
        20 max_downstream_connection_duration_jitter_percentage 21 upstream_connect_mode 22 max_early_data_bytes
        envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight 3 metadata_match
        envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
        3 allow_unspecified_address 4 tlv_as_pool_key
        envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext 2 verify_certificate_hash
        3 verify_certificate_spki 6 require_signed_certificate_timestamp 8 allow_expired_certificate
        9 match_subject_alt_names 10 trust_chain_verification 11 watched_directory 12 custom_validator_config
        13 ca_certificate_provider_instance 14 only_verify_leaf_cert_crl 16 max_verify_depth
        envoy.extensions.transport_sockets.tls.v3.CommonTlsContext 9 tls_certificate_certificate_provider
        10 validation_context_certificate_provider 11 tls_certificate_certificate_provider_instance
        12 validation_context_certificate_provider_instance 13 custom_handshaker 14 tls_certificate_provider_instance
        15 key_log 16 custom_tls_certificate_selector
        envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext
        3 validation_context_certificate_provider 4 validation_context_certificate_provider_instance
        envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext 3 require_sni 6 session_timeout
        8 ocsp_staple_policy 9 full_scan_certs_on_sni_mismatch 10 disable_stateful_session_resumption
        11 prefer_client_ciphers
        envoy.extensions.transport_sockets.tls.v3.GenericSecret 2 secrets
        envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher 3 oid
        envoy.extensions.transport_sockets.tls.v3.TlsCertificate 3 password 5 signed_certificate_timestamp
        6 private_key_provider 7 watched_directory 8 pkcs12
        envoy.extensions.transport_sockets.tls.v3.TlsParameters 5 signature_algorithms 6 compliance_policies
        envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext 3 allow_renegotiation 5 enforce_rsa_key_usage
        6 auto_host_sni 7 auto_sni_san_validation
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions 2 upstream_http_protocol_options
        4 use_downstream_protocol_config 6 http_filters 7 header_validation_config 8 outlier_detection
        9 request_mirror_policies 10 hash_policy 11 retry_policy
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig 3 http3_protocol_options
        4 alternate_protocols_cache_options
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig 3 http3_protocol_options
        envoy.type.matcher.v3.RegexMatcher.GoogleRE2 1 max_program_size
        envoy.type.matcher.v3.StringMatcher 8 custom
        """
}
