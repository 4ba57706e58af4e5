"""The Lua of the scenarios: the same work in each proxy's own API. `{n}` numbers the policies of a chain.

`headers` copies a request header and adds a response header; `call` asks a service before it lets a request pass; `json` reads a
body of 16 KiB, changes a field and puts the new one in its place.
"""

import json

ITEMS = [{"id": number, "name": f"item {number}", "price": number * 1.25, "tags": ["a", "b"]} for number in range(228)]
JSON_BODY = json.dumps({"team": "checkout", "card": "4111 1111 1111 1111", "items": ITEMS})

RESPONSE = """
function {on}_response(handle)
  handle:headers():add("x-served-by{n}", "bench")
end
"""
HEADERS = """
function {on}_request(handle)
  local team = handle:headers():get("x-team")
  if team then handle:headers():replace("x-policy{n}", team) end
end
""" + RESPONSE
CALL = """
function {on}_request(handle)
  local reply = handle:httpCall("upstream",
    {{[":method"] = "GET", [":path"] = "/100", [":authority"] = "auth"}}, nil, 1000)
  if reply[":status"] == "200" then handle:headers():replace("x-policy{n}", "checkout") end
end
""" + RESPONSE
MARTLET_JSON = """
function {on}_request(handle)
  local body = handle:body()
  local order = json.decode(body:getBytes(0, body:length()))
  order.card = "masked"
  handle:headers():replace("content-length", body:setBytes(json.encode(order)))
  handle:headers():replace("x-policy{n}", order.team)
end
""" + RESPONSE
# Envoy's Lua has no JSON: its policy masks text, which is less work than the others do.
ENVOY_JSON = """
function {on}_request(handle)
  local body = handle:body()
  local text = body:getBytes(0, body:length()):gsub('"card": "[^"]*"', '"card":"masked"')
  handle:headers():replace("content-length", body:setBytes(text))
  handle:headers():replace("x-policy{n}", text:match('"team": "([^"]*)"'))
end
""" + RESPONSE


def martlet(scenario):
    texts = {"headers": HEADERS, "call": CALL, "json": MARTLET_JSON}
    return [texts[scenario.policy].format(on="on", n=suffix(number)) for number in range(scenario.policies)]


def envoy(scenario):
    texts = {"headers": HEADERS, "call": CALL, "json": ENVOY_JSON}
    return [texts[scenario.policy].format(on="envoy_on", n=suffix(number)) for number in range(scenario.policies)]


def suffix(number):
    return f"-{number}" if number else ""


NGINX = {
    "headers": """
        local team = ngx.var.http_x_team
        if team then ngx.req.set_header("x-policy{n}", team) end""",
    "call": """
        local reply = ngx.location.capture("/authorize")
        if reply.status == 200 then ngx.req.set_header("x-policy{n}", "checkout") end""",
    "json": """
        ngx.req.read_body()
        local cjson = require("cjson")
        local order = cjson.decode(ngx.req.get_body_data())
        order.card = "masked"
        ngx.req.set_body_data(cjson.encode(order))
        ngx.req.set_header("x-policy{n}", order.team)""",
}


def nginx(scenario):
    """A location has one block for each phase: a chain is its policies one after another."""
    request = "\n".join(f"do {NGINX[scenario.policy].format(n=suffix(n))} end" for n in range(scenario.policies))
    response = "\n".join(f'ngx.header["x-served-by{suffix(n)}"] = "bench"' for n in range(scenario.policies))
    return f"access_by_lua_block {{ {request} }}\nheader_filter_by_lua_block {{ {response} }}"


HAPROXY = {
    "headers": """
    local team = txn.sf:req_fhdr("x-team")
    if team ~= "" then txn.http:req_set_header("x-policy{n}", team) end""",
    "call": """
    local reply = core.httpclient():get{{url = "http://127.0.0.1:{upstream}/100"}}
    if reply.status == 200 then txn.http:req_set_header("x-policy{n}", "checkout") end""",
}


def haproxy(scenario, upstream):
    """The script, and the lines that run it."""
    script, lines = "", []
    for number in range(scenario.policies):
        action = HAPROXY[scenario.policy].format(n=suffix(number), upstream=upstream)
        script += f"""
core.register_action("on_request{number}", {{"http-req"}}, function(txn){action}
end)
core.register_action("on_response{number}", {{"http-res"}}, function(txn)
    txn.http:res_add_header("x-served-by{suffix(number)}", "bench")
end)
"""
        lines += [f"http-request lua.on_request{number}", f"http-response lua.on_response{number}"]
    return script, "\n    ".join(lines)
