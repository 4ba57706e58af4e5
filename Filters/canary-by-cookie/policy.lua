-- Marks requests for the canary with a header, for a route to match on. A cookie decides; without one, a percentage of ids.
--
-- Parameters:
--   cookie     its name; default canary. Its value `always` or `never` decides for the client
--   percent    of ids that are sent to the canary, 0 to 100; default 0
--   id_header  the header with the id: the same id always goes the same way
--   id_cookie  or the cookie with it. Without either, or where it is missing, the client's address is the id
--   salt       another salt picks other ids; default "canary"
--   header     that marks the request upstream; default x-canary. The client's own is taken away

schema = {
  cookie = { type = "string", default = "canary" },
  percent = { type = "number", default = 0, min = 0, max = 100 },
  id_header = { type = "string", optional = true },
  id_cookie = { type = "string", optional = true },
  salt = { type = "string", default = "canary" },
  header = { type = "string", default = "x-canary" },
}

-- The value of the first cookie of the name. `prefix` is the name and an equals sign.
local function cookie(headers, prefix)
  for index = 0, headers:getNumValues("cookie") - 1 do
    local field, from = headers:getAtIndex("cookie", index), 1
    while true do
      local first, last = field:find(prefix, from, true)
      if not first then break end
      -- Not the end of another cookie's name.
      if first == 1 or field:find("^[; \t]", first - 1) then return field:match("^[^; \t]*", last + 1) end
      from = last + 1
    end
  end
end

local function address(handle)
  -- Without the port, which is another one for each connection.
  return handle:streamInfo():downstreamRemoteAddress():match("^(.*):%d+$")
end

local function id(handle, headers, config)
  local value = config.id_header and headers:get(config.id_header)
    or config.id_cookie and cookie(headers, config.id_cookie .. "=")
  if value and value ~= "" then return value end
  return address(handle)
end

-- Where on the line from 0 to 100 the id is.
local function place(salt, value)
  local a, b, c, d = crypto.hash("sha256", salt .. "\n" .. value):byte(1, 4)
  return (((a * 256 + b) * 256 + c) * 256 + d) * 100 / 4294967296
end

local function is_canary(handle, headers, config)
  local choice = cookie(headers, config.cookie .. "=")
  if choice == "always" then return true end
  if choice == "never" or config.percent == 0 then return false end
  return place(config.salt, id(handle, headers, config)) < config.percent
end

function on_request(handle)
  local config, headers = handle:config(), handle:headers()
  if is_canary(handle, headers, config) then
    headers:replace(config.header, "1")
    handle:stats():counter("canary_requests"):inc()
  else
    headers:remove(config.header)
  end
  handle:clearRouteCache()
end
