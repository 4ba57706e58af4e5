-- Answers 503 with a page, but for addresses, paths and holders of a secret that are let through.
--
-- Parameters:
--   enabled        false lets everyone through; default true
--   retry_after    seconds, sent as Retry-After; 0 sends none; default 300
--   title          of the page; default "Down for maintenance"
--   message        of the page; default "We will be back soon."
--   html           a whole page instead of title and message; not escaped
--   allow          CIDR blocks of clients that are let through
--   paths          that are let through: "/healthz" is that path, "/status/" is everything below it
--   bypass_header  default x-maintenance-bypass
--   bypass_secret  whoever sends it in the header is let through; without it nobody is

schema = {
  enabled = { type = "boolean", default = true },
  retry_after = { type = "integer", default = 300, min = 0, max = 604800 },
  title = { type = "string", default = "Down for maintenance" },
  message = { type = "string", default = "We will be back soon." },
  html = { type = "string", optional = true },
  allow = { type = "list", optional = true },
  paths = { type = "list", optional = true },
  bypass_header = { type = "string", default = "x-maintenance-bypass" },
  bypass_secret = { type = "string", optional = true },
}

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local PAGE = [[
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>TITLE</title></head>
<body><h1>TITLE</h1><p>MESSAGE</p></body>
</html>
]]

local function page(config)
  if config.html then return config.html end
  local texts = {
    TITLE = config.title:gsub("[&<>\"']", ENTITIES),
    MESSAGE = config.message:gsub("[&<>\"']", ENTITIES),
  }
  return (PAGE:gsub("%u+", texts))
end

local function reply_headers(config)
  local headers = { [":status"] = 503, ["content-type"] = "text/html; charset=utf-8", ["cache-control"] = "no-store" }
  if config.retry_after > 0 then headers["retry-after"] = config.retry_after end
  return headers
end

local function parse(config)
  local exact, prefixes = {}, {}
  for _, path in ipairs(config.paths or {}) do
    if path:sub(-1) == "/" then prefixes[#prefixes + 1] = path else exact[path] = true end
  end
  local secret = config.bypass_secret
  -- With an empty secret an empty header would open the door.
  if secret == "" then secret = nil end
  return {
    enabled = config.enabled,
    header = config.bypass_header,
    secret = secret,
    clients = ip.set(config.allow or {}),
    exact = exact,
    prefixes = prefixes,
    reply = reply_headers(config),
    page = page(config),
  }
end

-- A filter has one table of parameters as long as it lives, so each is parsed once.
local parsed = {}

local function settings_of(handle)
  local config = handle:config()
  local settings = parsed[config]
  if not settings then
    settings = parse(config)
    parsed[config] = settings
  end
  return settings
end

local function path_is_open(path, settings)
  path = path:match("^[^?#]*")
  if settings.exact[path] then return true end
  -- Upstream may resolve these and end up above the prefix.
  if path:find("..", 1, true) or path:find("[%%\\;]") then return false end
  for _, prefix in ipairs(settings.prefixes) do
    if path:sub(1, #prefix) == prefix then return true end
  end
  return false
end

local function knows_secret(handle, headers, settings)
  local count = headers:getNumValues(settings.header)
  if count == 0 then return false end
  local given = headers:get(settings.header)
  -- The secret is no business of upstream, right or wrong.
  headers:remove(settings.header)
  if count == 1 and settings.secret and crypto.equals(given, settings.secret) then return true end
  handle:logWarn("bypass header without the right secret")
  return false
end

function on_request(handle)
  local settings = settings_of(handle)
  local headers = handle:headers()
  local bypass = knows_secret(handle, headers, settings)
  if not settings.enabled then return end
  if bypass
    or settings.clients:contains(handle:streamInfo():downstreamRemoteAddress())
    or path_is_open(headers:get(":path"), settings)
  then
    handle:stats():counter("maintenance_passed"):inc()
    return
  end
  handle:stats():counter("maintenance_refused"):inc()
  handle:respond(settings.reply, settings.page)
end
